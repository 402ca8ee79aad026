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
	commits    int
	batch      func(shard store.Shard, n int) *store.Batch
	between    func(s *Store, n int) error // after each commit of the first committer
	reopens    bool                        // the store is closed and opened between commits
}

func workloads() []workload {
	return []workload{
		{name: "starts", committers: 1, commits: 20, batch: starts},
		{name: "turns", committers: 1, commits: 30, batch: turns},
		{name: "turns of many", committers: 8, commits: 6, batch: turns},
		{name: "retention", committers: 2, commits: 16, batch: retention, between: flush},
		{name: "messages", committers: 2, commits: 16, batch: mailbox},
		{name: "leases", committers: 2, commits: 16, batch: fenced},
		{name: "large", committers: 2, commits: 8, batch: largePayloads},
		{name: "documents and compaction", committers: 1, commits: 24, batch: documents, between: compact},
		{name: "openings", committers: 1, commits: 6, batch: turns, reopens: true},
		{name: "openings and flushes", committers: 1, commits: 5, batch: largePayloads, between: flush, reopens: true},
	}
}

// run makes all commits of the workload on a disk and tells the witness.
func (w workload) run(t *testing.T, disk vfs.FS, seen *witness, plant func(*Store)) {
	begin := func() *Store {
		s, err := Open(testDir, smallOptions(disk))
		if err != nil {
			t.Fatal(err)
		}
		if plant != nil {
			plant(s)
		}
		return s
	}
	s := begin()
	if w.reopens {
		for n := range w.commits {
			w.commit(t, s, seen, 0, n)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = begin()
		}
	} else {
		var wg sync.WaitGroup
		for c := range w.committers {
			wg.Go(func() {
				for n := range w.commits {
					w.commit(t, s, seen, store.Shard(c), n)
				}
			})
		}
		wg.Wait()
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func (w workload) commit(t *testing.T, s *Store, seen *witness, shard store.Shard, n int) {
	if err := s.Commit(context.Background(), w.batch(shard, n)); err != nil {
		t.Errorf("commit %d of %d: %v", n, shard, err)
		return
	}
	d, err := s.digest(shard)
	if err == nil && shard == 0 && w.between != nil {
		seen.saw(0, d)
		if err := w.between(s, n); err != nil {
			t.Error(err)
		}
		return
	}
	if err != nil {
		t.Error(err)
	}
	seen.saw(int(shard), d)
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
