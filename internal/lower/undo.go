package lower

import (
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// owing is what a flow may owe: a step, or a Parallel, Map or Saga with what its
// flows may owe.
type owing struct {
	state  *asl.State
	within [][]owing
}

// owingsOf is all that a flow may owe, the last in the text first.
func (b *block) owingsOf(f *asl.Flow) []owing {
	var all []owing
	for i := len(f.States) - 1; i >= 0; i-- {
		s := f.States[i]
		if b.after[s] {
			continue
		}
		o := owing{state: s}
		some := owes(s)
		for _, inner := range flowsOf(s) {
			within := b.owingsOf(inner)
			some = some || len(within) > 0
			o.within = append(o.within, within)
		}
		if some {
			all = append(all, o)
		}
	}
	return all
}

func flowsOf(s *asl.State) []*asl.Flow {
	switch s.Type {
	case asl.Parallel:
		return s.Parallel.Branches
	case asl.Map:
		return []*asl.Flow{s.Map.Processor}
	case asl.Saga:
		return []*asl.Flow{s.Saga.Flow}
	}
	return nil
}

// wayBack writes how a scope undoes what it owes and fails.
func (b *block) wayBack() {
	failed := b.name("Saga Aborted")
	b.dispatch(b.owings, b.recovery, failed)
	b.abort(failed)
}

// abort writes the Fail in which what was undone ends, by the error for which it
// was.
func (b *block) abort(name string) {
	err, cause := "$"+b.fault+".Error", "$"+b.fault+".Cause"
	err, cause = err+" ? "+err+" : 'Saga.Aborted'", cause+" ? "+cause+" : ''"
	if b.scopeContinues() {
		err = "$" + b.failed + " ? 'Saga.CompensationFailed' : (" + err + ")"
		cause = "$" + b.failed + " ? $string($" + b.fault + ") : (" + cause + ")"
	}
	b.add(name, b.made(asl.Fail, "", "Error", query(err), "Cause", query(cause)))
}

// dispatch writes the Choice that undoes what is on top until nothing is left.
func (b *block) dispatch(all []owing, name, done string) {
	if len(all) == 0 {
		b.add(name, b.made(asl.Pass, "Nothing can be owed here.", "Next", done))
		return
	}
	var rules []value.Value
	w := &way{block: b, next: name, again: name}
	for _, o := range all {
		undo := ""
		if len(o.within) > 0 {
			undo = b.undoJoin(o, "$"+b.owed, name)
		} else {
			undo = w.undo(o.state)
		}
		rules = append(rules, object("Condition", query("$"+b.owed+".Step = "+quoted(o.state.Name)), "Next", undo))
	}
	b.side.Decides = append(b.side.Decides, name)
	b.add(name, b.made(asl.Choice, "Undo what was done last, then what was done before it.", "Choices", list(rules...), "Default", done))
	w.finish()
}

// way is a way back: the undo states of one Choice, and whom they ask.
type way struct {
	*block
	next       string // what comes after an undo that is done
	again      string // … and after one that is to be tried again
	hold, note string
}

// undo writes the undo of a step that is on top of what is owed, and gives its
// name.
func (w *way) undo(s *asl.State) string {
	name := w.name("Undo " + s.Name)
	raw := w.rawOf(s).Get("Compensate")
	if raw.Kind() == value.Array {
		raw = raw.At(0)
	}
	body := s.Step.Compensate[0]
	out := w.made(asl.Task, "Takes back what "+s.Name+" did, or finds nothing to take back.", "Resource", raw.Get("Resource"))
	at := of("$"+w.owed, "$"+w.faultVariable(), s.Step)
	request, err := at.request(s, raw)
	if err != nil {
		w.refuse(s, "its Compensate can't be exported: %v", err)
		return name
	}
	out.Set("Arguments", request)
	if body.TimeoutSeconds.Literal != nil && !raw.Has("TimeoutSeconds") {
		out.Set("TimeoutSeconds", value.NewInt(int64(*body.TimeoutSeconds.Literal)))
	}
	for _, field := range []string{"TimeoutSeconds", "HeartbeatSeconds", "Credentials"} {
		moved, err := at.rewritten(raw.Get(field))
		if s.Language == asl.JSONPath && field == "Credentials" && raw.Get(field).Has("RoleArn.$") || raw.Has(field+"Path") || err != nil {
			w.refuse(s, "the %s of its Compensate can't be exported", field)
		}
		out.Set(field, moved)
	}
	retry := list(object("ErrorEquals", []string{"States.ALL"}, "IntervalSeconds", 1, "MaxAttempts", 9, "BackoffRate", 2, "MaxDelaySeconds", 60, "JitterStrategy", "FULL"))
	if raw.Has("Retry") {
		retry = raw.Get("Retry")
	}
	wrong := object("ErrorEquals", []string{"States.QueryEvaluationError"}, "MaxAttempts", 0)
	out.Set("Retry", list(append([]value.Value{wrong}, retry.Items()...)...))
	trouble := object(w.result, object("Error", query("$states.errorOutput.Error"), "Cause", query("$states.errorOutput.Cause")))
	var catch []value.Value
	if w.scopeContinues() {
		catch = append(catch, object("ErrorEquals", []string{"States.QueryEvaluationError"}, "Assign", trouble, "Output", query("$states.input"), "Next", w.holds()))
		catch = append(catch, object("ErrorEquals", []string{"States.ALL"}, "Assign", trouble, "Output", query("$states.input"), "Next", w.notes()))
	} else {
		catch = append(catch, object("ErrorEquals", []string{"States.ALL"}, "Assign", trouble, "Output", query("$states.input"), "Next", w.holds()))
	}
	out.Set("Catch", list(catch...))
	out.Set("Assign", object(w.owed, query("$"+w.owed+".Then")))
	out.Set("Output", value.NewString(query("$states.input")))
	out.Set("Next", value.NewString(w.next))
	w.add(name, out)
	w.pair(name, s.Name)
	return name
}

// request is what a body sends, in JSONata.
func (p places) request(s *asl.State, raw value.Value) (value.Value, error) {
	switch {
	case raw.Has("Arguments"):
		return p.rewritten(raw.Get("Arguments"))
	case raw.Has("Parameters"):
		return p.query(raw.Get("Parameters"))
	}
	return value.NewString(query("{'input': " + p.input + ", 'result': " + p.result + "}")), nil
}

// pair notes a compensation for the sidecar.
func (l *lowering) pair(undo, step string) {
	l.side.Compensates = append(l.side.Compensates, Pair{undo, []string{step}})
}

// rawOf is a state as it stands in the text.
func (l *lowering) rawOf(s *asl.State) value.Value { return l.texts[s.Name] }

// faultVariable is the variable of the error for which all is undone.
func (b *block) faultVariable() string {
	for b.role == plain && b.outer != nil {
		b = b.outer
	}
	return b.fault
}

// scopeContinues reports whether the recovering scope goes on where an undo
// fails.
func (b *block) scopeContinues() bool {
	for b.scope == nil && b.outer != nil {
		b = b.outer
	}
	return b.scope != nil && b.scope.Continue
}

func (w *way) holds() string {
	if w.hold == "" {
		w.hold = w.name("Hold for a Person")
	}
	return w.hold
}

func (w *way) notes() string {
	if w.note == "" {
		w.note = w.name("Leave It Undone")
	}
	return w.note
}

// finish writes whom the way asks.
func (w *way) finish() {
	drop := object(w.owed, query("$"+w.owed+".Then"))
	if w.note != "" {
		w.add(w.note, w.made(asl.Pass, "An undo has failed for good: the others are done all the same.",
			"Assign", merged(drop, object(w.failed, true)), "Next", w.next))
	}
	if w.hold == "" {
		return
	}
	answered, byHand := w.name("What Was Decided?"), w.name("Undone by Hand")
	entry := object("Execution", query("$states.context.Execution.Id"), "Operation", "compensate", "Step", query("$"+w.owed+".Step"),
		"Error", query("$"+w.result+".Error"), "Cause", query("$"+w.result+".Cause"), "Owed", query("$"+w.owed), "Token", query("$states.context.Task.Token"))
	w.ask(w.hold, "An undo fails for good. The answer {\"Verb\": \"retry\"} has it tried again, {\"Verb\": \"done\"} says that it was done by hand.", entry, w.result, answered)
	w.add(answered, w.made(asl.Choice, "", "Choices", list(object("Condition", query("$"+w.result+".Verb = 'done'"), "Next", byHand)), "Default", w.again))
	w.add(byHand, w.made(asl.Pass, "", "Assign", drop, "Next", w.next))
}

// ask writes a callback: somebody is asked, again every day until there is an
// answer.
func (b *block) ask(name, comment string, message value.Value, answer, next string) {
	b.held = true
	resource, request := "arn:aws:states:::sqs:sendMessage.waitForTaskToken", object("QueueUrl", b.hold, "MessageBody", message)
	switch {
	case strings.Contains(b.hold, ":sns:"):
		resource, request = "arn:aws:states:::sns:publish.waitForTaskToken", object("TopicArn", b.hold, "Message", message)
	case strings.Contains(b.hold, ":function:"):
		resource, request = "arn:aws:states:::lambda:invoke.waitForTaskToken", object("FunctionName", b.hold, "Payload", message)
	}
	b.add(name, b.made(asl.Task, comment, "Resource", resource, "Arguments", request, "TimeoutSeconds", 86400,
		"Retry", list(object("ErrorEquals", []string{"States.ALL"}, "IntervalSeconds", 60, "MaxAttempts", 99999999, "BackoffRate", 1)),
		"Assign", object(answer, query("$states.result")), "Output", query("$states.input"), "Next", next))
	b.side.NoEffect = append(b.side.NoEffect, name)
}

// undoFirst writes the undo of a step alone, before a Catch of its own goes on.
func (b *block) undoFirst(s *asl.State, next string) string {
	w := &way{block: b, next: next}
	w.again = w.undo(s)
	if b.role == strand && b.scopeContinues() {
		b.refuse(s, "a Catch in a branch under OnCompensationFailure Continue can't be exported")
	}
	if w.note != "" {
		b.add(w.note, b.made(asl.Pass, "The undo has failed for good: the scope is undone.", "Assign",
			object(b.owed, query("$"+b.owed+".Then"), b.failed, true), "Next", b.fails()))
		w.note = ""
	}
	w.finish()
	return w.again
}
