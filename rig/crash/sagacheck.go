package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/client"
)

// sagaAudit holds what the server says of its sagas against the journal and the
// shop's ledger.
type sagaAudit struct {
	*audit
	resolves []call
	seen     map[string]bool
	deeds    map[string][]deed // by execution
	ended    map[string]*ended // by execution
	sums     sagaTally
}

// ended is a saga as the server tells it in the end.
type ended struct {
	*order
	told  *api.DescribeSagaOutput
	steps map[string]*sagaStep
}

// sagaStep is a step as the saga log and the ledger tell it.
type sagaStep struct {
	number                      int
	id, state                   string
	forward, undo, confirm      api.SagaStepStatus
	started                     int64
	done, undone, confirmed     int   // effects
	firstUndo, undoneAt, doneAt int64 // UTC milliseconds; 0: never
	amount                      int64
	byHand                      bool
}

func (s *sagaStep) stands() bool { return s.done > s.undone }

type sagaTally struct {
	sagas                           map[string]int
	steps, undone, off              int
	held, resolved, dropped, locked int
}

func openSagaAudit(r *rig) (*sagaAudit, error) {
	calls, err := readJournal(r.journalFile())
	if err != nil {
		return nil, err
	}
	deeds, err := readBook[deed](r.ledgerFile())
	if err != nil {
		return nil, err
	}
	a := &sagaAudit{
		audit: &audit{service: r.reader, flows: map[string]*flow{}, orders: map[string]*order{}, tally: tally{
			outcomes: map[verb]map[string]int{}, statuses: map[string]int{}, modes: map[mode]int{}, answers: map[answer]int{},
		}},
		seen: r.operator.seen, deeds: map[string][]deed{}, ended: map[string]*ended{}, sums: sagaTally{sagas: map[string]int{}},
	}
	for _, c := range calls {
		if c.Verb == resolve {
			a.resolves = append(a.resolves, c)
		}
	}
	a.sortCalls(slices.DeleteFunc(calls, func(c call) bool { return c.Verb == resolve }))
	for _, d := range deeds {
		a.tally.raw++
		a.tally.modes[d.Mode]++
		a.tally.answers[d.Answer]++
		a.deeds[d.Execution] = append(a.deeds[d.Execution], d)
	}
	return a, nil
}

// run looks at every order and every saga.
func (a *sagaAudit) run(ctx context.Context) error {
	if err := a.readAll(ctx); err != nil {
		return err
	}
	for arn, o := range a.orders {
		if a.ended[arn] == nil {
			a.checkAbsent(o)
		}
	}
	for arn := range a.deeds {
		if a.ended[arn] == nil {
			a.say("I3", nil, "the shop was called for %q, which is not there", arn)
		}
	}
	for _, x := range a.ended {
		a.checkOrder(x)
		a.checkSteps(x)
		a.checkTurn(x)
		a.checkHolds(x)
		a.checkChildren(x)
	}
	a.checkResolves()
	a.checkLocks()
	if err := a.checkInbox(ctx); err != nil {
		return err
	}
	if err := a.checkCreates(ctx); err != nil {
		return err
	}
	slices.SortStableFunc(a.found, func(x, y finding) int { return strings.Compare(x.invariant, y.invariant) })
	return nil
}

// readAll reads all executions of the sagas, those of clients and those of sagas.
func (a *sagaAudit) readAll(ctx context.Context) error {
	var arns []string
	for _, name := range sagaNames() {
		arn := machineArn(name)
		for e, err := range client.Executions(ctx, a.service, api.ListExecutionsInput{StateMachineArn: &arn, MaxResults: 1000}) {
			if err != nil {
				return err
			}
			arns = append(arns, e.ExecutionArn)
		}
	}
	work := make(chan string)
	failed := make([]error, readers)
	var all sync.WaitGroup
	for n := range readers {
		all.Go(func() {
			for arn := range work {
				if failed[n] == nil {
					failed[n] = a.read(ctx, arn)
				}
			}
		})
	}
	for _, arn := range arns {
		work <- arn
	}
	close(work)
	all.Wait()
	return errors.Join(failed...)
}

func (a *sagaAudit) read(ctx context.Context, arn string) error {
	x := &ended{order: a.orders[arn], steps: map[string]*sagaStep{}}
	if x.order == nil {
		x.order = &order{execution: arn}
	}
	found, err := a.service.DescribeExecution(ctx, &api.DescribeExecutionInput{ExecutionArn: arn})
	if err != nil {
		return err
	}
	x.found = found
	x.machine = orderOf(found.StateMachineArn)
	if x.events, err = readHistory(ctx, a.service, arn, 1000); err != nil {
		return err
	}
	x.path = &path{states: make([]string, len(x.events)+1)}
	for in := (api.DescribeSagaInput{ExecutionArn: arn, IncludedData: api.IncludedDataMetadataOnly, MaxResults: 1000}); ; {
		out, err := a.service.DescribeSaga(ctx, &in)
		if err != nil {
			return err
		}
		x.take(out)
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, d := range a.deeds[arn] {
		a.deed(x, d)
	}
	a.ended[arn] = x
	return nil
}

// take reads a page of a saga log.
func (x *ended) take(out *api.DescribeSagaOutput) {
	x.told = out
	for _, row := range out.Log {
		s := x.steps[row.StepId]
		if s == nil {
			s = &sagaStep{id: row.StepId, state: row.StateName, number: len(x.steps)}
			x.steps[row.StepId] = s
		}
		switch row.Operation {
		case api.SagaOperationForward:
			s.forward, s.started = row.Status, int64(row.StartDate)
		case api.SagaOperationCompensate:
			s.undo = row.Status
		case api.SagaOperationConfirm:
			s.confirm = row.Status
		}
	}
}

// deed adds a line of the ledger to its step.
func (a *sagaAudit) deed(x *ended, d deed) {
	s := x.steps[d.Step]
	if s == nil || s.state != d.State {
		a.found = append(a.found, finding{"I3", x.order, fmt.Sprintf("%s was called for %s under the key %s, which the saga log does not have", d.Function, d.State, d.Key)})
		return
	}
	of := map[string]string{"forward": "", "compensate": ":compensate", "confirm": ":confirm"}[d.Operation]
	if d.Operation != "query" && !d.ByHand && !strings.HasPrefix(d.Key, d.Step+of) {
		a.found = append(a.found, finding{"I3", x.order, fmt.Sprintf("a call to %s came under the key %s", d.Operation, d.Key)})
	}
	s.byHand = s.byHand || d.ByHand
	switch d.Operation {
	case "compensate":
		if s.firstUndo == 0 {
			s.firstUndo = d.At
		}
		if s.undoneAt == 0 && (d.Answer == done || d.Answer == nothing) {
			s.undoneAt = d.At
		}
		if d.Effect {
			s.undone++
		}
	case "confirm":
		if d.Effect {
			s.confirmed++
		}
	case "forward":
		if d.Effect {
			s.done, s.doneAt, s.amount = s.done+1, d.At, d.Amount
		}
	}
}

// checkOrder: what was acknowledged is there, and has ended.
func (a *sagaAudit) checkOrder(x *ended) {
	status := x.found.Status
	a.tally.executions++
	a.tally.events += len(x.events)
	a.tally.statuses[string(status)]++
	a.sums.sagas[string(x.told.SagaStatus)]++
	if !status.Ended() || !x.told.SagaStatus.Ended() {
		a.say("I9", x.order, "it is %s, its saga %s", status, x.told.SagaStatus)
	}
	if len(x.starts) == 0 {
		if x.machine != parcelName {
			a.say("I1", x.order, "nobody started it")
		}
		return
	}
	a.checkStarts(x.order)
	stopped := false
	for _, c := range x.calls {
		stopped = stopped || c.Verb == stop && slices.Contains([]string{acknowledged, lost, ""}, c.Outcome)
		switch {
		case slices.Contains([]string{lost, unsent, "", api.CodeThrottling}, c.Outcome):
		case c.Verb == stop && c.Outcome == api.CodeValidation: // it is past its pivot
		case c.Outcome != acknowledged:
			a.say("I1", x.order, "a %s was refused after the start was acknowledged: %s (call %d)", c.Verb, c.Outcome, c.N)
		case c.Verb == describe && c.Status != string(api.ExecutionStatusRunning) && c.Status != string(status):
			a.say("I1", x.order, "it was described as %s, and is %s (call %d)", c.Status, status, c.N)
		case c.Verb == history:
			a.checkSample(x.order, c)
		}
	}
	if status == api.ExecutionStatusAborted && !stopped {
		a.say("I2", x.order, "it is stopped, and nobody stopped it")
	}
}

// checkSteps: the shop stands to each step as the saga log says, and each effect
// took place once.
func (a *sagaAudit) checkSteps(x *ended) {
	off := false
	wrong := func(format string, args ...any) {
		off = true
		a.say("I8", x.order, format, args...)
	}
	abandoned := x.told.SagaStatus == api.SagaStatusAbandoned
	well := x.found.Status == api.ExecutionStatusSucceeded
	for _, s := range x.steps {
		a.sums.steps++
		a.sums.undone += s.undone
		if s.done > 1 || s.undone > 1 || s.confirmed > 1 {
			wrong("%s was done %d, undone %d and confirmed %d times", s.state, s.done, s.undone, s.confirmed)
		}
		if s.state == "Deliver" {
			continue // is judged by its children
		}
		settled := s.undo == api.SagaStepStatusCompensated || s.undo == api.SagaStepStatusSkipped
		owed := s.state != "Notify" && (s.state != "Ship" || x.machine == "Items") &&
			(s.forward == api.SagaStepStatusSucceeded || s.forward == api.SagaStepStatusUnknown)
		switch {
		case s.forward == api.SagaStepStatusFailed && s.stands():
			wrong("%s is FAILED, and stands", s.state)
		case s.forward == api.SagaStepStatusSucceeded && s.done == 0:
			wrong("%s is SUCCEEDED, and was never done", s.state)
		case s.undo == api.SagaStepStatusCompensated && s.stands():
			wrong("%s is COMPENSATED, and stands", s.state)
		case s.undo == "" && s.undone > 0:
			wrong("%s was undone, and the log has no undo of it", s.state)
		case abandoned || s.undo == api.SagaStepStatusSkipped:
		case owed && !well && !settled:
			wrong("%s is %s, the execution %s, and it was never undone", s.state, s.forward, x.found.Status)
		case owed && well && s.forward == api.SagaStepStatusUnknown && !settled:
			wrong("%s is UNKNOWN, and it was never undone", s.state)
		case well && s.forward == api.SagaStepStatusSucceeded && !settled && !s.stands():
			wrong("%s is SUCCEEDED, and does not stand", s.state)
		case x.told.SagaStatus == api.SagaStatusCompleted && x.machine == "Confirmed" && (s.confirmed != 1 || s.confirm != api.SagaStepStatusConfirmed):
			wrong("%s was confirmed %d times, the log says %q", s.state, s.confirmed, s.confirm)
		}
		if x.told.SagaStatus == api.SagaStatusAborted && (s.stands() || s.undo == api.SagaStepStatusSkipped) {
			wrong("the saga is ABORTED, and %s stands or was skipped", s.state)
		}
	}
	if off {
		a.sums.off++
	}
}

// apart are the states that are undone side by side.
var apart = []string{"Debit", "Pack", "Label", "Load"}

// sideBySide reports whether nothing is said of the order of two steps' undos.
func sideBySide(machine string, x, y *sagaStep) bool {
	switch machine {
	case "Items":
		return x.state == "Pick" && y.state == "Pick"
	case "Branches":
		carried := func(s *sagaStep) bool { return s.state == "Label" || s.state == "Load" }
		return slices.Contains(apart, x.state) && slices.Contains(apart, y.state) && !(carried(x) && carried(y))
	}
	return false
}

// checkTurn: what came later is undone before.
func (a *sagaAudit) checkTurn(x *ended) {
	for _, first := range x.steps {
		for _, later := range x.steps {
			if first.number >= later.number || first.firstUndo == 0 || later.undo != api.SagaStepStatusCompensated || first.byHand || later.byHand ||
				sideBySide(x.machine, first, later) {
				continue
			}
			if first.firstUndo >= later.started && first.firstUndo < later.undoneAt {
				a.say("I7", x.order, "the undo of %s began before that of %s was done", first.state, later.state)
			}
		}
	}
}

// checkHolds: each hold was seen in the inbox and resolved, or its saga went
// another way.
func (a *sagaAudit) checkHolds(x *ended) {
	open := map[string]bool{} // a hold → whether a plan or the end of its saga may have dropped it
	for _, e := range x.events {
		s := e.SagaEventDetails
		if s == nil {
			continue
		}
		switch {
		case e.Type == api.HistoryEventTypeSagaHeld:
			open[*s.HoldId] = false
			a.sums.held++
		case e.Type == api.HistoryEventTypeSagaResolved && s.HoldId != nil:
			if _, held := open[*s.HoldId]; !held || !a.seen[holdName(x.execution, *s.HoldId)] {
				a.say("I9", x.order, "the hold %s was resolved, and was never seen in the inbox", *s.HoldId)
			}
			delete(open, *s.HoldId)
			a.sums.resolved++
		}
		if s.Verb == api.HoldVerbAbandon || e.Type == api.HistoryEventTypeSagaAborting {
			for hold := range open {
				open[hold] = true
			}
		}
	}
	for _, hold := range slices.Sorted(maps.Keys(open)) {
		if a.sums.dropped++; !open[hold] {
			a.say("I9", x.order, "the hold %s was never resolved", hold)
		}
	}
}

// checkChildren: what a saga started has ended as the saga says.
func (a *sagaAudit) checkChildren(x *ended) {
	for _, s := range x.steps {
		if s.state != "Deliver" {
			continue
		}
		completed := 0
		for _, child := range a.ended {
			if child.machine != parcelName || !strings.HasPrefix(*child.found.Name, s.id) || !endsId(*child.found.Name, s.id) {
				continue
			}
			if child.told.SagaStatus == api.SagaStatusCompleted {
				completed++
			}
			if s.undo == api.SagaStepStatusCompensated && child.told.SagaStatus != api.SagaStatusAborted {
				a.say("I8", x.order, "Deliver is COMPENSATED, and its child %s is %s", *child.found.Name, child.told.SagaStatus)
			}
		}
		if x.told.SagaStatus == api.SagaStatusCompleted && completed != 1 {
			a.say("I8", x.order, "it is COMPLETED, and %d children are", completed)
		}
	}
}

// endsId reports whether a child's name is the step id, or that with the number of
// another attempt.
func endsId(name, id string) bool {
	rest := name[len(id):]
	return rest == "" || rest[0] == '-'
}

// checkResolves: a resolution that was acknowledged is in the history.
func (a *sagaAudit) checkResolves() {
	for _, c := range a.resolves {
		if a.tally.outcomes[resolve] == nil {
			a.tally.outcomes[resolve] = map[string]int{}
		}
		a.tally.outcomes[resolve][c.Outcome]++
		x := a.ended[c.Execution]
		if c.Outcome != acknowledged || x == nil {
			continue
		}
		if !slices.ContainsFunc(x.events, func(e api.HistoryEvent) bool {
			s := e.SagaEventDetails
			return e.Type == api.HistoryEventTypeSagaResolved && string(s.Verb) == c.Status && s.HoldId != nil && *s.HoldId == c.Name
		}) {
			a.say("I1", x.order, "the hold %s was acknowledged as resolved by %s (call %d), and the history does not have it", c.Name, c.Status, c.N)
		}
	}
}

// checkLocks: no two sagas have one lock at a time.
func (a *sagaAudit) checkLocks() {
	type span struct {
		from, to int64
		x        *ended
	}
	all := map[int64][]span{}
	for _, x := range a.ended {
		for _, s := range x.steps {
			if x.machine != "Chain" || s.state != "Reserve" || s.done == 0 || len(x.told.Sagas) == 0 || x.told.Sagas[0].StopDate == nil {
				continue
			}
			to := int64(*x.told.Sagas[0].StopDate)
			if s.undoneAt > 0 {
				to = min(to, s.undoneAt)
			}
			if to > s.doneAt {
				all[s.amount%40] = append(all[s.amount%40], span{s.doneAt, to, x})
			}
		}
	}
	for key, spans := range all {
		slices.SortFunc(spans, func(x, y span) int { return int(x.from - y.from) })
		for i := 1; i < len(spans); i++ {
			a.sums.locked++
			if spans[i].from < spans[i-1].to {
				a.say("I7", spans[i].x.order, "it had the lock sku-%d while %s had it", key, spans[i-1].x.execution)
			}
		}
	}
}

// checkInbox: nothing waits for anybody any more.
func (a *sagaAudit) checkInbox(ctx context.Context) error {
	for h, err := range client.Holds(ctx, a.service, api.ListHoldsInput{}) {
		if err != nil {
			return err
		}
		a.say("I9", nil, "%s still waits in the inbox", holdName(h.ExecutionArn, h.HoldId))
	}
	return nil
}

// reportSagas prints what a run of sagas came to, and tells whether all held.
func (r *rig) reportSagas(w io.Writer, a *sagaAudit) bool {
	t := &a.tally
	r.reportRun(w, t)
	fmt.Fprintf(w, "orders             %d: %s; %d never came to be\n", t.executions, counts(t.statuses), t.absent)
	fmt.Fprintf(w, "sagas              %s\n", counts(a.sums.sagas))
	fmt.Fprintf(w, "histories          %d events; %d read on the way, %d of them before the end\n", t.events, t.samples, t.extended)
	fmt.Fprintf(w, "steps              %d; %d undone; %d calls\n", a.sums.steps, a.sums.undone, t.raw)
	fmt.Fprintf(w, "the shop           %s\n", counts(t.answers))
	fmt.Fprintf(w, "  faults           %s\n", counts(t.modes))
	fmt.Fprintf(w, "holds              %d seen in the histories, %d resolved, %d dropped by a stop or an abandoned saga\n", a.sums.held, a.sums.resolved, a.sums.dropped)
	fmt.Fprintf(w, "locks              %d handed on\n", a.sums.locked)
	fmt.Fprintf(w, "end                nothing runs %s after the last fault (bound %s)\n", ms(r.settled), r.config.settle)
	fmt.Fprintf(w, "server's log       %s\n", counts(r.logged()))
	fmt.Fprintf(w, "orders off: %d\n", a.sums.off)
	r.judge(a.audit)
	r.wantSeen(map[string]int{
		"sagas that were completed": a.sums.sagas["COMPLETED"], "sagas that were undone": a.sums.sagas["ABORTED"], "steps undone": a.sums.undone,
		"holds resolved": a.sums.resolved, "histories read on the way": t.extended,
	})
	return r.verdict(w, a.audit, "I1 I2 I3 I6 I7 I8 I9")
}
