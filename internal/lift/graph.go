package lift

import (
	"slices"

	"github.com/backstep/backstep/internal/asl"
)

// onwards are the states that a state may lead to when it does not fail, but for
// the edges by which an answer said no.
func (l *lifting) onwards(s *asl.State) []*asl.State {
	return slices.DeleteFunc(nexts(s), func(to *asl.State) bool { return l.refused[[2]*asl.State{s, to}] })
}

// nexts are the states that a state may lead to when it does not fail.
func nexts(s *asl.State) []*asl.State {
	var all []*asl.State
	if s.Next != nil {
		all = append(all, s.Next)
	}
	if s.Choice != nil {
		for i := range s.Choice.Rules {
			all = append(all, s.Choice.Rules[i].Next)
		}
		if s.Choice.Default != nil {
			all = append(all, s.Choice.Default)
		}
	}
	return all
}

// ways are all states that a state may lead to.
func ways(s *asl.State) []*asl.State {
	all := nexts(s)
	for i := range s.Catch {
		all = append(all, s.Catch[i].Next)
	}
	return all
}

// endsWell reports whether a flow may end with a state.
func endsWell(s *asl.State) bool {
	return s.Next == nil && s.Type != asl.Fail && s.Type != asl.Choice
}

// orient finds what goes forward, and what follows compensations.
func (l *lifting) orient() {
	l.findGood()
	l.usedForward()
	l.forward = map[*asl.State]bool{}
	l.goForward(l.program.Flow.Start)
	var from []*asl.State
	for _, s := range l.program.Order {
		if l.undoing(s) {
			from = append(from, ways(s)...)
		}
	}
	l.after = reach(from, ways)
	l.handlers()
	l.first = map[*asl.State]bool{}
	for s := range l.forward {
		l.first[s] = !slices.ContainsFunc(l.pairs, func(p *pair) bool { return p.step != s && l.mayPrecede(p.step, s) })
	}
}

// goForward marks what is entered from a state on although nothing goes back, the
// flows within those states too.
func (l *lifting) goForward(from *asl.State) {
	for s := range reach([]*asl.State{from}, func(s *asl.State) []*asl.State { return slices.DeleteFunc(l.onwards(s), l.leadsBack) }) {
		if !l.forward[s] {
			l.forward[s] = true
			for _, f := range s.Within() {
				l.goForward(f.Start)
			}
		}
	}
}

// leadsBack reports whether a state can't end well by itself.
func (l *lifting) leadsBack(s *asl.State) bool { return !l.good[s] }

// undoing reports whether a state is a compensation, or does nothing but run some.
func (l *lifting) undoing(s *asl.State) bool {
	of := s.Tasks()
	return len(of) > 0 && !slices.ContainsFunc(of, func(s *asl.State) bool { return l.undoes[s] == nil })
}

// gone reports whether all compensations that a state is, or runs, are converted:
// nothing is left for it to do.
func (l *lifting) gone(s *asl.State) bool {
	of := s.Tasks()
	return len(of) > 0 && !slices.ContainsFunc(of, func(s *asl.State) bool { return !l.undoes[s].active() })
}

// flows are the machine, and all flows within it.
func (l *lifting) flows() []*asl.Flow {
	all := []*asl.Flow{l.program.Flow}
	for _, s := range l.program.Order {
		all = append(all, s.Within()...)
	}
	return all
}

// findGood finds the states from which a flow can end well although nothing is
// undone.
func (l *lifting) findGood() {
	l.good = map[*asl.State]bool{}
	for changed := true; changed; {
		changed = false
		for i := len(l.program.Order) - 1; i >= 0; i-- {
			s := l.program.Order[i]
			if !l.good[s] && !l.undoing(s) && (endsWell(s) || slices.ContainsFunc(l.onwards(s), func(to *asl.State) bool { return l.good[to] })) {
				l.good[s], changed = true, true
			}
		}
	}
}

// usedForward leaves the compensations that also run when all goes well: without
// them a flow could not end.
func (l *lifting) usedForward() {
	for _, f := range l.flows() {
		if l.good[f.Start] || !l.mayRun(f) {
			continue
		}
		for s := range reach([]*asl.State{f.Start}, l.onwards) {
			for _, undo := range s.Tasks() {
				for _, p := range l.pairs {
					if p.undo == undo && l.undoing(s) {
						p.left = undo.Name + " runs when all goes well, too: it is no compensation alone"
						delete(l.undoes, undo)
					}
				}
			}
		}
		l.findGood()
	}
}

// mayRun reports whether a flow is begun although nothing goes back.
func (l *lifting) mayRun(f *asl.Flow) bool {
	if f.Owner == nil {
		return true
	}
	around := f.Owner.Flow
	return l.good[f.Owner] && l.mayRun(around) && reach([]*asl.State{around.Start}, func(s *asl.State) []*asl.State { return slices.DeleteFunc(l.onwards(s), l.leadsBack) })[f.Owner]
}

// handlers are states behind Catches that go on, or end well, without a
// compensation: they are forward, too.
func (l *lifting) handlers() {
	for changed := true; changed; {
		changed = false
		for _, s := range l.program.Order {
			if !l.forward[s] {
				continue
			}
			for i := range s.Catch {
				if to := s.Catch[i].Next; !l.forward[to] && l.good[to] && !l.after[to] {
					changed = true
					l.goForward(to)
				}
			}
		}
	}
}

// goesBack reports whether a catcher begins the way back: it leads to compensations,
// to what follows them, or to nothing but a Fail. What follows them may end the way
// forward as well: before any step it is the way back all the same.
func (l *lifting) goesBack(s *asl.State, i int) bool {
	to := s.Catch[i].Next
	if !l.forward[s] || !l.forward[to] || !l.after[to] || !l.first[s] {
		return l.forward[s] && !l.forward[to]
	}
	r := l.restOf(to)
	return len(r.work) > 0 || r.ends && s.Flow.Owner != nil
}

// turnsBack reports whether a Choice begins the way back by an edge.
func (l *lifting) turnsBack(s, to *asl.State) bool {
	return l.forward[s] && (!l.forward[to] || l.refused[[2]*asl.State{s, to}])
}

// reach are states and all that they lead to.
func reach(from []*asl.State, by func(*asl.State) []*asl.State) map[*asl.State]bool {
	seen := map[*asl.State]bool{}
	for waiting := slices.Clone(from); len(waiting) > 0; waiting = waiting[1:] {
		s := waiting[0]
		if seen[s] {
			continue
		}
		seen[s] = true
		waiting = append(waiting, by(s)...)
	}
	return seen
}

// mayPrecede reports whether a step may have been done when another one is entered,
// by ways forward. Branches run side by side.
func (l *lifting) mayPrecede(first, second *asl.State) bool {
	f := first.CommonFlow(second)
	a, b := first.In(f), second.In(f)
	if a == b {
		return first != second
	}
	behind, known := l.behind[a]
	if !known {
		behind = reach(l.onwards(a), func(s *asl.State) []*asl.State {
			if !l.forward[s] {
				return nil
			}
			return ways(s)
		})
		l.behind[a] = behind
	}
	return behind[b]
}
