package machine

import (
	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// The bounds of redrives, as the service has them; times are in ms.
const (
	redrivePeriod = 14 * 24 * 3600 * 1000  // after the end
	longestLife   = 365 * 24 * 3600 * 1000 // after the start
	mostTokens    = 10
	tokenLife     = 15 * 60 * 1000
)

// NotRedrivable says in the service's words why an execution can't be redriven
// at now (UTC ms), "" where it can.
func (h *Head) NotRedrivable(s *Start, l Limits, now int64) string {
	if s.IsRun() || h.ByMapRun(s, l, now) {
		return "Execution was started by a Map Run and cannot be redriven on its own"
	}
	return h.unfit(s, l, now)
}

// ByMapRun reports whether an execution can be redriven by the map run that
// started it, and by nobody else.
func (h *Head) ByMapRun(s *Start, l Limits, now int64) bool {
	return s.Map != nil && s.Map.Item != nil && h.unfit(s, l, now) == ""
}

// unfit says why nobody can redrive an execution, "" where somebody can. An
// express one, which a map run has started, is started again.
func (h *Head) unfit(s *Start, l Limits, now int64) string {
	switch {
	case !h.Status.Ended():
		return "Execution is RUNNING and cannot be redriven"
	case h.Status == Succeeded:
		return "Execution is SUCCEEDED and cannot be redriven"
	case s.Express && s.Map != nil:
		return ""
	case l.full(h):
		return "Execution history event limit exceeded"
	case h.Spent:
		return "Execution was undone, or has a saga that did not end well, and cannot be redriven"
	case !h.Kept: // it ended under a version that knew no redrives
		return "Execution was started before the launch of RedriveExecution"
	case now >= s.At+longestLife:
		return "Execution has exceeded the max execution time"
	case now >= h.Stop+redrivePeriod:
		return "Execution redrivable period exceeded"
	}
	return ""
}

// RedriveOf is when the redrive was that a caller asked for with that token, in
// UTC ms; false where none is known (any more) at now.
func (h *Head) RedriveOf(token string, now int64) (int64, bool) {
	if token == "" {
		return 0, false
	}
	for _, known := range h.Tokens {
		if known.Text == token && now < known.At+tokenLife {
			return known.At, true
		}
	}
	return 0, false
}

// redrive lets an execution that ended without success go on where it stood:
// what was entered and not left is done again, under the same step id, and
// what was left stays as it is.
func (t *turn) redrive(token string, c *Changes) bool {
	h := &t.head
	if _, again := h.RedriveOf(token, h.Now); again || h.NotRedrivable(&t.x.Start, t.env.Limits, h.Now) != "" {
		return false
	}
	t.goOn(token, c)
	return true
}

// redriveChild lets a map run's child go on for that job of its run, which hears
// of its end from now on. One that has not ended by itself goes on as it is;
// one that succeeded after all, or that nobody can redrive, only tells of its
// end again.
func (t *turn) redriveChild(job JobID) bool {
	h := &t.head
	if job <= t.x.ParentJob() {
		return false
	}
	h.ParentJob = job
	switch {
	case !h.Status.Ended():
	case h.unfit(&t.x.Start, t.env.Limits, h.Now) != "":
		t.tellAgain()
	default:
		t.goOn("", nil)
	}
	return true
}

// tellAgain asks to tell the parent of the end: whoever is about to do so may
// tell of an earlier job.
func (t *turn) tellAgain() {
	t.untell()
	t.open(Job{Kind: Tell, Request: t.head.Output, Due: t.head.Now})
}

// untell takes back that the parent is to be told of an end: it is told of the
// next one. Whom the end has left to be stopped is stopped.
func (t *turn) untell() {
	for _, id := range t.openJobs() {
		if t.peekJob(id).Kind == Tell {
			t.jobs.put(id, nil)
		}
	}
}

// goOn lets the execution go on, with what is different.
func (t *turn) goOn(token string, c *Changes) {
	h := &t.head
	failed := ""
	if h.Status == Failed && h.Error != nil {
		failed = *h.Error
	}
	h.Status, h.Stop, h.Error, h.Cause, h.Kept = Running, 0, nil, nil, false
	h.Redrives++
	h.Redriven = h.Now
	h.noteToken(token)
	t.context = value.Value{}
	t.fixedContext()
	t.untell()
	t.event(Event{Type: ExecutionRedriven, Prev: h.LastEvent, Index: h.Redrives})
	t.limitTime()
	if c != nil {
		t.change(t.frame(0), c)
	}
	t.searchAgain(t.frame(0))
	t.revive(t.frame(0), failed)
}

// noteToken remembers a caller's token, and forgets those that are too old.
func (h *Head) noteToken(token string) {
	kept := make([]redriveToken, 0, len(h.Tokens)+1)
	for _, known := range h.Tokens {
		if h.Now < known.At+tokenLife {
			kept = append(kept, known)
		}
	}
	if token != "" {
		kept = append(kept, redriveToken{token, h.Now})
	}
	h.Tokens = kept[max(0, len(kept)-mostTokens):]
}

// revive lets a frame that has not ended well go on, with all retries of its
// state. Failed is the error by which the execution failed, or "".
func (t *turn) revive(f *Frame, failed string) {
	f.Job = 0
	if f.Scope != nil && f.Scope.Ended {
		t.reopen(f)
	}
	if f.Phase == Entering {
		t.ready = append(t.ready, f)
		return
	}
	f.Tried = f.try()
	f.Retries, f.Endless, f.Prev = nil, 0, f.EnteredEvent
	s := t.state(f)
	distributed := s.Type == asl.Map && s.Map.Distributed
	if f.Join != nil && f.anew(failed, distributed) {
		t.prune(f)
	}
	if distributed && f.Join != nil {
		f.Phase = Working
		t.ready = append(t.ready, f)
		return
	}
	if f.Join == nil || f.Join.Done == f.Join.Count {
		f.Phase = Working
		t.ready = append(t.ready, f)
		return
	}
	f.Phase = Joining
	for i := range f.Join.Begun {
		id := f.Join.First + FrameID(i)
		if t.peek(id).Phase != Ended {
			t.revive(t.frame(id), failed)
		}
	}
}

// anew reports whether a Parallel or Map is done again as a whole, because it
// failed by what its frames gave and not by one of them. So is a distributed one
// whose map run could not be evaluated.
func (f *Frame) anew(failed string, distributed bool) bool {
	return f.Phase == Working && (failed == errDataLimit || failed == errRuntime && (distributed || f.Join.Done == f.Join.Count))
}

// takeUp does again what a redriven frame's state is for.
func (t *turn) takeUp(f *Frame) {
	s := t.state(f)
	switch {
	case f.Join == nil:
	case s.Map != nil && s.Map.Distributed && f.Result != 0:
		t.runAgain(f, s)
		return
	case s.Map == nil || !s.Map.Distributed:
		t.collect(f, s)
		return
	}
	t.work(f, s, f.Prev)
}

// refeed gives an item's frame its input that could not be made before the
// redrive, and reports whether it could now.
func (t *turn) refeed(child *Frame) bool {
	f := t.frame(child.Parent)
	t.feed(f, t.state(f), child)
	return child.Input != 0
}
