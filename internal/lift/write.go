package lift

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// made is a state that the import adds to a flow.
type made struct {
	flow *asl.Flow
	name string
	text value.Value
}

// machine is the definition in the extension.
func (l *lifting) machine(tree value.Value) value.Value {
	l.tell()
	flow := l.block(tree, l.program.Flow)
	out := value.NewBuilder(tree.Len() + 1)
	for name, v := range tree.Members() {
		switch name {
		case "StartAt":
			if l.tails[l.program.Flow] == nil {
				out.Set("Saga", value.NewObject())
			}
			out.Set(name, l.start(l.program.Flow))
		case "States":
			out.Set(name, flow)
		default:
			out.Set(name, v)
		}
	}
	return out.Object()
}

// block is the States of a flow. With a tail those of the machine stand in a scope
// of their own.
func (l *lifting) block(raw value.Value, f *asl.Flow) value.Value {
	texts := map[*asl.State]value.Value{}
	entered := l.entered(f)
	for _, s := range f.States {
		if entered[s] {
			texts[s] = l.state(s)
		}
	}
	all, inner := value.NewBuilder(len(texts)), value.NewBuilder(len(texts))
	t := l.tails[f]
	for name := range raw.Get("States").Members() {
		s := l.program.States[name]
		switch {
		case !entered[s]:
		case t != nil && !t.apart[s]:
			all.Set(t.name, value.NewNull()) // its place
			inner.Set(name, texts[s])
		default:
			all.Set(name, texts[s])
		}
	}
	for _, m := range l.made {
		switch {
		case m.flow != f:
		case t != nil:
			inner.Set(m.name, m.text)
		default:
			all.Set(m.name, m.text)
		}
	}
	if t != nil {
		all.Set(t.name, l.scope(t, inner.Object()))
	}
	return all.Object()
}

// scope is the Saga state before a tail.
func (l *lifting) scope(t *tail, states value.Value) value.Value {
	catch := value.NewBuilder(4)
	catch.Set("ErrorEquals", value.NewArray([]value.Value{value.NewString("States.ALL")}))
	for name, v := range t.catch.Members() {
		catch.Set(name, v)
	}
	catch.Set("Next", value.NewString(t.entry.Name))
	out := value.NewBuilder(6)
	out.Set("Type", value.NewString(string(asl.Saga)))
	if language := l.texts[t.start.Name].Get("QueryLanguage"); !language.IsAbsent() {
		out.Set("QueryLanguage", language)
	}
	out.Set("StartAt", value.NewString(t.start.Name))
	out.Set("States", states)
	out.Set("Catch", value.NewArray([]value.Value{catch.Object()}))
	if t.on != nil {
		out.Set("Next", value.NewString(t.on.Name))
	} else {
		out.Set("End", value.NewBool(true))
	}
	return out.Object()
}

// state is a state as the import writes it.
func (l *lifting) state(s *asl.State) value.Value {
	raw := l.texts[s.Name]
	out := value.NewBuilder(raw.Len() + 2)
	done := false
	for name, v := range raw.Members() {
		if !done && (name == "Catch" || name == "Next" || name == "End") {
			l.stepFields(s, out)
			done = true
		}
		switch name {
		case "Next":
			l.next(s, out)
		case "Catch":
			if kept := l.catchers(s, v); kept.Len() > 0 {
				out.Set(name, kept)
			}
		case "Choices":
			rules := make([]value.Value, v.Len())
			for i, rule := range v.Items() {
				rules[i] = rule.With("Next", value.NewString(l.choose(s, s.Choice.Rules[i].Next)))
			}
			out.Set(name, value.NewArray(rules))
		case "Default":
			out.Set(name, value.NewString(l.choose(s, s.Choice.Default)))
		case "Branches":
			branches := make([]value.Value, v.Len())
			for i, b := range v.Items() {
				branches[i] = b.With("StartAt", l.start(s.Parallel.Branches[i])).With("States", l.block(b, s.Parallel.Branches[i]))
			}
			out.Set(name, value.NewArray(branches))
		case "ItemProcessor", "Iterator":
			out.Set(name, v.With("StartAt", l.start(s.Map.Processor)).With("States", l.block(v, s.Map.Processor)))
		default:
			out.Set(name, v)
		}
	}
	return out.Object()
}

// stepFields are what a state gets as a step of a saga.
func (l *lifting) stepFields(s *asl.State, out *value.Builder) {
	p := l.steps[s]
	if p.active() && p.step == s {
		out.Set("Compensate", p.body)
	}
	if known := l.known[s.Name]; known != nil && l.forward[s] && l.inScope(s) {
		out.Set("KnownFailed", texts(known))
	} else if p.active() && p.whatever {
		out.Set("KnownFailed", texts(nil))
	}
	if slices.Contains(l.pivots, s) && !p.active() && s.Flow.Owner == nil {
		out.Set("Pivot", value.NewBool(true))
	}
}

// next writes where a state leads to.
func (l *lifting) next(s *asl.State, out *value.Builder) {
	to := l.past(s.Next)
	t := l.tails[s.Flow]
	if to == nil || t != nil && !t.apart[s] && t.apart[to] {
		out.Set("End", value.NewBool(true))
		return
	}
	name := to.Name
	if t != nil && t.lead[s] && to == t.start {
		name = t.name
	}
	out.Set("Next", value.NewString(name))
}

// start is the name of what a flow begins with: of its scope, where that comes first.
func (l *lifting) start(f *asl.Flow) value.Value {
	if t := l.tails[f]; t != nil && f.Start == t.start {
		return value.NewString(t.name)
	}
	return value.NewString(f.Start.Name)
}

// inScope reports whether a state stands in a saga.
func (l *lifting) inScope(s *asl.State) bool {
	for ; ; s = s.Flow.Owner {
		if t := l.tails[s.Flow]; t != nil && !t.apart[s] {
			return true
		}
		if s.Flow.Owner == nil {
			return l.tails[s.Flow] == nil
		}
	}
}

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
	return without(raw, "ResultPath", "Output", "Assign").Object().With("Next", value.NewString(name))
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

func texts(names []string) value.Value {
	items := make([]value.Value, len(names))
	for i, name := range names {
		items[i] = value.NewString(name)
	}
	return value.NewArray(items)
}

// without is an object without some of its members.
func without(v value.Value, names ...string) *value.Builder {
	out := value.NewBuilder(v.Len())
	for name, m := range v.Members() {
		if !slices.Contains(names, name) {
			out.Set(name, m)
		}
	}
	return out
}

// indented is a definition as people read it, the same for the same definition.
func indented(v value.Value) string {
	var out bytes.Buffer
	_ = json.Indent(&out, []byte(v.Text().String()), "", "  ") // it is JSON
	out.WriteByte('\n')
	return out.String()
}
