package graph

import (
	"cmp"
	"slices"
)

// ports spreads the lines of each box along its sides, in the order in which they
// leave, so that none cross at once. The main way goes through the middle.
func (s *sheet) ports() {
	for i := range s.cells {
		c := &s.cells[i]
		if c.box == nil {
			continue
		}
		half, _ := s.turn(c.box.Width, c.box.Height)
		half /= 2
		by := func(at func(*link) int) func(a, b int) int {
			return func(a, b int) int {
				return cmp.Or(cmp.Compare(at(&s.links[a]), at(&s.links[b])), cmp.Compare(a, b))
			}
		}
		slices.SortFunc(c.down, by(func(l *link) int { return s.cells[l.below].at }))
		slices.SortFunc(c.up, by(func(l *link) int { return s.cells[l.top].at }))
		s.leave(s.comeBack(c.down, half), half)
		s.arrive(s.goBack(c.up, half), half)
	}
}

// leave gives each line out of the bottom of a box its port.
func (s *sheet) leave(links []int, half int) {
	main := -1
	for i, n := range links {
		if s.links[n].pull == mainWay {
			main = i
		}
	}
	for i, n := range links {
		switch p := &s.links[n].topPort; {
		case main < 0:
			*p = -half + 2*half*(i+1)/(len(links)+1)
		case i < main:
			*p = -half + half*(i+1)/(main+1)
		default:
			*p = half * (i - main) / (len(links) - main)
		}
	}
}

// comeBack gives the turned ones of the lines beneath a box, which come back to it,
// their columns at its side, one to each kind. It is the others.
func (s *sheet) comeBack(links []int, half int) (straight []int) {
	flow, errors := 0, 0 // how far out
	for _, n := range links {
		l := &s.links[n]
		if !l.turned {
			straight = append(straight, n)
			continue
		}
		out := &flow
		if l.errors {
			out = &errors
		}
		if *out == 0 {
			*out = 1 + min(flow+errors, 1)
		}
		l.topPort = -half - column**out
	}
	return straight
}

// goBack gives the turned ones of the lines above a box, which begin there, each its
// column, the leftmost the outermost. It is the others.
func (s *sheet) goBack(links []int, half int) (straight []int) {
	var turned []int
	for _, n := range links {
		if s.links[n].turned {
			turned = append(turned, n)
		} else {
			straight = append(straight, n)
		}
	}
	for i, n := range turned {
		s.links[n].belowPort = -half - column*(len(turned)-i)
	}
	return straight
}

// arrive gives the lines into the top of a box their ports: those of one kind share
// one.
func (s *sheet) arrive(links []int, half int) {
	where := func(errors bool) (sum, n int) {
		for _, l := range links {
			if s.links[l].errors == errors {
				sum += s.cells[s.links[l].top].at
				n++
			}
		}
		return sum, n
	}
	flow, flows := where(false)
	failed, failures := where(true)
	if flows == 0 || failures == 0 {
		return
	}
	side := half / 2
	if failed*flows < flow*failures {
		side = -side
	}
	for _, l := range links {
		if s.links[l].errors {
			s.links[l].belowPort = side
		}
	}
}
