package main

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/client"
)

// operator is a person at the inbox: it lists what waits, sees to it at the shop
// where its verb asks for that, and resolves it by a verb at random.
type operator struct {
	journal *journal
	shop    *shop
	chance  *chance
	over    atomic.Bool
	work    sync.WaitGroup

	mu   sync.Mutex
	seen map[string]bool // holds, by execution and number
}

func (o *operator) run() {
	o.work.Go(func() {
		for !o.over.Load() {
			o.round()
			o.chance.sleep(20*time.Millisecond, 200*time.Millisecond)
		}
	})
}

func (o *operator) end() {
	o.over.Store(true)
	o.work.Wait()
}

// round goes through the inbox once, as far as the server lets it.
func (o *operator) round() {
	ctx, cancel := context.WithTimeout(context.Background(), callTime)
	defer cancel()
	for h, err := range client.Holds(ctx, o.journal.service, api.ListHoldsInput{}) {
		if err != nil || o.over.Load() {
			return
		}
		o.mu.Lock()
		o.seen[holdName(h.ExecutionArn, h.HoldId)] = true
		o.mu.Unlock()
		if h.StepId != nil && len(h.Verbs) > 0 {
			o.resolve(h)
		}
	}
}

func holdName(execution, hold string) string { return execution + " hold " + hold }

// Of a hundred holds so many are given up with their saga.
const abandonPercent = 3

// resolve does something about a hold.
func (o *operator) resolve(h api.Hold) {
	in := api.ResolveHoldInput{ExecutionArn: h.ExecutionArn, HoldId: &h.HoldId, Operator: "rig", Reason: "it is drawn"}
	verbs := slices.DeleteFunc(slices.Clone(h.Verbs), func(v api.HoldVerb) bool { return v == api.HoldVerbAbandon })
	in.Verb = verbs[o.chance.below(len(verbs))]
	if o.chance.percent(abandonPercent) {
		in.Verb = api.HoldVerbAbandon
		in.SagaId = h.SagaId
	} else if !o.prepare(&in, h) {
		return
	}
	o.journal.resolve(in, stateOf(h))
}

func stateOf(h api.Hold) string {
	if h.StateName == nil {
		return ""
	}
	return *h.StateName
}

// prepare sees to it that what the verb vouches for is so, and reports whether the
// verb may be taken.
func (o *operator) prepare(in *api.ResolveHoldInput, h api.Hold) bool {
	state := stateOf(h)
	nested := state == "Deliver"
	request := func() *string { text := input(orderOf(h.ExecutionArn), 1); return &text }
	hand := func(operation string) answer { return o.shop.byHand(*h.StepId, operation, h.ExecutionArn, state) }
	switch in.Verb {
	case api.HoldVerbRetry:
		if h.Operation != api.SagaOperationForward && o.chance.percent(70) {
			o.shop.mend(*h.StepId)
		}
	case api.HoldVerbEdit:
		if nested {
			return false
		}
		o.shop.mend(*h.StepId)
		in.Request = request()
	case api.HoldVerbAlternate:
		if nested || h.Operation != api.SagaOperationCompensate {
			return false
		}
		in.Resource = new(string)
		*in.Resource = functionArn(byHandPrefix + state)
	case api.HoldVerbDone:
		return o.settle(in, h, nested, hand)
	case api.HoldVerbBack: // a pivot counts as failed then
		if state == "Ship" && hand("query") != asFailed {
			return false
		}
	}
	return true
}

// settle does by hand what a hold waits for, or finds out what became of it.
func (o *operator) settle(in *api.ResolveHoldInput, h api.Hold, nested bool, hand func(string) answer) bool {
	switch {
	case nested:
		return false
	case h.Operation != api.SagaOperationForward:
		return hand(string(h.Operation)) == done || h.Operation == api.SagaOperationCompensate
	}
	found := asSucceeded
	if stateOf(h) == "Notify" { // it must be done
		if hand("forward") != done {
			return false
		}
	} else {
		found = hand("query")
	}
	switch found {
	case asSucceeded:
		in.Outcome = api.StepOutcomeSucceeded
		in.Result = new(string)
		*in.Result = `{"answer": "done"}`
	case asFailed:
		in.Outcome = api.StepOutcomeFailed
	default:
		return false
	}
	return true
}

// orderOf is the name of an execution.
func orderOf(execution string) string { return execution[strings.LastIndex(execution, ":")+1:] }
