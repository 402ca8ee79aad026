package postgres

import (
	"testing"
	"time"

	"github.com/backstep/backstep/internal/store"
)

// Sessions that break, as they do when the server fails over, are counted.
func TestLostSessionsAreCounted(t *testing.T) {
	s := newSchema(t).store(t)
	defer s.Close()
	commit := func(n byte) error {
		return s.Commit(t.Context(), &store.Batch{Definitions: []store.Definition{{Hash: store.Hash{n}, Body: []byte("x")}}})
	}
	if err := commit(1); err != nil {
		t.Fatal(err)
	}
	before := s.Metrics()
	if before.Opened == 0 || before.Lost != 0 {
		t.Errorf("at first: %+v", before)
	}
	_, err := s.pool.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'backstep' AND pid <> pg_backend_pid() AND datname = current_database()")
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); s.Metrics().Lost == 0 || s.Metrics().Opened <= before.Opened; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("before: %+v, afterwards: %+v", before, s.Metrics())
		}
		_ = commit(2) // the first of them finds that its session is gone
	}
}
