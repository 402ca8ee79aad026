package machine

import (
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// task makes the job of a Task's attempt. History says that the task was
// scheduled and started before anybody outside hears of it, as of all that is
// sent.
func (t *turn) task(sc *scope) *fault {
	f, s := sc.frame, sc.state
	waits, fl := t.locks(sc)
	if waits || fl != nil {
		return fl
	}
	r := &s.Task.Resource
	sc.token = r.Kind == asl.Activity || r.Pattern != asl.RequestResponse
	var plan plan
	if f.Edition > 0 && f.Asked != 0 {
		plan = sc.planOf(f.Asked)
	} else if plan, fl = sc.plan(); fl != nil {
		return fl
	}
	if m := t.mock(); m != nil {
		return t.mocked(sc, m)
	}
	if r.Kind == asl.Activity && t.env.Gone != nil && t.env.Gone(r.Text) {
		return sc.runtime("The activity " + r.Text + " does not exist.")
	}
	j := Job{State: s.Name, Entry: f.Entry, Attempt: f.try(), Request: plan.request, RoleARN: plan.role, Edition: f.Edition}
	if t.x.Start.TestCase != "" {
		j.Invocation = t.invoked(s.Name)
	}
	t.send(f, r, &f.effort, plan, j)
	return nil
}

// send opens the job that does a frame's work once, of its state or of a body,
// and tells history so.
func (t *turn) send(f *Frame, r *asl.Resource, w *effort, p plan, j Job) {
	if w.Endless == 0 {
		e := taskEvent(r, scheduled)
		e.Prev, e.In, e.RoleARN = w.Prev, p.request, p.role
		e.Timeout, e.Heartbeat = p.timeout, p.heartbeat
		if e.Resource == "" {
			e.Resource = r.Text
		}
		w.Prev = t.event(e)
	}
	w.Sends++
	if t.head.OpenSagas > 0 {
		w.Asked = j.Request
	}
	j.Kind, j.Frame, j.Send, j.Earlier = jobKind(r.Kind), f.ID, w.Sends, w.Submissions
	j.Deadline, j.Due = never, t.head.Now
	if p.timeout > 0 {
		j.Deadline = t.head.Now + p.timeout*1000
	}
	if r.Kind == asl.Activity || r.Pattern == asl.WaitForTaskToken {
		j.Heartbeat = p.heartbeat * 1000
	}
	if r.Kind == asl.Activity {
		j.Due = j.Deadline
	} else if w.Endless == 0 {
		e := taskEvent(r, started)
		e.Prev = w.Prev
		w.Prev = t.event(e)
	}
	f.Job = t.open(j)
}

// plan is what a task's attempt is made with.
type plan struct {
	request            Ref
	timeout, heartbeat int64 // seconds, 0: not given
	role               string
}

// made reports whether all of a body's plan is there: each has a time limit.
func (p *plan) made() bool { return p.request != 0 && p.timeout != 0 }

// planOf is the plan of a request that a person has given. What the definition says
// besides is kept, where that can be worked out.
func (sc *scope) planOf(request Ref) plan {
	_, p, fl := sc.terms()
	if fl != nil {
		p = plan{}
	}
	p.request = request
	return p
}

// terms are a plan without its request, which is made from what is selected.
func (sc *scope) terms() (in datum, p plan, fl *fault) {
	s := sc.state
	if in, fl = sc.selection(s.InputPath); fl != nil {
		return in, p, fl
	}
	sc.with(in)
	if s.Language == asl.JSONPath {
		sc.show(AfterInputPath, in)
	}
	if p.timeout, fl = sc.seconds(&s.Task.TimeoutSeconds); fl != nil {
		return in, p, fl
	}
	if p.heartbeat, fl = sc.seconds(&s.Task.HeartbeatSeconds); fl != nil {
		return in, p, fl
	}
	role, fl := sc.line(&s.Task.RoleARN)
	if role != nil {
		p.role = *role
	}
	return in, p, fl
}

func (sc *scope) plan() (p plan, fl *fault) {
	t, s := sc.turn, sc.state
	in, p, fl := sc.terms()
	if fl != nil {
		return p, fl
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

// underWay is what a job does of its frame: the effort of the state, or of the
// body that is due, and the resource.
func (t *turn) underWay(f *Frame, j *Job) (*effort, *asl.Resource) {
	if j.Operation == Forward {
		return &f.effort, &t.state(f).Task.Resource
	}
	return &f.Body.effort, t.bodyResource(f.Body)
}

// taskMessage is what becomes of a task that is under way.
func (t *turn) taskMessage(j *Job, m Message) bool {
	f := t.frame(j.Frame)
	w, r := t.underWay(f, j)
	switch m.Kind {
	case JobSucceeded:
		t.foresee(f)
		j.Answer = 0 // it is over: there is nothing to be stopped
		t.taskSucceeded(f, j, m.Output)
	case JobFailed:
		at, effect := failed, m.Effect
		if r.Pattern != asl.RequestResponse && !j.Submitted && effect != EffectNamed {
			at = unsubmitted
			if effect == EffectDone { // it was taken, which is not its end
				effect = EffectUnknown
			}
		}
		j.Answer = 0
		t.taskFailed(f, j, at, given(m.Failure), effect)
	case Submitted:
		return t.submitted(f, j, m.Output)
	case Taken:
		return t.taken(w, j, m.Worker)
	case Fired:
		return t.late(f, j)
	case Beat:
		return j.awaited() && j.Heartbeat > 0 && t.beat(j)
	case Resent:
		return t.resent(f, w, j)
	default:
		return false
	}
	return true
}

// resent notes that a call was found under way, and is being made again. One
// that was only waited for is not, nor a pivot's once there is a plan.
func (t *turn) resent(f *Frame, w *effort, j *Job) bool {
	if j.Kind == Activity || j.Submitted {
		return false
	}
	w.Unknown = true
	s := t.state(f)
	if pivot := s.Step != nil && s.Step.Pivot && f.Recovery != nil && j.Operation == Forward; j.Landing || pivot {
		t.tellTimeout(f, j)
		t.close(f)
		t.landed(f, s, 0, newFault(errTimeout, ""))
		return true
	}
	w.Sends++
	j.Send = w.Sends
	return true
}

// submitted notes that a service took the request, whose completion is still
// to come.
func (t *turn) submitted(f *Frame, j *Job, answer value.Text) bool {
	if j.Kind == Activity || j.Submitted {
		return false
	}
	w, r := t.underWay(f, j)
	if t.tooLong(answer) {
		t.taskFailed(f, j, failed, tooLarge(r.Service), EffectUnknown)
		return true
	}
	ref := t.payload(answer, value.Value{})
	e := taskEvent(r, started)
	e.Type, e.Prev, e.Out = TaskSubmitted, w.Prev, ref
	w.Prev = t.event(e)
	j.Submitted = true
	t.beat(j)
	if p := r.Pattern; j.Kind == Call && (p == asl.Sync || p == asl.Sync2) {
		j.Answer, j.Due, j.Deadline = ref, t.head.Now, min(j.Deadline, t.lifeEnds())
		w.Submissions++
	}
	return true
}

// tooLong reports whether a task's answer is over the limit.
func (t *turn) tooLong(answer value.Text) bool {
	most := t.env.Limits.Payload
	return most > 0 && answer.Len() > most
}

// taken notes that a worker took the activity's task.
func (t *turn) taken(w *effort, j *Job, worker string) bool {
	if j.Kind != Activity || j.Taken {
		return false
	}
	w.Prev = t.event(Event{Type: ActivityStarted, Prev: w.Prev, Worker: worker})
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

// overdue reports whether an attempt is out of time, or its heartbeat missing.
func (j *Job) overdue(now int64) bool { return j.outlived(now) || j.Kind < Timer && j.unheard(now) }

// outlived reports whether an attempt is out of time.
func (j *Job) outlived(now int64) bool { return j.Kind < Timer && now >= j.Deadline }

func (j *Job) unheard(now int64) bool { return j.awaited() && j.Heartbeat > 0 && now >= j.Due }

// late ends an attempt that is out of time.
func (t *turn) late(f *Frame, j *Job) bool {
	if !j.overdue(t.head.Now) {
		return false
	}
	name := errTimeout
	fl := &fault{Failure: Failure{Error: &name}, timeout: true, heartbeat: t.head.Now < j.Deadline}
	w, _ := t.underWay(f, j)
	if j.Kind != Activity || j.Taken {
		w.Unknown = true
	}
	t.tellTimeout(f, j)
	t.expect(f)
	t.close(f)
	t.worked(f, j, 0, fl)
	return true
}

// tellTimeout tells history that a task is out of time.
func (t *turn) tellTimeout(f *Frame, j *Job) {
	w, r := t.underWay(f, j)
	if w.Endless > 0 {
		return
	}
	name := errTimeout
	e := taskEvent(r, timedOut)
	e.Prev, e.Error = w.Prev, &name
	w.Prev = t.event(e)
}

// taskSucceeded ends the attempt well, if its result is within the limit.
func (t *turn) taskSucceeded(f *Frame, j *Job, answer value.Text) {
	w, r := t.underWay(f, j)
	if t.tooLong(answer) {
		name := r.Service
		if r.Kind == asl.LambdaARN || r.Kind == asl.Activity {
			name = r.Text
		}
		t.taskFailed(f, j, failed, tooLarge(name), EffectDone)
		return
	}
	ref := t.payload(answer, value.Value{})
	e := taskEvent(r, succeeded)
	e.Prev, e.Out = w.Prev, ref
	w.Prev = t.event(e)
	t.close(f)
	t.worked(f, j, ref, nil)
}

// taskFailed ends the attempt by an error from outside.
func (t *turn) taskFailed(f *Frame, j *Job, at moment, fl *fault, effect Effect) {
	w, r := t.underWay(f, j)
	done := effect == EffectDone && j.Operation != Ask
	if !done && !t.harmless(j, fl, effect) {
		w.Unknown = true
	}
	if w.Endless == 0 {
		e := taskEvent(r, at)
		e.Prev, e.Error, e.Cause = w.Prev, fl.Error, fl.Cause
		w.Prev = t.event(e)
	}
	t.close(f)
	fl.fatal = fl.Error != nil && *fl.Error == errRuntime
	fl.timeout = fl.Error != nil && *fl.Error == errTimeout
	switch {
	case done && j.Operation == Forward:
		t.hadEffect(f, t.state(f))
	case done: // nobody reads what it gave
		fl = nil
	}
	t.worked(f, j, 0, fl)
}

// hadEffect notes that a frame's step has succeeded, although its state is to
// fail: the call was answered well, by what can't be taken.
func (t *turn) hadEffect(f *Frame, s *asl.State) {
	t.note(f, s, StepSucceeded, 0, nil)
	if s.Step != nil && s.Step.Pivot {
		t.commitSaga(f)
	}
}

// harmless reports whether a failed attempt had no effect (SAGA.md §2).
func (t *turn) harmless(j *Job, fl *fault, effect Effect) bool {
	var known []string
	if s := t.p.States[j.State]; s.Step != nil && j.Operation == Forward {
		known = s.Step.KnownFailed
	}
	switch {
	case effect == EffectNone:
		return true
	case known != nil:
		return fl.Error != nil && slices.Contains(known, *fl.Error)
	case effect != EffectNamed:
		return false
	case fl.Error == nil:
		return true
	}
	return !slices.ContainsFunc(interpreters, func(prefix string) bool { return strings.HasPrefix(*fl.Error, prefix) })
}

// interpreters are how the names of errors begin that no participant gave.
var interpreters = []string{"States.", "Lambda.", "Runtime.", "Sandbox."}

// worked goes on after an attempt that has a result, or a fault.
func (t *turn) worked(f *Frame, j *Job, result Ref, fl *fault) {
	s := t.state(f)
	planned := f.Recovery != nil // else what is undone begins by itself
	switch {
	case j.Operation != Forward:
		t.bodyWorked(f, result, fl)
		if planned && f.Recovery != nil {
			t.undo(f)
		}
	case planned && !(s.Step.Pivot && fl == nil):
		t.landed(f, s, result, fl)
	case fl != nil:
		t.raise(t.scope(f, s, f.Prev), fl)
	default:
		t.note(f, s, StepSucceeded, result, nil)
		if s.Step != nil && s.Step.Pivot {
			t.commitSaga(f)
		}
		t.complete(f, s, datum{ref: result})
	}
}

// invoked counts one more invocation of a state's work: over retries, loops and
// items, as the numbers of a test case's mocks do.
func (t *turn) invoked(state string) uint32 {
	all := slices.Clone(t.head.Invocations)
	i := slices.IndexFunc(all, func(of invocations) bool { return of.State == state })
	if i < 0 {
		i = len(all)
		all = append(all, invocations{State: state})
	}
	all[i].Count++
	t.head.Invocations = all
	return all[i].Count
}

// jobKind is the job that does such a task.
func jobKind(k asl.Kind) JobKind {
	switch k {
	case asl.Activity:
		return Activity
	case asl.NestedExecution:
		return Child
	case asl.CompensateChildren:
		return Unwind
	}
	return Call
}
