package embedded

import (
	"context"
	"sync"

	"github.com/backstep/backstep/internal/store"
)

// watches are the channels that hear of messages.
type watches struct {
	mu     sync.Mutex
	open   map[chan store.Hint]struct{}
	closed bool
}

// watchHints is how many hints wait for a listener; what comes beyond is lost.
const watchHints = 256

func (w *watches) add(ctx context.Context) <-chan store.Hint {
	w.mu.Lock()
	defer w.mu.Unlock()
	hints := make(chan store.Hint, watchHints)
	if w.closed {
		close(hints)
		return hints
	}
	if w.open == nil {
		w.open = map[chan store.Hint]struct{}{}
	}
	w.open[hints] = struct{}{}
	context.AfterFunc(ctx, func() { w.drop(hints) })
	return hints
}

func (w *watches) drop(hints chan store.Hint) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, there := w.open[hints]; there {
		delete(w.open, hints)
		close(hints)
	}
}

func (w *watches) hint(shard store.Shard) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for hints := range w.open {
		select {
		case hints <- store.Hint{Shard: shard}:
		default:
		}
	}
}

func (w *watches) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for hints := range w.open {
		delete(w.open, hints)
		close(hints)
	}
}
