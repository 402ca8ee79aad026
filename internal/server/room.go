package server

import (
	"context"
	"sync"
	"time"
)

// byteRoom is the bytes of the requests that are under way: whoever brings one takes its bytes for as long as the call lasts. It may be used by many
// at once.
type byteRoom struct {
	most int64

	mu      sync.Mutex
	taken   int64
	waiting []*guest // the first waits longest
}

type guest struct {
	bytes int64
	let   chan struct{}
}

// bodyPatience is how long a request waits for room for its body: a refusal is heard in time to try again elsewhere.
const bodyPatience = 25 * time.Millisecond

// enter takes so many bytes; false where there is no room for them now. A request that is larger than all the room may come alone.
func (r *byteRoom) enter(ctx context.Context, bytes int64) bool {
	r.mu.Lock()
	if len(r.waiting) == 0 && r.fits(bytes) {
		r.taken += bytes
		r.mu.Unlock()
		return true
	}
	g := &guest{bytes: bytes, let: make(chan struct{})}
	r.waiting = append(r.waiting, g)
	r.mu.Unlock()
	patience := time.NewTimer(bodyPatience)
	defer patience.Stop()
	select {
	case <-g.let:
		return true
	case <-patience.C:
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, other := range r.waiting {
		if other == g {
			r.waiting = append(r.waiting[:i], r.waiting[i+1:]...)
			r.letIn() // who is behind may be smaller
			return false
		}
	}
	return true // both at once
}

func (r *byteRoom) fits(bytes int64) bool { return r.taken == 0 || r.taken+bytes <= r.most }

// leave gives bytes back.
func (r *byteRoom) leave(bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken -= bytes
	r.letIn()
}

func (r *byteRoom) letIn() {
	for len(r.waiting) > 0 && r.fits(r.waiting[0].bytes) {
		r.taken += r.waiting[0].bytes
		close(r.waiting[0].let)
		r.waiting[0] = nil
		r.waiting = r.waiting[1:]
	}
}
