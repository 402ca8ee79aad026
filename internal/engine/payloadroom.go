package engine

import (
	"context"
	"sync"

	"github.com/backstep/backstep/internal/integration"
)

// payloadRoom is the bytes that calls under way hold: their requests, their
// answers, and answers that could not be stored yet. A call begins with its request
// and answerRoom; it may begin as long as the room is not full, and whoever reads
// more of an answer asks for it first. Of those who ask one is always given it, however
// full the room is: what calls begin with may be all there is, and else none of them
// would ever end. What the dispatcher says of it is said under its lock; growth may be
// asked for by many at once.
type payloadRoom struct {
	most int64

	mu      sync.Mutex
	held    int64
	grown   int // calls that were given more, and have not read it all yet
	growing fifo[*growth]
}

// growth is a call that waits for more room.
type growth struct {
	bytes   int64
	granted chan struct{}
	gone    bool
}

// answerRoom is how many bytes of an answer each call may read without asking.
const answerRoom = integration.FreeAnswer

func (r *payloadRoom) take(bytes int64) {
	r.mu.Lock()
	r.held += bytes
	r.mu.Unlock()
}

func (r *payloadRoom) full() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held >= r.most
}

func (r *payloadRoom) give(bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held -= bytes
	r.serve()
}

// hasRead notes that a call which was given more has read its answer.
func (r *payloadRoom) hasRead() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.grown--
	r.serve()
}

// serve gives those more who wait for it.
func (r *payloadRoom) serve() {
	for r.growing.len() > 0 && r.gives() {
		g := r.growing.pop()
		if !g.gone {
			r.held += g.bytes
			r.grown++
			close(g.granted)
		}
	}
}

func (r *payloadRoom) gives() bool { return r.held < r.most || r.grown == 0 }

// grow waits until there is room for so many bytes more, or ctx ends. Who was given
// them says so when it has read its answer.
func (r *payloadRoom) grow(ctx context.Context, bytes int64) error {
	r.mu.Lock()
	if r.growing.len() == 0 && r.gives() {
		r.held += bytes
		r.grown++
		r.mu.Unlock()
		return nil
	}
	g := &growth{bytes: bytes, granted: make(chan struct{})}
	r.growing.push(g)
	r.mu.Unlock()
	select {
	case <-g.granted:
		return nil
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-g.granted: // both at once: it has the room, which ends with the call
		return nil
	default:
		g.gone = true
		return ctx.Err()
	}
}
