package prove

import (
	"slices"

	"github.com/backstep/backstep/internal/asl"
)

// fact is what is known of a state.
type fact struct {
	state     *asl.State
	index     int // in its flow
	composite bool
	call      call   // of a Task
	ways      []*way // out of it, but for success
	exits     []exit // of any state that is no tracked step
	ownExits  []exit // of a tracked step
	forward   bool   // can be entered although nothing failed

	isStep  bool // a step of a pair, or a Task with an effect that no state undoes
	isUndo  bool // a compensation
	isPivot bool
	tells   bool // a Choice hears of it
}

// learn notes what is known of every state.
func (p *prover) learn() {
	p.facts = make(map[*asl.State]*fact, len(p.program.Order))
	for _, s := range p.program.Order {
		f := &fact{state: s, composite: s.Within() != nil}
		if s.Task != nil {
			f.call = newCall(&s.Task.Resource, s.Parameters)
		}
		p.facts[s] = f
	}
	for _, s := range p.program.Order {
		p.facts[s].ways = p.waysOf(s)
		for _, flow := range s.Within() {
			number(p, flow)
		}
	}
	number(p, p.program.Flow)
}

func number(p *prover, f *asl.Flow) {
	for i, s := range f.States {
		p.facts[s].index = i
	}
}

func (p *prover) call(s *asl.State) *call { return &p.facts[s].call }

// knownFailed are the names of errors that mean that a Task had no effect, nil
// where none are listed.
func (p *prover) knownFailed(s *asl.State) []string {
	if s.Step != nil && s.Step.KnownFailed != nil {
		return s.Step.KnownFailed
	}
	return p.side.KnownFailed[s.Name]
}

// stateWithin is the state of that name within another one, nil where there is
// none.
func stateWithin(s *asl.State, name string) *asl.State {
	for _, f := range s.Within() {
		for _, inner := range f.States {
			if inner.Name == name {
				return inner
			}
			if found := stateWithin(inner, name); found != nil {
				return found
			}
		}
	}
	return nil
}

// scopeOf is the saga whose states a flow holds, nil where it is none of a saga
// of its own.
func (p *prover) scopeOf(f *asl.Flow) *asl.SagaFields {
	switch {
	case f.Owner == nil:
		return p.program.Saga
	case f.Owner.Type == asl.Saga:
		return f.Owner.Saga
	case f.Owner.Type == asl.Map && f.Owner.Map.Distributed && len(f.States) > 0:
		return f.States[0].Scope // its children are sagas of their own
	}
	return nil
}

// sagaOf is the saga that recovers when a Parallel, Map or Saga fails, or that
// it stands in; nil where there is none.
func (p *prover) sagaOf(s *asl.State) *asl.SagaFields {
	if s.Type == asl.Saga {
		return s.Saga
	}
	return s.Scope
}

// onwards are the states that a state leads to when nothing fails, and whether
// its flow may end there.
func onwards(s *asl.State) (next []*asl.State, ends bool) {
	switch s.Type {
	case asl.Choice:
		return choices(s), false
	case asl.Succeed, asl.Fail:
		return nil, true
	}
	if s.Next == nil {
		return nil, true
	}
	return []*asl.State{s.Next}, false
}

// passed is the first state from s on that is no Pass.
func (p *prover) passed(s *asl.State) *asl.State {
	for i := 0; s.Type == asl.Pass && s.Next != nil && i < len(s.Flow.States); i++ {
		s = s.Next
	}
	return s
}

// exits are the edges of a state that is no Parallel, Map or Saga and no
// tracked step.
func (p *prover) exits(s *asl.State) []exit {
	f := p.facts[s]
	if f.exits == nil {
		f.exits = p.onwardExits(s)
		for _, w := range f.ways {
			f.exits = p.mergeExit(f.exits, s, w, exit{hop: &hop{after: w.effect == hadEffect}})
		}
	}
	return f.exits
}

// ownExits are the edges of a state that is the tracked step.
func (p *prover) ownExits(s *asl.State) []exit {
	f := p.facts[s]
	if f.ownExits != nil {
		return f.ownExits
	}
	all := p.onwardExits(s)
	for i := range all {
		all[i].own = done
	}
	held := held(s)
	for _, w := range f.ways {
		switch {
		case w.effect == hadEffect:
			all = p.mergeExit(all, s, w, exit{own: done, hop: &hop{after: true}})
			continue
		case w.effect != unknown || !held:
			all = p.mergeExit(all, s, w, exit{own: tried, hop: &hop{}})
		}
		if w.effect == unknown && !held {
			all = p.mergeExit(all, s, w, exit{own: uncertain, hop: &hop{after: true}})
		}
		if w.before != nil && !held {
			all = p.mergeExit(all, s, w, exit{own: uncertain, hop: &hop{before: true}})
		}
	}
	f.ownExits = all
	return all
}

// onwardExits are the edges of a state that did its work.
func (p *prover) onwardExits(s *asl.State) []exit {
	switch s.Type {
	case asl.Fail:
		return []exit{{hop: &hop{}, fails: true, fault: p.one(failure(s))}}
	case asl.Choice:
		var all []exit
		seen := map[*asl.State]bool{}
		for _, next := range choices(s) {
			if seen[next] {
				continue
			}
			seen[next] = true
			h := &hop{next: next}
			if p.refusals[refusal{s, next}] != nil {
				h.turn = refusing
			}
			all = append(all, exit{hop: h, to: next, into: p.facts[next]})
		}
		return all
	case asl.Succeed:
		return []exit{{hop: &hop{}}}
	}
	return []exit{{hop: &hop{}, to: s.Next, into: p.facts[s.Next]}}
}

// failure is the fault that a Fail state raises.
func failure(s *asl.State) fault {
	l := &s.Fail.Error
	switch {
	case l.Literal != nil:
		return fault{name: *l.Literal}
	case computedLine(l):
		return fault{open: true}
	}
	return fault{}
}

// one is the one fault that stands for all that are the same, so that they are
// told apart by their place.
func (p *prover) one(f fault) *fault {
	if p.faults[f] == nil {
		p.faults[f] = &f
	}
	return p.faults[f]
}

// mergeExit adds the edge by which a way leads out of a state, or the way to an
// edge that is there.
func (p *prover) mergeExit(all []exit, s *asl.State, w *way, e exit) []exit {
	e.hop.turn = failing
	if w.soft {
		e.hop.turn = spoiled
	}
	if c := w.fault.catcher(s); c != nil {
		e.to, e.into = c.Next, p.facts[c.Next]
	} else {
		e.fails = true
		if s.Flow.Owner != nil {
			e.fault = p.one(w.fault)
		}
	}
	for i := range all {
		o := &all[i]
		if o.hop.turn == e.hop.turn && o.to == e.to && o.fails == e.fails && o.fault == e.fault && o.own == e.own && o.hop.before == e.hop.before {
			o.hop.ways = append(o.hop.ways, w)
			return all
		}
	}
	e.hop.ways = []*way{w}
	return append(all, e)
}

// reachable marks the states that can be entered from some on, by edges that
// follow chooses; those it stops at are not entered.
func (p *prover) reachable(from []*asl.State, follow func(*asl.State, func(*asl.State))) map[*asl.State]bool {
	seen := map[*asl.State]bool{}
	var waiting []*asl.State
	enter := func(s *asl.State) {
		if s != nil && !seen[s] {
			seen[s] = true
			waiting = append(waiting, s)
		}
	}
	for _, s := range from {
		enter(s)
	}
	for len(waiting) > 0 {
		s := waiting[len(waiting)-1]
		waiting = waiting[:len(waiting)-1]
		follow(s, enter)
	}
	return seen
}

// forwards follows the edges of a state by which nothing failed, into its flows
// and out of its own.
func (p *prover) forwards(s *asl.State, enter func(*asl.State)) {
	if p.decides(s) {
		return
	}
	next, ends := onwards(s)
	for _, n := range next {
		if p.refusals[refusal{s, n}] == nil {
			enter(n)
		}
	}
	for _, f := range s.Within() {
		enter(f.Start)
	}
	if !ends || s.Type == asl.Fail {
		return
	}
	for owner := s.Flow.Owner; owner != nil; owner = owner.Flow.Owner {
		if owner.Next != nil {
			enter(owner.Next)
			return
		}
	}
}

// decides reports whether a Choice begins the way back, as the sidecar says.
func (p *prover) decides(s *asl.State) bool {
	return s.Type == asl.Choice && slices.Contains(p.side.Decides, s.Name)
}

// inOrder are the states of a set in the order of the text.
func (p *prover) inOrder(set map[*asl.State]bool) []*asl.State {
	var all []*asl.State
	for _, s := range p.program.Order {
		if set[s] {
			all = append(all, s)
		}
	}
	return all
}
