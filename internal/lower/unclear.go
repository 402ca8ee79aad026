package lower

import (
	"fmt"
	"slices"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// unclear reports whether somebody is asked where it is not known what became of
// a step: its Query, or a person.
func (b *block) unclear(s *asl.State) bool {
	return s.Step != nil && s.Type == asl.Task && (s.Step.Query != nil || s.Step.HoldUnknown || s.Step.Pivot)
}

// asksFirst reports whether a person is asked about a step before anything is
// undone, and may have it tried again.
func (b *block) asksFirst(s *asl.State) bool {
	return (b.role == whole || b.role == strand) && !b.onlyForward(s) && b.unclear(s) && (s.Step.HoldUnknown || s.Step.Pivot)
}

// concluded takes every failure of a step to where it is found out what the step
// did. What its author catches is caught behind that.
func (b *block) concluded(s *asl.State, raw value.Value, out *value.Builder) {
	if s.Step.Pivot {
		b.side.Pivot = append(b.side.Pivot, s.Name)
	}
	n := needsOf(s, raw, "Compensate", "Confirm")
	caught := b.whoCatches(s, raw)
	done := b.wasDone(s, raw, n)
	unknown := b.unknownToo(s, n, caught, done)
	open := unknown
	if s.Step.Query != nil {
		open = b.askQuery(s, done, caught, unknown)
	}
	weigh := b.name(fmt.Sprintf("Was %s Done?", s.Name))
	condition := doubtOf(s, "$"+b.fault+".Error", "$"+b.retries)
	if b.asksFirst(s) {
		condition = "$" + b.maybe + " or " + condition
	}
	b.add(weigh, b.made(asl.Choice, "", "Choices", list(object("Condition", query(condition), "Next", open)), "Default", caught))
	over := b.tooLargeThen(s, n, caught, unknown)
	out.Set("Catch", list(b.caughtAgain(s, []string{tooLarge}, over), b.caughtAgain(s, []string{allErrors}, weigh)))
}

// caughtAgain is a catcher that goes on with what the state was entered with.
func (b *block) caughtAgain(s *asl.State, errors []string, next string) value.Value {
	if s.Language == asl.JSONata {
		return object("ErrorEquals", errors, "Assign", merged(b.told(s), object(b.retries, query("$states.context.State.RetryCount"))),
			"Output", query("$states.input"), "Next", next)
	}
	return object("ErrorEquals", errors, "Assign", merged(b.told(s), object(b.retries+".$", "$$.State.RetryCount")), "ResultPath", value.NewNull(), "Next", next)
}

// whoCatches writes the Choice that finds the author's catcher of an error, by its
// name, and gives its name.
func (b *block) whoCatches(s *asl.State, raw value.Value) string {
	if len(s.Catch) == 0 {
		return b.fails()
	}
	name := b.name(fmt.Sprintf("Who Catches %s?", s.Name))
	fallback := ""
	var rules []value.Value
	for i, c := range b.userCatch(s, raw) {
		next := b.caughtBy(s, i, c)
		if condition := matches("$"+b.fault+".Error", s.Catch[i].ErrorEquals); condition != "" {
			rules = append(rules, object("Condition", query(condition), "Next", next))
			continue
		}
		fallback = next
		break
	}
	if fallback == "" {
		fallback = b.fails()
	}
	if len(rules) == 0 {
		return fallback
	}
	b.add(name, b.made(asl.Choice, "", "Choices", list(rules...), "Default", fallback))
	return name
}

// matches is an expression that is true where one of these names takes an error;
// "": always.
func matches(err string, names []string) string {
	if slices.Contains(names, allErrors) {
		return ""
	}
	var exact []string
	text := ""
	for _, name := range names {
		if name == "States.TaskFailed" {
			text = err + " != 'States.Timeout' or "
			continue
		}
		exact = append(exact, quoted(name))
		if name == "States.Timeout" {
			exact = append(exact, quoted("States.HeartbeatTimeout"))
		}
	}
	return text + err + " in " + listed(exact)
}

// caughtBy writes what a catcher of the author's makes of an error, and gives its
// name.
func (b *block) caughtBy(s *asl.State, i int, c value.Value) string {
	name := b.name(fmt.Sprintf("%s Is Caught", s.Name))
	next := c.Get("Next").AsString()
	told := object("Error", query("$"+b.fault+".Error"), "Cause", query("$"+b.fault+".Cause"))
	if s.Language == asl.JSONPath {
		out := value.NewBuilder(6)
		out.Set("Type", value.NewString("Pass"))
		out.Set("Parameters", object("Error.$", "$"+b.fault+".Error", "Cause.$", "$"+b.fault+".Cause"))
		copyTo(out, c, "ResultPath", "Assign")
		out.Set("Next", value.NewString(next))
		b.add(name, out)
		return name
	}
	at := places{failure: "$" + b.fault}
	out := b.made(asl.Pass, "", "Output", told)
	for _, field := range []string{"Output", "Assign"} {
		moved, err := at.rewritten(c.Get(field))
		if err != nil {
			b.refuse(s, "the %s of its Catch can't be exported: %v", field, err)
		}
		if c.Has(field) {
			out.Set(field, moved)
		}
	}
	out.Set("Next", value.NewString(next))
	b.add(name, out)
	return name
}

// wasDone writes how a step goes on of which somebody says that it was done, and
// gives the name of the state.
func (b *block) wasDone(s *asl.State, raw value.Value, n needs) string {
	name := b.name(s.Name + " Was Done")
	result := "$exists($" + b.result + ".Output) ? $" + b.result + ".Output : null"
	assign := object(b.result, query(result))
	if b.records(s) {
		assign = merged(object(b.owed, query(b.entryText(s, n, "SUCCEEDED", "("+result+")"))), assign)
	}
	b.add(name, b.made(asl.Pass, "What is said of it counts as its result.", "Assign", assign, "Next", b.resultState(s, raw)))
	return name
}

// tooLargeThen writes how a step goes on whose result was too large: it was done,
// and fails all the same. A pivot can't go back then.
func (b *block) tooLargeThen(s *asl.State, n needs, caught, unknown string) string {
	switch {
	case s.Step.Pivot:
		return unknown
	case !b.records(s):
		return caught
	}
	return b.owedFirst(s, b.name(s.Name+" Had Too Large a Result"), b.entryText(s, n, "SUCCEEDED", ""), caught)
}

// unknownToo writes how a step goes on of which nobody knows what it did, and gives
// the name of the state: a person is asked, or it is undone.
func (b *block) unknownToo(s *asl.State, n needs, caught, done string) string {
	if s.Step.Pivot || s.Step.HoldUnknown {
		return b.askForward(s, n, caught, done)
	}
	if !b.records(s) {
		return caught
	}
	return b.owedFirst(s, b.name(s.Name+" May Be Done"), b.entryText(s, n, "UNKNOWN", ""), caught)
}

// owedFirst enters a step into what is owed, and undoes it before its author's
// catchers are asked.
func (b *block) owedFirst(s *asl.State, name, entry, caught string) string {
	next := caught
	if len(s.Catch) > 0 {
		next = b.undoFirst(s, caught)
	}
	b.add(name, b.made(asl.Pass, "A step of which nobody knows counts as done.", "Assign", object(b.owed, query(entry)), "Next", next))
	return name
}

// askQuery writes the Task that asks what became of a step, and gives its name.
func (b *block) askQuery(s *asl.State, done, failed, unknown string) string {
	name, told := b.name("Ask about "+s.Name), b.name(fmt.Sprintf("What Became of %s?", s.Name))
	at := places{input: "$states.input", result: "$" + b.fault + ".Result", saga: "{'StepId': $uuid(), 'Outcome': 'UNKNOWN'}", fault: "$" + b.fault, names: s.Step.Names}
	out := b.body(s, b.rawOf(s).Get("Query"), s.Step.Query, at, "Query")
	b.reserve(name)
	answer := "($a := $states.result; $exists($a.Outcome) ? $a : $exists($a.Payload.Outcome) ? $a.Payload : $exists($a.ResponseBody.Outcome) ? $a.ResponseBody : {})"
	out.Set("Assign", object(b.result, query(answer)))
	out.Set("Catch", list(object("ErrorEquals", []string{tooLarge}, "Output", query("$states.input"), "Next", unknown),
		object("ErrorEquals", []string{allErrors}, "Output", query("$states.input"), "Next", unknown)))
	out.Set("Output", value.NewString(query("$states.input")))
	out.Set("Next", value.NewString(told))
	b.add(name, out)
	b.side.NoEffect = append(b.side.NoEffect, name)
	b.settled(told, s, done, failed)
	outcome := "$" + b.result + ".Outcome = "
	b.add(told, b.made(asl.Choice, "", "Choices", list(object("Condition", query(outcome+"'SUCCEEDED'"), "Next", done),
		object("Condition", query(outcome+"'FAILED'"), "Next", failed)), "Default", unknown))
	return name
}

// settled notes for the sidecar that a Choice knows what became of a step.
func (b *block) settled(choice string, s *asl.State, done, failed string) {
	if b.records(s) {
		b.side.Settles = append(b.side.Settles, Settling{choice, done, s.Name, true}, Settling{choice, failed, s.Name, false})
	}
}
