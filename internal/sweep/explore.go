package sweep

import (
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/backstep/backstep/internal/integration"
)

// Bounds on what is tried.
const (
	mostPaths    = 64 // worlds in which nothing goes wrong
	mostRounds   = 6  // for which the answer of a call beside others waits
	mostExpiries = 60 // seconds after which the execution's time is out
)

// all makes every world: those in which nothing goes wrong, those with one fault,
// and with one more in what the first sets off.
func (w *sweeper) all() {
	good := w.goodWorlds()
	forward := map[string]bool{}
	for i := range good {
		for _, m := range good[i].met {
			forward[m.state] = true
		}
	}
	tails := map[uint64]bool{}
	chosen := map[string]bool{}
	var first []outcome
	for i := range good {
		singles := w.batch(w.singles(&good[i]))
		singles = append(singles, w.batch(w.elsewhere(singles, chosen))...)
		var more []plan
		for j := range singles {
			more = append(more, w.aftermath(&singles[j], forward, tails)...)
		}
		first = append(first, singles...)
		w.batch(more)
	}
	if w.in.Pairs {
		for i := range first {
			w.batch(w.seconds(&first[i]))
		}
	}
	w.unmet()
}

// unmet notes the Tasks and bodies that no world came to. A Query may well be one:
// it is asked only where nobody tries again.
func (w *sweeper) unmet() {
	for _, name := range w.saga.named {
		for _, op := range opOrder {
			_, calls := w.saga.menus[menuKey{name, op}]
			if what := called(name, op); calls && !w.seen[what] && op != integration.Query && (op == integration.Forward || w.seen[name]) {
				w.report.Unmet = append(w.report.Unmet, what)
			}
		}
	}
}

// called is a state, or a body of it, in words.
func called(state string, op integration.Operation) string {
	if op == integration.Forward {
		return state
	}
	return op.String() + " of " + state
}

// goodWorlds are those in which nothing goes wrong: one for each way of each
// Choice.
func (w *sweeper) goodWorlds() []outcome {
	var all []outcome
	waiting := []plan{{ways: ways{}}}
	tried := map[string]bool{}
	for len(waiting) > 0 && len(all) < mostPaths {
		these := waiting[:min(len(waiting), mostPaths-len(all))]
		waiting = nil
		for _, o := range w.batch(these) {
			all = append(all, o)
			for i, c := range o.chosen {
				tried[way(c, c.way)] = true
				for other := range w.saga.targets[c.choice] {
					if key := way(c, other); !tried[key] && !w.saga.data && c.entry <= 3 {
						tried[key] = true
						waiting = append(waiting, plan{ways: led(o.chosen[:i], c, other)})
					}
				}
			}
		}
	}
	w.report.Paths = len(all)
	return all
}

func way(c choosing, to int) string { return fmt.Sprint(c.choice, "|", min(c.entry, 2), "|", to) }

// singles are all single faults of a world.
func (w *sweeper) singles(o *outcome) []plan {
	base := o.plan
	base.ways, base.steps = gone(o), o.finished()
	var all []plan
	for i := range o.met {
		all = append(all, w.troubled(base, &o.met[i], w.rounds(o, i))...)
	}
	all = append(all, around(base, 1, o.commits)...)
	if limit := w.saga.runs.TimeoutSeconds; limit > 0 {
		for s := range min(limit-1, mostExpiries, int64(len(o.met)*slowPace/1000+1)) {
			all = append(all, base.with(fault{kind: expiry, seconds: s + 1}))
		}
	}
	return all
}

// gone are the ways that a world has gone.
func gone(o *outcome) ways {
	all := ways{}
	for _, c := range o.chosen {
		all[c.choice] = append(all[c.choice], c.way)
	}
	return all
}

// troubled are all faults of one call, each with its answer before that of the
// calls beside it, and so many rounds of them later.
func (w *sweeper) troubled(base plan, m *meeting, rounds int) []plan {
	var all []plan
	for number, t := range w.saga.menus[menuKey{m.state, m.op}] {
		if t.always && m.attempt > 1 {
			continue
		}
		for delay := range rounds + 1 {
			if delay > 0 && (t.kind != fails || t.always || t.first != "") {
				break
			}
			all = append(all, base.with(fault{point: m.point, number: number, trouble: t, delay: delay}))
		}
		if m.op == integration.Forward && m.entry == 1 && w.saga.isRepeated(m.state) && w.saga.endsBy(m.state, t) {
			f := fault{point: m.point, number: number, trouble: t}
			f.point.entry, f.trouble.always = 0, true
			if w.saga.isTolerated(m.state) {
				f.point.item = 0
			}
			all = append(all, base.with(f))
		}
	}
	return all
}

// rounds is for how many rounds of calls the threads beside a call go on.
func (w *sweeper) rounds(o *outcome, i int) int {
	m := &o.met[i]
	most := int64(0)
	for j := range o.met {
		other := &o.met[j]
		if len(m.line) < 2 || len(other.line) < 2 || m.line[0] != other.line[0] || m.line.before(other.line) || other.line.before(m.line) || i == j {
			continue
		}
		most = max(most, (other.arrived+latency-m.arrived+latency-1)/latency)
	}
	return int(min(most, mostRounds))
}

// around are the kills and stops at the commits of a world.
func around(base plan, from, to int) []plan {
	var all []plan
	for n := from; n <= to; n++ {
		for _, kind := range []faultKind{kill, stop} {
			if kind == stop && n == to {
				continue // it has ended
			}
			all = append(all, base.with(fault{kind: kind, commit: n}), base.with(fault{kind: kind, commit: n, after: true}))
		}
	}
	return all
}

// elsewhere are worlds in which a Choice that a fault leads to goes another way.
func (w *sweeper) elsewhere(singles []outcome, tried map[string]bool) []plan {
	var all []plan
	for i := range singles {
		o := &singles[i]
		for j, c := range o.chosen {
			if w.saga.forward[c.choice] || w.saga.data {
				continue
			}
			tried[way(c, c.way)] = true
			for other := range w.saga.targets[c.choice] {
				if key := way(c, other); !tried[key] && c.wanted < 0 {
					tried[key] = true
					p := o.plan
					p.ways = led(o.chosen[:j], c, other)
					all = append(all, p)
				}
			}
		}
	}
	return all
}

// aftermath are the faults in what a fault sets off, once for each thing that is
// set off: of calls that are made in no good world, and kills and stops
// meanwhile.
func (w *sweeper) aftermath(o *outcome, forward map[string]bool, tails map[uint64]bool) []plan {
	at := o.struck[0]
	if at.met < 0 {
		return nil
	}
	isNew := func(m *meeting) bool { return m.op != integration.Forward || !forward[m.state] }
	begin := slices.IndexFunc(o.met[min(at.met, len(o.met)):], func(m meeting) bool { return isNew(&m) })
	if begin < 0 {
		return nil
	}
	begin += at.met
	h := fnv.New64a()
	for i := begin; i < len(o.met); i++ {
		fmt.Fprint(h, o.met[i].point, "|")
	}
	if tails[h.Sum64()] {
		return nil
	}
	tails[h.Sum64()] = true
	var all []plan
	base := o.plan
	base.ways = gone(o)
	for i := begin; i < len(o.met); i++ {
		if isNew(&o.met[i]) {
			all = append(all, w.troubled(base, &o.met[i], 0)...)
		}
	}
	return append(all, around(base, max(1, o.met[begin].commits), o.commits)...)
}

// seconds are all faults that may follow upon the first one of a world.
func (w *sweeper) seconds(o *outcome) []plan {
	at := o.struck[0]
	if at.met < 0 {
		return nil
	}
	base := o.plan
	base.ways = gone(o)
	var all []plan
	for i := at.met; i < len(o.met); i++ {
		all = append(all, w.troubled(base, &o.met[i], 0)...)
	}
	return append(all, around(base, at.commits+1, o.commits)...)
}
