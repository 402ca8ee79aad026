package engine

import (
	"sync/atomic"

	"github.com/backstep/backstep/internal/machine"
)

// Metrics count what the engine does. They may be read at any time.
type Metrics struct {
	Turns       atomic.Int64 // messages decided
	Commits     atomic.Int64 // batches made durable
	Unknown     atomic.Int64 // commits of which the store did not know the outcome
	Loads       atomic.Int64 // executions read from the store
	Calls       atomic.Int64 // calls made to integrations
	Quarantined atomic.Int64
	LeasesLost  atomic.Int64
	StaleWrites atomic.Int64 // that the store refused, because the shard was another node's by then
	MailLeft    atomic.Int64 // messages of other nodes that could not be heard, and were left where they lie
	LeasesTaken atomic.Int64 // that another node had before

	LongHistories atomic.Int64 // that came to four fifths of what they may have

	Started   atomic.Int64
	Succeeded atomic.Int64
	Failed    atomic.Int64
	TimedOut  atomic.Int64
	Aborted   atomic.Int64

	Express atomic.Int64 // express executions that are running
	Waiters atomic.Int64 // callers of Wait
}

// Load is the work at hand.
type Load struct {
	Under   int // errands under way, calls among them
	Waiting int // errands that wait
	Cached  int // executions in memory
	Bytes   int64
	Alarms  int
	Shards  int // whose lease is ours
}

// Metrics are the engine's counters.
func (e *Engine) Metrics() *Metrics { return &e.metrics }

// Load is the work at hand, as of about now.
func (e *Engine) Load() Load {
	var l Load
	e.dispatcher.mu.Lock()
	l.Under, l.Waiting = e.dispatcher.active, e.dispatcher.waiting
	e.dispatcher.mu.Unlock()
	e.alarms.mu.Lock()
	l.Alarms = len(e.alarms.heap)
	e.alarms.mu.Unlock()
	for _, s := range e.shards {
		if s.epoch.Load() != 0 {
			l.Shards++
		}
		s.mu.Lock()
		l.Cached += len(s.residents)
		l.Bytes += s.bytes
		s.mu.Unlock()
	}
	return l
}

// count counts an execution that began or came to a status.
func (m *Metrics) count(was, is machine.Status) {
	switch {
	case was == 0:
		m.Started.Add(1)
	case was == is:
		return // a word to one that has ended
	}
	switch is {
	case machine.Succeeded:
		m.Succeeded.Add(1)
	case machine.Failed:
		m.Failed.Add(1)
	case machine.TimedOut:
		m.TimedOut.Add(1)
	case machine.Aborted:
		m.Aborted.Add(1)
	}
}
