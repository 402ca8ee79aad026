package engine

import (
	"context"
	"errors"
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

// replies is how many replies lie in the store.
func (c *cluster) replies() int {
	c.t.Helper()
	session := c.nodes[0].disk.Open()
	defer session.Close()
	docs, err := session.Docs(context.Background(), "", kindReply, "", 100)
	if err != nil {
		c.t.Fatal(err)
	}
	return len(docs)
}

// clean checks that nothing is left of what nodes have said to one another.
func (c *cluster) clean() {
	c.t.Helper()
	if n, m := c.inbox(), c.replies(); n+m > 0 {
		c.t.Errorf("%d messages and %d replies are left", n, m)
	}
}

// What people do to an execution they do on any node, with the same answers.
func TestStopAndRedriveElsewhere(t *testing.T) {
	c := newCluster(t, 2, tokens{}.call, nil)
	id := c.nodes[0].start(c.nodes[0].define(asking), "a", `{}`).ID
	c.settle()
	ctx, other := context.Background(), c.nodes[1].engine
	name := "why"
	var not *NotRedrivableError
	if _, err := other.Redrive(ctx, id, ""); !errors.As(err, &not) {
		t.Errorf("a redrive of what runs: %v", err)
	}
	at, err := other.Stop(ctx, id, machine.Failure{Error: &name})
	h := c.nodes[0].head(id)
	if err != nil || h.Status != machine.Aborted || *h.Error != name || at != h.Stop {
		t.Fatalf("%v, at %d: %+v", err, at, h)
	}
	c.pass(time.Second)
	if again, err := other.Stop(ctx, id, machine.Failure{}); err != nil || again != at {
		t.Errorf("at %d, %v", again, err)
	}
	would, err := other.RedriveWith(ctx, id, "k", nil, true)
	if err != nil || would.At != 0 {
		t.Errorf("%+v, %v", would, err)
	}
	did, err := other.RedriveWith(ctx, id, "k", &machine.Changes{StartAt: "Call", Input: value.Checked(`{"n":1}`)}, false)
	h = c.nodes[0].head(id)
	if err != nil || did.At != h.Redriven || did.At == 0 || len(did.States) != 1 || did.States[0].State != "Call" {
		t.Fatalf("%+v, %v", did, err)
	}
	if again, err := other.Redrive(ctx, id, "k"); err != nil || again != did.At {
		t.Errorf("at %d, %v", again, err)
	}
	c.settle()
	if h = c.nodes[0].head(id); h.Status != machine.Succeeded || h.Redrives != 1 {
		t.Errorf("%+v", h)
	}
	for what, err := range map[string]error{
		"stop": func() error { _, err := other.Stop(ctx, store.ID{1: 1}, machine.Failure{}); return err }(),
		"wait": func() error { _, err := other.Wait(ctx, store.ID{1: 1}, 0, 0); return err }(),
	} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	c.clean()
}

// An order that is carried out by a node that dies before it has told anybody is
// carried out once.
func TestAnOrderIsCarriedOutOnce(t *testing.T) {
	for n := 1; n <= 3; n++ {
		for _, applied := range []bool{false, true} {
			t.Run(fmt.Sprint(n, applied), func(t *testing.T) {
				c := newCluster(t, 2, tokens{}.call, nil)
				id := c.nodes[0].start(c.nodes[0].define(asking), "a", `{}`).ID
				c.settle()
				if _, err := c.nodes[0].engine.Stop(context.Background(), id, machine.Failure{}); err != nil {
					t.Fatal(err)
				}
				c.nodes[0].session.CrashIn(n, applied)
				_, err := c.nodes[1].engine.Redrive(context.Background(), id, "")
				if err != nil && !errors.Is(err, ErrUnanswered) {
					t.Error(err)
				}
				if c.nodes[0].session.Crashed() {
					c.nodes = c.nodes[1:]
				}
				c.pass(20 * time.Second)
				h := c.nodes[len(c.nodes)-1].head(id)
				if n := h.Redrives; n > 1 || err == nil && n != 1 {
					t.Errorf("%d redrives, %v", n, err)
				}
				c.pass(2 * time.Minute)
				if n := c.inbox(); n > 0 {
					t.Errorf("%d messages are left", n)
				}
			})
		}
	}
}

// An order that nobody can carry out is not carried out later.
func TestAnOrderThatIsTooLate(t *testing.T) {
	c := newCluster(t, 2, tokens{}.call, nil)
	id := c.nodes[0].start(c.nodes[0].define(asking), "a", `{}`).ID
	c.settle()
	other := c.nodes[1]
	c.nodes = nil // nobody turns
	if _, err := other.engine.Stop(context.Background(), id, machine.Failure{}); !errors.Is(err, ErrUnanswered) {
		t.Error(err)
	}
	c.nodes = []*rig{other}
	c.pass(20 * time.Second)
	if h := other.head(id); h.Status != machine.Running {
		t.Errorf("%v", h.Status)
	}
	c.clean()
}

// A reply that can't be read for a moment is looked for again; one that can't be read as
// long as it is waited for is none.
func TestAReplyThatCanNotBeReadAtOnce(t *testing.T) {
	c := newCluster(t, 2, tokens{}.call, nil)
	id := c.nodes[0].start(c.nodes[0].define(asking), "a", `{}`).ID
	c.settle()
	other := c.other(id)
	fails := func(reads int) storetest.Plan {
		return func(method string, _ *store.Batch) storetest.Fault {
			if reads--; method != "Doc" || reads < 0 {
				return storetest.Fault{}
			}
			return storetest.Fault{Err: storetest.ErrPlain}
		}
	}
	other.plan = fails(1 << 30)
	if _, err := other.engine.Stop(t.Context(), id, machine.Failure{}); !errors.Is(err, ErrUnanswered) || !errors.Is(err, storetest.ErrPlain) {
		t.Errorf("%v", err)
	}
	other.plan = fails(20)
	if _, err := other.engine.Redrive(t.Context(), id, ""); err != nil {
		t.Error(err)
	}
	if h := other.head(id); h.Status != machine.Running || h.Redrives != 1 {
		t.Errorf("%v", h)
	}
}

// asks is a definition that waits for its token, and then ends.
const asks = `{"StartAt":"Ask","States":{"Ask":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken","Parameters":{"FunctionName":"ask"},"End":true}}}`

// What other nodes have left is heard while all calls that there may be are under way.
func TestMailIsHeardBesideHungCalls(t *testing.T) {
	k := tokens{}
	c := newCluster(t, 2, k.call, func(cfg *Config) { cfg.Limits.Calls = 1 })
	m := c.nodes[0].define(asks)
	id := c.nodes[0].start(m, "a", `{}`).ID
	c.pass(3 * time.Second) // each has its share
	own := c.owner(id)
	own.start(named(m, "Hung"), "", `{}`)
	if len(own.side) != 1 {
		t.Fatalf("%d calls are under way", len(own.side))
	}
	own.side = nil // and nothing is heard of it
	if err := c.other(id).engine.Complete(t.Context(), k["a"], value.Checked(`{}`), nil); err != nil {
		t.Fatal(err)
	}
	c.settle()
	if h := own.head(id); h.Status != machine.Succeeded {
		t.Errorf("%v", h.Status)
	}
}

// Timers are on time while orders wait for nodes that do not answer.
func TestTimersBesideOrdersThatWait(t *testing.T) {
	r := newRig(t, echo, func(c *Config) { c.Limits.Turns = 1 })
	id := r.start(r.define(waiting), "a", `{}`).ID
	waits := &errand{key: store.JobKey{ID: id, Number: 99}, do: func(*Engine, *errand) {}}
	if !r.engine.dispatcher.send(waits, within(&machine.Job{Kind: machine.Unwind}), ownerKey{}) {
		t.Fatal("there is no room for it")
	}
	r.side = nil // it waits
	r.pass(time.Minute)
	if h := r.head(id); h.Status != machine.Succeeded {
		t.Errorf("%v", h.Status)
	}
}

// Who waits on another node hears of an end, of news, and of nothing in time.
func TestWaitElsewhere(t *testing.T) {
	k := tokens{}
	c := newCluster(t, 2, k.call, nil)
	id := c.nodes[0].start(c.nodes[0].define(asking), "a", `{}`).ID
	c.settle()
	ctx, other := context.Background(), c.nodes[1].engine
	stands, err := other.Wait(ctx, id, 0, time.Minute)
	if err != nil || stands.Head.LastEvent == 0 {
		t.Fatalf("%+v, %v", stands, err)
	}
	before := c.clock.Now()
	stands, err = other.Wait(ctx, id, stands.Head.LastEvent, time.Minute)
	if waited := c.clock.Now() - before; err != nil || stands.Head.Status != machine.Running || waited < 59_000 || waited > 61_000 {
		t.Errorf("%v after %d ms, %v", stands.Head.Status, waited, err)
	}
	if err := other.Complete(ctx, k["a"], value.Checked(`{}`), nil); err != nil {
		t.Fatal(err)
	}
	if stands, err = other.Wait(ctx, id, 1<<40, time.Minute); err != nil || stands.Head.Status != machine.Succeeded {
		t.Errorf("%+v, %v", stands, err)
	}
}

// spread has every other shard of the first node go to the second.
func (c *cluster) spread() {
	c.t.Helper()
	a, b := c.nodes[0].engine, c.nodes[1].engine
	for i, s := range a.shards {
		epoch := s.epoch.Load()
		if i%2 == 0 || epoch == 0 {
			continue
		}
		a.lose(s, epoch)
		claimed := []claim{{was: epoch, want: store.Lease{Shard: s.number, Epoch: epoch + 1, Node: b.cfg.Node, Expires: c.clock.Now() + 10_000}}}
		if err := b.claim(claimed, c.clock.Now()+10_000); err != nil {
			c.t.Fatal(err)
		}
	}
}

// Nested executions begin, end, and are stopped with their parents, wherever the
// shards are.
func TestNestedAcrossNodes(t *testing.T) {
	machines := map[string]Machine{}
	c := newCluster(t, 2, echo, func(cfg *Config) {
		cfg.Machines = func(_ context.Context, _, _, arn string, _ Draw) (Machine, error) {
			m, known := machines[arn]
			if !known {
				return m, integration.NewError("StepFunctions.StateMachineDoesNotExistException", arn, integration.EffectNone)
			}
			return m, nil
		}
	})
	c.spread()
	child := c.nodes[0].define(waiting)
	child.Name = "child"
	machines["child"] = child
	m := c.nodes[0].define(calling(".sync:2", `{"StateMachineArn":"child","Input":{"x":1}}`))
	var ids []store.ID
	apart := 0
	for i := range 12 {
		s, err := c.nodes[i%2].engine.Start(context.Background(), StartRequest{Machine: m, Name: fmt.Sprint("p", i)})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, s.ID)
	}
	c.settle()
	for i, id := range ids {
		kid, err := c.nodes[0].engine.Find(context.Background(), child.Account, child.Region, child.Name, machine.ID(id).Step(1))
		if err != nil {
			t.Fatal(err)
		}
		if c.owner(kid) != c.owner(id) {
			apart++
		}
		if i%3 == 0 { // stopped, its child with it
			if _, err := c.nodes[i%2].engine.Stop(context.Background(), id, machine.Failure{}); err != nil {
				t.Fatal(err)
			}
			c.settle()
			if h := c.nodes[0].head(kid); h.Status != machine.Aborted {
				t.Errorf("the child of one that was stopped: %v", h.Status)
			}
		}
	}
	c.pass(70 * time.Second)
	for i, id := range ids {
		if h := c.nodes[0].head(id); i%3 != 0 && h.Status != machine.Succeeded {
			t.Errorf("p%d: %s", i, story(c.nodes[0].history(id)))
		}
	}
	if apart == 0 {
		t.Error("no child was another node's")
	}
	c.clean()
}

const locking = `{"Saga":{},"StartAt":"Pay","States":{"Pay":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"pay"},
	"Compensate":{"Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"refund"}},"SemanticLock":{"Key":"till"},"Next":"Pause"},
	"Pause":{"Type":"Wait","Seconds":1,"Next":"Ship"},
	"Ship":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"ship"},"End":true}}}`

// A lock is one for all nodes: who has it has done with it before the next one gets it.
func TestALockAcrossNodes(t *testing.T) {
	var called []string
	c := newCluster(t, 2, func(_ context.Context, task integration.Task) (value.Text, error) {
		called = append(called, task.Execution)
		return value.Checked(`{}`), nil
	}, nil)
	c.spread()
	m := c.nodes[0].define(locking)
	var ids []store.ID
	for i := range 8 {
		s, err := c.nodes[i%2].engine.Start(context.Background(), StartRequest{Machine: m, Name: fmt.Sprint("l", i)})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, s.ID)
	}
	c.pass(30 * time.Second)
	owners := map[*rig]bool{}
	for _, id := range ids {
		owners[c.owner(id)] = true
		if h := c.nodes[0].head(id); h.Status != machine.Succeeded {
			t.Errorf("%v: %s", h.Status, story(c.nodes[0].history(id)))
		}
	}
	if len(owners) != 2 {
		t.Error("one node owns all of them")
	}
	if inTurn := slices.Compact(slices.Clone(called)); len(called) != 16 || len(inTurn) != 8 {
		t.Errorf("they had it at once: %q", called)
	}
	c.clean()
}

// An order of a version that is not known is left where it lies.
func TestAnOrderOfANewerVersion(t *testing.T) {
	c := newCluster(t, 1, tokens{}.call, nil)
	id := c.nodes[0].start(c.nodes[0].define(asking), "a", `{}`).ID
	m := mail{kind: mailOrder, id: id, text: []byte(`{"v":1,"what":"dance","until":9999999999999}`)}
	if err := c.nodes[0].engine.leave(c.nodes[0].engine.shardOf(id), []byte("k"), &m); err != nil {
		t.Fatal(err)
	}
	c.settle()
	if n := c.inbox(); n != 1 || !strings.Contains(story(c.nodes[0].history(id)), "TaskSubmitted") {
		t.Errorf("%d messages", n)
	}
}

// Mail is read as it was written.
func TestMail(t *testing.T) {
	text := "why"
	id := store.NewID(2, begin, [8]byte{1})
	for _, m := range []mail{
		{kind: mailNews, id: id},
		{kind: mailBegun, id: id},
		{kind: mailAnswered, id: id, row: store.Job{JobKey: store.JobKey{ID: id, Number: 7}, Due: store.Never, Body: []byte("row")},
			message: machine.Message{Kind: machine.JobFailed, Job: 7, Effect: machine.EffectNamed, Failure: &machine.Failure{Error: &text}}},
		{kind: mailWord, id: id, message: machine.Message{Kind: machine.Granted, Output: value.Checked(`"k"`), Worker: "w",
			Claim: &machine.Claim{Execution: machine.ID(id), Job: 3, Saga: 4, Entry: 5, Granted: true}}},
		{kind: mailOrder, id: id, text: []byte(`{}`)},
	} {
		body := m.body()
		got, err := readMail(&store.Message{Shard: 2, Body: body})
		got.lies = store.MessageKey{}
		if err != nil || fmt.Sprintf("%+v", again(got)) != fmt.Sprintf("%+v", again(m)) {
			t.Errorf("%+v, not %+v, %v", got, m, err)
		}
		if m.kind == mailOrder {
			continue
		}
		for n := range body {
			if _, err := readMail(&store.Message{Body: body[:n]}); err == nil {
				t.Errorf("kind %d: %d bytes of %d are read", m.kind, n, len(body))
			}
		}
	}
}

// again is mail without what is the same elsewhere in memory.
func again(m mail) string {
	s := fmt.Sprintf("%d %v %v", m.kind, m.id, m.row)
	if f := m.message.Failure; f != nil {
		s += fmt.Sprint(*f.Error, f.Cause)
	}
	if c := m.message.Claim; c != nil {
		s += fmt.Sprint(*c)
	}
	return s + fmt.Sprint(m.message.Kind, m.message.Job, m.message.Effect, m.message.Output, m.message.Worker, string(m.text))
}
