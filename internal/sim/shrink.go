package sim

import "slices"

// Shrink looks for the least world in which what an outcome breaks is broken: with
// fewer nodes, fewer faults and fewer executions. It runs at most so many worlds,
// and gives the outcome of the least that it found.
func Shrink(o Outcome, most int) Outcome {
	s := shrinking{best: o, left: most}
	for before := -1; before != s.found && s.left > 0; {
		before = s.found
		s.nodes()
		s.until()
		s.lists()
	}
	return s.best
}

type shrinking struct {
	best  Outcome
	left  int // runs
	found int // lesser worlds
}

// try runs a world with that left out, and keeps it if it breaks the same rule.
func (s *shrinking) try(l Less) bool {
	if s.left == 0 {
		return false
	}
	s.left--
	o := s.best.Options
	o.Less, o.Trace = l, false
	out := Run(o)
	if out.Violation == nil || out.Violation.Rule != s.best.Violation.Rule {
		return false
	}
	s.best = out
	s.found++
	return true
}

func (s *shrinking) nodes() {
	if !s.best.Cluster {
		return
	}
	for n := 1; n < 3; n++ {
		l := s.best.Less
		if l.Nodes != 0 && l.Nodes <= n {
			return
		}
		if l.Nodes = n; s.try(l) {
			return
		}
	}
}

// until leaves all faults out after one.
func (s *shrinking) until() {
	low, high := 0, s.best.Strikes
	for low+1 < high {
		l := s.best.Less
		if l.Until = (low + high) / 2; s.try(l) {
			high = l.Until
		} else {
			low = l.Until
		}
	}
}

// lists leaves out kinds of faults, executions, and then single faults.
func (s *shrinking) lists() {
	var kinds, starts, strikes []int
	for f, n := range s.best.Faults {
		if n > 0 {
			kinds = append(kinds, f)
		}
	}
	s.leaveOut(kinds, func(l *Less) *[]int { return &l.Kinds })
	for i := range mostStarts {
		starts = append(starts, i)
	}
	s.leaveOut(starts, func(l *Less) *[]int { return &l.Starts })
	for i := range s.best.Strikes {
		strikes = append(strikes, i+1)
	}
	s.leaveOut(strikes, func(l *Less) *[]int { return &l.Strikes })
}

// leaveOut leaves out as many of those numbers as it can: first many at once, and
// then fewer and fewer.
func (s *shrinking) leaveOut(all []int, list func(*Less) *[]int) {
	all = slices.DeleteFunc(all, func(n int) bool { return slices.Contains(*list(&s.best.Less), n) })
	for size := (len(all) + 1) / 2; size > 0; size /= 2 {
		for at := 0; at < len(all); {
			some := all[at:min(at+size, len(all))]
			l := s.best.Less
			to := list(&l)
			*to = append(slices.Clone(*to), some...)
			if s.try(l) {
				all = slices.Delete(all, at, at+len(some))
			} else {
				at += size
			}
		}
	}
}
