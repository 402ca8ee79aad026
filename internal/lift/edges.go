package lift

import (
	"fmt"
	"slices"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// catchers are those that stay. One that begins the way back falls away, unless
// another one, which stays, would take its errors.
func (l *lifting) catchers(s *asl.State, raw value.Value) value.Value {
	var kept []value.Value
	for i := raw.Len() - 1; i >= 0; i-- {
		switch {
		case !l.goesBack(s, i) || l.stays(turn{s, i, s.Catch[i].Next}):
			to := l.past(s.Catch[i].Next)
			kept = append(kept, raw.At(i).With("Next", value.NewString(to.Name)))
		case len(kept) > 0:
			kept = append(kept, l.raise(s, raw.At(i)))
		}
	}
	slices.Reverse(kept)
	return value.NewArray(kept)
}

// stays reports whether a way back is followed as before: it has compensations that
// are not converted, or work where nothing is owed. In a branch or item it stays
// where it ends well, or where somebody around looks at the error it ends by.
func (l *lifting) stays(t turn) bool {
	r := l.restOf(t.to)
	switch {
	case l.tails[t.from.Flow] != nil:
		return len(r.byHand) > 0
	case t.from.Flow.Owner == nil:
		return len(r.byHand)+len(r.work) > 0
	}
	return len(r.byHand)+len(r.work) > 0 || r.ends || l.watched(t.from)
}

// watched reports whether a state around another one tries again, or catches to go
// on, by the name of an error.
func (l *lifting) watched(s *asl.State) bool {
	for owner := s.Flow.Owner; owner != nil; owner = owner.Flow.Owner {
		for i := range owner.Catch {
			if !l.goesBack(owner, i) || l.stays(turn{owner, i, owner.Catch[i].Next}) {
				return true
			}
		}
		if len(owner.Retry) > 0 {
			return true
		}
	}
	return false
}

// raise is a catcher that ends its flow by the very error that it takes.
func (l *lifting) raise(s *asl.State, raw value.Value) value.Value {
	fail := value.NewBuilder(4)
	fail.Set("Type", value.NewString(string(asl.Fail)))
	if s.Language == asl.JSONata {
		fail.Set("QueryLanguage", value.NewString("JSONata"))
		fail.Set("Error", value.NewString("{% $states.input.Error %}"))
		fail.Set("Cause", value.NewString("{% $states.input.Cause %}"))
	} else {
		fail.Set("ErrorPath", value.NewString("$.Error"))
		fail.Set("CausePath", value.NewString("$.Cause"))
	}
	name := l.add(s.Flow, s.Name+" Failed", fail.Object())
	return raw.Without("ResultPath", "Output", "Assign").Object().With("Next", value.NewString(name))
}

// choose is the name of where an edge of a Choice leads to. One that begins the way
// back ends with a failure, by which the saga recovers.
func (l *lifting) choose(s, to *asl.State) string {
	if on := l.chosen(s, to); on != nil {
		return on.Name
	}
	fail := value.NewObject(
		value.Member{Name: "Type", Value: value.NewString(string(asl.Fail))},
		value.Member{Name: "Error", Value: value.NewString("Refused")},
		value.Member{Name: "Cause", Value: value.NewString(s.Name + " led to the way back")})
	return l.add(s.Flow, s.Name+" Said No", fail)
}

// chosen is the state that an edge of a Choice leads to, nil where that is a failure
// to be made.
func (l *lifting) chosen(s, to *asl.State) *asl.State {
	if !l.turnsBack(s, to) {
		return to
	}
	if r := l.restOf(to); l.stays(turn{s, -1, to}) || !r.ends && len(r.work) == 0 {
		return l.past(to)
	}
	return nil
}

// add adds a state, once, and gives its name.
func (l *lifting) add(f *asl.Flow, wanted string, text value.Value) string {
	for _, m := range l.made {
		if m.flow == f && value.Equal(m.text, text) {
			return m.name
		}
	}
	name := l.name(wanted)
	l.made = append(l.made, &made{f, name, text})
	return name
}

// name is a name that no state has yet, the one asked for if it is free.
func (l *lifting) name(wanted string) string {
	cut := func(n int) string {
		r := []rune(wanted)
		return string(r[:min(len(r), n)])
	}
	name := cut(asl.MaxNameLength)
	for i := 2; l.taken[name]; i++ {
		name = fmt.Sprintf("%s %d", cut(asl.MaxNameLength-5), i)
	}
	l.taken[name] = true
	return name
}

// entered are the states of a flow that something still leads to.
func (l *lifting) entered(f *asl.Flow) map[*asl.State]bool {
	from := []*asl.State{f.Start}
	if t := l.tails[f]; t != nil {
		from = append(from, t.entry)
	}
	return reach(from, func(s *asl.State) []*asl.State {
		var all []*asl.State
		for _, to := range nexts(s) {
			if s.Type == asl.Choice {
				all = append(all, l.chosen(s, to))
			} else {
				all = append(all, l.past(to))
			}
		}
		for i := range s.Catch {
			if !l.goesBack(s, i) || l.stays(turn{s, i, s.Catch[i].Next}) {
				all = append(all, l.past(s.Catch[i].Next))
			}
		}
		return slices.DeleteFunc(all, func(s *asl.State) bool { return s == nil })
	})
}
