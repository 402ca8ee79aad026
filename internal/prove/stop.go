package prove

import "github.com/backstep/backstep/internal/asl"

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
	t.bodyFault(s, scriptUndo, name)
}

// leftByStop is the path on which a step is under way when somebody stops its
// saga, and lands; nil where it is past its pivot by then.
func (p *prover) leftByStop(t *track) *trace {
	saga := outermost(t.step.Scope)
	if saga.Abort || saga.Recovery == asl.Forward || p.onlyPast(t.step) {
		return nil // that a stop ends it at once is told once
	}
	return p.undoneByStop(t.step)
}

// outermost is the saga in which a scope stands.
func outermost(saga *asl.SagaFields) *asl.SagaFields {
	for saga.Outer != nil {
		saga = saga.Outer
	}
	return saga
}

// lastError is an error by which the last of the alternatives of a step's
// Compensate may end for good, "" where none does.
func lastError(s *asl.State) string {
	if len(s.Step.Compensate) == 0 {
		return ""
	}
	return endOf(s.Step.Compensate[len(s.Step.Compensate)-1])
}

// endOf is an error by which a body may end for good, "" where its Retry takes
// them all without end.
func endOf(b *asl.Body) string {
	c := newCall(&b.Resource, b.Parameters)
	for _, name := range append(c.usual(), stateTimeout) {
		if givesUp(fault{name: name, timeout: name == stateTimeout}.retrier(&asl.State{Retry: b.Retry})) {
			return name
		}
	}
	return ""
}
