package machine

import (
	"github.com/backstep/backstep/internal/asl"
)

// landing is how long a call that is under way is waited for, in ms, before what
// was done is undone.
const landing = 60_000

// recovery is the undoing of what a frame did: what for, how far it has come,
// and what comes then. As long as there is one, the frame does not go forward.
type recovery struct {
	Then   next
	Index  int    // of the retrier or catcher; of a stop: the status that the execution ends with
	Floor  uint32 // the last undo of the frame that is left alone
	Fault  fault  // what it is for
	Failed bool   // an undo failed for good, and the others were done all the same

	// Of the frames beneath, which come first.
	Fenced bool // those that were under way have begun
	Begun  int  // how many of them were looked at
	Active int  // how many of these have something left to undo
}

// next is what comes after a recovery.
type next uint8

const (
	report      next = iota // the frame's parent hears of it, whose recovery it is part of
	again                   // the state is tried again
	caught                  // a catcher takes the fault
	outward                 // the fault goes on outward
	aborted                 // the frame's scope is undone, and the fault goes on outward
	toSavePoint             // the frame's scope goes on from its save point
	stopped                 // the execution ends
	returned                // a saga that had ended is undone
)

// recover fixes what is to be undone of a frame, with all beneath it, and begins
// to undo it. What is under way beneath is fenced in the same moment.
func (t *turn) recover(f *Frame, r recovery) {
	f.Recovery = &r
	t.planBeneath(f)
	t.undo(f)
}

// planBeneath makes the frames beneath f part of its recovery. Those that have
// ended well wait until there is room for them.
func (t *turn) planBeneath(f *Frame) {
	if f.Join == nil {
		return
	}
	for i := range f.Join.Begun {
		child := t.peek(f.Join.First + FrameID(i))
		if child == nil || child.Phase == Ended {
			continue
		}
		f.Recovery.Active++
		t.standDown(t.frame(child.ID))
	}
}

// standDown makes a frame part of the recovery around it. A saga that can't go back
// is left to go on to its end.
func (t *turn) standDown(f *Frame) {
	if f.Scope != nil && f.Scope.Outermost {
		if f.Scope.Committed {
			return
		}
		t.aborting(f, &fault{event: f.Prev})
	}
	t.planFor(f, recovery{Then: report, Floor: f.floor()})
}

// planFor keeps a frame and all beneath it from going forward. A recovery of a
// part of it that is under way becomes one of the whole.
func (t *turn) planFor(f *Frame, r recovery) {
	if old := f.Recovery; old != nil {
		old.Then, old.Index, old.Floor, old.Fault = r.Then, r.Index, r.Floor, r.Fault
		return
	}
	f.Recovery = &r
	switch s := t.state(f); {
	case f.Join != nil && f.Join.Begun > 0:
		t.planBeneath(f)
	case s.Step != nil && f.Phase != Entering:
		t.fence(f, s)
	default:
		t.dropBody(f)
		t.close(f)
	}
}

// aborting notes that a saga is undone whole.
func (t *turn) aborting(f *Frame, fl *fault) {
	if !f.Scope.Aborting {
		t.head.Aborting++
	}
	f.Scope.Aborting = true
	t.sagaIs(f, SagaAborting)
	t.unlimitTime()
	t.event(Event{Type: SagaPlanned, Prev: fl.event, Error: fl.Error, Cause: fl.Cause, Saga: &sagaTold{Saga: f.Scope.Saga}})
}

// fence keeps a step that is under way from going forward. A call that can be
// answered is waited for, and a pivot in any case; of what others work on,
// nothing is heard any more.
func (t *turn) fence(f *Frame, s *asl.State) {
	j := (*Job)(nil)
	if f.Job != 0 && f.Body == nil && f.Phase == Working {
		if j = t.job(f.Job); j.Kind == TakeLock || t.x.Jobs[f.Job] == nil {
			j = nil // it was not sent yet
		}
	}
	switch {
	case j == nil:
	case s.Step.Pivot:
		return
	case t.lands(f, s):
		j.Landing = true
		j.Deadline = min(j.Deadline, t.head.Now+landing)
		j.Due = j.Deadline
		return
	case j.Kind != Activity || j.Taken:
		f.Unknown = true
	}
	if s.Step.Pivot && f.Unknown {
		t.clearUp(f, s)
		return
	}
	t.expect(f)
	t.dropBody(f)
	t.close(f)
	t.note(f, s, f.outcome(), 0, nil)
}

// clearUp finds out what became of a pivot that may have had its effect, and has no
// call under way: it is asked for, or held, unless it is so already. Nothing is
// undone before that is known.
func (t *turn) clearUp(f *Frame, s *asl.State) {
	if f.Hold != nil || f.Body != nil {
		return
	}
	t.close(f)
	f.Phase = Working
	t.concludes(f, s, unknownEffect())
}

// unknownEffect is why something waits of which nobody knows whether it took
// place.
func unknownEffect() *fault {
	return newFault(errUnknown, "It is not known whether the step had its effect.")
}

// lands reports whether a frame's step is a call that is let land.
func (t *turn) lands(f *Frame, s *asl.State) bool {
	return f.Job != 0 && f.Body == nil && f.Phase == Working && t.peekJob(f.Job).Kind != TakeLock && s.Task != nil && s.Task.Resource.Pattern == asl.RequestResponse &&
		s.Task.Resource.Kind != asl.Activity
}

// outcome is what the attempts of a frame's step so far make it.
func (f *Frame) outcome() Outcome {
	switch {
	case f.Outcome == StepSucceeded:
		return StepSucceeded
	case f.Unknown:
		return StepUnknown
	}
	return StepFailed
}

// landed takes a step into the plan whose call was waited for. A pivot whose
// outcome is unknown is asked for first, or held.
func (t *turn) landed(f *Frame, s *asl.State, result Ref, fl *fault) {
	if f.Kind != Root && f.Kind != Scoped {
		t.abortState(f, f.Prev)
	}
	if fl == nil {
		t.note(f, s, StepSucceeded, result, nil)
	} else if s.Step.Pivot && !t.concludes(f, s, fl) {
		return
	}
	t.note(f, s, f.outcome(), 0, fl)
	t.undo(f)
}

// undo goes on with a frame's recovery as far as it can. When nothing is left of
// it, what the recovery was for comes next.
func (t *turn) undo(f *Frame) {
	for t.goesOn() && t.undoes(f) {
		if f.Recovery.Then != report {
			t.recovered(f)
			return
		}
		parent := t.frame(f.Parent)
		t.reported(parent, f)
		f = parent
	}
}

// reported ends the part that a frame has in the recovery of its parent. Outside
// a saga a redrive goes on where it stands.
func (t *turn) reported(parent, f *Frame) {
	r := parent.Recovery
	r.Failed = r.Failed || f.Recovery != nil && f.Recovery.Failed
	r.Active--
	if f.Scope != nil && f.Scope.Outermost && !f.Scope.Ended {
		t.endSaga(f, SagaAborted, nil)
	}
	if t.state(f).Scope == nil {
		f.Recovery = nil
		return
	}
	t.prune(f)
	t.drop(f)
}

// undoes goes on with a frame's recovery, and reports whether nothing is left of
// it: first the frames beneath, side by side, then what the frame did before,
// the last first.
func (t *turn) undoes(f *Frame) bool {
	for {
		if f.Body != nil || f.Job != 0 || f.Hold != nil || !t.undoBeneath(f) {
			return false
		}
		r := f.Recovery
		if f.Undo == r.Floor || f.Undo == 0 {
			return true
		}
		u := t.entry(f.Undo)
		switch {
		case u.Kind == undoGroup:
			f.Undo = u.Prev
			t.spread(f, u)
		case t.undoStep(f, u):
			f.Undo = u.Prev
		}
	}
}

// spread makes a frame for each sequence of a group, beneath the one that undoes
// it.
func (t *turn) spread(f *Frame, u *Undo) {
	t.prune(f)
	j := &join{Count: len(u.Heads), AtOnce: u.AtOnce}
	j.First = t.head.LastFrame + 1
	t.head.LastFrame += FrameID(j.Count)
	f.Join, f.Recovery.Begun = j, 0
	for i, head := range u.Heads {
		j.Begun++
		child := &Frame{ID: j.First + FrameID(i), Parent: f.ID, Kind: Branch, Index: i, State: u.State, Phase: Ended, Undo: head, effort: effort{Prev: f.Prev}}
		t.frames.put(child.ID, child)
	}
}

// undoBeneath goes on with the frames beneath, and reports whether nothing is
// left of them: those that were under way at once, those that have ended as many
// at a time as may be.
func (t *turn) undoBeneath(f *Frame) bool {
	j, r := f.Join, f.Recovery
	if j == nil {
		return true
	}
	if !r.Fenced {
		r.Fenced = true
		for i := range j.Begun {
			t.undoChild(f, j.First+FrameID(i))
		}
	}
	for ; r.Begun < j.Begun && (j.AtOnce == 0 || r.Active < j.AtOnce); r.Begun++ {
		child := t.peek(j.First + FrameID(r.Begun))
		if child != nil && child.Phase == Ended && child.Recovery == nil && child.Undo != child.floor() {
			r.Active++
			t.standDown(t.frame(child.ID))
			t.undoChild(f, child.ID)
		}
	}
	if r.Active > 0 || r.Begun < j.Begun {
		return false
	}
	if s := t.state(f); s.Scope != nil || s.Type == asl.Saga {
		t.prune(f)
		r.Begun = 0
	}
	return true
}

// undoChild goes on with a frame whose recovery is part of its parent's.
func (t *turn) undoChild(parent *Frame, id FrameID) {
	if child := t.peek(id); child == nil || child.Recovery == nil || child.Recovery.Then != report {
		return
	}
	if child := t.frame(id); t.undoes(child) {
		t.reported(parent, child)
	}
}

// floor is the last undo of a frame that is not its own.
func (f *Frame) floor() uint32 {
	if f.Scope != nil {
		return f.Scope.Floor
	}
	return 0
}

// undoStep begins to undo a step, and reports whether there is nothing to do.
func (t *turn) undoStep(f *Frame, u *Undo) bool {
	step := t.p.States[u.State].Step
	switch {
	case !u.owed():
		return true
	case u.Outcome == StepUnknown && !u.Asked && step.Query != nil:
		t.call(f, u, Ask)
	case u.Outcome == StepUnknown && step.HoldUnknown:
		t.hold(f, &hold{Operation: Compensate, Row: u.Number, Fault: *unknownEffect()})
	case step.CompensateWithin > 0 && t.head.Now > u.Ended+step.CompensateWithin*1000:
		t.hold(f, &hold{Operation: Compensate, Row: u.Number, Fault: *newFault(errTooLate, "The time in which the step can be undone is over.")})
	default:
		t.call(f, u, Compensate)
	}
	return false
}

// recovered goes on after a recovery of which nothing is left.
func (t *turn) recovered(f *Frame) {
	r, s := f.Recovery, t.state(f)
	f.Recovery = nil
	fl := r.Fault
	if r.Failed {
		fl = *fl.compensationFailed()
	}
	switch {
	case r.Failed && (r.Then == again || r.Then == caught):
		t.handOn(f, s, &fl, -1)
	case r.Failed && r.Then == toSavePoint:
		t.abort(f, &fl)
	case r.Then == again:
		t.again(f, s, &fl, r.Index)
	case r.Then == caught:
		t.catch(f, s, &fl, r.Index)
	case r.Then == outward:
		t.goOut(f, &fl)
	case r.Then == aborted:
		t.abortedScope(f, &fl)
	case r.Then == toSavePoint:
		t.goBack(f)
	case r.Then == stopped:
		t.endStopped(f, Status(r.Index), &fl)
	case r.Then == returned:
		t.returned(f)
	}
}

// undoesFirst reports whether there may be something to undo before a fault is
// handed on. Inside a saga what goes outward is undone by who takes it.
func (t *turn) undoesFirst(f *Frame, s *asl.State, r *recovery) bool {
	switch {
	case !t.p.HasSagas():
		return false
	case s.Step != nil && f.Outcome != 0 && f.Undo == f.Entry && (r.Then == caught || r.Then == again && s.Type == asl.Map):
		r.Floor = t.entry(f.Entry).Prev
		return true
	case f.Join == nil:
		return false
	}
	return r.Then != outward || s.Scope == nil
}

// goOut hands a fault on to what is around the frame: its scope, the execution,
// or the state that the frame stands beneath.
func (t *turn) goOut(f *Frame, fl *fault) {
	f.Prev = fl.event
	switch {
	case f.Scope != nil:
		t.abort(f, fl)
	case f.Kind == Root:
		t.failExecution(fl)
	default:
		t.broken(t.frame(f.Parent), f, fl)
	}
}

// abort undoes a scope whose states have failed, whole or down to its save point.
func (t *turn) abort(f *Frame, fl *fault) {
	if t.goesBack(f, fl) {
		t.recover(f, recovery{Then: toSavePoint, Floor: f.Scope.Save.Undo, Fault: *fl})
		return
	}
	if f.Scope.Outermost {
		t.aborting(f, fl)
	}
	t.recover(f, recovery{Then: aborted, Floor: f.Scope.Floor, Fault: *fl})
}

// abortedScope hands the fault of a scope that was undone on to its Saga state,
// or to the execution.
func (t *turn) abortedScope(f *Frame, fl *fault) {
	if f.Scope.Outermost {
		t.endSaga(f, SagaAborted, fl)
	}
	if f.Kind == Root {
		t.failExecution(fl)
		return
	}
	parent := t.frame(f.Parent)
	s := t.state(parent)
	t.prune(parent)
	parent.Phase = Working
	fl.within = true
	t.raise(t.scope(parent, s, fl.event), fl)
}

// The waits before a save point is tried again, and after the last retry of a
// step that no error may end, in ms.
const (
	shortestWait = 1000
	longestWait  = 300_000
)

// goBack lets a scope enter the state of its save point again, after a while.
func (t *turn) goBack(f *Frame) {
	save := *f.Scope.Save
	delay := t.jitter(shortestWait<<min(save.Tries, 20), longestWait)
	save.Tries++
	save.returning = true
	f.Scope.Save = &save
	t.forget(f)
	f.State, f.Input, f.Phase = save.State, save.Input, Entering
	t.assign(f, save.Variables)
	t.searchBack(f)
	f.Job = t.open(Job{Kind: Timer, Frame: f.ID, State: f.State, Due: t.head.Now + delay})
}

// jitter is any time up to most, or longest if that is less, in ms.
func (t *turn) jitter(most, longest int64) int64 {
	return int64(t.chance.fraction() * float64(min(most, longest)))
}

// compensationFailed is what takes a fault's place where an undo has failed and
// the others were done.
func (fl *fault) compensationFailed() *fault {
	cause := fl.object().Text().String()
	failed := newFault(errCompensation, bounded(cause, maxCause))
	failed.event, failed.undone, failed.within, failed.declared = fl.event, true, fl.within, true
	return failed
}
