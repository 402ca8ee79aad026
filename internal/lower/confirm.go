package lower

import (
	"slices"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// confirming are the steps of a flow, and of what stands within it, that have a
// Confirm.
func confirming(f *asl.Flow) []*asl.State {
	var all []*asl.State
	for _, s := range f.States {
		if s.Type == asl.Task && s.Step != nil && s.Step.Confirm != nil {
			all = append(all, s)
		}
		for _, inner := range s.Within() {
			all = append(all, confirming(inner)...)
		}
	}
	return all
}

// confirmsAhead refuses a Confirm of what is handed to nobody: of a step beneath a
// Parallel, Map or Saga behind the pivot.
func (b *block) confirmsAhead(s *asl.State) {
	own := b.role == bound && s.Type == asl.Task && s.Step.Confirm != nil
	if !b.ahead && (own || slices.ContainsFunc(s.Within(), func(f *asl.Flow) bool { return len(confirming(f)) > 0 })) {
		b.refuse(s, "a Confirm beneath a Parallel, Map or Saga behind the pivot can't be exported; let the step do at once what it confirms")
	}
}

// confirmAll writes how a scope that has ended well confirms what it did: one step
// after the other, in the order in which they were started. Nothing is undone any
// more.
func (b *block) confirmAll() {
	steps := confirming(b.scope.Flow)
	var names []string
	for _, s := range steps {
		names = append(names, quoted(s.Name))
	}
	next, done := b.name("Confirm What Was Done"), b.name("Saga Completed")
	b.add(b.done, b.made(asl.Pass, "What is owed is confirmed instead.", "Assign",
		object(b.confirm, query(inOrder("$"+b.owed, listed(names))), b.at, 0), "Next", next))
	at := "$" + b.confirm + "[$" + b.at + "]"
	var rules []value.Value
	for _, s := range steps {
		rules = append(rules, object("Condition", query(at+".Step = "+quoted(s.Name)), "Next", b.confirmStep(s, at, next)))
	}
	b.add(next, b.made(asl.Choice, "", "Choices", list(rules...), "Default", done))
	end := b.made(asl.Pass, "", "End", true)
	if b.outer != nil {
		end.Set("Output", b.handed())
	}
	b.add(done, end)
}

// inOrder is an expression: the entries of these steps among what is owed, and
// within what joins owe, the first that was started first.
func inOrder(owed, steps string) string {
	return "($walk := function($todo, $found) { $count($todo) = 0 ? $found : (" +
		"$e := $todo[0]; " +
		"$rest := $filter($append($append($e.Owed, $e.Then), $todo[[1..$count($todo) - 1]]), function($x) { $exists($x.Then) }); " +
		"$walk($rest, $e.Step in " + steps + " ? $append([$sift($e, function($v, $k) { $k != 'Then' })], $found) : $found)) }; " +
		"[$sort($walk($filter([" + owed + "], function($x) { $exists($x.Then) }), []), function($a, $b) { $a.At > $b.At })])"
}

// confirmStep writes the Confirm of a step, and gives its name.
func (b *block) confirmStep(s *asl.State, at, next string) string {
	name := b.name("Confirm " + s.Name)
	raw := b.rawOf(s).Get("Confirm")
	out := b.body(s, raw, s.Step.Confirm, of(at, "$"+b.fault, s.Step), "Confirm")
	given := raw.Get("Retry")
	if !raw.Has("Retry") {
		given = list(bodyRetry)
	}
	hopeless := append([]string{failedExpression}, s.Step.KnownFailed...)
	out.Set("Retry", list(endlessRetry(given, s.Step.Confirm.Retry, s.Step.KnownFailed)...))
	hold, decided, byHand := b.name("Hold "+name), b.name("What Was Decided about "+name+"?"), b.name(s.Name+" Is Confirmed by Hand")
	onward := object(b.at, query("$"+b.at+" + 1"))
	trouble := object(b.result, object("Error", query("$states.errorOutput.Error"), "Cause", query("$states.errorOutput.Cause")))
	out.Set("Catch", list(
		object("ErrorEquals", []string{tooLarge}, "Assign", onward, "Output", query("$states.input"), "Next", next),
		object("ErrorEquals", hopeless, "Assign", trouble, "Output", query("$states.input"), "Next", hold)))
	out.Set("Assign", onward)
	out.Set("Output", value.NewString(query("$states.input")))
	out.Set("Next", value.NewString(next))
	b.add(name, out)
	b.ask(hold, "A Confirm can't go on by itself. The answer {\"Verb\": \"retry\"} has it tried again, {\"Verb\": \"done\"} says that it was done by hand.",
		b.message("confirm", s.Name, b.result, []string{"retry", "done"}), decided)
	b.add(decided, b.made(asl.Choice, "", "Choices", list(object("Condition", query(b.said("done", "")), "Next", byHand)), "Default", name))
	b.add(byHand, b.made(asl.Pass, "", "Assign", onward, "Next", next))
	return name
}
