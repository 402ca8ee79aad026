package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// A call of the pattern .sync hands a job to a service, which works on it from
// then on. Between two polls nothing of it is in memory but an alarm. On disk
// the task's job has been due since it was submitted: who owns the shard next
// finds it there, and goes on asking. That a poll came to nothing is not
// written down anywhere: how long to wait for the next follows from the job's
// age.

// pollAt is when a job is polled next, or ends by its time.
func (e *Engine) pollAt(j *machine.Job, now int64) int64 {
	return min(now+e.pollPause(now-j.Made), j.Deadline)
}

// firstPollAt is when a job is polled that was found on disk. They may be many,
// so that they do not all come at once.
func (e *Engine) firstPollAt(id store.ID, j *machine.Job, now int64) int64 {
	share := int64(binary.BigEndian.Uint16(id[len(id)-2:]))
	return min(now+e.pollPause(now-j.Made)*share>>16, j.Deadline)
}

// pollPause is how long what has that age is left alone, in ms: an eighth of it.
func (e *Engine) pollPause(age int64) int64 {
	return min(max(age/8, e.cfg.Limits.PollLeast.Milliseconds()), e.cfg.Limits.PollMost.Milliseconds())
}

// pollsInstead has a job polled whose alarm has rung, if that is all that it
// rang for.
func (e *Engine) pollsInstead(r *resident, id machine.JobID) bool {
	j := r.x.Jobs[id]
	now := e.now()
	if j == nil || !j.Polled() || now >= j.Deadline {
		return false
	}
	k := store.JobKey{ID: r.id, Number: uint32(id)}
	next := j.Deadline
	to, whose := e.destOf(r, j)
	if !e.dispatcher.send(&errand{key: k, do: (*Engine).poll, kept: true, sole: true}, to, whose) {
		next = e.pollAt(j, now)
	}
	e.alarms.set(alarmKey{JobKey: k}, next)
	return true
}

// pending is something that a service took and nobody has heard the end of.
type pending struct {
	integration.Submission
	poller integration.Poller
	job    *machine.Job
}

// pending reads what a job waits for, or is to stop; nil where it is over.
func (e *Engine) pending(k store.JobKey) (*pending, error) {
	s, r, j, err := e.awakeFor(k)
	if err != nil {
		return nil, err
	}
	defer s.release(r)
	if j == nil || !j.Polled() && !forsaken(j) {
		return nil, nil
	}
	task, handler, err := asked(e.cfg.Registry, e.env(), r.program, r.x, j)
	if err != nil {
		return nil, err
	}
	p := &pending{job: j}
	p.Task, p.Answer, p.Age = *task, r.x.Payloads[j.Answer], time.Duration(e.now()-j.Made)*time.Millisecond
	p.poller, _ = handler.(integration.Poller)
	return p, nil
}

// pollPatience is how long a service may take to answer one question.
const pollPatience = time.Minute

// poll asks how a job stands, and tells the execution once it is over.
func (e *Engine) poll(er *errand) {
	var output value.Text
	var over bool
	p, heard, err := e.consult(er, func(ctx context.Context, p *pending) (err error) {
		output, over, err = p.ask(ctx)
		return err
	})
	var failed *integration.Error
	switch {
	case !heard:
	case errors.As(err, &failed):
		effect := machine.EffectUnknown // that a service tells nothing of a job does not say that the job does nothing
		if failed.Effect == integration.EffectDone {
			effect = machine.EffectDone
		}
		e.deliver(er, machine.Message{
			Kind: machine.JobFailed, Job: p.job.ID, Effect: effect,
			Failure: &machine.Failure{Error: &failed.Name, Cause: &failed.Cause},
		})
	case err == nil && over:
		e.deliver(er, machine.Message{Kind: machine.JobSucceeded, Job: p.job.ID, Output: output})
	default:
		if err != nil {
			e.cfg.Log.Debug("a job could not be polled", "execution", p.Execution, "state", p.State, "error", err)
		}
		e.alarms.set(alarmKey{JobKey: er.key}, e.pollAt(p.job, e.now()))
	}
}

// consult puts a question about a job to its service. The error is the
// service's; where nobody wants to hear of it any more, or the question is put
// later, heard is false.
func (e *Engine) consult(er *errand, question func(ctx context.Context, p *pending) error) (p *pending, heard bool, err error) {
	if p, err = e.pending(er.key); err != nil {
		e.postpone(er, err)
		return nil, false, nil
	}
	if p == nil {
		return nil, false, nil
	}
	ctx, ok := e.dispatcher.underway(er, e.ctx)
	if !ok {
		return nil, false, nil
	}
	e.metrics.Calls.Add(1)
	err = question(ctx, p)
	er.cancel()
	return p, !e.dispatcher.forgone(er), err
}

// ask asks once. A poller that panics has failed.
func (p *pending) ask(ctx context.Context) (output value.Text, over bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, pollPatience)
	defer cancel()
	defer panicked(&err)
	if p.poller == nil {
		return output, false, integration.NewError("States.Runtime", "No integration follows the resource "+p.Resource+" here.", integration.EffectUnknown)
	}
	return p.poller.Poll(ctx, p.Submission)
}

// panicked makes an error of a panic.
func panicked(err *error) {
	if p := recover(); p != nil {
		*err = integration.NewError("States.TaskFailed", fmt.Sprintf("the integration panicked: %v\n%s", p, debug.Stack()), integration.EffectUnknown)
	}
}

// forsaken reports whether a job is to stop what a service works on for nobody.
func forsaken(j *machine.Job) bool { return j.Kind == machine.Halt && j.Answer != 0 }

// It is tried to stop what a service works on for that long, and that often.
const (
	stopPatience = time.Hour
	stopTries    = 10
)

// forsake asks a service to stop what nobody waits for any more, as well as it
// can, and then says that this is done.
func (e *Engine) forsake(er *errand) {
	p, heard, err := e.consult(er, func(ctx context.Context, p *pending) error { return p.stop(ctx) })
	if !heard {
		return
	}
	var final *integration.Error
	if err != nil && !errors.As(err, &final) && (p.Age < stopPatience || er.tries < stopTries) {
		if e.dispatcher.park(er) {
			e.alarms.set(alarmKey{er.key, true}, e.now()+e.pollPause(p.Age.Milliseconds()))
		}
		return
	}
	if err != nil {
		e.cfg.Log.Warn("what a service works on could not be stopped", "execution", p.Execution, "state", p.State, "error", err)
	}
	e.deliver(er, machine.Message{Kind: machine.JobSucceeded, Job: p.job.ID})
}

// stop asks once. A poller that panics has failed.
func (p *pending) stop(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, pollPatience)
	defer cancel()
	defer panicked(&err)
	if p.poller == nil {
		return integration.NewError("States.Runtime", "No integration stops the resource "+p.Resource+" here.", integration.EffectUnknown)
	}
	return p.poller.Stop(ctx, p.Submission)
}
