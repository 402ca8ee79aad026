package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/backstep/backstep/internal/store"
)

// each runs f of 0 to n-1 at once and waits for all.
func each(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// manyCommitters: what each of many was told is what is there.
func manyCommitters(h *house) {
	const committers, commits = 32, 10
	each(committers, func(i int) {
		x := id(store.Shard(i), 1, byte(i))
		for n := range uint32(commits) {
			if err := h.s.Commit(h.ctx, &store.Batch{
				Executions: []store.Execution{{ID: x, Body: fmt.Append(nil, n)}},
				Events:     []store.Events{{ID: x, First: int64(n), Body: []byte("event")}},
			}); err != nil {
				h.Error(err)
			}
			if row, err := h.s.Execution(h.ctx, x); err != nil || string(row.Body) != fmt.Sprint(n) {
				h.Errorf("committer %d reads %s, %v after commit %d", i, row.Body, err, n)
			}
		}
	})
	h.crash()
	for i := range committers {
		x := id(store.Shard(i), 1, byte(i))
		h.same("events", len(read(h.s.Events(h.ctx, x, 0, false, 99))(h)), commits)
		h.same("the last body", read(h.s.Execution(h.ctx, x))(h).Body, fmt.Sprint(commits-1))
	}
}

// sameKeys: of many who change the same rows at once each is as if one came after
// the other, with blind writers of the same rows and strangers in between.
func sameKeys(h *house) {
	const committers, commits = 16, 4
	x := id(1, 1, 1)
	h.commit(&store.Batch{Docs: []store.Doc{doc("count", "0", 1)}, Leases: []store.Lease{lease(1, 1, "n")}})
	each(committers, func(i int) {
		for n := range commits {
			for counted := false; !counted; {
				count := h.doc("count")
				next := store.Doc{DocKey: count.DocKey, Rev: count.Rev + 1, Body: fmt.Append(nil, count.Rev)}
				err := h.s.Commit(h.ctx, &store.Batch{
					Fence:      &store.Fence{Shard: 1, Epoch: 1},
					ExpectDocs: []store.ExpectDoc{{DocKey: count.DocKey, Rev: count.Rev}}, Docs: []store.Doc{next},
					Executions: []store.Execution{{ID: x, Body: next.Body}}, Messages: []store.Message{message(1, string(next.Body), "")},
				})
				if err != nil && !errors.Is(err, store.ErrConflict) {
					h.Error(err)
					return
				}
				counted = err == nil
			}
			for _, b := range []*store.Batch{
				{Frames: []store.Frame{{ID: x, Number: 1, Body: fmt.Append(nil, i)}}, Undos: []store.Undo{{ID: x, Number: 1, Body: fmt.Append(nil, i)}}},
				{Frames: []store.Frame{{ID: id(2, 1, byte(i)), Number: uint32(n)}}},
			} {
				if err := h.s.Commit(h.ctx, b); err != nil {
					h.Error(err)
				}
			}
		}
	})
	last := fmt.Sprint(committers * commits)
	h.same("the count", h.doc("count"), doc("count", last, committers*commits+1))
	h.same("the execution", read(h.s.Execution(h.ctx, x))(h).Body, last)
	h.same("messages", len(h.messages(1, 1000)), committers*commits)
	h.same("what one of them wrote", read(h.s.Load(h.ctx, x))(h).Frames[0].Body, read(h.s.Undos(h.ctx, x, 1, 1))(h)[0].Body)
}

// oneWinner: of those who expect the same, one passes; nobody waits for ever.
func oneWinner(h *house) {
	x := id(1, 1, 1)
	races := []struct {
		name  string
		begin *store.Batch
		run   func(i int) *store.Batch
	}{
		{"a name", nil, func(i int) *store.Batch {
			k := store.NameKey{Shard: 1, Tenant: "t", Machine: "m", Name: "n"}
			return &store.Batch{ExpectNames: []store.NameKey{k}, Names: []store.Name{{NameKey: k, ID: id(1, 1, byte(i))}}}
		}},
		{"a new document", nil, func(i int) *store.Batch {
			return &store.Batch{ExpectDocs: []store.ExpectDoc{{DocKey: docKey("a")}}, Docs: []store.Doc{doc("a", fmt.Sprint(i), 1)}}
		}},
		{"a document", nil, func(i int) *store.Batch {
			return &store.Batch{ExpectDocs: []store.ExpectDoc{{DocKey: docKey("a"), Rev: 1}}, Docs: []store.Doc{doc("a", fmt.Sprint(i), 2)}}
		}},
		{"a job", &store.Batch{Jobs: []store.Job{job(x, 1, 5, "")}}, func(int) *store.Batch {
			return &store.Batch{ExpectJobs: []store.JobKey{{ID: x, Number: 1}}, DropJobs: []store.Job{job(x, 1, 5, "")}}
		}},
		{"a queued task", &store.Batch{Queue: []store.Queued{queued("a", 1, x, 1)}}, func(int) *store.Batch {
			k := queued("a", 1, x, 1).QueuedKey
			return &store.Batch{ExpectQueued: []store.QueuedKey{k}, DropQueue: []store.QueuedKey{k}}
		}},
		{"a new lease", nil, func(i int) *store.Batch {
			return &store.Batch{ExpectLeases: []store.ExpectLease{{Shard: 5}}, Leases: []store.Lease{lease(5, 1, fmt.Sprint(i))}}
		}},
		{"a lease", nil, func(i int) *store.Batch {
			return &store.Batch{ExpectLeases: []store.ExpectLease{{Shard: 5, Epoch: 1}}, Leases: []store.Lease{lease(5, 2, fmt.Sprint(i))}}
		}},
	}
	for _, race := range races {
		if race.begin != nil {
			h.commit(race.begin)
		}
		var winners atomic.Int32
		each(16, func(i int) {
			switch err := h.s.Commit(h.ctx, race.run(i)); {
			case err == nil:
				winners.Add(1)
			case !errors.Is(err, store.ErrConflict):
				h.Errorf("%s: %v", race.name, err)
			}
		})
		h.same("winners of "+race.name, winners.Load(), int32(1))
	}
}

// conflicts: crossed expectations of several rows end, and one side wins.
func conflicts(h *house) {
	h.commit(&store.Batch{Docs: []store.Doc{doc("a", "", 1), doc("b", "", 1)}})
	for round := range 20 {
		rev := uint64(round + 1)
		var winners atomic.Int32
		each(8, func(i int) {
			first, second := "a", "b"
			if i%2 == 1 {
				first, second = second, first
			}
			err := h.s.Commit(h.ctx, &store.Batch{
				ExpectDocs: []store.ExpectDoc{{DocKey: docKey(first), Rev: rev}, {DocKey: docKey(second), Rev: rev}},
				Docs:       []store.Doc{doc(second, fmt.Sprint(i), rev+1), doc(first, fmt.Sprint(i), rev+1)},
			})
			if err == nil {
				winners.Add(1)
			} else if !errors.Is(err, store.ErrConflict) {
				h.Error(err)
			}
		})
		h.same("winners", winners.Load(), int32(1))
		h.same("one winner's rows", h.doc("a").Body, h.doc("b").Body)
	}
}

// neighboursPass: a batch never fails because of those it shares a sync with.
func neighboursPass(h *house) {
	h.commit(&store.Batch{Docs: []store.Doc{doc("taken", "", 1)}, Leases: []store.Lease{lease(9, 2, "n")}})
	each(64, func(i int) {
		for n := range 5 {
			mine := &store.Batch{Docs: []store.Doc{doc(fmt.Sprintf("%d/%d", i, n), "mine", 1)}}
			var want error
			switch i % 4 {
			case 1:
				mine.ExpectDocs, want = []store.ExpectDoc{{DocKey: docKey("taken")}}, store.ErrConflict
			case 2:
				mine.Fence, want = &store.Fence{Shard: 9, Epoch: 1}, store.ErrFenced
			case 3:
				mine.Docs = append(mine.Docs, doc("nul\x00", "", 1))
			}
			err := h.s.Commit(h.ctx, mine)
			if i%4 == 3 && (err == nil || branchable(err)) || i%4 != 3 && !errors.Is(err, want) {
				h.Errorf("committer %d: %v, want %v", i, err, want)
			}
		}
	})
	all := read(h.s.Docs(h.ctx, "t", "machine", "", 1000))(h)
	h.same("documents", len(all), 1+16*5)
}

// wholeUnderLoad: no read sees half of a batch.
func wholeUnderLoad(h *house) {
	x := id(1, 1, 1)
	turn := func(n uint32) *store.Batch {
		b := &store.Batch{
			Executions: []store.Execution{{ID: x, Body: fmt.Append(nil, n)}},
			Frames:     []store.Frame{{ID: x, Number: n}},
			Jobs:       []store.Job{job(x, n, int64(n), "")},
		}
		if n > 0 {
			b.DropFrames = []store.FrameKey{{ID: x, Number: n - 1}}
			b.DropJobs = []store.Job{job(x, n-1, int64(n-1), "")}
		}
		return b
	}
	h.commit(turn(0))
	var done atomic.Bool
	each(4, func(i int) {
		if i == 0 {
			defer done.Store(true)
			for n := uint32(1); n <= 60; n++ {
				if err := h.s.Commit(h.ctx, turn(n)); err != nil {
					h.Error(err)
				}
			}
			return
		}
		for !done.Load() {
			l, err := h.s.Load(h.ctx, x)
			if err != nil || len(l.Frames) != 1 || len(l.Jobs) != 1 || l.Jobs[0].Number != l.Frames[0].Number ||
				string(l.Execution.Body) != fmt.Sprint(l.Frames[0].Number) {
				h.Errorf("loaded %v, %v", l, err)
				return
			}
			due, err := h.s.Jobs(h.ctx, 1, store.Never, nil, 9)
			if err != nil || len(due) != 1 {
				h.Errorf("jobs %v, %v", due, err)
				return
			}
		}
	})
}

// fenceUnderLoad: once a takeover was acknowledged, no write of the epoch before
// passes any more, and all that passed are seen.
func fenceUnderLoad(h *house) {
	x := id(1, 1, 1)
	h.commit(&store.Batch{Leases: []store.Lease{lease(1, 1, "n")}})
	for epoch := uint64(1); epoch <= 5; epoch++ {
		var written, seen atomic.Int64
		busy := make(chan struct{})
		each(5, func(i int) {
			if i == 0 {
				<-busy
				if err := h.s.Commit(h.ctx, &store.Batch{
					ExpectLeases: []store.ExpectLease{{Shard: 1, Epoch: epoch}},
					Leases:       []store.Lease{lease(1, epoch+1, "n")},
				}); err != nil {
					h.Error(err)
				}
				events, err := h.s.Events(h.ctx, x, 0, false, 100000)
				if err != nil {
					h.Error(err)
				}
				seen.Store(int64(len(events)))
				return
			}
			for n := int64(i); ; n += 5 {
				err := h.s.Commit(h.ctx, &store.Batch{
					Fence:  &store.Fence{Shard: 1, Epoch: epoch},
					Events: []store.Events{{ID: x, First: int64(epoch)<<32 | n}},
				})
				if errors.Is(err, store.ErrFenced) {
					return
				}
				if err != nil {
					h.Error(err)
				}
				if written.Add(1) == 8 {
					close(busy)
				}
			}
		})
		h.same("events at the takeover and after it", seen.Load(), int64(len(read(h.s.Events(h.ctx, x, 0, false, 100000))(h))))
	}
}
