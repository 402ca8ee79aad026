package embedded

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/backstep/backstep/internal/store"
)

// leases are the rows of the lease table in memory. A fenced commit holds them
// for reading and a change of hands for writing, until it can be seen.
type leases struct {
	mu   sync.RWMutex
	rows map[store.Shard]store.Lease
}

// lock holds the leases as the batch needs them.
func (l *leases) lock(b *store.Batch) (unlock func()) {
	switch {
	case len(b.Leases) > 0:
		l.mu.Lock()
		return l.mu.Unlock
	case b.Fence != nil || len(b.ExpectLeases) > 0:
		l.mu.RLock()
		return l.mu.RUnlock
	}
	return func() {}
}

// fence holds the batch to the epoch of its owner.
func (l *leases) fence(f *store.Fence) error {
	if f == nil {
		return nil
	}
	if row, there := l.rows[f.Shard]; !there || row.Epoch != f.Epoch {
		return fmt.Errorf("shard %d is at epoch %d, not %d: %w", f.Shard, row.Epoch, f.Epoch, store.ErrFenced)
	}
	return nil
}

func (l *leases) expect(expected []store.ExpectLease) error {
	for _, e := range expected {
		if row := l.rows[e.Shard]; row.Epoch != e.Epoch || e.Expires != 0 && row.Expires != e.Expires {
			return fmt.Errorf("lease %d is at epoch %d until %d, not %d until %d: %w", e.Shard, row.Epoch, row.Expires, e.Epoch, e.Expires, store.ErrConflict)
		}
	}
	return nil
}

func (l *leases) put(changed []store.Lease) {
	for _, row := range changed {
		row.Body = bytes.Clone(row.Body)
		l.rows[row.Shard] = row
	}
}

// Leases are the leases of all shards that ever had one, by shard.
func (s *Store) Leases(ctx context.Context) ([]store.Lease, error) {
	return durable(s, ctx, func() ([]store.Lease, error) {
		s.leases.mu.RLock()
		defer s.leases.mu.RUnlock()
		var list []store.Lease
		for _, row := range s.leases.rows {
			list = append(list, row)
		}
		slices.SortFunc(list, func(a, b store.Lease) int { return cmp.Compare(a.Shard, b.Shard) })
		return list, nil
	})
}
