package prove

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/value"
)

// world is an execution of the real decider, and what its calls have done to
// the outside: the prover's findings are held against it.
type world struct {
	t       testing.TB
	p       *asl.Program
	undoes  map[string][]string // compensation → steps
	steps   map[string]bool
	x       *machine.Execution
	now     int64
	done    map[string]bool // steps that had their effect and are not undone
	given   map[string]bool // … and whose compensation failed
	entries map[string]int
	path    []string
}

func newWorld(t testing.TB, p *asl.Program, s *Sidecar, input string) *world {
	w := &world{t: t, p: p, undoes: map[string][]string{}, steps: map[string]bool{}, done: map[string]bool{}, given: map[string]bool{}, entries: map[string]int{}}
	for _, c := range s.Compensates {
		w.undoes[c.State] = c.Steps
		for _, step := range c.Steps {
			w.steps[step] = true
		}
	}
	w.x = machine.New(machine.Start{Account: "123456789012", Region: "us-east-1", Machine: "m", Name: "n", At: 1_700_000_000_000})
	w.now = w.x.Start.At
	w.step(machine.Message{Kind: machine.Begin, Output: value.Checked(input)})
	return w
}

func (w *world) clone() *world {
	c := *w
	c.x = w.x.Clone()
	c.done, c.given, c.entries = maps.Clone(w.done), maps.Clone(w.given), maps.Clone(w.entries)
	c.path = slices.Clone(w.path)
	return &c
}

// step sends a message, and then ends every wait.
func (w *world) step(m machine.Message) {
	open := w.open()
	w.send(m)
	for fired := true; fired; {
		fired = false
		for _, id := range slices.Sorted(maps.Keys(w.x.Jobs)) {
			if j := w.x.Jobs[id]; j != nil && j.Kind == machine.Timer && j.Frame != 0 || j != nil && j.Kind == machine.Timer && j.State != "" {
				w.now = max(w.now, j.Due)
				w.send(machine.Message{Kind: machine.Fired, Job: id})
				fired = true
			}
		}
	}
	for id, state := range open {
		if id != m.Job && w.x.Jobs[id] == nil && w.steps[state] { // cut off: its effect may come yet
			w.done[state], w.given[state] = true, false
		}
	}
}

func (w *world) send(m machine.Message) {
	d := machine.Step(machine.Env{Now: w.now, TokenKey: []byte("key"), Limits: machine.AWSLimits()}, w.p, w.x, m)
	for _, e := range d.Events {
		if e.Type == machine.TaskStateEntered || e.Type == machine.FailStateEntered {
			w.path = append(w.path, e.State)
			w.entries[e.State]++
		}
	}
	w.x.Apply(d)
}

// open are the calls that are under way.
func (w *world) open() map[machine.JobID]string {
	all := map[machine.JobID]string{}
	for id, j := range w.x.Jobs {
		if j.Kind == machine.Call {
			all[id] = j.State
		}
	}
	return all
}

func (w *world) jobs() []machine.JobID { return slices.Sorted(maps.Keys(w.open())) }

func (w *world) succeed(id machine.JobID) {
	state := w.x.Jobs[id].State
	w.acted(state)
	w.step(machine.Message{Kind: machine.JobSucceeded, Job: id, Output: value.Checked("{}")})
}

// acted notes the effect of a call.
func (w *world) acted(state string) {
	if w.steps[state] {
		w.done[state], w.given[state] = true, false
	}
	for _, step := range w.undoes[state] {
		delete(w.done, step)
	}
}

func (w *world) fail(id machine.JobID, name string, after bool) {
	state := w.x.Jobs[id].State
	if after && w.steps[state] {
		w.acted(state)
	}
	for _, step := range w.undoes[state] {
		if w.done[step] {
			w.given[step] = true
		}
	}
	w.step(machine.Message{Kind: machine.JobFailed, Job: id, Failure: &machine.Failure{Error: &name}, Effect: machine.EffectUnknown})
}

func (w *world) over() bool { return w.x.Head.Status != machine.Running }

// left are the steps that the end of the execution leaves done, but for those
// whose own compensation was tried in vain.
func (w *world) left() []string {
	var all []string
	for _, step := range slices.Sorted(maps.Keys(w.done)) {
		if !w.given[step] {
			all = append(all, step)
		}
	}
	return all
}

// replay lets the execution take a finding's path: what its script fails fails,
// all else succeeds, in the order of the path.
func (w *world) replay(f *Finding) {
	seen := map[string]int{}
	for _, m := range f.Path {
		s := w.p.States[m.State]
		if s == nil || s.Type != asl.Task {
			continue
		}
		seen[m.State]++
		faults := scripted(f, m.State, seen[m.State])
		if len(faults) == 1 && faults[0].Fault == scriptFlying {
			continue // it stays open until a sibling fails
		}
		for !w.over() && !w.isOpen(m.State) {
			if !w.succeedAnother(f, m.State) {
				break
			}
		}
		if w.over() || !w.isOpen(m.State) {
			w.t.Errorf("%s %s %s: the execution does not come to %s; it is at %v by %v", f.Rule, f.State, f.Step, m.State, w.open(), w.path)
			return
		}
		w.let(m.State, faults)
	}
	for !w.over() && w.succeedAnother(f, "") {
	}
}

// let lets a state's call have the faults of its entry, or succeed.
func (w *world) let(state string, faults []Fault) {
	for attempt := 1; w.isOpen(state) && attempt < 100; attempt++ {
		i := slices.IndexFunc(faults, func(f Fault) bool { return f.Attempt == attempt })
		if i < 0 {
			i = slices.IndexFunc(faults, func(f Fault) bool { return f.Attempt == 0 })
		}
		if i < 0 {
			w.succeed(w.jobOf(state))
			return
		}
		entered := w.entries[state]
		w.fail(w.jobOf(state), faults[i].Fault, faults[i].Effect == "after")
		if w.entries[state] != entered {
			return
		}
	}
}

func scripted(f *Finding, state string, entry int) []Fault {
	var all []Fault
	for _, fault := range f.Script.Faults {
		if fault.State == state && fault.Entry == entry {
			all = append(all, fault)
		}
	}
	return all
}

func (w *world) isOpen(state string) bool {
	for _, s := range w.open() {
		if s == state {
			return true
		}
	}
	return false
}

func (w *world) jobOf(state string) machine.JobID {
	for _, id := range w.jobs() {
		if w.x.Jobs[id].State == state {
			return id
		}
	}
	w.t.Fatal("no call of ", state)
	return 0
}

// succeedAnother lets a call succeed that is not on the path.
func (w *world) succeedAnother(f *Finding, wanted string) bool {
	for _, id := range w.jobs() {
		state := w.x.Jobs[id].State
		flying := slices.ContainsFunc(f.Script.Faults, func(x Fault) bool { return x.State == state && x.Fault == scriptFlying })
		if state != wanted && !flying && !strings.HasPrefix(state, "never") {
			w.succeed(id)
			return true
		}
	}
	return false
}
