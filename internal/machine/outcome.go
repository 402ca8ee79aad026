package machine

import (
	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// concludes ends a step that has failed, or any other state of a saga, and
// reports whether its fault is to be handed on now. Else the fault waits: for
// what a Query says, for a person, for another try.
func (t *turn) concludes(f *Frame, s *asl.State, fl *fault) bool {
	if s.Step != nil {
		t.note(f, s, f.outcome(), 0, fl)
		switch {
		case f.Outcome != StepUnknown:
		case s.Step.Query != nil && (s.Step.Pivot || !t.stuck(f, fl)): // another step that is tried again need not be asked for
			b := &body{Operation: Ask, Row: f.Entry, Started: t.head.Now, Fault: fl, effort: effort{Prev: f.EnteredEvent}}
			t.callBody(f, b)
			return false
		default:
			return t.unknownToo(f, s, fl)
		}
	}
	return t.handsOn(f, s, fl)
}

// unknownToo goes on with a step whose outcome stays unknown, and reports
// whether its fault is to be handed on.
func (t *turn) unknownToo(f *Frame, s *asl.State, fl *fault) bool {
	if s.Step.Pivot || s.Step.HoldUnknown {
		t.holdForward(f, fl)
		return false
	}
	return t.handsOn(f, s, fl)
}

// handsOn reports whether a fault is handed on. Where nothing may end the state,
// it is tried again without end, or held.
func (t *turn) handsOn(f *Frame, s *asl.State, fl *fault) bool {
	switch {
	case f.Recovery != nil || !t.stuck(f, fl):
		return true
	case s.Step == nil || hopeless(s.Step, fl):
		t.holdForward(f, fl)
	default:
		f.Endless++
		f.Phase = Retrying
		f.Job = t.open(Job{Kind: Timer, Frame: f.ID, State: s.Name, Entry: f.Entry, Due: t.head.Now + t.endlessWait(f.Endless)})
	}
	return false
}

// giveUp hands a step's fault on, now that its outcome was asked for or told. In
// a plan there is nobody to hand it to.
func (t *turn) giveUp(f *Frame, s *asl.State, fl *fault) {
	if f.Recovery == nil && t.handsOn(f, s, fl) {
		t.handOn(f, s, fl, -1)
	}
}

// toldOutcome goes on after a Query, of a step that is about to be given up or of
// one whose undo is due. One that has failed itself says nothing.
func (t *turn) toldOutcome(f *Frame, result Ref, fl *fault) {
	b := f.Body
	f.Body = nil
	outcome, output := StepUnknown, Ref(0)
	if fl == nil {
		outcome, output = t.readAnswer(result)
	}
	if b.Fault == nil {
		t.toldUndo(f, b.Row, outcome, output)
		return
	}
	s := t.state(f)
	switch outcome {
	case StepSucceeded:
		t.stepIsDone(f, s, output)
	case StepFailed:
		t.stepIsNot(f, s)
		t.giveUp(f, s, b.Fault)
	default:
		t.rewrite(b.Row).Asked = true
		if t.unknownToo(f, s, b.Fault) && f.Recovery == nil {
			t.handOn(f, s, b.Fault, -1)
		}
	}
}

// toldUndo notes what a Query says of a step whose undo is due.
func (t *turn) toldUndo(f *Frame, row uint32, outcome Outcome, output Ref) {
	u := t.rewrite(row)
	u.Asked = true
	switch outcome {
	case StepSucceeded:
		u.Outcome, u.Result = outcome, output
	case StepFailed:
		u.Outcome, u.Settled = outcome, NotOwed
		t.unlock(f, u)
	}
}

// readAnswer reads what a Query gave: the answer itself, or what a function or an
// HTTP service answered within the result of the call.
func (t *turn) readAnswer(result Ref) (o Outcome, output Ref) {
	told := t.tree(result)
	for _, around := range []string{"Payload", "ResponseBody"} {
		if !told.Has("Outcome") && told.Get(around).Has("Outcome") {
			told = told.Get(around)
		}
	}
	switch told.Get("Outcome").AsString() {
	case "SUCCEEDED":
		out := told.Get("Output")
		if out.IsAbsent() {
			out = value.NewNull()
		}
		return StepSucceeded, t.payload(out.Text(), out)
	case "FAILED":
		return StepFailed, 0
	}
	return StepUnknown, 0
}
