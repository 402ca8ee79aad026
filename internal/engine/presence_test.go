package engine

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// owned is how many shards each node has.
func (c *cluster) owned() (all []int) {
	for _, n := range c.nodes {
		all = append(all, n.engine.Load().Shards)
	}
	return all
}

// newcomer is a node beside those of a cluster.
func (c *cluster) newcomer() *rig {
	c.t.Helper()
	of := c.nodes[0]
	r := &rig{t: c.t, clock: of.clock, h: of.h, adjust: of.adjust, disk: of.disk, chance: of.chance}
	c.join(r)
	return r
}

// Shards go evenly to who is there: a node that comes gets its share, the share of
// one that dies is taken within its lease and five seconds although nobody calls,
// and of one that drains at once.
func TestShardsAreShared(t *testing.T) {
	c := newCluster(t, 1, echo, nil)
	if got := fmt.Sprint(c.owned()); got != "[4]" {
		t.Fatal(got)
	}
	c.newcomer()
	c.pass(2 * time.Second)
	if got := fmt.Sprint(c.owned()); got != "[2 2]" {
		t.Fatal(got)
	}
	c.newcomer()
	c.newcomer()
	c.pass(3 * time.Second)
	if got := fmt.Sprint(c.owned()); got != "[1 1 1 1]" {
		t.Fatal(got)
	}
	dead := c.nodes[0]
	c.nodes = c.nodes[1:]
	c.pass(15 * time.Second)
	if got := c.owned(); got[0]+got[1]+got[2] != 4 {
		t.Fatalf("the shard of %s: %v", dead.engine.cfg.Node, got)
	}
	nodes, at, err := c.nodes[0].engine.Nodes(context.Background())
	if err != nil || len(nodes) != 4 || at != c.clock.Now() {
		t.Errorf("%v, %v", nodes, err)
	}
	c.pass(2 * time.Minute)
	if nodes, _, err = c.nodes[0].engine.Nodes(context.Background()); err != nil || len(nodes) != 3 {
		t.Errorf("a node that is long gone is remembered: %v, %v", nodes, err)
	}
	for _, n := range nodes {
		if n.Seen < c.clock.Now()-3000 || n.Since < begin || n.Name == "" {
			t.Errorf("%+v", n)
		}
	}
	done, cancel := context.WithCancel(context.Background())
	cancel()
	leaves := c.nodes[0]
	c.nodes = c.nodes[1:]
	if err := leaves.engine.Drain(done); err != nil {
		t.Fatal(err)
	}
	c.pass(time.Second)
	if got := fmt.Sprint(c.owned()); got != "[2 2]" {
		t.Error(got)
	}
	if nodes, _, err = c.nodes[0].engine.Nodes(context.Background()); err != nil || len(nodes) != 2 {
		t.Errorf("%v, %v", nodes, err)
	}
}

// Who has more than its share gives no shard back under a call: that is sent once.
func TestAShardWithACallStays(t *testing.T) {
	sent := 0
	c := newCluster(t, 1, func(context.Context, integration.Task) (value.Text, error) {
		sent++
		return value.Checked(`{}`), nil
	}, nil)
	first := c.nodes[0]
	m := first.define(saga(1))
	var ids []store.ID
	var held []func()
	for i := range 16 {
		ids = append(ids, first.start(m, fmt.Sprint("c", i), `{}`).ID)
	}
	held, first.side = first.side, nil // the calls are about to be made
	for _, er := range first.engine.dispatcher.errands {
		first.engine.dispatcher.underway(er, context.Background())
	}
	c.newcomer()
	c.pass(3 * time.Second)
	if got := fmt.Sprint(c.owned()); got != "[4 0]" {
		t.Errorf("shards went under their calls: %s", got)
	}
	for _, f := range held {
		f()
	}
	c.pass(3 * time.Second)
	if got := fmt.Sprint(c.owned()); got != "[2 2]" {
		t.Error(got)
	}
	c.pass(10 * time.Second)
	for _, id := range ids {
		if h := c.nodes[0].head(id); h.Status != machine.Succeeded {
			t.Errorf("%v", h.Status)
		}
	}
}

// A node that stood still past its lease acts on nothing any more, writes nothing,
// and is as good as any other when it goes on.
func TestANodeThatStoodStill(t *testing.T) {
	k := tokens{}
	c := newCluster(t, 2, k.call, nil)
	sleeper := c.nodes[0]
	m := sleeper.define(asking)
	id := sleeper.start(m, "a", `{}`).ID
	c.settle()
	if !sleeper.engine.owns(id) {
		sleeper = c.nodes[1]
	}
	awake := c.other(id)
	c.nodes = []*rig{awake}
	c.pass(20 * time.Second)
	if !awake.engine.owns(id) {
		t.Fatal("nobody took the shard")
	}
	before := awake.head(id).LastEvent
	if err := sleeper.engine.Complete(context.Background(), k["a"], value.Checked(`{"n":1}`), nil); err != nil {
		t.Error(err) // it answers as any node
	}
	if h := awake.head(id); h.LastEvent != before {
		t.Error("it wrote to what is another's")
	}
	sleeper.engine.Fire(sleeper.engine.Now())
	if sleeper.engine.Load().Shards != 0 {
		t.Error("it still acts")
	}
	c.nodes = []*rig{awake, sleeper}
	c.pass(5 * time.Second)
	if h := awake.head(id); h.Status != machine.Succeeded {
		t.Errorf("%s", story(awake.history(id)))
	}
	if got := c.owned(); got[0]+got[1] != 4 || got[0] != 2 {
		t.Errorf("%v", got)
	}
}

// A write that was on its way when the shard went is refused, counted, and made
// good by the same call elsewhere.
func TestAWriteOnItsWayIsRefused(t *testing.T) {
	k := tokens{}
	c := newCluster(t, 2, k.call, nil)
	id := c.nodes[0].start(c.nodes[0].define(asking), "a", `{}`).ID
	c.settle()
	own, other := c.owner(id), c.other(id)
	s := own.engine.shardOf(id)
	epoch := s.epoch.Load()
	if err := other.engine.claim([]claim{{was: epoch, want: store.Lease{Shard: s.number, Epoch: epoch + 1, Node: "x", Expires: c.clock.Now() + 10_000}}}, c.clock.Now()+10_000); err != nil {
		t.Fatal(err)
	}
	if err := own.engine.Complete(context.Background(), k["a"], value.Checked(`{}`), nil); err != nil {
		t.Error(err)
	}
	if n := own.engine.Metrics().StaleWrites.Load(); n != 1 {
		t.Errorf("%d writes were refused", n)
	}
	c.settle()
	if h := other.head(id); h.Status != machine.Succeeded {
		t.Errorf("%s", story(other.history(id)))
	}
}

// A node among others is ready as long as it renews its leases in time, whatever
// shards it has.
func TestReadyAmongOthers(t *testing.T) {
	c := newCluster(t, 2, echo, nil)
	for _, n := range c.nodes {
		if !n.engine.Ready() {
			t.Error("a node is not ready")
		}
	}
	c.clock.now.Add(11_000)
	if c.nodes[0].engine.Ready() {
		t.Error("a node is ready that did not renew its leases")
	}
	c.turn()
	if !c.nodes[0].engine.Ready() {
		t.Error("it is ready again")
	}
	done, cancel := context.WithCancel(context.Background())
	cancel()
	if err := c.nodes[0].engine.Drain(done); err != nil || c.nodes[0].engine.Ready() {
		t.Error(err)
	}
	if _, err := c.nodes[0].engine.Start(context.Background(), StartRequest{}); !errors.Is(err, ErrNotReady) {
		t.Error(err)
	}
}
