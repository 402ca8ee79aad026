package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// What an execution waits for is read from its rows, as they are durable: a frame
// in which something goes on has a job or a hold, and a job says what the outside
// must do. What this node knows besides, of work in its memory, makes the answer
// nearer; on any other node it is less near, and no less true. service has the
// words for it.

// WaitKind is what kind of thing is waited for.
type WaitKind uint8

// The kinds.
const (
	WaitTurn       WaitKind = iota + 1 // the engine, which does it next
	WaitCall                           // the answer of a call
	WaitPlace                          // a place for a call: its service has as many as it may
	WaitRetry                          // the time of the next try
	WaitTime                           // the time of a Wait
	WaitService                        // what a service has taken and works on
	WaitToken                          // somebody with the task's token
	WaitWorker                         // a worker of an activity who takes the task
	WaitTask                           // the worker who took it
	WaitChild                          // the end of a nested execution
	WaitMapRun                         // the end of a map run
	WaitItems                          // of a map run: its children
	WaitUnwind                         // nested executions that are being undone
	WaitLock                           // a semantic lock
	WaitPerson                         // a person: it is a hold
	WaitQuarantine                     // a person: it can't be decided
	WaitNode                           // a node that has its shard
	WaitInbox                          // the node that has its shard, to hear of an answer that another has taken
	WaitAgain                          // the next time that what could not be stored, or not be told, is tried
	WaitEnd                            // the end of its own time, and nothing else: what it waited for is lost
	WaitNothing                        // it waits for nothing
)

// Wait is one thing that an execution waits for. Texts that do not apply are "",
// numbers 0.
type Wait struct {
	Kind      WaitKind
	State     string
	Operation machine.Operation
	Job       machine.JobID
	Resource  string // of a task
	Target    string // whom its request names: a function, a URL without its query

	Since int64 // UTC ms
	Next  int64 // when something happens by itself: a time, a deadline, the next try; [store.Never]: it does not

	Attempt, Most int // which attempt it is, and of how many; Most 0: of any number
	Tries         int // of WaitAgain

	Running, Room int // of WaitPlace: calls of the service under way, and how many there may be
	Pollers       int // of WaitWorker: those who ask this node for one

	Execution string       // ARN of the child, of the map run, of whoever holds the lock
	Ahead     int          // of WaitLock: claims before this one
	Key       string       // of the lock
	Run       *machine.Run // how a map run stands

	Hold         uint32
	Error, Cause *string
	Verbs        []machine.Verb // that fit the hold

	Shard    store.Shard // of WaitNode
	Node     string      // that had it last, or ""
	Messages int         // that wait in its inbox; as many as a page has at most

	soon int64  // by which they are ordered: when something may come of it
	row  uint32 // of the step that is held
}

// Why is what an execution waits for at one moment.
type Why struct {
	Standing
	Waits []Wait // what is due soonest first; of one that goes on there is at least one
	Node  string // that has its shard; "": none
	Here  bool   // it is this one
}

// Why tells what an execution or a map run waits for, or ErrNotFound. It changes nothing.
func (e *Engine) Why(ctx context.Context, id store.ID) (*Why, error) {
	x, err := e.Holding(ctx, id)
	if err != nil {
		return nil, err
	}
	w := &Why{Standing: x.Standing}
	if err := e.whose(ctx, w, id.Shard()); err != nil {
		return nil, err
	}
	if x.Head.Status.Ended() && x.Head.OpenSagas == 0 {
		return w, nil
	}
	if reason := heldFor(x); reason != "" {
		w.Waits = []Wait{{Kind: WaitQuarantine, Since: x.Head.Now, Next: store.Never, Cause: &reason}}
		return w, nil
	}
	if err := e.readPayloads(ctx, id, x.Execution); err != nil {
		return nil, fmt.Errorf("execution %s: %w", id, err)
	}
	found := witness{Engine: e, ctx: ctx, id: id, x: x, here: w.Here}
	if w.Waits, err = found.all(w.Waits); err != nil {
		return nil, err
	}
	slices.SortStableFunc(w.Waits, func(a, b Wait) int {
		return cmp.Or(cmp.Compare(a.soon, b.soon), cmp.Compare(a.Since, b.Since), cmp.Compare(a.Job, b.Job))
	})
	return w, nil
}

// heldFor is why an execution can't be decided, "" where it can.
func heldFor(x *Saga) string {
	if x.Quarantined == "" && x.Program == nil {
		return "its definition is refused by this server"
	}
	return x.Quarantined
}

// whose finds out which node has the shard. Where none has it, that is what is
// waited for first.
func (e *Engine) whose(ctx context.Context, w *Why, number store.Shard) error {
	s := e.shards[number]
	if s.epoch.Load() != 0 {
		w.Node, w.Here = e.cfg.Node, true
		return nil
	}
	away := Wait{Kind: WaitNode, Shard: number, Since: w.Start.At, Next: store.Never}
	leases, err := e.cfg.Store.Leases(ctx)
	if err != nil {
		return fmt.Errorf("read leases: %w", err)
	}
	now, err := e.cfg.Store.Now(ctx)
	if err != nil {
		return fmt.Errorf("read the store's clock: %w", err)
	}
	for _, l := range leases {
		if l.Shard != number {
			continue
		}
		if l.Expires > now && l.Node != e.cfg.Node {
			w.Node = l.Node
			return nil
		}
		away.Node, away.Since = l.Node, min(l.Expires, now)
	}
	waiting, err := e.cfg.Store.Messages(ctx, number, e.cfg.Limits.Page)
	if err != nil {
		return fmt.Errorf("inbox of shard %d: %w", number, err)
	}
	away.Messages = len(waiting)
	if !w.Head.Status.Ended() || w.Head.OpenSagas > 0 {
		w.Waits = append(w.Waits, away)
	}
	return nil
}
