package prove

import (
	"slices"

	"github.com/backstep/backstep/internal/asl"
)

// undoneByStop is the path on which a saga is stopped while a step of it is under way,
// and so undone.
func (p *prover) undoneByStop(s *asl.State) *trace {
	t := p.wayTo(s)
	p.stop(t, s)
	return t
}

func (p *prover) stop(t *trace, s *asl.State) {
	t.entries[s.Name]++
	t.moves = append(t.moves, Move{s.Name, "is under way"}, Move{"", "StopExecution"}, Move{"", "the saga goes back"})
	t.fault(s, 0, scriptStop, true)
}

// gaveUp tells that the Compensate of a step fails for good.
func (t *trace) gaveUp(s *asl.State, name string) {
	t.moves = append(t.moves, Move{s.Name, "its Compensate ends by " + name})
	t.fault(s, 0, name, false)
	t.script.Faults[len(t.script.Faults)-1].Operation = scriptUndo
}

// leftByStop is the path on which a step is done, or under way, when somebody
// stops its saga; nil where it is past its pivot by then.
func (p *prover) leftByStop(t *track, k *walker) *trace {
	saga := outermost(t.step.Scope)
	if saga.Abort {
		return nil // that is told once
	}
	walks := []*walk{&p.machine}
	for _, f := range p.flows() {
		for m := range mark(marks) {
			if w := k.walks[walkKey{flow: f, mark: m}]; w != nil {
				walks = append(walks, w)
			}
		}
	}
	for _, w := range walks {
		for i := range w.nodes {
			n := &w.nodes[i]
			if n.mark&past != 0 || n.state.Scope == nil || outermost(n.state.Scope) != saga {
				continue
			}
			here, later := n.state == t.step && !n.mark.owes(), n.mark.owes() && p.calls(n.state)
			if !here && !later {
				continue
			}
			told := newTrace()
			p.enter(told, w.flow)
			told.to(w, int32(i))
			if here {
				p.stop(told, n.state)
				return told
			}
			told.entries[n.state.Name]++
			told.moves = append(told.moves, Move{"", "StopExecution"}, Move{"", "the saga goes back"})
			told.fault(n.state, 0, scriptStop, false)
			return told
		}
	}
	return nil
}

// outermost is the saga in which a scope stands.
func outermost(saga *asl.SagaFields) *asl.SagaFields {
	for saga.Outer != nil {
		saga = saga.Outer
	}
	return saga
}

// calls reports whether a state is a Task, or has one within it.
func (p *prover) calls(s *asl.State) bool {
	return s.Task != nil || slices.ContainsFunc(flowsOf(s), func(f *asl.Flow) bool { return slices.ContainsFunc(f.States, p.calls) })
}

// lastError is an error by which the last of the alternatives of a step's
// Compensate may end for good, "" where none does.
func lastError(s *asl.State) string {
	if len(s.Step.Compensate) == 0 {
		return ""
	}
	b := s.Step.Compensate[len(s.Step.Compensate)-1]
	c := newCall(&b.Resource, b.Parameters)
	for _, name := range append(c.usual(), stateTimeout) {
		if givesUp(fault{name: name, timeout: name == stateTimeout}.retrier(&asl.State{Retry: b.Retry})) {
			return name
		}
	}
	return ""
}
