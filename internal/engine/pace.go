package engine

import "math"

// TaskLimit bounds the calls of one service, or of one function, connection or
// host.
type TaskLimit struct {
	Concurrency int     // calls under way at once; 0: the engine's own bound
	PerSecond   float64 // calls a second in the long run; 0: any
	Burst       int     // … and at once; 0: 1
}

// limit is how many may be under way, and how often.
type limit struct {
	most, running int
	rate          bucket
}

func newLimit(given TaskLimit, otherwise int) limit {
	l := limit{most: given.Concurrency}
	orElse(&l.most, otherwise)
	if given.PerSecond > 0 {
		burst := float64(max(given.Burst, 1))
		l.rate = bucket{perSecond: given.PerSecond, burst: burst, tokens: burst}
	}
	return l
}

func (l *limit) full() bool { return l.running >= l.most }

// wait is when the next may go by the rate.
func (l *limit) wait(now int64) int64 { return l.rate.wait(now) }

// bucket holds tokens that come at a rate. The zero bucket is never empty.
type bucket struct {
	perSecond, burst, tokens float64
	at                       int64 // when tokens was right, UTC ms
}

func (b *bucket) fill(now int64) {
	if passed := now - b.at; passed > 0 {
		b.tokens = min(b.burst, b.tokens+float64(passed)*b.perSecond/1000)
	}
	b.at = now
}

// wait is when there is a token; now: there is one.
func (b *bucket) wait(now int64) int64 {
	if b.perSecond == 0 {
		return now
	}
	if b.fill(now); b.tokens >= 1 {
		return now
	}
	return now + max(1, int64(math.Ceil((1-b.tokens)*1000/b.perSecond)))
}

func (b *bucket) take(now int64) {
	if b.perSecond > 0 {
		b.fill(now)
		b.tokens = max(b.tokens-1, -1)
	}
}

// budget bounds what tries again at a place that keeps failing, so that those
// who try again are no load that keeps it down, nor fall upon it together when it
// is back. It delays, and never refuses: how often an execution tries, and how long
// it waits in between, is its definition's.
//
// A place fails when more of its last calls found it unwell than well. From then on
// further attempts go at a pace: leastPace a second, a tenth of a call more for each
// call that found it well, one call less for each that did not. So the pace grows
// by a tenth a second while all goes well, and settles where a tenth of it fails.
// It is over when it has grown to fullPace.
type budget struct {
	well, unwell int // of the last calls, about resultWindow of them
	pacing       bool
	pace         bucket
}

const (
	resultWindow = 64
	leastUnwell  = 16 // of the last calls, before a place fails
	leastPace    = 10
	fullPace     = 1000
)

// wait is when the next further attempt may go.
func (b *budget) wait(now int64) int64 {
	if !b.pacing {
		return now
	}
	return b.pace.wait(now)
}

// heard notes how a call found the place.
func (b *budget) heard(well bool, now int64) {
	if b.well+b.unwell >= resultWindow {
		b.well, b.unwell = b.well/2, b.unwell/2
	}
	if well {
		b.well++
	} else {
		b.unwell++
	}
	switch fails := b.unwell >= leastUnwell && b.unwell > b.well; {
	case b.pacing:
		b.pace.fill(now)
		if well {
			b.pace.perSecond += 0.1
		} else {
			b.pace.perSecond = max(leastPace, b.pace.perSecond-1)
		}
		b.pace.burst = max(1, b.pace.perSecond/10)
		if b.pace.perSecond >= fullPace {
			*b = budget{}
		}
	case fails:
		b.pacing, b.pace = true, bucket{perSecond: leastPace, burst: 1, at: now}
	}
}
