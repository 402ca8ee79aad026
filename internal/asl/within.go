package asl

import (
	"slices"

	"github.com/backstep/backstep/internal/value"
)

// Within are the flows that stand within a Parallel, Map or Saga: its branches,
// its processor, its states. Of any other state there are none.
func (s *State) Within() []*Flow {
	switch s.Type {
	case Parallel:
		return s.Parallel.Branches
	case Map:
		return []*Flow{s.Map.Processor}
	case Saga:
		return []*Flow{s.Saga.Flow}
	}
	return nil
}

// Tasks are the Tasks within a state, itself where it is one.
func (s *State) Tasks() []*State {
	if s.Type == Task {
		return []*State{s}
	}
	var all []*State
	for _, f := range s.Within() {
		for _, inner := range f.States {
			all = append(all, inner.Tasks()...)
		}
	}
	return all
}

// In is the state of a flow in which another one stands, or it itself; nil where it
// stands elsewhere.
func (s *State) In(f *Flow) *State {
	for s.Flow != f {
		if s.Flow.Owner == nil {
			return nil
		}
		s = s.Flow.Owner
	}
	return s
}

// CommonFlow is the innermost flow that holds the state and another one.
func (s *State) CommonFlow(other *State) *Flow {
	f := s.Flow
	for other.In(f) == nil {
		f = f.Owner.Flow
	}
	return f
}

// Assignments are all Assigns of a state: its own, and those of its catchers and
// rules.
func (s *State) Assignments() []*Assignment {
	all := []*Assignment{s.Assign}
	for i := range s.Catch {
		all = append(all, s.Catch[i].Assign)
	}
	if s.Choice != nil {
		for i := range s.Choice.Rules {
			all = append(all, s.Choice.Rules[i].Assign)
		}
	}
	return slices.DeleteFunc(all, func(a *Assignment) bool { return a == nil })
}

// Texts are the states of a program by their names, as they stand in its
// definition.
func (p *Program) Texts(definition value.Value) map[string]value.Value {
	texts := map[string]value.Value{}
	p.texts(definition, texts)
	return texts
}

func (p *Program) texts(v value.Value, texts map[string]value.Value) {
	switch v.Kind() {
	case value.Array:
		for _, item := range v.Items() {
			p.texts(item, texts)
		}
	case value.Object:
		for name, m := range v.Members() {
			if name == "States" && m.Kind() == value.Object {
				for state, text := range m.Members() {
					if p.States[state] != nil {
						texts[state] = text
					}
				}
			}
			p.texts(m, texts)
		}
	}
}
