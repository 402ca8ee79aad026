package prove

import (
	"fmt"
	"slices"

	"github.com/backstep/backstep/internal/asl"
)

// takesBack is the step whose effect the Compensate of a step takes back, by the
// name of what it calls: the step itself, unless that name undoes another step of
// the program, and not this one.
func (p *prover) takesBack(s *asl.State) *asl.State {
	c := newCall(&s.Step.Compensate[0].Resource, s.Step.Compensate[0].Parameters)
	undo := newName(c.function)
	if undo.verb == "" || p.undoneAs(undo, s) > 0 || p.isAbout(undo, s) {
		return s
	}
	best, score := s, 0
	for _, other := range p.program.Order {
		if other.Task == nil || other.Step == nil || other.Step.Compensate == nil {
			continue
		}
		if n := p.undoneAs(undo, other); n > score {
			best, score = other, n
		}
	}
	return best
}

// undoneAs tells how well a name undoes a step, by the step's name or its
// function's.
func (p *prover) undoneAs(undo name, s *asl.State) int {
	return max(undo.matches(newName(s.Name)), undo.matches(newName(p.call(s).function)))
}

// isAbout reports whether a name has a word in common with a step, beside the
// verbs.
func (p *prover) isAbout(undo name, s *asl.State) bool {
	of := slices.Concat(newName(s.Name).words, newName(p.call(s).function).words)
	return slices.ContainsFunc(undo.nouns, func(noun string) bool { return slices.Contains(of, noun) })
}

// crossed tells of a Compensate that by its name undoes another step than its
// own: SAGA005 of that one, and its own is left.
func (p *prover) crossed(s *asl.State) {
	if len(s.Step.Compensate) != 1 {
		return
	}
	of := p.takesBack(s)
	if of == s {
		return
	}
	function := newCall(&s.Step.Compensate[0].Resource, s.Step.Compensate[0].Parameters).function
	p.find("SAGA005", s, of.Name, p.undoneByStop(s), fmt.Sprintf("the Compensate of %s calls %s, which by its name undoes %s; %s itself is left", s.Name, function, of.Name, s.Name),
		fmt.Sprintf("Let the Compensate of %s call what undoes %s", s.Name, s.Name))
}
