package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// Forget takes away all that is kept of an execution, its name among it, if it
// ended at or before that time, UTC ms, and owes nobody anything any more. It
// reports whether it did; of an execution that is not there it did not. The map
// runs that it has started are forsaken by it, each a row of [IndexForsaken]: in
// the same commit, so that nobody can redrive what begins to be taken away.
// ErrNotReady: the execution is another node's.
func (e *Engine) Forget(ctx context.Context, id store.ID, ended int64) (bool, error) {
	s := e.shardOf(id)
	if s == nil {
		return false, nil
	}
	r := s.hold(id)
	defer s.release(r)
	epoch := s.epoch.Load()
	switch {
	case r.volatile.Load():
		return false, nil
	case epoch == 0:
		return false, ErrNotReady
	}
	loaded, err := e.cfg.Store.Load(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("forget execution %s: %w", id, err)
	}
	start, head, err := readRow(&loaded.Execution)
	if err != nil {
		return false, fmt.Errorf("forget execution %s: %w", id, err)
	}
	if !head.Status.Ended() || head.Stop > ended || len(loaded.Jobs) > 0 || head.OpenSagas > 0 {
		return false, nil
	}
	b := goneBatch(id, &start, &head)
	if b.Index, err = e.forsaken(ctx, id, &start); err != nil {
		return false, fmt.Errorf("forget execution %s: %w", id, err)
	}
	b.Fence = &store.Fence{Shard: s.number, Epoch: epoch}
	r.x = nil // whatever becomes of the commit
	err = e.cfg.Store.Commit(ctx, b)
	if errors.Is(err, store.ErrFenced) {
		e.fencedOff(s, epoch)
		return false, ErrNotReady
	}
	if err != nil {
		return false, fmt.Errorf("forget execution %s: %w", id, err)
	}
	e.metrics.Commits.Add(1)
	return true, nil
}

// forsaken are the rows that name the map runs of an execution that is about to
// go.
func (e *Engine) forsaken(ctx context.Context, id store.ID, start *machine.Start) (rows []store.Index, err error) {
	q := store.IndexQuery{Tenant: Tenant(start.Account, start.Region), Index: IndexMapRuns, Value: id.String(), Limit: e.cfg.Limits.Page}
	for {
		runs, err := e.cfg.Store.Index(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range runs {
			rows = append(rows, store.Index{IndexKey: forsakenKey(q.Tenant, runs[i].Start, runs[i].ID), Body: []byte{forsakenEncoding}})
		}
		if len(runs) < q.Limit {
			return rows, nil
		}
		q.After = &runs[len(runs)-1].IndexKey
	}
}

const forsakenEncoding = 1

func forsakenKey(tenant string, at int64, run store.ID) store.IndexKey {
	return store.IndexKey{Tenant: tenant, Index: IndexForsaken, Start: at, ID: run}
}

// goneBatch takes an execution that stands so away. Its name is its own as long
// as the execution is there.
func goneBatch(id store.ID, start *machine.Start, head *machine.Head) *store.Batch {
	b := &store.Batch{DropExecutions: []store.ID{id}, DropNames: []store.NameKey{nameKey(start)}, DropIndex: Places(id, start, head)}
	if start.IsRun() {
		b.DropIndex = append(b.DropIndex, forsakenKey(Tenant(start.Account, start.Region), start.At, id))
	}
	return b
}
