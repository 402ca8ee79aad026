package service

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// shown is how much of a hold is told.
type shown struct {
	data bool // request and response, too
	most int  // bytes of each of them; 0: all
}

// hold is what a frame holds, as people are shown it.
func (s *Service) hold(ctx context.Context, x *sagas, f *machine.Frame, how shown) (_ api.Hold, err error) {
	h := f.Hold
	out := api.Hold{
		ExecutionArn: x.Start.ExecutionARN(), StateMachineArn: x.Start.MachineARN(), HoldId: strconv.FormatUint(uint64(h.Number), 10),
		Operation: api.SagaOperation(h.Operation.String()), Since: api.Timestamp(h.Since), Error: h.Fault.Error, Cause: h.Fault.Cause,
		StepId: optional(x.stepID(h.Row)), Owed: []api.SagaStep{}, Verbs: x.verbs(f),
	}
	state, row := f.State, x.log[h.Row]
	if h.Operation != machine.Forward && row != nil {
		state = row.State
	}
	out.StateName, out.Runbook = &state, x.runbook(state)
	x.heldCall(&out, f, state)
	if saga := x.sagaOf(f); saga != nil {
		out.SagaId = sagaID(saga.Ordinal())
		x.owed(&out, saga)
	}
	if x.unread != nil {
		out.Unreadable = unreadable(x.unread)
	}
	if !how.data {
		return out, nil
	}
	if err = s.heldData(ctx, x, f, how, &out); isUnreadable(err) {
		out.Unreadable, err = unreadable(err), nil
	}
	return out, err
}

// heldData fills in the locks that are held, and the request and response of the last
// call.
func (s *Service) heldData(ctx context.Context, x *sagas, f *machine.Frame, how shown, out *api.Hold) (err error) {
	if out.Locks, err = s.locks(ctx, x, f); err != nil {
		return err
	}
	request, response, err := s.lastCall(ctx, x, f)
	if err != nil {
		return err
	}
	texts, err := s.texts(ctx, x.id, request, response)
	if err != nil {
		return err
	}
	out.Request, out.Response = how.cut(texts[0], &out.Truncated), how.cut(texts[1], &out.Truncated)
	return nil
}

// heldCall fills in what was called, under which key, and how often.
func (x *sagas) heldCall(out *api.Hold, f *machine.Frame, state string) {
	id, h := machine.ID(x.id), f.Hold
	key := f.Key(id)
	switch b := f.Body; {
	case h.Operation == machine.Forward:
		out.Attempts = int32(f.Sends)
		if x.Program != nil && x.Program.States[state] != nil && x.Program.States[state].Task != nil {
			out.Resource = optional(x.Program.States[state].Task.Resource.Text)
		}
	case b != nil:
		key, out.Attempts = b.Key(id), int32(b.Sends)
		out.Resource = optional(b.Resource)
		if body := bodyOf(x.step(state), h.Operation, b.Alternative); body != nil && b.Resource == "" {
			out.Resource = optional(body.Resource.Text)
		}
	default: // it was not called yet
		key = x.stepID(h.Row)
		if row := x.log[h.Row]; row != nil {
			key += row.NextKey(h.Operation)
		}
		if body := bodyOf(x.step(state), h.Operation, 0); body != nil {
			out.Resource = optional(body.Resource.Text)
		}
	}
	out.IdempotencyKey = &key
}

// bodyOf is a step's undo, of its alternatives that one, or its Confirm; nil
// where nobody knows.
func bodyOf(step *asl.Step, o machine.Operation, alternative int) *asl.Body {
	switch {
	case step == nil:
	case o == machine.Confirm:
		return step.Confirm
	case alternative < len(step.Compensate):
		return step.Compensate[alternative]
	}
	return nil
}

// verbs are those that fit a hold now.
func (x *sagas) verbs(f *machine.Frame) []api.HoldVerb {
	verbs := []api.HoldVerb{}
	if x.Program == nil || x.Quarantined != "" || x.unread != nil {
		return verbs
	}
	for _, v := range x.Execution.Verbs(x.Program, f) {
		verbs = append(verbs, api.HoldVerb(v.String()))
	}
	return verbs
}

// runbook is what the definition has to say to who finds a state on hold: its
// own word, or that of the scopes around it.
func (x *sagas) runbook(state string) *string {
	if step := x.step(state); step != nil && step.Runbook != "" {
		return &step.Runbook
	}
	if x.Program == nil || x.Program.States[state] == nil {
		return nil
	}
	for scope := x.Program.States[state].Scope; scope != nil; scope = scope.Outer {
		if scope.Runbook != "" {
			return &scope.Runbook
		}
	}
	return nil
}

// owed fills in the steps of a saga that have still to be undone, the last one
// first.
func (x *sagas) owed(out *api.Hold, saga *machine.Undo) {
	for _, u := range slices.Backward(x.Log) {
		if u.Saga != saga.Number || x.Program == nil || !u.Owed(x.Program) {
			continue
		}
		if out.OwedCount++; out.OwedCount <= mostOwed {
			out.Owed = append(out.Owed, x.reference(u.Number, u.State))
		}
	}
}

// locks are the keys of the semantic locks that the steps of a frame's saga hold,
// the first of them.
func (s *Service) locks(ctx context.Context, x *sagas, f *machine.Frame) ([]string, error) {
	saga := x.sagaOf(f)
	if saga == nil || x.outermost(f).Scope.Locks == 0 {
		return nil, nil
	}
	var refs []machine.Ref
	for _, u := range x.Log {
		if u.Lock != 0 && u.Saga == saga.Number {
			refs = append(refs, u.Lock)
		}
	}
	for _, other := range x.live() {
		if other.Locked != 0 && x.sagaOf(other) == saga {
			refs = append(refs, other.Locked)
		}
	}
	texts, err := s.texts(ctx, x.id, refs[:min(len(refs), mostLocks)]...)
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, text := range texts {
		if key := value.Checked(*text).Decode().AsString(); !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// lastCall are the request and the answer of the last call before a hold, 0
// where there is none: the answer of one that failed is the hold's error.
func (s *Service) lastCall(ctx context.Context, x *sagas, f *machine.Frame) (request, response machine.Ref, err error) {
	switch {
	case f.Body != nil:
		request = f.Body.Request()
	case f.Hold.Operation != machine.Forward:
		return 0, 0, nil // it was not called yet
	}
	// From the failure back to what was scheduled: a few events of one thread.
	const most = 8
	for at, n := f.Hold.Event(), 0; at > 0 && n < most; n++ {
		found, err := s.events(ctx, x.id, at, x.Head.LastEvent, false, 1)
		if err != nil || len(found) == 0 {
			return request, response, err
		}
		switch e := &found[0]; e.Type {
		case machine.TaskScheduled, machine.LambdaFunctionScheduled, machine.ActivityScheduled:
			if request == 0 {
				request = e.In
			}
			return request, response, nil
		case machine.TaskSubmitted, machine.TaskSucceeded, machine.LambdaFunctionSucceeded, machine.ActivitySucceeded:
			if response == 0 {
				response = e.Out
			}
		case machine.TaskStateEntered:
			return request, response, nil
		}
		at = found[0].Prev
	}
	return request, response, nil
}

// cut is a text within what is shown of it.
func (how shown) cut(text *string, truncated *bool) *string {
	if text == nil || how.most == 0 || len(*text) <= how.most {
		return text
	}
	n := how.most
	for n > 0 && !utf8.RuneStart((*text)[n]) {
		n--
	}
	part := (*text)[:n]
	*truncated = true
	return &part
}

// inbox is what waits for a person, of a machine or of all, by an error or by
// any. An execution's saga log, which may be long, is let go of once its holds have
// been seen.
type inbox struct {
	s       *Service
	machine string
	error   *string
	// see is shown each of what waits: a frame that holds something, or with none an
	// execution that is quarantined.
	see func(x *sagas, f *machine.Frame) error
	// lost is shown what waits and can't be read, whatever the error is that is asked for.
	lost func(hold api.Hold)
}

// place is how far an inbox was gone through. The executions whose sagas are on
// hold come first, then those that are quarantined.
type place struct {
	quarantined bool
	row         *store.Index // the last that was looked at; nil: none yet. Of a token it is the place alone
	number      uint32       // of the last of its holds that was looked at
	whole       bool         // all of them were
}

// inboxLook is how many executions one call looks at.
const inboxLook = 1000

// next goes on from a place, and shows what waits there, at most so much; it gives
// how far it came, nil where nothing follows.
func (b *inbox) next(ctx context.Context, from place, most int) (*place, error) {
	for looked, seen := 0, 0; ; {
		if from.row != nil && !from.whole {
			n, err := b.look(ctx, &from, most-seen)
			if err != nil {
				return nil, err
			}
			seen += n
			looked++
			if !from.whole || seen == most || looked >= inboxLook {
				return &from, nil
			}
		}
		row, err := b.following(ctx, &from)
		if row == nil || err != nil {
			return nil, err
		}
		from.row, from.number, from.whole = row, 0, false
	}
}

// following is the row after a place, nil where there is none.
func (b *inbox) following(ctx context.Context, from *place) (*store.Index, error) {
	q := store.IndexQuery{Tenant: b.s.tenant, Index: engine.IndexSagas, Value: engine.SagaValue(b.machine, machine.SagaOnHold.String()), Limit: 1}
	if from.quarantined {
		q.Index, q.Value = engine.IndexQuarantined, ""
	}
	if from.row != nil {
		q.After = &store.IndexKey{Tenant: q.Tenant, Index: q.Index, Value: q.Value, Start: from.row.Start, ID: from.row.ID}
	}
	rows, err := b.s.Store.Index(ctx, q)
	switch {
	case err != nil:
		return nil, err
	case len(rows) > 0:
		return &rows[0], nil
	case from.quarantined:
		return nil, nil
	}
	*from = place{quarantined: true}
	return b.following(ctx, from)
}

// look shows what waits in the execution of a place, at most so much, and gives how
// much that is.
func (b *inbox) look(ctx context.Context, from *place, most int) (seen int, err error) {
	done, err := b.s.placeForLog(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	x, err := b.s.unsound(ctx, from.row.ID)
	if errors.Is(err, engine.ErrNotFound) {
		from.whole = true
		return 0, nil
	}
	if isUnreadable(err) {
		from.whole = true
		return b.pass(ctx, from, err), nil
	}
	if err != nil {
		return 0, fmt.Errorf("holds of execution %s: %w", from.row.ID, err)
	}
	if from.quarantined {
		from.whole = true
		if b.error == nil && x.Quarantined != "" && b.lists(x) {
			return 1, b.see(x, nil)
		}
		return 0, nil
	}
	for _, f := range x.held() {
		if f.Hold.Number <= from.number || b.error != nil && (f.Hold.Fault.Error == nil || *f.Hold.Fault.Error != *b.error) {
			continue
		}
		if seen == most {
			return seen, nil
		}
		if err := b.see(x, f); err != nil {
			return seen, err
		}
		seen, from.number = seen+1, f.Hold.Number
	}
	if x.Quarantined != "" && !x.Marked { // in no other list: what it holds may be what can't be read
		if seen == most {
			return seen, nil
		}
		b.lost(x.quarantine())
		seen++
	}
	from.whole = true
	return seen, nil
}

// pass shows an execution that can't be read, and gives how much that is.
func (b *inbox) pass(ctx context.Context, from *place, why error) int {
	b.s.Log.Error("an execution that waits for a person can't be read", "execution", from.row.ID, "error", why)
	held := b.s.lost(ctx, from.row, b.machine, why)
	another := b.machine != "" && (held.ExecutionArn == "" || held.StateMachineArn != b.s.machineARN(b.machine))
	if from.quarantined && (b.error != nil || another) {
		return 0
	}
	b.lost(held)
	return 1
}

// lists reports whether an execution is one of the inbox's machine.
func (b *inbox) lists(x *sagas) bool {
	of, _, _ := strings.Cut(x.Start.Machine, "/") // without the label of the Map that it is a child of
	return b.machine == "" || b.machine == of
}

// token is a place in a token, placeIn reads it.
func (p *place) token() string {
	b := make([]byte, 0, 32)
	for _, is := range [...]bool{p.quarantined, p.whole} {
		if is {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
	}
	b = binary.BigEndian.AppendUint32(b, p.number)
	return string(b) + position(p.row.IndexKey)
}

func placeIn(token string) (place, error) {
	if token == "" {
		return place{}, nil
	}
	if len(token) < 6 {
		return place{}, api.InvalidToken("Invalid token")
	}
	key, err := placed(token[6:], store.IndexQuery{})
	if err != nil {
		return place{}, err
	}
	row := &store.Index{IndexKey: *key}
	return place{quarantined: token[0] == 1, whole: token[1] == 1, number: binary.BigEndian.Uint32([]byte(token[2:6])), row: row}, nil
}

// ListHolds lists what waits for a person.
func (s *Service) ListHolds(ctx context.Context, in *api.ListHoldsInput) (*api.ListHoldsOutput, error) {
	of, err := s.sagasIn(ctx, in.StateMachineArn)
	if err != nil {
		return nil, err
	}
	out := &api.ListHoldsOutput{Holds: []api.Hold{}}
	how := shown{data: in.IncludedData != api.IncludedDataMetadataOnly, most: shownText}
	b := inbox{s: s, machine: of, error: in.ErrorFilter, lost: func(held api.Hold) { out.Holds = append(out.Holds, held) }, see: func(x *sagas, f *machine.Frame) error {
		if f == nil {
			out.Holds = append(out.Holds, x.quarantine())
			return nil
		}
		held, err := s.hold(ctx, x, f, how)
		out.Holds = append(out.Holds, held)
		return err
	}}
	out.NextToken, err = b.page(ctx, s.page("ListHolds", in.MaxResults, of, textOf(in.ErrorFilter)), in.NextToken)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// page shows a page of an inbox, and gives the token of the next one.
func (b *inbox) page(ctx context.Context, p page, token *string) (*string, error) {
	after, err := p.after(token)
	if err != nil {
		return nil, err
	}
	from, err := placeIn(after)
	if err != nil {
		return nil, err
	}
	at, err := b.next(ctx, from, p.size)
	if err != nil || at == nil {
		return nil, err
	}
	return p.next(at.token()), nil
}

// mostCounted is how many executions are counted of those that wait for a person.
const mostCounted = 10_000

// Held counts the executions that wait for a person: those whose sagas are on hold, by
// the names of their state machines, and those that are quarantined; at most the first
// 10,000 of each. It reads lists alone, and none of the executions.
func (s *Service) Held(ctx context.Context) (onHold map[string]int, quarantined int, err error) {
	onHold = map[string]int{}
	q := store.IndexQuery{Tenant: s.tenant, Index: engine.IndexSagas, Value: engine.SagaValue("", machine.SagaOnHold.String())}
	err = s.count(ctx, q, func(row *store.Index) { onHold[string(row.Body)]++ })
	if err != nil {
		return nil, 0, err
	}
	q.Index, q.Value = engine.IndexQuarantined, ""
	err = s.count(ctx, q, func(*store.Index) { quarantined++ })
	return onHold, quarantined, err
}

// count goes through the rows of a list.
func (s *Service) count(ctx context.Context, q store.IndexQuery, row func(*store.Index)) error {
	q.Limit = 1000
	for n := 0; n < mostCounted; n += q.Limit {
		rows, err := s.Store.Index(ctx, q)
		if err != nil {
			return err
		}
		for i := range rows {
			row(&rows[i])
		}
		if len(rows) < q.Limit {
			return nil
		}
		q.After = &rows[len(rows)-1].IndexKey
	}
	return nil
}

func textOf(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// DescribeHold answers one hold.
func (s *Service) DescribeHold(ctx context.Context, in *api.DescribeHoldInput) (*api.DescribeHoldOutput, error) {
	done, err := s.placeForLog(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	id, err := s.find(ctx, in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	x, err := s.unsound(ctx, id)
	if err != nil {
		return nil, sagaRefusal(in.ExecutionArn, err)
	}
	if in.HoldId == quarantinedID && x.Quarantined != "" {
		return &api.DescribeHoldOutput{Hold: x.quarantine()}, nil
	}
	f, err := s.heldAs(ctx, x, in.HoldId)
	if err != nil {
		return nil, err
	}
	h, err := s.hold(ctx, x, f, shown{data: true})
	return &api.DescribeHoldOutput{Hold: h}, err
}

// heldAs is the frame with the hold of that number, or HoldDoesNotExist.
func (s *Service) heldAs(ctx context.Context, x *sagas, id string) (*machine.Frame, error) {
	n, err := strconv.ParseUint(id, 10, 32)
	if err != nil || n == 0 {
		return nil, api.HoldDoesNotExist(x.Start.ExecutionARN() + ", " + id)
	}
	for _, f := range x.held() {
		if uint64(f.Hold.Number) == n {
			return f, nil
		}
	}
	return nil, s.holdGone(ctx, x, uint32(n))
}

// historyLook is how many events are looked at to find what became of a hold.
const historyLook = 10_000

// holdGone says that a hold is not there, and as far as the history tells what
// became of it.
func (s *Service) holdGone(ctx context.Context, x *sagas, number uint32) error {
	what := fmt.Sprintf("%s, %d: there never was one of that number", x.Start.ExecutionARN(), number)
	if number > x.Head.Holds {
		return api.HoldDoesNotExist(what)
	}
	what = fmt.Sprintf("%s, %d: it is over", x.Start.ExecutionARN(), number)
	const step = 500
	for at, looked := x.Head.LastEvent, 0; at >= 1 && looked < historyLook; looked += step {
		found, err := s.events(ctx, x.id, at, x.Head.LastEvent, true, step)
		if err != nil {
			return err
		}
		for i := range found {
			e := &found[i]
			if e.Type == machine.SagaResolved && e.Saga.Hold == number {
				return api.HoldDoesNotExist(fmt.Sprintf("%s, %d: %s has resolved it at %s by %s: %s",
					x.Start.ExecutionARN(), number, e.Worker, api.Timestamp(e.At), e.Saga.Word, e.Saga.Reason))
			}
		}
		if len(found) == 0 {
			break
		}
		at = found[len(found)-1].ID - 1
	}
	return api.HoldDoesNotExist(what)
}
