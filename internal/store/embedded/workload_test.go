package embedded

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/backstep/backstep/internal/store"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// workload is a number of committers, each with commits of its own to make, one
// after the other. What a committer writes lies in its own shard and tenant.
type workload struct {
	name       string
	committers int
	commits    int   // of each committer, and more until
	calls      int64 // to the disk there were so many
	batches    func(shard store.Shard) func(n int) *store.Batch
	between    func(s *Store, n int) error // after each commit of the first committer
	reopens    func(n int) bool            // whether the store is closed and opened after that commit of the only committer
}

func workloads() []workload {
	return []workload{
		{name: "starts", committers: 1, commits: 20, batches: each(starts)},
		{name: "turns", committers: 1, commits: 30, batches: each(turns)},
		{name: "turns of many", committers: 8, commits: 6, batches: each(turns)},
		{name: "retention", committers: 2, commits: 16, batches: each(retention), between: flush},
		{name: "messages", committers: 2, commits: 16, batches: each(mailbox)},
		{name: "leases", committers: 2, commits: 16, batches: each(fenced)},
		{name: "large", committers: 2, commits: 8, batches: each(largePayloads)},
		{name: "documents and compaction", committers: 1, commits: 24, batches: each(documents), between: compact},
		{name: "openings", committers: 1, commits: 6, batches: each(turns), reopens: always},
		{name: "openings and flushes", committers: 1, commits: 5, batches: each(largePayloads), between: flush, reopens: always},
	}
}

// each is for batches that follow from their number alone.
func each(batch func(store.Shard, int) *store.Batch) func(store.Shard) func(int) *store.Batch {
	return func(shard store.Shard) func(int) *store.Batch {
		return func(n int) *store.Batch { return batch(shard, n) }
	}
}

func always(int) bool { return true }

// run makes all commits of the workload on a disk and tells the witness. calls are those
// to the disk by now.
func (w workload) run(t *testing.T, disk vfs.FS, seen *witness, planted bug, calls func() int64) {
	more := func(n int) bool { return !t.Failed() && (n < w.commits || calls() < w.calls) }
	begin := func() *Store {
		s, err := Open(testDir, smallOptions(planted.on(disk)))
		if err != nil {
			t.Fatal(err)
		}
		planted.in(s)
		return s
	}
	s := begin()
	if w.reopens != nil {
		batch := w.batches(0)
		for n := 0; more(n); n++ {
			w.commit(t, s, seen, 0, n, batch(n))
			if !w.reopens(n) {
				continue
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = begin()
		}
	} else {
		var wg sync.WaitGroup
		for c := range w.committers {
			wg.Go(func() {
				batch := w.batches(store.Shard(c))
				for n := 0; more(n); n++ {
					w.commit(t, s, seen, store.Shard(c), n, batch(n))
				}
			})
		}
		wg.Wait()
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// commit makes one commit in the store and in the witness's own, and now and then
// holds what both have to say of the committer's rows against each other.
func (w workload) commit(t *testing.T, s *Store, seen *witness, shard store.Shard, n int, b *store.Batch) {
	for _, into := range []store.Store{seen.model, s} {
		if err := commitTo(into, b); err != nil {
			t.Errorf("commit %d of %d: %v", n, shard, err)
			return
		}
	}
	all, err := s.digests(w.committers)
	if err != nil {
		t.Error(err)
		return
	}
	seen.saw(int(shard), all[shard])
	if n%8 == 7 || n == w.commits-1 {
		if wrong, err := account(seen.model, shard, n).differs(account(s, shard, n)); wrong != "" || err != nil {
			t.Errorf("after commit %d of %d: %s, %v", n, shard, wrong, err)
		}
	}
	if shard == 0 && w.between != nil {
		if err := w.between(s, n); err != nil {
			t.Error(err)
		}
	}
}

func flush(s *Store, n int) error {
	if n%4 == 3 {
		return s.db.Flush()
	}
	return nil
}

func compact(s *Store, n int) error {
	if err := flush(s, n); err != nil || n%8 != 7 {
		return err
	}
	return s.db.Compact(context.Background(), []byte("a"), []byte("z"), true)
}

func idOf(shard store.Shard, n int) store.ID {
	return store.NewID(shard, int64(n), [8]byte{1})
}

func textOf(n, size int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "%d,", n), size/2)[:size]
}

// starts are names with executions, and jobs to begin with.
func starts(shard store.Shard, n int) *store.Batch {
	x := idOf(shard, n)
	name := store.NameKey{Shard: shard, Tenant: tenant(shard), Machine: "m", Name: fmt.Sprint(n)}
	return &store.Batch{
		ExpectNames: []store.NameKey{name},
		Names:       []store.Name{{NameKey: name, ID: x}},
		Executions:  []store.Execution{{ID: x, Start: textOf(n, 500), Body: textOf(n, 100)}},
		Events:      []store.Events{{ID: x, First: 1, Body: textOf(n, 50)}},
		Payloads:    []store.Payload{{ID: x, Number: 0, Body: textOf(n, 1000)}},
		Jobs:        []store.Job{{JobKey: store.JobKey{ID: x, Number: 1}, Due: int64(n), Body: textOf(n, 40)}},
		Index:       []store.Index{{IndexKey: store.IndexKey{Tenant: tenant(shard), Index: "status", Value: "RUNNING", Start: int64(n), ID: x}}},
	}
}

// turns are the life of one execution.
func turns(shard store.Shard, n int) *store.Batch {
	x := idOf(shard, 1)
	b := &store.Batch{
		Executions: []store.Execution{{ID: x, Body: textOf(n, 100)}},
		Frames:     []store.Frame{{ID: x, Number: uint32(n), Body: textOf(n, 200)}},
		Events:     []store.Events{{ID: x, First: int64(n) * 3, Body: textOf(n, 50)}},
		Payloads:   []store.Payload{{ID: x, Number: uint32(n), Body: textOf(n, 1000)}},
		Undos:      []store.Undo{{ID: x, Number: uint32(n), Body: textOf(n, 60)}},
		Jobs:       []store.Job{{JobKey: store.JobKey{ID: x, Number: uint32(n)}, Due: int64(n), Body: textOf(n, 40)}},
	}
	if n > 0 {
		last := store.Job{JobKey: store.JobKey{ID: x, Number: uint32(n - 1)}, Due: int64(n - 1)}
		b.ExpectJobs = []store.JobKey{last.JobKey}
		b.DropJobs = []store.Job{last}
		b.DropFrames = []store.FrameKey{{ID: x, Number: uint32(n - 1)}}
	}
	return b
}

// retention makes executions and drops them whole.
func retention(shard store.Shard, n int) *store.Batch {
	b := starts(shard, n)
	if gone := n - 3; n%2 == 0 && gone >= 0 {
		x := idOf(shard, gone)
		b.DropExecutions = []store.ID{x}
		b.DropJobs = []store.Job{{JobKey: store.JobKey{ID: x, Number: 1}, Due: int64(gone)}}
		b.DropNames = []store.NameKey{{Shard: shard, Tenant: tenant(shard), Machine: "m", Name: fmt.Sprint(gone)}}
		b.DropIndex = []store.IndexKey{{Tenant: tenant(shard), Index: "status", Value: "RUNNING", Start: int64(gone), ID: x}}
	}
	return b
}

// mailbox puts messages, some a second time, and tasks into a queue.
func mailbox(shard store.Shard, n int) *store.Batch {
	at := func(n int) store.QueuedKey {
		return store.QueuedKey{Tenant: tenant(shard), Activity: "a", At: int64(n), Job: store.JobKey{ID: idOf(shard, n)}}
	}
	b := &store.Batch{
		Messages: []store.Message{
			{Shard: shard, Key: fmt.Append(nil, n), Body: textOf(n, 200)},
			{Shard: shard, Key: fmt.Append(nil, "again ", n/3), Body: textOf(n, 200)},
		},
		Queue: []store.Queued{{QueuedKey: at(n), Body: textOf(n, 30)}},
	}
	if n > 2 {
		b.ExpectQueued = []store.QueuedKey{at(n - 2)}
		b.DropQueue = b.ExpectQueued
	}
	return b
}

// fenced takes a lease every few commits and writes under it.
func fenced(shard store.Shard, n int) *store.Batch {
	epoch := uint64(n/4 + 1)
	if n%4 == 0 {
		return &store.Batch{
			ExpectLeases: []store.ExpectLease{{Shard: shard, Epoch: epoch - 1}},
			Leases:       []store.Lease{{Shard: shard, Epoch: epoch, Node: fmt.Sprint("n", n), Expires: int64(n)}},
		}
	}
	b := turns(shard, n)
	b.Fence = &store.Fence{Shard: shard, Epoch: epoch}
	b.ExpectJobs = nil
	return b
}

// largePayloads outgrow the memtable, so that logs and tables change.
func largePayloads(shard store.Shard, n int) *store.Batch {
	x := idOf(shard, 1)
	return &store.Batch{
		Executions: []store.Execution{{ID: x, Body: textOf(n, 100)}},
		Payloads:   []store.Payload{{ID: x, Number: uint32(n), Body: textOf(n, 5<<10<<(n%4))}},
	}
}

// documents are written again and again, and taken away.
func documents(shard store.Shard, n int) *store.Batch {
	key := func(n int) store.DocKey {
		return store.DocKey{Tenant: tenant(shard), Kind: "machine", Name: fmt.Sprint(n % 7)}
	}
	if n%5 == 4 {
		return &store.Batch{DropDocs: []store.DocKey{key(n - 1)}}
	}
	return &store.Batch{
		Docs:        []store.Doc{{DocKey: key(n), Rev: uint64(n + 1), Body: textOf(n, 3000)}},
		Definitions: []store.Definition{{Hash: store.Hash{byte(shard >> 8), byte(shard), byte(n)}, Body: textOf(n, 2000)}},
	}
}
