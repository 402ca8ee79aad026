package machine

import (
	"slices"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// sagaEnded takes note that the states of an outermost scope have ended well, and
// reports whether its saga is over with that: its steps are confirmed first.
func (t *turn) sagaEnded(f *Frame, out Ref, assigned []binding) bool {
	sc := f.Scope
	if sc == nil || !sc.Outermost || sc.Ended {
		return true
	}
	if t.options(f).Confirms && sc.Confirms == 0 {
		if list := t.toConfirm(f); len(list) > 0 {
			sc.Output, sc.Assigned = out, assigned
			sc.Confirms = t.payload(value.NewArray(list).Text(), value.NewArray(list))
			sc.Committed = true
			t.pivoted()
			t.confirmNext(f)
			return false
		}
	}
	t.endSaga(f, SagaCompleted, nil)
	return true
}

// toConfirm are the numbers of the rows that have a Confirm, in the order in
// which the steps were started.
func (t *turn) toConfirm(f *Frame) []value.Value {
	var rows []uint32
	stacks := []uint32{f.Undo}
	for len(stacks) > 0 {
		number := stacks[len(stacks)-1]
		stacks = stacks[:len(stacks)-1]
		for number != 0 {
			u := t.entryOfAll(number)
			stacks = append(stacks, u.Heads...)
			if u.IsStep() && u.owed() && u.Outcome == StepSucceeded && t.p.States[u.State].Step.Confirm != nil {
				rows = append(rows, number)
			}
			number = u.Prev
		}
	}
	slices.Sort(rows)
	list := make([]value.Value, len(rows))
	for i, number := range rows {
		list[i] = value.NewInt(int64(number))
	}
	return list
}

// entryOfAll is entry for who goes through all of them: what is missing is asked
// for at once.
func (t *turn) entryOfAll(number uint32) *Undo {
	if t.undos.find(number) < 0 && t.x.Undos[number] == nil {
		panic(&recall{all: true})
	}
	return t.entry(number)
}

// confirmNext confirms the next step, or ends the saga after the last one.
func (t *turn) confirmNext(f *Frame) {
	sc := f.Scope
	t.remember(sc.Confirms)
	list := t.tree(sc.Confirms)
	if sc.Next < list.Len() {
		number, _ := list.At(sc.Next).AsInt()
		sc.Next++
		t.call(f, t.entry(uint32(number)), Confirm)
		return
	}
	t.endSaga(f, SagaCompleted, nil)
	if f.Kind == Root {
		t.succeedExecution(f, sc.Output)
		return
	}
	parent := t.frame(f.Parent)
	if parent.Recovery != nil {
		t.reported(parent, f)
		t.undo(parent)
		return
	}
	s := t.state(parent)
	t.leave(t.scope(parent, s, parent.Prev), sc.Output, sc.Assigned, s.Next)
}

// unconfirmed goes on after a Confirm whose retries are over: it is tried without
// end, but for what can't get better by itself.
func (t *turn) unconfirmed(f *Frame, fl *fault) {
	step := t.p.States[t.entry(f.Body.Row).State].Step
	if hopeless(step, fl) {
		t.hold(f, &hold{Operation: Confirm, Row: f.Body.Row, Fault: *fl})
		return
	}
	f.Body.Endless++
	t.later(f, t.endlessWait(f.Body.Endless))
}

// hopeless reports whether a fault of what must go forward is not worth another
// try by itself.
func hopeless(step *asl.Step, fl *fault) bool {
	switch {
	case fl.fatal, fl.evaluated, fl.declared, fl.Error != nil && (*fl.Error == errRuntime || *fl.Error == errDataLimit):
		return true
	}
	return step != nil && fl.Error != nil && step.Known(*fl.Error)
}

// endlessWait is how long to wait before such a try, in ms.
func (t *turn) endlessWait(tries uint32) int64 {
	return max(shortestWait, t.jitter(shortestWait<<min(tries, 20), longestWait))
}
