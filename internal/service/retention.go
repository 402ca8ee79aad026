package service

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// The bounds of the retirement of executions, and how long it rests once it has
// gone through all.
const (
	retireSteps = 16   // in one turn of Run
	retirePage  = 1000 // executions in one step
	retireAt    = 16   // at once, so that they share the store's syncs
	retireRest  = 10 * time.Minute
	retireSoon  = time.Minute // where some were another node's, which may have let go of them
)

// retirement is how far the executions have been gone through that may be too
// old to be kept: list by list, a machine each.
type retirement struct {
	kind    int             // of retiredKinds
	machine string          // whose list it is at, or was last
	after   *store.IndexKey // the row it came to; nil: the list is done
	passed  bool            // some were passed over in this round: their shards are not this node's
	next    time.Time       // when to go on
}

// retiredKinds are the documents whose names are the machines that have lists:
// those that there are, and what stands for those that are gone.
var retiredKinds = [...]string{kindMachine, kindRemains}

// retire takes one step: it looks at a page of executions that began longer ago
// than executions are kept, and takes away those that also ended then. It
// reports whether there is more to do at once.
func (s *Service) retire(ctx context.Context, r *retirement) (more bool, err error) {
	if s.Retention <= 0 || s.Now().Before(r.next) || s.Engine.Load().Shards == 0 {
		return false, nil
	}
	before := s.Now().Add(-s.Retention).UnixMilli()
	if r.after == nil {
		if more, err = s.nextList(ctx, r, before); err != nil || !more {
			r.rest(s.Now())
			return false, err
		}
	}
	rows, err := s.Store.Index(ctx, store.IndexQuery{
		Tenant: s.tenant, Index: engine.IndexMachine, Value: r.machine, After: r.after, Limit: retirePage,
	})
	if err != nil {
		return false, err
	}
	passed, err := s.forget(ctx, rows, before)
	if err != nil {
		return false, err
	}
	r.passed = r.passed || passed
	if len(rows) == retirePage {
		r.after = &rows[len(rows)-1].IndexKey
		return true, nil
	}
	r.after = nil
	return true, s.endRemains(ctx, r)
}

// rest ends a round.
func (r *retirement) rest(now time.Time) {
	r.next = now.Add(retireRest)
	if r.passed {
		r.next = now.Add(retireSoon)
	}
	r.passed = false
}

// nextList goes on to the next machine's list, and begins anew after the last,
// which it reports by false.
func (s *Service) nextList(ctx context.Context, r *retirement, before int64) (bool, error) {
	for ; r.kind < len(retiredKinds); r.kind++ {
		docs, err := s.Store.Docs(ctx, s.tenant, retiredKinds[r.kind], r.machine, 1)
		if err != nil {
			return false, err
		}
		if len(docs) == 1 {
			r.machine = docs[0].Name
			r.after = &store.IndexKey{Start: before} // with the least id: what began at that very moment is looked at too
			return true, nil
		}
		r.machine = ""
	}
	r.kind = 0
	return false, nil
}

// forget takes those of the executions away that ended at or before that time.
// What is another node's is left to it, and passed is true.
func (s *Service) forget(ctx context.Context, rows []store.Index, ended int64) (passed bool, failed error) {
	var workers sync.WaitGroup
	var mu sync.Mutex
	todo := make(chan store.ID)
	for range retireAt {
		workers.Go(func() {
			for id := range todo {
				_, err := s.Engine.Forget(ctx, id, ended)
				mu.Lock()
				switch {
				case errors.Is(err, engine.ErrNotReady):
					passed = true
				case err != nil:
					failed = err
				}
				mu.Unlock()
			}
		})
	}
	for _, row := range rows {
		if item, err := engine.DecodeItem(row.Body); err == nil && item.Status != machine.Running && item.Stop <= ended {
			todo <- row.ID
		}
	}
	close(todo)
	workers.Wait()
	return passed, failed
}

// remains stands for a machine that is gone, as long as there are executions of
// it to be retired.
const kindRemains = "remains"

func (s *Service) remainsKey(name string) store.DocKey {
	return store.DocKey{Tenant: s.tenant, Kind: kindRemains, Name: name}
}

// endRemains takes what stands for a machine that is gone away with the last of
// its executions.
func (s *Service) endRemains(ctx context.Context, r *retirement) error {
	if retiredKinds[r.kind] != kindRemains {
		return nil
	}
	left, err := s.Store.Index(ctx, store.IndexQuery{Tenant: s.tenant, Index: engine.IndexMachine, Value: r.machine, Limit: 1})
	if err != nil || len(left) > 0 {
		return err
	}
	return s.Store.Commit(ctx, &store.Batch{DropDocs: []store.DocKey{s.remainsKey(r.machine)}})
}
