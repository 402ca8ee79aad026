package engine

import (
	"sync"
	"time"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// Late is how late the oldest timer is that is due and has not fired, and how long
// the call or turn has waited for its place that waits longest. It looks at what is
// in memory; where a shard's jobs on disk are still being read, at the first of those
// that are not.
func (e *Engine) Late() (timer, work time.Duration) {
	now := e.now()
	first := e.alarms.next()
	for _, s := range e.shards {
		if s.epoch.Load() != 0 {
			first = min(first, e.unreadDue(s, now))
		}
	}
	return since(first, now), since(e.dispatcher.oldest(), now)
}

func since(at, now int64) time.Duration { return time.Duration(max(0, now-at)) * time.Millisecond }

// unreadDue is about when the first of a shard's jobs is due that was not read from
// disk yet.
func (e *Engine) unreadDue(s *shard, now int64) int64 {
	s.mu.Lock()
	reading, after := s.reading, s.after
	s.mu.Unlock()
	switch {
	case reading && after != nil:
		return after.Due
	case !reading:
		return s.reach.Load()
	}
	jobs, err := e.cfg.Store.Jobs(e.ctx, s.number, now, nil, 1)
	if err != nil || len(jobs) == 0 {
		return store.Never
	}
	return jobs[0].Due
}

// oldest is since when the errand waits that waits longest; [store.Never]: none does.
func (d *dispatcher) oldest() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	first := store.Never
	if d.waiting == 0 {
		return first
	}
	for _, er := range d.errands {
		if er.since != 0 && !er.began && !er.parked {
			first = min(first, er.since)
		}
	}
	return first
}

// longHistory is the share of the events that a history may have, in percent, from
// which on it is one that will not hold much longer.
const longHistory = 80

// lengthened takes note of a history that becomes long.
func (e *Engine) lengthened(r *resident, d *machine.Delta) {
	limit := e.cfg.Quotas.Events * longHistory / 100
	if limit == 0 || r.x.Start.Express || r.x.Head.LastEvent >= limit || d.Head.LastEvent < limit {
		return
	}
	e.metrics.LongHistories.Add(1)
	e.cfg.Log.Warn("a history becomes long: the execution fails where it is full", "execution", r.x.Start.ExecutionARN(),
		"events", d.Head.LastEvent, "most", e.cfg.Quotas.Events)
}

// retries counts further attempts by where they go.
type retries struct {
	mu sync.Mutex
	of map[dest]int64
}

// mostCounted is how many places are counted by themselves; what goes to others is
// counted by its service alone.
const mostCounted = 200

func (r *retries) add(to dest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil {
		r.of = make(map[dest]int64)
	}
	if _, known := r.of[to]; !known && len(r.of) >= mostCounted {
		to.target = ""
	}
	r.of[to]++
}

// Retries are how many further attempts were made so far, by the service and by the
// function, connection or host that they went to; "": the service leads to one alone.
func (e *Engine) Retries() map[[2]string]int64 {
	r := &e.retried
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[[2]string]int64, len(r.of))
	for to, n := range r.of {
		all[[2]string{to.service, to.target}] = n
	}
	return all
}
