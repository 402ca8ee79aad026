package lower

import (
	"fmt"
	"slices"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// stepFields are what a Task of a scope has of its own.
var stepFields = []string{"Compensate", "Confirm", "Query", "SavePoint", "Pivot", "OnUnknown", "KnownFailed", "CompensateWithin", "SemanticLock", "Runbook"}

// task writes a Task: what it did is entered into what is owed as it ends, and
// its failure leads to the way back.
func (b *block) task(s *asl.State, raw value.Value) {
	out := raw.Without(append([]string{"Next", "End", "Catch"}, stepFields...)...)
	if s.Step != nil && s.Step.KnownFailed != nil {
		b.side.KnownFailed = append(b.side.KnownFailed, Names{s.Name, s.Step.KnownFailed})
	}
	if b.role == plain {
		if c := raw.Get("Catch"); !c.IsAbsent() {
			out.Set("Catch", b.retargeted(s, c))
		}
		b.onward(out, s)
		b.add(s.Name, out)
		return
	}
	if b.saving(s) {
		b.savePoint(s)
	}
	n := needsOf(s, raw, "Compensate", "Confirm")
	if b.noted(s) {
		b.before(s, n)
	}
	if b.records(s) {
		b.undoes = true
		b.recorded(s, raw, out, n)
	}
	switch {
	case b.onlyForward(s):
		b.endless(s, raw, out)
	case b.unclear(s):
		b.concluded(s, raw, out)
	case b.records(s):
		b.catchStep(s, raw, out, n)
	default:
		out.Set("Catch", list(append(b.userCatch(s, raw), b.everything(s)...)...))
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

// The names of errors that stand for others, and of the one that they don't
// stand for on AWS.
const (
	allErrors        = "States.ALL"
	tooLarge         = "States.DataLimitExceeded"
	failedExpression = "States.QueryEvaluationError"
)

// everything takes every error that the author of a state has not taken, to the
// way back.
func (b *block) everything(s *asl.State) []value.Value {
	if names(s, allErrors) {
		return nil
	}
	next := b.fails()
	all := object("ErrorEquals", []string{allErrors}, "Assign", b.told(s), "Next", next)
	if names(s, tooLarge) {
		return []value.Value{all}
	}
	return []value.Value{all.With("ErrorEquals", asValue([]string{tooLarge})), all}
}

// recorded has a Task enter itself into what is owed as it ends.
func (b *block) recorded(s *asl.State, raw value.Value, out *value.Builder, n needs) {
	entered := b.entryObject(s, n)
	if s.Language == asl.JSONata || !n.result || !raw.Has("ResultSelector") {
		out.Set("Assign", merged(raw.Get("Assign"), entered))
	} else {
		b.selectLater(s, raw, out, entered)
	}
	if s.Language == asl.JSONPath && s.Step.CompensateWithin > 0 {
		stamp := b.name(s.Name + " Ended")
		note := b.made(asl.Pass, "From now on counts the time within which it can be undone.", "Assign",
			object(b.owed, query("$merge([$"+b.owed+", {'Ended': $millis()}])")))
		if next := out.Get("Next"); !next.IsAbsent() {
			note.Set("Next", next)
		} else {
			b.onward(note, s)
		}
		b.add(stamp, note)
		out.Set("Next", value.NewString(stamp))
	}
}

// before keeps what a JSONPath Task is entered with: its own fields can't say it
// any more when it ends. It is no try again of one that somebody was asked about.
func (b *block) before(s *asl.State, n needs) {
	assign := value.NewBuilder(3)
	if b.asksFirst(s) {
		assign.Set(b.maybe, value.NewBool(false))
	}
	if s.Language == asl.JSONata || !b.records(s) {
		n = needs{}
	}
	if n.input {
		assign.Set(b.input, value.NewString(query("$states.input")))
	}
	if n.vars {
		assign.Set(b.vars, value.NewString(query(variables(s.Step.Names))))
	}
	comment := "What " + s.Name + " is entered with."
	if assign.Get(b.input).IsAbsent() && assign.Get(b.vars).IsAbsent() {
		comment = s.Name + " was not tried yet."
	}
	note := b.made(asl.Pass, comment)
	if assign.Len() > 0 {
		note.Set("Assign", assign.Object())
	}
	note.Set("Next", value.NewString(s.Name))
	b.add(b.back[s.Name], note)
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
	set := func(is bool, name, expression, path string) {
		switch {
		case !is:
		case s.Language == asl.JSONata:
			e.Set(name, value.NewString(query(expression)))
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
	set(s.Step.CompensateWithin > 0 && s.Language == asl.JSONata, "Ended", "$millis()", "")
	set(s.Step.Confirm != nil, "At", "$states.context.State.EnteredTime", "$$.State.EnteredTime")
	set(true, "Then", "$"+b.owed, "$"+b.owed)
	return object(b.owed, e.Object())
}

// entryText is the same of a step whose outcome is told by what comes after it, as
// an expression; result is what it gave, "" where nobody knows.
func (b *block) entryText(s *asl.State, n needs, outcome, result string) string {
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
	if n.result && result != "" {
		text += ", 'Result': " + result
	}
	if n.saga {
		text += ", 'Saga': {'StepId': $uuid(), 'Outcome': '" + outcome + "'}"
	}
	if s.Step.CompensateWithin > 0 {
		text += ", 'Ended': $millis()"
	}
	if s.Step.Confirm != nil && outcome == "SUCCEEDED" {
		text += ", 'At': $states.context.State.EnteredTime"
	}
	return text + ", 'Then': $" + b.owed + "}"
}

// catchStep gives a step its catchers: its own undo comes before the Next of its
// author's, where it may have been done, and all else leads to the way back.
func (b *block) catchStep(s *asl.State, raw value.Value, out *value.Builder, n needs) {
	var all []value.Value
	for i, c := range b.userCatch(s, raw) {
		f := fateOf(s, s.Catch[i].ErrorEquals)
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
	rest := b.everything(s)
	wildcard := fateOf(s, []string{allErrors})
	if known := s.Step.KnownFailed; len(rest) > 0 && len(known) > 0 && fateOf(s, known) == failedFate {
		all = append(all, object("ErrorEquals", slices.Concat(known, harmlessOf(&s.Task.Resource)), "Assign", b.told(s), "Next", b.fails()))
		wildcard = unknownFate
	}
	for i, c := range rest {
		f := wildcard
		if i+1 < len(rest) {
			f = unknownFate // the result was too large: it was done
		}
		all = append(all, b.weighed(s, c, f, b.fails(), n))
	}
	out.Set("Catch", list(all...))
}

// weighed is a catcher that enters the step into what is owed where it may have
// been done.
func (b *block) weighed(s *asl.State, c value.Value, f fate, next string, n needs) value.Value {
	marked := "$merge([" + b.entryText(s, n, "UNKNOWN", "") + ", {'Doubt': true}])"
	clean := "$" + b.owed
	weigh := func(err, retries string) string {
		if f == unknownFate {
			return query(marked)
		}
		return query(doubtOf(s, err, retries) + " ? " + marked + " : $merge([" + clean + ", {'Doubt': false}])")
	}
	if s.Language == asl.JSONata {
		assign := merged(c.Get("Assign"), b.told(s), object(b.owed, weigh("$states.errorOutput.Error", "$states.context.State.RetryCount")))
		return c.With("Assign", assign).With("Next", value.NewString(next))
	}
	weighs := b.weighing(s, next, weigh("$"+b.fault+".Error", "$"+b.retries))
	assign := merged(c.Get("Assign"), b.told(s), object(b.retries+".$", "$$.State.RetryCount"))
	return c.With("Assign", assign).With("Next", value.NewString(weighs))
}

// weighing is the state in which a JSONPath Task's failure is weighed: one for all
// that weigh alike.
func (b *block) weighing(s *asl.State, next, weigh string) string {
	key := next + " " + weigh
	if name, there := b.once[key]; there {
		return name
	}
	name := b.name(s.Name + " Failed")
	b.add(name, b.made(asl.Pass, "A failure that leaves open whether "+s.Name+" was done counts as done.",
		"Assign", object(b.owed, weigh), "Next", next))
	b.once[key] = name
	return name
}
