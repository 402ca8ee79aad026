package prove

import (
	"slices"

	"github.com/backstep/backstep/internal/asl"
)

// track is a step whose fate the walks follow.
type track struct {
	step     *asl.State
	undos    []*asl.State // the states that compensate it, in the order of the text
	undo     map[*asl.State]bool
	kind     trackKind
	scoped   bool                // it stands in a saga of the extension, which undoes what has a Compensate
	declared bool                // and has one
	within   map[*asl.State]bool // the Parallels, Maps and Sagas around it and its compensations
	touches  map[*asl.Flow]bool  // the flows that hold them
	around   map[*asl.State]bool // the Parallels, Maps and Sagas around the step alone
	flows    map[*asl.Flow]bool  // and the flows that hold it
}

type trackKind uint8

const (
	paired      trackKind = iota // a step with compensations
	loose                        // a Task with an effect that no state undoes
	irrevocable                  // a Task that nothing can undo
)

func newTrack(step *asl.State, kind trackKind, undos []*asl.State) *track {
	t := &track{step: step, kind: kind, undos: undos, undo: map[*asl.State]bool{},
		within: map[*asl.State]bool{}, touches: map[*asl.Flow]bool{}, around: map[*asl.State]bool{}, flows: map[*asl.Flow]bool{}}
	climb(step, t.around, t.flows)
	climb(step, t.within, t.touches)
	for _, u := range undos {
		t.undo[u] = true
		climb(u, t.within, t.touches)
	}
	return t
}

// climb notes the flows around a state, and their owners.
func climb(s *asl.State, owners map[*asl.State]bool, flows map[*asl.Flow]bool) {
	for f := s.Flow; ; f = f.Owner.Flow {
		flows[f] = true
		if f.Owner == nil {
			return
		}
		owners[f.Owner] = true
	}
}

// holds reports whether the step stands within a Parallel, Map or Saga.
func (t *track) holds(s *asl.State) bool { return t.around[s] }

// holdsStep reports whether the step stands in a flow, or in one within it.
func (t *track) holdsStep(f *asl.Flow) bool { return t.flows[f] }

// plan decides which states are steps, and what undoes them: as the sidecar
// says, or by their names where there is none.
func (p *prover) plan() {
	for _, name := range p.side.Pivot {
		p.facts[p.program.States[name]].isPivot = true
	}
	for _, s := range p.program.Order {
		if s.Step != nil && s.Step.Pivot {
			p.facts[s].isPivot = true
		}
	}
	undos := map[*asl.State][]*asl.State{}
	for _, c := range p.side.Compensates {
		undo := p.program.States[c.State]
		for _, name := range c.Steps {
			step := p.program.States[name]
			undos[step] = append(undos[step], undo)
			if step.Scope == nil {
				p.facts[undo].isUndo = true
			}
		}
	}
	for _, f := range p.side.Refusals {
		p.refusals[refusal{p.program.States[f.Choice], p.program.States[f.Next]}] = p.program.States[f.Step]
	}
	for _, f := range p.side.Settles {
		edge := refusal{p.program.States[f.Choice], p.program.States[f.Next]}
		p.settles[edge] = append(p.settles[edge], f)
	}
	for _, t := range p.side.Tells {
		p.hears[p.program.States[t.Choice]] = p.program.States[t.Next]
		for _, name := range t.States {
			p.facts[p.program.States[name]].tells = true
		}
	}
	forward := p.reachable([]*asl.State{p.program.Flow.Start}, p.forwards)
	for s := range forward {
		p.facts[s].forward = true
	}
	for _, s := range p.program.Order {
		if s.Type != asl.Task || s.Scope != nil {
			continue
		}
		if len(undos[s]) > 0 {
			p.pairs = append(p.pairs, p.newPair(s, undos[s]))
		}
	}
	p.looseSteps()
	p.byHand = undos
}

func (p *prover) newPair(s *asl.State, undos []*asl.State) *track {
	p.facts[s].isStep = true
	slices.SortFunc(undos, func(a, b *asl.State) int { return slices.Index(p.program.Order, a) - slices.Index(p.program.Order, b) })
	return newTrack(s, paired, undos)
}

// looseSteps are the Tasks that no state undoes. They matter only where others
// are undone.
func (p *prover) looseSteps() {
	if len(p.pairs) == 0 {
		return
	}
	for _, s := range p.program.Order {
		f := p.facts[s]
		if s.Type != asl.Task || s.Scope != nil || f.isStep || f.isUndo || !f.forward || !p.acts(s) {
			continue
		}
		kind := loose
		if p.isIrrevocable(s) {
			kind = irrevocable
		} else {
			f.isStep = true
		}
		p.loose = append(p.loose, newTrack(s, kind, nil))
	}
}

// acts reports whether a Task changes the world.
func (p *prover) acts(s *asl.State) bool {
	if slices.Contains(p.side.NoEffect, s.Name) || p.call(s).reads() {
		return false
	}
	if child := p.call(s).child(); child != "" {
		if n := p.nested(child); n != nil && !actsAnywhere(n) {
			return false
		}
	}
	return true
}

// actsAnywhere reports whether a program has a Task that changes the world.
func actsAnywhere(program *asl.Program) bool {
	return slices.ContainsFunc(program.Order, func(s *asl.State) bool {
		if s.Task == nil {
			return false
		}
		c := newCall(&s.Task.Resource, s.Parameters)
		return !c.reads()
	})
}

func (p *prover) isIrrevocable(s *asl.State) bool {
	return slices.Contains(p.side.Irrevocable, s.Name) || p.call(s).notifies()
}

// findEpilogue notes the states of the machine after which no step is begun any
// more.
func (p *prover) findEpilogue() {
	p.epilogue = map[*asl.State]bool{}
	if len(p.pairs) == 0 {
		return
	}
	begins := map[*asl.State]bool{}
	for _, s := range p.program.Order {
		if p.facts[s].isStep || p.facts[s].isPivot {
			climb(s, begins, map[*asl.Flow]bool{})
			begins[s] = true
		}
	}
	after := p.reachable(p.stepsOfMachine(), p.forwards)
	ahead := p.leadsTo(begins)
	for _, s := range p.program.Flow.States {
		p.epilogue[s] = p.facts[s].forward && after[s] && !ahead[s]
	}
}

// leadsTo marks the states from which, when nothing fails, one of those given
// can be entered, and these.
func (p *prover) leadsTo(targets map[*asl.State]bool) map[*asl.State]bool {
	before := map[*asl.State][]*asl.State{}
	for _, s := range p.program.Order {
		p.forwards(s, func(next *asl.State) { before[next] = append(before[next], s) })
	}
	return p.reachable(p.inOrder(targets), func(s *asl.State, enter func(*asl.State)) {
		for _, b := range before[s] {
			enter(b)
		}
	})
}

func (p *prover) stepsOfMachine() []*asl.State {
	var all []*asl.State
	for _, t := range p.pairs {
		s := t.step
		for s.Flow.Owner != nil {
			s = s.Flow.Owner
		}
		all = append(all, s)
	}
	return all
}
