package prove

import (
	"fmt"
	"slices"

	"github.com/backstep/backstep/internal/asl"
)

// afterPivot tells what may go wrong in plain ASL once the pivot is done:
// SAGA010 and SAGA011.
func (p *prover) afterPivot() {
	toFail := p.toFail(p.root)
	for i := range p.root.edges {
		e := &p.root.edges[i]
		from := &p.root.nodes[e.from]
		if from.mark&past == 0 {
			continue
		}
		p.secondPivot(p.root, e.from)
		fails := e.to < 0 && !p.root.ends[-e.to-1].ok || e.to >= 0 && toFail[e.to] >= 0
		if !fails || e.hop.turn != failing && from.state.Type != asl.Fail {
			continue
		}
		t := p.failingPath(p.root, toFail, int32(i))
		message := fmt.Sprintf("%s comes after the pivot, and ends the execution as FAILED when it fails: %s", from.state.Name, p.cause(from.state, e))
		fix := fmt.Sprintf("Lead a Catch of States.ALL at %s back to it, with a Wait between", from.state.Name)
		if from.state.Type == asl.Fail {
			message = fmt.Sprintf("%s ends the execution as FAILED after the pivot is done", from.state.Name)
			fix = fmt.Sprintf("Decide what %s stands for before the pivot, or end the execution well", from.state.Name)
		}
		p.find("SAGA010", from.state, "", t, message, fix)
	}
}

// secondPivot tells of a node after the pivot that is a pivot, or a step that
// could be undone: SAGA011.
func (p *prover) secondPivot(w *walk, i int32) {
	n := &w.nodes[i]
	f := p.facts[n.state]
	compensated := f.isStep && len(p.undosOf(n.state)) > 0 || p.uselessCompensate(w, n)
	var message, fix string
	switch {
	case f.isPivot && p.otherPivot(w, i):
		message, fix = fmt.Sprintf("%s is a pivot, and runs after another one is done", n.state.Name), fmt.Sprintf("Let %s be no pivot", n.state.Name)
	case compensated:
		message = fmt.Sprintf("%s runs after the pivot, and its compensation is never used", n.state.Name)
		fix = fmt.Sprintf("Move %s before the pivot, or take its compensation away", n.state.Name)
		if w.entry&past != 0 && w.flow.Owner == nil {
			message = fmt.Sprintf("%s runs in a saga that only goes forward, and its Compensate is never used", n.state.Name)
			fix = fmt.Sprintf(`Take the Compensate of %s away, or the Recovery "Forward"`, n.state.Name)
		}
	default:
		return
	}
	t := newTrace()
	p.enter(t, w.flow, w.entry)
	t.to(w, i)
	t.entries[n.state.Name]++
	t.move(n.state, "runs")
	p.find("SAGA011", n.state, "", t, message, fix)
}

// otherPivot reports whether the pivot that is done before a node is another
// state: the same one in a loop is no second pivot.
func (p *prover) otherPivot(w *walk, i int32) bool {
	for by := w.nodes[i].by; by >= 0; by = w.nodes[w.edges[by].from].by {
		s := w.nodes[w.edges[by].from].state
		if s != w.nodes[i].state && (p.facts[s].isPivot || p.holdsPivot(s)) {
			return true
		}
	}
	return w.nodes[0].mark&past != 0
}

// holdsPivot reports whether a pivot stands within a Saga.
func (p *prover) holdsPivot(s *asl.State) bool {
	for _, f := range s.Within() {
		for _, inner := range f.States {
			if p.facts[inner].isPivot || p.holdsPivot(inner) {
				return true
			}
		}
	}
	return false
}

// uselessCompensate reports whether a node after the pivot is a step with a
// Compensate that no Catch or Retry below the pivot can make use of.
func (p *prover) uselessCompensate(w *walk, n *node) bool {
	s := n.state
	if s.Step == nil || s.Step.Compensate == nil || len(s.Catch) > 0 {
		return false
	}
	for f := w.flow; f.Owner != nil && p.enteredPast(f); f = f.Owner.Flow {
		if len(f.Owner.Catch)+len(f.Owner.Retry) > 0 {
			return false
		}
	}
	return true
}

// enteredPast reports whether a flow is entered after the pivot.
func (p *prover) enteredPast(f *asl.Flow) bool {
	return slices.ContainsFunc(p.walksOf(f), func(w *walk) bool { return w.entry&past != 0 })
}

// undosOf are the states that undo a step of plain ASL.
func (p *prover) undosOf(s *asl.State) []*asl.State {
	for _, t := range p.pairs {
		if t.step == s {
			return t.undos
		}
	}
	return nil
}
