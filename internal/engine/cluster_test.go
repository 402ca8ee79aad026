package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/backstep/backstep/internal/value"
)

// cluster is several processes on one disk, turned by hand, one after another.
type cluster struct {
	t     *testing.T
	clock *clock
	nodes []*rig
}

// newCluster starts so many nodes. Each takes its shards before the next comes, so
// that the first owns what the others leave it.
func newCluster(t *testing.T, n int, h handler, adjust func(*Config)) *cluster {
	t.Helper()
	c := &cluster{t: t}
	several := func(cfg *Config) {
		cfg.Exclusive = false
		cfg.Pause = func(_ context.Context, d time.Duration) error {
			c.clock.now.Add(d.Milliseconds())
			c.settle()
			return nil
		}
		if adjust != nil {
			adjust(cfg)
		}
	}
	first := newRig(t, h, several)
	c.clock, c.nodes = first.clock, []*rig{first}
	for range n - 1 {
		c.join(&rig{t: t, clock: first.clock, h: h, adjust: several, disk: first.disk, chance: first.chance})
	}
	return c
}

// join opens a node beside those that are there.
func (c *cluster) join(r *rig) {
	c.t.Helper()
	r.beside()
	c.nodes = append(c.nodes, r)
}

// turn lets each node do what it does from time to time.
func (c *cluster) turn() {
	for _, n := range c.nodes {
		n.turn()
	}
}

// settle runs all that is to be done on any node until nothing is.
func (c *cluster) settle() {
	c.t.Helper()
	for range 100_000 {
		c.turn()
		idle := true
		for _, n := range c.nodes {
			if len(n.side) > 0 {
				f := n.side[0]
				n.side = n.side[1:]
				f()
				idle = false
			}
		}
		if idle {
			return
		}
	}
	c.t.Fatal("the nodes do not come to rest")
}

// pass lets time go by in steps of a second.
func (c *cluster) pass(d time.Duration) {
	for range int(d / time.Second) {
		c.clock.now.Add(1000)
		c.settle()
	}
}

// owner is the node that has an execution's shard, other one that has not.
func (c *cluster) owner(id store.ID) *rig { return c.that(id, true) }
func (c *cluster) other(id store.ID) *rig { return c.that(id, false) }

func (c *cluster) that(id store.ID, owns bool) *rig {
	c.t.Helper()
	for _, n := range c.nodes {
		if n.engine.owns(id) == owns {
			return n
		}
	}
	c.t.Fatalf("no node of which owning %s is %v", id, owns)
	return nil
}

// inbox is how many messages wait for the owners.
func (c *cluster) inbox() (n int) {
	c.t.Helper()
	session := c.nodes[0].disk.Open()
	defer session.Close()
	for shard := range session.Identity().Shards {
		messages, err := session.Messages(context.Background(), store.Shard(shard), 1000)
		if err != nil {
			c.t.Fatal(err)
		}
		n += len(messages)
	}
	return n
}

// asking is a definition that waits for its token, after which comes a call.
const asking = `{"StartAt":"Ask","States":{
	"Ask":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken","HeartbeatSeconds":600,"Parameters":{"FunctionName":"ask"},"Next":"Call"},
	"Call":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f"},"End":true}}}`

// tokens remembers the tokens that a handler was given, by the execution.
type tokens map[string]string

func (k tokens) call(_ context.Context, t integration.Task) (value.Text, error) {
	if t.Token != "" {
		k[t.Execution[strings.LastIndexByte(t.Execution, ':')+1:]] = t.Token
	}
	return value.Checked(`{"ok":true}`), nil
}

// A start on a node that does not own the shard is acknowledged there, seen
// everywhere at once, and gone on with by the owner; said again on any node it has
// the same answer.
func TestStartElsewhere(t *testing.T) {
	c := newCluster(t, 2, echo, nil)
	m := c.nodes[0].define(saga(2))
	ctx := context.Background()
	for i := range 8 {
		r := StartRequest{Machine: m, Name: fmt.Sprint("s", i), Input: value.Checked(`{"x":1}`)}
		a, err := c.nodes[1].engine.Start(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range c.nodes {
			start, h, err := n.engine.Execution(ctx, a.ID)
			if err != nil || h.Status != machine.Running || start.Name != r.Name {
				t.Fatalf("%+v, %v", h, err)
			}
			if told := story(n.history(a.ID)); !strings.HasPrefix(told, "ExecutionStarted TaskStateEntered") {
				t.Errorf("%s", told)
			}
			again, err := n.engine.Start(ctx, r)
			if err != nil || again.ID != a.ID || again.At != a.At || !again.Was {
				t.Errorf("%+v, %v", again, err)
			}
			r := r
			r.Input = value.Checked(`{"x":2}`)
			var taken *NameTakenError
			if _, err := n.engine.Start(ctx, r); !errors.As(err, &taken) || taken.ID != a.ID {
				t.Errorf("%v", err)
			}
		}
	}
	c.settle()
	for i := range 8 {
		id, err := c.nodes[1].engine.Find(ctx, m.Account, m.Region, m.Name, fmt.Sprint("s", i))
		if err != nil || c.nodes[1].head(id).Status != machine.Succeeded {
			t.Errorf("s%d: %v", i, err)
		}
	}
	if n := c.inbox(); n > 0 {
		t.Errorf("%d messages are left", n)
	}
}

// A call of an execution that began elsewhere is sent once: the owner knows that
// nobody has sent it before.
func TestAStartElsewhereSendsOnce(t *testing.T) {
	var sent []int
	c := newCluster(t, 2, func(_ context.Context, task integration.Task) (value.Text, error) {
		sent = append(sent, task.Attempt)
		return value.Checked(`{}`), nil
	}, nil)
	m := c.nodes[0].define(saga(1))
	if _, err := c.nodes[1].engine.Start(context.Background(), StartRequest{Machine: m, Name: "a"}); err != nil {
		t.Fatal(err)
	}
	c.settle()
	if len(sent) != 1 || sent[0] != 1 {
		t.Errorf("sent %v", sent)
	}
}

// An answer is taken by any node, once.
func TestCompleteElsewhere(t *testing.T) {
	for _, failure := range []*machine.Failure{nil, {}} {
		k := tokens{}
		c := newCluster(t, 2, k.call, nil)
		s := c.nodes[0].start(c.nodes[0].define(asking), "a", `{}`)
		c.settle()
		ctx := context.Background()
		if err := c.nodes[1].engine.Complete(ctx, k["a"], value.Checked(`{"n":1}`), failure); err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{1, 0, 1} { // also before the owner has heard of it
			if err := c.nodes[n].engine.Complete(ctx, k["a"], value.Checked(`{"n":2}`), nil); !errors.Is(err, ErrTaskTimedOut) {
				t.Errorf("node %d: %v", n, err)
			}
		}
		c.settle()
		want := "TaskSucceeded TaskStateExited"
		if failure != nil {
			want = "TaskFailed ExecutionFailed"
		}
		if told := story(c.nodes[0].history(s.ID)); strings.Count(told, want) != map[bool]int{true: 2, false: 1}[failure == nil] {
			t.Errorf("%s", told)
		}
		if n := c.inbox(); n > 0 {
			t.Errorf("%d messages are left", n)
		}
		for n, err := range map[string]error{"x": ErrInvalidToken, k["a"]: ErrTaskTimedOut} {
			if got := c.nodes[1].engine.Complete(ctx, n, value.Checked(`{}`), nil); !errors.Is(got, err) {
				t.Errorf("%v, not %v", got, err)
			}
		}
	}
}

// What was acknowledged elsewhere is not overtaken by what the owner does before it
// has heard of it: the answer comes first, whatever it is that comes second.
func TestAnAnswerIsNotOvertaken(t *testing.T) {
	for what, overtake := range map[string]func(c *cluster, id store.ID){
		"stop": func(c *cluster, id store.ID) {
			if _, err := c.nodes[0].engine.Stop(context.Background(), id, machine.Failure{}); err != nil {
				c.t.Error(err)
			}
		},
		"timeout": func(c *cluster, id store.ID) { c.clock.now.Add(3_600_000); c.nodes[0].settle() },
		"takeover": func(c *cluster, id store.ID) {
			c.nodes[0].side, c.nodes = nil, c.nodes[1:]
			c.pass(15 * time.Second)
		},
		"takeover by who reads timers first": func(c *cluster, id store.ID) {
			c.nodes[0].side, c.nodes = nil, c.nodes[1:]
			c.clock.now.Add(3_600_000)
			_ = c.nodes[0].engine.Renew(c.clock.Now())
			c.nodes[0].engine.Fire(c.clock.Now())
			for n := c.nodes[0]; len(n.side) > 0; n.side = n.side[1:] {
				n.side[0]()
			}
			c.settle()
		},
	} {
		t.Run(what, func(t *testing.T) {
			k := tokens{}
			c := newCluster(t, 2, k.call, nil)
			s := c.nodes[0].start(c.nodes[0].define(asking), "a", `{}`)
			c.settle()
			if err := c.nodes[1].engine.Complete(context.Background(), k["a"], value.Checked(`{"n":1}`), nil); err != nil {
				t.Fatal(err)
			}
			overtake(c, s.ID)
			c.settle()
			if told := story(c.nodes[len(c.nodes)-1].history(s.ID)); !strings.Contains(told, "TaskSubmitted TaskSucceeded TaskStateExited") {
				t.Errorf("%s", told)
			}
			if n := c.inbox(); n > 0 {
				t.Errorf("%d messages are left", n)
			}
		})
	}
}

// An answer that comes by another node while the call that asked for it is still
// under way is accepted once, and the call's own answer comes too late.
func TestAnAnswerBeforeItsCallHasEnded(t *testing.T) {
	var c *cluster
	c = newCluster(t, 2, func(ctx context.Context, task integration.Task) (value.Text, error) {
		if task.Token != "" {
			other := c.nodes[1].engine
			if err := other.Complete(ctx, task.Token, value.Checked(`{"n":1}`), nil); err != nil {
				t.Error(err)
			}
			if err := other.Complete(ctx, task.Token, value.Checked(`{"n":2}`), nil); !errors.Is(err, ErrTaskTimedOut) {
				t.Error(err)
			}
		}
		return value.Checked(`{}`), nil
	}, nil)
	s := c.nodes[0].start(c.nodes[0].define(asking), "a", `{}`)
	c.settle()
	if h := c.nodes[0].head(s.ID); h.Status != machine.Succeeded {
		t.Errorf("%v", story(c.nodes[0].history(s.ID)))
	}
}

// Of a stop and an answer at once, each on its node, one comes first, and history
// tells of what was acknowledged.
func TestAStopBeforeAnAnswer(t *testing.T) {
	k := tokens{}
	c := newCluster(t, 2, k.call, nil)
	s := c.nodes[0].start(c.nodes[0].define(asking), "a", `{}`)
	c.settle()
	if _, err := c.nodes[0].engine.Stop(context.Background(), s.ID, machine.Failure{}); err != nil {
		t.Fatal(err)
	}
	if err := c.nodes[1].engine.Complete(context.Background(), k["a"], value.Checked(`{}`), nil); !errors.Is(err, ErrTaskTimedOut) {
		t.Error(err)
	}
	if told := story(c.nodes[0].history(s.ID)); !strings.HasSuffix(told, "TaskSubmitted ExecutionAborted") {
		t.Errorf("%s", told)
	}
}

const manual = `{"StartAt":"Work","States":{"Work":{"Type":"Task","TimeoutSeconds":1000,"HeartbeatSeconds":40,
	"Resource":"arn:aws:states:us-east-1:123456789012:activity:work","End":true}}}`

func (r *rig) taken() PolledTask {
	r.t.Helper()
	task, err := r.engine.Poll(context.Background(), "123456789012", "us-east-1", "work", "me", 0)
	if err != nil {
		r.t.Fatal(err)
	}
	return task
}

// An activity's task is taken, kept alive and done on nodes that do not own its
// execution, in every order in which the owner may hear of that.
func TestAnActivityElsewhere(t *testing.T) {
	for _, heard := range []bool{false, true} {
		for done := range 2 {
			t.Run(fmt.Sprint(heard, done), func(t *testing.T) {
				c := newCluster(t, 2, echo, nil)
				s := c.nodes[0].start(c.nodes[0].define(manual), "a", `{"x":1}`)
				c.settle()
				task := c.nodes[1].taken()
				if task.Token == "" || task.Input.String() != `{"x":1}` {
					t.Fatalf("%+v", task)
				}
				if twice := c.nodes[0].taken(); twice.Token != "" {
					t.Error("it was given to two")
				}
				if heard {
					c.settle()
				}
				ctx := context.Background()
				for range 10 {
					for _, n := range c.nodes[done:] {
						if err := n.engine.Heartbeat(ctx, task.Token); err != nil {
							t.Error(err)
						}
					}
					if heard {
						c.pass(39 * time.Second)
					}
				}
				if err := c.nodes[done].engine.Complete(ctx, task.Token, value.Checked(`{"done":1}`), nil); err != nil {
					t.Fatal(err)
				}
				c.settle()
				want := "ExecutionStarted TaskStateEntered ActivityScheduled ActivityStarted ActivitySucceeded TaskStateExited ExecutionSucceeded"
				if told := story(c.nodes[1].history(s.ID)); told != want {
					t.Errorf("%s", told)
				}
				if err := c.nodes[1].engine.Heartbeat(ctx, task.Token); !errors.Is(err, ErrTaskTimedOut) {
					t.Error(err)
				}
			})
		}
	}
}

// A worker whose task the owner has not heard of yet, because its inbox can't be read,
// is not told that the task is over.
func TestAnUnreadInboxEndsNoTask(t *testing.T) {
	c := newCluster(t, 2, echo, nil)
	s := c.nodes[0].start(c.nodes[0].define(manual), "a", `{}`)
	c.settle()
	task := c.nodes[1].taken()
	c.nodes[0].plan = func(method string, _ *store.Batch) (f storetest.Fault) {
		if method == "Messages" {
			f.Err = storetest.ErrPlain
		}
		return f
	}
	if err := c.nodes[0].engine.Complete(t.Context(), task.Token, value.Checked(`{}`), nil); !errors.Is(err, storetest.ErrPlain) {
		t.Errorf("unread: %v", err)
	}
	c.nodes[0].plan = nil
	if err := c.nodes[0].engine.Complete(t.Context(), task.Token, value.Checked(`{}`), nil); err != nil {
		t.Error(err)
	}
	c.settle()
	if h := c.nodes[0].head(s.ID); h.Status != machine.Succeeded {
		t.Errorf("%v", h.Status)
	}
}

// A heartbeat that is missing is missed, although earlier ones came elsewhere; many
// of them cost little.
func TestHeartbeatsElsewhereCostLittle(t *testing.T) {
	c := newCluster(t, 2, echo, nil)
	s := c.nodes[0].start(c.nodes[0].define(manual), "a", `{}`)
	c.settle()
	task := c.nodes[1].taken()
	c.settle()
	before := c.nodes[1].commits + c.nodes[0].commits
	for range 300 { // ten a second
		c.clock.now.Add(100)
		if err := c.nodes[1].engine.Heartbeat(context.Background(), task.Token); err != nil {
			t.Fatal(err)
		}
		c.nodes[0].settle()
	}
	if n := c.nodes[1].commits + c.nodes[0].commits - before; n > 60 {
		t.Errorf("300 heartbeats were %d commits", n)
	}
	c.pass(39 * time.Second)
	if h := c.nodes[0].head(s.ID); h.Status != machine.Running {
		t.Errorf("it was missed early: %s", story(c.nodes[0].history(s.ID)))
	}
	c.pass(8 * time.Second)
	if h := c.nodes[0].head(s.ID); h.Status != machine.Failed || *h.Error != "States.Timeout" {
		t.Errorf("%+v %s", h, *h.Error)
	}
}

// A heartbeat counts that comes while it can't be told whether one was missed.
func TestAHeartbeatWhileItsTimerFails(t *testing.T) {
	c := newCluster(t, 1, echo, func(cfg *Config) { cfg.Limits.BeatEvery = time.Hour })
	r := c.nodes[0]
	id := r.start(r.define(manual), "a", `{}`).ID
	c.settle()
	task := r.taken()
	c.pass(39 * time.Second)
	c.clock.now.Add(1000)
	r.turn()
	if len(r.side) != 1 {
		t.Fatalf("%d timers have rung", len(r.side))
	}
	if err := r.engine.Heartbeat(t.Context(), task.Token); err != nil {
		t.Fatal(err)
	}
	r.plan = storetest.Nth("Messages", 1, storetest.Fault{Err: storetest.ErrPlain})
	r.side[0]()
	r.side, r.plan = nil, nil
	c.pass(39 * time.Second)
	if h := r.head(id); h.Status != machine.Running {
		t.Errorf("it was missed: %s", story(r.history(id)))
	}
	c.pass(2 * time.Second)
	if h := r.head(id); h.Status != machine.Failed {
		t.Errorf("it is never missed: %v", h.Status)
	}
}

// A heartbeat that was taken on another node, and that one before it stands for, counts
// although the one before was written down.
func TestAHeartbeatBehindOneThatIsWritten(t *testing.T) {
	c := newCluster(t, 2, echo, nil)
	s := c.nodes[0].start(c.nodes[0].define(manual), "a", `{}`)
	c.settle()
	own, other := c.owner(s.ID), c.other(s.ID)
	task := other.taken()
	c.pass(10 * time.Second)
	for range 2 { // the second one is not passed on
		if err := other.engine.Heartbeat(t.Context(), task.Token); err != nil {
			t.Fatal(err)
		}
		c.settle()
		c.clock.now.Add(4900)
	}
	c.pass(34 * time.Second)
	if h := own.head(s.ID); h.Status != machine.Running {
		t.Errorf("it was missed 39 s after it came: %s", story(own.history(s.ID)))
	}
	c.pass(10 * time.Second)
	if h := own.head(s.ID); h.Status != machine.Failed {
		t.Errorf("it is never missed: %v", h.Status)
	}
}

// An express execution runs where it was started, if that node has any shard, else
// where its record's shard is.
func TestExpressElsewhere(t *testing.T) {
	calls := 0
	c := newCluster(t, 2, func(context.Context, integration.Task) (value.Text, error) {
		calls++
		return value.Checked(`{}`), nil
	}, nil)
	m := c.nodes[0].define(saga(1))
	m.Express = true
	s, err := c.nodes[1].engine.StartExpress(context.Background(), StartRequest{Machine: m})
	if err != nil {
		t.Fatal(err)
	}
	c.settle()
	if _, _, err := c.nodes[1].engine.Execution(context.Background(), s.ID); !errors.Is(err, ErrNotFound) || calls != 1 || c.inbox() > 0 {
		t.Errorf("%v, %d calls, %d messages", err, calls, c.inbox())
	}
}

// Mail for an execution that is quarantined waits until it is let go on, and holds
// no other up.
func TestMailForAQuarantined(t *testing.T) {
	k := tokens{}
	c := newCluster(t, 2, k.call, nil)
	m := c.nodes[0].define(asking)
	s := c.nodes[0].start(m, "a", `{}`)
	c.settle()
	ctx := context.Background()
	if err := c.nodes[1].engine.Complete(ctx, k["a"], value.Checked(`{"n":1}`), nil); err != nil {
		t.Fatal(err)
	}
	held := heldBatch(&resident{id: s.ID, held: "for a test", x: &machine.Execution{Start: machine.Start{Account: m.Account, Region: m.Region}}})
	if err := c.nodes[0].session.Commit(ctx, held); err != nil {
		t.Fatal(err)
	}
	own := c.nodes[0].engine.shards[s.ID.Shard()]
	r := own.hold(s.ID)
	r.x = nil
	own.release(r)
	c.settle()
	if n := c.inbox(); n != 1 {
		t.Fatalf("%d messages", n)
	}
	if err := c.nodes[0].engine.Reconsider(s.ID, machine.Resolution{Verb: machine.Retry, Operator: "me"}); err != nil {
		t.Fatal(err)
	}
	c.settle()
	if h := c.nodes[0].head(s.ID); h.Status != machine.Succeeded || c.inbox() > 0 {
		t.Errorf("%s, %d messages", story(c.nodes[0].history(s.ID)), c.inbox())
	}
}

// A decision about a quarantined execution whose shard went just now is made by who
// has it.
func TestADecisionFollowsItsShard(t *testing.T) {
	k := tokens{}
	c := newCluster(t, 2, k.call, nil)
	m := c.nodes[0].define(asking)
	s := c.nodes[0].start(m, "a", `{}`)
	c.settle()
	own, other := c.owner(s.ID), c.other(s.ID)
	of := own.engine.shardOf(s.ID)
	held := heldBatch(&resident{id: s.ID, held: "for a test", x: &machine.Execution{Start: machine.Start{Account: m.Account, Region: m.Region, At: s.At}}})
	if err := own.session.Commit(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	r := of.hold(s.ID)
	r.x = nil
	of.release(r)
	epoch, until := of.epoch.Load(), c.clock.Now()+10_000
	if err := other.engine.claim([]claim{{was: epoch, want: store.Lease{Shard: of.number, Epoch: epoch + 1, Node: "x", Expires: until}}}, until); err != nil {
		t.Fatal(err)
	}
	if err := own.engine.Reconsider(s.ID, machine.Resolution{Verb: machine.Retry, Operator: "me"}); err != nil {
		t.Error(err)
	}
	if rows := other.indexed(IndexQuarantined, ""); len(rows) > 0 {
		t.Errorf("%v", rows)
	}
}
