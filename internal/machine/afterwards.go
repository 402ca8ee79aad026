package machine

import (
	"maps"
	"slices"

	"github.com/backstep/backstep/internal/asl"
)

// Unstoppable says why the execution can't be stopped, "" where it can.
func (x *Execution) Unstoppable(p *asl.Program) string {
	committed, abort := false, true
	for _, id := range slices.Sorted(maps.Keys(x.Frames)) {
		f := x.Frames[id]
		if f.Scope == nil || !f.Scope.Outermost || f.Scope.Ended || f.Kind == Aside {
			continue
		}
		committed = committed || f.Scope.Committed
		abort = abort && p.States[f.State].Scope.Abort
	}
	if committed && !abort {
		return "The saga is past its pivot: the execution can not be stopped"
	}
	return ""
}

// Uncompensable says why the execution's sagas can't be undone, "" where they
// can, or are already.
func (x *Execution) Uncompensable() string {
	past := x.Head.Pivoted && x.Head.Status.Ended()
	for _, id := range slices.Sorted(maps.Keys(x.Frames)) {
		sc := x.Frames[id].Scope
		past = past || sc != nil && sc.Outermost && !sc.Ended && sc.Committed
	}
	switch {
	case x.Head.Sagas == 0:
		return "The execution has no saga"
	case past:
		return "The saga is past its pivot and can not be undone"
	}
	return ""
}

// compensate undoes the sagas of the execution: those that are open as a stop
// does, those that have ended by their own logs, the last one first. Final says
// that the execution is never to be redriven.
func (t *turn) compensate(final bool) bool {
	spent := final && !t.head.Spent
	t.head.Spent = t.head.Spent || final
	if t.running() {
		return t.stop(nil, true) || spent
	}
	return t.head.OpenSagas == 0 && t.undoNextSaga(t.head.Sagas) || spent
}

// undoNextSaga begins to undo the last of the first so many sagas that can be
// undone, and reports whether there is one.
func (t *turn) undoNextSaga(before uint32) bool {
	for n := before; n > 0; n-- {
		u := t.entry(firstSaga + n - 1)
		switch {
		case u.Committed:
			continue
		case u.Status == SagaCompensationFailed || u.Status == SagaAbandoned:
			u = t.owedAnew(u)
		case u.Status != SagaCompleted:
			continue
		}
		if len(u.Heads) == 0 && u.Status != SagaCompleted {
			continue
		}
		t.undoSaga(u)
		return true
	}
	return false
}

// undoSaga undoes a saga that had ended, in a frame that stands aside.
func (t *turn) undoSaga(u *Undo) {
	t.head.LastFrame++
	t.head.OpenSagas++
	t.head.EndedSagas[u.Status-SagaAborted]--
	t.head.Spent = true
	f := &Frame{ID: t.head.LastFrame, Kind: Aside, State: t.flow().Start.Name, Phase: Ended, Scope: &sagaScope{Saga: u.Number, Outermost: true},
		effort: effort{Prev: t.head.LastEvent}}
	f.Recovery = &recovery{Then: returned}
	if len(u.Heads) > 0 {
		f.Undo = u.Heads[0]
		f.State = t.entry(f.Undo).State
	}
	t.frames.put(f.ID, f)
	t.aborting(f, &fault{event: f.Prev})
	t.undo(f)
}

// returned ends a saga that was undone after its end, and goes on with the one
// before it.
func (t *turn) returned(f *Frame) {
	t.endSaga(f, SagaAborted, nil)
	t.drop(f)
	t.undoNextSaga(f.Scope.Saga - firstSaga)
}

// owedAnew makes one sequence of all that a saga that has ended badly still owes,
// the last step first.
func (t *turn) owedAnew(saga *Undo) *Undo {
	head := uint32(0)
	for number := uint32(1); number <= t.head.Entries; number++ {
		u := t.known(number)
		if u == nil || !u.IsStep() || u.Saga != saga.Number || u.Settled != CompensationFailed && !u.Owed(t.p) {
			continue
		}
		u = t.rewrite(number)
		u.Settled, u.Prev = 0, head
		head = number
	}
	saga = t.rewrite(saga.Number)
	saga.Heads = nil
	if head != 0 {
		saga.Heads = []uint32{head}
	}
	return saga
}

// known is the row of that number among all, nil where there is none.
func (t *turn) known(number uint32) *Undo {
	if !t.x.wholeLog {
		panic(&recall{all: true})
	}
	if i := t.undos.find(number); i >= 0 {
		return t.undos.rows[i]
	}
	return t.x.Undos[number]
}

// reopen lets a scope go on that has ended with the execution: anew where it was
// undone, else where it stood.
func (t *turn) reopen(f *Frame) {
	if t.entry(f.Scope.Saga).Status == SagaAborted {
		t.head.EndedSagas[0]-- // another one takes its place
		f.Recovery = nil
		start := t.flow().Start
		t.forget(f)
		f.State, f.Input, f.Phase, f.Scope, f.Undo = start.Name, t.head.Input, Entering, nil, 0
		t.openWhole(f)
		return
	}
	u := t.rewrite(f.Scope.Saga)
	t.head.EndedSagas[u.Status-SagaAborted]--
	u.Status, u.Ended = SagaStarted, 0
	f.Scope.Ended = false
	t.head.OpenSagas++
}
