package machine

import (
	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// task makes the job of a Task's attempt. History says that the task was
// scheduled and started before anybody outside hears of it.
func (t *turn) task(sc *scope) *fault {
	f, s := sc.frame, sc.state
	r := &s.Task.Resource
	sc.token = r.Kind == asl.Activity || r.Pattern != asl.RequestResponse
	plan, fl := sc.plan()
	if fl != nil {
		return fl
	}
	if m := t.mock(); m != nil {
		return t.mocked(sc, m)
	}
	if r.Kind == asl.Activity && t.env.Gone != nil && t.env.Gone(r.Text) {
		return sc.runtime("The activity " + r.Text + " does not exist.")
	}
	e := taskEvent(r, scheduled)
	e.Prev, e.In, e.RoleARN = f.Prev, plan.request, plan.role
	e.Timeout, e.Heartbeat = plan.timeout, plan.heartbeat
	if e.Resource == "" {
		e.Resource = r.Text
	}
	f.Prev = t.event(e)
	f.Sends++
	j := Job{Kind: jobKind(r.Kind), Frame: f.ID, State: s.Name, Entry: f.Entry, Attempt: f.Tried + f.attempt(), Send: f.Sends,
		Earlier: f.Submissions, Request: plan.request, RoleARN: plan.role, Deadline: Never, Due: t.head.Now}
	if plan.timeout > 0 {
		j.Deadline = t.head.Now + plan.timeout*1000
	}
	if r.Kind == asl.Activity || r.Pattern == asl.WaitForTaskToken {
		j.Heartbeat = plan.heartbeat * 1000
	}
	if r.Kind == asl.Activity {
		j.Due = j.Deadline
	} else {
		e := taskEvent(r, started)
		e.Prev = f.Prev
		f.Prev = t.event(e)
	}
	f.Job = t.open(j)
	return nil
}

// plan is what a task's attempt is made with.
type plan struct {
	request            Ref
	timeout, heartbeat int64 // seconds, 0: not given
	role               string
}

func (sc *scope) plan() (p plan, fl *fault) {
	t, s := sc.turn, sc.state
	in, fl := sc.selection(s.InputPath)
	if fl != nil {
		return p, fl
	}
	sc.with(in)
	if s.Language == asl.JSONPath {
		sc.show(AfterInputPath, in)
	}
	if p.timeout, fl = sc.seconds(&s.Task.TimeoutSeconds); fl != nil {
		return p, fl
	}
	if p.heartbeat, fl = sc.seconds(&s.Task.HeartbeatSeconds); fl != nil {
		return p, fl
	}
	role, fl := sc.line(&s.Task.RoleARN)
	if fl != nil {
		return p, fl
	}
	if role != nil {
		p.role = *role
	}
	if s.Parameters != nil {
		if in, fl = sc.composed(s.Parameters); fl != nil {
			return p, fl
		}
	}
	if s.Language == asl.JSONPath {
		sc.show(AfterParameters, in)
	} else if s.Parameters != nil {
		sc.show(AfterArguments, in)
	}
	if r := &s.Task.Resource; r.Pattern == asl.Sync || r.Pattern == asl.Sync2 {
		if named := startedBy(r, t.look(&in)); !named.IsAbsent() {
			in = datum{tree: named}
		}
	}
	var ok bool
	if p.request, ok = t.number(&in, t.env.Limits.Payload); !ok {
		return p, tooLarge(s.Name)
	}
	return p, nil
}

// startedBy is the parameters of a job with what the service adds to them, so
// that who runs it knows who started it; absent where it adds nothing.
func startedBy(r *asl.Resource, params value.Value) value.Value {
	switch {
	case params.Kind() != value.Object:
	case r.Service == "ecs" && !params.Has("StartedBy"):
		return params.With("StartedBy", value.NewString("AWS Step Functions"))
	case r.Service == "batch":
		overrides := params.Get("ContainerOverrides")
		environment := append([]value.Value(nil), overrides.Get("Environment").Items()...)
		environment = append(environment, value.NewObject(
			member("Name", value.NewString("MANAGED_BY_AWS")), member("Value", value.NewString("STARTED_BY_STEP_FUNCTIONS"))))
		return params.With("ContainerOverrides", overrides.With("Environment", value.NewArray(environment)))
	}
	return value.Value{}
}

// seconds is a time that may be computed, 0 where the field is absent.
func (sc *scope) seconds(q *asl.Quantity) (int64, *fault) {
	n, _, fl := sc.integer(q, 1)
	return min(n, asl.MaxSeconds), fl
}

// taskMessage is what becomes of a task that is under way.
func (t *turn) taskMessage(j *Job, m Message) bool {
	f := t.frame(j.Frame)
	s := t.state(f)
	switch m.Kind {
	case JobSucceeded:
		j.Answer = 0 // it is over: there is nothing to be stopped
		t.taskSucceeded(f, s, m.Output)
	case JobFailed:
		j.Answer = 0
		at := failed
		if s.Task.Resource.Pattern != asl.RequestResponse && !j.Submitted && m.Effect != EffectNamed {
			at = unsubmitted
		}
		t.taskFailed(f, s, at, given(m.Failure), m.Effect)
	case Submitted:
		return t.submitted(f, s, j, m.Output)
	case Taken:
		return t.taken(f, j, m.Worker)
	case Fired:
		return t.late(f, s, j)
	case Beat:
		return j.awaited() && j.Heartbeat > 0 && t.beat(j)
	case Resent:
		if j.Kind == Activity || j.Submitted {
			return false
		}
		f.Unknown = true
		f.Sends++
		j.Send = f.Sends
	default:
		return false
	}
	return true
}

// submitted notes that a service took the request, whose completion is still
// to come.
func (t *turn) submitted(f *Frame, s *asl.State, j *Job, answer value.Text) bool {
	if j.Kind == Activity || j.Submitted {
		return false
	}
	if t.tooLong(answer) {
		t.taskFailed(f, s, failed, tooLarge(s.Task.Resource.Service), EffectUnknown)
		return true
	}
	ref := t.payload(answer, value.Value{})
	e := taskEvent(&s.Task.Resource, started)
	e.Type, e.Prev, e.Out = TaskSubmitted, f.Prev, ref
	f.Prev = t.event(e)
	j.Submitted = true
	t.beat(j)
	if p := s.Task.Resource.Pattern; j.Kind == Call && (p == asl.Sync || p == asl.Sync2) {
		j.Answer, j.Due, j.Deadline = ref, t.head.Now, min(j.Deadline, t.lifeEnds())
		f.Submissions++
	}
	return true
}

// tooLong reports whether a task's answer is over the limit.
func (t *turn) tooLong(answer value.Text) bool {
	most := t.env.Limits.Payload
	return most > 0 && answer.Len() > most
}

// taken notes that a worker took the activity's task.
func (t *turn) taken(f *Frame, j *Job, worker string) bool {
	if j.Kind != Activity || j.Taken {
		return false
	}
	f.Prev = t.event(Event{Type: ActivityStarted, Prev: f.Prev, Worker: worker})
	j.Taken = true
	return t.beat(j)
}

// awaited reports whether a job is with the outside, and only its completion
// is still to come.
func (j *Job) awaited() bool { return j.Submitted || j.Taken }

// beat gives a job that is with the outside a full interval from now on.
func (t *turn) beat(j *Job) bool {
	j.Due = min(j.Deadline, t.lifeEnds())
	if j.Heartbeat > 0 {
		j.Due = min(j.Due, t.head.Now+j.Heartbeat)
	}
	return true
}

// overdue reports whether an attempt is out of time.
func (j *Job) overdue(now int64) bool {
	return j.Kind < Timer && (now >= j.Deadline || j.unheard(now))
}

func (j *Job) unheard(now int64) bool { return j.awaited() && j.Heartbeat > 0 && now >= j.Due }

// late ends an attempt that is out of time.
func (t *turn) late(f *Frame, s *asl.State, j *Job) bool {
	if !j.overdue(t.head.Now) {
		return false
	}
	name := errTimeout
	fl := &fault{Failure: Failure{Error: &name}, timeout: true, heartbeat: t.head.Now < j.Deadline}
	if j.Kind != Activity || j.Taken {
		f.Unknown = true
	}
	t.tellTimeout(f, s)
	t.close(f)
	t.raise(t.scope(f, s, f.Prev), fl)
	return true
}

// tellTimeout tells history that the frame's task is out of time.
func (t *turn) tellTimeout(f *Frame, s *asl.State) {
	name := errTimeout
	e := taskEvent(&s.Task.Resource, timedOut)
	e.Prev, e.Error = f.Prev, &name
	f.Prev = t.event(e)
}

// taskSucceeded ends the attempt well, if its result is within the limit.
func (t *turn) taskSucceeded(f *Frame, s *asl.State, answer value.Text) {
	r := &s.Task.Resource
	if t.tooLong(answer) {
		name := r.Service
		if r.Kind == asl.LambdaARN || r.Kind == asl.Activity {
			name = r.Text
		}
		t.taskFailed(f, s, failed, tooLarge(name), EffectUnknown)
		return
	}
	ref := t.payload(answer, value.Value{})
	e := taskEvent(r, succeeded)
	e.Prev, e.Out = f.Prev, ref
	f.Prev = t.event(e)
	t.close(f)
	t.complete(f, s, datum{ref: ref})
}

// taskFailed ends the attempt by an error from outside.
func (t *turn) taskFailed(f *Frame, s *asl.State, at moment, fl *fault, effect Effect) {
	if effect == EffectUnknown {
		f.Unknown = true
	}
	e := taskEvent(&s.Task.Resource, at)
	e.Prev, e.Error, e.Cause = f.Prev, fl.Error, fl.Cause
	f.Prev = t.event(e)
	t.close(f)
	fl.fatal = fl.Error != nil && *fl.Error == errRuntime
	fl.timeout = fl.Error != nil && *fl.Error == errTimeout
	t.raise(t.scope(f, s, f.Prev), fl)
}

// jobKind is the job that does such a task.
func jobKind(k asl.Kind) JobKind {
	switch k {
	case asl.Activity:
		return Activity
	case asl.NestedExecution:
		return Child
	}
	return Call
}
