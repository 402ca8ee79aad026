package postgres

import (
	"errors"
	"testing"

	"github.com/backstep/backstep/internal/store"
)

// TestTwoTakeOneTask: a shard's owner takes a task for a worker of its own, and writes
// the job anew; another node takes it as well, and holds the job to be there. Neither
// waits for what the other has.
func TestTwoTakeOneTask(t *testing.T) {
	place := newSchema(t)
	owner, other := place.store(t), place.store(t)
	defer owner.Close()
	defer other.Close()
	job := store.Job{JobKey: store.JobKey{ID: store.ID{15: 1}, Number: 1}, Due: 1, Body: []byte("open")}
	task := store.QueuedKey{Tenant: "t", Activity: "Work", At: 1, Job: job.JobKey}
	if err := owner.Commit(t.Context(), &store.Batch{Jobs: []store.Job{job}, Queue: []store.Queued{{QueuedKey: task, Body: []byte("task")}}}); err != nil {
		t.Fatal(err)
	}
	tx, err := owner.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	if _, err := tx.Exec(t.Context(), "SELECT FROM queue FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	told := make(chan error, 2)
	commit := func(n int, s *Store, b *store.Batch) {
		go func() { told <- s.Commit(t.Context(), b) }()
		for waiting := 0; waiting < n; {
			place.ask(t, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'backstep' AND wait_event_type = 'Lock'", &waiting)
		}
	}
	taken := job
	taken.Body = []byte("taken")
	taking := []store.QueuedKey{task}
	commit(1, owner, &store.Batch{ExpectQueued: taking, DropQueue: taking, Jobs: []store.Job{taken}})
	commit(2, other, &store.Batch{ExpectQueued: taking, DropQueue: taking, ExpectJobs: []store.JobKey{job.JobKey}})
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-told; err != nil && !errors.Is(err, store.ErrConflict) {
			t.Errorf("one waits for what the other has: %v", err)
		}
	}
}
