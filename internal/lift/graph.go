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
	for _, f := range l.flows() {
		l.usedForward(f)
	}
	l.forward, l.after = map[*asl.State]bool{}, map[*asl.State]bool{}
	var from []*asl.State
	for _, f := range l.flows() {
		from = append(from, f.Start)
	}
	for s := range reach(from, func(s *asl.State) []*asl.State { return slices.DeleteFunc(l.onwards(s), l.leadsBack) }) {
		l.forward[s] = true
	}
	from = nil
	for undo := range l.undoes {
		from = append(from, ways(undo)...)
	}
	l.after = reach(from, ways)
	l.handlers()
	l.first = map[*asl.State]bool{}
	for s := range l.forward {
		l.first[s] = !slices.ContainsFunc(l.pairs, func(p *pair) bool { return p.step != s && l.mayPrecede(p.step, s) })
	}
}

// leadsBack reports whether a state can't end well by itself.
func (l *lifting) leadsBack(s *asl.State) bool { return !l.good[s] }

// flows are the machine, and all flows within it.
func (l *lifting) flows() []*asl.Flow {
	all := []*asl.Flow{l.program.Flow}
	for _, s := range l.program.Order {
		if !slices.Contains(all, s.Flow) {
			all = append(all, s.Flow)
		}
	}
	return all
}

// findGood finds the states from which a flow can end well although nothing is
// undone.
func (l *lifting) findGood() {
	l.good = map[*asl.State]bool{}
	for changed := true; changed; {
		changed = false
		for _, s := range l.program.Order {
			if !l.good[s] && l.undoes[s] == nil && (endsWell(s) || slices.ContainsFunc(l.onwards(s), func(to *asl.State) bool { return l.good[to] })) {
				l.good[s], changed = true, true
			}
		}
	}
}

// usedForward leaves the compensations that also run when all goes well: without
// them the flow could not end.
func (l *lifting) usedForward(f *asl.Flow) {
	if l.good[f.Start] {
		return
	}
	for s := range reach([]*asl.State{f.Start}, l.onwards) {
		if p := l.undoes[s]; p != nil {
			for _, other := range l.pairs {
				if other.undo == s {
					other.left = s.Name + " runs when all goes well, too: it is no compensation alone"
				}
			}
			delete(l.undoes, s)
		}
	}
	l.findGood()
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
					for at := range reach([]*asl.State{to}, func(s *asl.State) []*asl.State { return slices.DeleteFunc(l.onwards(s), l.leadsBack) }) {
						l.forward[at] = true
					}
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
	return l.forward[s] && (!l.forward[to] || l.after[to] && l.first[s] && len(l.restOf(to).work) > 0)
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
// by ways forward.
func (l *lifting) mayPrecede(first, second *asl.State) bool {
	from := l.onwards(first)
	return reach(from, func(s *asl.State) []*asl.State {
		if !l.forward[s] {
			return nil
		}
		return ways(s)
	})[second]
}
