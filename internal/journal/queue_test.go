package journal

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// recorder is a destination that keeps what it is given.
type recorder struct {
	mu     sync.Mutex
	texts  []string
	writes int
	refuse error
	gate   chan struct{} // each write waits for one; nil: none does
}

func (r *recorder) Write(ctx context.Context, events []LogEvent) (int, error) {
	if r.gate != nil {
		select {
		case <-r.gate:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writes++
	if r.refuse != nil {
		return 0, r.refuse
	}
	for _, e := range events {
		r.texts = append(r.texts, e.Text)
	}
	return len(events), nil
}

// run runs a queue until it is closed, and waits for its end.
func run(q *Queue[LogEvent]) (end func()) {
	done := make(chan struct{})
	go func() { defer close(done); q.Run(context.Background()) }()
	return func() { q.Close(); <-done }
}

func TestQueueKeepsTheOrder(t *testing.T) {
	r := &recorder{}
	q := NewQueue[LogEvent](r, Config{What: "log events", Linger: time.Millisecond})
	end := run(q)
	var want []string
	for i := range 1000 {
		text := strings.Repeat("x", i%7) + string(rune('a'+i%26))
		want = append(want, text)
		q.Put(LogEvent{Text: text})
	}
	end()
	if !slices.Equal(r.texts, want) || q.Written() != 1000 || q.Dropped() != 0 {
		t.Errorf("%d of %d came, written %d, dropped %d", len(r.texts), len(want), q.Written(), q.Dropped())
	}
}

// A destination that does not answer costs what there is no room for, and no
// more; who puts never waits for it.
func TestQueueDropsWhatHasNoRoom(t *testing.T) {
	r := &recorder{gate: make(chan struct{})}
	var told strings.Builder
	one := LogEvent{Text: "x"}
	q := NewQueue[LogEvent](r, Config{What: "log events", MaxBytes: int64(10 * one.Size()), Log: slog.New(slog.NewTextHandler(&told, nil))})
	for range 25 {
		q.Put(one)
	}
	if q.Dropped() != 15 {
		t.Errorf("%d were dropped, not 15", q.Dropped())
	}
	end := run(q)
	r.gate <- struct{}{} // the ten are written, and make room
	for q.Written() < 10 {
		time.Sleep(time.Millisecond)
	}
	q.Put(one)
	close(r.gate)
	end()
	if len(r.texts) != 11 || q.Dropped() != 15 {
		t.Errorf("%d came, %d were dropped", len(r.texts), q.Dropped())
	}
	if n := strings.Count(told.String(), "log events are dropped"); n != 1 || !strings.Contains(told.String(), "log events are taken again\" dropped=15") {
		t.Errorf("the log tells %s", told.String())
	}
}

func TestQueueCountsWhatIsRefused(t *testing.T) {
	r := &recorder{refuse: errors.New("the group is gone")}
	var told strings.Builder
	q := NewQueue[LogEvent](r, Config{What: "log events", Log: slog.New(slog.NewTextHandler(&told, nil))})
	end := run(q)
	q.Put(LogEvent{Text: "a"})
	end()
	q.Put(LogEvent{Text: "b"}) // it is closed
	if q.Dropped() != 2 || q.Written() != 0 || !strings.Contains(told.String(), "the group is gone") {
		t.Errorf("dropped %d, written %d, told %s", q.Dropped(), q.Written(), told.String())
	}
}

// Where the time to end is over, what waits is lost and counted.
func TestQueueEndsWithItsContext(t *testing.T) {
	r := &recorder{gate: make(chan struct{})}
	q := NewQueue[LogEvent](r, Config{What: "log events"})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); q.Run(ctx) }()
	q.Put(LogEvent{Text: "a"})
	cancel()
	<-done
	if q.Dropped() != 1 {
		t.Errorf("%d were dropped", q.Dropped())
	}
}
