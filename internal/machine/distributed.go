package machine

import (
	"strconv"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/jsonpath"
	"github.com/backstep/backstep/internal/value"
)

// A distributed Map is the parent's side of a map run: the state evaluates what
// the run needs, starts it by a job, and waits for its end. The run is an
// execution of its own in the parent's shard; see maprun.go.

// errThreshold is the error of a map run with more failures than it tolerates.
const errThreshold = "States.ExceedToleratedFailureThreshold"

// distributed starts a map run. What it goes through stays with the frame until
// the run is over.
func (t *turn) distributed(sc *scope) *fault {
	f, s := sc.frame, sc.state
	join := &join{}
	var fl *fault
	if s.Map.ItemReader == nil {
		var items datum
		if items, fl = sc.items(); fl == nil {
			join.Items, _ = t.number(&items, 0)
			join.Count = t.tree(join.Items).Len()
		}
	} else {
		fl = sc.narrow()
	}
	if fl != nil {
		return fl
	}
	atOnce, _, fl := sc.integer(&s.Map.MaxConcurrency, 0)
	if fl != nil {
		return fl
	}
	started := t.event(Event{Type: MapStateStarted, Prev: f.Prev, Length: join.Count})
	f.Prev = started
	plan := value.NewBuilder(11)
	plan.Set("MaxConcurrency", value.NewInt(atOnce))
	if fl := sc.runPlan(plan); fl != nil {
		return fl
	}
	id, name := t.newRun(s)
	plan.Set("MapRun", value.NewString(uuid(id)))
	plan.Set("Machine", value.NewString(name))
	plan.Set("StartedEvent", value.NewInt(started))
	f.Prev = t.event(Event{Type: MapRunStarted, Prev: f.Prev, Resource: t.runARN(id, name)})
	f.Join, f.Sends, f.Result = join, 0, t.payload(plan.Object().Text(), value.Value{})
	t.askForRun(f, s)
	return nil
}

// askForRun opens the job that starts the Map's run, or redrives it.
func (t *turn) askForRun(f *Frame, s *asl.State) {
	f.Phase = Joining
	if s.Step != nil {
		f.Unknown, f.Asked = true, f.Result // until it has ended well, some children may have done their work
	}
	f.Job = t.open(Job{Kind: StartRun, Frame: f.ID, State: s.Name, Entry: f.Entry, Attempt: f.attempt(),
		Request: f.Result, Deadline: never, Due: t.head.Now})
}

// runARN is the ARN of a map run that the execution starts, under the name that
// stands for its machine.
func (t *turn) runARN(id ID, name string) string {
	run := Start{ID: id, Account: t.x.Start.Account, Region: t.x.Start.Region, Machine: name}
	return run.MapRunARN()
}

// mostRedrives is how often one map run can be redriven.
const mostRedrives = 1000

// runAgain redrives the map run of a distributed Map that was not left.
func (t *turn) runAgain(f *Frame, s *asl.State) {
	if f.Sends++; f.Sends > mostRedrives {
		sc := t.scope(f, s, f.Prev)
		t.raise(sc, sc.runtime("The Map Run has been redriven "+strconv.Itoa(mostRedrives)+" times, which is the maximum."))
		return
	}
	plan := t.tree(f.Result)
	id, _ := MapRunID(plan.Get("MapRun").AsString())
	started, known := plan.Get("StartedEvent").AsInt()
	if !known { // it was begun by an older version
		started = f.Prev
	}
	f.Prev = t.event(Event{Type: MapRunRedriven, Prev: started, Resource: t.runARN(id, plan.Get("Machine").AsString()), Index: int(f.Sends)})
	t.askForRun(f, s)
}

// newRun draws the id of a map run, and gives the name that its children have
// in the place of a machine's: the machine's own, and the Map's label.
func (t *turn) newRun(s *asl.State) (ID, string) {
	id := t.x.Start.ID // of the same shard
	for i := range 6 {
		id[2+i] = byte(t.head.Now >> (40 - 8*i))
	}
	copy(id[8:], t.draw(8))
	label := s.Map.Label
	if label == "" {
		label = randomUUID([16]byte(t.draw(16)))
	}
	return id, own(t.x.Start.Machine) + "/" + label
}

// own is a machine's own name, of the name that children of a map run have in
// its place.
func own(machine string) string {
	name, _, _ := strings.Cut(machine, "/")
	return name
}

// draw is n bytes of chance.
func (t *turn) draw(n int) []byte {
	b := make([]byte, 0, n+8)
	for len(b) < n {
		bits := t.chance.Uint64()
		for range 8 {
			b = append(b, byte(bits))
			bits >>= 8
		}
	}
	return b[:n]
}

// runPlan evaluates what a map run is told beside its items.
func (sc *scope) runPlan(plan *value.Builder) *fault {
	m := sc.state.Map
	count, given, fl := sc.tolerated(&m.ToleratedFailureCount)
	if fl != nil {
		return fl
	}
	if given {
		plan.Set("ToleratedFailureCount", value.NewInt(int64(count)))
	}
	percentage, given, fl := sc.tolerated(&m.ToleratedFailurePercentage)
	if fl != nil {
		return fl
	}
	if given {
		plan.Set("ToleratedFailurePercentage", value.NewFloat(percentage))
	}
	for _, part := range []struct {
		name string
		made *asl.Template
	}{{"ItemReader", m.ItemReader}, {"ItemBatcher", m.ItemBatcher}, {"ResultWriter", m.ResultWriter}} {
		if part.made == nil {
			continue
		}
		v, fl := sc.part(part.made)
		if fl != nil {
			return fl
		}
		plan.Set(part.name, v)
	}
	if m.ItemSelector != nil {
		fixed := sc.turn.fixedContext()
		plan.Set("Context", value.NewObject(member("Execution", fixed.Get("Execution")), member("StateMachine", fixed.Get("StateMachine"))))
	}
	return nil
}

// tolerated is how many failures, or which share of them in percent, the Map
// tolerates; false where it does not say.
func (sc *scope) tolerated(q *asl.Quantity) (n float64, given bool, fl *fault) {
	percentage := strings.HasPrefix(q.Field, "ToleratedFailurePercentage")
	switch {
	case q.Literal != nil:
		return *q.Literal, true, nil
	case q.Query == nil && q.Path == nil:
		return 0, false, nil
	}
	v, fl := sc.found(q)
	if fl != nil {
		return 0, false, fl
	}
	kind, what := "integer", "ToleratedFailureCount cannot be negative."
	_, ok := v.AsInt()
	if percentage {
		kind, what, ok = "float", "ToleratedFailurePercentage must be between 0 and 100.", v.Kind() == value.Number
	}
	switch n = v.AsFloat(); {
	case !ok && q.Path != nil:
		return 0, false, sc.runtime("The " + q.Field + " field refers to value \"" + plain(v) +
			"\" which is not a valid " + kind + ": " + q.Path.String())
	case !ok:
		return 0, false, sc.unexpected(q.Query, value.Number, v)
	case n < 0 || percentage && n > 100:
		return 0, false, sc.runtime(what)
	}
	return n, true, nil
}

// found is what a computed quantity gives; a text that spells a number is the
// number.
func (sc *scope) found(q *asl.Quantity) (value.Value, *fault) {
	if q.Query != nil {
		return sc.queryOf(q.Query, value.Number)
	}
	v, err := q.Path.Eval(sc)
	if err != nil {
		return v, sc.runtime(err.Error())
	}
	if v.Kind() == value.String {
		if text, err := value.Check(v.AsString()); err == nil {
			if n := text.Decode(); n.Kind() == value.Number {
				return n, nil
			}
		}
	}
	return v, nil
}

// part evaluates an ItemReader, ItemBatcher or ResultWriter. In JSONPath a
// member of it, or of its ReaderConfig, whose name ends in "Path" becomes what
// the path finds.
func (sc *scope) part(made *asl.Template) (value.Value, *fault) {
	v, fl := sc.build(made)
	if fl != nil || sc.state.Language == asl.JSONata {
		return v, fl
	}
	if config := v.Get("ReaderConfig"); config.Kind() == value.Object {
		if config, fl = sc.followed(config); fl != nil {
			return v, fl
		}
		v = v.With("ReaderConfig", config)
	}
	return sc.followed(v)
}

// followed is the object with what its paths find in their places.
func (sc *scope) followed(v value.Value) (value.Value, *fault) {
	b := value.NewBuilder(v.Len())
	for name, held := range v.Members() {
		field, isPath := strings.CutSuffix(name, "Path")
		if !isPath || held.Kind() != value.String {
			b.Set(name, held)
			continue
		}
		path, err := jsonpath.Compile(held.AsString())
		if err != nil {
			return v, sc.runtime(err.Error())
		}
		q := asl.Quantity{Path: path, Field: name}
		found, fl := sc.found(&q)
		if fl != nil {
			return v, fl
		}
		if _, whole := found.AsInt(); !whole {
			return v, sc.runtime("The " + name + " field refers to value \"" + plain(found) +
				"\" which is not a valid integer: " + path.String())
		}
		b.Set(field, found)
	}
	return b.Object(), nil
}

// runEnded ends a distributed Map with what its map run came to.
func (t *turn) runEnded(j *Job, m Message) bool {
	f := t.frame(j.Frame)
	s := t.state(f)
	switch m.Kind {
	case JobSucceeded:
		over := t.event(Event{Type: MapRunSucceeded, Prev: f.Prev})
		t.event(Event{Type: MapStateSucceeded, Prev: over})
	case JobFailed:
	default:
		return false
	}
	t.jobs.put(j.ID, nil)
	f.Job, f.Phase = 0, Working
	if m.Kind == JobSucceeded {
		t.note(f, s, StepSucceeded, 0, nil)
		t.complete(f, s, datum{ref: t.payload(m.Output, value.Value{})})
		return true
	}
	fl := given(m.Failure)
	fl.event = t.event(Event{Type: MapRunFailed, Prev: f.Prev, Error: fl.Error, Cause: fl.Cause})
	fl.within = true
	fl.fatal = fl.Error != nil && *fl.Error == errRuntime
	t.raise(t.scope(f, s, fl.event), fl)
	return true
}

// distributedMap is the distributed Map of that name. One that is not there
// breaks an invariant.
func (t *turn) distributedMap(name string) *asl.State {
	s := t.p.States[name]
	if s == nil || s.Map == nil || !s.Map.Distributed {
		panic("the program has no distributed Map " + name)
	}
	return s
}

// runInput is what a map run is given beside its plan: what its Map state has,
// as far as the run needs it.
type runInput struct {
	Items     value.Text // what it goes through; none where it reads its items
	Input     value.Text // of the state, raw; none where nothing looks at it
	Variables []runVariable
	Entered   int64 // when the state was entered, UTC ms
	Event     int64 // and by which event
	Retries   []uint32
	Redrives  int // of the run, this one included
}

// runVariable is a variable that the state can see.
type runVariable struct {
	Name  string
	Value value.Text
}

// MapRun is the start of the map run that a StartRun job asks for, and its first
// message, which redrives the run where that is there. nil: the job is over.
func (x *Execution) MapRun(p *asl.Program, job JobID) (*Start, Message) {
	j := x.Jobs[job]
	if j == nil || j.Kind != StartRun {
		return nil, Message{}
	}
	plan := x.Payloads[j.Request].Decode()
	id, _ := MapRunID(plan.Get("MapRun").AsString())
	start := x.Start
	start.ID, start.Machine, start.Name = id, plan.Get("Machine").AsString(), plan.Get("MapRun").AsString()
	start.At, start.Express = j.Made, false
	start.Parent, start.Map = &Parent{x.Start.ID, j.ID}, &MapStart{State: j.State}
	f, s := x.Frames[j.Frame], p.States[j.State]
	in := &runInput{Items: x.Payloads[f.Join.Items], Entered: f.Entered, Event: f.EnteredEvent, Retries: f.Retries, Redrives: int(f.Sends)}
	if s.Map.ItemSelector != nil {
		in.Input = x.Payloads[f.Input]
		t := newTurn(&Env{}, p, x)
		for _, name := range s.Reads {
			if ref := t.variable(f, name); ref != 0 {
				in.Variables = append(in.Variables, runVariable{name, x.Payloads[ref]})
			}
		}
	}
	return &start, Message{Kind: Begin, Job: j.ID, Output: x.Payloads[j.Request], Run: in}
}

// Halted is the map run that a Halt job stops: of a map run's own job, none.
func (x *Execution) Halted(j *Job) (ID, bool) {
	if j.Request == 0 {
		return ID{}, false
	}
	return MapRunID(x.Payloads[j.Request].Decode().Get("MapRun").AsString())
}
