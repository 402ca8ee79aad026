package engine

import (
	"errors"
	"fmt"
	"time"
)

// Ready reports whether starts are taken: see [Engine.Readiness].
func (e *Engine) Ready() bool { return e.Readiness() == nil }

// Readiness is why starts are not taken, or nil: the node drains, its store has
// stopped, is full or refuses its work, the leases are not looked at, a shard is not
// ours though no other node can have it, or what was under way when the last process
// ended has not been read yet. It asks nobody but the disk for its room.
func (e *Engine) Readiness() error {
	if e.drained.Load() {
		return errors.New("the node drains: it is about to stop")
	}
	if err := e.storeStopped(); err != nil {
		return err
	}
	if s, tells := e.cfg.Store.(interface{ Writable() error }); tells {
		if err := s.Writable(); err != nil {
			return err
		}
	}
	if e.failing.Load() {
		return errors.New("the store refused the last that was asked of it; the log says why")
	}
	if since, alive := e.renewal(); !alive {
		return fmt.Errorf("the leases were not renewed for %v: the store does not answer, or the process is starved", since.Round(100*time.Millisecond))
	}
	if !e.apart() && e.cfg.Clock.Now() >= e.renewed.Load() {
		return errors.New("the leases were not renewed in time: other nodes may have this one's shards by now")
	}
	return e.recovering()
}

// leaseTardy is the part of a lease's life within which the leases are looked at
// again, or the loop that does so is taken for dead.
const leaseTardy = 5

// renewal is how long ago the leases were looked at last, and whether that is as it
// should be.
func (e *Engine) renewal() (since time.Duration, alive bool) {
	at := e.looked.Load()
	if at == 0 {
		return 0, true // it begins: then no shard is ours
	}
	since = time.Duration(e.cfg.Clock.Now()-at) * time.Millisecond
	return since, since <= e.cfg.Limits.Lease/leaseTardy
}

// recovering is why the node has not come up yet, or nil. Once it has, a shard that
// it takes over later is read while it goes on.
func (e *Engine) recovering() error {
	missing, unread := 0, 0
	for _, s := range e.shards {
		if s.epoch.Load() == 0 {
			missing++
		} else if !s.recovered.Load() {
			unread++
		}
	}
	switch {
	case missing > 0 && e.apart():
		return fmt.Errorf("the leases of %d of %d shards are not this node's yet", missing, len(e.shards))
	case e.came.Load():
		return nil
	case e.looked.Load() == 0:
		return errors.New("the leases were not looked at yet")
	case unread > 0:
		return fmt.Errorf("what was under way before is still being read, in %d of %d shards", unread, len(e.shards))
	}
	e.came.Store(true)
	return nil
}
