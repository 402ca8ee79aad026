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
	return given(&Failure{Error: name, Cause: cause})
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

// timeOut ends the execution by its TimeoutSeconds.
func (t *turn) timeOut() {
	name := errTimeout
	t.end(TimedOut, Event{Type: ExecutionTimedOut, Error: &name})
}

// stop ends the execution because somebody wants so.
func (t *turn) stop(f *Failure) bool {
	fl := given(f)
	t.end(Aborted, Event{Type: ExecutionAborted, Error: fl.Error, Cause: fl.Cause})
	return true
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
		if j := t.peekJob(id); j != nil && j.Kind == Halt {
			continue // of a branch that was given up before
		}
		t.halt(id)
		closed = append(closed, id)
	}
	t.head.Timeout = 0
	t.head.Kept = t.head.Status != Succeeded && !t.x.Start.Express && !t.env.Limits.full(&t.head) && (t.head.Run == nil || t.rerunnable())
	d := Delta{Head: &t.head, Payloads: t.payloads, Events: t.events, Closed: closed}
	if t.head.Kept {
		d.Frames, d.Dropped = t.changedFrames()
	} else {
		t.head.Variables = 0
		d.Dropped = slices.Sorted(maps.Keys(t.x.Frames))
	}
	for _, j := range t.jobs.rows {
		if j != nil && (j.Kind == Tell || j.Kind == Halt) {
			d.Jobs = append(d.Jobs, j)
		}
	}
	return d
}

// told closes the job of telling the parent, or of stopping somebody, once that
// has been done.
func (t *turn) told(j *Job, kind MessageKind) bool {
	if kind != JobSucceeded && kind != JobFailed {
		return false
	}
	t.jobs.put(j.ID, nil)
	return true
}
