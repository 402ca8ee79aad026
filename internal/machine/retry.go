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
		fl.query, fl.within = false, !sc.over
	}
	if fl.event == 0 {
		fl.event = f.Prev
	}
	if tr := t.env.Trial; tr != nil && tr.State == s.Name {
		tr.Failed(fl.Failure)
	}
	if !fl.fatal && t.retry(sc, fl) {
		return
	}
	if failed := failedEvent(s.Type); failed != 0 && fl.within {
		fl.event = t.event(Event{Type: failed, Prev: fl.event})
	}
	if !fl.fatal && t.catch(sc, fl) {
		return
	}
	f.Prev = fl.event
	if f.Kind == Root {
		t.failExecution(fl)
		return
	}
	t.broken(t.frame(f.Parent), f, fl)
}

func failedEvent(of asl.Type) EventType {
	switch of {
	case asl.Parallel:
		return ParallelStateFailed
	case asl.Map:
		return MapStateFailed
	}
	return 0
}

// matches reports whether an ErrorEquals names the fault.
func (fl *fault) matches(names []string) bool {
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

// retry sets the timer of another try, where the first retrier that names the
// fault has one left.
func (t *turn) retry(sc *scope, fl *fault) bool {
	f, s := sc.frame, sc.state
	i := slices.IndexFunc(s.Retry, func(r asl.Retrier) bool { return fl.matches(r.ErrorEquals) })
	if i < 0 {
		return false
	}
	sc.showInt(RetryIndex, int64(i))
	used := make([]uint32, len(s.Retry))
	copy(used, f.Retries)
	if int64(used[i]) >= s.Retry[i].MaxAttempts {
		return false
	}
	t.prune(f)
	delay := t.delay(&s.Retry[i], used[i])
	used[i]++
	sc.showInt(RetryBackoff, delay/1000)
	f.Retries, f.Phase, f.Prev = used, Retrying, fl.event
	f.Job = t.open(Job{Kind: Timer, Frame: f.ID, State: s.Name, Entry: f.Entry, Due: t.head.Now + delay})
	return true
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

// catch leaves the state by the first catcher that names the fault.
func (t *turn) catch(sc *scope, fl *fault) bool {
	s := sc.state
	i := slices.IndexFunc(s.Catch, func(c asl.Catcher) bool { return fl.matches(c.ErrorEquals) })
	if i < 0 {
		return false
	}
	c := &s.Catch[i]
	sc.showInt(CatchIndex, int64(i))
	t.prune(sc.frame)
	sc.frame.Prev = fl.event
	told := datum{tree: fl.object()}
	caught := t.scope(sc.frame, s, fl.event)
	caught.over = true
	var failed *fault
	if s.Language == asl.JSONata {
		caught.failure = told.tree
		failed = t.outcome(caught, c.Output, c.Assign, told, c.Next)
	} else {
		failed = t.pathCatch(caught, c, told)
	}
	if failed != nil {
		failed.fatal = true // what a catcher itself gets wrong, no other one takes
		t.raise(caught, failed)
	}
	return true
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
