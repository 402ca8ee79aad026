package sim

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/lift"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/backstep/backstep/internal/value"
)

// TestImported runs the sagas of the import's own scripts as they were wired, and as
// they were imported. name.run has the input and what each function answers. Without
// a fault both make the same calls, with the same requests, and end the same. With
// each of the steps failing in turn the import undoes exactly what was done, the last
// first, and asks of each compensation what the wired saga asked.
func TestImported(t *testing.T) {
	files, _ := filepath.Glob("../lift/testdata/*.txtar")
	ran, faults, undone := 0, 0, 0
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sections := map[string]string{}
		for _, f := range archive.Files {
			sections[f.Name] = shortARN.ReplaceAllString(string(f.Data), functionARN+"$1")
		}
		for _, f := range archive.Files {
			name, is := strings.CutSuffix(f.Name, ".run")
			if !is {
				continue
			}
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar")+"/"+name, func(t *testing.T) {
				c := newComparison(t, sections[name+".yaml"], sections[name+".saga"], sections[f.Name], false)
				c.withoutFault()
				f, u := c.withFaults()
				ran, faults, undone = ran+1, faults+f, undone+u
			})
		}
	}
	t.Logf("%d sagas under %d faults with %d undos", ran, faults, undone)
	if ran < 10 || undone < 20 {
		t.Error("too little was compared")
	}
}

var shortARN = regexp.MustCompile(`\bfn:(\w+)`)

// comparison is a saga as it was wired and as it was imported.
type comparison struct {
	t              *testing.T
	wired          *asl.Program
	before, after  string            // the definitions
	undoes         map[string]string // the function of a step → that of its compensation
	input, answers value.Value
	joins          bool // branches or items run side by side
	lax            bool // some pairs may be left, and some ways fail by their data
	byHand         bool // some pairs are left
	compared       int  // requests of compensations
	waits          int  // sagas that waited for a person
}

func newComparison(t *testing.T, text, sidecar, run string, lax bool) *comparison {
	d, p := compileText(t, text, false)
	c := &comparison{t: t, wired: p, before: text, lax: lax, undoes: map[string]string{}}
	o := lift.Options{}
	side := value.Checked(sidecar).Decode()
	for undo, step := range side.Get("Compensates").Members() {
		if lax && (p.States[undo] == nil || p.States[step.AsString()] == nil) {
			continue
		}
		o.Compensates = append(o.Compensates, lift.Pair{State: undo, Steps: []string{step.AsString()}})
		c.undoes[functionOf(p.States[step.AsString()])] = functionOf(p.States[undo])
	}
	if pivot := side.Get("Pivot").AsString(); pivot != "" {
		o.Pivot = []string{pivot}
	}
	for _, s := range p.Order {
		c.joins = c.joins || s.Type == asl.Parallel || s.Type == asl.Map
	}
	i, err := lift.Import(d, p, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(i.Left) > 0 && !lax {
		t.Fatalf("left: %v", i.Left)
	}
	c.after, c.byHand = i.Definition, len(i.Left) > 0
	in := value.Checked(run).Decode()
	c.input, c.answers = in.Get("input"), in.Get("answers")
	return c
}

// functionOf is whom a Task calls.
func functionOf(s *asl.State) string {
	name := s.Task.Resource.Text[strings.LastIndexByte(s.Task.Resource.Text, ':')+1:]
	if s.Parameters != nil && name == "invoke" {
		for _, m := range s.Parameters.Object {
			if m.Name == "FunctionName" {
				return m.Value.Constant.AsString()
			}
		}
	}
	return name
}

// called is what was asked of a function.
type called struct{ function, request string }

var anyUUID = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// story is how an execution went.
type story struct {
	calls  []called
	end    string
	failed int // which call failed, from 1
}

func (c *comparison) withoutFault() {
	a, b := c.play(c.before, "", ""), c.play(c.after, "", "")
	if c.joins {
		sortCalls(a.calls)
		sortCalls(b.calls)
	}
	if fmt.Sprint(a) != fmt.Sprint(b) {
		c.t.Errorf("without a fault it was\n%v\nand is\n%v", a, b)
	}
}

func sortCalls(all []called) {
	slices.SortFunc(all, func(a, b called) int {
		return strings.Compare(a.function+a.request, b.function+b.request)
	})
}

// withFaults lets every function of a step fail, by an error that its Catch leads
// back by.
func (c *comparison) withFaults() (faults, undone int) {
	var forward []string
	for _, call := range c.play(c.before, "", "").calls {
		if !slices.Contains(forward, call.function) {
			forward = append(forward, call.function)
		}
	}
	for _, function := range forward {
		name := "Broken"
		for _, s := range c.wired.Order {
			if s.Task != nil && functionOf(s) == function && len(s.Catch) > 0 && !strings.HasPrefix(s.Catch[0].ErrorEquals[0], "States.") {
				name = s.Catch[0].ErrorEquals[0]
			}
		}
		a, b := c.play(c.before, function, name), c.play(c.after, function, name)
		if a.failed == 0 || b.failed == 0 {
			c.t.Errorf("%s did not fail", function)
			continue
		}
		faults++
		undone += c.compare(function, a, b)
	}
	return faults, undone
}

// compare holds against each other how both went once a function has failed, and
// tells how many undos there were.
func (c *comparison) compare(failed string, a, b *story) int {
	var due, undone []string
	was := map[string][]string{}
	for _, call := range a.calls[a.failed:] {
		was[call.function] = append(was[call.function], call.request)
	}
	itself, begun := "", map[string]bool{}
	for _, call := range b.calls[:b.failed] {
		undo := c.undoes[call.function]
		begun[undo] = true
		if undo != "" && call.function != failed && !c.behind(failed) {
			due = append([]string{undo}, due...)
		}
	}
	for _, call := range b.calls[b.failed:] {
		if before := was[call.function]; len(before) > 0 && c.undone(call.function) {
			c.compared++
		}
		if before := was[call.function]; len(before) > 0 && !slices.Contains(before, call.request) {
			c.t.Errorf("%s fails: %s was asked %s, and is asked %s", failed, call.function, before, call.request)
		}
		if !c.undone(call.function) {
			continue
		}
		if call.function == c.undoes[failed] {
			itself = call.function // by "KnownFailed": [], as it was
			if len(was[itself]) == 0 && !c.lax {
				c.t.Errorf("%s fails: it is undone, and was not", failed)
			}
		} else {
			undone = append(undone, call.function)
		}
	}
	if c.lax && !c.joins {
		c.inReverse(failed, b)
	}
	if c.lax && (c.byHand || b.end == "") {
		return len(undone)
	}
	if c.joins {
		slices.Sort(due)
		slices.Sort(undone)
	}
	if !slices.Equal(due, undone) && !strings.HasPrefix(b.end, "SUCCEEDED") {
		c.t.Errorf("%s fails: %v is undone, and %v is due\nwas %v\nis %v", failed, undone, due, a, b)
	}
	if c.lax { // the way back that was wired may be cut short by its data
		return len(undone)
	}
	for _, call := range a.calls[a.failed:] {
		never := c.undone(call.function) && !begun[call.function]
		if !never && !slices.ContainsFunc(b.calls[b.failed:], func(other called) bool { return other.function == call.function }) && call.function != c.undoes[failed] {
			c.t.Errorf("%s fails: %s was called, and is not\nwas %v\nis %v", failed, call.function, a, b)
		}
	}
	return len(undone)
}

// inReverse holds what was undone, by itself and by hand, to the order of the steps,
// whose functions are numbered.
func (c *comparison) inReverse(failed string, b *story) {
	var undone []string
	for _, call := range b.calls[b.failed:] {
		if c.undone(call.function) && (len(undone) == 0 || undone[len(undone)-1] != call.function) {
			undone = append(undone, call.function)
		}
	}
	if !slices.IsSortedFunc(undone, func(a, b string) int { return strings.Compare(b, a) }) {
		c.t.Errorf("%s fails: %v is the order in which it is undone, in %v", failed, undone, b)
	}
}

// behind reports whether a function is called where no saga is open any more.
func (c *comparison) behind(function string) bool {
	_, p := compileText(c.t, c.after, false)
	return slices.ContainsFunc(p.Order, func(s *asl.State) bool { return s.Task != nil && s.Scope == nil && functionOf(s) == function })
}

// undone reports whether a function undoes a step.
func (c *comparison) undone(function string) bool {
	for _, undo := range c.undoes {
		if undo == function {
			return true
		}
	}
	return false
}

// stage is where a definition is played: an engine, and its participants.
type stage struct {
	c       *comparison
	now     int64
	waiting []func()
	failing string // function
	by      string // the error
	story   story
}

// Now is the stage's time in UTC ms.
func (s *stage) Now() int64 { return s.now }

// Call answers as the script says.
func (s *stage) Call(_ context.Context, task integration.Task) (value.Text, error) {
	function := task.Resource[strings.LastIndexByte(task.Resource, ':')+1:]
	request := task.Request.Decode()
	invoked := function == "invoke"
	if invoked {
		function, request = request.Get("FunctionName").AsString(), request.Get("Payload")
		function = function[strings.LastIndexByte(function, ':')+1:]
	}
	s.story.calls = append(s.story.calls, called{function, anyUUID.ReplaceAllString(request.Text().String(), "a uuid")})
	if function == s.failing {
		if s.story.failed == 0 {
			s.story.failed = len(s.story.calls)
		}
		return value.Text{}, integration.NewError(s.by, "so it is played", integration.EffectNamed)
	}
	answer := s.c.answers.Get(function)
	if answer.IsAbsent() {
		answer = value.NewObject(value.Member{Name: "by", Value: value.NewString(function)})
	}
	if invoked {
		answer = value.NewObject(value.Member{Name: "Payload", Value: answer})
	}
	return answer.Text(), nil
}

// play runs a definition, with one function failing.
func (c *comparison) play(text, failing, by string) *story {
	_, p := compileText(c.t, text, false)
	s := &stage{c: c, now: 1_800_000_000_000, failing: failing, by: by}
	registry := &integration.Registry{}
	registry.Add("lambda", "*", s, integration.RequestResponse)
	registry.Add("sns", "*", s, integration.RequestResponse)
	const ever = 20 * 365 * 24 * time.Hour
	e, err := engine.Open(context.Background(), engine.Config{
		Store: storetest.NewMemory(storetest.MemoryOptions{Shards: 1, Clock: s.Now}).Open(), Registry: registry, Clock: s, Entropy: rand.NewChaCha8(sha256.Sum256([]byte(text))),
		Programs: func(context.Context, store.Hash) (*asl.Program, error) { return p, nil },
		Log:      slog.New(slog.NewTextHandler(io.Discard, nil)), Node: "stage", Exclusive: true,
		Spawn:  func(do func()) { s.waiting = append(s.waiting, do) },
		Limits: engine.Limits{Window: ever, Lease: ever, Cached: 4, Calls: 64, CallsPerKind: 64, Turns: 64},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	defer e.Close()
	if err := e.Renew(s.now); err != nil {
		c.t.Fatal(err)
	}
	ctx := context.Background()
	started, err := e.Start(ctx, engine.StartRequest{Machine: engine.Machine{Account: "123456789012", Region: "us-east-1", Name: "Played"}, Name: "played", Input: c.input.Text()})
	if err != nil {
		c.t.Fatal(err)
	}
	for range 5_000 {
		if len(s.waiting) > 0 {
			do := s.waiting[0]
			s.waiting = s.waiting[1:]
			do()
			continue
		}
		_, h, err := e.Execution(ctx, started.ID)
		if err != nil {
			c.t.Fatal(err)
		}
		switch {
		case h.Status.Ended():
			s.story.end = h.Status.String()
			if h.Output != 0 {
				texts, err := e.Texts(ctx, started.ID, []uint32{uint32(h.Output)})
				if err != nil {
					c.t.Fatal(err)
				}
				s.story.end += " " + texts[0]
			}
			return &s.story
		case h.OpenHolds > 0 && c.lax:
			c.waits++
			return &s.story
		case h.OpenHolds > 0:
			c.t.Errorf("%s fails: the saga waits for a person, after %v\n%s", failing, s.story.calls, text)
			return &s.story
		}
		s.now = max(s.now, e.Next(s.now))
		e.Fire(s.now)
	}
	c.t.Fatal("it does not end")
	return nil
}
