package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// launch starts what a durable job asks for: its errand, and the alarm for the
// time at which it is looked at again. A call that is old, and that nobody makes,
// may have been sent before its node died.
func (e *Engine) launch(s *shard, r *resident, j *machine.Job, old bool) {
	k := store.JobKey{ID: r.id, Number: uint32(j.ID)}
	due, do := alarmOf(j), errandOf(j)
	if do == nil && !r.volatile.Load() && due > s.reach.Load() {
		due = store.Never // it will be found on disk in time
	}
	if j.Polled() {
		due = e.pollAt(j, e.now())
	}
	e.alarms.set(alarmKey{JobKey: k}, due)
	if do == nil {
		return
	}
	er := &errand{key: k, do: do, kept: true, must: r.volatile.Load(), resend: old && j.Kind == machine.Call}
	to, whose := e.destOf(r, j)
	if j.Kind == machine.Call {
		er.again, er.deadline, er.size = j.Attempt > 1, j.Deadline, int64(r.x.Payloads[j.Request].Len())
	}
	if !e.dispatcher.send(er, to, whose) {
		s.readAgain()
	}
}

// adopt is launch for a job that was found on disk, unless it is in memory. A
// call may have been under way when its node died, so it is made again as one
// that was sent before; a heartbeat gets its whole interval. False: there is no
// room for it now.
func (e *Engine) adopt(row *store.Job, now int64) bool {
	if row.Number == expressMark {
		return e.dispatcher.send(&errand{key: row.JobKey, do: (*Engine).rerunExpress, kept: true}, turning, ownerKey{})
	}
	j, err := machine.Decode[machine.Job](row.Body)
	if err != nil {
		e.cfg.Log.Error("a job can't be read", "execution", row.ID, "job", row.Number, "error", err)
		return true
	}
	k := alarmKey{JobKey: row.JobKey}
	if _, set := e.alarms.due(k); !set {
		due := alarmOf(j)
		if j.Heartbeat > 0 && (j.Submitted || j.Taken) {
			due = min(max(due, now+j.Heartbeat), j.Deadline)
		}
		if j.Polled() {
			due = e.firstPollAt(row.ID, j, now)
		}
		e.alarms.set(k, due)
	}
	do := errandOf(j)
	if do == nil {
		return true
	}
	to := within(j)
	switch {
	case j.Kind == machine.Call || forsaken(j):
		to = adopted
	case j.Kind == machine.ReadItems || j.Kind == machine.WriteResults:
		to = objects
	}
	er := &errand{key: row.JobKey, do: do, kept: true, resend: j.Kind == machine.Call}
	if j.Kind == machine.Call {
		er.again, er.deadline = j.Attempt > 1, j.Deadline
	}
	return e.dispatcher.send(er, to, ownerKey{})
}

// adopted is where calls go that were found on disk, until it is read whom they
// go to.
var adopted = dest{service: "?"}

// objects is where a map run's readings and writings go.
var objects = dest{service: "s3"}

// destOf is where a job's errand goes, and whose it is.
func (e *Engine) destOf(r *resident, j *machine.Job) (dest, ownerKey) {
	s := &r.x.Start
	whose := ownerOf(s.Account, s.Region, s.Machine)
	switch {
	case j.Kind == machine.Call || forsaken(j):
		task := taskOf(r, j)
		to := dest{service: task.Service}
		if e.cfg.Registry != nil {
			to.target = e.cfg.Registry.Target(task.Service, task.Action, task.Text, r.x.Payloads[j.Request])
		}
		return to, whose
	case j.Kind == machine.ReadItems || j.Kind == machine.WriteResults:
		return objects, whose
	}
	return within(j), whose
}

// within is where a job's errand goes that calls nobody outside.
func within(j *machine.Job) dest {
	switch j.Kind {
	case machine.Child, machine.StartItem, machine.Halt, machine.Unwind:
		return awaiting
	}
	return turning
}

// ownerOf is whose an execution of a machine is; a map run's child is its
// machine's.
func ownerOf(account, region, name string) ownerKey {
	name, _, _ = strings.Cut(name, "/")
	return ownerKey{account, region, name}
}

// errandOf is what a job asks to be done now; nil: nothing but to wait.
func errandOf(j *machine.Job) func(*Engine, *errand) {
	switch {
	case j.Kind == machine.Call && !j.Submitted:
		return (*Engine).call
	case j.Kind == machine.Child && !j.Submitted:
		return (*Engine).child
	case j.Kind == machine.Tell:
		return (*Engine).tell
	case j.Kind == machine.Resume:
		return (*Engine).resume
	case j.Kind == machine.StartRun:
		return (*Engine).startRun
	case j.Kind == machine.StartItem:
		return (*Engine).startItem
	case forsaken(j):
		return (*Engine).forsake
	case j.Kind == machine.Halt:
		return (*Engine).halt
	case j.Kind == machine.ReadItems:
		return (*Engine).readItems
	case j.Kind == machine.WriteResults:
		return (*Engine).writeResults
	case j.Kind == machine.Unwind:
		return (*Engine).unwind
	case j.Kind == machine.TakeLock:
		return (*Engine).takeLock
	case j.Kind == machine.FreeLock:
		return (*Engine).freeLock
	case j.Kind == machine.GrantLock:
		return (*Engine).grantLock
	}
	return nil
}

// alarmOf is when a job is looked at again for its own sake. The due time of
// one that is done at once only serves to find it on disk.
func alarmOf(j *machine.Job) int64 {
	switch {
	case errandOf(j) == nil:
		return j.Due
	case j.Kind == machine.Call || j.Kind == machine.Child || j.Kind == machine.TakeLock:
		return j.Deadline
	}
	return store.Never
}

// resume lets an execution go on that handed over.
func (e *Engine) resume(er *errand) {
	e.deliver(er, machine.Message{Kind: machine.Continue, Job: machine.JobID(er.key.Number)})
}

// call makes a call and takes its answer to the execution.
func (e *Engine) call(er *errand) {
	if er.resend {
		t, err := e.turn(er.key.ID, machine.Message{Kind: machine.Resent, Job: machine.JobID(er.key.Number)}, nil)
		if err != nil {
			e.postpone(er, err)
			return
		}
		if !t.changed {
			return
		}
		er.resend = false
	}
	task, handler, err := e.task(er)
	if err != nil {
		e.postpone(er, err)
		return
	}
	if task == nil {
		return
	}
	if s := e.shardOf(er.key.ID); !er.must && (s.leaving.Load() != 0 || !e.isSure(s)) {
		e.postpone(er, errElsewhere) // it is the next owner's, or may be by now
		return
	}
	ctx, ok := e.dispatcher.underway(er, e.ctx)
	if !ok {
		return
	}
	e.metrics.Calls.Add(1)
	if er.again {
		e.retried.add(er.lane.to)
	}
	output, err := invoke(integration.WithMeter(ctx, &meter{e.dispatcher, er}), handler, *task)
	er.cancel()
	e.dispatcher.landed(er, int64(output.Len()), e.found(er, err))
	if e.dispatcher.forgone(er) {
		return
	}
	e.deliver(er, answer(machine.JobID(er.key.Number), task, output, err))
}

// found is how a call found where it went to. What was ended before its time
// tells nothing.
func (e *Engine) found(er *errand, err error) wellness {
	var failed *integration.Error
	switch {
	case er.found != untold:
		return er.found
	case err == nil, errors.As(err, &failed) && (failed.Effect == integration.EffectNamed || failed.Effect == integration.EffectDone):
		return well
	case errors.Is(err, context.Canceled) && e.now() >= er.deadline:
		return unwell
	}
	return untold
}

// meter counts what one call takes.
type meter struct {
	dispatcher *dispatcher
	errand     *errand
}

// Room waits for room for more of the answer. Who was given some before waits no more.
func (m *meter) Room(ctx context.Context, bytes int) error {
	if m.errand.grew {
		m.dispatcher.room.take(int64(bytes))
	} else if err := m.dispatcher.room.grow(ctx, int64(bytes)); err != nil {
		return err
	}
	m.errand.grew = true
	m.errand.holds += int64(bytes)
	return nil
}

// Found notes how the call found the other side.
func (m *meter) Found(isWell bool) {
	m.errand.found = unwell
	if isWell {
		m.errand.found = well
	}
}

// task is what a call's handler is given; nil where the job is over, or was handed
// on to the lane that it belongs to. The attempt of one that waited in line has its
// whole time from now on.
func (e *Engine) task(er *errand) (*integration.Task, integration.Handler, error) {
	s, r, j, err := e.awakeFor(er.key)
	if err != nil {
		return nil, nil, err
	}
	defer s.release(r)
	if j == nil || j.Kind != machine.Call || j.Submitted {
		return nil, nil, nil
	}
	if er.lane.to == adopted {
		to, whose := e.destOf(r, j)
		er.size = int64(r.x.Payloads[j.Request].Len())
		e.dispatcher.handOver(er, to, whose)
		return nil, nil, nil
	}
	if due := alarmOf(j); er.since != 0 && due != store.Never {
		er.deadline = e.now() + due - j.Made
		e.alarms.set(alarmKey{JobKey: er.key}, er.deadline)
	}
	task, handler, err := asked(e.cfg.Registry, e.env(), r.program, r.x, j)
	if err != nil {
		e.cfg.Log.Error("what a job asks for can't be read", "execution", r.x.Start.ExecutionARN(), "job", j.ID, "error", err)
	}
	if j.Landing { // what it is part of is being undone, and it was not sent yet
		handler = unsent{}
	}
	return task, handler, err
}

// unsent answers in the place of a call that is not to be sent any more.
type unsent struct{}

// Call says so.
func (unsent) Call(context.Context, integration.Task) (value.Text, error) {
	return value.Text{}, integration.NewError("States.TaskFailed", "The call was not sent: what it is part of is being undone.", integration.EffectNone)
}

// asked is the task that a job asks for, and who does it; nil: nobody does.
func asked(registry *integration.Registry, env machine.Env, p *asl.Program, x *machine.Execution, j *machine.Job) (*integration.Task, integration.Handler, error) {
	q, err := x.Request(env, p, j.ID)
	if err != nil {
		return nil, nil, err
	}
	start := &x.Start
	t := &integration.Task{
		Resource: q.Resource.Text, Service: q.Resource.Service, Action: q.Resource.Action,
		Pattern: integration.Pattern(q.Resource.Pattern), Request: q.Input, Token: q.Token,
		Operation: integration.Operation(q.Operation), Forward: q.Forward, StepID: q.StepID, Attempt: int(j.Send), Earlier: int(j.Earlier), Execution: start.ExecutionARN(), State: j.State,
		Trace: start.Trace, RoleARN: j.RoleARN, Account: start.Account, Region: start.Region,
	}
	action := t.Action
	if action == "" && t.Service == "lambda" {
		action = "invoke"
	}
	if registry == nil {
		return t, nil, nil
	}
	if start.TestCase != "" {
		name, _, _ := strings.Cut(start.Machine, "/") // a map run's child has the label behind it
		t.TestCase = integration.TestCase{Machine: name, Name: start.TestCase, Invocation: int(j.Invocation) - 1}
		if mock := registry.Mock(*t); mock != nil {
			t.Pattern = integration.RequestResponse // its answer is the task's result
			return t, mock, nil
		}
	}
	return t, registry.Find(t.Service, action, t.Pattern), nil
}

// CallOnce makes the call that a job asks for, for whoever turns an execution
// without an engine, and gives what came of it as a message. Watch is shown
// what an HTTP task sends and gets. It ends with ctx.
func CallOnce(ctx context.Context, registry *integration.Registry, env machine.Env, p *asl.Program, x *machine.Execution, j *machine.Job, watch func(integration.Exchange)) (machine.Message, error) {
	task, handler, err := asked(registry, env, p, x, j)
	if err != nil {
		return machine.Message{}, err
	}
	task.Watch = watch
	output, err := invoke(ctx, handler, *task)
	return answer(j.ID, task, output, err), nil
}

// invoke calls the handler. One that panics has failed.
func invoke(ctx context.Context, h integration.Handler, t integration.Task) (output value.Text, err error) {
	if h == nil {
		return output, integration.NewError("States.Runtime", "No integration serves the resource "+t.Resource+" here.", integration.EffectNone)
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the integration panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return h.Call(ctx, t)
}

// answer is what came of a call, as a message.
func answer(job machine.JobID, t *integration.Task, output value.Text, err error) machine.Message {
	if err == nil {
		kind := machine.JobSucceeded
		if t.Pattern != integration.RequestResponse {
			kind = machine.Submitted
		}
		return machine.Message{Kind: kind, Job: job, Output: output}
	}
	var failed *integration.Error
	if !errors.As(err, &failed) {
		failed = integration.NewError("States.TaskFailed", err.Error(), integration.EffectUnknown)
	}
	return machine.Message{
		Kind: machine.JobFailed, Job: job, Effect: machine.Effect(failed.Effect),
		Failure: &machine.Failure{Error: &failed.Name, Cause: &failed.Cause},
	}
}

// do does an errand: what came out of it the last time is stored first.
func (e *Engine) do(er *errand) {
	defer e.contain(er.key.ID)
	if m := er.answer; m != nil {
		er.answer = nil
		e.deliver(er, *m)
		return
	}
	er.do(e, er)
}

// deliver takes what came of an errand to its execution. What can't be stored
// is kept and delivered again.
func (e *Engine) deliver(er *errand, m machine.Message) {
	if _, err := e.turn(er.key.ID, m, nil); err != nil {
		er.answer = &m
		e.postpone(er, err)
	}
}

// postpone has an errand done again later, if that can help.
func (e *Engine) postpone(er *errand, why error) {
	if lasting(why) && e.dispatcher.park(er) {
		e.alarms.set(alarmKey{er.key, true}, e.now()+e.backoff(er.tries))
	}
}
