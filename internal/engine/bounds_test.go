package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/backstep/backstep/internal/value"
)

// called notes at what time each execution was called.
type called struct {
	rig   *rig
	names []string
	at    []int64
}

func (c *called) call(_ context.Context, task integration.Task) (value.Text, error) {
	c.names = append(c.names, task.Execution[strings.LastIndexByte(task.Execution, ':')+1:])
	c.at = append(c.at, c.rig.clock.Now())
	return value.Checked(`{}`), nil
}

// most is the most calls within any second.
func (c *called) most() int {
	most := 0
	for i := range c.at {
		j := i
		for j < len(c.at) && c.at[j] < c.at[i]+1000 {
			j++
		}
		most = max(most, j-i)
	}
	return most
}

func newCalled(t *testing.T, adjust func(*Config)) *called {
	c := new(called)
	c.rig = newRig(t, c.call, adjust)
	return c
}

// named is a machine of another name.
func named(m Machine, name string) Machine {
	m.Name = name
	return m
}

// One machine's flood waits for its own turn: the one job of another goes next.
func TestMachinesTakeTurns(t *testing.T) {
	c := newCalled(t, func(c *Config) { c.Limits.CallsPerKind = 1 })
	flood := c.rig.define(saga(1))
	for i := range 100 {
		c.rig.start(flood, fmt.Sprint("flood", i), `{}`)
	}
	c.rig.start(named(flood, "Other"), "other", `{}`)
	c.rig.settle()
	if at := slices.Index(c.names, "other"); at < 0 || at > 2 || len(c.names) != 101 {
		t.Errorf("the other's was call %d of %d", at, len(c.names))
	}
}

// A machine's flood leaves room for the starts of others, and those of the flood
// are refused without a trace.
func TestAFloodLeavesRoom(t *testing.T) {
	c := newCalled(t, func(c *Config) { c.Limits.CallsPerKind, c.Limits.Waiting = 1, 100 })
	flood := c.rig.define(saga(1))
	taken := 0
	for i := range 200 {
		before := c.rig.commits
		_, err := c.rig.engine.Start(t.Context(), StartRequest{Machine: flood, Name: fmt.Sprint(i)})
		if err == nil {
			taken++
		} else if !errors.Is(err, ErrBusy) || c.rig.commits != before {
			t.Fatalf("start %d: %v, %d commits", i, err, c.rig.commits-before)
		}
	}
	if taken < 70 || taken > 90 {
		t.Errorf("%d of the flood were taken", taken)
	}
	for i := range 10 {
		c.rig.start(named(flood, "Other"), fmt.Sprint("other", i), `{}`)
	}
	c.rig.settle()
	if len(c.names) != taken+10 {
		t.Errorf("%d calls were made for %d starts", len(c.names), taken+10)
	}
}

// A machine whose many jobs have waited long gets no more, until they have gone.
func TestALongLineRefusesStarts(t *testing.T) {
	r := newRig(t, echo, func(c *Config) { c.Limits.CallsPerKind = 1; c.Limits.Age = time.Minute })
	m := r.define(saga(1))
	for i := range longLine + 10 {
		r.start(m, fmt.Sprint(i), `{}`)
	}
	r.clock.now.Add(time.Minute.Milliseconds() + 1)
	if _, err := r.engine.Start(t.Context(), StartRequest{Machine: m}); !errors.Is(err, ErrBusy) {
		t.Errorf("a start behind a minute's wait: %v", err)
	}
	r.start(named(m, "Other"), "other", `{}`)
	r.settle()
	r.start(m, "late", `{}`)
}

// A rate is kept, nobody holds a goroutine meanwhile, and all are called.
func TestARateIsKept(t *testing.T) {
	for name, tasks := range map[string]map[string]TaskLimit{
		"of a service":  {"lambda": {PerSecond: 10, Burst: 3}},
		"of a function": {"lambda:f": {PerSecond: 10, Burst: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCalled(t, func(c *Config) { c.Tasks = tasks })
			m := c.rig.define(`{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f"},"End":true}}}`)
			for i := range 50 {
				c.rig.start(m, fmt.Sprint(i), `{}`)
			}
			if len(c.rig.side) > 3 {
				t.Errorf("%d are under way", len(c.rig.side))
			}
			c.rig.pass(10 * time.Second)
			if len(c.at) != 50 || c.most() > 14 {
				t.Errorf("%d calls, up to %d a second", len(c.at), c.most())
			}
			if took := c.at[49] - c.at[0]; took < 4000 || took > 6000 {
				t.Errorf("they took %d ms", took)
			}
		})
	}
}

// targeted is a handler whose service leads to many.
type targeted struct{ handler }

func (targeted) Target(_, _ string, request value.Text) string {
	return request.Member("FunctionName").Decode().AsString()
}

// What a process leaves behind keeps to the bounds of where it goes, too.
func TestBoundsHoldAfterACrash(t *testing.T) {
	c := newCalled(t, func(c *Config) { c.Tasks = map[string]TaskLimit{"lambda:f": {Concurrency: 2}} })
	m := c.rig.define(`{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f"},"End":true}}}`)
	for i := range 10 {
		c.rig.start(m, fmt.Sprint(i), `{}`)
	}
	c.rig.open()
	for range 10 { // each finds out where it goes to
		first := c.rig.side[0]
		c.rig.side = c.rig.side[1:]
		first()
	}
	if l := c.rig.engine.Load(); len(c.names) != 0 || l.Under != 2 || l.Waiting != 8 {
		t.Errorf("%d calls, %+v", len(c.names), l)
	}
	c.rig.settle()
	if len(c.names) != 10 {
		t.Errorf("%d calls", len(c.names))
	}
}

// One machine's calls leave places to those of others.
func TestAMachineHasItsShareOfCalls(t *testing.T) {
	c := newCalled(t, func(c *Config) { c.Limits.Calls, c.Limits.CallsPerMachine = 8, 3 })
	m := c.rig.define(saga(1))
	for i := range 10 {
		c.rig.start(m, fmt.Sprint(i), `{}`)
	}
	if len(c.rig.side) != 3 {
		t.Fatalf("%d are under way", len(c.rig.side))
	}
	c.rig.start(named(m, "Other"), "other", `{}`)
	if len(c.rig.side) != 4 {
		t.Errorf("%d are under way with the other's", len(c.rig.side))
	}
	c.rig.settle()
	if len(c.names) != 11 {
		t.Errorf("%d calls", len(c.names))
	}
}

// What waits for its turn is not out of time before it was sent: each attempt has
// its whole time. Where the line does not move it is.
func TestTheTimeInLineDoesNotCount(t *testing.T) {
	timed := strings.Replace(saga(1), `"End":true`, `"TimeoutSeconds":10,"End":true`, 1)
	var r *rig
	r = newRig(t, func(context.Context, integration.Task) (value.Text, error) {
		r.clock.now.Add(4000)
		return value.Checked(`{}`), nil
	}, func(c *Config) { c.Limits.CallsPerKind = 1 })
	m := r.define(timed)
	var ids []store.ID
	for i := range 20 {
		ids = append(ids, r.start(m, fmt.Sprint(i), `{}`).ID)
	}
	r.pass(5 * time.Minute)
	for _, id := range ids {
		if h := r.head(id); h.Status != machine.Succeeded {
			t.Fatalf("%v: %s", h.Status, story(r.history(id)))
		}
	}
	hung := r.start(m, "hung", `{}`).ID
	behind := r.start(m, "behind", `{}`).ID
	r.side = nil // it is sent, and nothing is heard of it
	r.pass(time.Minute)
	for _, id := range []store.ID{hung, behind} {
		if h := r.head(id); h.Status == machine.Running {
			t.Errorf("it waits: %s", story(r.history(id)))
		}
	}
}

// storm is a service that is down for a while, and what it counts.
type storm struct {
	*called
	down  bool
	tries map[string]int
}

func (s *storm) call(ctx context.Context, task integration.Task) (value.Text, error) {
	s.called.call(ctx, task)
	s.tries[task.Execution]++
	integration.MeterOf(ctx).Found(!s.down)
	if s.down {
		return value.Text{}, integration.NewError("Down", "503", integration.EffectUnknown)
	}
	return value.Checked(`{}`), nil
}

// While a service is down, those who try again do so at the pace of the budget;
// when it is back they spread; each tries as often as its definition says.
func TestRetriesKeepToTheirBudget(t *testing.T) {
	s := &storm{called: new(called), tries: map[string]int{}, down: true}
	s.rig = newRig(t, s.call, nil)
	retrying := strings.Replace(saga(1), `"End":true`, `"Retry":[{"ErrorEquals":["Down"],"IntervalSeconds":1,"BackoffRate":1,"MaxAttempts":%d}],"End":true`, 1)
	patient, hasty := s.rig.define(fmt.Sprintf(retrying, 99999)), s.rig.define(fmt.Sprintf(retrying, 3))
	const many = 1000
	var ids, short []store.ID
	for i := range many {
		ids = append(ids, s.rig.start(patient, fmt.Sprint(i), `{}`).ID)
	}
	for i := range 10 {
		short = append(short, s.rig.start(hasty, fmt.Sprint("hasty", i), `{}`).ID)
	}
	s.rig.pass(5 * time.Minute)
	s.rig.start(hasty, "late", `{}`) // what the budget holds back keeps no start from being taken
	fresh := many + 11
	if retries := len(s.at) - fresh; retries > 5*60*leastPace+many || retries < 5*60*leastPace/2 {
		t.Errorf("%d calls were made again in 5 minutes", retries)
	}
	s.down, s.at = false, nil
	back := s.rig.clock.Now()
	s.rig.pass(5 * time.Minute)
	if last := s.at[len(s.at)-1] - back; last < 10_000 || last > 120_000 || s.most() > many/5 {
		t.Errorf("all is well after %d ms, with up to %d calls a second", last, s.most())
	}
	for _, id := range ids {
		if h := s.rig.head(id); h.Status != machine.Succeeded {
			t.Fatalf("%v", h.Status)
		}
	}
	for _, id := range short {
		start, h, err := s.rig.engine.Execution(t.Context(), id)
		if n := s.tries[start.ExecutionARN()]; err != nil || h.Status == machine.Failed && n != 4 || h.Status == machine.Succeeded && n > 4 {
			t.Errorf("%v after %d tries, %v", h.Status, n, err)
		}
	}
}

// Answers that wait for the store are counted; while they take all room there is,
// no further call is made.
func TestUnstoredAnswersHoldRoom(t *testing.T) {
	large := value.Checked(`"` + strings.Repeat("x", 100_000) + `"`)
	calls := 0
	r := newRig(t, func(context.Context, integration.Task) (value.Text, error) {
		calls++
		return large, nil
	}, func(c *Config) { c.Limits.CallBytes = 500_000 })
	m := r.define(saga(1))
	var ids []store.ID
	for i := range 50 {
		ids = append(ids, r.start(m, fmt.Sprint(i), `{}`).ID)
	}
	away := true
	r.plan = func(method string, b *store.Batch) (f storetest.Fault) {
		if away && method == "Commit" {
			f.Err = errors.New("the store is away")
		}
		return f
	}
	r.pass(10 * time.Second)
	if calls > 20 || calls < 4 {
		t.Errorf("%d calls were made", calls)
	}
	away = false
	r.pass(time.Minute)
	for _, id := range ids {
		if h := r.head(id); h.Status != machine.Succeeded {
			t.Fatalf("%v", h.Status)
		}
	}
	if held := r.engine.dispatcher.room.held; held != 0 || calls != 50 {
		t.Errorf("%d bytes are held after %d calls", held, calls)
	}
}

// Who reads a long answer waits until there is room, or his time is over.
func TestRoomIsWaitedFor(t *testing.T) {
	room := payloadRoom{most: 100}
	if err := room.grow(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := room.grow(ctx, 50); !errors.Is(err, context.Canceled) {
		t.Errorf("without room: %v", err)
	}
	grown := make(chan error)
	go func() { grown <- room.grow(t.Context(), 50) }()
	for waits := false; !waits; {
		room.mu.Lock()
		waits = room.growing.len() == 2
		room.mu.Unlock()
	}
	room.give(60)
	if err := <-grown; err != nil || room.held != 90 {
		t.Errorf("%v, %d held", err, room.held)
	}
}

// Calls whose requests take all room there is get their long answers, one after the
// other.
func TestALongAnswerAlwaysComes(t *testing.T) {
	const calls = 3
	var all sync.WaitGroup
	all.Add(calls)
	e, m := live(t, saga(1), func(ctx context.Context, _ integration.Task) (value.Text, error) {
		all.Done()
		all.Wait()
		for range 2 {
			if err := integration.MeterOf(ctx).Room(ctx, answerRoom); err != nil {
				return value.Text{}, err
			}
		}
		return value.Checked(`{}`), nil
	}, func(c *Config) { c.Limits.CallBytes = calls*answerRoom - 1 })
	for range calls {
		if _, err := e.Start(t.Context(), StartRequest{Machine: m}); err != nil {
			t.Fatal(err)
		}
	}
	await(t, func() bool { return e.Metrics().Succeeded.Load() == calls })
	await(t, func() bool {
		room := &e.dispatcher.room
		room.mu.Lock()
		defer room.mu.Unlock()
		return room.held == 0 && room.grown == 0
	})
}

// What panics while something is done for an execution quarantines that one, also
// after a restart; others go on. Who is told of turns has no part in them.
func TestAPoisonousExecutionIsQuarantined(t *testing.T) {
	for name, poison := range map[string]func(r *resident){
		"its program": func(r *resident) { r.program = nil },
		"its frames":  func(r *resident) { r.x.Frames = nil },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, echo, func(c *Config) {
				c.Tell = func(*Telling) { panic("who is told is broken") }
			})
			m := r.define(saga(1))
			id := r.start(m, "bad", `{}`).ID
			poison(r.engine.shardOf(id).residents[id])
			for range 3 {
				other := r.start(m, "", `{}`).ID
				r.pass(time.Minute)
				if h := r.head(other); h.Status != machine.Succeeded {
					t.Errorf("the other stands at %v", h.Status)
				}
				if rows := r.indexed(IndexQuarantined, ""); len(rows) != 1 {
					t.Errorf("quarantined are %v", rows)
				}
				r.open()
			}
		})
	}
}

// A batch that can't be made quarantines its execution, or has it not begin.
func TestABatchThatBreaksQuarantines(t *testing.T) {
	breaks := machine.Delta{Head: &machine.Head{}, Jobs: []*machine.Job{nil}}
	r := &resident{x: machine.New(machine.Start{})}
	_, err := new(writer).written(r, &breaks, nil, false)
	e := newRig(t, echo, nil).engine
	for name, err := range map[string]error{"ours": err, "elsewhere": e.commitBegun(e.shards[0], r, &breaks)} {
		var broken *brokenError
		if !errors.As(err, &broken) {
			t.Errorf("%s: it is %v", name, err)
		}
	}
}

// Starts at once have their bound, and of them a machine its share; who waits is let
// in when a place is free, whoever else is before him.
func TestStartsPassAGate(t *testing.T) {
	flood, other := ownerKey{machine: "flood"}, ownerKey{machine: "other"}
	g := gate{most: 10, by: map[ownerKey]*visits{}}
	in := 0
	for g.enter(t.Context(), flood) == nil {
		in++
	}
	if in < 8 || in > 9 {
		t.Errorf("%d of the flood are in", in)
	}
	for g.taken < 10 {
		if err := g.enter(t.Context(), other); err != nil {
			t.Fatalf("the other's with %d in: %v", g.taken, err)
		}
	}
	if err := g.enter(t.Context(), other); !errors.Is(err, ErrBusy) {
		t.Errorf("where all are taken: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.enter(gone, other); !errors.Is(err, context.Canceled) {
		t.Errorf("one who goes away: %v", err)
	}
	for range in {
		g.leave(flood)
	}
	if err := g.enter(t.Context(), flood); err != nil {
		t.Errorf("after the others: %v", err)
	}
	g.leave(flood)
	for g.taken > 0 {
		g.leave(other)
	}
	if len(g.by) != 0 || len(g.line) != 0 {
		t.Errorf("%d machines and %d who wait are left", len(g.by), len(g.line))
	}
}
