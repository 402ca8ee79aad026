package sim

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/store"
)

// stateMachine is a state machine of a world.
type stateMachine struct {
	name, arn  string
	text       string
	hash       store.Hash
	program    *asl.Program
	express    bool
	calls      int               // states that call a participant
	called     map[string]bool   // which these are
	activities map[string]string // the activity of each state that waits for one
	services   map[string]bool   // whose actions states call
}

const (
	arnMachine  = "arn:aws:states:" + region + ":" + account + ":stateMachine:"
	arnActivity = "arn:aws:states:" + region + ":" + account + ":activity:"
)

// newMachine compiles a definition. One that is refused is a fault of the
// generator.
func newMachine(name, text string, express bool) *stateMachine {
	d, problems := asl.Parse([]byte(text))
	if len(problems) > 0 {
		panic("a generated definition is refused: " + asl.Render(problems) + text)
	}
	program, err := asl.Compile(d, asl.Rules{Express: express, Distributed: true})
	if err != nil {
		panic("a generated definition is refused: " + err.Error() + text)
	}
	m := &stateMachine{
		name: name, arn: arnMachine + name, text: text, hash: sha256.Sum256([]byte(text)), program: program, express: express,
		called: map[string]bool{}, activities: map[string]string{},
		services: map[string]bool{},
	}
	for _, s := range program.Order {
		if s.Task == nil {
			continue
		}
		switch r := s.Task.Resource; r.Kind {
		case asl.Activity:
			m.activities[s.Name] = strings.TrimPrefix(r.Text, arnActivity)
		case asl.Integration, asl.LambdaARN:
			m.called[s.Name] = true
			m.services[r.Service] = true
			m.calls++
		}
	}
	return m
}

// activityOf is the activity that a state waits for, "" where it waits for none.
func (m *stateMachine) activityOf(state string) string { return m.activities[state] }

func (m *stateMachine) engine() engine.Machine {
	e := engine.Machine{
		Account: account, Region: region, Name: m.name, Definition: m.hash,
		RoleARN: "arn:aws:iam::" + account + ":role/r", Express: m.express,
	}
	if m.qualified() {
		e.Version, e.Alias = m.arn+":1", m.arn+":live"
	}
	return e
}

// qualified says whether the machine is started by an alias: about half of them
// are.
func (m *stateMachine) qualified() bool { return m.hash[0]%2 == 1 }

// lists are the names under which the machine's executions are listed.
func (m *stateMachine) lists() []string {
	if m.qualified() {
		return []string{m.name, engine.QualifiedName(m.name, "1"), engine.QualifiedName(m.name, "live")}
	}
	return []string{m.name}
}

// mostStarts is how many executions somebody wants of a world at most.
const mostStarts = 12

// prepare makes the world's state machines, and what its callers want.
func (w *world) prepare() {
	w.machines = w.generate()
	b := &store.Batch{}
	stored := map[store.Hash]bool{}
	for _, m := range w.machines {
		w.byARN[m.arn] = m
		if stored[m.hash] {
			continue
		}
		stored[m.hash] = true
		b.Definitions = append(b.Definitions, store.Definition{Hash: m.hash, Body: []byte(m.text)})
	}
	if err := w.reader.Commit(context.Background(), b); err != nil {
		w.fail("L3", store.ID{}, "the definitions can't be stored: "+err.Error())
	}
	for i := range w.work.between(4, mostStarts) {
		m := w.machines[w.work.IntN(len(w.machines))]
		if w.work.once(2) {
			m = w.machines[len(w.machines)-1] // the one that uses the others
		}
		in := &intent{machine: m, name: "x" + strconv.Itoa(i), input: w.input(), waits: w.work.once(3)}
		at := w.work.span(0, 20_000)
		if slices.Contains(w.less.Starts, i) {
			continue
		}
		w.intents = append(w.intents, in)
		w.after(at, func() { w.start(in) })
	}
	w.enter()
	w.after(w.work.span(20_000, 300_000), w.cure)
}

// enter has the nodes come up: the first at once, others when they join.
func (w *world) enter() {
	w.after(0, w.nodes[0].open)
	for _, n := range w.nodes[1:] {
		w.after(w.storm.span(0, 60_000), n.open)
	}
	if w.cluster {
		if w.storm.once(2) {
			w.inherit()
		}
		w.storms()
	}
}

// generate makes the state machines: in three seeds of ten the order saga, else
// random ones, of which later ones start earlier ones.
func (w *world) generate() []*stateMachine {
	if w.sagas {
		var all []*stateMachine
		for i := range w.work.between(1, 3) {
			all = append(all, sagaMachine(w.work, "M"+strconv.Itoa(i), all))
		}
		return all
	}
	if w.work.share(300) {
		return []*stateMachine{orderMachine(w.work)}
	}
	var all []*stateMachine
	for i := range w.work.between(1, 3) {
		g := &generator{c: w.work, budget: w.work.between(3, 14), children: all}
		g.express = i == 0 && w.work.once(5)
		all = append(all, newMachine("M"+strconv.Itoa(i), g.machine(), g.express))
	}
	return all
}

// input is what executions are started with: all states rely on its members.
func (w *world) input() string {
	items := w.items(pick(w.work, 0, 1, 2, 3, 3, 5, 9))
	return fmt.Sprintf(`{"n":%d,"items":%s,"few":%s,"last":{"v":%d}}`, w.work.IntN(6), items, w.items(w.work.between(0, 2)), w.work.IntN(10))
}

func (w *world) items(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = strconv.Itoa(w.work.IntN(100))
	}
	return "[" + strings.Join(all, ",") + "]"
}

// generator makes one definition: wide, deep, and such that whatever happens it
// comes to an end.
type generator struct {
	c        chance
	budget   int // states that may still be made
	names    int
	express  bool
	variable bool // $a and $b were assigned at the beginning
	children []*stateMachine
}

func (g *generator) machine() string {
	var b strings.Builder
	b.WriteByte('{')
	if g.c.once(8) {
		fmt.Fprintf(&b, `"TimeoutSeconds":%d,`, g.c.between(20, 200))
	}
	if !g.express && g.budget%2 == 0 {
		b.WriteString(searchable)
	}
	var first string
	if g.variable = g.c.once(3); g.variable {
		first = `{"Type":"Pass","Assign":{"a.$":"$.n","b":{"few":[1,2],"deep":{"v":7}}},"Next":"%s"}`
	}
	if g.express && g.c.once(3) {
		g.budget = 0 // hardly anything, so that some end at once
	} else if g.express {
		g.variable = false
		first = `{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f","Payload.$":"$"},` +
			`"ResultPath":"$.last","TimeoutSeconds":60,` + softly + `,` + caughtBy + `"%[1]s"}],"Next":"%[1]s"}`
	}
	b.WriteString(g.flow(0, first))
	b.WriteByte('}')
	return b.String()
}
