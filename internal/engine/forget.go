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
	gone, err := e.forget(ctx, s, []*resident{r}, ended)
	return gone == 1, err
}

// ForgetMany is Forget for executions of one shard, in one commit. It tells how
// many it took away. Those that somebody else is busy with stay: another time they
// will not be. What can't be read stays, too, and is an error beside the others.
func (e *Engine) ForgetMany(ctx context.Context, ids []store.ID, ended int64) (int, error) {
	if len(ids) == 0 || e.shardOf(ids[0]) == nil {
		return 0, nil
	}
	s := e.shardOf(ids[0])
	held := make([]*resident, 0, len(ids))
	for _, id := range ids {
		if r := s.holdIdle(id); r != nil {
			defer s.release(r)
			held = append(held, r)
		}
	}
	return e.forget(ctx, s, held, ended)
}

// forget takes away those that are held and may go.
func (e *Engine) forget(ctx context.Context, s *shard, held []*resident, ended int64) (int, error) {
	epoch := s.epoch.Load()
	if epoch == 0 {
		return 0, ErrNotReady
	}
	b := new(store.Batch)
	var failed error
	for _, r := range held {
		if err := e.addGone(ctx, b, r, ended); err != nil {
			failed = errors.Join(failed, fmt.Errorf("forget execution %s: %w", r.id, err))
		}
	}
	gone := len(b.DropExecutions)
	if gone == 0 {
		return 0, failed
	}
	err := e.underLease(ctx, s, epoch, b)
	if errors.Is(err, ErrNotReady) {
		return 0, ErrNotReady
	}
	if err != nil {
		return 0, errors.Join(failed, fmt.Errorf("forget %d executions of shard %d: %w", gone, s.number, err))
	}
	e.metrics.Commits.Add(1)
	return gone, failed
}

// addGone has a batch take an execution away, if that may go.
func (e *Engine) addGone(ctx context.Context, b *store.Batch, r *resident, ended int64) error {
	if r.volatile.Load() {
		return nil
	}
	loaded, err := e.cfg.Store.Load(ctx, r.id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	start, head, err := readRow(&loaded.Execution)
	if err != nil {
		return err
	}
	if !head.Status.Ended() || head.Stop > ended || len(loaded.Jobs) > 0 || head.OpenSagas > 0 {
		return nil
	}
	runs, err := e.forsaken(ctx, r.id, &start)
	if err != nil {
		return err
	}
	b.Index = append(b.Index, runs...)
	dropWhole(b, r.id, &start, &head)
	r.x = nil // whatever becomes of the commit
	return nil
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

// dropWhole has a batch take an execution that stands so away. Its name is its own as
// long as the execution is there.
func dropWhole(b *store.Batch, id store.ID, start *machine.Start, head *machine.Head) {
	b.DropExecutions = append(b.DropExecutions, id)
	b.DropNames = append(b.DropNames, nameKey(start))
	b.DropIndex = append(b.DropIndex, Places(id, start, head)...)
	if start.IsRun() {
		b.DropIndex = append(b.DropIndex, forsakenKey(Tenant(start.Account, start.Region), start.At, id))
	}
}
