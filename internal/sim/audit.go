package sim

import (
	"github.com/backstep/backstep/internal/audit"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// audit holds a life as it stands after a commit against what must always be
// true of it: I9, nobody is an orphan, and I10, no timer is early.
func (b *book) audit(l *life, t *turned) {
	w := b.w
	l.standing().Check(func(rule, what string) { w.fail(rule, l.id, what) })
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
		return
	}
	for _, j := range l.jobs {
		if j.Kind == machine.Activity && b.queued[w.queuedKey(l, j)] == l.isTaken(j) && len(t.batch.Queue)+len(t.batch.DropQueue) == 0 {
			w.failf("I9", l.id, "job %d: taken %v, and so is its place in the queue", j.ID, j.Taken)
		}
	}
}

// standing is the life as it stands.
func (l *life) standing() *audit.Standing {
	x := &audit.Standing{Start: &l.start, Head: &l.head, Frames: l.frames, Jobs: l.jobs}
	if l.saga() {
		x.Program, x.Log = l.stateOf.program, l.log
	}
	return x
}

// auditRun takes note of how a map run ends.
func (b *book) auditRun(l *life) {
	if !l.head.Status.Ended() {
		return
	}
	if b.w.saw(mapRunOver); l.head.Status == machine.Aborted {
		b.w.saw(mapRunStopped)
	}
	if l.head.Redrives > 0 && l.head.Status == machine.Succeeded {
		b.w.saw(mapRunMended)
	}
}

// afterEnd is what may still change of one that has ended: its parent was told,
// or who goes on for nobody was stopped.
func (b *book) afterEnd(l *life, t *turned) {
	told := len(t.closed) == 1 && audit.Outlives(t.closed[0]) && len(t.opened) == 0
	if told && t.closed[0].Kind == machine.Halt && t.closed[0].Answer != 0 {
		b.halted(l, t.closed[0])
	}
	if !told || len(t.batch.Events) > 0 || l.head.Status != t.was.Status {
		b.w.fail("I2", l.id, "it changes after its end")
	}
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
