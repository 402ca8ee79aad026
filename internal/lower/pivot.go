package lower

import (
	"slices"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// behindPivot marks the states of a scope that are entered after its pivot alone.
// One that is entered before it, too, would have to go both ways.
func (b *block) behindPivot(f *asl.Flow) {
	before := map[*asl.State]bool{}
	spread(f.Start, before, true)
	for _, s := range f.States {
		if s.Step != nil && s.Step.Pivot && before[s] && s.Next != nil {
			spread(s.Next, b.after, false)
		}
	}
	for _, s := range f.States {
		if b.after[s] && before[s] {
			b.refuse(s, "it can be entered before the pivot and after it, which plain ASL can't tell apart; write it twice")
		}
	}
}

// spread marks the states that can be entered from one; stops has it stop at a
// pivot that succeeds.
func spread(s *asl.State, seen map[*asl.State]bool, stops bool) {
	if s == nil || seen[s] {
		return
	}
	seen[s] = true
	for i := range s.Catch {
		spread(s.Catch[i].Next, seen, stops)
	}
	if s.Choice != nil {
		for i := range s.Choice.Rules {
			spread(s.Choice.Rules[i].Next, seen, stops)
		}
		spread(s.Choice.Default, seen, stops)
	}
	if !(stops && s.Step != nil && s.Step.Pivot) {
		spread(s.Next, seen, stops)
	}
}

// pivot writes the pivot: where it is not known whether it was done, a person is
// asked before anything is undone.
func (b *block) pivot(s *asl.State, raw value.Value, out *value.Builder) {
	b.side.Pivot = append(b.side.Pivot, s.Name)
	known := s.Step.KnownFailed
	for i := range s.Catch {
		if fateOf(s, known, s.Catch[i].ErrorEquals) != failedFate {
			b.refuse(s, "a Catch of the pivot that may take an error of unknown outcome can't be exported; name its business errors")
		}
	}
	unclear := b.name("Was " + s.Name + " Done?")
	hold := b.name("Hold " + s.Name)
	catch := b.userCatch(s, raw)
	b.add(unclear, b.made(asl.Choice, "A pivot of which nobody knows is neither undone nor passed over.", "Choices",
		list(object("Condition", query(doubt(s, known, s.Retry, "$"+b.fault+".Error", "$"+b.retries)), "Next", hold)), "Default", b.fails()))
	b.askForward(hold, s, "It is not known whether "+s.Name+" was done. Any answer has it tried again, with the same request.", s.Name)
	out.Set("Catch", asValue(append(catch, b.caughtAgain(s, []string{"States.ALL"}, unclear))))
}

// caughtAgain is a catcher that goes on with what the state was entered with.
func (b *block) caughtAgain(s *asl.State, errors []string, next string) value.Value {
	if s.Language == asl.JSONata {
		return object("ErrorEquals", errors, "Assign", merged(b.told(s), object(b.retries, query("$states.context.State.RetryCount"))),
			"Output", query("$states.input"), "Next", next)
	}
	return object("ErrorEquals", errors, "Assign", merged(b.told(s), object(b.retries+".$", "$$.State.RetryCount")), "ResultPath", value.NewNull(), "Next", next)
}

// askForward writes a callback about a step that can't go on by itself.
func (b *block) askForward(name string, s *asl.State, comment, next string) {
	message := object("Execution", query("$states.context.Execution.Id"), "Operation", "forward", "Step", s.Name,
		"Error", query("$"+b.fault+".Error"), "Cause", query("$"+b.fault+".Cause"), "Input", query("$states.input"), "Token", query("$states.context.Task.Token"))
	b.ask(name, comment, message, b.result, next)
}

// endless writes a Task behind the pivot: it is tried until it succeeds, and waits
// for a person where another try does not help.
func (b *block) endless(s *asl.State, raw value.Value, out *value.Builder) {
	var retry, catch []value.Value
	hopeless := append([]string{"States.QueryEvaluationError", "States.DataLimitExceeded"}, s.Step.KnownFailed...)
	caught := names(s, "States.ALL")
	if len(s.Catch) > 0 && !caught {
		b.refuse(s, "a Catch behind the pivot that does not take States.ALL can't be exported")
	}
	if caught {
		if c := raw.Get("Catch"); !c.IsAbsent() {
			out.Set("Catch", b.retargeted(s, c))
		}
		return
	}
	retry = append(retry, object("ErrorEquals", hopeless, "MaxAttempts", 0))
	for i, r := range raw.Get("Retry").Items() {
		if slices.Contains(s.Retry[i].ErrorEquals, "States.ALL") {
			break
		}
		r = r.With("MaxAttempts", value.NewInt(99999999))
		if !r.Has("MaxDelaySeconds") {
			r = r.With("MaxDelaySeconds", value.NewInt(max(300, s.Retry[i].IntervalSeconds+1)))
		}
		retry = append(retry, r)
	}
	retry = append(retry, object("ErrorEquals", []string{"States.ALL"}, "IntervalSeconds", 1, "MaxAttempts", 99999999, "BackoffRate", 2, "MaxDelaySeconds", 300, "JitterStrategy", "FULL"))
	hold := b.name("Hold " + s.Name)
	catch = append(catch, b.caughtAgain(s, hopeless, hold))
	b.askForward(hold, s, "What is behind the pivot can't go on by itself. Any answer has it tried again.", s.Name)
	out.Set("Retry", list(retry...))
	out.Set("Catch", list(catch...))
}
