package sim

import (
	"context"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// Who may write (I11): a shard's rows are written under the epoch of the lease
// that is the shard's by then, by the process that took it. The book knows every
// lease from the commit that took it, whatever the store lets by.

// mayWrite holds a commit that was made against the leases.
func (p *process) mayWrite(b *store.Batch) {
	w := p.w
	if b.Fence == nil {
		return
	}
	l := w.book.leases[b.Fence.Shard]
	switch {
	case l.Epoch != b.Fence.Epoch:
		w.failf("I11", store.ID{}, "%s writes to shard %d under epoch %d, and its lease is of epoch %d", p.name, l.Shard, b.Fence.Epoch, l.Epoch)
	case w.cluster && l.Node != p.name:
		w.failf("I11", store.ID{}, "%s writes to shard %d, whose lease is %s's", p.name, l.Shard, l.Node)
	}
}

// fenced notes a commit that was refused for its epoch.
func (p *process) fenced() {
	w := p.w
	if w.saw(fencedCommit); p.fainted {
		w.saw(zombieRefused)
	}
}

// owns reports whether a shard is the process's by what is durable.
func (p *process) owns(s store.Shard) bool {
	return !p.w.cluster || p.w.book.leases[s].Node == p.name
}

// lease enters a lease: epochs only grow, and each is one process's.
func (b *book) lease(l store.Lease) {
	w := b.w
	was := b.leases[l.Shard]
	switch {
	case l.Epoch < was.Epoch, l.Epoch > was.Epoch+1:
		w.failf("I11", store.ID{}, "the lease on shard %d goes from epoch %d to %d", l.Shard, was.Epoch, l.Epoch)
	case l.Epoch == was.Epoch && l.Node != was.Node:
		w.failf("I11", store.ID{}, "epoch %d of shard %d was %s's, and is %s's", l.Epoch, l.Shard, was.Node, l.Node)
	}
	b.leases[l.Shard] = l
	if !w.cluster || was.Epoch == 0 || was.Node == l.Node {
		return
	}
	if was.Expires > w.now && w.processOf(l.Node) != nil { // and no thief, which there is in other worlds
		w.failf("I11", store.ID{}, "%s takes shard %d, which is %s's for %d ms", l.Node, l.Shard, was.Node, was.Expires-w.now)
	}
	w.saw(takenOver)
	idle := true
	for _, one := range b.order {
		if one.id.Shard() == l.Shard && !one.start.Express && (!one.head.Status.Ended() || len(one.jobs) > 0) {
			idle = false
			b.takenOver(one)
		}
	}
	if idle {
		w.saw(idleTakenOver)
	}
}

// processOf is the process that runs under a name, nil where none does.
func (w *world) processOf(name string) *process {
	for _, n := range w.nodes {
		if n.process != nil && n.process.name == name {
			return n.process
		}
	}
	return nil
}

// inherit leaves leases of a node of which nobody knows any more: they run out at
// different times, so that the shards come to different nodes.
func (w *world) inherit() {
	var b store.Batch
	for s := range store.Shard(w.plan.shards) {
		l := store.Lease{Shard: s, Epoch: 1, Node: "z", Expires: w.now + w.storm.span(0, 20_000)}
		b.Leases = append(b.Leases, l)
		w.book.leases[s] = l
	}
	if err := w.reader.Commit(context.Background(), &b); err != nil {
		w.fail("L3", store.ID{}, "leases can't be left: "+err.Error())
	}
}

// takenOver notes what an execution was in the middle of whose shard goes to
// another node.
func (b *book) takenOver(l *life) {
	w := b.w
	if l.head.Aborting != 0 || l.isUndoing() {
		w.saw(takeoverUndoing)
	}
	if l.head.OpenHolds > 0 {
		w.saw(takeoverHeld)
	}
	if l.start.IsRun() {
		w.saw(takeoverOfRun)
	}
	for _, j := range l.jobs {
		switch {
		case j.Kind == machine.Call && !j.Submitted:
			w.saw(takeoverOfCall)
		case j.Kind == machine.Timer && j.Due <= w.now:
			w.saw(takeoverTimerDue)
		case j.Kind == machine.Timer:
			w.saw(takeoverOfTimer)
		case j.Kind == machine.Activity && j.Taken, j.Kind == machine.Call && j.Submitted:
			w.saw(takeoverOfTask)
		case j.Kind == machine.Activity:
			w.saw(takeoverOfQueued)
		case j.Kind == machine.Child:
			w.saw(takeoverOfChild)
		case j.Kind == machine.Tell:
			w.saw(takeoverTelling)
		}
	}
}

// isUndoing reports whether an order's saga goes back, step by step.
func (l *life) isUndoing() bool {
	if l.start.Machine != orderName {
		return false
	}
	for _, f := range l.frames {
		if undoes[f.State] != "" {
			return true
		}
	}
	return false
}

// hint has the nodes look at what was left for them: soon, or if the hint is
// lost, when they look anyway.
func (w *world) hint() {
	if !w.cluster {
		return
	}
	for _, n := range w.nodes {
		p := n.process
		if p == nil || p.dead || w.strikes(hintLost) {
			continue
		}
		w.scatter(w.storm.span(1, 50), p, func() {
			p.looks = true
			if p.engine != nil {
				p.fire()
			}
		})
	}
}
