package prove

import (
	"fmt"
	"slices"

	"github.com/backstep/backstep/internal/asl"
)

// wrongOrder tells of steps that are undone while a later one, whose
// compensation comes after theirs, is still done: SAGA004.
func (p *prover) wrongOrder() {
	o := &order{prover: p, known: map[*asl.State][]bool{}}
	for _, a := range p.pairs {
		for _, undo := range a.undos {
			o.wrong(a, undo)
		}
	}
}

// order remembers what can be entered from a state when nothing fails.
type order struct {
	*prover
	known map[*asl.State][]bool
}

// leads reports whether, when nothing fails, a state can be entered from
// another one of its flow.
func (o *order) leads(from, to *asl.State) bool {
	if o.known[from] == nil {
		o.known[from] = o.graph(from.Flow).reach(onwardOnly, o.at(from))
	}
	return o.known[from][o.at(to)]
}

func onwardOnly(_ *asl.State, e *exit) bool { return e.hop.turn == onward }

// wrong looks for a pair b whose step comes after a's and whose compensation
// comes after a's, too.
func (o *order) wrong(a *track, undo *asl.State) {
	flow := a.step.CommonFlow(undo)
	step, back := a.step.In(flow), undo.In(flow)
	if step == back || o.facts[back].forward {
		return
	}
	for _, b := range o.pairs {
		for _, other := range b.undos {
			later, after := b.step.In(flow), other.In(flow)
			if b == a || later == nil || after == nil || after == back || later == step || !o.leads(back, after) || !o.leads(step, later) {
				continue
			}
			if o.leads(later, step) || o.leads(after, back) {
				continue // in a loop there is no first and no second
			}
			if o.tell(a, b, undo, other, flow) {
				return
			}
		}
	}
}

// tell tells a path on which both are done, and a's is undone first, if there is
// one.
func (o *order) tell(a, b *track, undo, other *asl.State, flow *asl.Flow) bool {
	step, back, later, after := a.step.In(flow), undo.In(flow), b.step.In(flow), other.In(flow)
	forward := func(s *asl.State, e *exit) bool { return e.hop.turn == onward && s != back && s != after }
	first, _, ok1 := o.route(flow.Start, forward, func(s *asl.State) bool { return s == step })
	second, _, ok2 := o.route(step, forward, func(s *asl.State) bool { return s == later })
	if !ok1 || !ok2 {
		return false
	}
	var failed *leg
	var legs []leg
	third, _, ok3 := o.route(later, forward, func(s *asl.State) bool {
		edges := o.edgesOf(s)
		for i := range edges {
			e := &edges[i]
			hop := o.leavesDone(b.step, s, e.hop)
			if e.to == nil || hop == nil {
				continue
			}
			l, _, ok := o.route(e.to, func(s *asl.State, e *exit) bool { return e.hop.turn == onward && s != after }, func(at *asl.State) bool { return at == back })
			if ok {
				failed, legs = &leg{s, hop}, l
				return true
			}
		}
		return false
	})
	if !ok3 {
		return false
	}
	last, _, _ := o.route(back, onwardOnly, func(s *asl.State) bool { return s == after })
	t := newTrace()
	o.enter(t, flow, 0)
	for _, part := range [][]leg{first, second, third, {*failed}, legs, last} {
		t.along(part)
	}
	t.entries[after.Name]++
	t.move(after, "runs")
	o.find("SAGA004", undo, a.step.Name, t, fmt.Sprintf("%s undoes %s while %s, which was done after it, is undone later by %s", undo.Name, a.step.Name, b.step.Name, other.Name),
		fmt.Sprintf("Let %s run before %s", other.Name, undo.Name))
	return true
}

// leavesDone is the hop by which a state fails so that a step is done by then,
// nil where it is not.
func (o *order) leavesDone(step, s *asl.State, h *hop) *hop {
	switch {
	case h.turn == refusing && o.refusals[refusal{s, h.next}] != step:
		return h
	case h.turn != failing:
		return nil
	case s != step:
		return h
	}
	i := slices.IndexFunc(h.ways, func(w *way) bool { return w.effect == unknown || w.effect == hadEffect })
	if i < 0 {
		return nil
	}
	after := *h
	after.ways, after.after = h.ways[i:i+1], true
	return &after
}
