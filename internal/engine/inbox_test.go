package engine

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/backstep/backstep/internal/value"
)

// An answer that ends what waits for another answer finds that one's job gone, where
// it was brought to another node too: the execution goes on all the same, and the
// answer that came second is for nobody.
func TestAnAnswerEndsWhatWasAnswered(t *testing.T) {
	const both = `{"StartAt":"Both","States":{"Both":{"Type":"Parallel","End":true,"Branches":[` +
		`{"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken","Parameters":{"FunctionName":"a"},"End":true}}},` +
		`{"StartAt":"B","States":{"B":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken","Parameters":{"FunctionName":"b"},"End":true}}}]}}}`
	k := tokens{}
	c := newCluster(t, 2, func(_ context.Context, task integration.Task) (value.Text, error) {
		k[task.Request.Decode().Get("FunctionName").AsString()] = task.Token
		return value.Checked(`{}`), nil
	}, nil)
	s := c.nodes[0].start(c.nodes[0].define(both), "x", `{}`)
	c.settle()
	ctx := context.Background()
	if err := c.other(s.ID).engine.Complete(ctx, k["a"], value.Text{}, &machine.Failure{}); err != nil {
		t.Fatal(err)
	}
	if err := c.other(s.ID).engine.Complete(ctx, k["b"], value.Checked(`{}`), nil); err != nil {
		t.Fatal(err)
	}
	c.settle()
	if h := c.nodes[0].head(s.ID); h.Status != machine.Failed || c.inbox() > 0 {
		t.Errorf("%s, %d messages", story(c.nodes[0].history(s.ID)), c.inbox())
	}
}

// What was brought to another node is heard although the inbox could not be read
// when the execution was: it is read again then, and not taken for complete.
func TestAnInboxThatCouldNotBeRead(t *testing.T) {
	c := newCluster(t, 2, echo, nil)
	s := c.nodes[0].start(c.nodes[0].define(manual), "x", `{}`)
	c.settle()
	ctx := context.Background()
	owner, other := c.owner(s.ID), c.other(s.ID)
	if err := other.engine.Complete(ctx, other.taken().Token, value.Checked(`{}`), nil); err != nil {
		t.Fatal(err)
	}
	own := owner.engine.shards[s.ID.Shard()]
	r := own.hold(s.ID)
	r.x = nil
	own.release(r)
	owner.plan = storetest.Nth("Messages", 1, storetest.Fault{Err: storetest.ErrPlain})
	if _, err := owner.engine.Stop(ctx, s.ID, machine.Failure{}); !errors.Is(err, storetest.ErrPlain) {
		t.Fatal(err)
	}
	c.settle()
	if told := story(c.nodes[0].history(s.ID)); !strings.HasSuffix(told, "ActivityStarted ActivitySucceeded TaskStateExited ExecutionSucceeded") || c.inbox() > 0 {
		t.Errorf("%s, %d messages", told, c.inbox())
	}
}

// Who loses the shard while it reads the inbox for an execution does not read the
// same messages for ever.
func TestAnInboxOfALostShard(t *testing.T) {
	k := tokens{}
	c := newCluster(t, 2, k.call, func(cfg *Config) { cfg.Limits.Page = 1 })
	s := c.nodes[0].start(c.nodes[0].define(asking), "x", `{}`)
	c.settle()
	ctx := context.Background()
	owner := c.owner(s.ID)
	if err := c.other(s.ID).engine.Complete(ctx, k["x"], value.Checked(`{}`), nil); err != nil {
		t.Fatal(err)
	}
	own := owner.engine.shards[s.ID.Shard()]
	r := own.hold(s.ID)
	r.x = nil
	own.release(r)
	reads := 0
	owner.plan = func(method string, _ *store.Batch) storetest.Fault {
		return storetest.Fault{Wait: func() {
			if method != "Messages" {
				return
			}
			if reads++; reads > 10 {
				panic("it is read again and again")
			}
			owner.engine.lose(own, own.epoch.Load())
		}}
	}
	if _, err := owner.engine.stopFor(s.ID, machine.Failure{}, nil); !errors.Is(err, ErrNotReady) {
		t.Errorf("%v", err)
	}
	owner.plan = nil
	c.settle()
	if h := c.nodes[0].head(s.ID); h.Status != machine.Succeeded || c.inbox() > 0 {
		t.Errorf("%s, %d messages", story(c.nodes[0].history(s.ID)), c.inbox())
	}
}

// News for a parent whose shard was lost meanwhile is left for who has it then.
func TestNewsForALostShard(t *testing.T) {
	c := newCluster(t, 1, echo, nil)
	owner := c.nodes[0]
	s := owner.start(owner.define(saga(1)), "x", `{}`)
	own := owner.engine.shards[s.ID.Shard()]
	owner.engine.lose(own, own.epoch.Load())
	commits := owner.commits
	child := &machine.Ending{Start: machine.Start{Parent: &machine.Parent{ID: machine.ID(s.ID), Job: 1}}}
	if err := owner.engine.tellParent(child, []store.MessageKey{{Shard: s.ID.Shard(), Seq: 1}}); !errors.Is(err, errElsewhere) || owner.commits != commits {
		t.Errorf("%v, and it commits %d times", err, owner.commits-commits)
	}
}
