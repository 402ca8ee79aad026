package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/client"
)

// inspection holds what the logs of the extension's sagas say against what the
// shop's services did, and against what clients and the operator were told.
type inspection struct {
	rig      *rig
	starts   map[string][]call // by execution ARN
	resolved map[string][]call // decisions about holds, by execution ARN
	outcomes map[verb]map[string]int
	calls    int // of the ledger
	answers  map[answer]int
	modes    map[mode]int

	mu       sync.Mutex
	seen     map[string]bool // forward keys that a log has
	found    []string
	off      map[string]bool // executions with a finding
	statuses map[api.SagaStatus]int
	steps    map[api.SagaStepStatus]int
	looked   int // executions
	children int // of them those that a saga started
	debited  int // standing in the end
}

func openInspection(r *rig) (*inspection, error) {
	calls, err := readJournal(r.journalFile())
	if err != nil {
		return nil, err
	}
	entries, err := readBook[entry](r.ledgerFile())
	if err != nil {
		return nil, err
	}
	i := &inspection{rig: r, starts: map[string][]call{}, resolved: map[string][]call{}, outcomes: map[verb]map[string]int{}, answers: map[answer]int{}, modes: map[mode]int{},
		seen: map[string]bool{}, off: map[string]bool{}, statuses: map[api.SagaStatus]int{}, steps: map[api.SagaStepStatus]int{}, calls: len(entries)}
	for _, c := range calls {
		if i.outcomes[c.Verb] == nil {
			i.outcomes[c.Verb] = map[string]int{}
		}
		i.outcomes[c.Verb][c.Outcome]++
		switch c.Verb {
		case start:
			arn := "arn:aws:states:" + region + ":" + account + ":execution:" + c.Machine + ":" + c.Name
			i.starts[arn] = append(i.starts[arn], c)
		case resolve:
			if c.Outcome == acknowledged || c.Outcome == lost || c.Outcome == "" {
				i.resolved[c.Execution] = append(i.resolved[c.Execution], c)
			}
		}
	}
	owner := map[string]string{}
	for _, e := range entries {
		i.answers[e.Answer]++
		i.modes[e.Mode]++
		of := e.Execution + " " + e.State
		if was := owner[e.Key]; e.Key != "" && was != "" && was != of {
			i.say(e.Execution, "%s has the key %s of %s", of, e.Key, was)
		}
		owner[e.Key] = of
	}
	return i, nil
}

func (i *inspection) say(execution, format string, args ...any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.off[execution] = true
	i.found = append(i.found, execution+": "+fmt.Sprintf(format, args...))
}

// run looks at every execution that there is, and for those that were
// acknowledged and are not there.
func (i *inspection) run(ctx context.Context) error {
	there := map[string]bool{}
	var all []string
	for _, m := range i.rig.machines {
		arn := machineArn(m.name)
		for e, err := range client.Executions(ctx, i.rig.client, api.ListExecutionsInput{StateMachineArn: &arn, MaxResults: 1000}) {
			if err != nil {
				return err
			}
			if there[e.ExecutionArn] {
				i.say(e.ExecutionArn, "it is listed twice")
			}
			there[e.ExecutionArn] = true
			all = append(all, e.ExecutionArn)
		}
	}
	for arn, calls := range i.starts {
		if c := slices.IndexFunc(calls, func(c call) bool { return c.Outcome == acknowledged }); c >= 0 && !there[arn] {
			i.say(arn, "its start was acknowledged (call %d, cycle %d), and it is not there", calls[c].N, calls[c].Cycle)
		}
	}
	if err := i.inspectAll(ctx, all); err != nil {
		return err
	}
	for key, e := range i.rig.participants.shop.effects {
		if e.execution != "" && !i.seen[key] {
			i.say(e.execution, "%s was called under the key %s, which no log has", e.state, key)
		}
		if e.times > 1 {
			i.say(e.execution, "%s took place %d times", key, e.times)
		}
	}
	for _, wrong := range i.rig.participants.shop.wrong {
		i.say("a participant", "%s", wrong)
	}
	for _, running := range i.rig.running {
		i.say(running, "it still ran %s after the last fault", i.rig.config.settle)
	}
	slices.Sort(i.found)
	return nil
}

func (i *inspection) inspectAll(ctx context.Context, all []string) error {
	work := make(chan string)
	var group sync.WaitGroup
	failed := make([]error, readers)
	for n := range readers {
		group.Go(func() {
			for arn := range work {
				if failed[n] == nil {
					failed[n] = i.inspect(ctx, arn)
				}
			}
		})
	}
	for _, arn := range all {
		work <- arn
	}
	close(work)
	group.Wait()
	return errors.Join(failed...)
}

// logged is what a saga's log says of one step.
type logged struct {
	state         string
	saga          string
	forward       api.SagaStepStatus
	undo, confirm api.SagaStepStatus // "": there was none
	undoKey       string
	forwardInLog  bool
}

// inspect holds one execution's log against the services' books.
func (i *inspection) inspect(ctx context.Context, arn string) error {
	x, err := i.rig.client.DescribeExecution(ctx, &api.DescribeExecutionInput{ExecutionArn: arn})
	if err != nil {
		return err
	}
	first, accounts, err := i.readLog(ctx, arn)
	if err != nil {
		return err
	}
	i.mu.Lock()
	i.looked++
	i.statuses[first.SagaStatus]++
	if len(i.starts[arn]) == 0 {
		i.children++
	}
	i.mu.Unlock()
	i.inspectStart(arn, x)
	if !first.SagaStatus.Ended() || !x.Status.Ended() {
		i.say(arn, "it is %s, and its saga %s", x.Status, first.SagaStatus)
		return nil
	}
	status := map[string]api.SagaStatus{}
	for _, s := range first.Sagas {
		status[s.SagaId] = s.Status
		if s.Status == api.SagaStatusAbandoned && !i.decided(arn, api.HoldVerbAbandon) {
			i.say(arn, "its saga is ABANDONED, and nobody decided so")
		}
	}
	for key, a := range accounts {
		i.inspectStep(arn, key, a, status[a.saga])
	}
	return nil
}

// inspectStart: what was acknowledged is what there is.
func (i *inspection) inspectStart(arn string, x *api.DescribeExecutionOutput) {
	for _, c := range i.starts[arn] {
		if c.Outcome == acknowledged && (c.Date != int64(x.StartDate) || x.Input == nil || *x.Input != c.Input) {
			i.say(arn, "call %d was answered by its start at %d, and it began at %d with %v", c.N, c.Date, x.StartDate, x.Input)
		}
	}
}

// readLog reads all of a saga's log, by the keys of its steps.
func (i *inspection) readLog(ctx context.Context, arn string) (first *api.DescribeSagaOutput, all map[string]*logged, err error) {
	all = map[string]*logged{}
	in := &api.DescribeSagaInput{ExecutionArn: arn, MaxResults: 1000}
	for {
		out, err := i.rig.client.DescribeSaga(ctx, in)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", arn, err)
		}
		if first == nil {
			first = out
		}
		for _, row := range out.Log {
			a := all[row.StepId]
			if a == nil {
				a = &logged{state: row.StateName}
				all[row.StepId] = a
			}
			switch row.Operation {
			case api.SagaOperationForward:
				a.forward, a.saga, a.forwardInLog = row.Status, row.SagaId, true
			case api.SagaOperationCompensate:
				a.undo = row.Status
				if row.IdempotencyKey != nil {
					a.undoKey = *row.IdempotencyKey
				}
			case api.SagaOperationConfirm:
				a.confirm = row.Status
			}
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return first, all, nil
		}
	}
}

// decided reports whether the operator may have decided so about an execution, or
// about one that a hold of it would stop.
func (i *inspection) decided(arn string, verb api.HoldVerb) bool {
	return slices.ContainsFunc(i.resolved[arn], func(c call) bool { return c.State == string(verb) })
}

// inspectStep holds what the log says of a step against its service's book.
func (i *inspection) inspectStep(arn, key string, a *logged, saga api.SagaStatus) {
	b := i.rig.participants.shop
	b.mu.Lock()
	known, e := b.effects[key] != nil, effect{}
	if known {
		e = *b.effects[key]
	}
	b.mu.Unlock()
	last := a.forward
	if a.undo != "" {
		last = a.undo
	} else if a.confirm != "" {
		last = a.confirm
	}
	i.mu.Lock()
	i.seen[key] = true
	i.steps[last]++
	if e.stands() && a.state == "Debit" {
		i.debited++
	}
	i.mu.Unlock()
	if !slices.Contains(shopFunctions, a.state) {
		return // a nested saga has a log of its own
	}
	is := fmt.Sprintf("%s (%s) is %s, its undo %q, its saga %s", a.state, key, a.forward, a.undo, saga)
	abandoned, owed := saga == api.SagaStatusAbandoned, undoOf[a.state] != ""
	switch {
	case !a.forwardInLog:
		i.say(arn, "%s: there is no row of the step itself", is)
	case a.forward == api.SagaStepStatusFailed && e.stands() && !e.byHand:
		i.say(arn, "%s, and it stands", is)
	case a.forward == api.SagaStepStatusSucceeded && !e.done:
		i.say(arn, "%s, and it never took place", is)
	case a.undo == api.SagaStepStatusCompensated && e.stands():
		i.say(arn, "%s, and it stands", is)
	case a.undo == api.SagaStepStatusSkipped && !i.decided(arn, api.HoldVerbSkip):
		i.say(arn, "%s, and nobody decided so", is)
	case a.undo == "" && owed && e.stands() && !abandoned && saga != api.SagaStatusCompleted:
		i.say(arn, "%s, and it stands: an undo that was owed is lost", is)
	case a.undo == api.SagaStepStatusCompensationFailed && e.stands() && saga == api.SagaStatusAborted:
		i.say(arn, "%s, and it stands", is)
	case a.undo == "" && e.done && e.undone && e.undoneBy != "":
		i.say(arn, "%s, and it was undone", is)
	case saga == api.SagaStatusCompleted && a.forward == api.SagaStepStatusSucceeded && a.undo == "" && !e.stands():
		i.say(arn, "%s, and it does not stand", is)
	case a.confirm == api.SagaStepStatusConfirmed && !e.confirmed:
		i.say(arn, "%s, and its Confirm never came", is)
	}
}

// report prints what a run came to, and tells whether all held.
func (i *inspection) report(w io.Writer) bool {
	r := i.rig
	fmt.Fprintf(w, "cycles             %d counted, %d repeated for want of a request and a task call in flight; seed %d\n", r.counted, r.uncounted, r.config.seed)
	fmt.Fprintf(w, "kills              %d, %d of them during a recovery (%d while a request waited), %d after standing still for 1 s\n", r.killed, r.recovering, r.asked, r.stood)
	fmt.Fprintf(w, "recovery           p50 %s, p99 %s, max %s from the process's start until it is ready (bound %s)\n", ms(quantile(r.recoveries, 50)), ms(quantile(r.recoveries, 99)), ms(quantile(r.recoveries, 100)), r.config.ready)
	fmt.Fprintf(w, "acknowledged       %d changes, %d a cycle at least (floor %d), %d reads\n", r.journal.written.Load(), r.leastWrites, writesLeast, r.journal.read.Load())
	for _, v := range slices.Sorted(maps.Keys(i.outcomes)) {
		fmt.Fprintf(w, "  %-16s %s\n", v, counts(i.outcomes[v]))
	}
	fmt.Fprintf(w, "sagas              %d executions, %d of them nested: %s\n", i.looked, i.children, counts(i.statuses))
	fmt.Fprintf(w, "steps              %d: %s\n", len(i.seen), counts(i.steps))
	fmt.Fprintf(w, "participants       %d calls: %s\n", i.calls, counts(i.answers))
	fmt.Fprintf(w, "  faults           %s\n", counts(i.modes))
	verbs := map[string]int{}
	for _, calls := range i.resolved {
		for _, c := range calls {
			verbs[c.State]++
		}
	}
	fmt.Fprintf(w, "operator           %d holds seen, decided: %s\n", r.operator.seen.Load(), counts(verbs))
	fmt.Fprintf(w, "end                nothing runs %s after the last fault (bound %s)\n", ms(r.settled), r.config.settle)
	fmt.Fprintf(w, "server's log       %s\n", counts(r.logged()))
	fmt.Fprintf(w, "orders off: %d\n", len(i.off))
	i.judge(verbs)
	for n, what := range i.found {
		if n == 40 {
			fmt.Fprintf(w, "and %d more\n", len(i.found)-n)
			break
		}
		fmt.Fprintf(w, "I7 %s\n", what)
	}
	for _, fault := range r.faults {
		fmt.Fprintf(w, "FAULT %s\n", fault)
	}
	if len(i.found)+len(r.faults) > 0 {
		fmt.Fprintf(w, "FAIL: %d findings, %d faults of the run\n", len(i.found), len(r.faults))
		return false
	}
	fmt.Fprintln(w, "PASS: I1 I3 I7 I9 hold")
	return true
}

// judge adds what makes a run invalid: a situation that never came up.
func (i *inspection) judge(verbs map[string]int) {
	r := i.rig
	if r.leastWrites < writesLeast {
		r.fault("a cycle had %d changes acknowledged, the floor is %d", r.leastWrites, writesLeast)
	}
	if n := r.logged()["quarantined"]; n > 0 {
		r.fault("the server quarantined %d executions; see %s", n, r.server.logFile())
	}
	for what, seen := range map[string]int{
		"sagas that completed": i.statuses[api.SagaStatusCompleted], "sagas that were undone": i.statuses[api.SagaStatusAborted],
		"steps that were undone": i.steps[api.SagaStepStatusCompensated], "steps that were confirmed": i.steps[api.SagaStepStatusConfirmed],
		"nested sagas": i.children, "holds that were tried again": verbs[string(api.HoldVerbRetry)], "undos of what was never done": i.answers[nothing],
	} {
		if seen == 0 {
			r.fault("there were no %s: the run proves nothing about them", what)
		}
	}
}
