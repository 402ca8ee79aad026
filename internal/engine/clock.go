package engine

import (
	"sync/atomic"
	"time"
)

// Now is the engine's time in UTC milliseconds: that of its clock, or, where
// other nodes use the store too, the store's. Timers that one node writes are
// fired by another, so all of them go by the one clock that they share; their
// own only tells how long it is since they looked at that one, at the last
// Renew.
func (e *Engine) Now() int64 { return e.now() }

func (e *Engine) now() int64 { return e.cfg.Clock.Now() + e.ahead.Load() }

// follow takes what the store's clock has just shown as the time. Our own is
// asked afterwards, so that we may be late by the time that the answer took, and
// never early.
func (e *Engine) follow(at int64) {
	if !e.cfg.Exclusive {
		e.ahead.Store(at - e.cfg.Clock.Now())
	}
}

// systemClock is the system's clock, but that it never goes back: a wall clock
// that is set back makes no timer late.
type systemClock struct {
	start  time.Time
	steady bool         // the wall's leaps ahead are not followed either
	ahead  atomic.Int64 // how far the wall has leapt ahead of the monotonic clock, in ms
}

// newSystemClock is the clock of a node. One that shares its store has the time
// from there, and wants to know how long something takes.
func newSystemClock(exclusive bool) *systemClock {
	return &systemClock{start: time.Now(), steady: !exclusive}
}

// Now is the time in UTC milliseconds.
func (c *systemClock) Now() int64 {
	wall := time.Now()
	now := c.start.UnixMilli() + wall.Sub(c.start).Milliseconds()
	if c.steady {
		return now
	}
	ahead := c.ahead.Load()
	if leap := wall.UnixMilli() - now; leap > ahead+1 {
		c.ahead.Store(leap)
		ahead = leap
	}
	return now + ahead
}
