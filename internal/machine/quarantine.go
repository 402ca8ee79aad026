package machine

import (
	"maps"
	"slices"

	"github.com/backstep/backstep/internal/asl"
)

// An execution of which an invariant is broken can't be decided by [Step]. What a
// person decides about it asks nothing of what may be broken: its rows are taken as
// they are, each for itself, and those that are missing are passed over.

// Reconsidered notes in the history that a person has an execution tried again that
// was quarantined, and why it was. The delta is empty where its history has no room
// for that, or it has none.
func (x *Execution) Reconsidered(e Env, r *Resolution, why string) Delta {
	if x.Start.Lock || e.Limits.full(&x.Head) && x.Head.OpenSagas == 0 {
		return Delta{}
	}
	t := newTurn(&e, nil, x)
	t.decided(r, why)
	return t.delta()
}

// decided tells history what a person has decided about a quarantined execution.
func (t *turn) decided(r *Resolution, why string) int64 {
	return t.tell(Event{Type: SagaResolved, Prev: t.head.LastEvent, Cause: cut(&why, maxCause), Worker: r.Operator,
		Saga: &sagaTold{Word: r.Verb.String(), Reason: r.Reason}})
}

// EndQuarantined ends an execution as it stands that was quarantined, and its open
// sagas with it: they are ABANDONED. What is under way is let go of, or stopped as
// ever; steps that have not ended are noted as far as they came, so that the saga log
// lists all that is owed. All rows of that which can be read must have been lent. The
// program, nil where it is refused, only says which states are steps. It changes
// nothing that it is given.
func (x *Execution) EndQuarantined(e Env, p *asl.Program, r *Resolution, why string) Delta {
	t := newTurn(&e, p, x)
	fl := newFault(errAbandoned, r.Reason)
	fl.event = t.decided(r, why)
	open := map[uint32]bool{}
	for _, u := range x.Undos {
		if u.IsSaga() && !u.Status.Ended() {
			open[u.Number] = true
		}
	}
	for _, id := range slices.Sorted(maps.Keys(x.Frames)) {
		t.standsStill(x.Frames[id], open, fl)
	}
	for _, number := range slices.Sorted(maps.Keys(x.Undos)) {
		if u := x.Undos[number]; open[number] {
			t.abandoned(u, fl)
		} else if u.Lock != 0 && open[u.Saga] {
			t.free(u.Lock, number)
			t.rewriteAs(number).Lock = 0
		}
	}
	t.head.EndedSagas[SagaAbandoned-SagaAborted] += t.head.OpenSagas
	t.head.OpenSagas, t.head.OpenHolds, t.head.Aborting, t.head.Spent = 0, 0, 0, true
	if t.running() {
		t.head.Status, t.head.Stop, t.head.Error, t.head.Cause = Failed, t.head.Now, fl.Error, fl.Cause
		t.tell(Event{Type: ExecutionFailed, Prev: fl.event, Error: fl.Error, Cause: fl.Cause})
		if x.Start.Parent != nil {
			t.open(Job{Kind: Tell, Due: t.head.Now})
		}
	}
	d := t.lastDelta()
	d.Closed = slices.DeleteFunc(d.Closed, func(id JobID) bool { return x.Jobs[id].Kind == Tell }) // it had ended before
	t.head.Kept, t.head.Variables = false, 0
	d.Frames, d.Dropped = nil, slices.Sorted(maps.Keys(x.Frames))
	return d
}

// abandoned ends the saga of a row. Its last undo is kept, by which it can be undone
// later.
func (t *turn) abandoned(u *Undo, fl *fault) {
	u = t.rewriteAs(u.Number)
	u.Status, u.Ended, u.Error, u.Cause, u.Heads = SagaAbandoned, t.head.Now, fl.Error, fl.Cause, nil
	for _, id := range slices.Sorted(maps.Keys(t.x.Frames)) {
		if f := t.x.Frames[id]; f.Scope != nil && f.Scope.Outermost && f.Scope.Saga == u.Number && f.Undo != 0 {
			u.Heads, u.Committed = []uint32{f.Undo}, f.Scope.Committed
		}
	}
	t.tell(Event{Type: SagaEnded, Prev: fl.event, Error: fl.Error, Cause: fl.Cause, Saga: &sagaTold{Saga: u.Number, Word: u.Status.String()}})
}

// standsStill notes how far a frame has come: the step that it is at, where that is
// one of an open saga, and the body that is due in it.
func (t *turn) standsStill(f *Frame, open map[uint32]bool, fl *fault) {
	saga := t.sagaAround(f)
	if !open[saga] {
		return
	}
	if f.Locked != 0 {
		t.free(f.Locked, f.Entry)
	}
	if f.Hold != nil {
		fl = &f.Hold.Fault
	}
	if b := f.Body; b != nil && b.Operation != Ask && t.x.Undos[b.Row] != nil {
		j := t.x.Jobs[f.Job]
		c := b.ended(t.head.Now, fl)
		c.Unknown = c.Unknown || j != nil && j.Kind != Timer
		u := t.rewriteAs(b.Row)
		u.Calls = append(u.Calls, c)
	}
	var s *asl.State
	if t.p != nil {
		s = t.p.States[f.State]
	}
	switch {
	case s == nil || s.Step == nil || f.Body != nil || f.Recovery != nil || f.Outcome != 0:
	case f.Phase == Working || f.Phase == Retrying || f.Phase == Joining:
		u := &Undo{
			Number: f.Entry, State: f.State, Saga: saga, Outcome: StepFailed, Started: f.Entered, Ended: t.head.Now, EnteredEvent: f.EnteredEvent,
			Input: f.Input, Request: f.Asked, Attempts: f.Sends, Tries: f.try(), Edition: f.Edition, Error: fl.Error, Cause: fl.Cause,
		}
		if f.Unknown || t.sent(f) {
			u.Outcome = StepUnknown
		}
		for at := f; at != nil; at = t.x.Frames[at.Parent] {
			if at.isTop() { // else what it sees is missing
				u.Variables = t.named(f, s.Step.Names)
				break
			}
		}
		t.undos.put(f.Entry, u)
	}
}

// rewriteAs is rewrite of a row that is there.
func (t *turn) rewriteAs(number uint32) *Undo {
	if i := t.undos.find(number); i >= 0 {
		return t.undos.rows[i]
	}
	u := *t.x.Undos[number]
	u.Calls = slices.Clip(u.Calls)
	t.undos.put(number, &u)
	return &u
}

// sagaAround is sagaOf of a frame whose surroundings may be missing, 0 where they are.
func (t *turn) sagaAround(f *Frame) uint32 {
	for range len(t.x.Frames) {
		switch {
		case f == nil:
			return 0
		case f.Scope != nil && f.Scope.Outermost:
			return f.Scope.Saga
		case f.isTop():
			return 0
		}
		f = t.x.Frames[f.Parent]
	}
	return 0
}
