package prove

import (
	"slices"

	"github.com/backstep/backstep/internal/asl"
)

// leg is a state on a route, and how it is left.
type leg struct {
	state *asl.State
	hop   *hop
}

// graph is the states of a flow with the edges between them, whatever step is
// tracked.
type graph struct {
	flow *asl.Flow
	out  [][]arc
}

// arc is an edge from one state of a flow to another one.
type arc struct {
	to   int32
	exit *exit
}

// edgesOf are the edges of a state in its flow.
func (p *prover) edgesOf(s *asl.State) []exit {
	if p.facts[s].composite {
		return p.generic.joined(s, 0)
	}
	return p.exits(s)
}

// graph is that of a flow, made once.
func (p *prover) graph(f *asl.Flow) *graph {
	if g := p.graphs[f]; g != nil {
		return g
	}
	g := &graph{flow: f, out: make([][]arc, len(f.States))}
	for i, s := range f.States {
		edges := p.edgesOf(s)
		for e := range edges {
			if to := edges[e].to; to != nil {
				g.out[i] = append(g.out[i], arc{int32(p.facts[to].index), &edges[e]})
			}
		}
	}
	p.graphs[f] = g
	return g
}

// at is the place of a state in its flow.
func (p *prover) at(s *asl.State) int32 { return int32(p.facts[s].index) }

// reach marks the states that can be entered from some on, by the arcs that may
// be taken; the first are among them.
func (g *graph) reach(may func(*asl.State, *exit) bool, from ...int32) []bool {
	seen := make([]bool, len(g.out))
	var waiting []int32
	for _, s := range from {
		if !seen[s] {
			seen[s] = true
			waiting = append(waiting, s)
		}
	}
	for len(waiting) > 0 {
		s := waiting[len(waiting)-1]
		waiting = waiting[:len(waiting)-1]
		for i := range g.out[s] {
			if a := &g.out[s][i]; !seen[a.to] && may(g.flow.States[s], a.exit) {
				seen[a.to] = true
				waiting = append(waiting, a.to)
			}
		}
	}
	return seen
}

// route is the shortest way within a flow from a state to one that is a goal,
// which may be the first itself, by the edges that it may take. It is nil and
// false where there is none.
func (p *prover) route(from *asl.State, may func(*asl.State, *exit) bool, goal func(*asl.State) bool) ([]leg, *asl.State, bool) {
	g := p.graph(from.Flow)
	type step struct {
		from int32 // + 1
		exit *exit
	}
	by := make([]step, len(g.out))
	start := p.at(from)
	by[start].from = start + 1
	for waiting := []int32{start}; len(waiting) > 0; waiting = waiting[1:] {
		at := waiting[0]
		s := g.flow.States[at]
		if goal(s) {
			var legs []leg
			for at != start {
				before := by[at].from - 1
				legs = append(legs, leg{g.flow.States[before], by[at].exit.hop})
				at = before
			}
			slices.Reverse(legs)
			return legs, s, true
		}
		for i := range g.out[at] {
			if a := &g.out[at][i]; by[a.to].from == 0 && may(s, a.exit) {
				by[a.to] = step{at + 1, a.exit}
				waiting = append(waiting, a.to)
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

// enter tells how a flow is entered with a mark: the way to its owner, and so
// outward; where the mark says that the pivot is not done, past none.
func (p *prover) enter(t *trace, f *asl.Flow, m mark) {
	if f.Owner == nil {
		return
	}
	p.enter(t, f.Owner.Flow, m)
	t.along(p.nearest(f.Owner, m))
	t.entries[f.Owner.Name]++
	t.move(f.Owner, "begins")
}

// nearest is the nearest way to a state from the start of its flow.
func (p *prover) nearest(s *asl.State, m mark) []leg {
	before := func(at *asl.State, e *exit) bool {
		return m&past != 0 || e.mark&past == 0 && !(p.facts[at].isPivot && e.hop.turn == onward)
	}
	goal := func(at *asl.State) bool { return at == s }
	legs, _, ok := p.route(s.Flow.Start, before, goal)
	if !ok {
		legs, _, _ = p.route(s.Flow.Start, func(*asl.State, *exit) bool { return true }, goal)
	}
	return legs
}

// wayTo tells the nearest way to a state.
func (p *prover) wayTo(s *asl.State) *trace {
	t := newTrace()
	p.enter(t, s.Flow, 0)
	t.along(p.nearest(s, 0))
	return t
}

// event tells the path to an event.
func (p *prover) event(e *event) *trace {
	t := newTrace()
	p.enter(t, e.w.flow, e.w.entry)
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
