package embedded

import "sync"

// horizon knows which commits are durable. Pebble shows a commit before its
// log is synced; nobody outside may hear of it until then. Commits get their
// numbers in the order of the log, so the sync of one is the sync of all before
// it.
type horizon struct {
	mu      sync.Mutex
	moved   sync.Cond
	begun   uint64 // the number given last
	durable uint64 // all up to this one are synced
	synced  uint64 // and so all before this sequence number of Pebble's
	stopped bool
}

func (h *horizon) init() { h.moved.L = &h.mu }

// begin numbers a commit that is about to enter the log.
func (h *horizon) begin() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.begun++
	return h.begun
}

// reach says that the log is synced up to that commit, before that sequence number. Of a
// batch that outgrows a memtable Pebble keeps none, and it is less than was said before.
func (h *horizon) reach(n, seq uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n > h.durable {
		h.durable, h.synced = n, max(h.synced, seq)
		h.moved.Broadcast()
	}
}

// before is the sequence number of Pebble's before which all is known to be durable; 0
// where nothing is.
func (h *horizon) before() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.synced
}

// underway is how many commits have begun and are not known to be durable.
func (h *horizon) underway() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.begun - h.durable
}

// wait waits until all that has begun by now is durable. It reports whether it
// is: not if the store stops meanwhile.
func (h *horizon) wait() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for n := h.begun; h.durable < n && !h.stopped; {
		h.moved.Wait()
	}
	return !h.stopped
}

// stop wakes all who wait.
func (h *horizon) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopped = true
	h.moved.Broadcast()
}
