package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// quarantine holds an execution that can't be decided, with its reason, so that
// it is not tried again and again. Nothing else of it changes. One that is in
// memory alone fails.
func (e *Engine) quarantine(s *shard, r *resident, why error) error {
	var broken *brokenError
	if !errors.As(why, &broken) {
		return why
	}
	e.metrics.Quarantined.Add(1)
	e.cfg.Log.Error("an execution is quarantined", "execution", r.x.Start.ExecutionARN(), "reason", broken.what, "stack", string(broken.stack))
	held := fmt.Errorf("%w: %s", ErrQuarantined, broken.what)
	if r.x.Head.Status == 0 {
		return held
	}
	r.held = broken.what
	for id := range r.x.Jobs {
		k := store.JobKey{ID: r.id, Number: uint32(id)}
		e.alarms.clear(k)
		e.dispatcher.abandon(k)
	}
	if r.volatile.Load() {
		name := "States.Runtime"
		r.x = machine.New(r.x.Start)
		r.x.Head = machine.Head{Status: machine.Failed, Stop: e.now(), Error: &name, Cause: &broken.what}
		if r.x.Start.Map != nil {
			e.tellOfBroken(r.x.Ending(e.cfg.Quotas))
		}
		r.tell()
		r.ended()
		return held
	}
	b := heldBatch(r)
	e.notice(b, r, e.now())
	if err := e.underLease(e.ctx, s, r.epoch, b); err != nil {
		r.x = nil
		s.readAgain()
		return fmt.Errorf("quarantine execution %s: %w", r.id, err)
	}
	r.x = nil
	return held
}

// Reconsider lets an execution that is quarantined go on as if its node had died:
// for a program that may know better by now. Its calls are made again, under the
// same keys, and what can't be decided then is quarantined anew. Who decided so, and
// why, goes into its history, as far as that has room. One that is not quarantined
// stays as it is; one whose rows can't be read, or whose definition is refused, is
// ErrQuarantined still.
func (e *Engine) Reconsider(id store.ID, decided machine.Resolution) error {
	err := e.reconsiderHere(id, decided)
	if !e.again(err) {
		return err
	}
	told, err := e.askFirst(e.ctx, id, resolution(orderReconsider, decided))
	if err != nil {
		return err
	}
	return told.err()
}

func (e *Engine) reconsiderHere(id store.ID, decided machine.Resolution) error {
	s := e.shardOf(id)
	if s == nil {
		return ErrNotFound
	}
	r := s.hold(id)
	defer s.release(r)
	err := e.awaken(s, r)
	if !errors.Is(err, ErrQuarantined) || r.x == nil || r.unread || r.program == nil {
		return err
	}
	env := e.env()
	env.Now = e.now()
	if err := e.release(s, r, r.x.Reconsidered(env, &decided, r.held), nil); err != nil {
		return fmt.Errorf("reconsider execution %s: %w", id, err)
	}
	return nil
}

// Abandon ends an execution that is quarantined as it stands: its sagas are ABANDONED,
// its saga log lists what is owed, and it FAILED by Saga.Abandoned. It needs no more
// than the execution's head; rows that can't be read are taken away. One that is not
// quarantined, and a lock, are a *SagaError.
func (e *Engine) Abandon(ctx context.Context, id store.ID, decided machine.Resolution) error {
	err := e.abandonHere(ctx, id, decided)
	if !e.again(err) {
		return err
	}
	told, err := e.askFirst(ctx, id, resolution(orderAbandon, decided))
	if err != nil {
		return err
	}
	return told.err()
}

func (e *Engine) abandonHere(ctx context.Context, id store.ID, decided machine.Resolution) error {
	s := e.shardOf(id)
	if s == nil {
		return ErrNotFound
	}
	r := s.hold(id)
	defer s.release(r)
	err := e.awaken(s, r)
	switch {
	case err == nil:
		return &SagaError{"The execution is not quarantined any more"}
	case !errors.Is(err, ErrQuarantined) || r.x == nil:
		return err
	case r.x.Start.Lock:
		return &SagaError{"A lock can not be abandoned: try it again"}
	}
	loaded, err := e.cfg.Store.Load(ctx, id)
	if err != nil {
		return fmt.Errorf("load execution %s: %w", id, err)
	}
	if err := e.lendReadable(ctx, r); err != nil {
		r.x = nil
		return err
	}
	env := e.env()
	env.Now = e.now()
	d := r.x.EndQuarantined(env, r.program, &decided, r.held)
	if err := e.release(s, r, d, unreadable(r, &loaded)); err != nil {
		return fmt.Errorf("abandon execution %s: %w", id, err)
	}
	return nil
}

// lendReadable gives the execution all rows of its saga log that can be read.
func (e *Engine) lendReadable(ctx context.Context, r *resident) error {
	var rows []*machine.Undo
	err := e.walkRows(ctx, r.id, 0, math.MaxUint32, e.cfg.Limits.Page, func(row *store.Undo) bool {
		u, err := machine.Decode[machine.Undo](row.Body)
		if err != nil {
			e.cfg.Log.Error("a row of a saga log can't be read, and is passed over", "execution", r.id, "row", row.Number, "error", err)
			return true
		}
		rows = append(rows, u)
		return true
	})
	r.x.LendLog(rows)
	return err
}

// unreadable takes the rows away that an execution in memory is without.
func unreadable(r *resident, loaded *store.Loaded) *store.Batch {
	b := new(store.Batch)
	for i := range loaded.Frames {
		if n := loaded.Frames[i].Number; r.x.Frames[machine.FrameID(n)] == nil {
			b.DropFrames = append(b.DropFrames, store.FrameKey{ID: r.id, Number: n})
		}
	}
	for i := range loaded.Jobs {
		if k := loaded.Jobs[i].JobKey; k.Number < expressMark && r.x.Jobs[machine.JobID(k.Number)] == nil {
			b.DropJobs = append(b.DropJobs, store.Job{JobKey: k, Due: loaded.Jobs[i].Due})
		}
	}
	return b
}

// release stores what was decided about an execution without asking what may be
// broken in it, takes its mark away, and has it read anew.
func (e *Engine) release(s *shard, r *resident, d machine.Delta, with *store.Batch) error {
	defer func() {
		r.x = nil
		s.readAgain()
		s.lookAgain(r.id)
	}()
	w := writers.Get().(*writer)
	defer writers.Put(w)
	b := w.batch(r, &d, nil, false)
	held := heldBatch(r)
	b.DropJobs = append(b.DropJobs, held.Jobs...)
	b.DropIndex = append(b.DropIndex, held.Index[0].IndexKey)
	if with != nil {
		b.DropFrames, b.DropJobs = append(b.DropFrames, with.DropFrames...), append(b.DropJobs, with.DropJobs...)
	}
	if err := e.underLease(e.ctx, s, r.epoch, b); err != nil {
		return err
	}
	if !d.IsEmpty() {
		e.released(r, &d)
	}
	return nil
}

// released lets the outside know. What is broken may keep it from knowing all.
func (e *Engine) released(r *resident, d *machine.Delta) {
	defer func() {
		if p := recover(); p != nil {
			e.cfg.Log.Error("what became of a quarantined execution can't be told", "execution", r.id, "reason", p, "stack", string(debug.Stack()))
		}
	}()
	if !r.x.Start.Lock {
		e.report(r, d)
		e.metrics.count(r.x.Head.Status, d.Head.Status)
	}
	for _, id := range d.Closed {
		if j := r.x.Jobs[id]; knows(r, j) && orphans(r, j, machine.Message{Kind: machine.Stop}) {
			e.stopNested(r, j)
		}
	}
	r.x.Apply(*d)
	r.tell()
}

// knows reports whether there is a program that has the state of a job.
func knows(r *resident, j *machine.Job) bool {
	return r.program != nil && r.program.States[j.State] != nil
}
