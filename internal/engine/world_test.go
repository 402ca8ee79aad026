package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/backstep/backstep/internal/value"
)

// everything is a definition that uses each kind of job: a call, a retry, a
// wait, a callback, an activity, branches, a nested execution.
const everything = `{"StartAt":"Call","TimeoutSeconds":100000,"States":{
	"Call":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f"},"Next":"Retry"},
	"Retry":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"fails-once"},
		"Retry":[{"ErrorEquals":["Flaky"],"IntervalSeconds":3,"MaxAttempts":5}],"Next":"Wait"},
	"Wait":{"Type":"Wait","Seconds":7,"Next":"Callback"},
	"Callback":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken","HeartbeatSeconds":600,
		"Parameters":{"FunctionName":"callback"},"Next":"Activity"},
	"Activity":{"Type":"Task","Resource":"arn:aws:states:us-east-1:123456789012:activity:work","TimeoutSeconds":60,
		"Retry":[{"ErrorEquals":["States.Timeout"],"IntervalSeconds":1,"MaxAttempts":3}],"Next":"Both"},
	"Both":{"Type":"Parallel","Next":"Nested","Branches":[
		{"StartAt":"L","States":{"L":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"l"},"End":true}}},
		{"StartAt":"R","States":{"R":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"r"},"End":true}}}]},
	"Nested":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution.sync:2",
		"Parameters":{"StateMachineArn":"child","Input":{"n":1}},"End":true}}}`

// world is a rig with all that everything needs of the outside: handlers, a
// worker, somebody who calls back. It goes on over crashes.
type world struct {
	*rig
	parent, child Machine
	sent          map[string]int // calls by step id
	failed        map[string]bool
	tokens        []string
}

func newWorld(t *testing.T) *world {
	w := &world{sent: map[string]int{}, failed: map[string]bool{}}
	w.rig = newRig(t, w.call, func(c *Config) {
		c.Machines = func(ctx context.Context, account, region, arn string, _ Draw) (Machine, error) {
			if arn != "child" {
				return Machine{}, integration.NewError("StepFunctions.StateMachineDoesNotExistException", arn, integration.EffectNone)
			}
			return w.child, nil
		}
	})
	w.parent, w.child = w.define(everything), w.define(saga(1))
	w.child.Name = "Child"
	return w
}

func (w *world) call(ctx context.Context, t integration.Task) (value.Text, error) {
	w.sent[t.StepID]++
	switch name := t.Request.Decode().Get("FunctionName").AsString(); name {
	case "callback":
		w.tokens = append(w.tokens, t.Token)
	case "fails-once":
		if !w.failed[t.StepID] {
			w.failed[t.StepID] = true
			return value.Text{}, integration.NewError("Flaky", "once", integration.EffectNamed)
		}
	}
	return value.Checked(`{"ok":true}`), nil
}

// run lets the world turn until the execution has ended. Whenever the process
// has crashed, it is started again.
func (w *world) run(id store.ID) machine.Head {
	w.t.Helper()
	for range 200 {
		if w.session.Crashed() {
			w.open()
		}
		w.settle()
		w.outside()
		w.settle()
		if _, h, err := w.engine.Execution(context.Background(), id); err == nil && h.Status.Ended() {
			if w.pass(6 * time.Second); w.session.Crashed() {
				continue
			}
			return h
		}
		w.pass(6 * time.Second)
	}
	w.t.Fatalf("the execution does not end: %s", story(w.history(id)))
	return machine.Head{}
}

// outside does what people and workers do.
func (w *world) outside() {
	for _, token := range w.tokens {
		_ = w.engine.Complete(context.Background(), token, value.Checked(`{"called":"back"}`), nil)
	}
	task, err := w.engine.Poll(context.Background(), "123456789012", "us-east-1", "work", "me", 0)
	if err == nil && task.Token != "" {
		w.tokens = append(w.tokens, task.Token)
	}
}

// history reads an execution's events and holds them to be numbered from 1
// without a gap, in an order that time does not contradict.
func (r *rig) history(id store.ID) []machine.Event { return r.wholeHistory(r.session, id) }

func (r *rig) wholeHistory(s store.Store, id store.ID) []machine.Event {
	r.t.Helper()
	groups, err := s.Events(context.Background(), id, 1, false, 1000)
	if err != nil {
		r.t.Fatal(err)
	}
	var all []machine.Event
	for _, g := range groups {
		events, err := machine.Decode[machine.Events](g.Body)
		if err != nil {
			r.t.Fatal(err)
		}
		if g.First != int64(len(all))+1 {
			r.t.Fatalf("a group begins at event %d, after %d events", g.First, len(all))
		}
		all = append(all, *events...)
	}
	for i, e := range all {
		if e.ID != int64(i)+1 || e.Prev >= e.ID || i > 0 && e.At < all[i-1].At {
			r.t.Fatalf("event %d: id %d, previous %d, at %d", i+1, e.ID, e.Prev, e.At)
		}
	}
	return all
}

// story is the events of a history, in words.
func story(events []machine.Event) string {
	var words []string
	for _, e := range events {
		words = append(words, e.Type.String())
	}
	return strings.Join(words, " ")
}

// sound checks what must hold of the world when everything is over.
func (w *world) sound(id store.ID) {
	w.t.Helper()
	w.plan = nil
	h := w.head(id)
	if h.Status != machine.Succeeded {
		w.t.Fatalf("status %v: %v", h.Status, story(w.history(id)))
	}
	const end = "TaskScheduled TaskStarted TaskSubmitted TaskSucceeded TaskStateExited ExecutionSucceeded"
	if told := story(w.history(id)); !strings.HasSuffix(told, end) {
		w.t.Errorf("the nested execution is told as %s", told)
	}
	ctx := context.Background()
	for _, s := range w.engine.shards {
		jobs, err := w.session.Jobs(ctx, s.number, store.Never, nil, 100)
		if err != nil || len(jobs) > 0 {
			w.t.Errorf("shard %d: jobs %v are left, %v", s.number, jobs, err)
		}
		messages, err := w.session.Messages(ctx, s.number, 100)
		if err != nil || len(messages) > 0 {
			w.t.Errorf("shard %d: messages %v are left, %v", s.number, messages, err)
		}
	}
	queue, err := w.session.Queue(ctx, Tenant("123456789012", "us-east-1"), "work", 10)
	if err != nil || len(queue) > 0 {
		w.t.Errorf("tasks %v are left, %v", queue, err)
	}
	for _, status := range []machine.Status{machine.Running, machine.Succeeded} {
		rows, err := w.session.Index(ctx, store.IndexQuery{
			Tenant: Tenant("123456789012", "us-east-1"), Index: IndexStatus, Value: StatusValue("M", status), Limit: 10})
		if want := map[bool]int{true: 1}[status == machine.Succeeded]; err != nil || len(rows) != want {
			w.t.Errorf("%d executions are listed as %v, not %d; %v", len(rows), status, want, err)
		}
	}
	if len(w.sent) != 6 {
		w.t.Errorf("%d steps were called: %v", len(w.sent), w.sent)
	}
}

func TestEverything(t *testing.T) {
	w := newWorld(t)
	before := w.commits
	id := w.start(w.parent, "a", `{}`).ID
	w.run(id)
	w.sound(id)
	t.Logf("%d commits: %s", w.commits-before, story(w.history(id)))
	for step, n := range w.sent {
		if n > 2 {
			t.Errorf("%s was called %d times", step, n)
		}
	}
}

// startHard starts the execution however often it takes, as a client does.
func (w *world) startHard() store.ID {
	w.t.Helper()
	for range 20 {
		s, err := w.engine.Start(context.Background(), StartRequest{Machine: w.parent, Name: "a", Input: value.Checked(`{}`)})
		if err == nil {
			return s.ID
		}
		if w.session.Crashed() {
			w.open()
		}
		w.pass(time.Second)
	}
	w.t.Fatal("it does not start")
	return store.ID{}
}

// A crash at any commit, made or not, is outlived.
func TestACrashAtEveryCommit(t *testing.T) {
	for n := 1; n < 100; n++ {
		crashed := true
		for _, applied := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d applied=%v", n, applied), func(t *testing.T) {
				w := newWorld(t)
				session := w.session
				session.CrashIn(n, applied)
				id := w.startHard()
				w.run(id)
				crashed = session.Crashed()
				session.CrashIn(0, false)
				w.sound(id)
			})
		}
		if !crashed {
			if n < 20 {
				t.Errorf("the workload has only %d commits", n-1)
			}
			return
		}
	}
}

// Each kind of failure of any commit, but for the process living on, is
// outlived as well.
func TestAFaultAtEveryCommit(t *testing.T) {
	for _, fault := range storetest.Faults("Commit") {
		t.Run(strings.ReplaceAll(fault.Name, ", ", "_"), func(t *testing.T) {
			for n := int64(1); n < 100; n++ {
				w := newWorld(t)
				met := false
				plan := storetest.Nth("Commit", n, fault.Fault)
				w.plan = func(method string, b *store.Batch) storetest.Fault {
					f := plan(method, b)
					met = met || f.Err != nil
					return f
				}
				id := w.startHard()
				w.run(id)
				w.sound(id)
				if t.Failed() {
					t.Fatalf("at commit %d", n)
				}
				if !met {
					return
				}
			}
		})
	}
}

// So is an error of any read.
func TestAFaultAtEveryRead(t *testing.T) {
	methods := []string{"Load", "Payloads", "Execution", "Name", "Jobs", "Queue", "Leases", "Now", "Definition"}
	for _, method := range methods {
		for n := int64(1); n < 40; n++ {
			w := newWorld(t)
			w.rig.adjust = func(old func(*Config)) func(*Config) {
				return func(c *Config) { old(c); c.Limits.Cached = 1 }
			}(w.rig.adjust)
			w.plan = storetest.Nth(method, n, storetest.Fault{Err: storetest.ErrPlain})
			id := w.startHard()
			w.run(id)
			w.sound(id)
			if t.Failed() {
				t.Fatalf("at %s %d", method, n)
			}
		}
	}
}

// A call that was under way when its process died is made again as what it is:
// the same step, sent once more.
func TestACallUnderWayIsSentAgain(t *testing.T) {
	var sent []string
	r := newRig(t, func(_ context.Context, task integration.Task) (value.Text, error) {
		sent = append(sent, fmt.Sprint(task.StepID, " ", task.Attempt))
		return value.Checked(`{}`), nil
	}, nil)
	id := r.start(r.define(saga(2)), "a", `{}`).ID
	r.open() // before its first call
	r.side[0]()
	r.side[1]()
	r.session.CrashIn(1, false)
	r.side[2]() // at the commit of what its second one answered
	r.open()
	r.settle()
	step := machine.ID(id).Step(1)
	next := machine.ID(id).Step(2)
	if want := []string{step + " 2", next + " 1", next + " 2"}; !slices.Equal(sent, want) {
		t.Errorf("sent %v, not %v", sent, want)
	}
	if h := r.head(id); h.Status != machine.Succeeded {
		t.Errorf("%v", h.Status)
	}
}
