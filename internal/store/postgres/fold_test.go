package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/backstep/backstep/internal/store"
)

func frameOf(x byte, n uint32) *store.Batch {
	return &store.Batch{Frames: []store.Frame{{ID: store.ID{15: x}, Number: n}}}
}

// TestLine: what goes together has no key in common, nothing overtakes what it
// shares a key with, and what is under way holds its keys.
func TestLine(t *testing.T) {
	l := newLine()
	names := map[*waiting]string{}
	join := func(name string, b *store.Batch) *waiting {
		w := newWaiting(t.Context(), b)
		names[w] = name
		if err := l.join(w); err != nil {
			t.Fatal(err)
		}
		return w
	}
	next := func(want string) []*waiting {
		t.Helper()
		fold := l.next()
		var got []string
		for _, w := range fold {
			got = append(got, names[w])
		}
		if strings.Join(got, " ") != want {
			t.Fatalf("together go %q, want %q", got, want)
		}
		return fold
	}
	fence := &store.Fence{Shard: 3, Epoch: 1}
	join("a1", frameOf(1, 1))
	join("a2", frameOf(1, 2))
	join("ab", &store.Batch{Frames: []store.Frame{{ID: store.ID{15: 1}}, {ID: store.ID{15: 2}}}})
	join("b", frameOf(2, 1)) // not before ab
	join("fenced", &store.Batch{Fence: fence})
	join("also fenced", &store.Batch{Fence: fence})
	join("lease", &store.Batch{Leases: []store.Lease{{Shard: 3}}})
	join("fenced late", &store.Batch{Fence: fence})
	join("drop", &store.Batch{DropExecutions: []store.ID{{15: 9}}})
	left := join("left", frameOf(8, 1))
	if !l.leave(left) || l.leave(left) {
		t.Fatal("who waits may leave, once")
	}
	first := next("a1 fenced also fenced")
	beside := next("drop")
	l.done(beside, nil)
	l.done(first, []*waiting{first[0]}) // a1 is to be tried again, and stands before a2
	second := next("a1 lease")
	l.done(second, nil)
	third := next("a2 fenced late")
	l.done(third, nil)
	l.done(next("ab"), nil)
	l.close()
	if err := l.join(newWaiting(t.Context(), frameOf(1, 1))); !errors.Is(err, errClosed) {
		t.Fatal(err)
	}
	l.done(next("b"), nil)
	if fold := l.next(); fold != nil || len(l.held.own)+len(l.held.shared) > 0 {
		t.Fatal("something is left", fold, l.held)
	}
}

// TestLineIsBounded: a fold has so many batches and bytes at most.
func TestLineIsBounded(t *testing.T) {
	l := newLine()
	for n := range foldBatches + 10 {
		_ = l.join(newWaiting(t.Context(), &store.Batch{Docs: []store.Doc{{DocKey: store.DocKey{Name: fmt.Sprint(n)}}}}))
	}
	if n := len(l.next()); n != foldBatches {
		t.Errorf("%d batches together", n)
	}
	l = newLine()
	for n := range 10 {
		_ = l.join(newWaiting(t.Context(), &store.Batch{Payloads: []store.Payload{{ID: store.ID{byte(n)}, Body: make([]byte, foldBytes/3)}}}))
	}
	if n := len(l.next()); n != 3 {
		t.Errorf("%d large batches together", n)
	}
}

// together commits batches so that they are in one fold: behind a committer that
// is held up.
func together(t *testing.T, place *schema, batches ...*store.Batch) (errs []error) {
	t.Helper()
	s, err := Open(t.Context(), place.dsn, Options{Schema: place.name, Committers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	blocker, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer blocker.Rollback(context.Background())
	if _, err := blocker.Exec(t.Context(), "LOCK TABLE leases IN SHARE MODE"); err != nil {
		t.Fatal(err)
	}
	errs = make([]error, len(batches))
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Commit(context.Background(), &store.Batch{Leases: []store.Lease{{Shard: 99}}}); err != nil {
			t.Error(err)
		}
	})
	for underWay := false; !underWay; {
		s.line.mu.Lock()
		underWay = len(s.line.held.own) == 1
		s.line.mu.Unlock()
	}
	for i, b := range batches {
		wg.Go(func() { errs[i] = s.Commit(context.Background(), b) })
	}
	for waiting := 0; waiting < len(batches); {
		s.line.mu.Lock()
		waiting = len(s.line.waiting)
		s.line.mu.Unlock()
	}
	if err := blocker.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	return errs
}

func named(name string) *store.Batch {
	return &store.Batch{Docs: []store.Doc{{DocKey: store.DocKey{Name: name}, Rev: 1}}}
}

// TestOneTransaction: what waits at a moment is one transaction.
func TestOneTransaction(t *testing.T) {
	place := newSchema(t)
	place.store(t).Close()
	var batches []*store.Batch
	for n := range 50 {
		batches = append(batches, named(fmt.Sprint(n)))
	}
	if errs := together(t, place, batches...); slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
		t.Fatal(errs)
	}
	var rows, transactions int
	place.ask(t, "SELECT count(*), count(DISTINCT xmin::text) FROM "+place.name+".documents", &rows, &transactions)
	if rows != 50 || transactions != 1 {
		t.Errorf("%d rows by %d transactions", rows, transactions)
	}
}

// TestNeighboursOfTheRefused: of batches that are sent together those whose
// expectations do not hold are told so, each what it is about, what the server
// refuses fails by itself, and all others are done.
func TestNeighboursOfTheRefused(t *testing.T) {
	place := newSchema(t)
	s := place.store(t)
	x := store.ID{15: 1}
	name := store.NameKey{Tenant: "t", Machine: "m", Name: "taken"}
	task := store.QueuedKey{Tenant: "t", Activity: "a", Job: store.JobKey{ID: x}}
	if err := s.Commit(t.Context(), &store.Batch{Leases: []store.Lease{{Shard: 1, Epoch: 2}}, Names: []store.Name{{NameKey: name}}}); err != nil {
		t.Fatal(err)
	}
	place.exec(t, `CREATE FUNCTION SCHEMA_NAME.spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'spoilt'; END $$;
		CREATE TRIGGER spoil BEFORE INSERT ON SCHEMA_NAME.documents FOR EACH ROW WHEN (new.name = 'spoilt') EXECUTE FUNCTION SCHEMA_NAME.spoil()`)
	with := func(name string, change func(*store.Batch)) *store.Batch {
		b := named(name)
		change(b)
		return b
	}
	cases := []struct {
		batch *store.Batch
		is    error
		says  string
	}{
		{with("fenced", func(b *store.Batch) { b.Fence = &store.Fence{Shard: 1, Epoch: 1} }), store.ErrFenced, "shard 1 is not at epoch 1"},
		{with("passes", func(b *store.Batch) { b.Fence = &store.Fence{Shard: 1, Epoch: 2} }), nil, ""},
		{with("document", func(b *store.Batch) { b.ExpectDocs = []store.ExpectDoc{{DocKey: store.DocKey{Name: "none"}, Rev: 3}} }), store.ErrConflict, `document "none" is not at 3`},
		{with("lease", func(b *store.Batch) { b.ExpectLeases = []store.ExpectLease{{Shard: 4, Epoch: 1}} }), store.ErrConflict, "lease of shard 4"},
		{with("name", func(b *store.Batch) {
			b.ExpectNames, b.Names = []store.NameKey{name}, []store.Name{{NameKey: name}}
		}), store.ErrConflict, `name "taken" is taken`},
		{with("free", func(b *store.Batch) { b.ExpectNames = []store.NameKey{{Name: "free"}} }), nil, ""},
		{with("job", func(b *store.Batch) {
			b.ExpectJobs, b.DropJobs = []store.JobKey{{ID: x, Number: 7}}, []store.Job{{JobKey: store.JobKey{ID: x, Number: 7}}}
		}), store.ErrConflict, "/7 is gone"},
		{with("kept job", func(b *store.Batch) { b.ExpectJobs = []store.JobKey{{ID: store.ID{15: 2}, Number: 8}} }), store.ErrConflict, "/8 is gone"},
		{with("stood", func(b *store.Batch) {
			b.ExpectStood = []store.Job{{JobKey: store.JobKey{ID: store.ID{15: 4}, Number: 9}}}
		}), store.ErrConflict, "/9 is gone or was moved"},
		{with("task", func(b *store.Batch) {
			b.ExpectQueued, b.DropQueue = []store.QueuedKey{{Tenant: "t", Activity: "a", Job: store.JobKey{ID: store.ID{15: 3}}}}, []store.QueuedKey{{Tenant: "t", Activity: "a", Job: store.JobKey{ID: store.ID{15: 3}}}}
		}), store.ErrConflict, "is no longer queued"},
		{with("kept task", func(b *store.Batch) { b.ExpectQueued = []store.QueuedKey{{Tenant: task.Tenant, Activity: "b"}} }), store.ErrConflict, "is no longer queued"},
		{named("spoilt"), errPlain, "spoilt"},
		{named("plain"), nil, ""},
	}
	var batches []*store.Batch
	for _, c := range cases {
		batches = append(batches, c.batch)
	}
	errs := together(t, place, batches...)
	for i, c := range cases {
		name, err := c.batch.Docs[0].Name, errs[i]
		if (err == nil) != (c.is == nil) || err != nil && !strings.Contains(err.Error(), c.says) || c.is != nil && c.is != errPlain && !errors.Is(err, c.is) {
			t.Errorf("%s: %v, want %v: %s", name, err, c.is, c.says)
		}
		if _, err := s.Doc(t.Context(), store.DocKey{Name: name}); (err == nil) != (c.is == nil) {
			t.Errorf("%s is there: %v", name, err == nil)
		}
	}
	if _, err := s.Name(t.Context(), store.NameKey{Name: "free"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a name that was expected only: %v", err)
	}
}

// TestRewritten: events and payloads that are there already are replaced, beside
// others that are new.
func TestRewritten(t *testing.T) {
	place := newSchema(t)
	s := place.store(t)
	row := func(x byte, body string) *store.Batch {
		return &store.Batch{Events: []store.Events{{ID: store.ID{15: x}, First: 1, Body: []byte(body)}}, Payloads: []store.Payload{{ID: store.ID{15: x}, Number: 1, Body: []byte(body)}}}
	}
	if err := s.Commit(t.Context(), row(1, "first")); err != nil {
		t.Fatal(err)
	}
	if errs := together(t, place, row(1, "second"), row(2, "second"), row(3, "second")); errors.Join(errs...) != nil {
		t.Fatal(errs)
	}
	for x := range byte(3) {
		events, err := s.Events(t.Context(), store.ID{15: x + 1}, 1, false, 9)
		payloads, perr := s.Payloads(t.Context(), store.ID{15: x + 1}, []uint32{1})
		if err != nil || perr != nil || len(events) != 1 || string(events[0].Body) != "second" || string(payloads[0]) != "second" {
			t.Errorf("%d: %v, %v, %v, %q", x+1, err, perr, events, payloads)
		}
	}
}
