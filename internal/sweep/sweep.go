// Package sweep lets a saga's execution meet every fault at every point where
// one can strike, each in a world of its own, and judges how the world ended: each
// effect undone once, in order, nothing left, nothing undone that never was. What
// runs is the engine itself with the real decider, over a store in memory, under
// a clock that nobody waits for; the participants are a ledger. The judgement
// comes from the ledger alone.
//
// A world in which nothing goes wrong shows the points: each call, each commit.
// What a fault sets off has points of its own, which are tried as well.
//
// It refuses to know how findings are shown, and where files are.
//
// Read sweep.go (the face), saga.go and bare.go (what is swept), fault.go (what
// may go wrong, and seeds), explore.go (which worlds are made), script.go and
// accept.go;
// then a world: world.go, process.go, errand.go (the engine and its time), call.go
// (the participants' side), ledger.go, durable.go, judge.go.
package sweep

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/clockwork"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/prove"
	"github.com/backstep/backstep/internal/value"
)

// Input is what is swept, and how.
type Input struct {
	Definition []byte
	Sidecar    *prove.Sidecar // nil: pairs are taken from names, as [prove.Propose] does

	// Nested gives the program of a nested state machine by its ARN, of which it is
	// asked whether it does anything; nil where it is not known. Nil: none is known.
	Nested func(arn string) *asl.Program

	// Input is the execution's input. Zero: the flow alone is swept, without its
	// data. Every Choice goes every way, Maps have two items, no expression is
	// evaluated.
	Input   value.Text
	Answers map[string]value.Text // with Input: what the Tasks' participants answer, by state

	Pairs  bool          // two faults at once, too
	Seed   string        // one world alone; "": all
	Script *prove.Script // the worlds of a script alone; nil: all

	Workers  int                 // worlds at once; 0: as many as there are processors
	Progress func(done, all int) // is told now and then; nil: nobody is. One call at a time.
	Budget   time.Duration       // no more worlds are begun after that; 0: no limit
}

// Report is what came of a sweep.
type Report struct {
	States   int
	Pairs    []string // step ← compensation, of plain ASL
	Proposed bool     // by their names
	Paths    int      // of worlds in which nothing goes wrong
	Worlds   int
	Points   int      // at which a fault was to strike
	Reached  int      // at which it did
	Unmet    []string // Tasks, and bodies of steps, that no world came to
	Cut      bool     // the time was over before all was tried
	ByData   []string // Choices of items that decide on a way back: without its data they may decide wrongly
	Findings []Finding
	Accepted []Finding // that the sidecar takes on
}

// Clean reports whether nothing was found, and nothing left out.
func (r *Report) Clean() bool { return len(r.Findings) == 0 && r.Reached == r.Points && !r.Cut }

// Finding is a world that ended as none may, the simplest of its kind.
type Finding struct {
	Kind    Kind
	Step    string   // that is left, or wrongly undone
	Item    int      // of the Map around it, from 1; 0: none
	At      string   // the state whose call went wrong; "": it was no call
	Message string   // what is wrong
	Faults  []string // what went wrong before, in words
	Status  string   // with which the execution ended
	Calls   []string // that were made, in their order
	Seed    string   // that makes the same world; "": a script does
	More    int      // other faults at the same place with the same end
	Because string   // of an accepted one: why
	plan    plan
}

// Sweep sweeps a saga until all is tried, or the context or the budget ends. The
// error is of a definition or sidecar that can't be used, a seed that is not of
// this definition, or a script.
func Sweep(ctx context.Context, in Input) (*Report, error) {
	s, err := newSaga(in)
	if err != nil {
		return nil, err
	}
	if in.Budget > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, in.Budget)
		defer cancel()
	}
	w := &sweeper{ctx: ctx, in: in, saga: s, report: &Report{States: len(s.named)}, found: map[string]int{}, seen: map[string]bool{}}
	w.report.ByData = s.byData()
	w.report.Proposed = in.Sidecar == nil && s.plain
	for _, state := range s.named {
		if undoes := s.roles[state].Undoes; len(undoes) > 0 {
			w.report.Pairs = append(w.report.Pairs, strings.Join(undoes, ", ")+" ← "+state)
		}
	}
	switch {
	case in.Seed != "":
		err = w.bySeed(in.Seed)
	case in.Script != nil:
		err = w.byScript(in.Script)
	default:
		w.all()
	}
	if in.Sidecar != nil {
		w.accept(in.Sidecar.Accepted)
	}
	return w.report, err
}

// sweeper is one sweep.
type sweeper struct {
	ctx    context.Context
	in     Input
	saga   *saga
	report *Report
	found  map[string]int  // place in the report's findings
	seen   map[string]bool // what was called
	hit    bool            // a script's faults have all struck
}

// outcome is what is kept of a world.
type outcome struct {
	plan     plan
	met      []meeting
	chosen   []choosing
	struck   []strike
	commits  int
	took     int64 // ms
	steps    int
	status   machine.Status
	error    string
	problems []told
}

// finished is how many steps are done where the world ended well; 0: it did not.
func (o *outcome) finished() int {
	if o.status != machine.Succeeded {
		return 0
	}
	return o.steps
}

// told is a problem in words.
type told struct {
	problem
	words string
}

// mostLed is how often a world is made anew because a Choice on the way back did not
// decide rightly.
const mostLed = 8

// try makes one world. A Choice on the way back that decides whether something is
// undone decides rightly: where it did not, the world is made anew.
func (w *sweeper) try(p plan, idle *clockwork.Runners) outcome {
	for range mostLed {
		o := w.once(p, idle)
		i := slices.IndexFunc(o.chosen, func(c choosing) bool { return c.wanted >= 0 && c.wanted != c.way })
		if i < 0 || w.saga.data {
			return o
		}
		p.ways = led(o.chosen[:i], o.chosen[i], o.chosen[i].wanted)
	}
	return w.once(p, idle)
}

func (w *sweeper) once(p plan, idle *clockwork.Runners) outcome {
	world := newWorld(w.saga, p, idle)
	world.run()
	world.judge()
	o := outcome{plan: p, met: world.met, chosen: world.chosen, struck: world.struck, commits: world.commits, took: world.now - began,
		steps: world.stepsDone(), status: world.status, error: world.error}
	for _, problem := range world.problems {
		o.problems = append(o.problems, told{problem, world.said(problem)})
	}
	return o
}

// led are the ways that were gone, and then another one.
func led(before []choosing, last choosing, way int) ways {
	all := ways{}
	for _, c := range before {
		all[c.choice] = append(all[c.choice], c.way)
	}
	all[last.choice] = append(all[last.choice], way)
	return all
}

// batch makes worlds, several at once, and gives what came of them in the order
// of the plans. What the context cuts off is left out.
func (w *sweeper) batch(plans []plan) []outcome {
	all := make([]outcome, len(plans))
	done := make([]bool, len(plans))
	var next, ended atomic.Int64
	var turn sync.Mutex
	var group sync.WaitGroup
	for range cmp.Or(w.in.Workers, runtime.GOMAXPROCS(0)) {
		group.Go(func() {
			var idle clockwork.Runners
			defer idle.Dismiss()
			for {
				i := int(next.Add(1)) - 1
				if i >= len(plans) || w.ctx.Err() != nil {
					return
				}
				all[i], done[i] = w.try(plans[i], &idle), true
				if n := ended.Add(1); w.in.Progress != nil && n%64 == 0 {
					turn.Lock()
					w.in.Progress(w.report.Worlds+int(n), w.report.Worlds+len(plans))
					turn.Unlock()
				}
			}
		})
	}
	group.Wait()
	kept := all[:0]
	for i := range all {
		if done[i] {
			kept = append(kept, all[i])
		}
	}
	w.report.Cut = w.report.Cut || len(kept) < len(plans)
	w.report.Worlds += len(kept)
	for i := range kept {
		w.note(&kept[i])
	}
	return kept
}

// note enters a world into the report.
func (w *sweeper) note(o *outcome) {
	if n := len(o.plan.faults); n > 0 {
		w.report.Points++
		if o.struck[n-1].met >= 0 {
			w.report.Reached++
		}
	}
	for _, m := range o.met {
		w.seen[called(m.state, m.op)] = true
	}
	for _, p := range o.problems {
		w.find(o, p)
	}
}

// find adds a finding, or counts it with one that says the same.
func (w *sweeper) find(o *outcome, p told) {
	place := string(p.kind) + "|" + p.step
	if len(o.plan.faults) > 0 && w.knows(place) {
		w.report.Findings[w.found[place]].More++
		return // it takes no fault at all
	}
	for i := range o.plan.faults {
		if key := place + "|" + placeOf(&o.plan.faults[i]); len(o.plan.faults) > 1 && w.knows(key) {
			w.report.Findings[w.found[key]].More++
			return // one of them alone does it
		}
	}
	key := place + o.plan.spoilt
	for i := range o.plan.faults {
		key += "|" + placeOf(&o.plan.faults[i])
	}
	if w.knows(key) {
		w.report.Findings[w.found[key]].More++
		return
	}
	f := Finding{Kind: p.kind, Step: p.step, Item: p.item, Message: p.words, Status: o.status.String(), plan: o.plan}
	if o.error != "" {
		f.Status += " (" + o.error + ")"
	}
	f.plan.faults = slices.Clone(o.plan.faults)
	for i := range f.plan.faults {
		c := &f.plan.faults[i]
		if c.kind == stop && c.commit == 0 && o.struck[i].met >= 0 {
			c.commit = o.struck[i].commits // of a script, which names a state
		}
		f.Faults = append(f.Faults, c.String())
		if c.kind == ofCall {
			f.At = c.point.state
		}
	}
	f.Seed = w.saga.seed(f.plan)
	if state := o.plan.spoilt; state != "" {
		f.Faults = append(f.Faults, fmt.Sprintf("an expression of %s fails", state))
		f.At = state
	}
	for _, m := range o.met {
		f.Calls = append(f.Calls, m.point.String())
	}
	w.found[key] = len(w.report.Findings)
	w.report.Findings = append(w.report.Findings, f)
}

func (w *sweeper) knows(key string) bool {
	_, known := w.found[key]
	return known
}

// placeOf is what faults of one place have in common.
func placeOf(f *fault) string {
	if f.kind != ofCall {
		return fmt.Sprint("*", f.kind)
	}
	return f.point.state + ":" + f.point.op.String()
}

// bySeed makes one world.
func (w *sweeper) bySeed(seed string) error {
	p, err := w.saga.planted(seed)
	if err != nil {
		return err
	}
	if len(p.faults) > 0 {
		good := w.batch([]plan{{ways: p.ways}})
		w.report.Worlds, w.report.Findings, w.found = 0, nil, map[string]int{}
		if len(good) == 1 {
			p.steps = good[0].finished()
		}
	}
	w.batch([]plan{p})
	return nil
}
