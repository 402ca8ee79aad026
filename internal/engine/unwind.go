package engine

import (
	"errors"
	"strings"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// A saga that has started executions undoes them by their own logs (SAGA.md §3,
// nested executions). Its job asks each of them, and looks again until nothing
// is left of them: a child that waits for a person keeps its parent waiting.

// errUnwinding says that a nested execution is still being undone.
var errUnwinding = errors.New("a nested execution is being undone")

// impossible says why a nested execution can't be undone.
func impossible(why string) error {
	return integration.NewError(notCompensable, why, integration.EffectNone)
}

const notCompensable = "Saga.NotCompensable"

// refusingToUndo puts into a reply why an execution can't be undone.
func (r *reply) refusingToUndo(err error) bool {
	var failed *integration.Error
	if errors.As(err, &failed) && failed.Name == notCompensable {
		r.Refusal, r.Reason = "undo", failed.Cause
		return true
	}
	return false
}

// unwind undoes the executions that a step has started.
func (e *Engine) unwind(er *errand) {
	start, asked, made, err := e.unwinding(er.key)
	if err == nil && !asked.IsAbsent() {
		err = e.unwindAll(er, &start, asked, made)
	}
	job := machine.JobID(er.key.Number)
	var failed *integration.Error
	switch {
	case errors.As(err, &failed):
		e.deliver(er, machine.Message{Kind: machine.JobFailed, Job: job, Effect: machine.Effect(failed.Effect),
			Failure: &machine.Failure{Error: &failed.Name, Cause: &failed.Cause}})
	case err != nil:
		e.postpone(er, err)
	case !asked.IsAbsent():
		e.deliver(er, machine.Message{Kind: machine.JobSucceeded, Job: job, Output: value.Checked("{}")})
	}
}

// unwinding reads whom a job has undone, absent where it is over, and when it
// was made.
func (e *Engine) unwinding(k store.JobKey) (start machine.Start, asked value.Value, made int64, err error) {
	s, r, j, err := e.awakeFor(k)
	if err != nil {
		return start, asked, 0, err
	}
	defer s.release(r)
	if j == nil || j.Kind != machine.Unwind {
		return start, asked, 0, nil
	}
	return r.x.Start, r.x.Payloads[j.Request].Decode(), j.Made, nil
}

// unwindAll undoes whom a request means: the children of a map run, executions by
// their ARNs, or what the attempts of a step have started.
func (e *Engine) unwindAll(er *errand, start *machine.Start, asked value.Value, made int64) error {
	if run := asked.Get("MapRun"); !run.IsAbsent() {
		id, _ := machine.MapRunID(run.AsString())
		most, _ := asked.Get("MaxConcurrency").AsInt()
		return e.unwindRun(er, store.ID(id), int(most), made)
	}
	if arn := asked.Get("ExecutionArn"); !arn.IsAbsent() {
		machineName, name, ok := executionNamed(arn.AsString())
		if !ok {
			return impossible("There is no execution " + arn.AsString())
		}
		return e.unwindNamed(start, machineName, name, machine.ID{}, made)
	}
	arn := asked.Get("StateMachineArn").AsString()
	switch {
	case arn == "" && !asked.Has("StepId"):
		return impossible("The request names no execution: it must have an ExecutionArn")
	case arn == "":
		return nil // it was never called
	}
	m, err := e.machine(start, arn)
	if err != nil {
		m = Machine{Account: start.Account, Region: start.Region, Name: machineNamed(arn)}
	}
	if name := asked.Get("Name").AsString(); name != "" {
		return e.unwindNamed(start, m.Name, name, start.ID, made)
	}
	step := machine.Request{StepID: asked.Get("StepId").AsString()}
	attempts, _ := asked.Get("Attempts").AsInt()
	for attempt := attempts; attempt > 0; attempt-- {
		if err := e.unwindNamed(start, m.Name, step.Child(uint32(attempt)), start.ID, made); err != nil {
			return err
		}
	}
	return nil
}

// unwindNamed undoes the execution of a name. Where it is one that only this
// parent would give, and nobody has it, nobody ever will.
func (e *Engine) unwindNamed(start *machine.Start, machineName, name string, parent machine.ID, made int64) error {
	id, err := e.Find(e.ctx, start.Account, start.Region, machineName, name)
	switch {
	case errors.Is(err, ErrNotFound) && parent == machine.ID{}:
		return impossible("There is no execution " + name + " of " + machineName)
	case errors.Is(err, ErrNotFound):
		return e.fenceName(start, machineName, name)
	case err != nil:
		return err
	case id == nobody(id.Shard()): // fenced before
		return nil
	}
	return e.unwindOne(id, parent, made)
}

// fenceName gives a name to nobody, so that nobody ever has it.
func (e *Engine) fenceName(start *machine.Start, machineName, name string) error {
	k := store.NameKey{Shard: e.ShardOf(start.Account, start.Region, machineName, name), Tenant: Tenant(start.Account, start.Region),
		Machine: machineName, Name: name}
	err := e.cfg.Store.Commit(e.ctx, &store.Batch{ExpectNames: []store.NameKey{k}, Names: []store.Name{{NameKey: k, ID: nobody(k.Shard)}}})
	if errors.Is(err, store.ErrConflict) { // it was started meanwhile
		return errUnwinding
	}
	return err
}

// nobody is the id of no execution, to which a name is given that nobody is to
// have.
func nobody(shard store.Shard) store.ID { return store.NewID(shard, 0, [8]byte{}) }

// unwindOne undoes one execution. One of another parent, where that is given, is
// left alone: it is none of this step's.
func (e *Engine) unwindOne(id store.ID, parent machine.ID, made int64) error {
	err := e.unwindHere(id, parent, made)
	switch {
	case e.again(err):
		_, err = e.askOf(id, order{What: orderUnwind, Parent: &parent, Made: made})
	case errors.Is(err, ErrNotReady):
		err = errElsewhere
	}
	if errors.Is(err, ErrQuarantined) {
		return impossible("The execution is quarantined")
	}
	return err
}

// unwindHere is unwindOne for an execution of ours.
func (e *Engine) unwindHere(id store.ID, parent machine.ID, made int64) error {
	done, why := false, ""
	look := func(r *resident) bool {
		h := &r.x.Head
		over := h.Status.Ended() && h.OpenSagas == 0
		settled := over && h.Spent // and so it stays
		status := h.SagaStatus()
		switch {
		case parent != machine.ID{} && (r.x.Start.Parent == nil || r.x.Start.Parent.ID != parent):
			done = true
		case over && status == machine.SagaAborted.String():
			done = settled
		case !r.program.HasSagas():
			why = "The execution has no saga"
		case over && h.Sagas == 0: // it came to no saga, and did nothing that is to be undone
			done = settled
		case over && h.Now >= made && status != machine.SagaCompleted.String():
			why = "The execution's saga has ended as " + status
		case h.Sagas > 0:
			why = r.x.Uncompensable()
		}
		return !done && why == ""
	}
	turned, err := e.turn(id, machine.Message{Kind: machine.CompensateSagas, Final: true}, &rider{before: look, asked: true})
	switch {
	case err != nil:
		return err
	case why != "":
		return impossible(why)
	case done:
		return nil
	case !turned.changed && turned.head.Status.Ended() && turned.head.OpenSagas == 0: // nothing of it can be tried again
		return impossible("The execution's saga has ended as " + turned.head.SagaStatus())
	}
	return errUnwinding
}

// executionNamed reads the ARN of an execution.
func executionNamed(arn string) (machineName, name string, ok bool) {
	part := strings.Split(arn, ":")
	if len(part) != 8 || part[2] != "states" || part[5] != "execution" {
		return "", "", false
	}
	return part[6], part[7], true
}

// unwindRun undoes the children of a map run, so many at once. The run is stopped
// first: from then on it begins no child that it has not numbered. One that is
// not there never was, and never will be: see beginRun.
func (e *Engine) unwindRun(er *errand, id store.ID, most int, made int64) error {
	if most <= 0 || most > e.cfg.Quotas.InlineMap {
		most = e.cfg.Quotas.InlineMap
	}
	var run machine.Start
	children := 0
	_, err := e.turn(id, machine.Message{Kind: machine.Stop, Failure: &machine.Failure{}}, &rider{before: func(r *resident) bool {
		run = r.x.Start
		return true
	}, after: func(r *resident) { children = r.x.Head.Run.Children }})
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case errors.Is(err, ErrQuarantined):
		return impossible("The map run is quarantined")
	case err != nil:
		return err
	}
	busy := 0
	var failed error
	for n := er.place + 1; n <= children; n++ {
		err := e.unwindNamed(&run, run.Machine, run.ID.Step(uint32(n)), run.ID, made)
		var hopeless *integration.Error
		switch {
		case errors.Is(err, errUnwinding):
			if busy++; busy == most {
				return err
			}
		case errors.As(err, &hopeless):
			failed = err
		case err != nil:
			return err
		case busy == 0 && failed == nil:
			er.place = n
		}
	}
	if busy > 0 {
		return errUnwinding
	}
	return failed
}
