package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/client"
)

// check holds what the restored server says in the end against the journal and the
// ledger, as far as the backup can know them, and lists the effects that it can't.
func (d *drill) check(ctx context.Context, out io.Writer) (drilled, error) {
	sum := drilled{refused: d.refused, acknowledged: d.before + d.after}
	calls, err := d.knownCalls()
	if err != nil {
		return sum, err
	}
	entries, err := readBook[entry](d.ledgerFile())
	if err != nil {
		return sum, err
	}
	there, err := d.listed(ctx)
	if err != nil {
		return sum, err
	}
	sum.executions = len(there)
	kept, unknown, futures := d.split(entries, there)
	a := newAudit(d.rig, calls, kept)
	for _, f := range a.flows {
		f.restored = true
	}
	if len(there) != d.executions {
		a.say("I1", nil, "the backup says that it has %d executions, and %d are there", d.executions, len(there))
	}
	d.dropUnknown(a, there)
	newer, err := d.checkUnknown(a, unknown, &sum)
	if err != nil {
		return sum, err
	}
	for arn, future := range futures {
		if o := a.orders[arn]; o != nil {
			back, err := d.reconcile(ctx, a, o, future)
			if err != nil {
				return sum, err
			}
			newer = append(newer, back...)
			sum.diverged += len(back)
		}
	}
	if sum.newer = len(newer); sum.newer == 0 {
		a.say("I8", nil, "there are no effects newer than the backup: the run proves nothing about them")
	}
	if err := a.run(ctx); err != nil {
		return sum, err
	}
	d.sumUp(a, kept, &sum)
	printFindings(out, a)
	sum.findings = len(a.found)
	return sum, d.list(newer)
}

// knownCalls are the calls as a server that was restored can know of them: what was
// answered before the backup began was acknowledged, and what is asked of the server
// after the restore; anything between is as good as unanswered.
func (d *drill) knownCalls() ([]call, error) {
	text, err := os.ReadFile(d.journalFile())
	if err != nil {
		return nil, err
	}
	prefix := filepath.Join(d.config.dir, "journal-of-the-backup.jsonl")
	if err := os.WriteFile(prefix, text[:strings.LastIndexByte(string(text[:d.journaled]), '\n')+1], 0o600); err != nil {
		return nil, err
	}
	answered := map[int64]bool{}
	then, err := readJournal(prefix)
	if err != nil {
		return nil, err
	}
	for _, c := range then {
		answered[c.N] = c.Outcome != ""
	}
	all, err := readJournal(d.journalFile())
	for i := range all {
		if c := &all[i]; c.Cycle == 0 && !answered[c.N] && c.Outcome != unsent {
			c.Outcome = lost
		}
	}
	return all, err
}

// listed are the executions that the restored server has.
func (d *drill) listed(ctx context.Context) (map[string]bool, error) {
	there := map[string]bool{}
	for _, m := range d.machines() {
		arn := machineArn(m[0])
		for e, err := range client.Executions(ctx, d.client, api.ListExecutionsInput{StateMachineArn: &arn, MaxResults: 1000}) {
			if err != nil {
				return nil, err
			}
			there[e.ExecutionArn] = true
		}
	}
	return there, nil
}

// split parts the ledger: what was asked for before the backup and after the restore
// of what is there, what was for executions that the backup does not know, and what
// was between backup and restore for those that it knows.
func (d *drill) split(entries []entry, there map[string]bool) (kept, unknown []entry, futures map[string][]entry) {
	futures = map[string][]entry{}
	for _, e := range entries {
		switch {
		case !there[e.Execution]:
			unknown = append(unknown, e)
		case e.At >= d.began && e.At < d.served:
			futures[e.Execution] = append(futures[e.Execution], e)
		default:
			kept = append(kept, e)
		}
	}
	return kept, unknown, futures
}

// dropUnknown takes orders away that are not there and need not be.
func (d *drill) dropUnknown(a *audit, there map[string]bool) {
	for arn, o := range a.orders {
		acked := slices.ContainsFunc(slices.Concat(o.starts, o.calls), func(c call) bool { return c.Outcome == acknowledged })
		if !there[arn] && !acked {
			delete(a.orders, arn)
		}
	}
}

// checkUnknown gives the effects on orders that the backup does not know: none may be
// older than it.
func (d *drill) checkUnknown(a *audit, unknown []entry, sum *drilled) (newer []entry, err error) {
	orders := map[string]bool{}
	for _, e := range unknown {
		switch {
		case e.At < d.began:
			a.say("I1", nil, "%s was called for %s before the backup began, which does not know it", e.Operation, e.Execution)
		case e.At >= d.served:
			a.say("I3", nil, "%s was called for %s, which the restored server does not have", e.Operation, e.Execution)
		case e.First && e.Answer == done:
			newer = append(newer, e)
			orders[e.Execution] = true
		}
	}
	sum.unknown = len(orders)
	return newer, nil
}

// reconcile settles what an order's first future, which the backup does not know, had
// done to it. Most of it its second future has asked for again, under the same keys.
// What it has not stands where the order's end agrees with it, and is to be taken back
// where it does not.
func (d *drill) reconcile(ctx context.Context, a *audit, o *order, future []entry) (back []entry, err error) {
	if o.found, err = d.client.DescribeExecution(ctx, &api.DescribeExecutionInput{ExecutionArn: o.execution}); err != nil {
		return nil, err
	}
	if o.events, err = readHistory(ctx, d.client, o.execution, 1000); err != nil {
		return nil, err
	}
	o.path = follow(a.flows[o.machine], o.events)
	entered := entriesOf(o.events)
	var gone []entry
	for _, e := range future {
		if askedAgain(o, e, entered) {
			o.entries = append(o.entries, e)
		} else if e.First && e.Answer == done {
			gone = append(gone, e)
		}
	}
	slices.SortStableFunc(o.entries, func(x, y entry) int { return int(x.At - y.At) })
	for _, forward := range operations {
		if forward.undo {
			continue
		}
		mine := slices.DeleteFunc(slices.Clone(gone), func(e entry) bool {
			operation, _ := operationNamed(e.Operation)
			return operation.service != forward.service
		})
		if forward.name == "Notify" {
			back = append(back, mine...) // nothing undoes it: somebody was told too much
		} else if slices.Contains(o.mayHold(forward), holdsOf(forward.service, slices.Concat(o.entries, mine))) {
			o.stands = append(o.stands, mine...)
		} else {
			back = append(back, mine...)
		}
	}
	return back, nil
}

// entriesOf are the states of a history by the number of their entry.
func entriesOf(events []api.HistoryEvent) map[int]string {
	entered := map[int]string{}
	for _, e := range events {
		if e.StateEnteredEventDetails != nil {
			entered[len(entered)+1] = e.StateEnteredEventDetails.Name
		}
	}
	return entered
}

// askedAgain reports whether an order's history schedules the very step that a
// call was of.
func askedAgain(o *order, e entry, entered map[int]string) bool {
	if o.path.step(e.State).scheduled == 0 {
		return false
	}
	if e.Attempt == "" {
		return true // a worker's key is the order's and the state's
	}
	_, number, _ := strings.Cut(e.Key, "-")
	n, err := strconv.Atoi(number)
	return err == nil && entered[n] == e.State
}

// holdsOf is how often a service holds what an order asks for.
func holdsOf(service string, entries []entry) (holds int) {
	for _, e := range entries {
		operation, known := operationNamed(e.Operation)
		switch {
		case !known || operation.service != service || !e.First || e.Answer != done:
		case operation.undo:
			holds--
		default:
			holds++
		}
	}
	return holds
}

// sumUp adds what makes a run invalid or wrong beside what the audit found, and sums
// it up.
func (d *drill) sumUp(a *audit, kept []entry, sum *drilled) {
	for status, n := range a.tally.statuses {
		if api.ExecutionStatus(status).Ended() {
			sum.finished += n
		}
	}
	d.judgeEnd(a)
	a.checkSums()
	for _, o := range a.orders {
		earlier := map[string]bool{}
		for _, e := range o.entries {
			if e.At < d.served {
				earlier[e.Key] = true
			} else if earlier[e.Key] {
				sum.repeated++
				delete(earlier, e.Key)
			}
		}
	}
	if sum.repeated == 0 {
		d.fault("no step that was under way was offered again")
	}
}

// list writes the effects that are newer than the backup, for whoever takes them
// back.
func (d *drill) list(newer []entry) error {
	var text strings.Builder
	for _, e := range newer {
		line, err := json.Marshal(e)
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s\n", line)
	}
	return os.WriteFile(filepath.Join(d.config.dir, "newer.jsonl"), []byte(text.String()), 0o600)
}
