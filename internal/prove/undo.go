package prove

import (
	"fmt"
	"slices"

	"github.com/backstep/backstep/internal/asl"
)

// undoneSteps tells of ends as SUCCEEDED after a step was undone, SAGA008, and
// of compensations that run twice, SAGA005.
func (p *prover) undoneSteps(t *track, k *walker, w *walk) {
	for i := range w.ends {
		e := &w.ends[i]
		if !e.ok || e.mark.status() != undone || e.mark&rollback == 0 {
			continue
		}
		told := newTrace()
		told.to(w, -int32(i)-1)
		told.ends(true)
		p.find("SAGA008", e.at, "", told, fmt.Sprintf("the execution ends as SUCCEEDED in %s although its steps were undone", e.at.Name),
			fmt.Sprintf("Lead the compensations to a Fail state instead of %s", e.at.Name))
	}
	for i := range k.events {
		e := &k.events[i]
		if e.kind == undoneTwice {
			p.find("SAGA005", e.state, t.step.Name, p.event(e), fmt.Sprintf("%s may run a second time for %s, which is undone already", e.state.Name, t.step.Name),
				fmt.Sprintf("Leave %s out where it has run before, or see to it that it does nothing the second time", e.state.Name))
		}
	}
}

// neverBegun tells of compensations that are entered by a failure before which
// their step can't have begun: SAGA005.
func (p *prover) neverBegun() {
	for _, t := range p.pairs {
		for _, undo := range t.undos {
			p.neverBegunBy(t, undo)
		}
	}
}

func (p *prover) neverBegunBy(t *track, undo *asl.State) {
	flow := t.step.CommonFlow(undo)
	step, goal := t.step.In(flow), undo.In(flow)
	if step == goal {
		return
	}
	g := p.graph(flow)
	without := func(s *asl.State, _ *exit) bool { return s != step }
	before := g.reach(without, p.at(flow.Start))
	after := g.reach(func(*asl.State, *exit) bool { return true }, p.at(step))
	back := func(s *asl.State, e *exit) bool { return e.hop.turn == onward && s != step && !p.guards(s, goal) }
	var failures []arc
	var from []*asl.State
	var begins []int32
	for i, s := range flow.States {
		if !before[i] || after[i] || s == goal {
			continue
		}
		for _, a := range g.out[i] {
			if a.exit.hop.turn == failing || a.exit.hop.turn == refusing {
				failures, from, begins = append(failures, a), append(from, s), append(begins, a.to)
			}
		}
	}
	if !g.reach(back, begins...)[p.at(goal)] {
		return
	}
	for i, a := range failures {
		legs, _, ok := p.route(a.exit.to, back, func(s *asl.State) bool { return s == goal })
		if !ok {
			continue
		}
		told := newTrace()
		p.enter(told, flow, 0)
		begin, _, _ := p.route(flow.Start, without, func(at *asl.State) bool { return at == from[i] })
		told.along(begin)
		told.hop(from[i], a.exit.hop)
		told.along(legs)
		told.entries[undo.Name]++
		told.move(undo, "runs")
		p.find("SAGA005", undo, t.step.Name, told, fmt.Sprintf("%s runs when %s fails, before %s can have run", undo.Name, from[i].Name, t.step.Name),
			fmt.Sprintf("Lead the Catch of %s behind %s in the chain of compensations", from[i].Name, undo.Name))
		return
	}
}

// guards reports whether a state is a Choice that decides whether a compensation
// runs, or what it stands within.
func (p *prover) guards(s, undo *asl.State) bool {
	return s.Type == asl.Choice && !p.facts[s].forward &&
		slices.ContainsFunc(choices(s), func(next *asl.State) bool { return p.passed(next) == undo })
}

// needUndos notes the compensations that are entered when the tracked step may have
// been done.
func (p *prover) needUndos(k *walker, machine *walk) {
	note := func(w *walk) {
		for i := range w.nodes {
			if n := &w.nodes[i]; k.t.undo[n.state] && (n.mark.owes() || n.mark.status() == undoFailed) {
				p.needed[n.state] = true
			}
		}
	}
	note(machine)
	for _, w := range k.walks {
		note(w)
	}
}

// givenUp tells of compensations that end at their first timeout, throttling or
// lost connection: SAGA006.
func (p *prover) givenUp() {
	for _, s := range p.program.Order {
		if !p.facts[s].isUndo || !p.needed[s] {
			continue
		}
		var ways []*way
		for _, w := range p.facts[s].ways {
			transient := w.effect == unknown || w.effect == noEffect && slices.Contains(p.call(s).usual(), w.fault.name)
			if !w.soft && transient && w.tries <= 1 && !p.holdsOn(s, w) {
				ways = append(ways, w)
			}
		}
		if len(ways) == 0 {
			continue
		}
		told := newTrace()
		told.hop(s, &hop{turn: failing, ways: ways}) // before its effect: else nothing would be left
		p.find("SAGA006", s, "", told, fmt.Sprintf("the compensation %s is given up at the first %s", s.Name, p.errors(&hop{ways: ways})),
			fmt.Sprintf("Give %s a Retry that takes States.ALL", s.Name))
	}
}

// holdsOn reports whether a way out of a compensation leads back to it, to
// another one that undoes the same, or to somebody who is waited for.
func (p *prover) holdsOn(s *asl.State, w *way) bool {
	c := w.fault.catcher(s)
	if c == nil {
		return false
	}
	_, _, ok := p.route(c.Next, func(_ *asl.State, e *exit) bool { return e.hop.turn == onward }, func(at *asl.State) bool {
		return at == s || at.Type == asl.Task && p.call(at).awaits() || p.undoesAll(at, s)
	})
	return ok
}

// undoesAll reports whether a state undoes whatever another one does.
func (p *prover) undoesAll(s, other *asl.State) bool {
	undoes := false
	for _, t := range p.pairs {
		if t.undo[other] {
			if !t.undo[s] {
				return false
			}
			undoes = true
		}
	}
	return undoes
}

// undoneByAnother tells of a compensation that may have had its effect when it
// fails, and after which another one does the same once more: SAGA005.
func (p *prover) undoneByAnother(t *track) {
	for _, undo := range t.undos {
		if undo.Flow != p.program.Flow || t.step.In(undo.Flow) == nil {
			continue // in a flow of its own: it is a step's of that flow alone
		}
		edges := p.edgesOf(undo)
		for i := range edges {
			e := &edges[i]
			w := slices.IndexFunc(e.hop.ways, func(w *way) bool { return w.effect == unknown })
			if e.to == nil || e.hop.turn != failing || w < 0 {
				continue
			}
			legs, other, ok := p.route(e.to, onwardOnly, func(at *asl.State) bool { return at == undo || t.undo[at] })
			if !ok || other == undo {
				continue
			}
			s := &search{p: p, step: t.step.In(undo.Flow), undo: undo, done: func(begun) bool { return true },
				next: func(at begun, _ *exit, _ *way) (begun, bool) { return at, true }}
			begin, ok := s.run()
			if !ok {
				continue
			}
			told := newTrace()
			told.along(begin)
			told.hop(undo, &hop{turn: failing, ways: e.hop.ways[w : w+1], after: true})
			told.along(legs)
			told.entries[other.Name]++
			told.move(other, "runs")
			p.find("SAGA005", other, t.step.Name, told, fmt.Sprintf("%s may run a second time for %s, which %s may have undone when it fails by %s", other.Name, t.step.Name, undo.Name, e.hop.ways[w].label),
				fmt.Sprintf("Let %s be tried again itself, or see to it that %s does nothing the second time", undo.Name, other.Name))
			break
		}
	}
}
