package prove

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/machine"
)

var sagas = flag.Int("sagas", 120, "how many sagas TestAgainstTheDecider draws")

// TestAgainstTheDecider draws small sagas in plain ASL, lets the real decider
// run through every way in which up to two calls fail, and holds the findings
// against what it leaves done: whatever it leaves is found, and whatever is found
// it leaves when the finding's script is played.
func TestAgainstTheDecider(t *testing.T) {
	leaking, proven := 0, 0
	for seed := range uint64(*sagas) {
		definition, sidecar := draw(seed)
		if !t.Run(fmt.Sprint(seed), func(t *testing.T) {
			p, s := compile(t, definition), sidecarOf(t, sidecar)
			r, err := Prove(Input{Program: p, Sidecar: s})
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Undecided) > 0 {
				t.Error("undecided: ", r.Undecided)
			}
			found := leaves(r)
			for _, f := range found {
				w := newWorld(t, p, s, assumed(&f))
				w.replay(&f)
				check(t, w, &f)
			}
			e := explorer{t: t, p: p, s: s, r: r, found: found}
			for input := range 4 {
				e.explore(newWorld(t, p, s, fmt.Sprintf(`{"c0": %v, "c1": %v, "items": [1, 2]}`, input&1 == 0, input&2 == 0)), 2, nil)
			}
			if len(found) > 0 {
				leaking++
			} else {
				proven++
			}
		}) {
			t.Logf("seed %d:\n%s\n%s", seed, definition, sidecar)
			if t.Failed() && seed > 0 {
				break
			}
		}
	}
	if leaking < *sagas/10 || proven < *sagas/10 {
		t.Errorf("%d sagas leak and %d are proven: the draw is one-sided", leaking, proven)
	}
}

var leftRules = []string{"SAGA001", "SAGA002", "SAGA003", "SAGA007", "SAGA013", "SAGA014"}

// leaves are the findings of steps that are left when the execution FAILS.
func leaves(r *Report) []Finding {
	var all []Finding
	for _, f := range r.Findings {
		soft := slices.ContainsFunc(f.Path, func(m Move) bool { return strings.Contains(m.Way, stateRuntime) }) // no call's answer
		isPair := f.Step == "" || slices.ContainsFunc(r.Pairs, func(p Pair) bool { return p.Step == f.Step })
		if slices.Contains(leftRules, f.Rule) && !soft && isPair && len(f.Path) > 0 && f.Path[len(f.Path)-1].Way == "the execution FAILS" {
			all = append(all, f)
		}
	}
	return all
}

// assumed is an input by which the Choices decide as a finding assumes.
func assumed(f *Finding) string {
	values := map[string]bool{"c0": false, "c1": false}
	for _, a := range f.Script.Assume {
		// C0 and S0 go to a step of their own, or back, where c0 is true
		values["c"+a.State[1:]] = strings.HasPrefix(a.Choice, "T") || strings.HasPrefix(a.Choice, "Undo") || a.Choice == "Failed"
	}
	return fmt.Sprintf(`{"c0": %v, "c1": %v, "items": [1, 2]}`, values["c0"], values["c1"])
}

// check holds the end of a replay against the finding.
func check(t *testing.T, w *world, f *Finding) {
	if t.Failed() {
		return
	}
	left := w.left()
	switch {
	case !w.over() || w.x.Head.Status != machine.Failed:
		t.Errorf("%s %s %s: the execution has status %v after %v", f.Rule, f.State, f.Step, w.x.Head.Status, w.path)
	case f.Step != "" && !slices.Contains(left, f.Step):
		t.Errorf("%s %s: %s is not left by %v (left: %v)\n%+v\n%+v", f.Rule, f.State, f.Step, w.path, left, f.Path, f.Script)
	}
}

// explorer lets an execution take every way.
type explorer struct {
	t     *testing.T
	p     *asl.Program
	s     *Sidecar
	r     *Report
	found []Finding
	ends  int
}

// explore takes every way from here on which so many more calls fail. at are the
// states that have failed.
func (e *explorer) explore(w *world, faults int, at []string) {
	if e.ends > 2000 || e.t.Failed() {
		return
	}
	if w.over() {
		e.ends++
		e.ended(w, at)
		return
	}
	jobs := w.jobs()
	if faults == 0 {
		for !w.over() {
			w.succeed(w.jobs()[0])
		}
		e.explore(w, 0, at)
		return
	}
	for _, id := range jobs {
		state := w.x.Jobs[id].State
		next := w.clone()
		next.succeed(id)
		e.explore(next, faults, at)
		for _, name := range []string{"Bad", "Lambda.Unknown", "Worse", "Lambda.Unknown, then Bad"} {
			for _, after := range []bool{false, true} {
				first, then, mixed := strings.Cut(name, ", then ")
				if after && (first != "Lambda.Unknown" || !w.steps[state]) || mixed && !after {
					continue
				}
				next := w.clone()
				for entered, n := w.entries[state], 0; next.isOpen(state) && next.entries[state] == entered && n < 4; n++ {
					next.fail(next.jobOf(state), first, after && (n == 0 || !mixed))
					if mixed {
						first = then
					}
				}
				e.explore(next, faults-1, append(slices.Clone(at), state))
			}
		}
	}
}

// ended holds an end against the findings.
func (e *explorer) ended(w *world, at []string) {
	if w.x.Head.Status != machine.Failed {
		return
	}
	for _, step := range w.left() {
		if !slices.ContainsFunc(e.found, func(f Finding) bool { return f.Step == step || f.Rule == "SAGA007" }) {
			e.t.Errorf("%s is left by %v with failures at %v, and nothing is found about it", step, w.path, at)
			return
		}
		if len(at) == 1 && !slices.ContainsFunc(e.found, func(f Finding) bool {
			return (f.Step == step || f.Rule == "SAGA007") && (len(f.Script.Faults) == 0 || e.around(at[0], f.State))
		}) {
			e.t.Errorf("%s is left by %v with a failure at %s, and nothing is found about that state", step, w.path, at[0])
		}
	}
}

// around reports whether a state is another one, or holds it.
func (e *explorer) around(state, other string) bool {
	for s := e.p.States[state]; s != nil; s = s.Flow.Owner {
		if s.Name == other {
			return true
		}
	}
	return false
}

// drawing is a saga being drawn.
type drawing struct {
	*rand.Rand
	states map[string]string // name → its text
	pairs  []string
	chain  []string // the compensations, the last first
	flawed bool
}

// draw draws a small saga: steps in a row, now and then a Choice, a Parallel or a
// Map, and a chain of compensations. Most have flaws.
func draw(seed uint64) (definition, sidecar string) {
	d := &drawing{Rand: rand.New(rand.NewPCG(seed, 7)), states: map[string]string{}}
	d.flawed = d.IntN(5) > 0
	count := 2 + d.IntN(3)
	names := make([]string, count+1)
	for i := range count {
		names[i] = fmt.Sprintf("S%d", i)
	}
	names[count] = "Done"
	for i := range count {
		d.element(i, names[i+1])
	}
	d.add("Done", `"Type": "Succeed"`)
	for i, undo := range d.chain {
		next := "Failed"
		if i > 0 {
			next = d.chain[i-1]
		}
		d.add(undo, d.task(undo)+d.retry(true)+d.caught(next, true)+d.to(next))
	}
	d.add("Failed", `"Type": "Fail", "Error": "Failed"`)
	const start = "S0"
	var text []string
	for _, name := range d.reached(start) {
		text = append(text, fmt.Sprintf("%q: {%s}", name, d.states[name]))
	}
	var pairs []string
	for _, p := range d.pairs {
		if step, undo, _ := strings.Cut(p, " "); strings.Contains(strings.Join(text, ","), `"`+undo+`": {`) {
			pairs = append(pairs, fmt.Sprintf("%q: %q", undo, step))
		}
	}
	return fmt.Sprintf(`{"StartAt": %q, "States": {%s}}`, start, strings.Join(text, ",\n")), fmt.Sprintf(`{"Compensates": {%s}}`, strings.Join(pairs, ", "))
}

func (d *drawing) add(name, text string) { d.states[name] = text }

func (d *drawing) task(name string) string {
	return fmt.Sprintf(`"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:%s", "ResultPath": null`, name)
}

func (d *drawing) to(next string) string { return fmt.Sprintf(`, "Next": %q`, next) }

// element draws the i-th thing that the saga does.
func (d *drawing) element(i int, next string) {
	name := fmt.Sprintf("S%d", i)
	back := "Failed"
	if i > 0 && len(d.chain) > 0 {
		back = d.chain[len(d.chain)-1]
	}
	switch kind := d.IntN(8); {
	case kind == 3 && i < 2: // a Choice that may give up
		d.add(name, fmt.Sprintf(`"Type": "Choice", "Choices": [{"Variable": "$.c%d", "BooleanEquals": true, "Next": %q}], "Default": %q`, i, d.one(back, back, "Failed"), next))
	case kind == 4:
		d.nested(i, name, next, back)
	case kind == 0 && i < 2: // a Choice that may leave a step out
		step := fmt.Sprintf("T%d", i)
		own := d.pair(step)
		d.add(name, fmt.Sprintf(`"Type": "Pass", "Next": "C%d"`, i))
		d.add(fmt.Sprintf("C%d", i), fmt.Sprintf(`"Type": "Choice", "Choices": [{"Variable": "$.c%d", "BooleanEquals": true, "Next": %q}], "Default": %q`, i, step, next))
		d.add(step, d.task(step)+d.retry(false)+d.caught(d.one(own, own, back), false)+d.to(next))
	case kind == 1:
		d.parallel(i, name, next, back)
	case kind == 2:
		step := fmt.Sprintf("I%d", i)
		own := d.pair(step)
		d.add(name, fmt.Sprintf(`"Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 1, "ResultPath": null, "ItemProcessor": {"StartAt": %q, "States": {%q: {%s%s, "End": true}}}%s%s`,
			step, step, d.task(step), d.retry(false), d.caught(d.one(own, own, back), false), d.to(next)))
	default:
		own := d.pair(name)
		d.add(name, d.task(name)+d.retry(false)+d.caught(d.one(own, own, back, next), false)+d.to(next))
	}
}

// parallel draws two branches, the first of one or two steps that may undo
// themselves.
func (d *drawing) parallel(i int, name, next, back string) {
	a, b, c := fmt.Sprintf("P%da", i), fmt.Sprintf("P%db", i), fmt.Sprintf("P%dc", i)
	first := fmt.Sprintf(`%q: {%s%s, "End": true}`, a, d.task(a), d.retry(false))
	own := back
	if d.IntN(2) == 0 { // b undoes a when it fails, in its branch
		undo := "Undo" + a
		d.pairs = append(d.pairs, a+" "+undo)
		first = fmt.Sprintf(`%q: {%s, "Next": %q}, %q: {%s, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": %q, "ResultPath": null}], "End": true}, %q: {%s%s, "Next": %q}, %q: {"Type": "Fail", "Error": "Bad"}`,
			a, d.task(a), b, b, d.task(b), undo, undo, d.task(undo), d.retry(true), "F"+a, "F"+a)
		d.states[undo] = "" // known, within its branch
	} else {
		own = d.pair(a)
	}
	other := d.pair(c)
	d.add(name, fmt.Sprintf(`"Type": "Parallel", "ResultPath": null, "Branches": [{"StartAt": %q, "States": {%s}}, {"StartAt": %q, "States": {%q: {%s%s, "End": true}}}]%s%s%s`,
		a, first, c, c, d.task(c), d.retry(false), d.retry(false), d.caught(d.one(other, other, own, back), false), d.to(next)))
}

// nested draws a Parallel within a branch of another one.
func (d *drawing) nested(i int, name, next, back string) {
	a, b, c, inner := fmt.Sprintf("P%da", i), fmt.Sprintf("P%db", i), fmt.Sprintf("P%dc", i), fmt.Sprintf("N%d", i)
	own, other, last := d.pair(a), d.pair(b), d.pair(c)
	branch := func(step string) string {
		return fmt.Sprintf(`{"StartAt": %q, "States": {%q: {%s%s, "End": true}}}`, step, step, d.task(step), d.retry(false))
	}
	d.add(name, fmt.Sprintf(`"Type": "Parallel", "ResultPath": null, "Branches": [{"StartAt": %q, "States": {%q: {"Type": "Parallel", "Branches": [%s, %s]%s, "End": true}}}, %s]%s%s%s`,
		inner, inner, branch(a), branch(b), d.retry(false), branch(c), d.retry(false), d.caught(d.one(last, last, other, own, back), false), d.to(next)))
}

// pair gives a step a compensation at the head of the chain.
func (d *drawing) pair(step string) string {
	undo := "Undo" + step
	d.pairs = append(d.pairs, step+" "+undo)
	d.chain = append(d.chain, undo)
	return undo
}

// one is the first, or in a flawed saga any.
func (d *drawing) one(right string, all ...string) string {
	if d.flawed && d.IntN(3) == 0 {
		return all[d.IntN(len(all))]
	}
	return right
}

func (d *drawing) retry(undo bool) string {
	switch n := d.IntN(4); {
	case undo && !d.flawed:
		return `, "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 99999999}]`
	case n == 0:
		return `, "Retry": [{"ErrorEquals": ["Lambda.Unknown"], "MaxAttempts": 1}]`
	case n == 1:
		return `, "Retry": [{"ErrorEquals": ["Bad", "States.TaskFailed"], "MaxAttempts": 2}]`
	}
	return ""
}

func (d *drawing) caught(to string, undo bool) string {
	names := `"States.ALL"`
	if undo && !d.flawed {
		return ""
	}
	if d.flawed {
		switch d.IntN(4) {
		case 0:
			if undo {
				return ""
			}
			names = `"Bad"`
		case 1:
			names = `"Bad", "Lambda.Unknown"`
		}
	}
	return fmt.Sprintf(`, "Catch": [{"ErrorEquals": [%s], "Next": %q, "ResultPath": null}]`, names, to)
}

// reached are the states of the machine that can be entered, in a fixed order.
func (d *drawing) reached(start string) []string {
	seen := map[string]bool{}
	var visit func(string)
	visit = func(name string) {
		if seen[name] || d.states[name] == "" {
			return
		}
		seen[name] = true
		text := d.states[name]
		for _, other := range slices.Sorted(maps.Keys(d.states)) {
			if strings.Contains(text, fmt.Sprintf(`"Next": %q`, other)) || strings.Contains(text, fmt.Sprintf(`"Default": %q`, other)) {
				visit(other)
			}
		}
	}
	visit(start)
	return slices.Sorted(maps.Keys(seen))
}
