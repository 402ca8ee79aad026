package lift

import (
	"fmt"
	"slices"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// turn is an edge by which a saga begins to go back.
type turn struct {
	from  *asl.State
	catch int // which of its catchers; -1: an edge of a Choice
	to    *asl.State
}

// turns are all of them, in the order of the text.
func (l *lifting) turns() []turn {
	var all []turn
	for _, s := range l.program.Order {
		for i := range s.Catch {
			if l.goesBack(s, i) {
				all = append(all, turn{s, i, s.Catch[i].Next})
			}
		}
		for _, to := range nexts(s) {
			if s.Type == asl.Choice && l.turnsBack(s, to) {
				all = append(all, turn{s, -1, to})
			}
		}
	}
	return all
}

// rest is what a way back does, and what of that is left once pairs are converted.
type rest struct {
	undone []*pair      // that fall away
	byHand []*asl.State // compensations that stay
	work   []*asl.State // that is no compensation
	ends   bool         // it may end well
}

// restOf looks through a way back.
func (l *lifting) restOf(to *asl.State) rest {
	if r, known := l.rests[to]; known {
		return r
	}
	var r rest
	seen := reach([]*asl.State{to}, func(s *asl.State) []*asl.State {
		if l.gone(s) {
			return nexts(s)
		}
		return ways(s)
	})
	for _, s := range l.program.Order {
		if !seen[s] {
			continue
		}
		r.ends = r.ends || endsWell(s)
		for _, undo := range s.Tasks() {
			if p := l.undoes[undo]; p.active() {
				r.undone = append(r.undone, p)
			} else if p != nil {
				r.byHand = append(r.byHand, undo)
			}
		}
		if !l.undoing(s) && len(s.Tasks()) > 0 {
			r.work = append(r.work, s)
		}
	}
	l.rests[to] = r
	return r
}

// settle finds which pairs are converted: one that can't be may hold others back,
// which would be undone in another order.
func (l *lifting) settle() {
	for _, p := range l.pairs {
		if p.left == "" {
			l.convert(p)
		}
	}
	for _, p := range l.pairs {
		p.agree()
	}
	clear(l.rests)
	for l.holdBack() {
	}
}

// agree lets the compensations of one step be converted together: where all of them
// ask the same, whichever way leads to them.
func (p *pair) agree() {
	all := append([]*pair{p}, p.twins...)
	names := []string{p.undo.Name}
	same := true
	for _, twin := range p.twins {
		names = append(names, twin.undo.Name)
		same = same && p.left == "" && twin.left == "" && value.Equal(p.body.Without("Comment").Object(), twin.body.Without("Comment").Object())
		p.whatever = p.whatever || twin.whatever
		p.readsError = p.readsError || twin.readsError
		p.itself = p.itself || twin.itself
	}
	for _, twin := range all {
		if !same && twin.left == "" {
			twin.left = listed(names) + " undo it, and not in the same way; lead all ways back to one of them"
		}
	}
}

// holdBack leaves pairs that can't be converted beside others, and reports whether
// there was one.
func (l *lifting) holdBack() bool {
	found := false
	leave := func(p *pair, format string, args ...any) {
		if p.left == "" {
			p.left, found = fmt.Sprintf(format, args...), true
			clear(l.rests)
			l.steps[p.step].agree()
		}
	}
	for _, p := range l.pairs {
		for _, other := range l.pairs {
			if other.left != "" && l.forward[other.step] && other.step != p.step && l.mayPrecede(other.step, p.step) {
				leave(p, "%s comes before it and stays wired by hand; it would be undone before %s", other.step.Name, p.step.Name)
			}
		}
	}
	for _, p := range l.pairs {
		for f := p.undo.Flow; f.Owner != nil && !l.forward[f.Owner]; f = f.Owner.Flow {
			if !l.gone(f.Owner) {
				leave(p, "%s, which runs %s, does more than undo; let its branches hold compensations alone", f.Owner.Name, p.undo.Name)
			}
		}
	}
	for _, t := range l.turns() {
		r := l.restOf(t.to)
		for _, p := range r.undone {
			if w := l.workBefore(p, r); w != nil && l.forward[w] {
				leave(p, "a way back leads forward again, to %s; let a Saga state with a Retry try it anew", w.Name)
			} else if w != nil {
				leave(p, "%s runs before %s on a way back, and is no compensation; let it run behind the compensations", w.Name, p.undo.Name)
			}
			switch {
			case t.from.Flow.Owner != nil && p.readsError && !r.ends && len(r.work) == 0 && l.watched(t.from):
				leave(p, "%s reads the error, and %s sees the one that its way back ends by", p.undo.Name, t.from.Flow.Owner.Name)
			case len(r.byHand) == 0:
			case r.ends || len(r.work) > 0:
				leave(p, "%s, which stays wired by hand, shares a way back with it that does more than fail in the end", r.byHand[0].Name)
			case p.readsError:
				leave(p, "%s reads the error, and %s, which stays wired by hand, ends by another one", p.undo.Name, r.byHand[0].Name)
			}
		}
	}
	if !found {
		clear(l.tails)
		for _, f := range l.flows() {
			if why := l.findTail(f); why != "" {
				for _, p := range l.pairs {
					if f.Owner == nil || p.step.Flow == f || l.mayPrecede(p.step, f.Start) || beneath(p.step, f.Owner) {
						leave(p, "%s", why)
					}
				}
			}
		}
	}
	return found
}

// workBefore is a state that does something else before a compensation runs.
func (l *lifting) workBefore(p *pair, r rest) *asl.State {
	for _, w := range r.work {
		if w.Flow == w.CommonFlow(p.undo) && reach(ways(w), ways)[p.undo.In(w.Flow)] {
			return w
		}
	}
	return nil
}

// past is the state that comes next once the converted compensations are gone; nil
// is the end.
func (l *lifting) past(s *asl.State) *asl.State {
	for seen := map[*asl.State]bool{}; s != nil && l.gone(s); s = s.Next {
		if seen[s] {
			return nil
		}
		seen[s] = true
	}
	return s
}

// mayOwe reports whether a converted step may have been done where a turn begins.
func (l *lifting) mayOwe(t turn) bool {
	return slices.ContainsFunc(l.pairs, func(p *pair) bool {
		return p.active() && (p.step == t.from || l.mayPrecede(p.step, t.from))
	})
}
