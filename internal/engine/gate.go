package engine

import (
	"context"
	"slices"
	"sync"
	"time"
)

// gate lets so many starts in at once. Those under way share the processors with
// them evenly, so that what was started goes on however many more would be: work
// that is at hand comes before new work. As many again wait for a moment, the rest
// is refused at once. Of the places, and of the line, a machine has at most ownShare
// times as much as it leaves to others.
type gate struct {
	most int

	mu    sync.Mutex
	taken int
	by    map[ownerKey]*visits
	line  []*visitor // the first waits longest
}

// visits are a machine's starts.
type visits struct{ in, waiting int }

// visitor is a start that waits.
type visitor struct {
	whose ownerKey
	let   chan struct{}
}

// gatePatience is how long a start waits for its place.
const gatePatience = 20 * time.Millisecond

// enter takes a place, or is ErrBusy.
func (g *gate) enter(ctx context.Context, whose ownerKey) error {
	g.mu.Lock()
	v := g.by[whose]
	if v == nil {
		v = new(visits)
		g.by[whose] = v
	}
	if g.fits(v) {
		g.taken++
		v.in++
		g.mu.Unlock()
		return nil
	}
	if left := g.most - len(g.line); left <= 0 || v.waiting > ownShare*left {
		g.forget(whose, v)
		g.mu.Unlock()
		return ErrBusy
	}
	one := &visitor{whose: whose, let: make(chan struct{})}
	g.line = append(g.line, one)
	v.waiting++
	g.mu.Unlock()
	timer := time.NewTimer(gatePatience)
	defer timer.Stop()
	err := ErrBusy
	select {
	case <-one.let:
		return nil
	case <-timer.C:
	case <-ctx.Done():
		err = ctx.Err()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.line, one)
	if i < 0 { // both at once
		return nil
	}
	g.line = slices.Delete(g.line, i, i+1)
	v.waiting--
	g.forget(whose, v)
	return err
}

// fits reports whether one more of a machine may come in.
func (g *gate) fits(v *visits) bool {
	free := g.most - g.taken
	return free > 0 && v.in <= ownShare*free
}

// leave gives a place back, to the first that may have it.
func (g *gate) leave(whose ownerKey) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.taken--
	v := g.by[whose]
	v.in--
	g.forget(whose, v)
	for i, one := range g.line {
		if next := g.by[one.whose]; g.fits(next) {
			g.line = slices.Delete(g.line, i, i+1)
			g.taken++
			next.in++
			next.waiting--
			close(one.let)
			return
		}
	}
}

func (g *gate) forget(whose ownerKey, v *visits) {
	if v.in == 0 && v.waiting == 0 {
		delete(g.by, whose)
	}
}
