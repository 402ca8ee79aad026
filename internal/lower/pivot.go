package lower

import (
	"slices"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// behindPivot marks the states of a scope that are entered after its pivot alone.
// One that is entered before it, too, would have to go both ways. A scope that
// only goes forward is behind a pivot from its start.
func (b *block) behindPivot(f *asl.Flow) {
	if b.scope.Recovery == asl.Forward {
		b.ahead = !b.alone
		for _, s := range f.States {
			b.after[s] = b.alone
		}
		return
	}
	before := map[*asl.State]bool{}
	spread(f.Start, before, true)
	for _, s := range f.States {
		if pivots(s) && before[s] && s.Next != nil {
			spread(s.Next, b.after, false)
		}
	}
	for _, s := range f.States {
		if b.after[s] && before[s] {
			b.refuse(s, "it can be entered before the pivot and after it, which plain ASL can't tell apart; write it twice")
		}
	}
}

// pivots reports whether a state that ends well has been a pivot, by itself or by
// what stands in its scope.
func pivots(s *asl.State) bool {
	if s.Type == asl.Saga {
		return slices.ContainsFunc(s.Saga.Flow.States, pivots)
	}
	return s.Step != nil && s.Step.Pivot
}

// around refuses an inner scope that may end well without its pivot.
func (b *block) around(s *asl.State) {
	if !pivots(s) {
		return
	}
	f := s.Saga.Flow
	before := map[*asl.State]bool{}
	spread(f.Start, before, true)
	for _, inner := range f.States {
		if before[inner] && !pivots(inner) && (inner.Type == asl.Succeed || inner.Next == nil && inner.Type != asl.Choice && inner.Type != asl.Fail) {
			b.refuse(s, "it may end well without its pivot (at %s), which plain ASL can't tell apart from behind it; put the pivot on every way", inner.Name)
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
	if !(stops && pivots(s)) {
		spread(s.Next, seen, stops)
	}
}

// endless writes a Task that only goes forward: it is tried until it succeeds, and
// waits for a person where another try does not help.
func (b *block) endless(s *asl.State, raw value.Value, out *value.Builder) {
	b.confirmsAhead(s)
	caught := names(s, allErrors)
	if len(s.Catch) > 0 && !caught {
		b.refuse(s, "a Catch behind the pivot that does not take States.ALL can't be exported")
	}
	if s.Step.HoldUnknown || caught && (len(s.Step.Compensate) > 0 || s.Step.Query != nil) {
		b.refuse(s, "behind the pivot an OnUnknown Hold, and a Compensate or Query beside a Catch, can't be exported")
	}
	if caught {
		if c := raw.Get("Catch"); !c.IsAbsent() {
			out.Set("Catch", b.retargeted(s, c))
		}
		return
	}
	out.Set("Retry", list(endlessRetry(raw.Get("Retry"), s.Retry, s.Step.KnownFailed)...))
	out.Set("Catch", list(b.caughtAgain(s, append([]string{failedExpression, tooLarge}, s.Step.KnownFailed...), b.askAhead(s, raw))))
}

// endlessRetry is a Retry that goes on without end. For known failures it ends as
// its author has it.
func endlessRetry(raw value.Value, retry []asl.Retrier, known []string) []value.Value {
	const ever = 99999999
	all := []value.Value{object("ErrorEquals", []string{failedExpression, tooLarge}, "MaxAttempts", 0)}
	known = slices.Clone(known)
	for i, r := range raw.Items() {
		var ends, others []string
		for _, name := range retry[i].ErrorEquals {
			switch {
			case isWild(name):
				ends, others = known, append(others, name)
			case slices.Contains(known, name):
				ends = append(ends, name)
			default:
				others = append(others, name)
			}
		}
		if len(ends) > 0 {
			all = append(all, r.With("ErrorEquals", asValue(ends)))
			known = slices.DeleteFunc(known, func(name string) bool { return slices.Contains(ends, name) })
		}
		if slices.Contains(others, allErrors) || len(others) == 0 {
			continue
		}
		r = r.With("ErrorEquals", asValue(others)).With("MaxAttempts", value.NewInt(ever))
		if !r.Has("MaxDelaySeconds") {
			r = r.With("MaxDelaySeconds", value.NewInt(max(300, retry[i].IntervalSeconds+1)))
		}
		all = append(all, r)
	}
	if len(known) > 0 {
		all = append(all, object("ErrorEquals", known, "MaxAttempts", 0))
	}
	return append(all, object("ErrorEquals", []string{allErrors}, "IntervalSeconds", 1, "MaxAttempts", ever, "BackoffRate", 2, "MaxDelaySeconds", 300, "JitterStrategy", "FULL"))
}
