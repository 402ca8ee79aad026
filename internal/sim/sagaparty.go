package sim

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// effect is what the participants of sagas keep of one step, under its step id:
// as the barrier of SAGA.md §6 would.
type effect struct {
	done      bool
	undoneBy  string // the key of the compensation that undid it; "": it stands
	fenced    bool   // it was undone, or said not to have happened: it never happens any more
	confirmed bool
	stubborn  bool // its undo is refused for good
}

// effectOf is the account of a step.
func (w *world) effectOf(step string) *effect {
	e := w.effects[step]
	if e == nil {
		e = &effect{stubborn: w.paths.once(25)}
		w.effects[step] = e
	}
	return e
}

// sagaCall does what a call of a saga's step asks.
func (w *world) sagaCall(t *integration.Task) (value.Text, error) {
	step := t.StepID
	if t.Forward != "" {
		step = t.Forward
	}
	step, _, _ = strings.Cut(step, "~")
	e := w.effectOf(step)
	switch t.Operation {
	case integration.Compensate:
		return w.undoEffect(e, t)
	case integration.Confirm:
		return w.confirmEffect(e, t)
	case integration.Query:
		return w.tellEffect(e)
	}
	return w.doEffect(e)
}

var errRefused = integration.NewError("E.Biz", "refused", integration.EffectNamed)

func (w *world) doEffect(e *effect) (value.Text, error) {
	switch n := w.paths.IntN(100); {
	case e.fenced:
		w.saw(lateDebit)
		return value.Text{}, integration.NewError("E.TooLate", "it was undone already", integration.EffectNone)
	case e.done: // the same key again
	case n < 9:
		return value.Text{}, errRefused
	case n < 13:
		e.done = w.paths.once(2)
		return value.Text{}, integration.NewError("E.Hard", "broken", integration.EffectUnknown)
	}
	e.done = true
	return value.Checked(`{"v":` + pick(w.paths, "1", "3", "5", "7", "9") + `}`), nil
}

func (w *world) undoEffect(e *effect, t *integration.Task) (value.Text, error) {
	switch {
	case e.undoneBy == t.StepID, e.undoneBy != "" && strings.Contains(e.undoneBy+t.StepID, "~"): // again, or late: a person had changed it
		return value.Checked(`{"undone":true}`), nil
	case e.undoneBy != "":
		w.fail("I7", store.ID{}, "the effect of "+t.Forward+" was undone under "+e.undoneBy+", and is undone again under "+t.StepID)
	case e.confirmed:
		w.fail("I7", store.ID{}, "what was confirmed is undone: "+t.StepID)
	case e.stubborn && !strings.Contains(t.StepID, "~") && !w.healed:
		return value.Text{}, integration.NewError("E.Never", "it can not be undone", integration.EffectNamed)
	case w.paths.once(12):
		return value.Text{}, integration.NewError("E.Busy", "not now", integration.EffectNamed)
	}
	if !e.done {
		w.saw(nullUndo)
	}
	e.fenced, e.undoneBy = true, t.StepID
	return value.Checked(`{"undone":true}`), nil
}

func (w *world) confirmEffect(e *effect, t *integration.Task) (value.Text, error) {
	switch {
	case !e.done || e.undoneBy != "":
		w.fail("I7", store.ID{}, "what was not done, or was undone, is confirmed: "+t.StepID)
	case e.confirmed:
	case w.paths.once(8):
		return value.Text{}, errRefused
	}
	e.confirmed = true
	return value.Checked(`{"confirmed":true}`), nil
}

// tellEffect answers a Query. Who is told that nothing happened can rely on it.
func (w *world) tellEffect(e *effect) (value.Text, error) {
	switch {
	case w.paths.once(5):
		return value.Checked(`{"Outcome":"UNKNOWN"}`), nil
	case w.paths.once(12):
		return value.Text{}, errRefused
	case e.done && e.undoneBy == "":
		return value.Checked(`{"Outcome":"SUCCEEDED","Output":{"v":3}}`), nil
	}
	e.fenced = true
	return value.Checked(`{"Payload":{"Outcome":"FAILED"}}`), nil
}

// attend has somebody look at what was held in a commit.
func (w *world) attend(l *life, f *machine.Frame) {
	number := f.Hold.Number
	if l.attended[number] {
		return
	}
	if l.attended == nil {
		l.attended = map[uint32]bool{}
	}
	l.attended[number] = true
	w.saw(held)
	w.after(w.work.span(100, 60_000), func() { w.decide(l, number) })
}

// decide is what a person does about a hold: mostly to have it tried again.
func (w *world) decide(l *life, number uint32) {
	f := l.heldFrame(number)
	p := w.up()
	if f == nil {
		return
	}
	if p == nil {
		w.after(w.work.span(100, 3000), func() { w.decide(l, number) })
		return
	}
	r := machine.Resolution{Hold: number, Verb: machine.Retry, Operator: "o", Reason: "r"}
	switch roll := w.paths.IntN(10); {
	case f.Hold.Fault.Error != nil && *f.Hold.Fault.Error == "Saga.HistoryTooLong":
		r.Verb, r.Saga = machine.Abandon, l.sagaOf(f)
	case f.Hold.Operation == machine.Forward && roll < 3 && w.mayGoBack(l, f):
		r.Verb = machine.Back
	case f.Hold.Operation == machine.Forward && roll < 7:
		w.settleByHand(l, f, &r)
	case f.Hold.Operation == machine.Compensate && roll < 2:
		r.Verb = machine.Skip
	case f.Hold.Operation == machine.Compensate && roll < 4 && w.calls(l, f.Hold.Row):
		r.Verb = machine.Edit
		r.Output = value.Checked(`{"FunctionName":"undo","Payload":{}}`)
		if w.effectOf(l.stepID(f.Hold.Row)).undoneBy != "" {
			r.Verb = machine.Done // it had an effect: nobody vouches for the contrary
		}
	case roll == 9 && w.paths.once(3):
		r.Verb, r.Saga = machine.Abandon, l.sagaOf(f)
	}
	by, err := w.onAnyNode(func(p *process) error { return p.engine.Resolve(context.Background(), l.id, r) })
	w.trace.note(w.now, "decide", r.Verb.String(), int64(number))
	var refused *engine.SagaError
	if by == nil || err != nil && !errors.As(err, &refused) || errors.As(err, &refused) && l.heldFrame(number) != nil {
		w.after(w.work.span(100, 30_000), func() { w.decide(l, number) })
	}
}

// mayGoBack reports whether a saga may go back from a held state: not over a
// pivot that had its effect. One that is given up has none any more.
func (w *world) mayGoBack(l *life, f *machine.Frame) bool {
	step := l.stateOf.program.States[f.State].Step
	if step == nil || !step.Pivot {
		return true
	}
	e := w.effectOf(l.stepID(f.Entry))
	e.fenced = e.fenced || !e.done
	return !e.done
}

// settleByHand says of a step what is true of it.
func (w *world) settleByHand(l *life, f *machine.Frame, r *machine.Resolution) {
	s := l.stateOf.program.States[f.State]
	if s.Step == nil {
		return
	}
	e := w.effectOf(l.stepID(f.Entry))
	r.Verb, r.Outcome = machine.Done, machine.StepFailed
	if e.done && e.undoneBy == "" {
		r.Outcome, r.Output = machine.StepSucceeded, value.Checked(`{"v":2}`)
		return
	}
	if l.goesForward(f) { // else it would be tried again, in vain
		r.Verb = machine.Retry
		if task := s.Task; task != nil && task.Resource.Service == "lambda" && task.Resource.Pattern == asl.RequestResponse && w.paths.once(2) {
			r.Verb, r.Output = machine.Edit, value.Checked(`{"FunctionName":"do","Payload":{}}`)
		}
		return
	}
	e.fenced = true
}

// undoAfterwards asks for the undo of what has ended, or goes on.
func (w *world) undoAfterwards(id store.ID) {
	p := w.up()
	l := w.book.lives[id]
	if p == nil || l == nil || w.healed {
		return
	}
	moves := l.moves
	c := w.visits()
	_, err := w.onAnyNode(func(p *process) error { return p.engine.Compensate(context.Background(), id) })
	w.trace.note(w.now, "compensate", short(id), 0)
	var refused *engine.SagaError
	if errors.As(err, &refused) && l.moves != moves && !c.torn() {
		w.failf("I1", id, "an undo is refused (%v), and changed something", err)
	}
	if err == nil && l.moves != moves {
		w.saw(undoneAfterwards)
	}
}

// hopelessAfter is how often something is tried, that no error may end, before
// somebody gives its saga up.
const hopelessAfter = 12

// abandonHopeless gives up the sagas in which something fails again and again,
// although nothing is wrong with the world any more.
func (w *world) abandonHopeless() {
	p := w.up()
	if p == nil || !w.sagas {
		return
	}
	for _, l := range w.book.order {
		for _, id := range slices.Sorted(maps.Keys(l.frames)) {
			f := l.frames[id]
			if f == nil || l.head.OpenSagas == 0 || f.Endless < hopelessAfter && (f.Hold == nil || f.Hold.Number < hopelessAfter) {
				continue
			}
			r := machine.Resolution{Verb: machine.Abandon, Saga: l.sagaOf(f), Operator: "o", Reason: "hopeless"}
			_, _ = w.onAnyNode(func(p *process) error { return p.engine.Resolve(context.Background(), l.id, r) }) // else the next time
		}
	}
}
