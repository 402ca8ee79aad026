package lift

import (
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
	if slices.Contains(l.pivots, s) && !p.active() && s.Flow.Owner == nil && l.forward[s] && l.inScope(s) {
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

func texts(names []string) value.Value {
	items := make([]value.Value, len(names))
	for i, name := range names {
		items[i] = value.NewString(name)
	}
	return value.NewArray(items)
}
