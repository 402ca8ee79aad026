package prove

import (
	"slices"

	"github.com/backstep/backstep/internal/asl"
)

// Remaining is what a sidecar still has to say once its definition was written in
// the saga extension: what names states that are there, and what a step does not
// say itself. Nil: nothing.
func (s *Sidecar) Remaining(p *asl.Program) *Sidecar {
	there := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return p.States[name] == nil })
	}
	outside := func(name string) bool { return there(name) && p.States[name].Scope == nil }
	rest := &Sidecar{Comment: s.Comment, NoEffect: only(s.NoEffect, there), Irrevocable: only(s.Irrevocable, there), Decides: only(s.Decides, there), Nested: s.Nested}
	for _, c := range s.Compensates {
		if steps := only(c.Steps, there); there(c.State) && len(steps) > 0 {
			rest.Compensates = append(rest.Compensates, Compensation{c.State, steps})
		}
	}
	for _, name := range s.Pivot {
		if outside(name) {
			rest.Pivot = append(rest.Pivot, name)
		}
	}
	for name, errors := range s.KnownFailed {
		if outside(name) {
			if rest.KnownFailed == nil {
				rest.KnownFailed = map[string][]string{}
			}
			rest.KnownFailed[name] = errors
		}
	}
	for _, f := range s.Refusals {
		if there(f.Choice, f.Next, f.Step) && slices.Contains(choices(p.States[f.Choice]), p.States[f.Next]) {
			rest.Refusals = append(rest.Refusals, f)
		}
	}
	for _, f := range s.Settles {
		if there(f.Choice, f.Next, f.Step) && slices.Contains(choices(p.States[f.Choice]), p.States[f.Next]) {
			rest.Settles = append(rest.Settles, f)
		}
	}
	for _, t := range s.Tells {
		if there(append(t.States, t.Choice, t.Next)...) && slices.Contains(choices(p.States[t.Choice]), p.States[t.Next]) {
			rest.Tells = append(rest.Tells, t)
		}
	}
	for _, a := range s.Accepted {
		if a.State == "" || there(a.State) {
			rest.Accepted = append(rest.Accepted, a)
		}
	}
	if rest.says() == 0 {
		return nil
	}
	return rest
}

// only are the names that are so, nil where there are none.
func only(names []string, is func(...string) bool) []string {
	var all []string
	for _, name := range names {
		if is(name) {
			all = append(all, name)
		}
	}
	return all
}

// says counts what a sidecar says, beside its comment.
func (s *Sidecar) says() int {
	return len(s.Compensates) + len(s.Pivot) + len(s.Irrevocable) + len(s.NoEffect) + len(s.KnownFailed) + len(s.Refusals) + len(s.Decides) + len(s.Settles) + len(s.Tells) + len(s.Nested) + len(s.Accepted)
}
