package sim

import (
	"context"
	"errors"

	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// redrives says how often something is redriven in a world, in thousandths: an
// execution that has ended without success, and a third as often one that may
// stand anywhere. It has a stream of chance of its own, so that a world without
// redrives is what it was before there were any.
func (w *world) redrives() int {
	if !w.plan.redriven {
		return 0
	}
	return 250
}

// redriveEnded lets somebody redrive an execution that has just ended, once or
// twice.
func (w *world) redriveEnded(l *life) {
	share := w.redrives()
	if l.hasRun() { // few are, and more is to be seen of them
		share *= 3
	}
	if l.head.Status == machine.Succeeded || w.healed || !w.anew.share(share) {
		return
	}
	token := pick(w.anew, "", "a", "b")
	w.after(w.anew.span(0, 20_000), func() { w.redrive(l.id, token) })
	if w.anew.once(3) {
		w.after(w.anew.span(0, 20_000), func() { w.redrive(l.id, token) })
	}
}

// hasRun reports whether a distributed Map of a life was entered and not left, so
// that a redrive is one of its map run.
func (l *life) hasRun() bool {
	for _, f := range l.frames {
		if f.Phase != machine.Ended && f.Result != 0 {
			return true
		}
	}
	return false
}

// redriveAny lets somebody redrive an execution wherever it stands then.
func (w *world) redriveAny(id store.ID) {
	if w.anew.share(w.redrives() / 3) {
		w.after(w.anew.span(0, 20_000), func() { w.redrive(id, "c") })
	}
}

// redrive redrives an execution, and checks the answer (I1, I4).
func (w *world) redrive(id store.ID, token string) {
	p := w.up()
	l := w.book.lives[id]
	if p == nil || l == nil || w.healed || l.start.Express {
		return
	}
	was, moves := l.head, l.moves
	var at int64
	c := w.visits()
	p, err := w.onAnyNode(func(p *process) (err error) {
		at, err = p.engine.Redrive(context.Background(), id, token)
		return err
	})
	w.trace.note(w.now, "redrive", short(id)+" "+token, 0)
	first, again := was.RedriveOf(token, w.now)
	var refused *engine.NotRedrivableError
	switch {
	case p == nil || p.dead || c.torn():
	case errors.As(err, &refused):
		w.saw(redriveRefused)
		if l.moves != moves || was.Kept && l.start.Map == nil && !was.Spent || again {
			w.failf("I4", id, "a redrive of one that was %v is refused: %v", was.Status, err)
		}
	case err != nil:
	case again:
		w.saw(redriveAgain)
		if l.moves != moves || at != first {
			w.failf("I4", id, "a redrive asked for again is answered with %d, not %d", relative(at), relative(first))
		}
	case l.head.Redrives != was.Redrives+1 || at != l.head.Redriven:
		w.failf("I1", id, "a redrive is acknowledged, and is not durable: %d of them, the last at %d, not %d", l.head.Redrives, relative(l.head.Redriven), relative(at))
	default:
		w.saw(redriven)
	}
}

// revived checks a commit by which an execution goes on after its end (I2).
func (b *book) revived(l *life, t *turned) {
	w := b.w
	switch {
	case t.was.Status == machine.Succeeded || !t.was.Kept:
		w.failf("I2", l.id, "one that was %v is redriven", t.was.Status)
	case l.head.Redrives != t.was.Redrives+1 && !l.start.IsRun(), l.head.Redriven != l.head.Now, // a run that was not told of one hears of the next
		l.head.Redrives <= t.was.Redrives:
		w.failf("I2", l.id, "%d redrives become %d", t.was.Redrives, l.head.Redrives)
	}
	if !l.head.Status.Ended() {
		b.open++
	}
}
