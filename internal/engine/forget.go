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
// reports whether it did; of an execution that is not there it did not.
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
	if !head.Status.Ended() || head.Stop > ended || len(loaded.Jobs) > 0 {
		return false, nil
	}
	b := goneBatch(id, &start, head.Status)
	b.Fence = &store.Fence{Shard: s.number, Epoch: epoch}
	r.x = nil // whatever becomes of the commit
	err = e.cfg.Store.Commit(ctx, b)
	if errors.Is(err, store.ErrFenced) {
		e.lose(s, epoch)
		return false, ErrNotReady
	}
	if err != nil {
		return false, fmt.Errorf("forget execution %s: %w", id, err)
	}
	e.metrics.Commits.Add(1)
	return true, nil
}

// goneBatch takes an execution of that status away. Its name is its own as long
// as the execution is there.
func goneBatch(id store.ID, start *machine.Start, status machine.Status) *store.Batch {
	b := &store.Batch{DropExecutions: []store.ID{id}, DropNames: []store.NameKey{nameKey(start)}}
	eachList(start, id, func(k store.IndexKey, byStatus string) {
		b.DropIndex = append(b.DropIndex, k)
		if byStatus != "" {
			k.Index, k.Value = byStatus, StatusValue(k.Value, status)
			b.DropIndex = append(b.DropIndex, k)
		}
	})
	return b
}
