package engine

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/backstep/backstep/internal/value"
)

// two are two processes on one disk, by turns.
func two(t *testing.T) (a, b *rig) {
	several := func(c *Config) { c.Exclusive, c.OwnOnly = false, true }
	a = newRig(t, echo, several)
	b = &rig{t: t, clock: a.clock, h: echo, adjust: several, disk: a.disk, chance: a.chance}
	return a, b
}

// join opens a process beside the other.
func (r *rig) join() {
	r.t.Helper()
	r.session = r.disk.Open()
	r.store = r.session
	e, err := Open(context.Background(), Config{
		Store: r.session, Clock: r.clock, Entropy: r.chance, OwnOnly: true, Spawn: func(f func()) { r.side = append(r.side, f) },
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.engine = e
	r.turn()
}

// A node takes the shards of one that is gone when its leases have run out, and
// what the other still tries to write is refused.
func TestTakeover(t *testing.T) {
	a, b := two(t)
	m := a.define(waiting)
	id := a.start(m, "a", `{}`).ID
	b.join()
	if n := b.engine.Load().Shards; n != 0 || b.engine.Ready() {
		t.Errorf("%d shards were stolen", n)
	}
	for range 10 { // a lives and renews
		a.clock.now.Add(3000)
		a.turn()
		b.turn()
	}
	if a.engine.Load().Shards != 4 || b.engine.Load().Shards != 0 {
		t.Errorf("%d and %d shards", a.engine.Load().Shards, b.engine.Load().Shards)
	}
	b.pass(15 * time.Second) // a sleeps
	if n := b.engine.Load().Shards; n != 4 {
		t.Errorf("%d shards were taken over", n)
	}
	before := b.head(id)
	if _, err := a.engine.Stop(context.Background(), id, machine.Failure{}); !errors.Is(err, ErrNotReady) {
		t.Errorf("the zombie wrote: %v", err)
	}
	if _, err := a.engine.Start(context.Background(), StartRequest{Machine: m, Name: "z", Input: value.Checked(`{}`)}); err == nil && a.engine.ShardOf(m.Account, m.Region, m.Name, "z") == id.Shard() {
		t.Error("the zombie started")
	}
	if after := b.head(id); after.LastEvent != before.LastEvent {
		t.Error("the zombie's write was taken")
	}
	b.pass(time.Minute)
	if h := b.head(id); h.Status != machine.Succeeded || h.Stop != begin+60_000 {
		t.Errorf("%+v", h)
	}
}

// A node that gives its leases back is followed at once.
func TestGivenBack(t *testing.T) {
	a, b := two(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := a.engine.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	b.join()
	if n := b.engine.Load().Shards; n != 4 || !b.engine.Ready() {
		t.Errorf("%d shards", n)
	}
}

// A child whose parent's shard is another node's leaves word in the inbox.
func TestNewsByInbox(t *testing.T) {
	r, _ := nest(t, func(c *Config) { c.Exclusive, c.OwnOnly = false, true })
	m := r.define(calling(".sync:2", `{"StateMachineArn":"waiting","Input":{"x":1}}`))
	var id store.ID
	for apart := false; !apart; { // until the child is in another shard
		id = r.start(m, "", `{}`).ID
		apart = r.engine.ShardOf(m.Account, m.Region, "waiting", machine.ID(id).Step(1)) != id.Shard()
	}
	r.settle()
	child, err := r.engine.Find(context.Background(), "123456789012", "us-east-1", "waiting", machine.ID(id).Step(1))
	if err != nil {
		t.Fatal(err)
	}
	parent := r.engine.shards[id.Shard()]
	epoch := parent.epoch.Swap(0) // as if another node had it
	r.clock.now.Add(60_000)
	for range 10 {
		r.engine.Fire(r.clock.Now())
		for len(r.side) > 0 {
			f := r.side[0]
			r.side = r.side[1:]
			f()
		}
	}
	if loaded, err := r.session.Load(context.Background(), child); err != nil || len(loaded.Jobs) > 0 {
		t.Errorf("the child still has %v to tell, %v", loaded.Jobs, err)
	}
	messages, err := r.session.Messages(context.Background(), parent.number, 9)
	if err != nil || len(messages) == 0 || r.head(id).Status != machine.Running {
		t.Fatalf("%v, %v", messages, err)
	}
	parent.epoch.Store(epoch)
	r.settle()
	if h := r.head(id); h.Status != machine.Succeeded {
		t.Errorf("%v", h.Status)
	}
	if messages, err := r.session.Messages(context.Background(), parent.number, 9); err != nil || len(messages) > 0 {
		t.Errorf("%v, %v", messages, err)
	}
}

// What is about nobody is dropped from an inbox; what can't be read stays, and
// holds nothing up.
func TestBadNews(t *testing.T) {
	r, _ := nest(t, func(c *Config) { c.Exclusive = false })
	orphan := r.start(r.define(waiting), "a", `{}`).ID
	for _, body := range [][]byte{nil, {9}, append([]byte{1}, make([]byte, 16)...), append([]byte{1}, orphan[:]...)} {
		key := append([]byte("k"), body...)
		if err := r.session.Commit(context.Background(), &store.Batch{Messages: []store.Message{{Shard: 2, Key: key, Body: body}}}); err != nil {
			t.Fatal(err)
		}
	}
	r.settle()
	if messages, err := r.session.Messages(context.Background(), 2, 9); err != nil || len(messages) != 2 || r.engine.Metrics().MailLeft.Load() != 2 {
		t.Errorf("%v, %v", messages, err)
	}
}

// A hint that something is in an inbox is followed; without one it is found as
// well.
func TestHints(t *testing.T) {
	session := storetest.NewMemory(storetest.MemoryOptions{Shards: 8}).Open()
	liveOn(t, session, waiting, echo, func(c *Config) { c.Exclusive = false })
	for n := range 3 {
		message := store.Message{Shard: store.Shard(n), Key: []byte{byte(n + 1)}, Body: append([]byte{1}, make([]byte, 16)...)}
		if err := session.Commit(context.Background(), &store.Batch{Messages: []store.Message{message}}); err != nil {
			t.Fatal(err)
		}
		await(t, func() bool {
			messages, err := session.Messages(context.Background(), message.Shard, 1)
			return err == nil && len(messages) == 0
		})
	}
}

// hinted is a store whose hints are a test's.
type hinted struct {
	store.Store
	hints chan store.Hint
}

func (h hinted) Watch(context.Context) <-chan store.Hint { return h.hints }

// A hint at a shard that there is not is no hint.
func TestAStrangeHint(t *testing.T) {
	h := hinted{storetest.NewMemory(storetest.MemoryOptions{Shards: 8}).Open(), make(chan store.Hint)}
	liveOn(t, h, waiting, echo, nil)
	for range 3 {
		h.hints <- store.Hint{Shard: 999}
	}
}

// What was put in hand for a shard after it had gone is not done when the shard
// comes back: another node may have done it in between, so that a call is one that
// was perhaps sent before.
func TestNothingIsInHandForAShardThatComesBack(t *testing.T) {
	var sent []int
	c := newCluster(t, 1, func(_ context.Context, task integration.Task) (value.Text, error) {
		sent = append(sent, task.Attempt)
		return value.Checked(`{}`), nil
	}, func(c *Config) { c.Limits.CallsPerKind = 1 })
	node := c.nodes[0]
	m := node.define(saga(1))
	node.start(m, "first", `{}`)
	id := node.start(m, "behind", `{}`).ID
	s, r, err := node.engine.awake(id)
	if err != nil {
		t.Fatal(err)
	}
	node.engine.lose(s, s.epoch.Load())
	for _, j := range r.x.Jobs { // as a turn does that was durable before
		node.engine.launch(s, r, j, false)
	}
	s.release(r)
	c.settle()
	if h := node.head(id); h.Status != machine.Succeeded || len(sent) != 2 || slices.Contains(sent, 1) {
		t.Errorf("%v, sent %v", h.Status, sent)
	}
}

// A shard that was taken anew while its jobs were read has not been read by that.
func TestAReadingOfAnEarlierLease(t *testing.T) {
	c := newCluster(t, 1, echo, nil)
	node := c.nodes[0]
	s := node.engine.shards[0]
	s.readAgain()
	node.plan = func(method string, _ *store.Batch) storetest.Fault {
		return storetest.Fault{Wait: func() {
			if method != "Jobs" {
				return
			}
			node.plan = nil
			node.engine.lose(s, s.epoch.Load())
			if err := node.engine.Renew(c.clock.Now()); err != nil {
				t.Error(err)
			}
		}}
	}
	node.engine.Fire(c.clock.Now())
	if s.epoch.Load() == 0 || s.recovered.Load() {
		t.Error("it counts as read")
	}
	c.settle()
	if !s.recovered.Load() {
		t.Error("it is never read")
	}
}
