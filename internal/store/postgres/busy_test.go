package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/store"
	"github.com/jackc/pgx/v5/pgxpool"
)

// answers runs calls at once and holds each to five seconds, with some more for a
// machine that has other things to do.
func answers(t *testing.T, calls int, call func(i int) error) (errs []error) {
	t.Helper()
	errs = make([]error, calls)
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			begun := time.Now()
			errs[i] = call(i)
			if took := time.Since(begun); took > 7*time.Second {
				t.Errorf("call %d is answered after %v", i, took)
			}
		})
	}
	wg.Wait()
	return errs
}

// TestLockedTable: behind a lock from outside many commits and reads are refused in
// good time, nothing is left half done, and all goes on by itself.
func TestLockedTable(t *testing.T) {
	place := newSchema(t)
	s := place.store(t)
	defer s.Close()
	tx, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), "LOCK TABLE payloads IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	for i, err := range answers(t, 40, func(i int) error {
		if i%2 == 0 {
			return s.Commit(t.Context(), payload(1, i))
		}
		_, err := s.Payloads(t.Context(), store.ID{15: 1}, []uint32{1})
		return err
	}) {
		if err == nil || errors.Is(err, store.ErrUnknown) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
			t.Errorf("call %d behind a lock: %v", i, err)
		}
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		if i%2 == 0 && holds(t, s, 1, i) {
			t.Errorf("what was refused is there: %d", i)
		}
	}
	if err := s.Commit(t.Context(), payload(1, 1)); err != nil {
		t.Error(err)
	}
}

// TestLockedRow: what waits for one row that somebody outside holds fails by
// itself; those that are sent with it pass.
func TestLockedRow(t *testing.T) {
	place := newSchema(t)
	s := place.store(t)
	defer s.Close()
	if err := s.Commit(t.Context(), payload(1, 0)); err != nil {
		t.Fatal(err)
	}
	tx, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), "SELECT FROM payloads FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	for i, err := range answers(t, 30, func(i int) error { return s.Commit(t.Context(), payload(byte(i+1), 0)) }) {
		if (i == 0) != (err != nil) || errors.Is(err, store.ErrUnknown) {
			t.Errorf("commit %d: %v", i, err)
		}
	}
}

// TestPoolExhausted: when all connections for reads are taken, reads are refused in
// good time, commits go on, and so do reads when there is one.
func TestPoolExhausted(t *testing.T) {
	place := newSchema(t)
	s, err := Open(t.Context(), place.dsn, Options{Schema: place.name, MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var taken []*pgxpool.Conn
	for range 2 {
		conn, err := s.pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, conn)
	}
	for i, err := range answers(t, 20, func(i int) error {
		if i%2 == 0 {
			return s.Commit(t.Context(), payload(1, i))
		}
		_, err := s.Leases(t.Context())
		return err
	}) {
		if (i%2 == 0) != (err == nil) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	for _, conn := range taken {
		conn.Release()
	}
	if _, err := s.Leases(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestTakenBackAgainAndAgain: what the server takes back each time is given up after a
// bounded time, not after so many tries of whatever length.
func TestTakenBackAgainAndAgain(t *testing.T) {
	place := newSchema(t)
	s := place.store(t)
	defer s.Close()
	place.exec(t, `CREATE SEQUENCE SCHEMA_NAME.tries;
		CREATE FUNCTION SCHEMA_NAME.spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			PERFORM nextval('SCHEMA_NAME.tries'), pg_sleep(1); RAISE serialization_failure; END $$;
		CREATE TRIGGER spoil BEFORE INSERT ON SCHEMA_NAME.payloads FOR EACH ROW EXECUTE FUNCTION SCHEMA_NAME.spoil()`)
	if err := s.Commit(t.Context(), payload(1, 1)); err == nil || errors.Is(err, store.ErrUnknown) {
		t.Error(err)
	}
	var tries int
	if place.ask(t, "SELECT last_value FROM "+place.name+".tries", &tries); tries < 1 || tries > 3 {
		t.Errorf("it was tried %d times, for a second each", tries)
	}
}

// TestGhost: while a lost session may still commit, nothing is read and nothing
// committed; when it has ended, all goes on.
func TestGhost(t *testing.T) {
	place := newSchema(t)
	s := place.store(t)
	defer s.Close()
	other, err := s.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Release()
	if _, err := other.Exec(t.Context(), "SELECT pg_advisory_lock(4711)"); err != nil {
		t.Fatal(err)
	}
	s.ghosts.lost = []ghost{{number: 4711}}
	s.ghosts.any.Store(true)
	for i, err := range answers(t, 8, func(i int) error {
		if i%2 == 0 {
			return s.Commit(t.Context(), payload(1, i))
		}
		_, err := s.Execution(t.Context(), store.ID{})
		return err
	}) {
		if !errors.Is(err, errGhost) && !errors.Is(err, errLate) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if _, err := other.Exec(t.Context(), "SELECT pg_advisory_unlock(4711)"); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), payload(1, 1)); err != nil {
		t.Error(err)
	}
	if holds(t, s, 1, 0) || !holds(t, s, 1, 1) {
		t.Error("what was refused is there, or what was done is not")
	}
}

// TestFenceWhateverTheIsolation: who waits for a lease that changes hands finds the
// new owner, whatever the database's isolation is by default.
func TestFenceWhateverTheIsolation(t *testing.T) {
	for _, isolation := range []string{"repeatable read", "serializable"} {
		place := newSchema(t)
		place.dsn += " default_transaction_isolation='" + isolation + "'"
		s := place.store(t)
		defer s.Close()
		if err := s.Commit(t.Context(), &store.Batch{Leases: []store.Lease{{Shard: 3, Epoch: 1}}}); err != nil {
			t.Fatal(err)
		}
		taker, err := s.pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer taker.Rollback(context.Background())
		if _, err := taker.Exec(t.Context(), "SELECT pg_advisory_xact_lock($1)", leaseLock(3)); err != nil {
			t.Fatal(err)
		}
		if _, err := taker.Exec(t.Context(), "UPDATE leases SET epoch = 2 WHERE shard = 3"); err != nil {
			t.Fatal(err)
		}
		fenced := make(chan error, 1)
		go func() {
			b := payload(1, 1)
			b.Fence = &store.Fence{Shard: 3, Epoch: 1}
			fenced <- s.Commit(context.Background(), b)
		}()
		for waits := false; !waits; {
			place.ask(t, "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)", &waits)
		}
		if err := taker.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-fenced; !errors.Is(err, store.ErrFenced) {
			t.Errorf("%s: a commit of the owner before: %v", isolation, err)
		}
		if holds(t, s, 1, 1) {
			t.Errorf("%s: what the owner before wrote is there", isolation)
		}
	}
}

// TestManyNodes: stores over one schema that change the same rows at once, in
// whatever order, all get there.
func TestManyNodes(t *testing.T) {
	place := newSchema(t)
	var nodes []*Store
	for range 3 {
		nodes = append(nodes, place.store(t))
	}
	answers(t, 24, func(i int) error {
		for n := range 5 {
			b := &store.Batch{}
			for k := range 6 {
				x := store.ID{15: byte((k*(1-i%2*2) + 6) % 6)} // up, or down
				b.Frames = append(b.Frames, store.Frame{ID: x, Number: 1, Body: fmt.Append(nil, i)})
				b.Messages = append(b.Messages, store.Message{Shard: 1, Key: fmt.Append(nil, (k*(1-i%2*2)+6)%6)})
			}
			if err := nodes[i%len(nodes)].Commit(context.Background(), b); err != nil {
				t.Errorf("commit %d of %d: %v", n, i, err)
			}
		}
		return nil
	})
	if messages, err := nodes[0].Messages(t.Context(), 1, 99); err != nil || len(messages) != 6 {
		t.Errorf("%d messages, %v", len(messages), err)
	}
	for _, s := range nodes {
		s.Close()
	}
}
