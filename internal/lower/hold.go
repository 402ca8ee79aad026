package lower

import (
	"fmt"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// ask writes a callback: somebody is asked, again every day until there is an
// answer.
func (b *block) ask(name, comment string, message value.Value, next string) {
	b.held = true
	resource, request := "arn:aws:states:::sqs:sendMessage.waitForTaskToken", object("QueueUrl", b.hold, "MessageBody", message)
	switch {
	case strings.Contains(b.hold, ":sns:"):
		resource, request = "arn:aws:states:::sns:publish.waitForTaskToken", object("TopicArn", b.hold, "Message", message)
	case strings.Contains(b.hold, ":function:"):
		resource, request = "arn:aws:states:::lambda:invoke.waitForTaskToken", object("FunctionName", b.hold, "Payload", message)
	}
	b.add(name, b.made(asl.Task, comment, "Resource", resource, "Arguments", request, "TimeoutSeconds", 86400,
		"Retry", list(object("ErrorEquals", []string{allErrors}, "IntervalSeconds", 60, "MaxAttempts", 99999999, "BackoffRate", 1)),
		"Assign", object(b.result, query("$states.result")), "Output", query("$states.input"), "Next", next))
	b.side.NoEffect = append(b.side.NoEffect, name)
}

// message is what somebody is asked by: what it is about, and the answers that
// there are.
func (b *block) message(operation, step, trouble string, verbs []string, more ...any) value.Value {
	return merged(object("Execution", query("$states.context.Execution.Id"), "Operation", operation, "Step", step,
		"Error", query("$"+trouble+".Error"), "Cause", query("$"+trouble+".Cause"), "Verbs", verbs), object(more...),
		object("Token", query("$states.context.Task.Token")))
}

// said is a condition on the answer.
func (b *block) said(verb, outcome string) string {
	text := "$" + b.result + ".Verb = " + quoted(verb)
	if outcome != "" {
		text += " and $" + b.result + ".Outcome = " + quoted(outcome)
	}
	return text
}

// askForward writes how a person is asked about a step of which nobody knows what
// it did, and gives the name of the state. Tried again, it stays unknown until it
// succeeds.
func (b *block) askForward(s *asl.State, n needs, caught, done string) string {
	hold, decided, again := b.name("Hold "+s.Name), b.name(fmt.Sprintf("What Was Decided about %s?", s.Name)), b.name(fmt.Sprintf("Try %s Again", s.Name))
	verbs := []string{"retry", "done"}
	rules := []value.Value{object("Condition", query(b.said("done", "SUCCEEDED")), "Next", done), object("Condition", query(b.said("done", "FAILED")), "Next", caught)}
	b.settled(decided, s, done, caught)
	if b.alone {
		verbs = append(verbs, "back")
		rules = append(rules, object("Condition", query(b.said("back", "")), "Next", b.goBack(s, n)))
	}
	b.ask(hold, "It is not known whether "+s.Name+" was done.", b.message("forward", s.Name, b.fault, verbs, "Input", query("$states.input")), decided)
	b.add(decided, b.made(asl.Choice, "The answer {\"Verb\": \"retry\"} has it tried again with the same request; \"done\" says what became of it, by \"Outcome\", SUCCEEDED with an \"Output\" or FAILED.",
		"Choices", list(rules...), "Default", again))
	b.add(again, b.made(asl.Pass, "", "Assign", object(b.maybe, true), "Next", s.Name))
	return hold
}

// goBack writes how all is undone by a person's word. A pivot counts as failed
// then; who is to undo another step is asked whether it has to be undone.
func (b *block) goBack(s *asl.State, n needs) string {
	assign := b.atOnce(s, value.Value{})
	if !s.Step.Pivot && b.records(s) {
		assign = merged(assign, object(b.owed, query("$merge(["+b.entryText(s, n, "UNKNOWN", "")+", {'Unclear': true}])")))
	}
	if assign.IsAbsent() {
		return b.fails()
	}
	name := b.name("Go Back from " + s.Name)
	b.add(name, b.made(asl.Pass, "", "Assign", assign, "Next", b.fails()))
	return name
}

// askAhead writes how a person is asked about a step that can't go on and can't go
// back, and gives the name of the state.
func (b *block) askAhead(s *asl.State, raw value.Value) string {
	hold, decided := b.name("Hold "+s.Name), b.name(fmt.Sprintf("What Was Decided about %s?", s.Name))
	done := b.wasDone(s, raw, needsOf(s, raw, "Compensate", "Confirm"))
	b.ask(hold, "What is behind the pivot can't go on by itself.",
		b.message("forward", s.Name, b.fault, []string{"retry", "done"}, "Input", query("$states.input")), decided)
	b.add(decided, b.made(asl.Choice, "The answer {\"Verb\": \"retry\"} has it tried again; \"done\" with \"Outcome\": \"SUCCEEDED\" and an \"Output\" says that it was done by hand.",
		"Choices", list(object("Condition", query(b.said("done", "SUCCEEDED")), "Next", done)), "Default", s.Name))
	return hold
}
