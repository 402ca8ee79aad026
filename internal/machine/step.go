package machine

import (
	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// expressSeconds is how long an Express execution may take.
const expressSeconds = 300

// Step decides what a message does to an execution: it runs on through the
// states until the execution waits for the outside, has ended, or has entered
// [Limits.EntriesTurn] states. It changes nothing that it is given. A message
// that comes too late or twice gives an empty delta.
// Where it needs more than is in memory, the delta is empty but for Recall: the
// same message comes again once that was lent.
//
// A broken invariant, of the execution or of the program, panics.
func Step(e Env, p *asl.Program, x *Execution, m Message) (d Delta) {
	defer recalled(&d)
	t := newTurn(&e, p, x)
	if x.Start.Lock {
		if !t.takeLock(m) {
			return Delta{}
		}
		return t.delta()
	}
	if x.Start.IsRun() {
		if !t.takeRun(m) {
			return Delta{}
		}
		t.advance()
		return t.delta()
	}
	if !t.take(m) {
		return Delta{}
	}
	t.run()
	return t.delta()
}

// take does what the message says, and reports whether it says anything.
func (t *turn) take(m Message) bool {
	switch {
	case m.Kind == Begin:
		return t.head.Status == 0 && t.begin(m.Output)
	case m.Kind == Stop:
		return t.running() && t.stop(m.Failure, false)
	case m.Kind == Redrive && m.Job != 0:
		return t.redriveChild(m.Job)
	case m.Kind == Redrive:
		return t.redrive(m.Token, m.Changes)
	case m.Kind == Resolve:
		return t.goesOn() && t.resolve(m.Resolution)
	case m.Kind == CompensateSagas:
		return t.compensate(m.Final)
	case m.Kind == Refused:
		return t.tooLate(m)
	case m.Kind == Granted:
		return t.granted(m.Output, m.Claim)
	}
	j := t.job(m.Job)
	switch {
	case j == nil:
		return false
	case t.running() && t.head.Now >= t.lifeEnds() && t.outOfTime():
		return true
	}
	switch j.Kind {
	case Tell, Halt, FreeLock:
		return t.told(j, m.Kind)
	case TakeLock:
		return t.lockMessage(j, m)
	case StartRun:
		return t.runEnded(j, m)
	case Resume:
		return m.Kind == Continue && t.resume(j)
	case Timer:
		return m.Kind == Fired && t.head.Now >= j.Due && t.fired(j)
	}
	return t.taskMessage(j, m)
}

// run lets every frame that may go on do so, turn and turn about.
func (t *turn) run() {
	for i := 0; i < len(t.ready) && t.running(); i++ {
		f := t.ready[i]
		switch most := t.env.Limits.EntriesTurn; {
		case f.Phase == Working && f.Job == 0:
			t.takeUp(f)
		case f.Phase != Entering:
		case most > 0 && t.entries >= most:
			f.Job = t.open(Job{Kind: Resume, Frame: f.ID, State: f.State, Due: t.head.Now})
		case f.Input == 0 && !t.refeed(f): // and so its Map has failed
		default:
			t.enter(f)
		}
	}
}

// begin starts the execution.
func (t *turn) begin(input value.Text) bool {
	if input.IsZero() {
		input = value.Checked("{}")
	}
	t.head.Status = Running
	t.head.Input = t.payload(input, value.Value{})
	t.event(Event{Type: ExecutionStarted, In: t.head.Input, RoleARN: t.x.Start.RoleARN})
	t.limitTime()
	root := &Frame{State: t.flow().Start.Name, Input: t.head.Input}
	t.frames.put(root.ID, root)
	t.openWhole(root)
	t.ready = append(t.ready, root)
	t.search(root)
	return true
}

// flow is the states that the execution goes through: those of the program, or
// of the processor of the Map that it is a child of.
func (t *turn) flow() *asl.Flow {
	if child := t.x.Start.Map; child != nil {
		return t.distributedMap(child.State).Map.Processor
	}
	return t.p.Flow
}

// limitTime puts the timer that ends the execution by its TimeoutSeconds.
func (t *turn) limitTime() {
	seconds := t.p.TimeoutSeconds
	if t.x.Start.Map != nil {
		seconds = 0
	}
	if t.x.Start.Express && (seconds == 0 || seconds > expressSeconds) {
		seconds = expressSeconds
	}
	if seconds > 0 {
		t.head.Timeout = t.open(Job{Kind: Timer, Due: t.head.Now + seconds*1000})
	}
}

// lifeEnds is when the execution is out of the time that any may take, in UTC
// ms. Every job that waits is looked at by then.
func (t *turn) lifeEnds() int64 {
	if t.x.Start.Express || t.x.Start.IsRun() || t.x.Start.Lock {
		return never // the one has a timer of its own, the other ends with its parent
	}
	return t.x.Start.At + longestLife
}

// resume goes on where a turn handed over.
func (t *turn) resume(j *Job) bool {
	f := t.frame(j.Frame)
	t.close(f)
	t.ready = append(t.ready, f)
	return true
}

// fired is the end of a wait: of a Wait, of a retry, of the execution's time.
func (t *turn) fired(j *Job) bool {
	if j.ID == t.head.Timeout {
		return t.outOfTime()
	}
	f := t.frame(j.Frame)
	t.close(f)
	switch s := t.state(f); {
	case f.Body != nil:
		t.try(f)
	case f.Phase == Entering: // it goes back to its save point
		t.ready = append(t.ready, f)
	case f.Phase == Retrying:
		t.workAgain(f, s)
	default:
		t.waited(f, s)
	}
	return true
}

// enter lets the frame enter its state.
func (t *turn) enter(f *Frame) {
	s := t.state(f)
	before := f.Prev
	t.entries++
	t.head.Entries++
	f.Entry, f.Entered = t.head.Entries, t.head.Now
	f.effort, f.Tried, f.Outcome, f.Locked = effort{}, 0, 0, 0
	t.saveHere(f, s)
	f.EnteredEvent = t.event(Event{Type: entered(s.Type), Prev: before, State: s.Name, In: f.Input})
	f.Prev = f.EnteredEvent
	if t.running() {
		t.work(f, s, before)
	}
}

// workAgain does what the state is for once more. A map run that nothing may end
// goes on with what it has not done.
func (t *turn) workAgain(f *Frame, s *asl.State) {
	if s.Step != nil && s.Type == asl.Map && f.Join != nil {
		t.runAgain(f, s)
		return
	}
	t.work(f, s, f.Prev)
}

// work does what the state is for, once more at each retry. Before is the
// event that came before all that this attempt tells: an evaluation that fails
// points to it.
func (t *turn) work(f *Frame, s *asl.State, before int64) {
	f.Phase = Working
	sc := t.scope(f, s, before)
	if fl := t.historyTooLong(sc); fl != nil {
		t.raise(sc, fl)
		return
	}
	var fl *fault
	switch s.Type {
	case asl.Pass:
		fl = t.pass(sc)
	case asl.Task:
		fl = t.task(sc)
	case asl.Choice:
		fl = t.choice(sc)
	case asl.Wait:
		fl = t.wait(sc)
	case asl.Succeed:
		fl = t.succeed(sc)
	case asl.Fail:
		fl = t.fail(sc)
	case asl.Parallel:
		fl = t.parallel(sc)
	case asl.Map:
		fl = t.mapping(sc)
	case asl.Saga:
		fl = t.saga(sc)
	default:
		panic("no such state type: " + string(s.Type))
	}
	if fl != nil {
		t.raise(sc, fl)
	}
}

// leave lets the frame leave its state for the next one, or end where there is
// none. The output was kept within the limits.
func (t *turn) leave(sc *scope, out Ref, assigned []binding, next *asl.State) {
	f := sc.frame
	if sc.state.Type == asl.Saga && f.Join != nil && !t.sagaEnded(t.frame(f.Join.First), out, assigned) {
		return
	}
	t.handOver(f, sc.state)
	f.Prev = t.event(Event{Type: exited(sc.state.Type), Prev: f.Prev, State: sc.state.Name, Out: out, Assigned: assigned})
	t.assign(f, assigned)
	t.searchLeaving(f, out, assigned)
	t.prune(f)
	f.Result = 0
	if next == nil {
		t.finish(f, out)
		return
	}
	f.State, f.Input, f.Phase = next.Name, out, Entering
	t.ready = append(t.ready, f)
}

// finish ends a frame that has come to its end.
func (t *turn) finish(f *Frame, out Ref) {
	if f.Kind == Root {
		if t.sagaEnded(f, out, nil) {
			t.succeedExecution(f, out)
		}
		return
	}
	f.Phase, f.Result, f.Input = Ended, out, 0
	t.forget(f)
	t.joined(t.frame(f.Parent), f)
}

// entered, exited and aborted are the events of a state of that type.
func entered(of asl.Type) EventType {
	switch of {
	case asl.Pass:
		return PassStateEntered
	case asl.Task:
		return TaskStateEntered
	case asl.Choice:
		return ChoiceStateEntered
	case asl.Wait:
		return WaitStateEntered
	case asl.Succeed:
		return SucceedStateEntered
	case asl.Fail:
		return FailStateEntered
	case asl.Parallel, asl.Saga:
		return ParallelStateEntered
	}
	return MapStateEntered
}

func exited(of asl.Type) EventType {
	switch of {
	case asl.Pass:
		return PassStateExited
	case asl.Task:
		return TaskStateExited
	case asl.Choice:
		return ChoiceStateExited
	case asl.Wait:
		return WaitStateExited
	case asl.Succeed:
		return SucceedStateExited
	case asl.Parallel, asl.Saga:
		return ParallelStateExited
	}
	return MapStateExited
}
