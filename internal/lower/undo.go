package lower

import (
	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// owing is what a flow may owe: a step, or a Parallel, Map or Saga with what its
// flows may owe.
type owing struct {
	state  *asl.State
	within [][]owing
	saves  bool // a Saga state that may hand over save points
}

// owingsOf is all that a flow may owe, the last in the text first.
func (b *block) owingsOf(f *asl.Flow) []owing {
	var all []owing
	for i := len(f.States) - 1; i >= 0; i-- {
		s := f.States[i]
		if b.after[s] || s.Type == asl.Map && s.Map.Distributed {
			continue
		}
		o := owing{state: s}
		some := owes(s)
		for _, inner := range s.Within() {
			within := b.owingsOf(inner)
			some = some || len(within) > 0
			o.within = append(o.within, within)
		}
		o.saves = s.Type == asl.Saga && s.Saga.Recovery == asl.ToSavePoint
		if some {
			all = append(all, o)
		}
	}
	return all
}

// wayBack writes how a scope undoes what it owes and fails.
func (b *block) wayBack() {
	failed := b.name("Saga Aborted")
	if len(b.after) > 0 {
		b.accept("SAGA010", failed, "", "behind the pivot only an expression of the export's own could fail, and none can")
	}
	b.dispatch(b.owings, len(b.saves) > 0, b.recovery, failed)
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
// saves tells that there may be save points among it.
func (b *block) dispatch(all []owing, saves bool, name, done string) {
	if len(all) == 0 && !saves {
		b.add(name, b.made(asl.Pass, "Nothing can be owed here.", "Next", done))
		return
	}
	var rules []value.Value
	if saves {
		rules = b.backToSavePoint(name)
	}
	w := &way{block: b, next: name, again: name}
	for _, o := range all {
		is := "$" + b.owed + ".Step = " + quoted(o.state.Name)
		undo := ""
		if len(o.within) > 0 {
			undo = b.undoJoin(o, "$"+b.owed, name)
		} else {
			undo = w.undo(o.state)
			rules = append(rules, w.asksBefore(o.state, is, undo)...)
		}
		rules = append(rules, object("Condition", query(is), "Next", undo))
	}
	b.side.Decides = append(b.side.Decides, name)
	b.add(name, b.made(asl.Choice, "Undo what was done last, then what was done before it.", "Choices", list(rules...), "Default", done))
	w.finish()
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
