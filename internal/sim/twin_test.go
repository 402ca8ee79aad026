package sim

import (
	"context"
	"crypto/sha256"
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
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/backstep/backstep/internal/value"
)

// twin is a world with one execution and its participants. What goes wrong follows
// from the seed and from what is asked, not from who asks.
type twin struct {
	t       *testing.T
	seed    uint64
	now     int64
	strict  bool
	program *asl.Program
	origin  *asl.Program // of the saga as it is
	engine  *engine.Engine
	waiting []func()
	calls   map[string]int
	stands  map[string]bool
	done    []string
	undone  []string
	sealed  []string // what was confirmed
	asked   []string // what people were asked
	heard   []string // every call and what came of it
	last    map[string]string
	struck  int
	status  string
	joins   bool // siblings are cut off, or not: what was done beside what failed is not compared
}

func newTwin(t *testing.T, seed uint64, text string, strict bool, origin *asl.Program) *twin {
	_, p := compileText(t, text, strict)
	w := &twin{t: t, seed: seed, now: 1_800_000_000_000, strict: strict, program: p, origin: origin, calls: map[string]int{}, stands: map[string]bool{}, last: map[string]string{}}
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
		if h.OpenHolds > 0 {
			w.resolve(s.ID)
			continue
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
		slices.Sort(w.sealed)
		return fmt.Sprintf("%s, standing %v, confirmed %v", w.status, standing, w.sealed)
	}
	text := fmt.Sprintf("%s, done %v, undone %v, standing %v, confirmed %v, asked %v", w.status, w.done, w.undone, standing, w.sealed, w.asked)
	if h.Error != nil {
		text += ", error " + *h.Error
	}
	return text
}

// Call is the participants' side of a task.
func (w *twin) Call(_ context.Context, task integration.Task) (output value.Text, err error) {
	name := task.Resource[strings.LastIndexByte(task.Resource, ':')+1:]
	request := task.Request.Decode()
	defer func() { w.heard = append(w.heard, fmt.Sprintf("%s %s → %s %v", name, task.Request, output, err)) }()
	if task.Pattern == integration.WaitForTaskToken {
		w.answer(request.Get("Payload"))
		return value.Checked(`{}`), nil
	}
	n := request.Get("n")
	if request.Has("input") {
		n = request.Get("input").Get("n")
	}
	step := name[strings.LastIndexAny(name, "SJPL"):]
	key := step + "#" + strings.Trim(n.Text().String(), `"`)
	w.calls[name+key]++
	call := w.calls[name+key]
	told := call
	if at := w.origin.States[step]; w.joins && strings.HasPrefix(step, "J") && at.Step.Compensate != nil && at.Scope.Recovery != asl.Forward {
		told = 1 // how often it was called depends on its siblings: what it says must not
	}
	switch what := strings.TrimSuffix(name, step); what {
	case "":
		return w.forward(step, key, told)
	case "ask":
		return w.tell(key, told)
	case "confirm":
		return w.confirm(key, call)
	default:
		return w.takeBack(what, step, key, request, call)
	}
}

// forward is what becomes of a step.
func (w *twin) forward(step, key string, call int) (value.Text, error) {
	w.last[step] = key
	switch w.draw(key, call) {
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
	return w.receipt(key), nil
}

func (w *twin) receipt(key string) value.Text { return value.Checked(`{"receipt":"` + key + `"}`) }

// tell answers a Query: truly, if at all.
func (w *twin) tell(key string, call int) (value.Text, error) {
	switch drawn := w.draw("ask "+key, call); {
	case drawn < 4:
		return w.fails("Lambda.Unknown", integration.EffectUnknown)
	case drawn < 8:
		return value.Checked(`{"Outcome":"UNKNOWN"}`), nil
	case w.stands[key]:
		return value.Checked(`{"Payload":{"Outcome":"SUCCEEDED","Output":` + w.receipt(key).String() + `}}`), nil
	}
	return value.Checked(`{"Outcome":"FAILED"}`), nil
}

// confirm confirms an effect, sooner or later.
func (w *twin) confirm(key string, call int) (value.Text, error) {
	if w.draw("confirm "+key, call) < 8 {
		if w.draw("confirm how "+key, 0) < 15 { // an export counts known failures and others apart
			return w.fails("Lambda.Unknown", integration.EffectUnknown)
		}
		return w.fails("Business", integration.EffectNamed)
	}
	w.seals(key)
	return value.Checked(`{}`), nil
}

func (w *twin) seals(key string) {
	if !w.stands[key] {
		w.t.Errorf("seed %d: %s is confirmed, and does not stand", w.seed, key)
	}
	if !slices.Contains(w.sealed, key) {
		w.sealed = append(w.sealed, key)
	}
}

// takeBack undoes an effect, where there is one. It fails a few times at most.
func (w *twin) takeBack(what, step, key string, request value.Value, call int) (value.Text, error) {
	w.last[step] = key
	if receipt := request.Get("result").Get("receipt"); !receipt.IsAbsent() && receipt.AsString() != key {
		w.t.Errorf("seed %d: %s is undone by the receipt %s", w.seed, key, receipt.AsString())
	}
	if call <= int(w.draw(what+" "+key, 0))%4-1 {
		if w.draw(what+" how "+key, 0) < 15 {
			return w.fails("Refused", integration.EffectNamed)
		}
		return w.fails("Lambda.Unknown", integration.EffectUnknown)
	}
	w.undoes(key)
	return value.Checked(`{}`), nil
}

func (w *twin) undoes(key string) {
	if w.stands[key] {
		w.stands[key] = false
		w.undone = append(w.undone, key)
	}
}

// resolve answers the hold of a saga that is run as it is.
func (w *twin) resolve(id store.ID) {
	ctx := context.Background()
	s, err := w.engine.Saga(ctx, id)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range s.Frames {
		if f.Hold == nil {
			continue
		}
		step := f.State
		if f.Hold.Operation != machine.Forward {
			step = s.Log[slices.IndexFunc(s.Log, func(u *machine.Undo) bool { return u.Number == f.Hold.Row })].State
		}
		r := machine.Resolution{Hold: f.Hold.Number, Operator: "o", Reason: "r", Verb: machine.Retry}
		said := w.decide(f.Hold.Operation.String(), step)
		switch said.verb {
		case "done":
			r.Verb, r.Outcome = machine.Done, machine.StepFailed
			if said.succeeded {
				r.Outcome, r.Output = machine.StepSucceeded, w.receipt(w.last[step])
			}
		case "back":
			r.Verb = machine.Back
		}
		if err := w.engine.Resolve(ctx, id, r); err != nil {
			w.t.Fatalf("seed %d: %s: %v", w.seed, step, err)
		}
		return
	}
}

// answer answers the callback of one that was exported.
func (w *twin) answer(asked value.Value) {
	token := asked.Get("Token").AsString()
	said := w.decide(asked.Get("Operation").AsString(), asked.Get("Step").AsString())
	text := `{"Verb":"` + said.verb + `","Outcome":"FAILED"}`
	if said.succeeded {
		text = `{"Verb":"done","Outcome":"SUCCEEDED","Output":` + w.receipt(w.last[asked.Get("Step").AsString()]).String() + `}`
	}
	w.waiting = append(w.waiting, func() {
		if err := w.engine.Complete(context.Background(), token, value.Checked(text), nil); err != nil {
			w.t.Fatalf("seed %d: %v", w.seed, err)
		}
	})
}

// decision is what a person says.
type decision struct {
	verb      string
	succeeded bool
}

// decide is what a person does about a hold: by what is true, and by the seed.
func (w *twin) decide(operation, step string) decision {
	key := w.last[step]
	w.calls["hold"+operation+key]++
	call := w.calls["hold"+operation+key]
	w.asked = append(w.asked, operation+" "+key)
	drawn := w.draw("hold "+operation+key, call) % 3
	if drawn == 0 {
		return decision{verb: "retry"}
	}
	switch operation {
	case "compensate":
		w.undoes(key)
		return decision{verb: "done"}
	case "confirm":
		w.seals(key)
		return decision{verb: "done"}
	}
	if p := w.origin.States[step].Step; !p.Pivot && !p.HoldUnknown { // it goes forward alone: done by hand
		w.does(key)
	}
	if w.stands[key] && (drawn == 1 || w.origin.States[step].Step.Pivot || !w.origin.States[step].Step.HoldUnknown) {
		return decision{"done", true}
	}
	if drawn == 2 && w.origin.States[step].Scope.Outer == nil { // of an inner scope the export can't
		return decision{verb: "back"}
	}
	return decision{verb: "done"}
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
