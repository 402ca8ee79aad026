package sweep

import (
	"slices"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/prove"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// ledger is what the participants keep: the effects of the steps, each under its
// key, as the barrier of SAGA.md §6 would keep them. The same key has its effect
// once; what was undone never happens any more.
type ledger struct {
	w        *world
	effects  map[string]*effect // by step id
	order    []*effect          // in the order of their first calls
	sends    map[string]int     // by operation and key
	met      []meeting
	sleeping []sleeper
	clock    int  // counts what was done and undone
	rollback bool // plain ASL: something was undone, and no step begun since
	returned bool // a Saga of the machine was undone, and no step begun since
	pivoted  bool

	abandoned bool
}

// effect is the account of one step.
type effect struct {
	point
	id        string
	execution store.ID
	line      lineage

	sent      int  // requests
	open      int  // of them those that nobody has answered yet
	maybe     bool // an attempt's outcome is known to nobody: it may be undone though it was not done
	well      bool // it was answered well
	done      int  // when it had its effect; 0: it had none
	fenced    bool // it never happens any more
	backwards bool // plain ASL: begun on the way back
	past      bool // begun when its saga could go forward alone

	undone      int    // when its effect was taken back; 0: it was not
	undoneBy    string // the key under which
	strayUndo   bool   // by a request that came when nobody waited for it any more
	undoTries   int    // calls of its compensations
	undoWaits   bool   // the last of them has failed
	undoRefused bool   // … by an error that the participant itself named
	undoneAt    string // plain ASL: the state that took it back
	undoHeard   bool   // … and knows of it
	confirmed   bool
	toldNo      bool // a Query said that it did not happen
	toldYes     bool
	repeats     int  // times that the state's Retry has sent it again
	again       bool // … after it had its effect
}

// stands reports whether the step's effect is there.
func (e *effect) stands() bool { return e.done > 0 && e.undone == 0 }

func newLedger(w *world) ledger {
	return ledger{w: w, effects: map[string]*effect{}, sends: map[string]int{}}
}

// sent notes that a request was sent.
func (l *ledger) sent(c *call) {
	switch {
	case c.op == integration.Forward && !l.undoes(c):
		c.step.sent++
		c.step.open++
		c.step.backwards = c.step.backwards || l.rollback
		c.step.past = c.step.past || l.pivoted || l.w.saga.onlyForward(c.state)
		if c.step.undone > 0 {
			l.w.problem(problem{kind: sentAfterUndo, step: c.state, point: c.point})
		}
	case c.op == integration.Compensate || l.undoes(c):
		l.undoBegins(c)
	}
}

// undoes reports whether a state's own call is a compensation: of plain ASL, or
// made by hand in a saga.
func (l *ledger) undoes(c *call) bool { return len(l.w.saga.roles[c.state].Undoes) > 0 }

// troubles notes what a trouble lets the saga know of a forward call.
func (l *ledger) troubles(c *call) {
	if c.op == integration.Forward && !l.surelyFails(c) {
		c.step.maybe = true
	}
}

// surelyFails reports whether the answer of a call says that it had no effect.
func (l *ledger) surelyFails(c *call) bool {
	t := c.trouble
	if t.kind == twice {
		return false
	}
	step := l.w.runs.States[c.state].Step
	switch {
	case step != nil && slices.Contains(step.KnownFailed, t.name):
		return true
	case t.effect == integration.EffectNamed:
		return step != nil && step.KnownFailed == nil
	}
	return t.effect == integration.EffectNone && t.kind == fails
}

// resentAll notes that the calls under way were cut off with their process: they
// are made again.
func (w *world) resentAll() {
	for _, e := range w.order {
		if e.sent > 0 && !e.well {
			e.maybe = true
		}
	}
}

// answered notes what came of a call for who made it.
func (l *ledger) answered(c *call, err error) {
	e := c.step
	if c.op == integration.Forward && !l.undoes(c) {
		e.open--
	}
	switch {
	case c.op == integration.Query && err == nil:
		e.toldYes, e.toldNo = e.stands(), !e.stands()
	case c.op == integration.Query || c.op == integration.Confirm:
	case c.op == integration.Compensate || l.undoes(c):
		for _, of := range l.undone(c) {
			of.undoWaits, of.undoRefused = err != nil, c.trouble.effect == integration.EffectNamed
		}
		for _, of := range l.order {
			of.undoHeard = of.undoHeard || err == nil && of.undoneBy == c.key
		}
		if l.w.saga.isUndo(c.state) {
			l.rollback = true
		}
	case err == nil:
		e.well = true
		if l.w.saga.begins(c.state) {
			l.rollback, l.returned = l.rollback && !l.w.saga.plain, false
		}
		if l.w.saga.roles[c.state].Pivot {
			l.pivoted = true
		}
	}
}

var errBarred = integration.NewError("Barrier.Undone", "it was undone already", integration.EffectNone)

// perform does at the participant what a call asks.
func (w *world) perform(c *call) (value.Text, error) {
	var err error
	text := w.saga.answer(c.state, c.op, c.request)
	switch {
	case c.op == integration.Compensate:
		w.undo(c, w.undone(c))
	case c.op == integration.Confirm:
		w.confirm(c)
	case c.op == integration.Query:
		text = w.tell(c.step)
	case w.undoes(c):
		w.undo(c, w.undone(c))
	case c.step.fenced:
		err = errBarred
	default:
		if c.attempt > c.step.repeats+1 && w.lives == 1 { // the state's Retry has sent it again
			c.step.repeats = c.attempt - 1
			c.step.again = c.step.again || c.step.done > 0
		}
		if c.step.done == 0 {
			w.clock++
			c.step.done = w.clock
		}
	}
	return text, err
}

// answer is a result as a participant gives it.
func (s *saga) answer(state string, op integration.Operation, request value.Text) value.Text {
	if text, ok := s.answers[state]; ok && op == integration.Forward {
		return text
	}
	if !s.data || op != integration.Forward {
		return value.Checked("{}")
	}
	if request.IsZero() {
		request = value.Checked("{}")
	}
	r := s.runs.States[state].Task.Resource
	if r.Kind == asl.Integration && r.Service == "lambda" {
		payload := request.Decode().Get("Payload")
		if payload.IsAbsent() {
			payload = value.NewObject()
		}
		return value.NewObject(value.Member{Name: "ExecutedVersion", Value: value.NewString("$LATEST")}, value.Member{Name: "Payload", Value: payload},
			value.Member{Name: "StatusCode", Value: value.NewInt(200)}).Text()
	}
	return request
}

// tell answers a Query. Who is told that nothing happened can rely on it.
func (l *ledger) tell(e *effect) value.Text {
	if e.stands() {
		return value.Checked(`{"Outcome":"SUCCEEDED","Output":{}}`)
	}
	e.fenced = true
	return value.Checked(`{"Outcome":"FAILED"}`)
}

// seenTo lets a step be done that its participant has told not to be, to who may
// not have heard it.
func (l *ledger) seenTo(state string) {
	for _, e := range l.order {
		if e.state == state && e.undone == 0 && e.undoneBy == "" {
			e.fenced = false
		}
	}
}

func (w *world) confirm(c *call) {
	e := c.step
	if e.undone > 0 || e.done == 0 {
		w.problem(problem{kind: confirmedUndone, step: c.state, point: c.point})
	}
	e.confirmed = true
}

// undone are the steps that a compensation is about: of plain ASL all of its
// step's that stand, of an item alone where it runs for items.
func (l *ledger) undone(c *call) []*effect {
	names := l.w.saga.roles[c.state].Undoes
	if c.op == integration.Compensate {
		of := l.w.saga.roles[c.state].TakesBack
		if of == "" || of == c.state {
			return []*effect{c.step}
		}
		names = []string{of} // it calls what undoes another step
	}
	var all []*effect
	for _, name := range names {
		for _, e := range l.order {
			if e.state == name && e.undone == 0 && (c.item == 0 || e.item == 0 || e.item == c.item || c.step.line.holds(e.line)) {
				all = append(all, e)
			}
		}
	}
	return all
}

// undoBegins looks at a compensation as it is called.
func (l *ledger) undoBegins(c *call) {
	for _, e := range l.undone(c) {
		if c.attempt == 1 {
			e.undoTries = 0
		}
		e.undoTries++
	}
	of := l.w.saga.roles[c.state].TakesBack
	if c.op == integration.Compensate && (of == "" || of == c.state) {
		l.owed(c, c.step)
		return
	}
	names := []string{of} // it calls what undoes another step
	if c.op != integration.Compensate {
		names = l.w.saga.roles[c.state].Undoes
	}
	if c.attempt > 1 || c.op != integration.Compensate && !l.w.saga.isUndo(c.state) {
		return
	}
	if !slices.ContainsFunc(l.order, func(e *effect) bool { return slices.Contains(names, e.state) && e.sent > 0 }) {
		l.w.problem(problem{kind: undoneNever, step: names[0], point: c.point})
	}
}

// owed holds the call of a Compensate against what its step's participant knows.
func (l *ledger) owed(c *call, e *effect) {
	switch {
	case e.undoneBy != "" && e.undoneBy != c.key:
		l.w.problem(problem{kind: undoneTwice, step: e.state, point: c.point})
	case e.confirmed:
		l.w.problem(problem{kind: undoneConfirmed, step: e.state, point: c.point})
	case c.attempt > 1: // it was looked at
	case e.sent == 0 && (l.w.lives > 1 || l.w.saga.roles[c.state].Awaited):
		// it was to be sent as its process died, or its token was taken back: nobody knows
	case e.sent == 0, e.toldNo, !e.well && !e.maybe && e.open == 0 && e.done == 0:
		l.w.problem(problem{kind: undoneNever, step: e.state, point: c.point})
	}
}

// undo takes effects back, once.
func (w *world) undo(c *call, all []*effect) {
	if c.op == integration.Forward && w.saga.isUndo(c.state) && len(all) == 0 {
		w.undoneAgain(c)
	}
	w.clock++
	for _, e := range all {
		e.fenced = true
		if e.undoneBy == "" && (e.done > 0 || c.op == integration.Compensate) {
			e.undoneBy = c.key
		}
		if e.done > 0 && e.undone == 0 {
			e.undone, e.strayUndo, e.undoneAt = w.clock, c.stray, c.state
			e.undoWaits = false
		}
	}
}

// undoneAgain tells of a compensation of plain ASL for whose step there is
// nothing left to undo, under another key than that which undid it. A state that
// does not know that it did so tries again.
func (w *world) undoneAgain(c *call) {
	var all []*effect
	for _, e := range w.order {
		if !slices.Contains(w.saga.roles[c.state].Undoes, e.state) || e.undone == 0 || c.item > 0 && e.item > 0 && c.item != e.item {
			continue
		}
		if e.undoneBy == c.key || !e.undoHeard && e.undoneAt == c.state {
			return // it is sent again
		}
		all = append(all, e)
	}
	if len(all) > 0 {
		w.problem(problem{kind: undoneTwice, step: all[0].state, point: c.point})
	}
}

// wanted is the way that a Choice on the way back has to take, where it decides
// whether a compensation runs, of an item or of none; -1: any.
func (w *world) wanted(choice string, way, item int) int {
	if i := slices.IndexFunc(w.saga.tells, func(t prove.Telling) bool { return t.Choice == choice }); i >= 0 {
		return w.heard(&w.saga.tells[i])
	}
	if w.mistaken(choice, way) {
		return w.truth(choice)
	}
	steps := w.saga.guarded(choice)
	if steps == nil || !w.rollbackBegan(choice) {
		return -1
	}
	rest, begun := -1, -1
	for i, undone := range steps {
		if len(undone) == 0 {
			rest = i
			continue
		}
		for _, e := range w.order {
			switch {
			case !slices.Contains(undone, e.state) || e.undone > 0 || item > 0 && e.item > 0 && e.item != item:
			case (e.done > 0 || e.maybe && !e.fenced) && !e.undoWaits:
				return i
			default:
				begun = i
			}
		}
	}
	if rest < 0 {
		return begun
	}
	return rest
}

// settled takes note that it is known now that a step was done.
func (w *world) settled(choice, next string) {
	for _, f := range w.saga.settles {
		if f.Choice != choice || f.Next != next || !f.Done {
			continue
		}
		for _, e := range slices.Backward(w.order) {
			if e.state == f.Step {
				e.well = e.well || e.stands()
				break
			}
		}
	}
}

// mistaken reports whether a Choice takes a step for done that was not, or the
// reverse, though it is known to hear what became of it.
func (w *world) mistaken(choice string, way int) bool {
	for _, f := range w.saga.settles {
		if f.Choice != choice || f.Next != w.saga.targets[choice][way] {
			continue
		}
		for _, e := range slices.Backward(w.order) {
			if e.state == f.Step {
				return e.stands() != f.Done
			}
		}
	}
	return false
}

// truth is the first way of a Choice that says nothing wrong; -1: there is none.
func (w *world) truth(choice string) int {
	for way := range w.saga.targets[choice] {
		if !w.mistaken(choice, way) {
			return way
		}
	}
	return -1
}

// heard is the way of a Choice that hears what has happened before it.
func (w *world) heard(t *prove.Telling) int {
	return slices.IndexFunc(w.saga.targets[t.Choice], func(name string) bool { return (name == t.Next) != w.told[t.Choice] })
}

// rollbackBegan reports whether a Choice is one of the way back.
func (w *world) rollbackBegan(choice string) bool {
	return !w.saga.forward[choice] || slices.Contains(w.saga.decides, choice)
}

// refused takes back what a step did whose answer was no.
func (w *world) refused(choice, next string) {
	for _, r := range w.saga.refuses {
		if r.Choice != choice || r.Next != next {
			continue
		}
		for _, e := range slices.Backward(w.order) {
			if e.state == r.Step {
				if e.stands() {
					e.done, e.fenced = 0, true
				}
				return
			}
		}
	}
}

// stepsDone is how many steps stand, those that nothing undoes too.
func (l *ledger) stepsDone() int {
	n := 0
	for _, e := range l.order {
		if e.stands() && l.w.saga.begins(e.state) {
			n++
		}
	}
	return n
}

// isEndless reports whether no error may end the call's work.
func (w *world) isEndless(c *call) bool {
	state := w.runs.States[c.state]
	retry := state.Retry
	if c.op != integration.Forward {
		retry = body(state, c.op).Retry
	}
	return slices.ContainsFunc(retry, func(r asl.Retrier) bool { return r.MaxAttempts >= asl.MaxSeconds }) ||
		state.Scope != nil && (w.pivoted || c.op == integration.Confirm)
}

// joined takes note that a Parallel, Map or Saga has ended. A saga that is over
// has no pivot any more.
func (w *world) joined(at eventKey, s *asl.State, well bool) {
	if s == nil || s.Type != asl.Saga || s.Scope != nil {
		return
	}
	w.pivoted = false
	for _, e := range w.order {
		if !well && s.Flow.Owner == nil && e.undoTries > 0 && e.isWithin(at) {
			w.returned = true
		}
	}
}

// isWithin reports whether a step stands in a Parallel, Map or Saga that was
// entered by an event.
func (e *effect) isWithin(at eventKey) bool {
	return e.execution == at.id && slices.ContainsFunc(e.line, func(p place) bool { return p.entered == at.event })
}

// isBroken reports whether the engine itself is at fault.
func (w *world) isBroken() bool {
	return slices.ContainsFunc(w.problems, func(p problem) bool { return p.kind == engineBroken })
}

func (w *world) broken(what string) { w.problem(problem{kind: engineBroken, what: what}) }

func (w *world) endless() {
	w.problem(problem{kind: neverEnds, step: w.lastState()})
}

// lastState is the state that was called last.
func (w *world) lastState() string {
	if len(w.met) == 0 {
		return ""
	}
	return w.met[len(w.met)-1].state
}
