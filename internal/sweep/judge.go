package sweep

import (
	"fmt"
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/machine"
)

// Kind is what is wrong with how a world ended.
type Kind string

// What a world may be found guilty of.
const (
	left            Kind = "left"             // an effect stands, and nothing will undo it
	givenUp         Kind = "given up"         // its compensation failed once, and was not tried again
	undoneTwice     Kind = "undone twice"     // a second compensation, under another key
	undoneNever     Kind = "never done"       // compensated although it certainly was not done
	undoneConfirmed Kind = "undone confirmed" // compensated although it was confirmed
	confirmedUndone Kind = "confirmed undone"
	unconfirmed     Kind = "not confirmed"
	outOfOrder      Kind = "out of order" // undone while what was built upon it stood, and was undone later
	undoneAndWell   Kind = "ended well"   // undone, and the execution SUCCEEDED
	doneAndFailed   Kind = "ended badly"  // finished, and the execution failed
	afterPivot      Kind = "failed after the pivot"
	notTakenBack    Kind = "not taken back" // a notification or payout was sent, and the saga undone
	doneTwice       Kind = "done twice"     // a retry, and no key by which the participant knows it again
	sentAfterUndo   Kind = "sent after its undo"
	neverEnds       Kind = "never ends"
	heldForGood     Kind = "held for good" // an operator's retries do not help
	engineBroken    Kind = "engine"
)

// problem is one thing that is wrong in a world.
type problem struct {
	kind  Kind
	step  string
	item  int
	point point // the call at which it was seen
	what  string
}

// problem notes one, once.
func (w *world) problem(p problem) {
	if !slices.ContainsFunc(w.problems, func(o problem) bool { return o.kind == p.kind && o.step == p.step && o.what == p.what }) {
		w.problems = append(w.problems, p)
	}
}

// judge holds what the participants have in their ledger against how the
// execution ended.
func (w *world) judge() {
	if w.isBroken() || slices.ContainsFunc(w.problems, func(p problem) bool { return p.kind == neverEnds }) {
		return
	}
	for _, e := range w.order {
		if e.stands() {
			w.judgeStanding(e)
		}
		if e.again && w.runs.States[e.state].Scope == nil && !w.saga.roles[e.state].Keyed && w.saga.isStep(e.state) {
			w.problem(problem{kind: doneTwice, step: e.state, item: e.item, point: e.point})
		}
	}
	w.judgeOrder()
	w.judgeEnd()
}

func (w *world) well() bool { return w.status == machine.Succeeded }

// judgeStanding looks at an effect that stands at the end.
func (w *world) judgeStanding(e *effect) {
	r := w.saga.roles[e.state]
	if !r.Acts {
		return
	}
	if w.saga.isCovered(e.state) {
		w.judgeScoped(e)
		return
	}
	p := problem{kind: left, step: e.state, item: e.item, point: e.point}
	switch {
	case w.pivoted || !w.saga.plain || len(r.Undoes) > 0:
		return
	case r.Irrevocable:
		if !w.rollback || !e.well || e.backwards {
			return
		}
		p.kind = notTakenBack
	case !r.Undone:
		if !w.rollback || e.backwards || !w.saga.begins(e.state) {
			return
		}
	case w.well() && !w.rollback && (e.well || w.isRepeated(e)):
		return
	case e.undoTries > 0 && e.undoWaits && w.status != machine.Aborted && w.status != machine.TimedOut:
		if e.undoTries > 1 || e.undoRefused || w.someoneTold() {
			return // it was tried again, and then a person has to look
		}
		p.kind = givenUp
	}
	w.problem(p)
}

// isRepeated reports whether what a step stands in was tried again, and the step
// ended well then: by the same request, which plain ASL has nothing to tell apart
// by.
func (w *world) isRepeated(e *effect) bool {
	return w.superseded(e) && slices.ContainsFunc(w.order, func(o *effect) bool {
		return o.state == e.state && o.item == e.item && o.entry > e.entry && o.well
	})
}

// someoneTold reports whether somebody who is waited for was asked last.
func (w *world) someoneTold() bool {
	return len(w.order) > 0 && w.saga.roles[w.order[len(w.order)-1].state].Awaited
}

// judgeScoped looks at a standing effect of a step in a saga of the extension.
func (w *world) judgeScoped(e *effect) {
	s := w.runs.States[e.state]
	p := problem{kind: left, step: e.state, item: e.item, point: e.point}
	switch {
	case w.endedWell(e) && (e.well || e.toldYes):
		if s.Step != nil && s.Step.Confirm != nil && !e.confirmed {
			p.kind = unconfirmed
			w.problem(p)
		}
		return
	case e.past && (s.Step == nil || s.Step.Compensate == nil):
		return // there is nothing by which it could be undone, and nothing has to be
	case w.continues(s) && e.undoWaits && e.undoTries == 1 && !e.undoRefused:
		p.kind = givenUp
	case w.abandoned, w.continues(s) && e.undoWaits:
		return // as its author, or a person, decided
	case w.saga.roles[e.state].Irrevocable:
		p.kind = notTakenBack
	}
	w.problem(p)
}

// continues reports whether a scope around a state goes on where an undo fails.
func (w *world) continues(s *asl.State) bool {
	for scope := s.Scope; scope != nil; scope = scope.Outer {
		if scope.Continue {
			return true
		}
	}
	return false
}

// endedWell reports whether the saga in which a step stands ended well, and all
// that is around the step within it.
func (w *world) endedWell(e *effect) bool {
	if status, child := w.ended[e.execution]; child && status != machine.Succeeded {
		return false
	}
	for i, at := range e.line[:max(0, len(e.line)-1)] {
		well, known := w.came[eventKey{e.execution, at.entered}]
		if known && !well {
			return false
		}
		if w.runs.Saga == nil && e.line[i+1].scoped { // the saga itself
			return known && !w.superseded(e)
		}
	}
	return w.well() && !w.superseded(e)
}

// superseded reports whether the branch, item or scope in which a step stood was
// begun anew: what it did in its earlier life has to be undone.
func (w *world) superseded(e *effect) bool {
	for i := 1; i < len(e.line); i++ {
		f := w.frames[frameKey{e.execution, e.line[i].frame}]
		if f == nil {
			continue
		}
		for key, other := range w.frames {
			if key.id == e.execution && other.ID > f.ID && other.Parent == f.Parent && other.Index == f.Index && other.Kind == f.Kind &&
				w.within[key] == e.line[i-1].entry && w.within[frameKey{e.execution, f.ID}] == e.line[i-1].entry {
				return true
			}
		}
	}
	return false
}

// judgeOrder looks for effects that were undone while a later one of the same
// sequence stood that was undone afterwards.
func (w *world) judgeOrder() {
	for _, a := range w.order {
		if a.undone == 0 || a.strayUndo {
			continue
		}
		for _, b := range w.order {
			if b.undone > a.undone && !b.strayUndo && b.done > a.done && b.done < a.undone && a.state != b.state && a.execution == b.execution && w.inSequence(a, b) {
				w.problem(problem{kind: outOfOrder, step: a.state, item: a.item, point: a.point, what: b.state})
			}
		}
	}
}

// inSequence reports whether a step was done before another one that may build
// upon it.
func (w *world) inSequence(a, b *effect) bool {
	return a.line.before(b.line) && (w.saga.plain || w.runs.States[a.state].Scope != nil)
}

// judgeEnd looks at the status with which the execution ended.
func (w *world) judgeEnd() {
	undone := slices.IndexFunc(w.order, func(e *effect) bool { return e.undone > 0 })
	switch {
	case w.well() && w.saga.plain && w.rollback && undone >= 0 && !w.pivoted:
		w.problem(problem{kind: undoneAndWell, step: w.order[undone].state, point: w.order[undone].point})
	case w.well() && w.returned:
		w.problem(problem{kind: undoneAndWell, step: w.lastState()})
	case !w.well() && w.plan.steps > 0 && w.doneBefore == w.plan.steps && !w.abandoned && !w.leaves() && !w.saga.isBeside(w.plan.faults[0].point.state):
		w.problem(problem{kind: doneAndFailed, step: w.plan.faults[0].point.state})
	case !w.well() && w.pivoted && !w.abandoned:
		w.problem(problem{kind: afterPivot, step: w.lastState()})
	}
}

// leaves reports whether an effect was found to be left.
func (w *world) leaves() bool {
	return slices.ContainsFunc(w.problems, func(p problem) bool { return p.kind == left || p.kind == givenUp })
}

// said tells a problem in words.
func (w *world) said(p problem) string {
	name := p.step
	if p.item > 0 {
		name += fmt.Sprintf(" (item %d)", p.item)
	}
	ended := "the execution " + strings.ToLower(strings.ReplaceAll(w.status.String(), "_", " "))
	if w.status == machine.Succeeded {
		ended = "the execution succeeded"
	}
	switch p.kind {
	case left:
		return fmt.Sprintf("%s is left done: %s", name, ended)
	case givenUp:
		return fmt.Sprintf("%s is left done: its compensation failed once, and was not tried again", name)
	case undoneTwice:
		return fmt.Sprintf("%s is undone a second time by %s", name, p.point)
	case undoneNever:
		return fmt.Sprintf("%s is undone by %s, and was never done", name, p.point)
	case undoneConfirmed:
		return fmt.Sprintf("%s is undone after it was confirmed", name)
	case confirmedUndone:
		return fmt.Sprintf("%s is confirmed, and is not done", name)
	case unconfirmed:
		return fmt.Sprintf("%s is not confirmed: %s", name, ended)
	case outOfOrder:
		return fmt.Sprintf("%s is undone before %s, which was done after it", name, p.what)
	case undoneAndWell:
		return fmt.Sprintf("%s is undone, and the execution succeeded", name)
	case doneAndFailed:
		return fmt.Sprintf("all steps were done when %s failed, and %s", name, ended)
	case afterPivot:
		if p.what != "" {
			return fmt.Sprintf("%s is held although the pivot is done, by %s, which is known to last", name, p.what)
		}
		return fmt.Sprintf("%s although the pivot is done", ended)
	case notTakenBack:
		return fmt.Sprintf("%s can't be taken back, and the saga was undone", name)
	case doneTwice:
		return fmt.Sprintf("%s is done twice: nothing in its request tells a retry from another one", name)
	case sentAfterUndo:
		return fmt.Sprintf("%s is called although it was undone", name)
	case neverEnds:
		return fmt.Sprintf("the execution does not end; %s was called last", name)
	case heldForGood:
		return fmt.Sprintf("%s is held, and trying it again does not help", name)
	}
	return p.what
}
