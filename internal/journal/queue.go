package journal

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Entry is what a queue carries.
type Entry interface{ Size() int }

// Writer is a destination.
type Writer[T Entry] interface {
	// Write brings entries to the destination, in order, and tells how many it
	// took; the others are lost. It tries again by itself where that may help,
	// and ends soon after ctx has. One call at a time is made.
	Write(ctx context.Context, entries []T) (int, error)
}

// Config is what a [Queue] is given.
type Config struct {
	What     string        // "log events": what the log calls the entries
	MaxBytes int64         // of entries that wait or are being written; 0: DefaultMaxBytes
	Linger   time.Duration // how long the first entry waits for others to go with it
	Log      *slog.Logger  // nil: discards
}

// DefaultMaxBytes is the room of a queue that is not told another.
const DefaultMaxBytes = 64 << 20

// Queue takes entries at once and writes them one batch after another. It has
// bounded room: what finds none is dropped, counted, and told in the log once
// until the destination takes entries again. It may be used by many at once.
type Queue[T Entry] struct {
	config Config
	writer Writer[T]
	wake   chan struct{} // holds one when there is something to do

	mu      sync.Mutex
	waiting []T
	bytes   int64 // of waiting, and of what is being written
	closed  bool

	written, dropped atomic.Int64
	losing           atomic.Bool // entries are being dropped, and the log was told
}

// NewQueue is a queue before a destination. [Queue.Run] must be called.
func NewQueue[T Entry](writer Writer[T], c Config) *Queue[T] {
	if c.MaxBytes == 0 {
		c.MaxBytes = DefaultMaxBytes
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Queue[T]{config: c, writer: writer, wake: make(chan struct{}, 1)}
}

// Put takes an entry, or drops it where there is no room. It never waits.
func (q *Queue[T]) Put(entry T) {
	size := int64(entry.Size())
	q.mu.Lock()
	room := !q.closed && q.bytes+size <= q.config.MaxBytes
	if room {
		q.waiting, q.bytes = append(q.waiting, entry), q.bytes+size
	}
	q.mu.Unlock()
	if !room {
		q.lose(1, "there is no room for them: the destination is too slow, or away")
		return
	}
	q.nudge()
}

// Written counts the entries that the destination took.
func (q *Queue[T]) Written() int64 { return q.written.Load() }

// Dropped counts the entries that are lost.
func (q *Queue[T]) Dropped() int64 { return q.dropped.Load() }

func (q *Queue[T]) nudge() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Close lets nothing in any more. Run ends when the rest is written.
func (q *Queue[T]) Close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.nudge()
}

// Run writes what comes until the queue is closed and empty, or ctx ends. What
// waits then is lost. It is called once.
func (q *Queue[T]) Run(ctx context.Context) {
	for {
		entries, open := q.take(ctx)
		if len(entries) > 0 {
			q.write(ctx, entries)
		}
		if !open {
			return
		}
	}
}

// take waits for entries, lets some more come, and takes all. It reports false
// where no more will come.
func (q *Queue[T]) take(ctx context.Context) (entries []T, open bool) {
	select {
	case <-ctx.Done():
	case <-q.wake:
		q.linger(ctx)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	entries, q.waiting = q.waiting, nil
	if ctx.Err() != nil {
		q.closed = true
	}
	return entries, !q.closed
}

func (q *Queue[T]) linger(ctx context.Context) {
	q.mu.Lock()
	closed := q.closed
	q.mu.Unlock()
	if closed || q.config.Linger == 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(q.config.Linger):
	}
}

// attempt writes once. A writer that panics has written nothing.
func (q *Queue[T]) attempt(ctx context.Context, entries []T) (taken int, err error) {
	defer func() {
		if p := recover(); p != nil {
			taken, err = 0, fmt.Errorf("the writer panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return q.writer.Write(ctx, entries)
}

func (q *Queue[T]) write(ctx context.Context, entries []T) {
	taken, err := q.attempt(ctx, entries)
	size := int64(0)
	for _, entry := range entries {
		size += int64(entry.Size())
	}
	q.mu.Lock()
	q.bytes -= size
	q.mu.Unlock()
	q.written.Add(int64(taken))
	if lost := len(entries) - taken; lost > 0 {
		why := "the destination did not take them"
		if err != nil {
			why = err.Error()
		}
		q.lose(lost, why)
		return
	}
	if q.losing.CompareAndSwap(true, false) {
		q.config.Log.Info(q.config.What+" are taken again", "dropped", q.dropped.Load())
	}
}

// lose counts entries that are lost, and tells of the first.
func (q *Queue[T]) lose(n int, why string) {
	q.dropped.Add(int64(n))
	if q.losing.CompareAndSwap(false, true) {
		q.config.Log.Warn(q.config.What+" are dropped", "cause", why)
	}
}
