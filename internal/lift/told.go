package lift

import (
	"fmt"
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/asl"
)

// change notes what is no more as it was.
func (l *lifting) change(s *asl.State, format string, args ...any) {
	l.changes = note(l.changes, s, format, args...)
}

// leave notes what stays as it was.
func (l *lifting) leave(s *asl.State, format string, args ...any) {
	l.left = note(l.left, s, format, args...)
}

func note(all []Notice, s *asl.State, format string, args ...any) []Notice {
	n := Notice{Message: fmt.Sprintf(format, args...)}
	if s != nil {
		n.State, n.Place = s.Name, s.Place
	}
	if slices.Contains(all, n) {
		return all
	}
	return append(all, n)
}

// tell tells what the import changes, in the order of the text.
func (l *lifting) tell() {
	if l.tails[l.program.Flow] == nil {
		l.change(nil, `The whole machine is a saga: whatever fails in it or stops it, what was done is undone ("Saga": {})`)
	}
	for _, f := range l.flows() {
		if t := l.tails[f]; t != nil {
			t.name = l.name("Saga")
			l.change(f.Owner, "What is undone stands in a state of its own, %s, whose Catch leads to %s once everything is undone, whatever failed", t.name, t.entry.Name)
		}
	}
	turns := l.turns()
	for _, s := range l.program.Order {
		if p := l.steps[s]; p.active() && p.step == s {
			l.tellStep(p)
		}
		for _, t := range turns {
			if t.from == s && !l.stays(t) {
				l.tellTurn(t)
			}
		}
		l.tellKept(s)
		l.tellLast(s)
		if l.silent[s] {
			l.change(s, "What it answers is not handed on to the compensations of others, as you have said")
		}
		switch {
		case !slices.Contains(l.pivots, s):
		case l.steps[s].active():
			l.leave(s, "it is undone by %s, and so no pivot", l.steps[s].undo.Name)
		case s.Flow.Owner != nil:
			l.leave(s, "no pivot may stand beneath %s; put it behind", s.Flow.Owner.Name)
		case !l.forward[s] || !l.inScope(s):
			l.leave(s, "it stands outside of the saga, and so is no pivot of it")
		default:
			l.change(s, "It is the pivot: once it is done, the saga only goes forward, and what comes after it is tried until it succeeds")
		}
	}
	l.tellGone()
}

func (l *lifting) tellStep(p *pair) {
	l.change(p.step, "What %s did is its Compensate now; that state is gone", p.undo.Name)
	for _, twin := range p.twins {
		l.change(p.step, "%s did the same, and is gone, too", twin.undo.Name)
	}
	for _, n := range p.notes {
		l.change(p.step, "%s: %s", p.undo.Name, lowered(n))
	}
	if p.whatever {
		l.change(p.step, `It was undone whatever it failed by, and still is: "KnownFailed": [] says that its errors do not tell that nothing was done`)
	} else if p.itself {
		l.change(p.step, "Where an error of its own says that nothing was done it is not undone any more; it was before")
	}
}

// lowered begins a sentence within another one.
func lowered(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// tellTurn tells of a way back that falls away.
func (l *lifting) tellTurn(t turn) {
	r := l.restOf(t.to)
	switch {
	case t.catch >= 0:
		l.change(t.from, "Its Catch of %s, which led to %s, is gone: the saga undoes what was done", strings.Join(t.from.Catch[t.catch].ErrorEquals, ", "), t.to.Name)
	case t.to.Type != asl.Fail:
		l.change(t.from, "Where it led to %s it ends with a failure: the saga undoes what was done", t.to.Name)
	}
	var before []string
	for _, p := range l.pairs {
		undone := slices.ContainsFunc(r.undone, func(other *pair) bool { return other.step == p.step })
		if p.active() && p.step != t.from && l.mayPrecede(p.step, t.from) && !undone && !slices.Contains(before, p.step.Name) {
			before = append(before, p.step.Name)
		}
	}
	if len(before) > 0 {
		l.change(t.from, "That way left %s done, which is undone now", listed(before))
	}
	for s := range l.inOrder(t.to) {
		switch decided := l.decides(s); {
		case len(decided) > 0:
			l.change(s, "It decided whether to run %s; the saga knows itself what was done, and undoes that", listed(decided))
		case l.tails[t.from.Flow] != nil:
		case s.Type == asl.Fail:
			if t.catch >= 0 {
				l.change(nil, "The execution fails by the error of what failed, no more by that of %s", s.Name)
			}
		case endsWell(s):
			l.change(nil, "The execution is FAILED then; it hid the failure before, and ended well at %s", s.Name)
		}
	}
}

// decides are the compensations whose run a Choice of a way back decided, and which
// are converted.
func (l *lifting) decides(s *asl.State) []string {
	var all []string
	if s.Type == asl.Choice && !l.forward[s] {
		for _, to := range nexts(s) {
			for _, undo := range to.Tasks() {
				if l.undoes[undo].active() && !slices.Contains(all, undo.Name) {
					all = append(all, undo.Name)
				}
			}
		}
	}
	if len(all) == 1 && !slices.ContainsFunc(nexts(s), func(to *asl.State) bool { return to.Name != all[0] }) {
		return nil // there was nothing to decide
	}
	return all
}

// inOrder are the states of a way back, in the order of the text.
func (l *lifting) inOrder(to *asl.State) func(func(*asl.State) bool) {
	seen := reach([]*asl.State{to}, nexts)
	return func(yield func(*asl.State) bool) {
		for _, s := range l.program.Order {
			if seen[s] && !yield(s) {
				return
			}
		}
	}
}

// tellKept tells what a Catch or a Retry that stays does beside what it did.
func (l *lifting) tellKept(s *asl.State) {
	stays := false
	for i := range s.Catch {
		stays = stays || l.forward[s] && !l.goesBack(s, i)
	}
	joins := s.Type == asl.Parallel || s.Type == asl.Map
	within := slices.ContainsFunc(l.pairs, func(p *pair) bool { return p.active() && beneath(p.step, s) })
	switch {
	case joins && within && (stays || len(s.Retry) > 0):
		l.change(s, "What it did is undone before its Retry or Catch is followed")
	case joins && within:
		l.change(s, "When a part of it fails, what the others did is undone")
	case stays && l.steps[s].active():
		l.change(s, "Where its Catch goes on, and nobody knows whether it was done, it is undone first, and not later")
	}
}

// tellLast tells of a Task that no step comes after: its failure undoes them now.
func (l *lifting) tellLast(s *asl.State) {
	if s.Type != asl.Task || !l.forward[s] || l.steps[s].active() || !l.inScope(s) {
		return
	}
	for i := range s.Catch {
		if slices.Contains(s.Catch[i].ErrorEquals, "States.ALL") {
			return // it led back, or goes on as before
		}
	}
	before := false
	for _, p := range l.pairs {
		before = before || p.active() && l.mayPrecede(p.step, s)
		if l.mayPrecede(s, p.step) {
			return
		}
	}
	if before && !slices.ContainsFunc(l.pivots, func(pivot *asl.State) bool { return pivot == s || l.mayPrecede(pivot, s) }) {
		l.change(s, "Whatever it fails by, all that was done is undone now; where that is not meant let it catch States.ALL and go on, or name the last step as Pivot in the sidecar")
	}
}

// beneath reports whether a state stands within another one.
func beneath(s, around *asl.State) bool {
	for f := s.Flow; f.Owner != nil; f = f.Owner.Flow {
		if f.Owner == around {
			return true
		}
	}
	return false
}

// tellGone tells of states that nothing leads to any more.
func (l *lifting) tellGone() {
	var gone []string
	for _, f := range l.flows() {
		entered := l.entered(f)
		for _, s := range f.States {
			if !entered[s] && !l.undoes[s].active() && (f.Owner == nil || l.forward[f.Owner]) {
				gone = append(gone, s.Name)
			}
		}
	}
	switch {
	case len(gone) == 1:
		l.change(nil, "%s is gone: nothing leads there any more", gone[0])
	case len(gone) > 1:
		l.change(nil, "%s are gone: nothing leads there any more", listed(gone))
	}
}
