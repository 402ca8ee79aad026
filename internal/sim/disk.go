package sim

import (
	"context"
	"errors"

	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
)

// observed is the process's store, with somebody who looks at every commit that
// was made.
type observed struct {
	*storetest.Session
	p *process
}

// Commit makes the batch durable and enters it into the book.
func (o *observed) Commit(ctx context.Context, b *store.Batch) error {
	w := o.p.w
	if len(b.Executions) > 0 && b.Fence == nil && !w.begins(b) {
		w.fail("I11", b.Executions[0].ID, "a turn is committed without a fence")
	}
	w.ofOneShard(b)
	err := o.Session.Commit(ctx, b)
	switch {
	case err == nil:
		if w.out.Commits++; len(b.DropMessages) > 0 {
			w.heard++
		}
		o.p.mayWrite(b)
		w.book.enter(b)
	case errors.Is(err, store.ErrFenced):
		o.p.fenced()
	case errors.Is(err, store.ErrConflict), o.p.dead, ctx.Err() != nil:
	default:
		w.fail("I2", store.ID{}, "the store refuses a batch: "+err.Error())
	}
	if o.p.dieAfter {
		o.p.dieAfter = false
		o.p.die()
	}
	if f := o.p.faint; f.ms > 0 && f.at == afterCommit && err == nil && len(b.Executions) > 0 {
		o.p.faint, o.p.fainted = faint{}, true
		o.p.stand(f.ms)
		if o.p.dead {
			return store.ErrUnknown
		}
	}
	return err
}

// plan decides the fault of a call of the store.
func (p *process) plan(method string, b *store.Batch) storetest.Fault {
	w := p.w
	if w.cluster && method != "Identity" {
		if f := p.weather(method, b); f.Err != nil {
			return f
		}
	}
	if w.script.store != nil {
		return w.script.store(p, method, b)
	}
	switch {
	case w.healed || p.dead || method == "Identity":
	case method != "Commit":
		if w.strikes(readError) {
			return storetest.Fault{Err: storetest.ErrPlain}
		}
	case w.strikes(crashBefore):
		p.die()
		return storetest.Fault{Err: store.ErrUnknown}
	case w.strikes(crashAfter):
		p.dieAfter = true
		return storetest.Fault{Err: store.ErrUnknown, Done: true}
	case w.strikes(unknownDone):
		w.sawUnknown(b)
		return storetest.Fault{Err: store.ErrUnknown, Done: true}
	case w.strikes(unknownLost):
		w.sawUnknown(b)
		return storetest.Fault{Err: store.ErrUnknown}
	case w.strikes(writeError):
		if b.Fence != nil && w.plan.often[leaseStolen] > 0 && w.faults.once(6) {
			w.steal(b.Fence) // what cuts a node off from its store lets others take its place
		}
		return storetest.Fault{Err: storetest.ErrPlain}
	case b.Fence != nil && w.strikes(conflictError):
		return storetest.Fault{Err: store.ErrConflict}
	case b.Fence != nil && w.strikes(leaseStolen):
		w.steal(b.Fence)
	}
	return storetest.Fault{}
}

// steal lets another node take the lease on a shard, and vanish.
func (w *world) steal(f *store.Fence) {
	stolen := store.Lease{Shard: f.Shard, Epoch: f.Epoch + 1, Node: "thief", Expires: w.now + w.faults.span(100, 5000)}
	err := w.reader.Commit(context.Background(), &store.Batch{
		ExpectLeases: []store.ExpectLease{{Shard: f.Shard, Epoch: f.Epoch}},
		Leases:       []store.Lease{stolen},
	})
	if err == nil {
		w.book.lease(stolen)
		w.saw(stolenLease)
	}
}

func (w *world) sawUnknown(b *store.Batch) {
	if len(b.Names) > 0 {
		w.saw(unknownStart)
	}
	if len(b.Leases) > 0 {
		w.saw(unknownLease)
	}
	if len(b.DropQueue) > 0 {
		w.saw(unknownTake)
	}
}
