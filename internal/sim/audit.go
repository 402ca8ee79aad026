package sim

import (
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// audit holds a life as it stands after a commit against what must always be
// true of it: I9, nobody is an orphan, and I10, no timer is early.
func (b *book) audit(l *life, t *turned) {
	w := b.w
	again := l.head.ParentJob != t.was.ParentJob // another job of the parent waits for it
	if again && l.start.IsRun() {
		w.saw(mapRunRedriven)
	}
	switch {
	case !t.was.Status.Ended():
	case l.saga() && l.head.Redrives == t.was.Redrives: // it is undone after its end
		return
	case again && l.head.Status == t.was.Status && l.head.Stop == t.was.Stop: // it tells of its end again
		return
	case l.head.Redrives != t.was.Redrives:
		b.revived(l, t)
	default:
		b.afterEnd(l, t)
		return
	}
	if l.head.Now < t.was.Now {
		w.fail("I10", l.id, "its time ran backwards")
	}
	if l.start.IsRun() {
		b.auditRun(l)
		return
	}
	if l.saga() && !l.head.Status.Ended() {
		for _, f := range l.frames {
			if what := l.waits(f); what != "" {
				w.failf("I9", l.id, "frame %d in %q %s", f.ID, f.State, what)
			}
		}
		return
	}
	for _, j := range t.closed {
		b.notEarly(l, t, j)
		switch {
		case j.Kind == machine.Child:
			b.heard(l, j)
		case j.Polled():
			b.letGo(l, t, j)
		case j.Kind == machine.Halt && j.Answer != 0:
			b.halted(l, j)
		}
	}
	if l.head.Status.Ended() {
		b.atRest(l)
		return
	}
	if l.frames[0] == nil {
		w.fail("I9", l.id, "it runs without its root")
		return
	}
	for _, f := range l.frames {
		if what := l.idle(f); what != "" {
			w.failf("I9", l.id, "frame %d in %q %s", f.ID, f.State, what)
		}
	}
	for _, j := range l.jobs {
		if what := l.stray(j); what != "" {
			w.failf("I9", l.id, "job %d of kind %d %s", j.ID, j.Kind, what)
		}
		if j.Kind == machine.Activity && b.queued[w.queuedKey(l, j)] == j.Taken && len(t.batch.Queue)+len(t.batch.DropQueue) == 0 {
			w.failf("I9", l.id, "job %d: taken %v, and so is its place in the queue", j.ID, j.Taken)
		}
	}
}

// outlives reports whether a job goes on after the end: who is told of it, who is
// to be stopped, and what is given back.
func outlives(j *machine.Job) bool {
	return j.Kind == machine.Tell || j.Kind == machine.Halt || j.Kind == machine.FreeLock
}

// lostFrame is how many lost children stand in one frame of a map run.
const lostFrame = 256

// auditRun holds that a map run has lost no item: what it says is under way is
// what it has jobs for.
func (b *book) auditRun(l *life) {
	u, open := l.head.Run, 0
	for _, j := range l.jobs {
		if j.Kind == machine.StartItem {
			open++
		}
	}
	begun := u.Items.Running + u.Items.Succeeded + u.Items.Failed + u.Items.TimedOut + u.Items.Aborted + u.Items.Pending
	switch {
	case l.head.Status.Ended():
		b.atRest(l)
		if l.head.Status == machine.Succeeded && (u.Begun != u.Read || u.Items.Running > 0) {
			b.w.failf("I9", l.id, "a map run ends well, of %d items it has begun %d, and %d are under way", u.Read, u.Begun, u.Items.Running)
		}
		lost := -u.Again % lostFrame
		for _, f := range l.frames {
			lost += len(f.Lost)
		}
		if got := u.Executions.Failed + u.Executions.TimedOut + u.Executions.Aborted; l.head.Kept && (got != lost || got != u.Lost-u.Again) {
			b.w.failf("I9", l.id, "a map run counts %d children that did not end well, and could redrive %d", got, lost)
		}
		if b.w.saw(mapRunOver); l.head.Status == machine.Aborted {
			b.w.saw(mapRunStopped)
		}
		if l.head.Redrives > 0 && l.head.Status == machine.Succeeded {
			b.w.saw(mapRunMended)
		}
	case open != u.Executions.Running:
		b.w.failf("I9", l.id, "a map run counts %d children, and has %d jobs", u.Executions.Running, open)
	case open == 0 && l.frames[0].Job == 0:
		b.w.fail("I9", l.id, "a map run waits for nothing")
	}
	if begun != u.Begun {
		b.w.failf("I9", l.id, "a map run has begun %d items, and accounts for %d", u.Begun, begun)
	}
}

// afterEnd is what may still change of one that has ended: its parent was told,
// or who goes on for nobody was stopped.
func (b *book) afterEnd(l *life, t *turned) {
	told := len(t.closed) == 1 && outlives(t.closed[0]) && len(t.opened) == 0
	if told && t.closed[0].Kind == machine.Halt && t.closed[0].Answer != 0 {
		b.halted(l, t.closed[0])
	}
	if !told || len(t.batch.Events) > 0 || l.head.Status != t.was.Status {
		b.w.fail("I2", l.id, "it changes after its end")
	}
}

// atRest is what an execution that has ended may still have.
func (b *book) atRest(l *life) {
	kept := l.head.Kept && l.head.Status != machine.Succeeded && l.frames[0] != nil
	if kept != l.head.Kept || !kept && len(l.frames) > 0 {
		b.w.failf("I9", l.id, "it has ended as %v, and has %d frames: kept %v", l.head.Status, len(l.frames), l.head.Kept)
	}
	for _, j := range l.jobs {
		if !outlives(j) && l.head.OpenSagas == 0 {
			b.w.failf("I9", l.id, "it has ended, and job %d of kind %d is open", j.ID, j.Kind)
		}
	}
}

// idle says why a frame would wait for ever, "" where it would not.
func (l *life) idle(f *machine.Frame) string {
	j := l.jobs[f.Job]
	switch f.Phase {
	case machine.Entering:
		if j == nil || j.Kind != machine.Resume {
			return "is about to enter it, and nothing lets it"
		}
	case machine.Retrying:
		if j == nil || j.Kind != machine.Timer {
			return "is to be tried again, and no timer says when"
		}
	case machine.Working:
		if j == nil || j.Kind == machine.Tell || j.Kind == machine.Resume {
			return "works, and has no job"
		}
	case machine.Joining:
		if j != nil && j.Kind == machine.StartRun && j.Frame == f.ID {
			return ""
		}
		return l.unjoined(f)
	case machine.Ended:
		if f.Job != 0 {
			return "has ended, and has a job"
		}
	}
	if f.Phase != machine.Joining && f.Phase != machine.Ended && j.Frame != f.ID {
		return "has the job of another"
	}
	return ""
}

// unjoined says why a Parallel or Map would wait for ever.
func (l *life) unjoined(f *machine.Frame) string {
	j := f.Join
	if j == nil || j.Done >= j.Count || j.Begun == j.Done {
		return "waits for nothing"
	}
	open := 0
	for i := range j.Begun {
		child := l.frames[j.First+machine.FrameID(i)]
		if child == nil || child.Parent != f.ID {
			return "lost a frame that it waits for"
		}
		if child.Phase != machine.Ended {
			open++
		}
	}
	if open != j.Begun-j.Done {
		return "has lost count"
	}
	return ""
}

// stray says why a job belongs to nobody.
func (l *life) stray(j *machine.Job) string {
	switch {
	case j.ID == l.head.Timeout && j.Kind == machine.Timer:
		return ""
	case j.Kind == machine.Halt: // of a branch that was aborted
		return ""
	case j.Kind == machine.Tell:
		return "tells of an end that has not come"
	}
	if f := l.frames[j.Frame]; f == nil || f.Job != j.ID {
		return "belongs to no frame"
	}
	return ""
}

// notEarly checks a timer that is over: unless its frame went with it, its time
// has come. An attempt that timed out was out of time.
func (b *book) notEarly(l *life, t *turned, j *machine.Job) {
	w := b.w
	gone := l.frames[j.Frame] == nil || l.head.Status.Ended() && !(j.ID == t.was.Timeout && l.head.Status == machine.TimedOut)
	switch {
	case j.Kind == machine.Timer && !gone && w.now < j.Due:
		w.failf("I10", l.id, "timer %d of %q fires %d ms early", j.ID, j.State, j.Due-w.now)
	case j.Kind != machine.Call && j.Kind != machine.Activity && j.Kind != machine.Child || gone:
	case !l.outOfTime(j):
	default:
		beaten := l.beats[j.ID]
		heard := j.Heartbeat > 0 && (j.Submitted || j.Taken)
		if heard {
			w.saw(heartbeatOut)
		}
		if w.now < j.Deadline && !(heard && w.now >= max(j.Due, beaten+j.Heartbeat)) {
			w.failf("I10", l.id, "job %d of %q times out early: its deadline is at %d, its heartbeat's at %d", j.ID, j.State, relative(j.Deadline), relative(max(j.Due, beaten+j.Heartbeat)))
		}
	}
}

// heard checks a nested start that is over: one whose end was awaited has ended,
// or never began.
func (b *book) heard(l *life, j *machine.Job) {
	id, born := b.kids[store.JobKey{ID: l.id, Number: uint32(j.ID)}]
	if en := l.entry(j.Entry); born && en.succeeded && j.Submitted {
		b.w.saw(childTold)
		if !b.lives[id].head.Status.Ended() {
			b.w.failf("I4", l.id, "job %d of %q heard of the end of %s, which goes on", j.ID, j.State, short(id))
		}
	}
}

// outOfTime reports whether the last that history tells of a job's entry is
// that it timed out.
func (l *life) outOfTime(j *machine.Job) bool {
	for i := len(l.events) - 1; i >= 0; i-- {
		if e := &l.events[i]; e.entry == j.Entry && outcome[e.kind] {
			return timedOut[e.kind] && e.at == l.head.Now
		}
	}
	return false
}

// queuedKey is where a job waits for its worker.
func (w *world) queuedKey(l *life, j *machine.Job) store.QueuedKey {
	name := ""
	if l.stateOf != nil {
		name = l.stateOf.activityOf(j.State)
	}
	return store.QueuedKey{Tenant: tenant, Activity: name, At: j.Made, Job: store.JobKey{ID: l.id, Number: uint32(j.ID)}}
}
