package lower

import (
	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// resultState is the state in which the author's result is made of what the
// block's variable holds. It is written once.
func (b *block) resultState(s *asl.State, raw value.Value) string {
	if name, there := b.once[s.Name]; there {
		return name
	}
	if s.Language == asl.JSONata && !raw.Has("Assign") && s.Output != nil && s.Output.Query != nil && s.Output.Query.Text == "$states.input" && s.Next != nil {
		return b.entry[s.Next.Name]
	}
	name := b.name(s.Name + " Result")
	b.once[s.Name] = name
	var state *value.Builder
	switch {
	case s.Language == asl.JSONPath:
		state = b.selected(raw)
	case !raw.Has("Output") && !raw.Has("Assign"):
		state = b.made(asl.Pass, "", "Output", query("$"+b.result))
	default:
		state = b.computed(s, raw)
	}
	b.onward(state, s)
	b.add(name, state)
	return name
}

// selected is a Pass that makes a result by paths.
func (b *block) selected(raw value.Value) *value.Builder {
	out := value.NewBuilder(8)
	out.Set("Type", value.NewString("Pass"))
	copyTo(out, raw, "QueryLanguage")
	out.Set("InputPath", value.NewString("$"+b.result))
	if sel := raw.Get("ResultSelector"); !sel.IsAbsent() {
		out.Set("Parameters", sel)
	}
	copyTo(out, raw, "ResultPath", "OutputPath", "Assign")
	return out
}

// computed makes a result by expressions. They may fail, which a Pass could not
// catch: a Parallel of next to nothing can. What the state did is owed already.
func (b *block) computed(s *asl.State, raw value.Value) *value.Builder {
	if b.role != plain && (names(s, allErrors) || names(s, "States.TaskFailed") || names(s, failedExpression)) {
		b.refuse(s, "its Output or Assign may fail where its Catch takes that; make the result in a Pass behind it")
	}
	is := b.name(s.Name + " Is Done")
	at := places{result: "$" + b.result}
	out := b.made(asl.Parallel, "", "Branches", list(object("StartAt", is, "States", object(is, b.made(asl.Pass, "", "End", true).Object()))))
	for _, field := range []string{"Output", "Assign"} {
		moved, err := at.rewritten(raw.Get(field))
		if err != nil {
			b.refuse(s, "its %s can't be exported: %v", field, err)
		}
		out.Set(field, moved)
	}
	if !raw.Has("Output") {
		out.Set("Output", value.NewString(query("$"+b.result)))
	}
	switch {
	case b.role == plain:
	case b.onlyForward(s):
		b.spoilt = append(b.spoilt, s.Name)
	default:
		out.Set("Catch", list(b.everything(s)...))
	}
	return out
}

// selectLater lets a JSONPath Task end with its raw result, which its undo is to
// see, and makes its author's result of it in a state of its own.
func (b *block) selectLater(s *asl.State, raw value.Value, out *value.Builder, entered value.Value) {
	next := b.resultState(s, raw)
	cut := out.Object().Without("ResultSelector", "ResultPath", "OutputPath", "Assign")
	*out = *cut
	out.Set("ResultPath", value.NewNull())
	out.Set("Assign", merged(entered, object(b.result+".$", "$")))
	out.Set("Next", value.NewString(next))
}
