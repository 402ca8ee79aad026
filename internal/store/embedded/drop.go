package embedded

import (
	"bytes"
	"slices"

	"github.com/backstep/backstep/internal/store"
	"github.com/cockroachdb/pebble/v2"
)

// onlyDrops reports whether a batch takes several executions away and writes none.
func onlyDrops(b *store.Batch) bool {
	return len(b.DropExecutions) > 1 &&
		len(b.Executions)+len(b.Frames)+len(b.Jobs)+len(b.Undos)+len(b.Events)+len(b.Payloads) == 0
}

// dropMany takes executions away, those that stand side by side by one deletion:
// Pebble sorts all that are in a memtable anew for the first read after each. The
// pipeline is held, so that nobody begins an execution between two of them.
func (s *Store) dropMany(w *write, ids []store.ID) error {
	ids = slices.Clone(ids)
	slices.SortFunc(ids, func(a, b store.ID) int { return bytes.Compare(a[:], b[:]) })
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: executionKey(nil, ids[0]), UpperBound: after(executionKey(nil, ids[len(ids)-1]))})
	if err != nil {
		return err
	}
	for from := 0; from < len(ids); {
		to := from
		for to+1 < len(ids) && isNext(it, ids[to], ids[to+1]) {
			to++
		}
		w.dropExecutions(ids[from], ids[to])
		from = to + 1
	}
	if err := it.Error(); err != nil {
		it.Close()
		return err
	}
	if err := it.Close(); err != nil {
		return err
	}
	return w.err
}

// isNext reports whether no other execution stands between these two.
func isNext(it *pebble.Iterator, one, next store.ID) bool {
	return it.SeekGE(after(executionKey(nil, one))) && bytes.HasPrefix(it.Key(), executionKey(nil, next))
}

// dropExecutions takes away all rows from those of the first execution to those of
// the last.
func (w *write) dropExecutions(first, last store.ID) {
	w.key = executionKey(w.key[:0], first)
	w.fail(w.batch.DeleteRange(w.key, after(executionKey(nil, last)), nil))
}
