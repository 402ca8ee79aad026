package lower

import (
	"fmt"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// stepFields are what a Task of a scope has of its own.
var stepFields = []string{"Compensate", "Confirm", "Query", "SavePoint", "Pivot", "OnUnknown", "KnownFailed", "CompensateWithin", "SemanticLock", "Runbook"}

// task writes a Task: what it did is entered into what is owed as it ends, and
// its failure leads to the way back.
func (b *block) task(s *asl.State, raw value.Value) {
	out := without(raw, append([]string{"Next", "End", "Catch"}, stepFields...)...)
	if s.Step != nil && s.Step.KnownFailed != nil {
		b.side.KnownFailed = append(b.side.KnownFailed, Names{s.Name, s.Step.KnownFailed})
	}
	switch {
	case b.role == plain:
		if c := raw.Get("Catch"); !c.IsAbsent() {
			out.Set("Catch", b.retargeted(s, c))
		}
	case b.role == bound || b.after[s]:
		b.endless(s, raw, out)
	case s.Step.Pivot:
		b.pivot(s, raw, out)
	case b.records(s):
		b.step(s, raw, out)
	default:
		all := b.userCatch(s, raw)
		if !names(s, "States.ALL") {
			all = append(all, b.catchAll(s, b.fails(), value.Value{}))
		}
		out.Set("Catch", list(all...))
	}
	if out.Get("Next").IsAbsent() {
		b.onward(out, s)
	}
	b.add(s.Name, out)
}

// userCatch are the catchers as they stand in the text.
func (b *block) userCatch(s *asl.State, raw value.Value) []value.Value {
	if c := raw.Get("Catch"); !c.IsAbsent() {
		return b.retargeted(s, c).Items()
	}
	return nil
}

// told is what a catcher notes of an error.
func (b *block) told(s *asl.State) value.Value {
	if s.Language == asl.JSONata {
		return object(b.fault, object("Error", query("$states.errorOutput.Error"), "Cause", query("$states.errorOutput.Cause")))
	}
	return object(b.fault, object("Error.$", "$.Error", "Cause.$", "$.Cause"))
}

// catchAll takes every error to the way back.
func (b *block) catchAll(s *asl.State, next string, assign value.Value) value.Value {
	return object("ErrorEquals", []string{"States.ALL"}, "Assign", merged(b.told(s), assign), "Next", next)
}

// step writes a Task that is owed once it is done, or may be.
func (b *block) step(s *asl.State, raw value.Value, out *value.Builder) {
	b.undoes = true
	n := needsOf(s, raw, "Compensate")
	entered := b.entryObject(s, n)
	if s.Language == asl.JSONPath {
		b.before(s, n)
		if n.result && raw.Has("ResultSelector") {
			b.selectLater(s, raw, out, entered)
			b.catchStep(s, raw, out, n)
			return
		}
	}
	out.Set("Assign", merged(raw.Get("Assign"), entered))
	b.catchStep(s, raw, out, n)
}

// before keeps what a JSONPath Task is entered with: its own fields can't say it
// any more when it ends.
func (b *block) before(s *asl.State, n needs) {
	assign := value.NewBuilder(2)
	if n.input {
		assign.Set(b.input, value.NewString(query("$states.input")))
	}
	if n.vars {
		assign.Set(b.vars, value.NewString(query(variables(s.Step.Names))))
	}
	note := b.made(asl.Pass, "What "+s.Name+" is entered with, for its undo.")
	if assign.Len() > 0 {
		note.Set("Assign", assign.Object())
	}
	note.Set("Next", value.NewString(s.Name))
	b.add(b.entry[s.Name], note)
}

// variables is an object of variables, without those that are not set.
func variables(names []string) string {
	text := "{"
	for i, name := range names {
		if i > 0 {
			text += ", "
		}
		text += quoted(name) + ": $" + name
	}
	return text + "}"
}

// entryObject is the Assign by which a step that is done is put on top of what is
// owed.
func (b *block) entryObject(s *asl.State, n needs) value.Value {
	e := value.NewBuilder(6)
	e.Set("Step", value.NewString(s.Name))
	set := func(is bool, name, query1, path string) {
		switch {
		case !is:
		case s.Language == asl.JSONata:
			e.Set(name, value.NewString(query(query1)))
		default:
			e.Set(name+".$", value.NewString(path))
		}
	}
	set(n.input, "Input", "$states.input", "$"+b.input)
	set(n.result, "Result", "$states.result", "$")
	set(n.vars, "Vars", variables(s.Step.Names), "$"+b.vars)
	if n.saga {
		saga := object("StepId", query("$uuid()"), "Outcome", "SUCCEEDED")
		if s.Language == asl.JSONPath {
			saga = object("StepId.$", "States.UUID()", "Outcome", "SUCCEEDED")
		}
		e.Set("Saga", saga)
	}
	set(true, "Then", "$"+b.owed, "$"+b.owed)
	return object(b.owed, e.Object())
}

// entryText is the same of a step that may be done, as an expression.
func (b *block) entryText(s *asl.State, n needs) string {
	text := "{'Step': " + quoted(s.Name)
	input, vars := "$states.input", variables(s.Step.Names)
	if s.Language == asl.JSONPath {
		input, vars = "$"+b.input, "$"+b.vars
	}
	if n.input {
		text += ", 'Input': " + input
	}
	if n.vars {
		text += ", 'Vars': " + vars
	}
	if n.saga {
		text += ", 'Saga': {'StepId': $uuid(), 'Outcome': 'UNKNOWN'}"
	}
	return text + ", 'Then': $" + b.owed + "}"
}

// catchStep gives a step its catchers: its own undo comes before the Next of its
// author's, where it may have been done, and all else leads to the way back.
func (b *block) catchStep(s *asl.State, raw value.Value, out *value.Builder, n needs) {
	var all []value.Value
	for i, c := range b.userCatch(s, raw) {
		f := fateOf(s, s.Step.KnownFailed, s.Catch[i].ErrorEquals)
		if f == failedFate {
			all = append(all, c)
			continue
		}
		next := c.Get("Next").AsString()
		undo := b.undoFirst(s, next)
		if f == openFate {
			ask := b.name(fmt.Sprintf("Was %s Done?", s.Name))
			b.add(ask, b.made(asl.Choice, "", "Choices", list(object("Condition", query("$"+b.owed+".Doubt = true"), "Next", undo)), "Default", next))
			undo = ask
		}
		all = append(all, b.weighed(s, c, f, undo, n))
	}
	if names(s, "States.ALL") {
		out.Set("Catch", list(all...))
		return
	}
	last := object("ErrorEquals", []string{"States.ALL"}, "Next", b.fails())
	wildcard := fateOf(s, s.Step.KnownFailed, []string{"States.ALL"})
	if known := s.Step.KnownFailed; len(known) > 0 && fateOf(s, known, known) == failedFate {
		all = append(all, object("ErrorEquals", known, "Assign", b.told(s), "Next", b.fails()))
		wildcard = unknownFate
	}
	all = append(all, b.weighed(s, last, wildcard, b.fails(), n))
	out.Set("Catch", list(all...))
}

// weighed is a catcher that enters the step into what is owed where it may have
// been done.
func (b *block) weighed(s *asl.State, c value.Value, f fate, next string, n needs) value.Value {
	text := b.entryText(s, n)
	marked := "$merge([" + text + ", {'Doubt': true}])"
	clean := "$" + b.owed
	weigh := func(err, retries string) string {
		if f == unknownFate {
			return query(marked)
		}
		return query(doubt(s, s.Step.KnownFailed, s.Retry, err, retries) + " ? " + marked + " : $merge([" + clean + ", {'Doubt': false}])")
	}
	if s.Language == asl.JSONata {
		assign := merged(c.Get("Assign"), b.told(s), object(b.owed, weigh("$states.errorOutput.Error", "$states.context.State.RetryCount")))
		return c.With("Assign", assign).With("Next", value.NewString(next))
	}
	weighs := b.name(s.Name + " Failed")
	b.add(weighs, b.made(asl.Pass, "A failure that leaves open whether "+s.Name+" was done counts as done.",
		"Assign", object(b.owed, weigh("$"+b.fault+".Error", "$"+b.retries)), "Next", next))
	assign := merged(c.Get("Assign"), b.told(s), object(b.retries+".$", "$$.State.RetryCount"))
	return c.With("Assign", assign).With("Next", value.NewString(weighs))
}

// selectLater lets a JSONPath Task end with its raw result, which its undo is to
// see, and makes its author's result of it in a state of its own.
func (b *block) selectLater(s *asl.State, raw value.Value, out *value.Builder, entered value.Value) {
	later := b.name(s.Name + " Result")
	result := value.NewBuilder(8)
	result.Set("Type", value.NewString("Pass"))
	copyTo(result, raw, "QueryLanguage")
	result.Set("InputPath", value.NewString("$"+b.result))
	if sel := raw.Get("ResultSelector"); !sel.IsAbsent() {
		result.Set("Parameters", sel)
	}
	copyTo(result, raw, "ResultPath", "OutputPath", "Assign")
	b.onward(result, s)
	b.add(later, result)
	cut := without(out.Object(), "ResultSelector", "ResultPath", "OutputPath", "Assign")
	*out = *cut
	out.Set("ResultPath", value.NewNull())
	out.Set("Assign", merged(entered, object(b.result+".$", "$")))
	out.Set("Next", value.NewString(later))
}
