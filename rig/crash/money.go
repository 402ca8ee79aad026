package main

import (
	"slices"
	"strings"

	"github.com/backstep/backstep/api"
)

// checkHistory: the history is a legal one, it ends as the execution does, and
// the completions that were accepted are in it.
func (a *audit) checkHistory(o *order) {
	for _, fault := range o.path.faults {
		a.say("I2", o, "%s", fault)
	}
	if o.path.status != string(o.found.Status) {
		a.say("I2", o, "its history ends as %s, and it is %s", o.path.status, o.found.Status)
	}
	if !o.found.Status.Ended() {
		a.say("I9", o, "it still runs")
	}
	offered := map[string]bool{}
	for _, c := range o.calls {
		if c.Verb != complete {
			continue
		}
		if slices.Contains([]string{acknowledged, lost, ""}, c.Outcome) {
			offered[c.Receipt] = true
		}
		if c.Outcome == acknowledged && !slices.Contains(o.path.receipts, c.Receipt) {
			a.say("I1", o, "a completion of %s was acknowledged (call %d, %s) and is not in the history", c.State, c.N, c.Receipt)
		}
	}
	for i, receipt := range o.path.receipts {
		if !offered[receipt] || slices.Contains(o.path.receipts[:i], receipt) {
			a.say("I4", o, "its history has %s twice, or one that was refused", receipt)
		}
	}
	a.count(func(t *tally) {
		t.executions++
		t.statuses[string(o.found.Status)]++
		t.events += len(o.events)
	})
}

// checkKeys: what was scheduled was called, under one key; nothing else was
// called.
func (a *audit) checkKeys(o *order) {
	keys, id := map[string]string{}, ""
	for _, e := range o.entries {
		if was, known := keys[e.State]; known && was != e.Key {
			a.say("I3", o, "%s was called under the keys %s and %s", e.State, was, e.Key)
		}
		keys[e.State] = e.Key
		if e.Operation != e.State || e.Order != o.name || e.Amount != o.amount || e.Key == "" {
			a.say("I3", o, "%s was called to %s the order %s of %d under the key %q", e.State, e.Operation, e.Order, e.Amount, e.Key)
		}
		if o.path.step(e.State).scheduled == 0 {
			a.say("I3", o, "%s was called under the key %s, and its history does not schedule it", e.State, e.Key)
		}
		if of, _, _ := strings.Cut(e.Key, "-"); e.Attempt != "" {
			if id != "" && id != of {
				a.say("I3", o, "its keys are of two executions, %s and %s", id, of)
			}
			id = of
		}
	}
	scheduled, uncalled := 0, 0
	for _, operation := range operations {
		s := o.path.step(operation.name)
		if s.scheduled == 0 {
			continue
		}
		scheduled++
		if keys[operation.name] == "" {
			uncalled++
			if s.succeeded > 0 {
				a.say("I3", o, "%s succeeded, and nobody was called", operation.name)
			}
		}
	}
	a.count(func(t *tally) {
		t.scheduled += scheduled
		t.uncalled += uncalled
	})
}

// checkMoney: each service stands to the order as its end says; money is what
// the payment service holds.
func (a *audit) checkMoney(o *order) {
	holds, amounts := map[string]int{}, map[string]int64{}
	for _, e := range slices.Concat(o.entries, o.stands) {
		operation, known := operationNamed(e.Operation)
		if !known || !e.First || e.Answer != done {
			continue
		}
		if operation.undo {
			holds[operation.service]--
			amounts[operation.name] += e.Amount
		} else {
			holds[operation.service]++
			amounts[operation.name] += e.Amount
		}
	}
	off := false
	for _, forward := range operations {
		if forward.undo || forward.name == "Notify" {
			continue
		}
		if may := o.mayHold(forward); !slices.Contains(may, holds[forward.service]) {
			off = true
			a.say("I8", o, "%s: %s holds %d times %d, which may be %v times", o.found.Status, forward.service, holds[forward.service], o.amount, may)
		}
	}
	paid := int64(holds["payment"]) * o.amount
	if amounts["Debit"]-amounts["Refund"] != paid {
		off = true
		a.say("I8", o, "debits %d, refunds %d, and %d should be held", amounts["Debit"], amounts["Refund"], paid)
	}
	a.count(func(t *tally) {
		t.debited += amounts["Debit"]
		t.refunded += amounts["Refund"]
		switch o.found.Status {
		case api.ExecutionStatusSucceeded:
			t.paid += o.amount
		case api.ExecutionStatusAborted:
			t.stopped += paid
		}
		if off {
			t.off++
		}
	})
}

// checkSums: over all orders, too, what was debited was refunded, paid or is held.
func (a *audit) checkSums() {
	if t := &a.tally; t.debited-t.refunded != t.paid+t.stopped {
		a.say("I8", nil, "the sums do not balance")
	}
}

// mayHold is how often a service may hold what the order asks for. An order
// that succeeded has it, one that failed has not; of one that was stopped its
// history tells as far as it goes: what was under way then may have been done or
// not.
func (o *order) mayHold(forward operation) []int {
	switch o.found.Status {
	case api.ExecutionStatusSucceeded:
		return []int{1}
	case api.ExecutionStatusFailed:
		return []int{0}
	}
	i := slices.IndexFunc(operations, func(u operation) bool { return u.undo && u.service == forward.service })
	asked, undone := o.path.step(forward.name), o.path.step(operations[i].name)
	switch {
	case asked.scheduled == 0 || undone.succeeded > 0:
		return []int{0}
	case asked.succeeded > 0 && undone.scheduled == 0:
		return []int{1}
	}
	return []int{0, 1}
}
