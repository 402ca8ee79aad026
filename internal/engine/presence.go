package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/backstep/backstep/internal/store"
)

// Nodes know of one another by documents: each writes its own every few seconds,
// with the time of the store's clock. Whose document is older than a lease may
// have shards still, but is given no share of them any more.

// kindNode is the kind of those documents. They have no tenant; their names are
// those of the nodes.
const kindNode = "node"

// nodeVersion is that of a document's body.
const nodeVersion = 1

// Node is a process that uses the store.
type Node struct {
	Name    string `json:"-"`
	Format  int    `json:"v"`
	Version string `json:"version"`
	Address string `json:"address"`
	Since   int64  `json:"since"`  // when it came, UTC ms
	Seen    int64  `json:"seen"`   // when it last said so, by the store's clock, UTC ms
	Shards  int    `json:"shards"` // that were its own then
}

// presence is what this node has told others of itself.
type presence struct {
	rev   uint64
	told  Node
	swept int64 // when what is old was looked for last
}

// presentEvery is how often a node says that it is there, as a part of a lease's
// life.
const presentEvery = 5

// nodesKept is how many leases long a node is remembered that says nothing.
const nodesKept = 10

// Nodes are the nodes that use the store, by their names, and the store's time in
// UTC ms. Some of them may be gone: see how long they have said nothing.
func (e *Engine) Nodes(ctx context.Context) ([]Node, int64, error) {
	at, err := e.cfg.Store.Now(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("read the store's clock: %w", err)
	}
	if e.apart() {
		self := e.self(at)
		return []Node{self}, at, nil
	}
	nodes, err := e.nodes(ctx)
	return nodes, at, err
}

// IsAlive reports whether a node counted as one that takes shards, at the store's
// time now.
func (e *Engine) IsAlive(n *Node, now int64) bool {
	return now-n.Seen < e.cfg.Limits.Lease.Milliseconds()
}

// apart reports whether this node knows of no others.
func (e *Engine) apart() bool { return e.cfg.Exclusive || e.cfg.OwnOnly }

func (e *Engine) self(at int64) Node {
	return Node{
		Name: e.cfg.Node, Format: nodeVersion, Version: e.cfg.Version, Address: e.cfg.Address,
		Since: e.since.Load(), Seen: at, Shards: e.owned(),
	}
}

// owned is how many shards are ours.
func (e *Engine) owned() (n int) {
	for _, s := range e.shards {
		if s.epoch.Load() != 0 {
			n++
		}
	}
	return n
}

func (e *Engine) nodes(ctx context.Context) (nodes []Node, err error) {
	for after := ""; ; {
		docs, err := e.cfg.Store.Docs(ctx, "", kindNode, after, e.cfg.Limits.Page)
		if err != nil {
			return nil, fmt.Errorf("read nodes: %w", err)
		}
		for i := range docs {
			n := Node{Name: docs[i].Name}
			if err := json.Unmarshal(docs[i].Body, &n); err != nil { // it is there, whatever it says
				e.cfg.Log.Warn("what a node says of itself can't be read", "node", n.Name, "error", err)
			}
			nodes = append(nodes, n)
		}
		if len(docs) < e.cfg.Limits.Page {
			return nodes, nil
		}
		after = docs[len(docs)-1].Name
	}
}

// appear says that this node is there, if it is time to or something has changed,
// takes away what is long over, and tells how many nodes share the shards. at is
// the store's time. One caller at a time.
func (e *Engine) appear(at int64) (sharers int, err error) {
	p := &e.presence
	self, life := e.self(at), e.cfg.Limits.Lease.Milliseconds()
	if self.Shards != p.told.Shards || at-p.told.Seen >= life/presentEvery || p.rev == 0 {
		body, err := json.Marshal(&self)
		if err != nil {
			return 0, err
		}
		doc := store.Doc{DocKey: store.DocKey{Kind: kindNode, Name: e.cfg.Node}, Rev: p.rev + 1, Body: body}
		if err := e.cfg.Store.Commit(e.ctx, &store.Batch{Docs: []store.Doc{doc}}); err != nil {
			return 0, fmt.Errorf("say that this node is there: %w", err)
		}
		p.rev, p.told = p.rev+1, self
	}
	nodes, err := e.nodes(e.ctx)
	if err != nil {
		return 0, err
	}
	sharers = 1
	for _, n := range nodes {
		switch silent := at - n.Seen; {
		case n.Name == e.cfg.Node:
		case silent < life:
			sharers++
		case silent > nodesKept*life:
			if err := e.vanish(n.Name); err != nil {
				return 0, err
			}
		}
	}
	if at-p.swept >= time.Minute.Milliseconds() {
		p.swept = at
		err = e.sweepReplies(at)
	}
	return sharers, err
}

// vanish takes a node's document away.
func (e *Engine) vanish(name string) error {
	err := e.cfg.Store.Commit(e.ctx, &store.Batch{DropDocs: []store.DocKey{{Kind: kindNode, Name: name}}})
	if err != nil {
		return fmt.Errorf("forget a node: %w", err)
	}
	return nil
}

// leavePatience is how long calls under way may keep a shard that is to be given
// back, in ms.
const leavePatience = 5000

// balance gives shards back of which this node has more than its share: first they
// get no new calls, and go when those under way have ended. A part of them goes at
// a time, so that who takes them keeps up.
func (e *Engine) balance(share int, at int64) error {
	excess := e.owned() - share
	most := max(1, excess/2)
	for i := len(e.shards) - 1; i >= 0; i-- {
		s := e.shards[i]
		switch {
		case s.epoch.Load() == 0:
		case excess <= 0: // it may stay
			s.leaving.Store(0)
		case excess > 0 && most > 0:
			s.leaving.CompareAndSwap(0, at)
			excess--
			most--
		}
	}
	return e.giveBack(at, func(s *shard) bool {
		since := s.leaving.Load()
		return since != 0 && (at-since >= leavePatience || !e.dispatcher.callsFor(s.number))
	})
}

// giveBack lets other nodes take those of our shards at once that may go. What is
// in hand for them is for the next owner to do.
func (e *Engine) giveBack(at int64, goes func(*shard) bool) error {
	var b store.Batch
	for _, s := range e.shards {
		epoch := s.epoch.Load()
		if epoch == 0 || !goes(s) || !e.letGo(s, epoch) {
			continue
		}
		b.ExpectLeases = append(b.ExpectLeases, store.ExpectLease{Shard: s.number, Epoch: epoch})
		b.Leases = append(b.Leases, store.Lease{Shard: s.number, Epoch: epoch, Node: e.cfg.Node, Expires: at})
	}
	if len(b.Leases) == 0 {
		return nil
	}
	for try := 1; ; try++ { // to give them back twice does no harm
		err := e.cfg.Store.Commit(e.ctx, &b)
		switch {
		case err == nil || errors.Is(err, store.ErrConflict): // one was somebody else's already; the others run out
			return nil
		case try == giveBackTries || e.ctx.Err() != nil:
			return fmt.Errorf("give leases back: %w", err)
		}
	}
}

// giveBackTries is how often it is tried to give shards back. Without that they are
// nobody's until their leases run out.
const giveBackTries = 3

// callsFor reports whether a call is under way for a shard.
func (d *dispatcher) callsFor(s store.Shard) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for k, er := range d.errands {
		if k.ID.Shard() == s && er.cancel != nil && !er.parked {
			return true
		}
	}
	return false
}
