package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/backstep/backstep/internal/store"
)

// Renew takes the shards that are free to take, and renews the leases on those
// that are ours where a third of their life is over; now is in UTC
// milliseconds. One caller at a time. A shard that was taken is read by the
// next Fire. A node that drains takes none, and keeps those under whose calls it
// waits.
func (e *Engine) Renew(now int64) (err error) {
	if e.ctx.Err() != nil || !e.leasing.TryLock() { // it is closed, or gives shards back
		return nil
	}
	defer e.leasing.Unlock()
	defer func() {
		if err == nil {
			e.looked.Store(e.cfg.Clock.Now())
		}
	}()
	until := e.cfg.Clock.Now() + e.cfg.Limits.Lease.Milliseconds()
	at, err := e.cfg.Store.Now(e.ctx)
	if err != nil {
		return e.storeFailed(fmt.Errorf("read the store's clock: %w", err))
	}
	e.follow(at)
	leases, err := e.cfg.Store.Leases(e.ctx)
	if err != nil {
		return e.storeFailed(fmt.Errorf("read leases: %w", err))
	}
	known := make([]store.Lease, len(e.shards))
	for _, l := range leases {
		if int(l.Shard) < len(known) {
			known[l.Shard] = l
		}
	}
	e.since.CompareAndSwap(0, at)
	share, drains := len(e.shards), e.drained.Load()
	switch {
	case drains:
		share = 0
	case !e.apart():
		sharers, err := e.appear(at)
		if err != nil {
			return e.storeFailed(err)
		}
		share = (share + sharers - 1) / sharers
	}
	if err := e.claimAll(e.wanted(known, at, share), until); err != nil {
		return e.storeFailed(err)
	}
	e.renewed.Store(until)
	e.storeAnswered()
	if e.apart() || drains {
		return nil
	}
	return e.balance(share, at)
}

// claimAll makes claims. Those that another node was faster with are none.
func (e *Engine) claimAll(wanted []claim, until int64) error {
	if len(wanted) == 0 {
		return nil
	}
	err := e.claim(wanted, until)
	if errors.Is(err, store.ErrConflict) && len(wanted) > 1 {
		for _, c := range wanted {
			if err = e.claim([]claim{c}, until); err != nil && !errors.Is(err, store.ErrConflict) {
				break
			}
		}
	}
	if err != nil && !errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("renew leases: %w", err)
	}
	return nil
}

// claim is a lease as this node wants it.
type claim struct {
	was  uint64 // epoch as it stands
	seen int64  // of another's: when it has run out; whoever renews it meanwhile keeps it
	want store.Lease
}

// wanted are the claims to make; at is the store's time. A lease that we held
// and somebody else has by now is lost. Of the free ones so many are wanted as we
// have less than our share, from our own place on, so that two do not want the
// same. While the store refuses its work all
// leases are renewed, so that it shows when it does it again.
func (e *Engine) wanted(known []store.Lease, at int64, share int) []claim {
	life := e.cfg.Limits.Lease.Milliseconds()
	var claims, free []claim
	for i := range known {
		i = (i + e.place) % len(known)
		s, l := e.shards[i], known[i]
		epoch := s.epoch.Load()
		if epoch != 0 && l.Epoch != epoch {
			e.lose(s, epoch)
			epoch = 0
		}
		switch {
		case epoch != 0 && l.Expires-at > life*2/3 && !e.failing.Load():
			continue
		case epoch != 0:
			claims = append(claims, claim{epoch, 0, store.Lease{Shard: s.number, Epoch: epoch, Node: e.cfg.Node, Expires: at + life}})
		case e.cfg.Exclusive || l.Epoch == 0 || l.Node == e.cfg.Node || l.Expires <= at:
			free = append(free, claim{l.Epoch, l.Expires, store.Lease{Shard: s.number, Epoch: l.Epoch + 1, Node: e.cfg.Node, Expires: at + life}})
		}
	}
	room := max(0, share-e.owned())
	return append(claims, free[:min(room, len(free))]...)
}

// claim makes claims, all or none. Until then, by our own clock, nobody else can
// take them.
func (e *Engine) claim(claims []claim, until int64) error {
	var b store.Batch
	for _, c := range claims {
		b.ExpectLeases = append(b.ExpectLeases, store.ExpectLease{Shard: c.want.Shard, Epoch: c.was, Expires: c.seen})
		b.Leases = append(b.Leases, c.want)
	}
	if err := e.cfg.Store.Commit(e.ctx, &b); err != nil {
		return err
	}
	for _, c := range claims {
		e.shards[c.want.Shard].until.Store(until)
		if c.was == c.want.Epoch {
			continue
		}
		if c.was != 0 && !e.cfg.Exclusive {
			e.metrics.LeasesTaken.Add(1)
		}
		e.acquire(e.shards[c.want.Shard], c.want.Epoch)
	}
	return nil
}

// acquire makes a shard ours. What was still put in hand for it after it had gone
// is forgotten: another node may have done it since.
func (e *Engine) acquire(s *shard, epoch uint64) {
	e.passing.Lock()
	defer e.passing.Unlock()
	e.layDown(s)
	s.taken(epoch)
}

// taken has all the shard's jobs read, and its inbox.
func (s *shard) taken(epoch uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recovered.Store(false)
	s.reading, s.again, s.inbox, s.after = true, false, true, nil
	s.mail.reset()
	s.reach.Store(0)
	s.leaving.Store(0)
	s.epoch.Store(epoch)
}

// fencedOff is what to do where the store has refused to write for a lease: another
// node has it.
func (e *Engine) fencedOff(s *shard, epoch uint64) {
	e.metrics.StaleWrites.Add(1)
	e.lose(s, epoch)
}

// underLease commits a batch that belongs to a shard's owner, under the lease of that
// epoch; 0: there is none. ErrNotReady: another node has the shard.
func (e *Engine) underLease(ctx context.Context, s *shard, epoch uint64, b *store.Batch) error {
	if epoch == 0 {
		return ErrNotReady
	}
	b.Fence = &store.Fence{Shard: s.number, Epoch: epoch}
	err := e.cfg.Store.Commit(ctx, b)
	if errors.Is(err, store.ErrFenced) {
		e.fencedOff(s, epoch)
		return ErrNotReady
	}
	return err
}

// lose gives a shard up of which the lease of that epoch is gone. What is in
// memory of it is read again if it comes back; calls under way lose their
// audience.
func (e *Engine) lose(s *shard, epoch uint64) {
	if e.letGo(s, epoch) {
		e.metrics.LeasesLost.Add(1)
		e.cfg.Log.Warn("lost the lease on a shard", "shard", s.number, "epoch", epoch)
	}
}

// letGo makes a shard nobody's in this node's eyes, if it is ours by the lease of
// that epoch.
func (e *Engine) letGo(s *shard, epoch uint64) bool {
	e.passing.Lock()
	defer e.passing.Unlock()
	if !s.epoch.CompareAndSwap(epoch, 0) {
		return false
	}
	s.leaving.Store(0)
	e.layDown(s)
	return true
}

// layDown forgets what is in hand for a shard, but for what is in memory alone.
func (e *Engine) layDown(s *shard) {
	e.alarms.forget(s.number, s.isVolatile)
	e.dispatcher.forget(s.number, s.isVolatile)
}

// lapse gives up the shards whose leases may have run out, by our own clock: we
// could not renew them in time, or stood still.
func (e *Engine) lapse() {
	if e.apart() {
		return
	}
	for _, s := range e.shards {
		if epoch := s.epoch.Load(); epoch != 0 && !e.isSure(s) {
			e.lose(s, epoch)
		}
	}
}

// isVolatile reports whether an execution is in memory alone.
func (s *shard) isVolatile(id store.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.residents[id]
	return r != nil && r.volatile.Load()
}
