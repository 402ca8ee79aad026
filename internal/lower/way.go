package lower

import (
	"fmt"
	"slices"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// way is a way back: the undo states of one Choice, and whom they ask.
type way struct {
	*block
	next  string // what comes after an undo that is done
	again string // … and after one that is to be tried again
	holds []held // who is asked
	note  string
}

// held is a callback about undos that failed for good.
type held struct{ name, again string }

// undo writes the undo of a step that is on top of what is owed, each alternative
// behind the one before it, and gives the name of the first.
func (w *way) undo(s *asl.State) string {
	raw := []value.Value{w.rawOf(s).Get("Compensate")}
	if raw[0].Kind() == value.Array {
		raw = raw[0].Items()
	}
	names := []string{w.name("Undo " + s.Name)}
	for range raw[1:] {
		names = append(names, w.name("Undo "+s.Name+" Otherwise"))
	}
	entered := slices.Clone(names)
	for i, name := range names[:len(names)-1] { // of those that have another one behind them, tries are counted
		entered[i] = w.name("Begin " + name)
		w.add(entered[i], w.made(asl.Pass, "", "Assign", object(w.retries, 0, w.maybe, false), "Next", name))
	}
	for i, name := range names {
		again := w.again
		if i > 0 || again == "" {
			again = entered[i]
		}
		otherwise := ""
		if i+1 < len(names) {
			otherwise = entered[i+1]
		}
		w.attempt(s, name, raw[i], s.Step.Compensate[i], again, otherwise)
		w.pair(name, s.Name)
	}
	return entered[0]
}

// attempt writes one alternative. The next one comes only where this one is known
// to have failed.
func (w *way) attempt(s *asl.State, name string, raw value.Value, body *asl.Body, again, otherwise string) {
	at := of("$"+w.owed, "$"+w.faultVariable(), s.Step)
	out := w.body(s, raw, body, at, "Compensate")
	trouble := object(w.result, object("Error", query("$states.errorOutput.Error"), "Cause", query("$states.errorOutput.Cause")))
	dropped := object(w.owed, query("$"+w.owed+".Then"))
	to := func(errors string, assign value.Value, next string) value.Value {
		return object("ErrorEquals", []string{errors}, "Assign", assign, "Output", query("$states.input"), "Next", next)
	}
	last := func() string {
		if w.scopeContinues() {
			return w.notes()
		}
		return w.heldAt(again)
	}
	var catch []value.Value
	if w.scopeContinues() || otherwise != "" {
		catch = append(catch, to(failedExpression, trouble, w.heldAt(again)))
	}
	catch = append(catch, to(tooLarge, dropped, w.next)) // what answers too much was done
	if otherwise == "" {
		catch = append(catch, to(allErrors, trouble, last()))
	} else {
		weighed, next := w.retried(name, body, out, last(), otherwise)
		catch = append(catch, to(allErrors, merged(trouble, weighed), next))
	}
	out.Set("Catch", list(catch...))
	out.Set("Assign", dropped)
	out.Set("Output", value.NewString(query("$states.input")))
	out.Set("Next", value.NewString(w.next))
	w.add(name, out)
}

// retried writes when an undo is tried again before which alternative: by states,
// for a Retry does not tell of its tries which of them may have had an effect. It
// gives what is noted of a failure, and what comes after it.
func (w *way) retried(name string, body *asl.Body, out *value.Builder, last, otherwise string) (weighed value.Value, next string) {
	open := doubt(&body.Resource, nil, "$states.errorOutput.Error")
	next = w.name("Has " + name + " Failed?")
	tries, maybe := "$"+w.retries, "$"+w.maybe
	rules := []value.Value{object("Condition", query(maybe), "Next", last)}
	if len(body.Retry) == 1 && slices.Contains(body.Retry[0].ErrorEquals, allErrors) {
		r := &body.Retry[0]
		wait := w.name("Wait before " + name)
		delay := fmt.Sprintf("%d * $power(%v, %s - 1)", r.IntervalSeconds, r.BackoffRate, tries)
		if r.MaxDelaySeconds > 0 {
			delay = fmt.Sprintf("$min([%s, %d])", delay, r.MaxDelaySeconds)
		}
		if r.FullJitter {
			delay = "$random() * " + delay
		}
		w.add(wait, w.made(asl.Wait, "", "Seconds", query("$ceil("+delay+")"), "Next", name))
		rules = append([]value.Value{object("Condition", query(fmt.Sprintf("%s <= %d", tries, r.MaxAttempts)), "Next", wait)}, rules...)
		out.Set("Retry", list(object("ErrorEquals", []string{failedExpression}, "MaxAttempts", 0)))
		w.add(next, w.made(asl.Choice, "The next alternative comes only where this one is known to have had no effect.", "Choices", list(rules...), "Default", otherwise))
		return object(w.retries, query(tries+" + 1"), w.maybe, query(maybe+" or "+open)), next
	}
	if retriesUnknown(body.Retry, &body.Resource, nil) {
		open = "$states.context.State.RetryCount > 0 or (" + open + ")"
	}
	w.add(next, w.made(asl.Choice, "The next alternative comes only where this one is known to have had no effect.", "Choices", list(rules...), "Default", otherwise))
	return object(w.maybe, query(open)), next
}

// bodyRetry is what a body without a Retry has.
var bodyRetry = object("ErrorEquals", []string{allErrors}, "IntervalSeconds", 1, "MaxAttempts", 9, "BackoffRate", 2, "MaxDelaySeconds", 60, "JitterStrategy", "FULL")

// body begins the Task that makes the call of a body.
func (b *block) body(s *asl.State, raw value.Value, body *asl.Body, at places, field string) *value.Builder {
	comment := map[string]string{"Compensate": "Takes back what " + s.Name + " did, or finds nothing to take back.",
		"Confirm": "Confirms what " + s.Name + " did.", "Query": "Asks what became of " + s.Name + "."}[field]
	out := b.made(asl.Task, comment, "Resource", raw.Get("Resource"))
	request, err := at.request(s, raw)
	if err != nil {
		b.refuse(s, "its %s can't be exported: %v", field, err)
		return out
	}
	out.Set("Arguments", request)
	if body.TimeoutSeconds.Literal != nil && !raw.Has("TimeoutSeconds") {
		out.Set("TimeoutSeconds", value.NewInt(int64(*body.TimeoutSeconds.Literal)))
	}
	for _, name := range []string{"TimeoutSeconds", "HeartbeatSeconds", "Credentials"} {
		moved, err := at.rewritten(raw.Get(name))
		if s.Language == asl.JSONPath && name == "Credentials" && raw.Get(name).Has("RoleArn.$") || raw.Has(name+"Path") || err != nil {
			b.refuse(s, "the %s of its %s can't be exported", name, field)
		}
		out.Set(name, moved)
	}
	retry := raw.Get("Retry").Items()
	if !raw.Has("Retry") {
		retry = []value.Value{bodyRetry}
	}
	wrong := object("ErrorEquals", []string{failedExpression}, "MaxAttempts", 0)
	out.Set("Retry", list(append([]value.Value{wrong}, retry...)...))
	return out
}

// asksBefore writes who is asked before a step is undone, where it is too late or
// where a person went back from it, and gives the rule for it.
func (w *way) asksBefore(s *asl.State, is, undo string) []value.Value {
	within, top := s.Step.CompensateWithin, "$"+w.owed
	late, unclear := fmt.Sprintf("$millis() > %s.Ended + %d", top, within*1000), top+".Unclear = true"
	condition, trouble := late, "'Saga.CompensationTooLate'"
	switch {
	case within == 0 && !s.Step.HoldUnknown:
		return nil
	case within == 0:
		condition, trouble = unclear, "'Saga.OutcomeUnknown'"
	case s.Step.HoldUnknown:
		condition, trouble = late+" or "+unclear, unclear+" ? 'Saga.OutcomeUnknown' : 'Saga.CompensationTooLate'"
	}
	name := w.name("Ask before Undo " + s.Name)
	w.add(name, w.made(asl.Pass, "", "Assign", object(w.result, object("Error", query(trouble), "Cause", "The undo was not called.")), "Next", w.heldAt(undo)))
	return []value.Value{object("Condition", query(is+" and ("+condition+")"), "Next", name)}
}

// heldAt is the callback for undos after which that state is entered where they
// are to be tried again.
func (w *way) heldAt(again string) string {
	for _, h := range w.holds {
		if h.again == again {
			return h.name
		}
	}
	h := held{w.name("Hold for a Person"), again}
	w.holds = append(w.holds, h)
	return h.name
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
	for _, h := range w.holds {
		answered, byHand := w.name("What Was Decided?"), w.name("Undone by Hand")
		w.ask(h.name, "An undo fails for good. The answer {\"Verb\": \"retry\"} has it tried again, {\"Verb\": \"done\"} says that it was done by hand.",
			w.message("compensate", query("$"+w.owed+".Step"), w.result, []string{"retry", "done"}, "Owed", query("$"+w.owed)), answered)
		w.add(answered, w.made(asl.Choice, "", "Choices", list(object("Condition", query(w.said("done", "")), "Next", byHand)), "Default", h.again))
		w.add(byHand, w.made(asl.Pass, "", "Assign", drop, "Next", w.next))
	}
}

// undoFirst writes the undo of a step alone, before a Catch of its own goes on.
func (b *block) undoFirst(s *asl.State, next string) string {
	w := &way{block: b, next: next}
	if b.role == strand && b.scopeContinues() {
		b.refuse(s, "a Catch in a branch under OnCompensationFailure Continue can't be exported")
	}
	first := w.undo(s)
	if w.note != "" {
		b.add(w.note, b.made(asl.Pass, "The undo has failed for good: the scope is undone.", "Assign",
			object(b.owed, query("$"+b.owed+".Then"), b.failed, true), "Next", b.fails()))
		w.note = ""
	}
	w.finish()
	return first
}
