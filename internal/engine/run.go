package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Run turns the engine until ctx ends, which is no error, or the store has
// stopped for good, which is. A store that is away for a time is waited for. It
// is called once.
func (e *Engine) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan struct{}, 3)
	for _, loop := range [...]func(context.Context) error{e.renewing, e.firing, e.turning} {
		go func() {
			defer func() { ended <- struct{}{} }()
			if err := loop(ctx); err != nil {
				cancel(err)
			}
		}()
	}
	for range cap(ended) {
		<-ended
	}
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// renewing keeps the leases, and gives up when the store has. What keeps the store
// from answering is said once, and not four times a second.
func (e *Engine) renewing(ctx context.Context) error {
	for said := ""; ; {
		err := e.Renew(e.now())
		if stopped := e.storeStopped(); stopped != nil {
			return stopped
		}
		pause := e.cfg.Limits.Lease / (2 * leaseTardy)
		if !e.apart() {
			pause = min(pause, renewPause)
		}
		switch {
		case err != nil:
			if text := err.Error(); text != said {
				e.cfg.Log.Error("the store does not answer", "error", err)
				said = text
			}
			pause = min(pause, e.cfg.Limits.RetryMost) / 4
		case said != "":
			e.cfg.Log.Info("the store answers again")
			said = ""
		}
		e.alarms.nudge()
		if !sleep(ctx, pause, e.stopped) {
			return nil
		}
	}
}

// renewPause is after how long a node sees that others have come, gone or given
// shards back.
const renewPause = 500 * time.Millisecond

// firing does what is due, when it is due.
func (e *Engine) firing(ctx context.Context) error {
	for {
		e.Fire(e.now())
		now := e.now()
		e.alarms.looksAt(now + firePause)
		pause := min(e.Next(now)-now, firePause)
		if !sleep(ctx, max(time.Duration(pause)*time.Millisecond, time.Millisecond), e.alarms.wake) {
			return nil
		}
	}
}

// firePause is how long nobody looks for what is due unless he is woken, in milliseconds.
const firePause = 1000

// turning reads inboxes when another node hints at them, and from time to time
// in case a hint was lost. That they can't be read is said once, and that they can
// again; who has no shard by then reads none, and does not know.
func (e *Engine) turning(ctx context.Context) error {
	hints := e.cfg.Store.Watch(ctx)
	failures := 0 // since they could be read
	turn := func(s *shard) {
		err := e.Turn(s.number)
		if err == nil {
			return
		}
		if failures++; failures == 1 {
			e.cfg.Log.Warn("inboxes can not be read", "shard", s.number, "error", err)
		}
	}
	for {
		before := failures
		for _, s := range e.shards {
			turn(s)
		}
		if failures > 0 && failures == before && e.owned() > 0 {
			e.cfg.Log.Info("inboxes can be read again", "failures", failures)
			failures = 0
		}
		for again := time.After(inboxPause); again != nil; {
			select {
			case <-ctx.Done():
				return nil
			case <-again:
				again = nil
			case h, open := <-hints:
				switch {
				case !open:
					hints = nil
				case int(h.Shard) < len(e.shards): // else it is somebody else's word
					e.shards[h.Shard].look()
					turn(e.shards[h.Shard])
				}
			}
		}
	}
}

// inboxPause is how long a message may wait in an inbox whose hint was lost.
const inboxPause = time.Second

// sleep waits that long, or until woken; false where ctx has ended.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-wake:
	}
	return true
}

// Drain stops taking starts, ends long polls, lets the calls in flight end
// until ctx does, and gives the leases back. Calls that did not end are made
// again by whoever takes the shards next: nothing fails by it. The error is that not
// all leases could be given back: they run out.
func (e *Engine) Drain(ctx context.Context) error {
	e.drained.Store(true)
	e.endPolls()
	idle := e.dispatcher.close()
	err := e.handOver(ctx, idle)
	if ctx.Err() != nil {
		e.dispatcher.breakOff()
		select {
		case <-idle:
		case <-time.After(breakGrace):
			e.cfg.Log.Warn("calls do not end although they were told to")
		}
	}
	e.leasing.Lock()
	defer e.leasing.Unlock()
	at, unread := e.cfg.Store.Now(e.ctx)
	if unread != nil {
		return errors.Join(err, fmt.Errorf("give leases back: %w", unread))
	}
	return errors.Join(err, e.giveBack(at, func(*shard) bool { return true }))
}

// handOver gives each shard back as soon as no call is under way for it, until none
// is any more or ctx ends. The leases on the others are renewed meanwhile.
func (e *Engine) handOver(ctx context.Context, idle <-chan struct{}) (failed error) {
	if e.apart() {
		select {
		case <-idle:
		case <-ctx.Done():
		}
		return nil
	}
	for gone := false; ; {
		e.leasing.Lock()
		gone = gone || e.vanish(e.cfg.Node) == nil
		if at, err := e.cfg.Store.Now(e.ctx); err == nil {
			failed = errors.Join(failed, e.giveBack(at, func(s *shard) bool { return !e.dispatcher.callsFor(s.number) }))
		}
		e.leasing.Unlock()
		select {
		case <-idle:
			return failed
		case <-ctx.Done():
			return failed
		case <-time.After(handOverPause):
		}
	}
}

// handOverPause is how long a shard may wait to be given back whose calls have
// ended.
const handOverPause = 50 * time.Millisecond

// breakGrace is how long calls may take to end that were told to.
const breakGrace = 2 * time.Second

// Close ends everything that is still under way. What was acknowledged is
// durable; the store is the caller's to close.
func (e *Engine) Close() {
	e.drained.Store(true)
	e.endPolls()
	e.dispatcher.close()
	e.dispatcher.breakOff()
	e.end()
}

// workers run functions on the side. A goroutine that has nothing to do stays
// for the next function, a few of them at most: its stack has grown already.
type workers struct {
	idle atomic.Int32
	next chan func()
	end  <-chan struct{}
}

const mostIdle = 64

func (w *workers) spawn(f func()) {
	select {
	case w.next <- f:
	default:
		go w.work(f)
	}
}

func (w *workers) work(f func()) {
	for {
		f()
		if w.idle.Add(1) > mostIdle {
			w.idle.Add(-1)
			return
		}
		select {
		case f = <-w.next:
			w.idle.Add(-1)
		case <-w.end:
			return
		}
	}
}

// storeFailed notes that the store could not do its work, and returns the
// error.
func (e *Engine) storeFailed(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	e.failing.Store(true)
	if e.storeStopped() != nil {
		select {
		case e.stopped <- struct{}{}:
		default:
		}
	}
	return err
}

// storeAnswered notes that the store does its work.
func (e *Engine) storeAnswered() {
	if e.failing.Load() {
		e.failing.Store(false)
	}
}

// storeStopped is why the store will not do anything any more, if it is one
// that knows of such an end.
func (e *Engine) storeStopped() error {
	if s, ends := e.cfg.Store.(interface{ Err() error }); ends {
		if err := s.Err(); err != nil {
			return fmt.Errorf("the store has stopped: %w", err)
		}
	}
	return nil
}

// lasting reports whether what failed may go well another time.
func lasting(err error) bool {
	return !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrQuarantined) && !errors.Is(err, ErrNotReady)
}

// backoff is how long to wait after that many tries, in milliseconds.
func (e *Engine) backoff(tries int) int64 {
	least, most := e.cfg.Limits.RetryLeast.Milliseconds(), e.cfg.Limits.RetryMost.Milliseconds()
	return min(most, least<<min(tries, 16))
}

// look has a shard's inbox read at the next Turn.
func (s *shard) look() {
	s.mu.Lock()
	s.inbox = true
	s.mu.Unlock()
}

// readAgain has all of a shard's jobs on disk looked at again.
func (s *shard) readAgain() {
	s.mu.Lock()
	s.again = true
	s.mu.Unlock()
}
