package postgres

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/backstep/backstep/internal/store"
)

// What is committed together at most.
const (
	foldBatches = 256
	foldBytes   = 4 << 20
)

// waiting is a batch whose caller waits for its commit.
type waiting struct {
	batch  *store.Batch
	claims claims
	bytes  int // about as many are sent
	since  time.Time
	alone  bool       // it is committed by itself
	told   chan error // what became of it
	left   context.Context
}

func newWaiting(ctx context.Context, b *store.Batch) *waiting {
	return &waiting{
		batch: b, claims: claimsOf(b), bytes: sizeOf(b), since: time.Now(), told: make(chan error, 1), left: ctx,
		alone: len(b.DropExecutions) > 0, // which may take its time
	}
}

// sizeOf is about how many bytes a batch has.
func sizeOf(b *store.Batch) (n int) {
	b.Bodies(func(body []byte) { n += len(body) })
	return n
}

// line is where batches wait for a committer, the first first.
type line struct {
	mu      sync.Mutex
	change  *sync.Cond
	waiting []*waiting
	held    held // by what is under way
	closed  bool
}

func newLine() *line {
	l := &line{held: newHeld()}
	l.change = sync.NewCond(&l.mu)
	return l
}

var errClosed = errors.New("the store is closed")

// join puts a batch at the end of the line.
func (l *line) join(w *waiting) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errClosed
	}
	l.waiting = append(l.waiting, w)
	l.change.Signal()
	return nil
}

// leave takes a batch out of the line; false: it is under way.
func (l *line) leave(w *waiting) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.waiting {
		if l.waiting[i] == w {
			l.waiting = append(l.waiting[:i], l.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// next takes all that may go together, and waits until there is some; nil when
// the line is closed and empty. What it took is under way until done.
func (l *line) next() []*waiting {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if fold := l.take(); len(fold) > 0 {
			if len(l.waiting) > 0 {
				l.change.Signal() // some of it may go beside
			}
			return fold
		}
		if l.closed && len(l.waiting) == 0 {
			return nil
		}
		l.change.Wait()
	}
}

// take takes, of those that wait, all that have no key in common with what is
// under way or stands before them.
func (l *line) take() (fold []*waiting) {
	passed := newHeld()
	rest := l.waiting[:0]
	bytes := 0
	for _, w := range l.waiting {
		full := len(fold) > 0 && (w.alone || fold[0].alone || bytes+w.bytes > foldBytes || len(fold) == foldBatches)
		if full || l.held.meets(&w.claims) || passed.meets(&w.claims) {
			passed.add(&w.claims, 1)
			rest = append(rest, w)
			continue
		}
		l.held.add(&w.claims, 1)
		fold = append(fold, w)
		bytes += w.bytes
	}
	clear(l.waiting[len(rest):])
	l.waiting = rest
	return fold
}

// done lets those go that waited for the keys of these; again are such that
// stand first in the line, to be tried again.
func (l *line) done(fold, again []*waiting) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range fold {
		l.held.add(&w.claims, -1)
	}
	l.waiting = append(again, l.waiting...)
	l.change.Broadcast()
}

// close lets nobody join any more.
func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.change.Broadcast()
}

// held counts who holds a key.
type held struct{ own, shared map[uint64]int }

func newHeld() held { return held{map[uint64]int{}, map[uint64]int{}} }

// meets reports whether somebody holds a key so that these can't be held as well.
func (h held) meets(c *claims) bool {
	for _, k := range c.own {
		if h.own[k] > 0 || h.shared[k] > 0 {
			return true
		}
	}
	for _, k := range c.shared {
		if h.own[k] > 0 {
			return true
		}
	}
	return false
}

// add adds one holder of each key, or takes one away.
func (h held) add(c *claims, n int) {
	count(h.own, c.own, n)
	count(h.shared, c.shared, n)
}

func count(holders map[uint64]int, keys []uint64, n int) {
	for _, k := range keys {
		if holders[k] += n; holders[k] == 0 {
			delete(holders, k)
		}
	}
}
