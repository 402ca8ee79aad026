package service

import (
	"context"
	"errors"
	"math"
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
	retireAt    = 4    // shards at once
	retirePace  = 3    // times as long as a step took it rests before the next one: calls and sagas go first
	retireRest  = 10 * time.Minute
	retireSoon  = time.Minute // where some were passed over
)

// retirement is how far the executions have been gone through that may be too
// old to be kept: list by list, a machine each, and then the map runs whose
// executions are gone.
type retirement struct {
	kind    int             // of retiredKinds
	machine string          // whose list it is at, or was last
	after   *store.IndexKey // the row it came to; nil: the list is done
	passed  bool            // some were passed over in this round: their shards are not this node's, or they could not be taken away
	next    time.Time       // when to go on

	run   *store.IndexKey // of the forsaken map runs, the last that was gone through
	child *store.IndexKey // of the next one's children, the last that was looked at
}

// retiredKinds are the documents whose names are the machines that have lists:
// those that there are, and what stands for those that are gone.
var retiredKinds = [...]string{kindMachine, kindRemains}

// retire takes one step: it looks at a page of executions that began longer ago
// than executions are kept, and takes away those that also ended then. What can't
// be taken away is passed over, so that it holds nothing up. It reports whether
// there is more to do at once.
func (s *Service) retire(ctx context.Context, r *retirement) (more bool, err error) {
	if s.Retention <= 0 || s.Now().Before(r.next) || s.Engine.Load().Shards == 0 {
		return false, nil
	}
	before := s.Now().Add(-s.Retention).UnixMilli()
	if r.after == nil {
		if more, err = s.nextList(ctx, r, before); err == nil && !more {
			more, err = s.retireRuns(ctx, r)
		}
		if err != nil || !more {
			r.rest(s.Now())
			return false, err
		}
		if r.after == nil {
			return true, nil
		}
	}
	rows, err := s.Store.Index(ctx, store.IndexQuery{
		Tenant: s.tenant, Index: engine.IndexMachine, Value: r.machine, After: r.after, Limit: retirePage,
	})
	if err != nil {
		return false, err
	}
	failed := s.forget(ctx, r, due(rows, before), before)
	if len(rows) == retirePage {
		r.after = &rows[len(rows)-1].IndexKey
		return true, failed
	}
	r.after = nil
	return true, errors.Join(failed, s.endRemains(ctx, r))
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
	return false, nil
}

// retireRuns takes one step of taking away what is left of map runs whose
// execution is gone: a page of children, or the run itself after the last of
// them. It reports whether there is more to do at once.
func (s *Service) retireRuns(ctx context.Context, r *retirement) (more bool, err error) {
	runs, err := s.Store.Index(ctx, store.IndexQuery{Tenant: s.tenant, Index: engine.IndexForsaken, After: r.run, Limit: 1})
	if err != nil || len(runs) == 0 {
		r.kind, r.run, r.child = 0, nil, nil
		return false, err
	}
	run := &runs[0]
	children := store.IndexQuery{Tenant: s.tenant, Index: engine.IndexChildren, Value: run.ID.String(), After: r.child, Limit: retirePage}
	rows, err := s.Store.Index(ctx, children)
	if err != nil {
		return false, err
	}
	if len(rows) > 0 {
		r.child = &rows[len(rows)-1].IndexKey
		return true, s.forget(ctx, r, due(rows, math.MaxInt64), math.MaxInt64)
	}
	children.After, children.Limit = nil, 1
	if rows, err = s.Store.Index(ctx, children); err != nil {
		return false, err
	}
	if len(rows) == 0 {
		err = s.forget(ctx, r, []store.ID{run.ID}, math.MaxInt64)
	}
	r.run, r.child = &run.IndexKey, nil
	return true, err
}

// due are the executions of a list that ended at or before that time.
func due(rows []store.Index, ended int64) (ids []store.ID) {
	for _, row := range rows {
		if item, err := engine.DecodeItem(row.Body); err == nil && item.Status != machine.Running && item.Stop <= ended {
			ids = append(ids, row.ID)
		}
	}
	return ids
}

// forget takes those of the executions away that ended at or before that time,
// those of a shard in one commit: the store then takes those away at once that stand
// side by side. What is another node's is left to it, and passed over, as is what
// can't be taken away; its error is that of one of them.
func (s *Service) forget(ctx context.Context, r *retirement, ids []store.ID, ended int64) (failed error) {
	shards := map[store.Shard][]store.ID{}
	for _, id := range ids {
		shards[id.Shard()] = append(shards[id.Shard()], id)
	}
	var workers sync.WaitGroup
	var mu sync.Mutex
	todo := make(chan []store.ID)
	for range min(retireAt, len(shards)) {
		workers.Go(func() {
			for some := range todo {
				_, err := s.Engine.ForgetMany(ctx, some, ended)
				mu.Lock()
				switch {
				case errors.Is(err, engine.ErrNotReady):
					r.passed = true
				case err != nil:
					failed, r.passed = err, true
				}
				mu.Unlock()
			}
		})
	}
	for _, some := range shards {
		todo <- some
	}
	close(todo)
	workers.Wait()
	return failed
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
