package prove

import (
	"slices"

	"github.com/backstep/backstep/internal/asl"
)

// Role is what a Task is to its saga: what a proof takes it for.
type Role struct {
	Acts        bool     // it changes the world
	Irrevocable bool     // nothing can take it back
	Undoes      []string // the steps that it compensates: in plain ASL, or by hand in a saga
	TakesBack   string   // of a saga's step: the step that its Compensate undoes by its name, itself as a rule
	Undone      bool     // plain ASL has a compensation for it
	Pivot       bool
	Forward     bool   // it can be entered although nothing failed
	Keyed       bool   // its request may carry a key by which its participant knows it again
	Awaited     bool   // somebody has to tell of its end: a worker, or the holder of a token
	StopAt      string // the state at which SAGA009 tells that a stop leaves it
	Ways        []Way
}

// Way is an error by which the work of a Task may fail.
type Way struct {
	Error  string // its name; of one that no list has a name of its own
	Effect Effect
}

// Effect is what an error tells of a call's effect.
type Effect uint8

// There certainly was none; there was none as the participant itself named the
// error; nobody knows.
const (
	NoEffect Effect = iota
	NamedEffect
	UnknownEffect
)

// Cast tells of every Task of a program, and of every body of its steps, what it
// is to its saga. The error is of a sidecar that does not fit the program.
func Cast(in Input) (map[string]Role, error) {
	p := newProver(in)
	if err := p.side.check(in.Program); err != nil {
		return nil, err
	}
	p.learn()
	p.plan()
	roles := make(map[string]Role)
	for _, s := range p.program.Order {
		if s.Type == asl.Task {
			roles[s.Name] = p.role(s)
		}
	}
	for _, c := range p.side.Compensates {
		if r := roles[c.State]; p.program.States[c.State].Scope == nil {
			r.Undoes = c.Steps
			roles[c.State] = r
		}
	}
	p.findHandMade()
	for _, s := range p.program.Order {
		if s.Task == nil || s.Step == nil {
			continue
		}
		for _, other := range p.handMade(s) {
			if r := roles[other.Name]; !slices.Contains(r.Undoes, s.Name) {
				r.Undoes = append(slices.Clone(r.Undoes), s.Name)
				roles[other.Name] = r
			}
		}
	}
	for _, t := range p.pairs {
		r := roles[t.step.Name]
		r.Undone = true
		roles[t.step.Name] = r
	}
	return roles, nil
}

func (p *prover) role(s *asl.State) Role {
	c, f := p.call(s), p.facts[s]
	r := Role{Acts: p.acts(s), Irrevocable: p.isIrrevocable(s), Pivot: f.isPivot, Forward: f.forward, Keyed: unkeyed(c) == "", Awaited: c.awaits()}
	switch {
	case s.Scope != nil:
		r.StopAt = outermost(s.Scope).Flow.Start.Name
	case len(p.pairs) > 0:
		r.StopAt = p.pairs[0].step.In(p.program.Flow).Name
	}
	if s.Step != nil && len(s.Step.Compensate) == 1 {
		r.TakesBack = p.takesBack(s).Name
	}
	for _, w := range p.taskWays(s) {
		if w.fault.timeout {
			continue
		}
		r.Ways = append(r.Ways, Way{w.script, toOthers(w.effect)})
	}
	if c.named() { // it may give a name that a list further out has
		for _, name := range p.allNames(s) {
			if !isReserved(name) && !slices.ContainsFunc(r.Ways, func(w Way) bool { return w.Error == name }) {
				r.Ways = append(r.Ways, Way{name, toOthers(c.effectOf(name, p.knownFailed(s)))})
			}
		}
	}
	return r
}

// toOthers is an effect as others are told of it.
func toOthers(e effect) Effect {
	switch e {
	case noEffect:
		return NoEffect
	case refused:
		return NamedEffect
	}
	return UnknownEffect
}

// BodyWays are the errors by which a call of a body of a saga's step may fail.
func BodyWays(b *asl.Body) []Way {
	c := newCall(&b.Resource, b.Parameters)
	ways := []Way{}
	for _, name := range c.usual() {
		ways = append(ways, Way{name, toOthers(c.effectOf(name, nil))})
	}
	if c.named() {
		ways = append(ways, Way{scriptOther, NamedEffect})
	}
	return ways
}
