package engine

import (
	"context"
	"sync/atomic"
	"time"
)

// gate lets so many starts in at once. Those under way share the processors with
// them evenly, so that what was started goes on however many more would be: work
// that is at hand comes before new work. As many again wait for a moment, the rest
// is refused at once.
type gate struct {
	places  chan struct{}
	waiting *atomic.Int32
}

// gatePatience is how long a start waits for its place.
const gatePatience = 20 * time.Millisecond

func newGate(most int) gate {
	return gate{places: make(chan struct{}, most), waiting: new(atomic.Int32)}
}

// enter takes a place, or is ErrBusy.
func (g gate) enter(ctx context.Context) error {
	select {
	case g.places <- struct{}{}:
		return nil
	default:
	}
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > int32(cap(g.places)) {
		return ErrBusy
	}
	timer := time.NewTimer(gatePatience)
	defer timer.Stop()
	select {
	case g.places <- struct{}{}:
		return nil
	case <-timer.C:
		return ErrBusy
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g gate) leave() { <-g.places }
