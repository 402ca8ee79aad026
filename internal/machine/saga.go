package machine

import (
	"github.com/backstep/backstep/internal/asl"
)

// SagaStatus is where a saga stands (SAGA.md §5).
type SagaStatus uint8

// The statuses of a saga. It is never noted as being ON_HOLD: that is shown of an
// execution of which a call waits for a person.
const (
	SagaStarted SagaStatus = iota + 1
	SagaAborting
	SagaAborted
	SagaCompleted
	SagaCompensationFailed
	SagaAbandoned
	SagaOnHold
)

var sagaStatusNames = [...]string{"", "STARTED", "ABORTING", "ABORTED", "COMPLETED", "COMPENSATION_FAILED", "ABANDONED", "ON_HOLD"}

// String is the status as the API spells it.
func (s SagaStatus) String() string { return sagaStatusNames[s] }

// Ended says that the saga is over.
func (s SagaStatus) Ended() bool { return s > SagaAborting && s < SagaOnHold }

// SagaStatus is where the execution's sagas stand, taken together: ON_HOLD where
// something waits for a person, else that of the open ones, else the worst that
// one has ended with. "" where there was none.
func (h *Head) SagaStatus() string {
	switch {
	case h.Sagas == 0:
		return ""
	case h.OpenHolds > 0:
		return SagaOnHold.String()
	case h.Aborting > 0:
		return SagaAborting.String()
	case h.OpenSagas > 0:
		return SagaStarted.String()
	}
	for _, s := range [...]SagaStatus{SagaAbandoned, SagaCompensationFailed, SagaAborted} {
		if h.EndedSagas[s-SagaAborted] > 0 {
			return s.String()
		}
	}
	return SagaCompleted.String()
}

// Scope is a run of a saga scope. Its frame's Undo is the last undo of its flow.
type sagaScope struct {
	Saga      uint32 // the row of its saga
	Outermost bool
	Floor     uint32 // the last undo that is not the scope's own
	Committed bool   // it can't go back: a pivot has succeeded in it, or it only goes forward
	Aborting  bool   // of the outermost: the plan to undo it whole is fixed
	Failed    bool   // of the outermost: an undo has failed for good, or was skipped
	Locks     uint32 // of the outermost: so many are held by its steps
	Save      *savePoint

	// Of the outermost, once its states have ended well.
	Ended    bool // it is confirmed, and over
	Output   Ref
	Assigned []binding
	Confirms Ref // the rows that are confirmed, an array of their numbers
	Next     int // which of them is next
}

// savePoint is where a scope goes back to.
type savePoint struct {
	State     string
	Input     Ref
	Variables []binding
	Undo      uint32 // the frame's last undo as it was taken
	Tries     uint32 // so often it was gone back to
	returning bool   // it is being entered again
}

// saga begins the states of a Saga, as a Parallel begins its branches. History
// tells it as a Parallel of one branch.
func (t *turn) saga(sc *scope) *fault {
	f, s := sc.frame, sc.state
	in, fl := sc.request()
	if fl != nil {
		return fl
	}
	input, ok := t.number(&in, t.env.Limits.Payload)
	if !ok {
		return tooLarge(s.Name)
	}
	if m := t.mock(); m != nil {
		return t.mocked(sc, m)
	}
	f.Prev = t.event(Event{Type: ParallelStateStarted, Prev: f.Prev})
	if !t.running() { // its history is full
		return nil
	}
	t.split(f, &join{Count: 1})
	child := &Frame{Kind: Scoped, State: s.Saga.Flow.Start.Name, Input: input, effort: effort{Prev: f.Prev}}
	t.begun(f, child)
	t.openScope(child, s.Saga)
	return nil
}

// openScope lets a frame run a scope.
func (t *turn) openScope(f *Frame, saga *asl.SagaFields) {
	f.Scope = &sagaScope{Outermost: saga.Outer == nil, Committed: saga.Recovery == asl.Forward}
	if !f.Scope.Outermost {
		around := t.peek(f.Parent)
		f.Scope.Saga = t.sagaOf(around)
		f.Undo, f.Scope.Floor = around.Undo, around.Undo
		return
	}
	f.Scope.Saga = firstSaga + t.head.Sagas
	t.head.Sagas++
	t.head.OpenSagas++
	u := &Undo{Number: f.Scope.Saga, Kind: undoSaga, Saga: f.Scope.Saga, Status: SagaStarted, Started: t.head.Now}
	if f.Kind != Root {
		u.State = t.peek(f.Parent).State
	}
	t.undos.put(u.Number, u)
	if f.Scope.Committed {
		t.pivoted()
	}
}

// openWhole opens the scope of the whole execution, where it has one: of a
// machine's own saga, or of a child of a distributed Map within a scope.
func (t *turn) openWhole(root *Frame) {
	if saga := t.flow().Start.Scope; saga != nil && saga.Flow == t.flow() {
		t.openScope(root, saga)
	}
}

// roomToUndo is the share of a history that is kept for what is undone.
const roomToUndo = 25

// historyTooLong is the failure of forward work whose history has no room for
// what may have to be undone; nil where there is room. Work that can't go back
// has more of it.
func (t *turn) historyTooLong(sc *scope) *fault {
	most := t.env.Limits.Events
	switch {
	case t.head.OpenSagas == 0 || most == 0 || sc.state.Scope == nil || t.head.LastEvent < most-most/roomToUndo:
		return nil
	case t.level(sc.frame) == nil:
		return sc.runtime("The execution has no room for more history events: those that are left are for what must be undone.")
	case t.head.LastEvent >= 2*most:
		fl := newFault(errFull, "The execution has too many history events.")
		fl.fatal = true
		return fl
	}
	return nil
}

// options are the fields in the program of the scope that a frame runs.
func (t *turn) options(f *Frame) *asl.SagaFields { return t.state(f).Scope }

// sagaOf is the row of the saga that a frame belongs to, 0 where it belongs to
// none.
func (t *turn) sagaOf(f *Frame) uint32 {
	if o := t.outermost(f); o != nil {
		return o.Scope.Saga
	}
	return 0
}

// outermost is the frame of the outermost scope around a frame, nil where there
// is none.
func (t *turn) outermost(f *Frame) *Frame {
	for f.Scope == nil || !f.Scope.Outermost {
		if f.isTop() {
			return nil
		}
		f = t.peek(f.Parent)
	}
	return f
}

// commitSaga notes that a pivot has succeeded: its scope and all around it can't go
// back any more. A plan to undo them is dropped.
func (t *turn) commitSaga(f *Frame) {
	for {
		if f.Scope != nil {
			f.Scope.Committed = true
			f.Recovery = nil
			if f.Scope.Outermost {
				if f.Scope.Aborting {
					t.head.Aborting--
				}
				f.Scope.Aborting = false
				t.sagaIs(f, SagaStarted)
				t.forgetStop(f)
				break
			}
		}
		f = t.frame(f.Parent)
		f.Recovery = nil
	}
	t.pivoted()
}

// pivoted notes that a saga can't go back: the execution has no time limit any
// more.
func (t *turn) pivoted() {
	t.head.Pivoted = true
	t.unlimitTime()
}

// forgetStop drops a stop of the execution, where nothing but the saga of that
// frame is under way in it.
func (t *turn) forgetStop(f *Frame) {
	if f.Kind != Root && t.peek(f.Parent).Kind == Root {
		t.frame(0).Recovery = nil
	}
}

// unlimitTime takes the time limit off the execution.
func (t *turn) unlimitTime() {
	if t.head.Timeout != 0 {
		t.jobs.put(t.head.Timeout, nil)
		t.head.Timeout = 0
	}
}

// sagaIs notes the status of the saga whose outermost scope a frame runs.
func (t *turn) sagaIs(f *Frame, s SagaStatus) {
	if t.entry(f.Scope.Saga).Status == s {
		return
	}
	u := t.rewrite(f.Scope.Saga)
	u.Status = s
}

// endSaga ends the saga whose outermost scope a frame runs. Its last undo is
// kept, by which it can be undone later.
func (t *turn) endSaga(f *Frame, s SagaStatus, fl *fault) {
	if f.Scope.Failed && s != SagaAbandoned {
		s = SagaCompensationFailed
	}
	u := t.rewrite(f.Scope.Saga)
	u.Status, u.Ended, u.Heads, u.Committed = s, t.head.Now, nil, f.Scope.Committed
	if f.Undo != 0 {
		u.Heads = []uint32{f.Undo}
	}
	e := Event{Type: SagaEnded, Prev: f.Prev, Saga: &sagaTold{Saga: u.Number, Word: s.String()}}
	if fl != nil {
		u.Error, u.Cause = fl.Error, fl.Cause
		e.Prev, e.Error, e.Cause = fl.event, fl.Error, fl.Cause
	}
	if id := t.event(e); fl == nil && id != 0 {
		f.Prev = id
	}
	if f.Scope.Aborting {
		t.head.Aborting--
	}
	t.unlockAll(f)
	f.Scope.Ended = true
	t.head.OpenSagas--
	t.head.EndedSagas[s-SagaAborted]++
	t.head.Spent = t.head.Spent || s == SagaCompensationFailed
}

// level is the nearest frame around f, or f itself, whose scope can't go back;
// nil where there is none.
func (t *turn) level(f *Frame) *Frame {
	for f.Scope == nil || !f.Scope.Committed {
		if f.isTop() {
			return nil
		}
		f = t.peek(f.Parent)
	}
	return f
}

// stuck reports whether a frame's fault finds nobody to take it below a level
// that can't go back: then the state is tried without end, or held.
func (t *turn) stuck(f *Frame, fl *fault) bool {
	level := t.level(f)
	if level == nil {
		return false
	}
	for at := f; ; at = t.peek(at.Parent) {
		switch {
		case t.retrier(at, t.state(at), fl) >= 0 || catcher(t.state(at), fl) >= 0:
			return false
		case at.ID == level.ID:
			return true
		case at.Scope != nil && at.Scope.Save != nil && t.goesBack(at, fl):
			return false
		}
	}
}

// goesBack reports whether a scope goes back to its save point for a fault.
func (t *turn) goesBack(f *Frame, fl *fault) bool {
	o := t.options(f)
	return o.Recovery == asl.ToSavePoint && f.Scope.Save != nil && !fl.fatal && !fl.declared && !fl.undone &&
		int64(f.Scope.Save.Tries) < o.MaxForwardAttempts
}

// saveHere takes a save point as the frame enters a state that asks for it, but
// where it just went back to it.
func (t *turn) saveHere(f *Frame, s *asl.State) {
	if s.Step == nil || !s.Step.SavePoint {
		return
	}
	if old := f.Scope.Save; old != nil && old.returning {
		save := *old
		save.returning = false
		f.Scope.Save = &save
		return
	}
	f.Scope.Save = &savePoint{State: s.Name, Input: f.Input, Variables: f.Variables, Undo: f.Undo}
}
