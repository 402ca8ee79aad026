package sim

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// mostEvents is how long a history of the corpus may become: many a definition
// asks again and again whether something is done.
const mostEvents = 2000

// rounds is in how many worlds each definition is run, with three inputs in each:
// by turns in one without faults, and in one with them.
const rounds = 4

// TestCorpus runs the definitions of the corpus, which were written for AWS. Each is
// run with inputs that fit its paths and with one that does not; what its tasks answer
// is drawn, and often not what it hopes for. Whatever comes, it must come to an end,
// with a history that is legal, and without a fault of the engine's own.
func TestCorpus(t *testing.T) {
	dir := corpusFolder(t)
	index, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var entries []struct{ Name, Kind, Expected, File string }
	if err := json.Unmarshal(index, &entries); err != nil {
		t.Fatal(err)
	}
	began, run, sum := time.Now(), 0, map[machine.Status]int{}
	var refused []string
	for i, e := range entries {
		if e.Kind == "invalid" || e.Expected != "valid" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.File))
		if err != nil {
			t.Fatal(err)
		}
		definition := ownResources(string(text))
		if !compiles(definition, false) {
			refused = append(refused, e.Name)
			continue
		}
		run++
		for round := range uint64(rounds) {
			w := corpusWorld(t, Options{Seed: uint64(i)*rounds + round, Calm: round%2 == 0}, definition)
			w.run()
			if v := w.out.Violation; v != nil {
				t.Errorf("%s, round %d: %v\n%s", e.File, round, v, v.Dump)
				break
			}
			for _, l := range w.book.order {
				if !l.start.Express {
					sum[l.head.Status]++
				}
			}
		}
	}
	if run < 430 || len(refused) > 20 { // the 20 whose judgement is not followed
		t.Errorf("%d definitions run, %d do not compile: %s", run, len(refused), strings.Join(refused, ", "))
	}
	if sum[machine.Succeeded]*4 < sum[machine.Failed] {
		t.Errorf("%v: too few end well for the run to prove anything", sum)
	}
	t.Logf("%d definitions, executions by how they ended: %v, in %v", run, sum, time.Since(began).Round(time.Millisecond))
}

// corpusFolder is the corpus, where it is at hand.
func corpusFolder(t *testing.T) string {
	dir := filepath.Join(os.Getenv("BACKSTEP_SHARED"), "corpus")
	if os.Getenv("BACKSTEP_SHARED") == "" {
		dir = "../../../shared/corpus"
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("SKIPPED: nothing is known of the corpus's definitions: %v; set BACKSTEP_SHARED", err)
	}
	return dir
}

var (
	anyActivity = regexp.MustCompile(`"arn:[^":]*:states:[^":]*:[^":]*:activity:`)
	anyJob      = regexp.MustCompile(`"(arn:[^":]*:states:::[^"]*)\.sync(:2)?"`)
)

// ownResources makes activities those of the world's account, has jobs of other
// services than the world's own answer when they have begun, and nested
// executions that would call back be waited for: here they know no token.
func ownResources(text string) string {
	text = anyActivity.ReplaceAllString(text, `"`+arnActivity)
	text = strings.ReplaceAll(text, ":states:startExecution.waitForTaskToken", ":states:startExecution.sync")
	return anyJob.ReplaceAllStringFunc(text, func(resource string) string {
		if strings.Contains(resource, ":states:startExecution") {
			return resource
		}
		return anyJob.ReplaceAllString(resource, `"$1"`)
	})
}

func compiles(text string, express bool) bool {
	d, problems := asl.Parse([]byte(text))
	if asl.Render(problems) != "" {
		return false
	}
	_, err := asl.Compile(d, asl.Rules{Express: express, Distributed: true})
	return err == nil
}

// corpusWorld is a world of one definition, standard and if that can be express,
// with one process and with workers who answer in the end.
func corpusWorld(t *testing.T, o Options, text string) *world {
	w := newWorld(o)
	if w.healed = o.Calm; !o.Calm {
		w.after(w.faults.span(1000, 120_000), func() { w.healed, w.heal = true, w.now })
	}
	w.plan.exclusive = true
	w.plan.often[leaseStolen], w.plan.often[deadWorker], w.plan.often[answerToNone] = 0, 0, 0
	w.plan.events, w.plan.lease, w.plan.window = mostEvents, 100*365*24*time.Hour, 100*365*24*time.Hour
	w.plan.entries, w.plan.page = 500, 256
	w.plan.shrunk = true // what an express one begins with may fail before it is a call
	guess := guesser{c: w.paths, hoped: hopedFor(text)}
	w.answers = guess.answer
	w.machines = []*stateMachine{newMachine("M", text, false)}
	if compiles(text, true) {
		w.machines = append(w.machines, newMachine("X", text, true))
	}
	w.stranger = newMachine("C", `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":3,"Next":"P"},"P":{"Type":"Pass","End":true}}}`, false)
	starters := len(w.machines)
	w.machines = append(w.machines, w.stranger)
	b := &store.Batch{Definitions: []store.Definition{{Hash: w.machines[0].hash, Body: []byte(text)}, {Hash: w.stranger.hash, Body: []byte(w.stranger.text)}}}
	if err := w.reader.Commit(t.Context(), b); err != nil {
		w.fail("L3", store.ID{}, err.Error())
	}
	w.byARN[w.stranger.arn] = w.stranger
	for _, m := range w.machines[:starters] {
		w.byARN[m.arn] = m
		for i, input := range []string{guess.fitting(), guess.fitting(), pick(w.paths, `{}`, `[1,{"a":null}]`, `"text"`, `null`)} {
			in := &intent{machine: m, name: "x" + strconv.Itoa(i), input: input, waits: i > 0}
			w.intents = append(w.intents, in)
			w.after(int64(i), func() { w.start(in) })
		}
	}
	return w
}

// run turns a corpus's world until all that was begun is over, and asks the
// decider alone too.
func (w *world) run() {
	for _, in := range w.intents[:3] {
		w.walk(in.machine, in.input)
	}
	w.nodes[0].open()
	over := func() bool {
		return w.book.open == 0 &&
			!slices.ContainsFunc(w.intents, func(in *intent) bool { return !in.acked }) &&
			!slices.ContainsFunc(w.book.order, func(l *life) bool { return l.record || len(l.jobs) > 0 })
	}
	for n := 0; w.out.Violation == nil && !over(); n++ {
		if len(w.queue) == 0 || n > mostHappenings {
			w.fail("L1", store.ID{}, fmt.Sprintf("the world stands still or never ends: %d happenings, %d to come", n, len(w.queue)))
			break
		}
		if n%10 == 0 {
			w.now += 1000 // what does nothing but go round takes its time, too
		}
		w.happen()
	}
	if w.out.Violation == nil {
		w.conclude()
	}
	w.close()
}

// hopedFor is an object that has what a definition's paths ask for.
func hopedFor(text string) *hope {
	root := &hope{}
	for _, m := range anyPath.FindAllStringSubmatch(text, -1) {
		at := root
		for _, step := range anyStep.FindAllString(m[1], -1) {
			at = at.step(step)
		}
	}
	return root
}

var (
	anyPath = regexp.MustCompile(`(?:"\$|[ (,]\$|\$states\.(?:input|result))((?:\.[A-Za-z_][\w-]*|\[\d+\]|\[\*\])+)`)
	anyStep = regexp.MustCompile(`\w[\w-]*|\*`)
)

// hope is what stands at a place of a value that a definition hopes for.
type hope struct {
	list    bool
	names   []string
	members map[string]*hope
}

func (h *hope) step(name string) *hope {
	if name == "*" || name[0] >= '0' && name[0] <= '9' {
		h.list, name = true, "*"
	}
	if h.members[name] == nil {
		if h.members == nil {
			h.members = map[string]*hope{}
		}
		h.members[name] = &hope{}
		h.names = append(h.names, name)
	}
	return h.members[name]
}

// guesser guesses values.
type guesser struct {
	c     chance
	hoped *hope
}

func (g guesser) fitting() string { return g.value(g.hoped, 0) }

// value is what is hoped for at a place, mostly.
func (g guesser) value(h *hope, depth int) string {
	switch {
	case len(h.names) == 0 || depth > 12:
		return g.leaf()
	case h.list:
		items := make([]string, g.c.between(1, 4))
		for i := range items {
			items[i] = g.value(h.members["*"], depth+1)
		}
		return "[" + strings.Join(items, ",") + "]"
	}
	var members []string
	for _, name := range h.names {
		if !g.c.once(12) {
			members = append(members, strconv.Quote(name)+":"+g.value(h.members[name], depth+1))
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

func (g guesser) leaf() string {
	return pick(g.c, `1`, `0`, `3`, `-7.5`, `"text"`, `"SUCCEEDED"`, `""`, `true`, `false`, `null`, `[]`, `[1,2,3]`, `[{"a":1},{"a":2}]`, `{}`,
		`{"a":{"b":[1]}}`, `"2027-01-15T08:00:30Z"`, `"{\"a\":1}"`, `12345678901234567890`, `"ünïcode 🙂"`)
}

// answer is what a task answers: what is hoped for, anything else, or an error.
func (g guesser) answer() (value.Text, error) {
	switch n := g.c.IntN(100); {
	case n < 4:
		return value.Text{}, integration.NewError(pick(g.c, "States.TaskFailed", "Lambda.ServiceException", "CustomError", "States.Timeout"), "guessed", integration.EffectNamed)
	case n < 24:
		return value.Checked(g.leaf()), nil
	case n < 44: // as lambda:invoke answers
		return value.Checked(`{"StatusCode":200,"ExecutedVersion":"$LATEST","Payload":` + g.fitting() + `}`), nil
	}
	return value.Checked(g.fitting()), nil
}
