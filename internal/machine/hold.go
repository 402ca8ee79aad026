package machine

import (
	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// Hold is a call, of a step or of a body, that software can't finish: it waits
// for a person, as long as that takes (SAGA.md §4).
type hold struct {
	Number    uint32 // among the execution's holds: one that was resolved never comes back
	Operation Operation
	Row       uint32 // of the step; for [Forward] the entry of the state
	Since     int64  // UTC ms
	Fault     fault  // by which it came to that
}

// The errors by which something is held that no call gave.
const (
	errUnknown   = "Saga.OutcomeUnknown"
	errTooLate   = "Saga.CompensationTooLate"
	errFull      = "Saga.HistoryTooLong"
	latestEvents = 50_000 // of a history after which work that can't go back is held
)

// Verb is what a person does about a hold.
type Verb uint8

// The verbs.
const (
	Retry     Verb = iota + 1 // it is tried again, under the same key
	Edit                      // … with another request, under another key
	Alternate                 // … with another resource, under another key
	Done                      // it was settled by hand
	Skip                      // it is not undone
	Back                      // the saga is undone
	Abandon                   // the saga ends as it stands
)

var verbNames = [...]string{"", "retry", "edit", "alternate", "done", "skip", "back", "abandon"}

// String is the verb as the API spells it.
func (v Verb) String() string { return verbNames[v] }

// Resolution is what a person has decided about a hold, or about a saga.
type Resolution struct {
	Hold     uint32 // its number; of Abandon: one that must still be open, or 0
	Saga     uint32 // of Abandon
	Verb     Verb
	Output   value.Text // of Edit: the request; of Done: the result of a step
	Resource string     // of Alternate
	Outcome  Outcome    // of Done, of a step: StepSucceeded or StepFailed
	Operator string
	Reason   string
}

// hold lets a frame wait for a person.
func (t *turn) hold(f *Frame, h *hold) {
	t.head.Holds++
	t.head.OpenHolds++
	h.Number, h.Since = t.head.Holds, t.head.Now
	prev := f.Prev
	if f.Body != nil {
		prev = f.Body.Prev
	}
	if h.Fault.event == 0 {
		h.Fault.event = prev
	}
	state := f.State
	if h.Operation != Forward {
		state = t.entry(h.Row).State
	}
	t.event(Event{Type: SagaHeld, Prev: prev, State: state, Error: h.Fault.Error, Cause: h.Fault.Cause,
		Saga: &sagaTold{Saga: t.sagaOf(f), Hold: h.Number, Word: h.Operation.String()}})
	f.Hold = h
}

// holdForward holds a state that can't go forward.
func (t *turn) holdForward(f *Frame, fl *fault) {
	t.hold(f, &hold{Operation: Forward, Row: f.Entry, Fault: *fl})
}

// unhold takes a frame's hold away, if it has one.
func (t *turn) unhold(f *Frame) {
	if f.Hold != nil {
		t.head.OpenHolds--
		f.Hold = nil
	}
}

// held is the frame with the hold of that number, nil where there is none.
func (t *turn) held(number uint32) *Frame {
	for _, id := range t.allFrames() {
		if f := t.peek(id); f.Hold != nil && f.Hold.Number == number {
			return t.frame(id)
		}
	}
	return nil
}

// resolve does what a person has decided, and reports whether that could be
// done.
func (t *turn) resolve(r *Resolution) bool {
	if r.Verb == Abandon {
		return (r.Hold == 0 || t.held(r.Hold) != nil) && t.abandon(r)
	}
	f := t.held(r.Hold)
	if f == nil || !t.fits(f, r) {
		return false
	}
	h := f.Hold
	t.unhold(f)
	t.event(Event{Type: SagaResolved, Prev: h.Fault.event, State: t.heldState(f, h), Worker: r.Operator,
		Saga: &sagaTold{Saga: t.sagaOf(f), Hold: h.Number, Word: r.Verb.String(), Reason: r.Reason}})
	planned := f.Recovery != nil // else what is undone begins by itself
	if h.Operation == Forward {
		t.resolveForward(f, h, r)
	} else {
		t.resolveBody(f, h, r)
	}
	if planned && f.Recovery != nil {
		t.undo(f)
	}
	return true
}

func (t *turn) heldState(f *Frame, h *hold) string {
	if h.Operation == Forward {
		return f.State
	}
	return t.entry(h.Row).State
}

// fits reports whether a verb is one for that hold.
func (t *turn) fits(f *Frame, r *Resolution) bool {
	o := f.Hold.Operation
	task := t.state(f).Type == asl.Task
	switch r.Verb {
	case Retry:
		return true
	case Edit:
		return (o != Forward || task) && !r.Output.IsZero()
	case Alternate:
		_, ok := asl.ParseResource(r.Resource)
		return (o == Compensate || o == Confirm) && ok
	case Done:
		return o != Forward || r.Outcome == StepFailed || r.Outcome == StepSucceeded && task && !r.Output.IsZero()
	case Skip:
		return o == Compensate
	case Back:
		return o == Forward && t.level(f) == nil
	}
	return false
}

// resolveForward goes on with a state that was held.
func (t *turn) resolveForward(f *Frame, h *hold, r *Resolution) {
	s := t.state(f)
	switch r.Verb {
	case Retry:
		f.Tried++
		t.workAgain(f, s)
	case Edit:
		f.Tried++
		f.Edition++
		f.Phase = Working
		p := t.scope(f, s, f.Prev).planOf(t.payload(r.Output, value.Value{}))
		t.send(f, &s.Task.Resource, &f.effort, p, Job{State: s.Name, Entry: f.Entry, Attempt: f.try(),
			Request: p.request, RoleARN: p.role, Edition: f.Edition})
	case Done:
		if r.Outcome == StepSucceeded {
			t.stepIsDone(f, s, t.payload(r.Output, value.Value{}))
			return
		}
		t.stepIsNot(f, s)
		t.giveUp(f, s, &h.Fault)
	case Back:
		if s.Step != nil && s.Step.Pivot {
			t.stepIsNot(f, s)
		}
		if o := t.frame(t.outermost(f).ID); o.Recovery == nil { // else there is a plan, which goes on
			t.aborting(o, &h.Fault)
			t.planFor(o, recovery{Then: aborted, Floor: o.Scope.Floor, Fault: h.Fault})
			t.undo(o)
		}
	}
}

// stepIsDone goes on with a step of which somebody says that it has succeeded.
func (t *turn) stepIsDone(f *Frame, s *asl.State, result Ref) {
	t.note(f, s, StepSucceeded, result, nil)
	if f.Recovery != nil && !s.Step.Pivot {
		return
	}
	if s.Step != nil && s.Step.Pivot {
		t.commitSaga(f)
	}
	f.Phase = Working
	t.complete(f, s, datum{ref: result})
}

// stepIsNot notes of a step that it had no effect.
func (t *turn) stepIsNot(f *Frame, s *asl.State) {
	f.Unknown = false
	t.note(f, s, StepFailed, 0, nil)
}

// resolveBody goes on with an undo or a Confirm that was held.
func (t *turn) resolveBody(f *Frame, h *hold, r *Resolution) {
	if f.Body == nil {
		f.Body = t.newBody(t.entry(h.Row), h.Operation)
	}
	b := f.Body
	switch r.Verb {
	case Retry:
		t.callBody(f, b)
	case Edit:
		b.Edition++
		b.Plan.request = t.payload(r.Output, value.Value{})
		t.callBody(f, b)
	case Alternate:
		b.Edition++
		b.Resource = r.Resource
		t.callBody(f, b)
	case Done:
		t.settleStep(f, b.settled(), 0, nil)
	case Skip:
		t.settleStep(f, Skipped, 0, &h.Fault)
	}
}

// breakOff notes of the steps that are under way in a saga, and of the bodies that
// are due, how far they had come, and why they went no further: it ends as it
// stands, and may be undone later.
func (t *turn) breakOff(saga *Frame, why *fault) {
	for _, id := range t.allFrames() {
		f := t.peek(id)
		if t.outermost(f) != saga {
			continue
		}
		f = t.frame(id)
		if s := t.state(f); s.Step != nil && f.Body == nil && f.Recovery == nil && (f.Phase == Working || f.Phase == Retrying || f.Phase == Joining) {
			f.Unknown = f.Unknown || t.sent(f)
			t.note(f, s, f.outcome(), 0, unlessHeld(f, why))
		}
		t.dropLock(saga, f)
		if f.Body == nil || f.Body.Operation == Ask {
			continue
		}
		f.Body.Unknown = f.Body.Unknown || f.Job != 0 && t.peekJob(f.Job).Kind != Timer
		t.record(f, 0, unlessHeld(f, why))
	}
}

// unlessHeld is why a frame goes no further: what it is held for, else the fault.
func unlessHeld(f *Frame, fl *fault) *fault {
	if f.Hold != nil {
		return &f.Hold.Fault
	}
	return fl
}

// sent reports whether a frame's step has a call that is under way.
func (t *turn) sent(f *Frame) bool {
	j := t.peekJob(f.Job)
	return j != nil && t.x.Jobs[f.Job] != nil && (j.Kind == Call || j.Kind == Child || j.Kind == Activity && j.Taken)
}

// abandon ends a saga as it stands. The execution fails by it.
func (t *turn) abandon(r *Resolution) bool {
	for _, f := range t.openSagas() {
		if f.Scope.Saga != r.Saga {
			continue
		}
		fl := newFault(errAbandoned, r.Reason)
		fl.fatal, fl.within = true, true
		fl.event = t.event(Event{Type: SagaResolved, Prev: f.Prev, Worker: r.Operator,
			Saga: &sagaTold{Saga: r.Saga, Hold: r.Hold, Word: Abandon.String(), Reason: r.Reason}})
		t.breakOff(f, fl)
		t.prune(f)
		t.dropBody(f)
		t.close(f)
		t.endSaga(f, SagaAbandoned, fl)
		t.head.Spent = true
		if f.Kind == Aside {
			t.drop(f)
			return true
		}
		if f.Kind == Root {
			t.failExecution(fl)
			return true
		}
		parent := t.frame(f.Parent)
		t.prune(parent)
		parent.Phase = Working
		if parent.Recovery != nil {
			t.undo(parent)
			return true
		}
		t.raise(t.scope(parent, t.state(parent), fl.event), fl)
		return true
	}
	return false
}
