package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/client"
)

// audit holds what the server says in the end against the journal and the
// ledger. It reads those and the API, and nothing else.
type audit struct {
	service *client.Client
	flows   map[string]*flow
	orders  map[string]*order // by execution ARN
	creates []call
	strays  []entry // of the ledger, of executions that nobody started

	mu    sync.Mutex
	found []finding
	tally tally
}

// finding is something that must not be.
type finding struct {
	invariant string
	order     *order // nil where it is none's
	what      string
}

// order is all that is known of one order.
type order struct {
	name, machine, input string
	execution            string // ARN
	amount               int64
	starts               []call // and what else its clients asked
	calls                []call
	entries              []entry // of the ledger

	found  *api.DescribeExecutionOutput // nil: there is none
	events []api.HistoryEvent
	path   *path

	stands []entry // effects of a future that a restore took back, which stand all the same
}

// tally counts what was looked at.
type tally struct {
	outcomes                           map[verb]map[string]int
	executions, absent                 int
	statuses                           map[string]int
	events, samples, extended          int // of histories; samples that were read during the run, and those that grew since
	scheduled, keys, raw, uncalled     int // entries of states, keys, calls, entries that no call came of
	resent                             int // calls under a key that had been seen before
	completions, accepted, lateRefused int
	modes                              map[mode]int
	answers                            map[answer]int
	debited, refunded, paid, stopped   int64 // paid by orders that succeeded; held of those that were stopped
	off                                int
}

func openAudit(r *rig) (*audit, error) {
	calls, err := readJournal(r.journalFile())
	if err != nil {
		return nil, err
	}
	entries, err := readBook[entry](r.ledgerFile())
	if err != nil {
		return nil, err
	}
	return newAudit(r, calls, entries), nil
}

// newAudit is an audit by those calls and entries.
func newAudit(r *rig, calls []call, entries []entry) *audit {
	a := &audit{service: r.reader, flows: map[string]*flow{}, orders: map[string]*order{}, tally: tally{
		outcomes: map[verb]map[string]int{}, statuses: map[string]int{}, modes: map[mode]int{}, answers: map[answer]int{},
	}}
	for _, way := range ways {
		for _, s := range way {
			a.flows[s.name] = flowOf(s.definition())
		}
	}
	a.sortCalls(calls)
	a.sortEntries(entries)
	return a
}

// sortCalls gives each call to its order.
func (a *audit) sortCalls(calls []call) {
	for _, c := range calls {
		if a.tally.outcomes[c.Verb] == nil {
			a.tally.outcomes[c.Verb] = map[string]int{}
		}
		a.tally.outcomes[c.Verb][c.Outcome]++
		arn := c.Execution
		switch c.Verb {
		case create:
			a.creates = append(a.creates, c)
			continue
		case start:
			arn = "arn:aws:states:" + region + ":" + account + ":execution:" + c.Machine + ":" + c.Name
		}
		o := a.orders[arn]
		if o == nil {
			o = &order{name: c.Name, machine: c.Machine, input: c.Input, execution: arn}
			if c.Verb == start {
				o.amount = amountOf(c.Input)
			}
			a.orders[arn] = o
		}
		if c.Verb == start {
			o.starts = append(o.starts, c)
		} else {
			o.calls = append(o.calls, c)
		}
	}
}

func (a *audit) sortEntries(entries []entry) {
	ownerOf := map[string]string{}
	for _, e := range entries {
		a.tally.raw++
		a.tally.modes[e.Mode]++
		a.tally.answers[e.Answer]++
		o := a.orders[e.Execution]
		if o == nil {
			a.strays = append(a.strays, e)
			continue
		}
		o.entries = append(o.entries, e)
		owner := e.Execution + " " + e.State
		switch was, known := ownerOf[e.Key]; {
		case !known:
			ownerOf[e.Key] = owner
		case was != owner:
			a.say("I3", o, "%s has the key %s of %s", owner, e.Key, was)
		default:
			a.tally.resent++
		}
	}
	a.tally.keys = len(ownerOf)
}

func (a *audit) say(invariant string, o *order, format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.found = append(a.found, finding{invariant, o, fmt.Sprintf(format, args...)})
}

// readers are how many ask the server at once.
const readers = 8

// run looks at every order, every create, and for what nobody asked for.
func (a *audit) run(ctx context.Context) error {
	if err := a.examineAll(ctx); err != nil {
		return err
	}
	for _, e := range a.strays {
		a.say("I3", nil, "a participant was called for %q, state %q, which nobody started", e.Execution, e.State)
	}
	a.checkTokens()
	if err := a.checkCreates(ctx); err != nil {
		return err
	}
	if err := a.checkLists(ctx); err != nil {
		return err
	}
	slices.SortStableFunc(a.found, func(x, y finding) int { return strings.Compare(x.invariant, y.invariant) })
	return nil
}

func (a *audit) examineAll(ctx context.Context) error {
	work := make(chan *order)
	var all sync.WaitGroup
	failed := make([]error, readers)
	for n := range readers {
		all.Go(func() {
			for o := range work {
				if failed[n] == nil {
					failed[n] = a.examine(ctx, o)
				}
			}
		})
	}
	for _, o := range a.orders {
		work <- o
	}
	close(work)
	all.Wait()
	return errors.Join(failed...)
}

// examine reads an order's end from the server and holds everything against it.
func (a *audit) examine(ctx context.Context, o *order) error {
	if len(o.starts) == 0 {
		return fmt.Errorf("the journal has calls of %s and no start", o.execution)
	}
	found, err := a.service.DescribeExecution(ctx, &api.DescribeExecutionInput{ExecutionArn: o.execution})
	switch {
	case api.CodeOf(err) == api.CodeExecutionDoesNotExist:
		a.checkAbsent(o)
		return nil
	case err == nil:
		o.events, err = readHistory(ctx, a.service, o.execution, 1000)
	}
	if code := api.CodeOf(err); code != "" {
		a.say("I1", o, "it can't be read: the server says %s", code)
		return nil
	}
	if err != nil {
		return err
	}
	o.found = found
	o.path = follow(a.flows[o.machine], o.events)
	a.checkStarts(o)
	a.checkCalls(o)
	a.checkHistory(o)
	a.checkKeys(o)
	a.checkMoney(o)
	return nil
}

// checkAbsent: what is not there was never acknowledged, and had no effect.
func (a *audit) checkAbsent(o *order) {
	a.count(func(t *tally) { t.absent++ })
	for _, c := range slices.Concat(o.starts, o.calls) {
		if c.Outcome == acknowledged {
			a.say("I1", o, "a %s was acknowledged (call %d, cycle %d), and there is no such execution", c.Verb, c.N, c.Cycle)
		}
	}
	for _, e := range o.entries {
		a.say("I3", o, "%s was called under the key %s, and there is no such execution", e.State, e.Key)
	}
}

// checkStarts: one name is one execution, with the input that was asked for.
func (a *audit) checkStarts(o *order) {
	asked := false
	for _, c := range o.starts {
		other := c.Of != 0 && c.Input != o.input
		switch c.Outcome {
		case acknowledged:
			if other {
				a.say("I6", o, "another input was taken under its name (call %d)", c.N)
			}
			if c.Execution != o.execution || c.Date != int64(o.found.StartDate) {
				a.say("I1", o, "call %d was answered %s of %d, and it is of %d", c.N, c.Execution, c.Date, o.found.StartDate)
			}
		case lost, unsent, "", api.CodeThrottling:
		case api.CodeExecutionAlreadyExists:
			if !asked {
				a.say("I6", o, "its first start was refused: %s (call %d)", c.Outcome, c.N)
			}
		default:
			a.say("I1", o, "start refused: %s (call %d)", c.Outcome, c.N)
		}
		asked = asked || c.Outcome != unsent
	}
	if !asked {
		a.say("I1", o, "it is there, and no start of it ever reached the server")
	}
	if o.found.Name == nil || *o.found.Name != o.name || o.found.Input == nil || *o.found.Input != o.input || o.found.StateMachineArn != machineArn(o.machine) {
		a.say("I1", o, "it is described with another name, input or state machine")
	}
	if len(o.events) == 0 {
		a.say("I2", o, "its history is empty")
	} else if e := o.events[0].ExecutionStartedEventDetails; e == nil || e.Input == nil || *e.Input != o.input {
		a.say("I1", o, "its history begins with another input")
	}
}

// checkCalls: what its clients heard of it is so.
func (a *audit) checkCalls(o *order) {
	status, ended := string(o.found.Status), int64(0)
	if o.found.StopDate != nil {
		ended = int64(*o.found.StopDate)
	}
	stopped := false
	for _, c := range o.calls {
		stopped = stopped || c.Verb == stop && slices.Contains([]string{acknowledged, lost, ""}, c.Outcome)
		switch {
		case c.Verb == complete:
			continue // by token, and below by receipt
		case slices.Contains([]string{lost, unsent, "", api.CodeThrottling}, c.Outcome):
			continue
		case c.Outcome != acknowledged:
			a.say("I1", o, "a %s was refused after the start was acknowledged: %s (call %d)", c.Verb, c.Outcome, c.N)
			continue
		}
		switch c.Verb {
		case stop:
			if c.Date != ended {
				a.say("I1", o, "a stop was acknowledged with the end %d, and it ended at %d as %s (call %d)", c.Date, ended, status, c.N)
			}
		case describe:
			if c.Status != string(api.ExecutionStatusRunning) && (c.Status != status || c.Date != ended) {
				a.say("I1", o, "it was described as %s at %d, and is %s at %d (call %d)", c.Status, c.Date, status, ended, c.N)
			}
		case history:
			a.checkSample(o, c)
		}
	}
	if o.found.Status == api.ExecutionStatusAborted && !stopped {
		a.say("I2", o, "it is stopped, and nobody stopped it")
	}
}

// checkSample: a history that was read on the way is how the whole one begins.
func (a *audit) checkSample(o *order, c call) {
	a.count(func(t *tally) {
		t.samples++
		if c.Events < len(o.events) {
			t.extended++
		}
	})
	if c.Events > len(o.events) || c.Events == 0 || digestOf(o.events[:c.Events]) != c.Digest {
		a.say("I2", o, "its %d events as they were read by call %d are not how its history begins", c.Events, c.N)
	}
}

// checkTokens: of all completions of one task at most one is accepted.
func (a *audit) checkTokens() {
	taken := map[string]int{}
	for _, o := range a.orders {
		for _, c := range o.calls {
			if c.Verb != complete {
				continue
			}
			a.tally.completions++
			switch c.Outcome {
			case acknowledged:
				a.tally.accepted++
				if taken[c.Token]++; taken[c.Token] > 1 {
					a.say("I4", o, "a second completion of one task of %s was accepted (call %d)", c.State, c.N)
				}
			case api.CodeTaskTimedOut, api.CodeTaskDoesNotExist:
				a.tally.lateRefused++
			case lost, unsent, "", api.CodeThrottling:
			default:
				a.say("I4", o, "a completion of %s was refused: %s (call %d)", c.State, c.Outcome, c.N)
			}
		}
	}
}

// checkCreates: what was created is there.
func (a *audit) checkCreates(ctx context.Context) error {
	for _, c := range a.creates {
		if c.Outcome != acknowledged {
			continue
		}
		var err error
		if c.Machine == "" {
			_, err = a.service.DescribeActivity(ctx, &api.DescribeActivityInput{ActivityArn: "arn:aws:states:" + region + ":" + account + ":activity:" + c.Name})
		} else {
			var m *api.DescribeStateMachineOutput
			m, err = a.service.DescribeStateMachine(ctx, &api.DescribeStateMachineInput{StateMachineArn: machineArn(c.Name)})
			if err == nil && m.Definition != c.Input {
				a.say("I1", nil, "the state machine %s has another definition than was acknowledged", c.Name)
			}
		}
		if code := api.CodeOf(err); code != "" {
			a.say("I1", nil, "%s was acknowledged as created, and the server says %s", c.Name, code)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// checkLists: what is listed is what there is, and nothing of it runs.
func (a *audit) checkLists(ctx context.Context) error {
	listed := map[string]bool{}
	for name := range a.flows {
		arn := machineArn(name)
		for e, err := range client.Executions(ctx, a.service, api.ListExecutionsInput{StateMachineArn: &arn, MaxResults: 1000}) {
			if err != nil {
				return err
			}
			o := a.orders[e.ExecutionArn]
			switch {
			case o == nil || o.found == nil:
				a.say("I1", nil, "%s is listed, and nobody started it or it can't be read", e.ExecutionArn)
			case listed[e.ExecutionArn]:
				a.say("I1", o, "it is listed twice")
			case e.Status != o.found.Status:
				a.say("I1", o, "it is listed as %s and described as %s", e.Status, o.found.Status)
			}
			listed[e.ExecutionArn] = true
		}
	}
	for arn, o := range a.orders {
		if o.found != nil && !listed[arn] {
			a.say("I1", o, "it is not listed")
		}
	}
	return nil
}

func (a *audit) count(change func(*tally)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.tally)
}
