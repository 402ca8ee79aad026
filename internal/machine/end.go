package machine

import (
	"maps"
	"slices"
	"strconv"

	"github.com/backstep/backstep/internal/asl"
)

// succeed ends the frame well.
func (t *turn) succeed(sc *scope) *fault {
	if fl := sc.narrow(); fl != nil {
		return fl
	}
	return t.passOn(sc, sc.state.Output, nil, nil)
}

// fail ends the frame by an error of its own.
func (t *turn) fail(sc *scope) *fault {
	if sc.state.Language == asl.JSONPath {
		sc.show(AfterInputPath, sc.dollar)
	}
	name, fl := sc.line(&sc.state.Fail.Error)
	if fl != nil {
		return fl
	}
	cause, fl := sc.line(&sc.state.Fail.Cause)
	if fl != nil {
		return fl
	}
	failed := given(&Failure{Error: name, Cause: cause})
	failed.declared = true
	return failed
}

// succeedExecution ends the execution well.
func (t *turn) succeedExecution(root *Frame, out Ref) {
	if t.running() {
		t.head.Output = out
	}
	t.end(Succeeded, Event{Type: ExecutionSucceeded, Prev: root.Prev, Out: out})
}

// failExecution ends the execution by a fault that nobody took.
func (t *turn) failExecution(fl *fault) {
	t.end(Failed, Event{Type: ExecutionFailed, Prev: fl.event, Error: fl.Error, Cause: fl.Cause})
}

// overrun ends an execution whose history is full: its last event says so.
func (t *turn) overrun(most int64) {
	fl := newFault(errRuntime, "The execution reached the maximum number of history events ("+
		strconv.FormatInt(most, 10)+").")
	fl.event = t.head.LastEvent
	t.failExecution(fl)
}

// outOfTime ends the execution by its time limit, and reports whether that has
// any effect.
func (t *turn) outOfTime() bool {
	name := errTimeout
	return t.endBy(TimedOut, &fault{Failure: Failure{Error: &name}}, false)
}

// stop ends the execution because somebody wants so.
func (t *turn) stop(f *Failure, compensate bool) bool { return t.endBy(Aborted, given(f), compensate) }

// endBy ends the execution from outside. Its sagas are undone first, but where
// they say otherwise and that is not asked for; one that can't go back keeps the
// execution from ending.
func (t *turn) endBy(status Status, fl *fault, compensate bool) bool {
	open := t.openSagas()
	root := t.frame(0)
	switch {
	case len(open) == 0 && root.Recovery == nil:
		t.endStopped(root, status, fl)
		return true
	case !compensate && t.allAbort(open) && (status == Aborted || !t.bound(open)):
		for _, f := range open {
			t.breakOff(f, newFault(errAbandoned, "The execution was stopped or ran out of time, and its saga ended as it stood."))
			t.endSaga(f, SagaAbandoned, nil)
		}
		t.head.Spent = t.head.Spent || t.undoing()
		t.endStopped(root, status, fl)
		return true
	case t.committed(open), root.Recovery != nil && root.Recovery.Then == stopped, root.Scope != nil && root.Scope.Aborting:
		return false
	}
	if root.Scope != nil {
		t.aborting(root, &fault{Failure: fl.Failure, event: root.Prev})
	}
	t.planFor(root, recovery{Then: stopped, Index: int(status), Floor: root.floor(), Fault: *fl})
	t.undo(root)
	return true
}

// undoing reports whether something is being undone, or waits for a person.
func (t *turn) undoing() bool {
	return slices.ContainsFunc(t.allFrames(), func(id FrameID) bool {
		f := t.peek(id)
		return f.Recovery != nil || f.Body != nil || f.Hold != nil
	})
}

// openSagas are the frames that run the outermost scopes of the sagas that are
// open, in order.
func (t *turn) openSagas() []*Frame {
	if t.head.OpenSagas == 0 {
		return nil
	}
	var open []*Frame
	for _, id := range t.allFrames() {
		if f := t.peek(id); f.Scope != nil && f.Scope.Outermost && !f.Scope.Ended {
			open = append(open, t.frame(id))
		}
	}
	return open
}

// allAbort reports whether a stop ends all the sagas at once.
func (t *turn) allAbort(open []*Frame) bool {
	return !slices.ContainsFunc(open, func(f *Frame) bool { return !t.options(f).Abort })
}

// committed reports whether a saga among them can't go back.
func (t *turn) committed(open []*Frame) bool {
	return slices.ContainsFunc(open, func(f *Frame) bool { return f.Scope.Committed })
}

// bound reports whether a saga among them is not to be ended by a time limit any
// more.
func (t *turn) bound(open []*Frame) bool {
	return slices.ContainsFunc(open, func(f *Frame) bool { return f.Scope.Committed || f.Scope.Aborting })
}

// endStopped ends an execution from outside of which nothing is left to undo.
func (t *turn) endStopped(root *Frame, status Status, fl *fault) {
	if root.Scope != nil && !root.Scope.Ended {
		t.endSaga(root, SagaAborted, nil)
	}
	e := Event{Type: ExecutionAborted, Error: fl.Error, Cause: fl.Cause}
	if status == TimedOut {
		e.Type = ExecutionTimedOut
	}
	t.end(status, e)
}

// end ends the execution. What the turn does after that counts no more.
func (t *turn) end(s Status, e Event) {
	if !t.running() {
		return
	}
	t.tell(e)
	t.over = true
	t.head.Status, t.head.Stop = s, t.head.Now
	t.head.Error, t.head.Cause = e.Error, e.Cause
	if s == TimedOut {
		t.head.Error = nil // DescribeExecution has none, history has
	}
	t.head.OpenSagas = 0
	if t.head.OpenHolds > 0 { // nobody is waited for any more
		for _, id := range t.allFrames() {
			if t.peek(id).Hold != nil {
				t.unhold(t.frame(id))
			}
		}
	}
	if root := t.peek(0); root != nil && root.Scope != nil && s != Succeeded {
		t.head.Undone = t.entry(root.Scope.Saga).Status == SagaAborted
	}
	if t.x.Start.Parent != nil {
		t.open(Job{Kind: Tell, Request: t.head.Output, Due: t.head.Now})
	}
}

// lastDelta is the delta of the turn that ended the execution: whatever else
// was under way in it, all jobs go, but the jobs to tell the parent and to stop
// what would go on for nobody. So do the frames, but of an execution that can be
// redriven.
func (t *turn) lastDelta() Delta {
	var closed []JobID
	for _, id := range slices.Sorted(maps.Keys(t.x.Jobs)) {
		if j := t.peekJob(id); j != nil && (j.Kind == Halt || j.Kind == FreeLock) {
			continue // of a branch that was given up before
		}
		t.halt(id)
		closed = append(closed, id)
	}
	t.head.Timeout = 0
	t.head.Kept = t.head.Status != Succeeded && !t.x.Start.Express && !t.env.Limits.full(&t.head) && (t.head.Run == nil || t.rerunnable())
	d := Delta{Head: &t.head, Payloads: t.payloads, Events: t.events, Undos: t.undos.rows, Closed: closed}
	if t.head.Kept {
		d.Frames, d.Dropped = t.changedFrames()
	} else {
		t.head.Variables = 0
		d.Dropped = slices.Sorted(maps.Keys(t.x.Frames))
	}
	for _, j := range t.jobs.rows {
		if j != nil && (j.Kind == Tell || j.Kind == Halt || j.Kind == FreeLock) {
			d.Jobs = append(d.Jobs, j)
		}
	}
	return d
}

// told closes the job of telling somebody, or of stopping somebody, once that has
// been done.
func (t *turn) told(j *Job, kind MessageKind) bool {
	if kind != JobSucceeded && kind != JobFailed {
		return false
	}
	t.jobs.put(j.ID, nil)
	return true
}
