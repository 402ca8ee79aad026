package prove

import "github.com/backstep/backstep/internal/asl"

// leg is a state on a route, and how it is left.
type leg struct {
	state *asl.State
	hop   *hop
}

// edgesOf are the edges of a state in its flow, whatever step is tracked.
func (p *prover) edgesOf(s *asl.State) []exit {
	if p.facts[s].composite {
		return p.generic.joined(s, 0)
	}
	return p.exits(s)
}

// route is the shortest way within a flow from a state to one that is a goal,
// which may be the first itself, by the edges that it may take. It is nil and
// false where there is none.
func (p *prover) route(from *asl.State, may func(*asl.State, *exit) bool, goal func(*asl.State) bool) ([]leg, *asl.State, bool) {
	type step struct {
		leg  leg
		from *asl.State
	}
	by := map[*asl.State]step{from: {}}
	for waiting := []*asl.State{from}; len(waiting) > 0; waiting = waiting[1:] {
		s := waiting[0]
		if goal(s) {
			var legs []leg
			for at := s; at != from; at = by[at].from {
				legs = append(legs, by[at].leg)
			}
			for i, j := 0, len(legs)-1; i < j; i, j = i+1, j-1 {
				legs[i], legs[j] = legs[j], legs[i]
			}
			return legs, s, true
		}
		edges := p.edgesOf(s)
		p.spent += len(edges)
		for i := range edges {
			e := &edges[i]
			if e.to == nil || !may(s, e) {
				continue
			}
			if _, known := by[e.to]; !known {
				by[e.to] = step{leg{s, e.hop}, s}
				waiting = append(waiting, e.to)
			}
		}
	}
	return nil, nil, false
}

// along tells the legs of a route.
func (t *trace) along(legs []leg) {
	for _, l := range legs {
		t.hop(l.state, l.hop)
	}
}

// enter tells how a flow is entered: the way to its owner, and so outward.
func (p *prover) enter(t *trace, f *asl.Flow) {
	if f.Owner == nil {
		return
	}
	p.enter(t, f.Owner.Flow)
	legs, _, _ := p.route(f.Owner.Flow.Start, func(*asl.State, *exit) bool { return true }, func(s *asl.State) bool { return s == f.Owner })
	t.along(legs)
	t.entries[f.Owner.Name]++
	t.move(f.Owner, "begins")
}

// event tells the path to an event.
func (p *prover) event(e *event) *trace {
	t := newTrace()
	p.enter(t, e.w.flow)
	t.to(e.w, e.node)
	s := e.w.nodes[e.node].state
	switch {
	case e.hop != nil:
		t.hop(s, e.hop)
	case e.inside != nil:
		t.hop(s, &hop{turn: failing, inside: e.inside})
	default:
		t.entries[s.Name]++
		t.move(s, "runs")
	}
	return t
}

// lift is the state of a flow in which another one stands, or it itself; nil
// where it stands elsewhere.
func lift(s *asl.State, f *asl.Flow) *asl.State {
	for s.Flow != f {
		if s.Flow.Owner == nil {
			return nil
		}
		s = s.Flow.Owner
	}
	return s
}

// commonFlow is the innermost flow that holds all the states.
func commonFlow(states ...*asl.State) *asl.Flow {
	f := states[0].Flow
	for f.Owner != nil {
		inside := true
		for _, s := range states {
			inside = inside && lift(s, f) != nil
		}
		if inside {
			return f
		}
		f = f.Owner.Flow
	}
	return f
}
