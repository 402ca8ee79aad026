package engine

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// nextVersion is the store as a node of the version after this one uses it: it leaves
// mail in the next encoding, and reads both.
type nextVersion struct{ store.Store }

const nextEncoding = mailEncoding + 1

func (n nextVersion) Commit(ctx context.Context, b *store.Batch) error {
	after := *b
	after.Messages = nil
	for _, m := range b.Messages {
		m.Body = append([]byte(nil), m.Body...)
		if m.Body[0] == mailEncoding {
			m.Body[0] = nextEncoding
		}
		after.Messages = append(after.Messages, m)
	}
	return n.Store.Commit(ctx, &after)
}

func (n nextVersion) Messages(ctx context.Context, shard store.Shard, most int) ([]store.Message, error) {
	messages, err := n.Store.Messages(ctx, shard, most)
	for i := range messages {
		if b := append([]byte(nil), messages[i].Body...); len(b) > 0 && b[0] == nextEncoding {
			b[0] = mailEncoding
			messages[i].Body = b
		}
	}
	return messages, err
}

// twoVersions is a node of this version, and one of the next.
func twoVersions(t *testing.T, h handler) (c *cluster, now, next *rig) {
	t.Helper()
	opened := 0
	c = newCluster(t, 2, h, func(cfg *Config) {
		if opened++; opened == 2 {
			cfg.Store = nextVersion{cfg.Store}
		}
	})
	c.pass(30 * time.Second) // each has its share
	return c, c.nodes[0], c.nodes[1]
}

// begun starts an execution in a shard of a node's, and has it wait for its token.
func (c *cluster) begun(of *rig, prefix string) (name string, id store.ID) {
	c.t.Helper()
	m := of.define(asking)
	for i := range 100 {
		name = fmt.Sprint(prefix, i)
		if s := of.start(m, name, `{}`); c.owner(s.ID) == of {
			c.settle()
			return name, s.ID
		}
	}
	c.t.Fatal("no shard is the node's")
	return "", store.ID{}
}

// What a version leaves for the one after it is heard there.
func TestMailForTheNextVersion(t *testing.T) {
	k := tokens{}
	c, now, next := twoVersions(t, k.call)
	name, id := c.begun(next, "a")
	left := next.engine.Metrics().MailLeft.Load()
	if err := now.engine.Complete(t.Context(), k[name], value.Checked(`{"n":1}`), nil); err != nil {
		t.Fatal(err)
	}
	c.settle()
	if h := next.head(id); h.Status != machine.Succeeded || next.engine.Metrics().MailLeft.Load() > left {
		t.Errorf("%s: %s", h.Status, story(next.history(id)))
	}
}

// What the next version leaves in an encoding that this one can't read is left where it
// lies and counted; the rest goes on. What waits for it is neither gone on with nor
// given up, however long that takes, until a node that can read it has the shard.
func TestMailOfTheNextVersion(t *testing.T) {
	k := tokens{}
	c, now, next := twoVersions(t, k.call)
	name, id := c.begun(now, "a")
	if err := next.engine.Complete(t.Context(), k[name], value.Checked(`{"n":1}`), nil); err != nil {
		t.Fatal(err)
	}
	c.settle()
	c.pass(700 * time.Second) // more than its heartbeat
	lies := c.inbox()
	if h := next.head(id); h.Status != machine.Running || lies == 0 || now.engine.Metrics().MailLeft.Load() == 0 {
		t.Fatalf("%s, %d messages lie, %d were left: %s", h.Status, lies, now.engine.Metrics().MailLeft.Load(), story(next.history(id)))
	}
	if _, err := now.engine.Stop(t.Context(), id, machine.Failure{}); !errors.Is(err, errUnread) {
		t.Errorf("a stop overtakes what was acknowledged: %v", err)
	}
	another, other := c.begun(now, "b")
	if err := now.engine.Complete(t.Context(), k[another], value.Checked(`{"n":2}`), nil); err != nil {
		t.Fatal(err)
	}
	c.settle()
	if h := now.head(other); h.Status != machine.Succeeded {
		t.Errorf("what has nothing to do with it: %s", h.Status)
	}
	now.engine.Close() // to be upgraded
	c.nodes = []*rig{next}
	c.pass(30 * time.Second)
	if h := next.head(id); h.Status != machine.Succeeded || c.inbox() > 0 {
		t.Errorf("after the upgrade: %s, %d messages: %s", h.Status, c.inbox(), story(next.history(id)))
	}
}
