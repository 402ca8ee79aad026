package sim

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/lower"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/backstep/backstep/internal/value"
)

var equivalent = flag.Uint64("sim.equivalent", 300, "sagas that are run as they are and exported, and compared")

// TestEquivalence runs generated sagas as they are and, exported, as AWS would: the
// same faults have to leave the same ledger, and end the execution in the same way.
func TestEquivalence(t *testing.T) {
	refused, differ := 0, 0
	ends, faults, undone := map[string]int{}, 0, 0
	for seed := range *equivalent {
		text := exportable(chanceOf(seed))
		definition, program := compileText(t, text, false)
		e, err := lower.Export(definition, program, lower.Options{Hold: "arn:aws:lambda:us-east-1:123456789012:function:hold"})
		if err != nil {
			refused++
			continue
		}
		native, exported := newTwin(t, seed, text, false), newTwin(t, seed, e.Definition, true)
		native.joins = strings.Contains(text, `"Type":"Parallel"`) || strings.Contains(text, `"Type":"Map"`)
		exported.joins = native.joins
		a, b := native.run(), exported.run()
		ends[native.status]++
		faults, undone = faults+native.struck, undone+len(native.undone)
		if a != b {
			if differ++; differ <= 3 {
				t.Errorf("seed %d: as it is\n%s\nand exported\n%s\nof\n%s\nas\n%s", seed, a, b, text, e.Definition)
			}
		}
	}
	t.Logf("%d sagas generated, %d refused, %d compared under %d faults with %d undos: %d differ; they end %v", *equivalent, refused, int(*equivalent)-refused, faults, undone, differ, ends)
	if refused > int(*equivalent)/2 || len(ends) < 2 || undone == 0 {
		t.Error("too little was compared")
	}
}

func chanceOf(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 65)) }

func compileText(t *testing.T, text string, strict bool) (*asl.Definition, *asl.Program) {
	t.Helper()
	d, found := asl.Parse([]byte(text))
	if d == nil {
		t.Fatal(found)
	}
	p, err := asl.Compile(d, asl.Rules{Strict: strict, Distributed: true, Serves: asl.OnAWS})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return d, p
}

const functionARN = "arn:aws:lambda:us-east-1:123456789012:function:"

// exportable makes a saga within what can be exported: steps with Retry and Catch,
// Choices, a loop, a Fail, a pivot, in either query language.
func exportable(c *rand.Rand) string {
	query := c.IntN(2) == 0
	n := 2 + c.IntN(6)
	pivot := n
	if c.IntN(3) == 0 {
		pivot = 1 + c.IntN(n)
	}
	var states []string
	name := func(i int) string {
		switch {
		case i >= n:
			return "Done"
		case i == pivot:
			return "Pivot"
		}
		return fmt.Sprintf("S%d", i)
	}
	fails := false
	for i := range n {
		state := ""
		switch roll := c.IntN(12); {
		case roll == 0 && i < pivot && i > 0:
			rule := `{"Variable":"$.kind","NumericGreaterThan":4,"Next":"Bad"}`
			if query {
				rule = `{"Condition":"{% $states.input.kind > 4 %}","Next":"Bad"}`
			}
			fails = true
			state = fmt.Sprintf(`{"Type":"Choice","Choices":[%s],"Default":%q}`, rule, name(i+1))
		case roll == 1 && i < pivot && i > 0:
			rule := `{"Variable":"$.kind","NumericLessThan":8,"Next":%q}`
			if query {
				rule = `{"Condition":"{%% $states.input.kind < 8 %%}","Next":%q}`
			}
			state = fmt.Sprintf(`{"Type":"Choice","Choices":[`+rule+`]}`, name(i+1))
		case roll == 2 && query && i > 0 && i < pivot:
			state = fmt.Sprintf(`{"Type":"Choice","Choices":[{"Condition":"{%% $n < %d %%}","Assign":{"n":"{%% $n + 1 %%}"},"Next":%q}],"Default":%q}`, c.IntN(3), name(c.IntN(i)), name(i+1))
		case roll < 6 && i < pivot:
			state = joinState(c, i, query, name)
		default:
			state = sagaTask(c, i, query, pivot, name, &fails)
		}
		states = append(states, fmt.Sprintf("%q: %s", name(i), state))
	}
	states = append(states, `"Done": {"Type":"Succeed"}`)
	if fails {
		states = append(states, `"Bad": {"Type":"Fail","Error":"Chosen","Cause":"as it was to be"}`)
	}
	head := `"StartAt":"S0"`
	if query {
		head = `"QueryLanguage":"JSONata","StartAt":"First"`
		states = append(states, `"First": {"Type":"Pass","Assign":{"n":0},"Next":"S0"}`)
	}
	return `{"Saga":{},` + head + `,"States":{` + strings.Join(states, ",\n") + `}}`
}

// joinState makes a Parallel, a Map or an inner Saga of steps that are all undone.
func joinState(c *rand.Rand, i int, query bool, name func(int) string) string {
	steps := 0
	flow := func() string {
		var states []string
		k := 1 + c.IntN(2)
		at := func(j int) string { return fmt.Sprintf("S%d_%d", i, steps+j) }
		for j := range k {
			text := `{"Type":"Task","Resource":"` + functionARN + at(j) + `","Compensate":{"Resource":"` + functionARN + "undo" + at(j) + `"`
			if query {
				text += `,"Arguments":{"input":"{% {'n': $states.input.n} %}","result":"{% $exists($states.result) ? $states.result : null %}"}},"Arguments":{"n":"{% $states.input.n %}"},"Output":"{% $states.input %}",`
			} else {
				text += `},"ResultPath":null,`
			}
			if j+1 < k {
				text += `"Next":"` + at(j+1) + `"}`
			} else {
				text += `"End":true}`
			}
			states = append(states, fmt.Sprintf("%q: %s", at(j), text))
		}
		first := at(0)
		steps += k
		return `"StartAt":"` + first + `","States":{` + strings.Join(states, ",\n") + `}`
	}
	given := `"ResultPath":null,`
	if query {
		given = []string{`"Output":"{% $states.input %}",`, `"Output":"{% $merge([$states.input, {'last': $states.result}]) %}",`}[c.IntN(2)]
	}
	text, caught := "", c.IntN(3) == 0
	switch c.IntN(3) {
	case 0:
		text = `{"Type":"Parallel","Branches":[{` + flow() + `},{` + flow() + `}],`
	case 1:
		text = `{"Type":"Map","ItemsPath":"$.items","ItemSelector":{"n.$":"$$.Map.Item.Value"},`
		if query {
			text = `{"Type":"Map","Items":"{% $states.input.items %}","ItemSelector":{"n":"{% $n * 10 + $states.context.Map.Item.Value %}"},`
		}
		text += `"ItemProcessor":{` + flow() + `},`
	default:
		text = `{"Type":"Saga",` + flow() + `,`
		if c.IntN(2) == 0 {
			text += `"Retry":[{"ErrorEquals":["Soft","Lambda.Unknown"],"MaxAttempts":2}],`
		}
	}
	if query {
		text += `"Arguments":{"n":"{% $n %}"},`
		if strings.Contains(text, `"Type":"Map"`) {
			text = strings.Replace(text, `"Arguments":{"n":"{% $n %}"},`, "", 1)
			text = strings.Replace(text, `"Arguments":{"n":"{% $n %}"},`, "", 1)
		}
	}
	if caught && !strings.Contains(given, "merge") {
		more := `"ResultPath":null`
		if query {
			more = `"Output":"{% $states.input %}"`
		}
		text += `"Catch":[{"ErrorEquals":["States.ALL"],` + more + `,"Next":"` + name(i+1) + `"}],`
	}
	return text + given + `"Next":"` + name(i+1) + `"}`
}

// sagaTask makes a step.
func sagaTask(c *rand.Rand, i int, query bool, pivot int, name func(int) string, fails *bool) string {
	text := `{"Type":"Task","Resource":"` + functionARN + name(i) + `",`
	if query {
		text += `"Arguments":{"n":"{% $n %}"},"Output":"{% $states.input %}",`
	} else {
		text += `"ResultPath":` + []string{`null`, `"$.last"`}[c.IntN(2)] + `,`
	}
	if c.IntN(2) == 0 && i != pivot {
		text += `"Retry":[{"ErrorEquals":[` + []string{`"Soft"`, `"States.ALL"`, `"Lambda.Unknown","Soft"`, `"States.Timeout"`}[c.IntN(4)] + fmt.Sprintf(`],"IntervalSeconds":1,"MaxAttempts":%d}],`, c.IntN(3))
	}
	switch {
	case i == pivot:
		text += `"Pivot":true,`
	case i > pivot:
	default:
		if c.IntN(5) > 0 {
			text += `"Compensate":{"Resource":"` + functionARN + "undo" + name(i) + `"`
			if query {
				text += `,"Arguments":{"input":"{% {'n': $n} %}","result":"{% $exists($states.result) ? $states.result : null %}"}`
			} else if c.IntN(2) == 0 {
				text += `,"Parameters":{"input.$":"$.input"}`
			}
			text += `},`
		}
		if c.IntN(4) == 0 {
			text += `"KnownFailed":["Business"],`
		}
		if c.IntN(3) == 0 {
			to := name(i + 1)
			if c.IntN(2) == 0 {
				to, *fails = "Bad", true
			}
			more := `"ResultPath":"$.error"`
			if query {
				more = `"Output":"{% $states.input %}"`
			}
			text += `"Catch":[{"ErrorEquals":[` + []string{`"Business"`, `"States.ALL"`, `"Lambda.Unknown"`, `"Soft","States.Timeout"`}[c.IntN(4)] + `],` + more + `,"Next":"` + to + `"}],`
		}
	}
	return text + `"Next":"` + name(i+1) + `"}`
}

// twin is a world with one execution and its participants. What goes wrong follows
// from the seed and from what is asked, not from who asks.
type twin struct {
	t       *testing.T
	seed    uint64
	now     int64
	strict  bool
	program *asl.Program
	engine  *engine.Engine
	waiting []func()
	calls   map[string]int
	stands  map[string]bool
	done    []string
	undone  []string
	struck  int
	status  string
	joins   bool // siblings are cut off, or not: what was done beside what failed is not compared
}

func newTwin(t *testing.T, seed uint64, text string, strict bool) *twin {
	_, p := compileText(t, text, strict)
	w := &twin{t: t, seed: seed, now: 1_800_000_000_000, strict: strict, program: p, calls: map[string]int{}, stands: map[string]bool{}}
	registry := &integration.Registry{}
	registry.Add("lambda", "*", w, integration.RequestResponse, integration.WaitForTaskToken)
	disk := storetest.NewMemory(storetest.MemoryOptions{Shards: 1, Clock: w.Now})
	const ever = 20 * 365 * 24 * time.Hour
	e, err := engine.Open(context.Background(), engine.Config{
		Store: disk.Open(), Registry: registry, Clock: w, Entropy: rand.NewChaCha8(sha256.Sum256([]byte(text))),
		Programs: func(context.Context, store.Hash) (*asl.Program, error) { return p, nil },
		Log:      slog.New(slog.NewTextHandler(io.Discard, nil)), Node: "twin", Exclusive: true, StrictAWS: strict,
		Spawn:  func(do func()) { w.waiting = append(w.waiting, do) },
		Limits: engine.Limits{Window: ever, Lease: ever, Cached: 4, Calls: 64, CallsPerKind: 64, Turns: 64},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Renew(w.now); err != nil {
		t.Fatal(err)
	}
	w.engine = e
	return w
}

// Now is the twin's time in UTC ms.
func (w *twin) Now() int64 { return w.now }

// run lets the execution end, and tells what is left.
func (w *twin) run() string {
	defer w.engine.Close()
	ctx := context.Background()
	input := value.Checked(fmt.Sprintf(`{"n":0,"kind":%d,"items":[1,2,3]}`, w.seed%10))
	s, err := w.engine.Start(ctx, engine.StartRequest{Machine: engine.Machine{Account: "123456789012", Region: "us-east-1", Name: "Twin"}, Name: "twin", Input: input})
	if err != nil {
		w.t.Fatal(err)
	}
	for range 20_000 {
		if len(w.waiting) > 0 {
			do := w.waiting[0]
			w.waiting = w.waiting[1:]
			do()
			continue
		}
		_, h, err := w.engine.Execution(ctx, s.ID)
		if err != nil {
			w.t.Fatal(err)
		}
		if h.Status.Ended() {
			return w.left(&h)
		}
		w.now = max(w.now, w.engine.Next(w.now))
		w.engine.Fire(w.now)
	}
	w.status = "endless"
	return "it does not end"
}

// left is what is left: the effects that stand, those that were taken back in their
// order, and how the execution ended.
func (w *twin) left(h *machine.Head) string {
	var standing []string
	for key, stands := range w.stands {
		if stands {
			standing = append(standing, key)
		}
	}
	slices.Sort(standing)
	w.status = h.Status.String()
	if w.joins {
		return fmt.Sprintf("%s, standing %v", w.status, standing)
	}
	text := fmt.Sprintf("%s, done %v, undone %v, standing %v", w.status, w.done, w.undone, standing)
	if h.Error != nil {
		text += ", error " + *h.Error
	}
	return text
}

// Call is the participants' side of a task.
func (w *twin) Call(_ context.Context, task integration.Task) (value.Text, error) {
	name := task.Resource[strings.LastIndexByte(task.Resource, ':')+1:]
	if task.Pattern == integration.WaitForTaskToken {
		w.t.Fatalf("seed %d: somebody is asked: %s", w.seed, task.Request)
	}
	request := task.Request.Decode()
	step, undoes := strings.CutPrefix(name, "undo")
	n := request.Get("n")
	if undoes {
		n = request.Get("input").Get("n")
	}
	key := step + "#" + n.Text().String()
	w.calls[name+key]++
	if undoes {
		return w.takeBack(key, request, w.calls[name+key])
	}
	drawn := w.draw(key, w.calls[name+key])
	if step == "Pivot" && drawn > 1 {
		drawn = 6 // a person would be asked
	}
	switch drawn {
	case 0:
		return w.fails("Business", integration.EffectNamed)
	case 1:
		return w.fails("Soft", integration.EffectNamed)
	case 2:
		return w.fails("Lambda.Unknown", integration.EffectUnknown)
	case 3:
		w.does(key)
		return w.fails("Lambda.Unknown", integration.EffectUnknown)
	case 4:
		w.does(key)
		return w.fails("States.Timeout", integration.EffectUnknown)
	case 5:
		return w.fails("Lambda.TooManyRequestsException", integration.EffectNone)
	}
	w.does(key)
	return value.Checked(`{"receipt":"` + key + `"}`), nil
}

// takeBack undoes an effect, where there is one. It fails a few times at most.
func (w *twin) takeBack(key string, request value.Value, call int) (value.Text, error) {
	if receipt := request.Get("result").Get("receipt"); !receipt.IsAbsent() && receipt.AsString() != key {
		w.t.Errorf("seed %d: %s is undone by the receipt %s", w.seed, key, receipt.AsString())
	}
	if call <= int(w.draw("undo "+key, 0))%4-1 {
		return w.fails("Lambda.Unknown", integration.EffectUnknown)
	}
	if w.stands[key] {
		w.stands[key] = false
		w.undone = append(w.undone, key)
	}
	return value.Checked(`{}`), nil
}

func (w *twin) does(key string) {
	if !w.stands[key] {
		w.stands[key] = true
		w.done = append(w.done, key)
	}
}

func (w *twin) fails(name string, effect integration.Effect) (value.Text, error) {
	w.struck++
	return value.Text{}, integration.NewError(name, "drawn", effect)
}

// draw is what becomes of a call: below 6 it goes wrong.
func (w *twin) draw(key string, call int) uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, w.seed, key, call)
	return rand.New(rand.NewPCG(h.Sum64(), w.seed)).Uint64N(30)
}
