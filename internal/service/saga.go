package service

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// sagas is an execution with its sagas, as people are shown it.
type sagas struct {
	*engine.Saga
	id  store.ID
	log map[uint32]*machine.Undo // by number: all of it, or what a page of it needs

	unread error // why the log is not there, though the rest is; nil: it is
}

// logsAtOnce is how many operations may have a saga log in memory at one time; others
// wait. One of 10,000 steps takes some 20 MiB.
const logsAtOnce = 16

// placeForLog waits for a place for a saga log, which the caller gives back by done.
func (s *Service) placeForLog(ctx context.Context) (done func(), err error) {
	select {
	case s.logs <- struct{}{}:
		return func() { <-s.logs }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// sagasOf reads an execution's sagas. The error is the engine's.
func (s *Service) sagasOf(ctx context.Context, id store.ID) (*sagas, error) {
	read, err := s.Engine.Saga(ctx, id)
	if err != nil {
		return nil, err
	}
	return readSagas(id, read), nil
}

func readSagas(id store.ID, read *engine.Saga) *sagas {
	x := &sagas{Saga: read, id: id, log: make(map[uint32]*machine.Undo, len(read.Log))}
	for _, u := range read.Log {
		x.log[u.Number] = u
	}
	return x
}

// named is sagasOf the execution that an ARN names.
func (s *Service) named(ctx context.Context, arn string) (*sagas, error) {
	id, err := s.find(ctx, arn)
	if err != nil {
		return nil, err
	}
	x, err := s.sagasOf(ctx, id)
	return x, sagaRefusal(arn, err)
}

// sagaRefusal is refuse for what is done about the sagas of an execution.
func sagaRefusal(arn string, err error) error {
	if errors.Is(err, engine.ErrQuarantined) {
		return quarantined()
	}
	return refuseOf(arn, err)
}

// live are the frames in which something goes on, or waits. Those that an
// execution keeps beyond its end are for a redrive.
func (x *sagas) live() []*machine.Frame {
	if x.Head.Status == machine.Running {
		return x.Frames
	}
	return slices.DeleteFunc(slices.Clone(x.Frames), func(f *machine.Frame) bool {
		for f != nil && f.Kind != machine.Root && f.Kind != machine.Aside {
			f = x.Execution.Frames[f.Parent]
		}
		return f == nil || f.Kind == machine.Root
	})
}

// held are the live frames that wait for a person, by their holds' numbers.
func (x *sagas) held() []*machine.Frame {
	held := slices.DeleteFunc(slices.Clone(x.live()), func(f *machine.Frame) bool { return f.Hold == nil })
	slices.SortFunc(held, func(a, b *machine.Frame) int { return cmp.Compare(a.Hold.Number, b.Hold.Number) })
	return held
}

// outermost is the frame that runs the outermost saga scope around a frame, nil
// where there is none.
func (x *sagas) outermost(f *machine.Frame) *machine.Frame {
	for f != nil && (f.Scope == nil || !f.Scope.Outermost) {
		if f.Kind == machine.Root || f.Kind == machine.Aside {
			return nil
		}
		f = x.Execution.Frames[f.Parent]
	}
	return f
}

// sagaOf is the row of the saga that a frame belongs to, nil where it belongs to
// none.
func (x *sagas) sagaOf(f *machine.Frame) *machine.Undo {
	if o := x.outermost(f); o != nil {
		return x.log[o.Scope.Saga]
	}
	return nil
}

// step is what a state has of its own as a step, nil where it is none, or nobody
// knows.
func (x *sagas) step(state string) *asl.Step {
	if x.Program == nil || x.Program.States[state] == nil {
		return nil
	}
	return x.Program.States[state].Step
}

func (x *sagas) stepID(entry uint32) string { return machine.ID(x.id).Step(entry) }

func (x *sagas) reference(entry uint32, state string) api.SagaStep {
	return api.SagaStep{StepId: x.stepID(entry), StateName: state}
}

// sagaID is a saga's number as people are told it, nil for none.
func sagaID(ordinal uint32) *string {
	if ordinal == 0 {
		return nil
	}
	id := strconv.FormatUint(uint64(ordinal), 10)
	return &id
}

// logRow is a row of the saga log, its texts not read yet.
type logRow struct {
	api.SagaLogEntry
	number        uint32 // of the step
	call          int    // 0: its work; from 1: what was called about it afterwards
	input, result machine.Ref
}

// rows are the saga log with what is under way, by step, each step's in the order
// in which they came.
func (x *sagas) rows() []logRow {
	var rows []logRow
	sent := map[uint32]*machine.Frame{} // the steps that may have been sent again since their rows were written
	for _, f := range x.live() {
		if f.Outcome != 0 && f.Recovery == nil {
			sent[f.Entry] = f
		}
	}
	for _, u := range x.Log {
		if !u.IsStep() {
			continue
		}
		r := x.workRow(u)
		if f := sent[u.Number]; f != nil {
			r.Attempts, r.IdempotencyKey = int32(f.Sends), optional(f.Key(machine.ID(x.id)))
		}
		rows = append(rows, r)
		for i := range u.Calls {
			rows = append(rows, x.callRow(u, i))
		}
	}
	for _, f := range x.live() {
		if x.step(f.State) != nil && underWay(f) {
			rows = append(rows, x.workingRow(f))
		}
		if f.Body != nil && x.log[f.Body.Row] != nil {
			rows = append(rows, x.callingRow(f))
		}
	}
	slices.SortStableFunc(rows, func(a, b logRow) int {
		return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.call, b.call))
	})
	return rows
}

// underWay reports whether the step that a frame is at has not ended.
func underWay(f *machine.Frame) bool {
	return f.Outcome == 0 && (f.Phase == machine.Working || f.Phase == machine.Retrying || f.Phase == machine.Joining)
}

// row is a row of a step's, whose saga may be 0.
func (x *sagas) row(number uint32, state string, ordinal uint32, op machine.Operation, at int64) logRow {
	r := logRow{number: number}
	if id := sagaID(ordinal); id != nil {
		r.SagaId = *id
	}
	r.StepId, r.StateName, r.Operation, r.StartDate = x.stepID(number), state, api.SagaOperation(op.String()), api.Timestamp(at)
	return r
}

// workRow is what became of a step's own work.
func (x *sagas) workRow(u *machine.Undo) logRow {
	r := x.row(u.Number, u.State, u.Ordinal(), machine.Forward, u.Started)
	r.Status, r.EndDate, r.Attempts = api.SagaStepStatus(u.Outcome.String()), timestamp(u.Ended), int32(u.Attempts)
	r.Error, r.Cause, r.IdempotencyKey = u.Error, u.Cause, optional(u.Key(machine.ID(x.id)))
	r.input, r.result = u.Input, u.Result
	return r
}

// callRow is what became of the i-th call about a step.
func (x *sagas) callRow(u *machine.Undo, i int) logRow {
	c := &u.Calls[i]
	r := x.row(u.Number, u.State, u.Ordinal(), c.Operation, c.Started)
	key := r.StepId + c.Key()
	r.call, r.Attempts, r.EndDate, r.IdempotencyKey = i+1, int32(c.Attempts), timestamp(c.Ended), &key
	r.Error, r.Cause, r.input, r.result = c.Error, c.Cause, c.Request, c.Result
	switch last := i == len(u.Calls)-1; {
	case last && u.Settled == machine.Confirmed:
		r.Status = api.SagaStepStatusConfirmed
	case last && u.Settled == machine.Compensated:
		r.Status = api.SagaStepStatusCompensated
	case last && u.Settled == machine.Skipped:
		r.Status = api.SagaStepStatusSkipped
	case last && u.Settled == machine.CompensationFailed:
		r.Status = api.SagaStepStatusCompensationFailed
	case c.Unknown: // it was broken off, and may have had its effect
		r.Status = api.SagaStepStatusUnknown
	case c.Operation == machine.Compensate:
		r.Status = api.SagaStepStatusCompensationFailed
	default:
		r.Status = api.SagaStepStatusFailed
	}
	return r
}

// workingRow is a step that has not ended.
func (x *sagas) workingRow(f *machine.Frame) logRow {
	ordinal := uint32(0)
	if u := x.sagaOf(f); u != nil {
		ordinal = u.Ordinal()
	}
	r := x.row(f.Entry, f.State, ordinal, machine.Forward, f.Entered)
	key := f.Key(machine.ID(x.id))
	r.Status, r.Attempts, r.IdempotencyKey, r.input = api.SagaStepStatusStarted, int32(f.Sends), &key, f.Input
	return r
}

// callingRow is a call about a step that has not ended.
func (x *sagas) callingRow(f *machine.Frame) logRow {
	b, u := f.Body, x.log[f.Body.Row]
	r := x.row(u.Number, u.State, u.Ordinal(), b.Operation, b.Started)
	r.call, r.Attempts, r.IdempotencyKey, r.input = len(u.Calls)+1, int32(b.Sends), optional(b.Key(machine.ID(x.id))), b.Request()
	r.Status = api.SagaStepStatusStarted
	if b.Operation == machine.Compensate {
		r.Status = api.SagaStepStatusCompensating
	}
	return r
}

// timestamp is a time that may be 0 for none.
func timestamp(at int64) *api.Timestamp {
	if at == 0 {
		return nil
	}
	t := api.Timestamp(at)
	return &t
}

// texts are payloads of an execution, nil for the number 0.
func (s *Service) texts(ctx context.Context, id store.ID, refs ...machine.Ref) ([]*string, error) {
	var numbers []uint32
	for _, ref := range refs {
		if ref != 0 {
			numbers = append(numbers, uint32(ref))
		}
	}
	all := make([]*string, len(refs))
	if len(numbers) == 0 {
		return all, nil
	}
	read, err := engine.Texts(ctx, s.Store, id, numbers)
	if err != nil {
		return nil, err
	}
	for i, ref := range refs {
		if ref != 0 {
			all[i], read = &read[0], read[1:]
		}
	}
	return all, nil
}

func lengthOf(text *string) int {
	if text == nil {
		return 0
	}
	return len(*text)
}

// list are the sagas of an execution, each with its own status.
func (x *sagas) list() []api.Saga {
	onHold := map[*machine.Undo]bool{}
	for _, f := range x.held() {
		onHold[x.sagaOf(f)] = true
	}
	list := []api.Saga{}
	for _, u := range x.Log {
		if !u.IsSaga() {
			continue
		}
		one := api.Saga{
			SagaId: *sagaID(u.Ordinal()), StateName: optional(u.State), Status: api.SagaStatus(u.Status.String()),
			StartDate: api.Timestamp(u.Started), StopDate: timestamp(u.Ended), Error: u.Error, Cause: u.Cause,
		}
		if onHold[u] {
			one.Status = api.SagaStatusOnHold
		}
		list = append(list, one)
	}
	return list
}

// sagasIn is the value under which the sagas of a machine, or of all of them,
// are indexed.
func (s *Service) sagasIn(ctx context.Context, machineARN *string) (string, error) {
	if machineARN == nil {
		return "", nil
	}
	arn, err := s.ours(*machineARN, api.StateMachineDoesNotExist, api.KindStateMachine)
	if err != nil {
		return "", err
	}
	if arn.Label != "" {
		return "", labelled(labelledMachine)
	}
	_, err = s.Catalog.machine(ctx, s.tenant, arn.Machine)
	if errors.Is(err, store.ErrNotFound) {
		return "", api.StateMachineDoesNotExist(*machineARN)
	}
	return arn.Machine, err
}

// ListSagas lists the executions that have sagas.
func (s *Service) ListSagas(ctx context.Context, in *api.ListSagasInput) (*api.ListSagasOutput, error) {
	of, err := s.sagasIn(ctx, in.StateMachineArn)
	if err != nil {
		return nil, err
	}
	q := store.IndexQuery{Tenant: s.tenant, Index: engine.IndexSagas, Value: of}
	if in.StatusFilter != "" {
		q.Value = engine.SagaValue(of, string(in.StatusFilter))
	}
	rows, next, err := s.rows(ctx, q, s.page("ListSagas", in.MaxResults, of, string(in.StatusFilter)), in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &api.ListSagasOutput{Sagas: []api.SagaListItem{}, NextToken: next}
	for _, row := range rows {
		start, head, err := s.Engine.Execution(ctx, row.ID)
		if errors.Is(err, engine.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		item := api.SagaListItem{
			ExecutionArn: start.ExecutionARN(), StateMachineArn: start.MachineARN(), Name: start.Name, Status: statusOf(head.Status),
			SagaStatus: api.SagaStatus(head.SagaStatus()), HoldCount: int32(head.OpenHolds),
			StartDate: api.Timestamp(start.At), StopDate: timestamp(head.Stop),
		}
		if in.StatusFilter == "" || item.SagaStatus == in.StatusFilter { // it may have moved on meanwhile
			out.Sagas = append(out.Sagas, item)
		}
	}
	return out, nil
}

// CompensateExecution has an execution's sagas undone.
func (s *Service) CompensateExecution(ctx context.Context, in *api.CompensateExecutionInput) (*api.CompensateExecutionOutput, error) {
	id, err := s.find(ctx, in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	if err := s.Engine.Compensate(ctx, id); err != nil {
		return nil, sagaRefusal(in.ExecutionArn, err)
	}
	_, head, err := s.Engine.Execution(ctx, id)
	if err != nil {
		return nil, sagaRefusal(in.ExecutionArn, err)
	}
	return &api.CompensateExecutionOutput{SagaStatus: api.SagaStatus(head.SagaStatus()), Version: head.LastEvent}, nil
}

// sagaEvent fills the details of an event of a saga.
func (t *teller) sagaEvent(e *machine.Event, h *api.HistoryEvent) {
	d := &api.SagaEventDetails{StateName: optional(e.State), Error: e.Error, Cause: e.Cause}
	d.Output, _ = t.text(e.Out)
	if told := e.Saga; told != nil {
		d.SagaId = sagaID(told.Ordinal())
		if told.Hold != 0 {
			d.HoldId = optional(strconv.FormatUint(uint64(told.Hold), 10))
		}
		switch e.Type {
		case machine.SagaHeld:
			d.Operation = api.SagaOperation(told.Word)
		case machine.SagaResolved:
			d.Verb, d.Operator, d.Reason = api.HoldVerb(told.Word), optional(e.Worker), optional(told.Reason)
			if d.SagaId == nil { // of an execution that could not be decided
				d.HoldId, d.Operation = optional(quarantinedID), api.SagaOperationQuarantined
			}
		case machine.SagaEnded:
			d.Status = api.SagaStatus(told.Word)
		}
	}
	h.SagaEventDetails = d
}
