package prove

import (
	"fmt"

	"github.com/backstep/backstep/internal/asl"
)

// callbacks tells of Tasks that wait for somebody without any limit: SAGA016.
func (p *prover) callbacks() {
	for _, s := range p.program.Order {
		if s.Type != asl.Task || !p.call(s).awaits() || isSet(&s.Task.TimeoutSeconds) || isSet(&s.Task.HeartbeatSeconds) {
			continue
		}
		what := "the holder of its task token"
		if s.Task.Resource.Kind == asl.Activity {
			what = "a worker of its activity"
		}
		t := newTrace()
		t.entries[s.Name]++
		t.move(s, "is never answered")
		t.fault(s, 0, scriptFlying, true)
		p.find("SAGA016", s, "", t, fmt.Sprintf("%s waits for %s with neither TimeoutSeconds nor HeartbeatSeconds", s.Name, what),
			fmt.Sprintf("Give %s TimeoutSeconds or HeartbeatSeconds, and a Catch for States.Timeout", s.Name))
	}
}

// endlessCatches tells of Catches that lead back to what failed without a Choice
// on the way that could count: SAGA017. After a pivot that is as it should be.
func (p *prover) endlessCatches() {
	told := map[*asl.State]bool{} // on a round that was told
	for _, s := range p.program.Order {
		if told[s] || p.onlyPast(s) {
			continue
		}
		edges := p.edgesOf(s)
		for i := range edges {
			e := &edges[i]
			if e.to == nil || e.hop.turn != failing && e.hop.turn != spoiled {
				continue
			}
			legs, _, ok := p.route(e.to, func(at *asl.State, e *exit) bool {
				return at.Type != asl.Choice && (e.hop.turn == onward || e.hop.turn == failing)
			}, func(at *asl.State) bool { return at == s })
			if !ok {
				continue
			}
			t := newTrace()
			t.each = true // it fails at each of its entries
			t.hop(s, e.hop)
			t.along(legs)
			t.entries[s.Name]++
			t.move(s, "runs again, without end")
			for _, l := range legs {
				told[l.state] = true
			}
			p.find("SAGA017", s, "", t, fmt.Sprintf("the Catch of %s leads back to it: it goes round as long as it fails by %s", s.Name, p.errors(e.hop)),
				fmt.Sprintf("Count the rounds of %s in a Choice, or use Retry with MaxAttempts", s.Name))
			break
		}
	}
}

// onlyPast reports whether a state is entered after the pivot alone.
func (p *prover) onlyPast(s *asl.State) bool {
	before, after := p.enters(s)
	return after && !before
}

// enters reports whether a state is entered before the pivot, and after it. A walk
// that was made to look at a flow alone does not count.
func (p *prover) enters(s *asl.State) (before, after bool) {
	flowBefore, flowAfter := true, true
	if owner := s.Flow.Owner; owner != nil {
		flowBefore, flowAfter = p.enters(owner)
		flowAfter = flowAfter || owner.Type == asl.Saga && entryMark(owner.Saga) != 0
	}
	for _, w := range p.walksOf(s.Flow) {
		if w.entry&past == 0 && !flowBefore || w.entry&past != 0 && !flowAfter && s.Flow.Owner != nil {
			continue
		}
		for i := range w.nodes {
			if n := &w.nodes[i]; n.state == s {
				before, after = before || n.mark&past == 0, after || n.mark&past != 0
			}
		}
	}
	return before, after
}

// longUndo tells of compensations that may take longer than the whole machine
// may: SAGA018. What has no time limit of its own counts as nothing.
func (p *prover) longUndo() {
	if p.program.TimeoutSeconds == 0 {
		return
	}
	d := &durations{prover: p, known: map[*asl.State]float64{}, next: map[*asl.State]leg{}, open: map[*asl.State]bool{}}
	var worst *asl.State
	for _, s := range p.program.Flow.States {
		if f := p.facts[s]; !f.forward && d.from(s) > 0 && (worst == nil || d.from(s) > d.from(worst)) && p.leadsToUndo(s) {
			worst = s
		}
	}
	if worst == nil || d.from(worst) <= float64(p.program.TimeoutSeconds) {
		return
	}
	t := d.tell(worst, p.program.TimeoutSeconds)
	p.find("SAGA018", worst, "", t, fmt.Sprintf("the compensations from %s on may take %.0f s, longer than the TimeoutSeconds of the machine (%d)",
		worst.Name, d.from(worst), p.program.TimeoutSeconds),
		"Raise the machine's TimeoutSeconds, or lower those of the compensations and their Retry")
}

// tell tells how the compensations from a state on take longer than the machine
// may: a step is done, what comes after it fails, and each call times out at each
// of its tries but the last, which takes as long as it may.
func (d *durations) tell(worst *asl.State, limit int64) *trace {
	t := newTrace()
	legs, _, _ := d.route(d.program.Flow.Start, func(s *asl.State, e *exit) bool { return e.hop.turn != spoiled }, func(at *asl.State) bool { return at == worst })
	for _, l := range legs {
		h := *l.hop
		h.after = h.after || h.turn == failing && d.facts[l.state].isStep && len(h.ways) > 0 && h.ways[0].effect == unknown
		t.hop(l.state, &h)
	}
	for s, taken := worst, 0.0; s != nil && taken <= float64(limit); {
		t.entries[s.Name]++
		t.move(s, fmt.Sprintf("takes up to %.0f s", d.own(s)))
		if s.Task != nil && s.Task.TimeoutSeconds.Literal != nil {
			d.slow(t, s, float64(limit)-taken)
		}
		taken += d.own(s)
		s = d.next[s].state
	}
	return t
}

// slow has a Task take as long as it may, or, where that is less, as it takes until
// the machine is cut off.
func (d *durations) slow(t *trace, s *asl.State, left float64) {
	limit, all := *s.Task.TimeoutSeconds.Literal, triesOf(s)
	for n := int64(1); ; n++ {
		cutOff := d.tried(s, limit, n) > left
		if n == all && !cutOff {
			t.fault(s, int(n), scriptFlying, true)
			return
		}
		t.fault(s, int(n), stateTimeout, false)
		if cutOff {
			return
		}
	}
}

// leadsToUndo reports whether a compensation can be entered from a state, it
// itself included.
func (p *prover) leadsToUndo(s *asl.State) bool {
	_, _, ok := p.route(s, onwardOnly, func(at *asl.State) bool { return p.facts[at].isUndo })
	return ok
}

// durations are how long states may take at worst, in seconds, as far as their
// own limits tell.
type durations struct {
	*prover
	known map[*asl.State]float64
	next  map[*asl.State]leg
	open  map[*asl.State]bool // on the way, for loops
}

// from is how long it may take from a state to the end of its flow, by its work
// and all after it. A loop counts once.
func (d *durations) from(s *asl.State) float64 {
	if known, ok := d.known[s]; ok {
		return known
	}
	if d.open[s] {
		return 0
	}
	d.open[s] = true
	longest := 0.0
	edges := d.edgesOf(s)
	for i := range edges {
		if e := &edges[i]; e.to != nil && e.hop.turn == onward {
			if l := d.from(e.to); l > longest {
				longest = l
				d.next[s] = leg{e.to, e.hop}
			}
		}
	}
	d.open[s] = false
	d.known[s] = d.own(s) + longest
	return d.known[s]
}

// own is how long a state itself may take.
func (d *durations) own(s *asl.State) float64 {
	switch s.Type {
	case asl.Task:
		if s.Task.TimeoutSeconds.Literal == nil {
			return 0
		}
		return d.tried(s, *s.Task.TimeoutSeconds.Literal, triesOf(s))
	case asl.Wait:
		if s.Wait.Seconds.Literal != nil {
			return *s.Wait.Seconds.Literal
		}
	case asl.Parallel, asl.Map, asl.Saga:
		longest := 0.0
		for _, f := range s.Within() {
			longest = max(longest, d.from(f.Start))
		}
		return longest
	}
	return 0
}

// maxCounted is how many retries are counted one by one.
const maxCounted = 1000

// tried is how long a Task takes that times out at that many of its tries.
func (d *durations) tried(s *asl.State, limit float64, tries int64) float64 {
	total := limit
	r := fault{name: stateTimeout, timeout: true}.retrier(s)
	if r == nil {
		return total
	}
	delay := float64(r.IntervalSeconds)
	for range tries - 1 {
		wait := delay
		if r.MaxDelaySeconds > 0 {
			wait = min(wait, float64(r.MaxDelaySeconds))
		}
		total += min(wait, asl.MaxSeconds) + limit
		delay *= r.BackoffRate
	}
	return total
}

// triesOf is how often a Task is tried that times out, as far as they are counted
// one by one.
func triesOf(s *asl.State) int64 {
	return min(tries(fault{name: stateTimeout, timeout: true}.retrier(s)), maxCounted)
}
