package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// An express execution takes the same turns as any other, but what they decide
// is kept in memory alone. One that nobody waits for has a record on disk from
// its start to its end, and is run anew where that is found after a crash.

// Outcome is an express execution's end.
type Outcome struct {
	ID     store.ID
	Name   string
	ARN    string
	At     int64 // UTC ms
	Stop   int64
	Status machine.Status
	Output value.Text // of one that SUCCEEDED
	Error  *string
	Cause  *string
}

// RunExpress runs an express execution to its end. Where ctx ends before, the
// execution goes on and its outcome is lost.
func (e *Engine) RunExpress(ctx context.Context, r StartRequest) (Outcome, error) {
	ended := make(chan Outcome, 1)
	if err := e.enterExpress(ctx, r, func(o Outcome) { ended <- o }); err != nil {
		return Outcome{}, err
	}
	select {
	case o := <-ended:
		return o, nil
	case <-ctx.Done():
		return Outcome{}, ctx.Err()
	case <-e.ctx.Done():
		return Outcome{}, ErrNotReady
	}
}

// leastExpressBytes are taken for executions in memory however little may be kept.
const leastExpressBytes = 64 << 20

// enterExpress takes an express execution's first turn; ended hears of its end.
func (e *Engine) enterExpress(ctx context.Context, r StartRequest, ended func(Outcome)) error {
	if err := e.starts.enter(ctx, r.owner()); err != nil {
		return err
	}
	defer e.starts.leave(r.owner())
	x, err := e.newExpress(r)
	if err != nil {
		return err
	}
	return e.beginExpress(x, r.Input, ended)
}

// StartExpress starts an express execution and returns once its start is
// durable. It runs at least once: after a crash anew.
func (e *Engine) StartExpress(ctx context.Context, r StartRequest) (Started, error) {
	if err := e.starts.enter(ctx, r.owner()); err != nil {
		return Started{}, err
	}
	defer e.starts.leave(r.owner())
	x, err := e.newExpress(r)
	if err != nil {
		return Started{}, err
	}
	err = e.record(x, r.Input)
	if e.again(err) {
		err = e.record(x, r.Input)
	}
	if err != nil {
		return Started{}, err
	}
	id := store.ID(x.Start.ID)
	started := Started{ID: id, Name: x.Start.Name, At: x.Start.At}
	if !e.owns(id) { // its owner runs it
		return started, nil
	}
	if err := e.beginExpress(x, r.Input, e.dropAfter(id)); err != nil {
		// The record is durable, so the start is: it is taken up from there.
		e.shardOf(id).readAgain()
	}
	return started, nil
}

func (e *Engine) newExpress(r StartRequest) (*machine.Execution, error) {
	if err := e.admitExpress(&r); err != nil {
		return nil, err
	}
	return e.newExecution(r, true)
}

// admitExpress is admit for what is kept in memory alone: there is room for one
// more of them, and for its bytes. What can leave memory has left it where they
// take twice as much as all may.
func (e *Engine) admitExpress(r *StartRequest) error {
	if e.metrics.Express.Load() >= int64(e.cfg.Limits.Express) || e.held.bytes.Load() > max(leastExpressBytes, 2*e.cfg.Limits.CachedBytes) {
		return ErrBusy
	}
	return e.admit(r.owner())
}

// beginExpress takes the first turn. When the execution has ended, ended hears
// of it, once.
func (e *Engine) beginExpress(x *machine.Execution, input value.Text, ended func(Outcome)) error {
	id := store.ID(x.Start.ID)
	program, err := e.cfg.Programs(e.ctx, x.Start.Definition)
	if err != nil {
		return fmt.Errorf("start of execution %s: %w", id, err)
	}
	s := e.shardOf(id)
	r := s.hold(id)
	defer s.release(r)
	if r.volatile.Load() {
		if p := x.Start.Parent; p != nil && *r.x.Start.Parent != *p {
			return errStopping
		}
		return nil // it is running
	}
	r.x, r.program = x, program
	r.volatile.Store(true)
	r.ended = func() {
		e.metrics.Express.Add(-1)
		s.leave(r)
		ended(outcomeOf(r.x))
	}
	s.keep(r)
	e.metrics.Express.Add(1)
	if _, err := e.take(s, r, machine.Message{Kind: machine.Begin, Output: input}, nil); err != nil {
		if r.x != nil && r.x.Head.Status.Ended() { // it broke when it had begun, and has failed by that
			return nil
		}
		r.x = nil
		r.volatile.Store(false)
		e.metrics.Express.Add(-1)
		s.leave(r)
		return err
	}
	return nil
}

func outcomeOf(x *machine.Execution) Outcome {
	return Outcome{
		ID: store.ID(x.Start.ID), Name: x.Start.Name, ARN: x.Start.ExecutionARN(), At: x.Start.At, Stop: x.Head.Stop,
		Status: x.Head.Status, Output: x.Payloads[x.Head.Output], Error: x.Head.Error, Cause: x.Head.Cause,
	}
}

// The numbers of the rows, among an execution's jobs, that make an express
// start be found on disk, and of the errand that takes its record away.
const (
	expressMark = 1<<32 - 2
	expressDrop = 1<<32 - 3
)

// record makes a start durable: the execution's row, its input, and a job that
// is found when the shard is read.
func (e *Engine) record(x *machine.Execution, input value.Text) error {
	id := store.ID(x.Start.ID)
	s := e.shardOf(id)
	epoch := s.epoch.Load()
	b := &store.Batch{
		Executions: []store.Execution{{ID: id, Start: machine.Append(nil, &x.Start), Body: machine.Append(nil, &x.Head)}},
		Payloads:   []store.Payload{{ID: id, Number: 1, Body: []byte(orEmpty(input))}},
		Jobs:       []store.Job{{JobKey: store.JobKey{ID: id, Number: expressMark}, Due: x.Start.At}},
	}
	if epoch == 0 && e.again(ErrNotReady) {
		return e.recordElsewhere(e.ctx, b)
	}
	err := e.underLease(e.ctx, s, epoch, b)
	switch {
	case err == nil:
		e.metrics.Commits.Add(1)
		e.storeAnswered()
		return nil
	case errors.Is(err, ErrNotReady):
		return ErrNotReady
	case errors.Is(err, store.ErrUnknown):
		e.metrics.Unknown.Add(1)
		if _, unread := e.cfg.Store.Execution(e.ctx, id); unread == nil {
			return nil
		}
		s.readAgain()
	}
	return e.storeFailed(fmt.Errorf("record of execution %s: %w", id, err))
}

// dropAfter takes an express execution's record away when it has ended.
func (e *Engine) dropAfter(id store.ID) func(Outcome) {
	return func(Outcome) {
		er := &errand{key: store.JobKey{ID: id, Number: expressDrop}, do: (*Engine).dropRecord, kept: true, must: true}
		e.dispatcher.send(er, turning, ownerKey{})
	}
}

func (e *Engine) dropRecord(er *errand) {
	id := er.key.ID
	s := e.shardOf(id)
	b := &store.Batch{
		DropExecutions: []store.ID{id},
		DropJobs:       []store.Job{{JobKey: store.JobKey{ID: id, Number: expressMark}, Due: id.Start()}},
	}
	if err := e.underLease(e.ctx, s, s.epoch.Load(), b); err != nil {
		e.postpone(er, err) // taking it away twice does no harm
	}
}

// rerunExpress runs an express execution whose record was found on disk, unless
// it is running.
func (e *Engine) rerunExpress(er *errand) {
	id := er.key.ID
	start, _, err := e.Execution(e.ctx, id)
	if errors.Is(err, ErrNotFound) {
		return
	}
	if err != nil {
		e.postpone(er, err)
		return
	}
	texts, err := Texts(e.ctx, e.cfg.Store, id, []uint32{1})
	if err != nil {
		e.postpone(er, err)
		return
	}
	if err := e.beginExpress(machine.New(start), value.Checked(texts[0]), e.dropAfter(id)); err != nil {
		e.postpone(er, err)
	}
}
