package sweep

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/prove"
)

// byScript makes the worlds of a script: its Choices go where it assumes, its
// faults strike, and where threads run side by side the answers of the calls that
// fail come before those of the others, and later. A fault at a state that
// nothing leads to is tried upon every fault that leads there.
func (w *sweeper) byScript(script *prove.Script) error {
	base := plan{ways: ways{}}
	for _, a := range script.Assume {
		if err := w.assume(&base, a); err != nil {
			return err
		}
	}
	good := w.batch([]plan{{ways: base.ways}})
	if len(good) == 0 {
		return nil
	}
	base.steps = good[0].finished()
	w.forget()
	plans := []plan{base}
	for _, f := range script.Faults {
		var next []plan
		all, err := w.scripted(f, &good[0])
		if err != nil {
			return err
		}
		for _, p := range plans {
			for _, one := range all {
				if one.spoilt != nil {
					p.spoilt, p.runs = f.State, one.spoilt
					next = append(next, p)
					continue
				}
				next = append(next, p.with(one.fault))
			}
		}
		plans = next[:min(len(next), mostScripted)]
	}
	done := w.batch(plans)
	w.report.Paths = 1
	if !slices.ContainsFunc(done, func(o outcome) bool { return o.allStruck() }) {
		w.setOff(&good[0], plans)
	}
	w.report.Points, w.report.Reached = 1, 0
	if w.hit || slices.ContainsFunc(done, func(o outcome) bool { return o.allStruck() }) {
		w.report.Reached = 1
	}
	return nil
}

// mostScripted bounds the worlds of one script.
const mostScripted = 400

func (o *outcome) allStruck() bool {
	return !slices.ContainsFunc(o.struck, func(s strike) bool { return s.met < 0 })
}

// forget drops what a world that only prepares others has told.
func (w *sweeper) forget() {
	r := w.report
	r.Worlds, r.Points, r.Reached, r.Findings = 0, 0, 0, nil
	w.found = map[string]int{}
}

// setOff has a script's faults strike in what other faults set off.
func (w *sweeper) setOff(good *outcome, plans []plan) {
	kept := *w.report
	found := maps.Clone(w.found)
	var singles []outcome
	for _, o := range append([]outcome{*good}, w.goodWorlds()...) {
		singles = append(append(singles, o), w.batch(w.singles(&o))...)
	}
	*w.report, w.found = kept, found
	tails := map[string]bool{}
	var all []plan
	for i := range singles {
		o := &singles[i]
		for _, p := range plans {
			if len(p.faults) == 0 {
				continue
			}
			at := p.faults[0].point.state
			key := fmt.Sprint(at, o.met)
			if len(o.plan.faults) > 0 {
				key += fmt.Sprint(o.plan.faults[0].trouble.after, o.plan.faults[0].trouble.first != "") // whether there is something to undo
			}
			if tails[key] || !slices.ContainsFunc(o.met, func(m meeting) bool { return m.state == at }) {
				continue
			}
			tails[key] = true
			p.ways = gone(o)
			p.faults = append(slices.Clone(o.plan.faults), p.faults...)
			all = append(all, p)
		}
	}
	for _, o := range w.batch(all[:min(len(all), mostScripted)]) {
		w.hit = w.hit || o.allStruck()
	}
}

// assume has a Choice go where a script says.
func (w *sweeper) assume(p *plan, a prove.Assumption) error {
	targets := w.saga.targets[a.State]
	way := slices.Index(targets, a.Choice)
	if way < 0 {
		return fmt.Errorf("the script assumes that %s goes to %s, which it can't", a.State, a.Choice)
	}
	list := p.ways[a.State]
	for n := max(1, a.Entry); len(list) < n; {
		list = append(list, way)
	}
	list[max(1, a.Entry)-1] = way
	if a.Entry == 0 {
		for len(list) < 8 {
			list = append(list, way)
		}
	}
	p.ways[a.State] = list
	return nil
}

// scripted is a fault of a script in one of the forms that it may take.
type scripted struct {
	fault  fault
	spoilt *asl.Program // in which an expression of the state fails
}

func (w *sweeper) scripted(f prove.Fault, good *outcome) ([]scripted, error) {
	state := w.saga.runs.States[f.State]
	switch {
	case f.Fault == "ExecutionTimeout":
		return w.scriptedExpiry(good), nil
	case state == nil:
		return nil, fmt.Errorf("the script names %q, which the definition does not have", f.State)
	case f.Operation != "":
		return w.scriptedBody(&f, state)
	case f.Fault == "StopExecution":
		return w.scriptedStop(&f, state), nil
	case state.Type == asl.Task && f.Fault != stateRuntime && f.Fault != stateQuery:
		return w.scriptedCall(&f, state), nil
	case w.saga.data:
		return nil, fmt.Errorf("the script has an expression of %s fail, which can be done to the flow alone: leave the input out", f.State)
	}
	p, err := w.saga.spoilt(&f)
	return []scripted{{spoilt: p}}, err
}

// scriptedExpiry is the execution's time being out after each second.
func (w *sweeper) scriptedExpiry(good *outcome) []scripted {
	var all []scripted
	for s := range min(w.saga.runs.TimeoutSeconds-1, mostExpiries, int64(len(good.met)*slowPace/1000+1)) {
		all = append(all, scripted{fault: fault{kind: expiry, number: -1, seconds: s + 1}})
	}
	return all
}

// scriptedStop is a stop while a Task is under way, or one within a state.
func (w *sweeper) scriptedStop(f *prove.Fault, state *asl.State) []scripted {
	var all []scripted
	for _, task := range state.Tasks() {
		at := point{state: task.Name, entry: f.Entry, item: f.Item, attempt: f.Attempt}
		all = append(all, scripted{fault: fault{kind: stop, number: -1, point: at, after: true}})
	}
	return all
}

// scriptedCall is a fault of a Task's call. Its answer may come before those of the
// calls beside it, and later.
func (w *sweeper) scriptedCall(f *prove.Fault, state *asl.State) []scripted {
	one := fault{number: -1, point: point{state: f.State, entry: f.Entry, item: f.Item, attempt: max(1, f.Attempt)}}
	t := &one.trouble
	t.name, t.after = f.Fault, f.Effect == "after"
	delays := []int{0}
	awaited, timed := w.saga.roles[f.State].Awaited, isSet(&state.Task.TimeoutSeconds)
	switch {
	case f.Fault == stateLimit && !awaited:
		t.kind = large
	case f.Fault == "InFlight" && awaited && !timed:
		t.kind, t.always = silent, f.Attempt == 0 // nothing but the answer ends it
		return []scripted{{fault: one}}
	case f.Fault == "InFlight":
		t.kind = flying
		return []scripted{{fault: one}}
	case f.Fault == timeout && timed, f.Fault == "States.HeartbeatTimeout":
		t.kind, t.name = silent, timeout
	default:
		t.effect = w.effectOf(f)
		t.soft = f.Fault == stateLimit || f.Fault == "States.ResultPathMatchFailure"
		t.denied = state.Step != nil && (state.Step.Pivot || state.Step.HoldUnknown) && t.effect == integration.EffectUnknown && !t.after
		delays = w.beside(state)
	}
	t.always = f.Attempt == 0 && takes(state.Retry, *t)
	one.number = w.numbered(one)
	var all []scripted
	for _, delay := range delays {
		one.delay = delay
		all = append(all, scripted{fault: one})
	}
	return all
}

// scriptedBody is a fault of the call of a step's body.
func (w *sweeper) scriptedBody(f *prove.Fault, state *asl.State) ([]scripted, error) {
	i := slices.IndexFunc(opOrder[:], func(op integration.Operation) bool { return op.String() == f.Operation })
	if i <= 0 || body(state, opOrder[i]) == nil {
		return nil, fmt.Errorf("the script strikes the %s of %s, which the definition does not have", f.Operation, f.State)
	}
	op := opOrder[i]
	one := fault{number: -1, point: point{state: f.State, op: op, entry: f.Entry, item: f.Item, attempt: max(1, f.Attempt)}}
	t := &one.trouble
	t.name, t.after, t.effect = f.Fault, f.Effect == "after", integration.EffectUnknown
	if f.Fault == timeout {
		t.kind = silent
	}
	for _, way := range prove.BodyWays(body(w.saga.written.States[f.State], op)) {
		if way.Error == f.Fault {
			t.effect = effectOf(way.Effect)
		}
	}
	t.always = f.Attempt == 0 && takes(body(state, op).Retry, *t)
	one.number = w.numbered(one)
	return []scripted{{fault: one}}, nil
}

// numbered is the place of a script's trouble in the menu of its call, -1 where
// seeds can't name it.
func (w *sweeper) numbered(f fault) int {
	if f.point.entry == 0 {
		return -1
	}
	return slices.Index(w.saga.menus[menuKey{f.point.state, f.point.op}], f.trouble)
}

// beside are the rounds for which the answer of a call may wait for the threads
// beside it: a few, and as long as they may take with all their retries.
func (w *sweeper) beside(s *asl.State) []int {
	if s.Flow.Owner == nil {
		return []int{0}
	}
	rounds, longest := []int{0, 1, 2, 3, 4}, 10_000
	if q := s.Task.TimeoutSeconds.Literal; q != nil {
		longest = min(longest, int(*q*1000/2)/latency)
	}
	return append(rounds, max(longest, len(rounds)))
}

// effectOf is what an error of a script tells of its call's effect.
func (w *sweeper) effectOf(f *prove.Fault) integration.Effect {
	for _, way := range w.saga.roles[f.State].Ways {
		if way.Error == f.Fault || strings.HasPrefix(f.Fault, "Unlisted") && strings.HasPrefix(way.Error, "Unlisted") {
			return effectOf(way.Effect)
		}
	}
	if strings.HasPrefix(f.Fault, "States.") || f.Effect == "after" {
		return integration.EffectUnknown
	}
	return integration.EffectNamed
}
