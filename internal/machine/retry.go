package machine

import (
	"math"
	"slices"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// raise lets the frame's state fail: it is tried again, or caught, or its
// frame fails.
func (t *turn) raise(sc *scope, fl *fault) {
	if !t.running() {
		return
	}
	f, s := sc.frame, sc.state
	if fl.query {
		fl.event = t.event(Event{Type: EvaluationFailed, Prev: sc.before, State: s.Name,
			Error: fl.Error, Cause: fl.Cause, Location: fl.location})
		fl.query, fl.within, fl.evaluated = false, !sc.over, true
	}
	if fl.event == 0 {
		fl.event = f.Prev
	}
	if tr := t.env.Trial; tr != nil && tr.State == s.Name {
		tr.Failed(fl.Failure)
	}
	if f.Recovery != nil { // it was tried once more in a plan, where nothing takes its fault
		t.concludes(f, s, fl)
		return
	}
	i := -1
	if named := retrierOf(s, fl); named >= 0 {
		sc.showInt(RetryIndex, int64(named))
		i = t.retrier(f, s, fl)
	}
	if i < 0 && t.head.OpenSagas > 0 && !t.concludes(f, s, fl) {
		return
	}
	t.handOn(f, s, fl, i)
}

// handOn hands a fault on: to a retrier of the state, if i names one, to a
// catcher, or outward. What the state did is undone first, where a saga says so.
func (t *turn) handOn(f *Frame, s *asl.State, fl *fault, i int) {
	r := recovery{Then: again, Index: i}
	if i < 0 {
		if failed := failedEvent(s.Type); failed != 0 && fl.within {
			fl.event = t.event(Event{Type: failed, Prev: fl.event})
		}
		r.Then, r.Index = caught, catcher(s, fl)
		if r.Index < 0 {
			r.Then, r.Index = outward, 0
		}
	}
	if s.Type == asl.Map { // what a map run has done is undone before there is another one
		t.note(f, s, f.outcome(), 0, fl)
	}
	r.Fault, r.Floor = *fl, f.Undo
	if t.undoesFirst(f, s, &r) {
		t.recover(f, r)
		return
	}
	f.Recovery = &r
	t.recovered(f)
}

func failedEvent(of asl.Type) EventType {
	switch of {
	case asl.Parallel, asl.Saga:
		return ParallelStateFailed
	case asl.Map:
		return MapStateFailed
	}
	return 0
}

// matches reports whether an ErrorEquals names the fault.
func (fl *fault) matches(names []string) bool {
	if fl.undone {
		return slices.Contains(names, *fl.Error)
	}
	return slices.ContainsFunc(names, func(name string) bool {
		switch name {
		case "States.ALL":
			return true
		case "States.TaskFailed":
			return !fl.timeout
		case "States.HeartbeatTimeout":
			return fl.heartbeat
		}
		return fl.Error != nil && name == *fl.Error
	})
}

// retrierOf is the first retrier that names the fault, -1 where there is none.
func retrierOf(s *asl.State, fl *fault) int {
	if fl.fatal || fl.undone {
		return -1
	}
	return slices.IndexFunc(s.Retry, func(r asl.Retrier) bool { return fl.matches(r.ErrorEquals) })
}

// retrier is the first retrier that names the fault, where it has a try left.
func (t *turn) retrier(f *Frame, s *asl.State, fl *fault) int {
	i := retrierOf(s, fl)
	if i >= 0 && f.used(i) >= s.Retry[i].MaxAttempts {
		return -1
	}
	return i
}

// used is how many tries a retrier has had.
func (w *effort) used(i int) int64 {
	if i >= len(w.Retries) {
		return 0
	}
	return int64(w.Retries[i])
}

// use counts one more try of one of so many retriers, and gives how many it had
// before.
func (w *effort) use(i, retriers int) (before uint32) {
	used := make([]uint32, retriers)
	copy(used, w.Retries)
	before = used[i]
	used[i]++
	w.Retries = used
	return before
}

// again sets the timer of another try.
func (t *turn) again(f *Frame, s *asl.State, fl *fault, i int) {
	t.prune(f)
	delay := t.delay(&s.Retry[i], f.use(i, len(s.Retry)))
	t.scope(f, s, fl.event).showInt(RetryBackoff, delay/1000)
	f.Phase, f.Prev = Retrying, fl.event
	if s.Type == asl.Map {
		f.Outcome = 0 // another run is another step, in the place of the one that was undone
	}
	f.Job = t.open(Job{Kind: Timer, Frame: f.ID, State: s.Name, Entry: f.Entry, Due: t.head.Now + delay})
}

// delay is how long to wait before the next try, in ms, after so many of them.
func (t *turn) delay(r *asl.Retrier, used uint32) int64 {
	most := float64(asl.MaxSeconds)
	if r.MaxDelaySeconds > 0 {
		most = float64(r.MaxDelaySeconds)
	}
	seconds := min(float64(r.IntervalSeconds)*math.Pow(r.BackoffRate, float64(used)), most)
	if r.FullJitter {
		seconds *= t.chance.fraction()
	}
	return int64(seconds * 1000)
}

// catcher is the first catcher that names the fault, -1 where there is none.
func catcher(s *asl.State, fl *fault) int {
	if fl.fatal {
		return -1
	}
	return slices.IndexFunc(s.Catch, func(c asl.Catcher) bool { return fl.matches(c.ErrorEquals) })
}

// catch leaves the state by a catcher.
func (t *turn) catch(f *Frame, s *asl.State, fl *fault, i int) {
	c := &s.Catch[i]
	sc := t.scope(f, s, fl.event)
	sc.showInt(CatchIndex, int64(i))
	t.prune(f)
	f.Prev = fl.event
	told := datum{tree: fl.object()}
	sc.over = true
	var failed *fault
	if s.Language == asl.JSONata {
		sc.failure = told.tree
		failed = t.outcome(sc, c.Output, c.Assign, told, c.Next)
	} else {
		failed = t.pathCatch(sc, c, told)
	}
	if failed != nil {
		failed.fatal = true // what a catcher itself gets wrong, no other one takes
		t.raise(sc, failed)
	}
}

func (t *turn) pathCatch(sc *scope, c *asl.Catcher, told datum) *fault {
	bound, fl := sc.with(told).assignment(c.Assign)
	if fl != nil {
		return fl
	}
	out, fl := sc.place(c.ResultPath, told)
	if fl != nil {
		return fl
	}
	return t.exit(sc, out, bound, c.Next)
}

// object is the error output that a catcher sees.
func (fl *fault) object() value.Value {
	cause := fl.Cause
	if cause == nil && fl.timeout {
		cause = new(string)
	}
	return value.NewObject(
		member("Error", textOrNull(fl.Error)),
		member("Cause", textOrNull(cause)),
	)
}

func textOrNull(s *string) value.Value {
	if s == nil {
		return value.NewNull()
	}
	return value.NewString(*s)
}
