package engine

import (
	"context"
	"errors"
	"time"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// waiter is a caller of Wait.
type waiter struct {
	after int64
	news  chan machine.Head // room for one
}

func (w *waiter) content(h *machine.Head) bool {
	return h.LastEvent > w.after || h.Status.Ended()
}

// Wait returns what an execution was started with, and its head as soon as its
// history goes beyond event `after` or it has ended, or as it stands at the
// timeout. Nothing polls.
func (e *Engine) Wait(ctx context.Context, id store.ID, after int64, timeout time.Duration) (start machine.Start, head machine.Head, err error) {
	s := e.shardOf(id)
	if s == nil {
		return start, head, ErrNotFound
	}
	w := &waiter{after: after, news: make(chan machine.Head, 1)}
	start, head, err = e.stands(ctx, s, id)
	if err != nil || w.content(&head) || timeout <= 0 || e.shut.Err() != nil {
		return start, head, err
	}
	if e.metrics.Waiters.Add(1) > int64(e.cfg.Limits.Waiters) {
		e.metrics.Waiters.Add(-1)
		return start, head, ErrBusy
	}
	defer e.metrics.Waiters.Add(-1)
	r := s.hold(id)
	switch err := e.awaken(s, r); {
	case err != nil && !errors.Is(err, ErrQuarantined):
		s.release(r)
		return start, head, err
	case w.content(&r.x.Head):
		defer s.release(r)
		return start, r.x.Head, nil
	}
	r.waiters = append(r.waiters, w)
	s.keep(r)
	s.release(r)
	defer s.leave(r)
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case head = <-w.news:
		return start, head, nil
	case <-timer.C:
	case <-e.shut.Done():
	case <-ctx.Done():
		err = ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(w)
	if r.x != nil {
		head = r.x.Head
	}
	return start, head, err
}

// stands is an execution's start and head: those of memory where the execution
// is there, for what is in memory is durable.
func (e *Engine) stands(ctx context.Context, s *shard, id store.ID) (start machine.Start, head machine.Head, err error) {
	if r := s.find(id); r != nil {
		known := r.stands(s)
		if known {
			start, head = r.x.Start, r.x.Head
		}
		if s.release(r); known {
			return start, head, nil
		}
	}
	return e.Execution(ctx, id)
}

// stands reports whether the execution in memory is the one on disk. The
// resident is held.
func (r *resident) stands(s *shard) bool {
	return r.x != nil && r.epoch == s.epoch.Load() && !r.volatile.Load()
}

// tell gives the news to those who wait for it.
func (r *resident) tell() {
	kept := r.waiters[:0]
	for _, w := range r.waiters {
		if w.content(&r.x.Head) {
			w.news <- r.x.Head
			continue
		}
		kept = append(kept, w)
	}
	clear(r.waiters[len(kept):])
	r.waiters = kept
}

func (r *resident) forget(w *waiter) {
	for i, other := range r.waiters {
		if other == w {
			r.waiters = append(r.waiters[:i], r.waiters[i+1:]...)
			return
		}
	}
}
