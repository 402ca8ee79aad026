package engine

import (
	"context"
	"errors"
	"time"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// Standing is where an execution stands at one moment: what it was started with
// and its head. Input and Output are the head's payloads where memory has them,
// else zero: [Engine.Texts] reads them.
type Standing struct {
	Start         machine.Start
	Head          machine.Head
	Input, Output value.Text
}

// standing is where the execution in memory stands.
func (r *resident) standing() Standing {
	return Standing{Start: r.x.Start, Head: r.x.Head, Input: r.x.Payloads[r.x.Head.Input], Output: r.x.Payloads[r.x.Head.Output]}
}

// waiter is a caller of Wait.
type waiter struct {
	after int64
	news  chan Standing // room for one
}

func (w *waiter) content(h *machine.Head) bool {
	return h.LastEvent > w.after || h.Status.Ended()
}

// Wait returns where an execution stands as soon as its history goes beyond
// event `after` or it has ended, or at the timeout. Nothing polls, but for who waits
// for an execution of another node: he looks at its row, more and more seldom.
func (e *Engine) Wait(ctx context.Context, id store.ID, after int64, timeout time.Duration) (Standing, error) {
	s := e.shardOf(id)
	if s == nil {
		return Standing{}, ErrNotFound
	}
	w := &waiter{after: after, news: make(chan Standing, 1)}
	now, err := e.stands(ctx, s, id)
	if err != nil || w.content(&now.Head) || timeout <= 0 || e.shut.Err() != nil {
		return now, err
	}
	if e.metrics.Waiters.Add(1) > int64(e.cfg.Limits.Waiters) {
		e.metrics.Waiters.Add(-1)
		return now, ErrBusy
	}
	defer e.metrics.Waiters.Add(-1)
	r := s.hold(id)
	switch err := e.awaken(s, r); {
	case e.again(err):
		s.release(r)
		return e.waitElsewhere(ctx, id, w, timeout)
	case err != nil && !errors.Is(err, ErrQuarantined):
		s.release(r)
		return now, err
	case w.content(&r.x.Head):
		defer s.release(r)
		return r.standing(), nil
	}
	r.waiters = append(r.waiters, w)
	epoch := r.epoch
	s.keep(r)
	s.release(r)
	defer s.leave(r)
	end := time.Now().Add(timeout)
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	look, stop := e.elsewhere()
	defer stop()
	for waits := true; waits; {
		select {
		case now = <-w.news:
			return now, nil
		case <-look:
			if waits = r.volatile.Load() || s.epoch.Load() == epoch; !waits { // another node has it by now, or had it
				now, err = e.waitElsewhere(ctx, id, w, time.Until(end))
			}
			continue
		case <-timer.C:
		case <-e.shut.Done():
		case <-ctx.Done():
			err = ctx.Err()
		}
		waits = false
	}
	r.mu.Lock()
	r.forget(w)
	r.mu.Unlock()
	if err != nil || w.content(&now.Head) {
		return now, err
	}
	return e.stands(ctx, s, id)
}

// waitElsewhere is Wait for an execution of another node.
func (e *Engine) waitElsewhere(ctx context.Context, id store.ID, w *waiter, timeout time.Duration) (Standing, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.shut, cancel)()
	for waited, pause := time.Duration(0), lookLeast; ; pause = min(pause*3/2, time.Second) {
		start, head, err := e.Execution(context.WithoutCancel(ctx), id)
		if err != nil || w.content(&head) || waited >= timeout {
			return Standing{Start: start, Head: head}, err
		}
		pause = min(pause, timeout-waited)
		if err := e.cfg.Pause(ctx, pause); err != nil {
			if e.shut.Err() != nil {
				err = nil
			}
			return Standing{Start: start, Head: head}, err
		}
		waited += pause
	}
}

// stands is where an execution stands: in memory where it is there, for what is
// in memory is durable, as long as no other node can have gone on with it.
func (e *Engine) stands(ctx context.Context, s *shard, id store.ID) (Standing, error) {
	if r := s.find(id); r != nil {
		var now Standing
		known := r.stands(s) && e.isSure(s)
		if known {
			now = r.standing()
		}
		if s.release(r); known {
			return now, nil
		}
	}
	start, head, err := e.Execution(ctx, id)
	return Standing{Start: start, Head: head}, err
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
			w.news <- r.standing()
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
