package postgres

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/postgres/pgtest"
	"github.com/backstep/backstep/internal/store/storetest"
)

var faultsBig = flag.Bool("faults.big", false, "cut after every message, and not after every seventh")

// transaction is one of the main kinds of commits: what there is before it, what it
// commits, and how to see whether it was. n makes its rows its own.
type transaction struct {
	name   string
	before func(n int) *store.Batch // nil: nothing
	batch  func(n int) *store.Batch
	done   func(ctx context.Context, s *Store, n int) (bool, error)
}

func faultID(n int) store.ID {
	return store.NewID(1, int64(n), [8]byte{6: byte(n >> 8), 7: byte(n)})
}

// heads tells by the body of the execution's row.
func heads(body string) func(context.Context, *Store, int) (bool, error) {
	return func(ctx context.Context, s *Store, n int) (bool, error) {
		x, err := s.Execution(ctx, faultID(n))
		if errors.Is(err, store.ErrNotFound) {
			return false, nil
		}
		return string(x.Body) == body, err
	}
}

// turnOf is a turn of the benchmark's saga, under a body by which it is known.
func turnOf(turn int, body string) func(n int) *store.Batch {
	return func(n int) *store.Batch {
		b := sagaTurn(faultID(n), turn)
		b.Executions[0].Body = []byte(body)
		if turn == 0 {
			b.ExpectNames = []store.NameKey{b.Names[0].NameKey}
		}
		return b
	}
}

func faultTask(n int) store.QueuedKey {
	return store.QueuedKey{Tenant: "t", Activity: fmt.Sprint("a", n), At: 5, Job: store.JobKey{ID: faultID(n), Number: 1}}
}

func faultJob(n int, due int64) store.Job {
	return store.Job{JobKey: store.JobKey{ID: faultID(n), Number: 1}, Due: due, Body: []byte("job")}
}

func waits(ctx context.Context, s *Store, n int) (bool, error) {
	tasks, err := s.Queue(ctx, "t", fmt.Sprint("a", n), 1)
	return len(tasks) == 1, err
}

func not(f func(context.Context, *Store, int) (bool, error)) func(context.Context, *Store, int) (bool, error) {
	return func(ctx context.Context, s *Store, n int) (bool, error) {
		is, err := f(ctx, s, n)
		return !is, err
	}
}

// leased tells by the lease of a shard of its own.
func leased(is func(store.Lease) bool) func(context.Context, *Store, int) (bool, error) {
	return func(ctx context.Context, s *Store, n int) (bool, error) {
		all, err := s.Leases(ctx)
		return slices.ContainsFunc(all, func(l store.Lease) bool { return int(l.Shard) == 100+n && is(l) }), err
	}
}

func leaseBatch(was, epoch uint64, expires int64) func(n int) *store.Batch {
	return func(n int) *store.Batch {
		shard := store.Shard(100 + n)
		return &store.Batch{ExpectLeases: []store.ExpectLease{{Shard: shard, Epoch: was}},
			Leases: []store.Lease{{Shard: shard, Epoch: epoch, Node: "n", Expires: expires}}}
	}
}

func faultDoc(n int, rev uint64) *store.Batch {
	k := store.DocKey{Tenant: "t", Kind: "machine", Name: fmt.Sprint(n)}
	return &store.Batch{ExpectDocs: []store.ExpectDoc{{DocKey: k, Rev: rev - 1}}, Docs: []store.Doc{{DocKey: k, Rev: rev}},
		Definitions: []store.Definition{{Hash: store.Hash{byte(n), byte(n >> 8)}, Body: []byte("{}")}}}
}

func docAt(rev uint64) func(context.Context, *Store, int) (bool, error) {
	return func(ctx context.Context, s *Store, n int) (bool, error) {
		d, err := s.Doc(ctx, store.DocKey{Tenant: "t", Kind: "machine", Name: fmt.Sprint(n)})
		if errors.Is(err, store.ErrNotFound) {
			return false, nil
		}
		return d.Rev == rev, err
	}
}

func faultMessage(n int) store.Message {
	return store.Message{Shard: store.Shard(n), Key: []byte("key"), Body: []byte("done")}
}

func hasMessage(ctx context.Context, s *Store, n int) (bool, error) {
	all, err := s.Messages(ctx, store.Shard(n), 9)
	return len(all) == 1, err
}

func faultIndex(n int, value string) store.Index {
	return store.Index{IndexKey: store.IndexKey{Tenant: "t", Index: "status", Value: value, Start: 1, ID: faultID(n)}}
}

var transactions = []transaction{
	{"start", nil, turnOf(0, "started"), heads("started")},
	{"step", turnOf(0, "started"), turnOf(1, "step"), heads("step")},
	{"end", func(n int) *store.Batch {
		b := turnOf(0, "started")(n)
		b.Jobs[0].Number = 5
		return b
	}, turnOf(5, "ended"), heads("ended")},
	{"completion from elsewhere", func(n int) *store.Batch { return &store.Batch{Jobs: []store.Job{faultJob(n, 9)}} },
		func(n int) *store.Batch {
			return &store.Batch{ExpectStood: []store.Job{faultJob(n, 9)}, DropJobs: []store.Job{faultJob(n, 9)}, Messages: []store.Message{faultMessage(n)}}
		}, hasMessage},
	{"timer", func(n int) *store.Batch {
		return &store.Batch{Jobs: []store.Job{faultJob(n, 9)}, Executions: []store.Execution{{ID: faultID(n)}}}
	}, func(n int) *store.Batch {
		return &store.Batch{ExpectStood: []store.Job{faultJob(n, 9)}, MovedJobs: []store.Job{faultJob(n, 9)}, Jobs: []store.Job{faultJob(n, 99)}}
	}, func(ctx context.Context, s *Store, n int) (bool, error) {
		l, err := s.Load(ctx, faultID(n))
		return err == nil && len(l.Jobs) == 1 && l.Jobs[0].Due == 99, err
	}},
	{"message taken", func(n int) *store.Batch {
		return &store.Batch{Messages: []store.Message{faultMessage(n)}, Executions: []store.Execution{{ID: faultID(n), Body: []byte("before")}}}
	}, nil, not(hasMessage)}, // its batch names the message's number, see batchOf
	{"lease taken", nil, leaseBatch(0, 1, 10), leased(func(l store.Lease) bool { return l.Epoch == 1 })},
	{"lease renewed", leaseBatch(0, 1, 10), leaseBatch(1, 1, 20), leased(func(l store.Lease) bool { return l.Expires == 20 })},
	{"lease given back", leaseBatch(0, 1, 10), leaseBatch(1, 1, 0), leased(func(l store.Lease) bool { return l.Expires == 0 })},
	{"lease taken over", leaseBatch(0, 1, 10), leaseBatch(1, 2, 30), leased(func(l store.Lease) bool { return l.Epoch == 2 })},
	{"document", func(n int) *store.Batch { return faultDoc(n, 1) }, func(n int) *store.Batch { return faultDoc(n, 2) }, docAt(2)},
	{"execution dropped", turnOf(0, "started"), func(n int) *store.Batch {
		b := sagaTurn(faultID(n), 0)
		return &store.Batch{Fence: b.Fence, DropExecutions: []store.ID{faultID(n)}, DropNames: []store.NameKey{b.Names[0].NameKey}, DropJobs: b.Jobs,
			DropIndex: []store.IndexKey{b.Index[0].IndexKey, b.Index[1].IndexKey}}
	}, not(heads("started"))},
	{"task queued", nil, func(n int) *store.Batch {
		return &store.Batch{Jobs: []store.Job{faultJob(n, 9)}, Queue: []store.Queued{{QueuedKey: faultTask(n)}}}
	}, waits},
	{"task taken", func(n int) *store.Batch { return &store.Batch{Queue: []store.Queued{{QueuedKey: faultTask(n)}}} },
		func(n int) *store.Batch {
			return &store.Batch{ExpectQueued: []store.QueuedKey{faultTask(n)}, DropQueue: []store.QueuedKey{faultTask(n)}, Jobs: []store.Job{faultJob(n, 9)}}
		}, not(waits)},
	{"lists", func(n int) *store.Batch {
		return &store.Batch{Index: []store.Index{faultIndex(n, fmt.Sprint("RUNNING", n))}}
	},
		func(n int) *store.Batch {
			return &store.Batch{Index: []store.Index{faultIndex(n, fmt.Sprint("FAILED", n))}, DropIndex: []store.IndexKey{faultIndex(n, fmt.Sprint("RUNNING", n)).IndexKey}}
		}, func(ctx context.Context, s *Store, n int) (bool, error) {
			rows, err := s.Index(ctx, store.IndexQuery{Tenant: "t", Index: "status", Value: fmt.Sprint("FAILED", n), Limit: 9})
			return len(rows) == 1, err
		}},
}

// faults is a store behind a proxy, the same one without, and a table in which
// every transaction that writes anything notes itself.
type faults struct {
	*testing.T
	place    *schema
	proxy    *pgtest.Proxy
	direct   *Store
	through  *Store
	n        int
	outcomes map[string]int
}

func newFaults(t *testing.T) *faults {
	f := &faults{T: t, place: newSchema(t), outcomes: map[string]int{}}
	f.direct = f.place.store(t)
	t.Cleanup(func() { f.direct.Close() })
	socket := strings.TrimPrefix(strings.Fields(f.place.dsn)[0], "host=") + "/.s.PGSQL.5432"
	if _, err := os.Stat(socket); err != nil {
		t.Skipf("SKIPPED, the server has no socket to stand before: %v", err)
	}
	var err error
	if f.proxy, err = pgtest.NewProxy(socket); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.proxy.Close)
	if f.through, err = Open(t.Context(), f.proxy.DSN(), Options{Schema: f.place.name, Committers: 1}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.through.Close() })
	f.place.exec(t, `CREATE TABLE SCHEMA_NAME.noted (number xid8 DEFAULT pg_current_xact_id());
		CREATE FUNCTION SCHEMA_NAME.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO SCHEMA_NAME.noted DEFAULT VALUES; RETURN NULL; END $$;
		DO $$ DECLARE t text; BEGIN FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'SCHEMA_NAME' AND tablename NOT IN ('noted', 'backstep') LOOP
			EXECUTE format('CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON SCHEMA_NAME.%I FOR EACH STATEMENT EXECUTE FUNCTION SCHEMA_NAME.note()', t);
		END LOOP; END $$`)
	own := &store.Batch{}
	for shard := range f.direct.Identity().Shards {
		own.Leases = append(own.Leases, store.Lease{Shard: store.Shard(shard), Epoch: 1, Expires: 1 << 50})
	}
	f.commit(f.direct, own)
	return f
}

func (f *faults) commit(s *Store, b *store.Batch) {
	f.Helper()
	if err := s.Commit(f.Context(), b); err != nil {
		f.Fatal(err)
	}
}

// batchOf is the transaction's batch; that of a message taken names its number.
func (f *faults) batchOf(x *transaction) *store.Batch {
	if x.batch != nil {
		return x.batch(f.n)
	}
	all, err := f.direct.Messages(f.Context(), store.Shard(f.n), 9)
	if err != nil || len(all) != 1 {
		f.Fatal(all, err)
	}
	return &store.Batch{Executions: []store.Execution{{ID: faultID(f.n), Body: []byte("taken")}},
		DropMessages: []store.MessageKey{{Shard: all[0].Shard, Seq: all[0].Seq, Key: all[0].Key}}}
}

// spoil commits a transaction under an order and judges what becomes of it: what
// was acknowledged is there, what was refused is not, what is unknown stays as a
// read right after it says; and in the end it was done once.
func (f *faults) spoil(x *transaction, o *pgtest.Order) (reached bool) {
	f.Helper()
	f.warm(x)
	f.n++
	if x.before != nil {
		f.commit(f.direct, x.before(f.n))
	}
	b := f.batchOf(x)
	f.place.exec(f, "TRUNCATE SCHEMA_NAME.noted")
	f.proxy.Give(o)
	begun := time.Now()
	err := f.through.Commit(f.Context(), b)
	took := time.Since(begun)
	f.proxy.Give(nil)
	select {
	case <-o.Done:
		reached = true
	default:
	}
	there := f.sees(f.through, x)
	f.proxy.Settle()
	what := fmt.Sprintf("%s, %v of side %d after %d: %v", x.name, o.Do, o.From, o.After, err)
	if took > 5*time.Second {
		f.Errorf("%s: after %v", what, took)
	}
	if later := f.sees(f.direct, x); later != there {
		f.Errorf("%s: a read says there %v, and later it is %v", what, there, later)
	}
	switch {
	case err == nil:
		f.outcomes["done"]++
		if !there {
			f.Errorf("%s: acknowledged and not there", what)
		}
	case errors.Is(err, store.ErrUnknown):
		f.outcomes[fmt.Sprintf("unknown, there %v", there)]++
	case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrFenced):
		f.outcomes["conflict"]++ // an answer betrayed it, and it was tried again
		if !there || o.Do != pgtest.Betray {
			f.Errorf("%s: there %v", what, there)
		}
	default:
		f.outcomes["refused"]++
		if there && o.Do != pgtest.Betray {
			f.Errorf("%s: and there", what)
		}
	}
	if !there { // as the engine does: read, and try again
		f.commit(f.through, f.batchOf(x))
	}
	var commits int
	f.place.ask(f, "SELECT count(DISTINCT number) FROM "+f.place.name+".noted", &commits)
	if commits != 1 && o.Do != pgtest.Betray || commits > 2 {
		f.Errorf("%s: done %d times", what, commits)
	}
	return reached
}

// warm lets the committer have a session that has prepared what the transaction
// needs, so that an order meets the transaction itself.
func (f *faults) warm(x *transaction) {
	f.Helper()
	for try := 0; try < 50; try++ {
		f.n++
		if x.before != nil {
			f.commit(f.direct, x.before(f.n))
		}
		if f.through.Commit(f.Context(), f.batchOf(x)) == nil {
			return
		}
	}
	f.Fatalf("%s: it never passes", x.name)
}

func (f *faults) sees(s *Store, x *transaction) bool {
	f.Helper()
	var there bool
	var err error
	for try := 0; try < 50; try++ {
		if there, err = x.done(f.Context(), s, f.n); err == nil {
			return there
		}
	}
	f.Fatal(err)
	return false
}

// TestSQLFaultsCut cuts the connection after every message of every main
// transaction, in each direction: both sides lose it, or the client alone, and the
// server gets what was sent when the client has long read again.
func TestSQLFaultsCut(t *testing.T) {
	f := newFaults(t)
	step, floor := 7, 80
	if *faultsBig {
		step, floor = 1, 550
	}
	table := newTable("TRANSACTION", "CUT AFTER MESSAGES", "DONE", "REFUSED", "UNKNOWN, DONE", "UNKNOWN, NOT DONE")
	all, done, undone := 0, 0, 0
	for i := range transactions {
		x := &transactions[i]
		f.outcomes = map[string]int{}
		cuts := 0
		for _, o := range []pgtest.Order{{From: pgtest.Client, Do: pgtest.Cut}, {From: pgtest.Client, Do: pgtest.Late}, {From: pgtest.Server, Do: pgtest.Cut}} {
			for o.After = i % min(step, 3); ; o.After += step {
				again := o
				if !f.spoil(x, &again) {
					break
				}
				cuts++
			}
		}
		table.row(x.name, cuts, f.outcomes["done"], f.outcomes["refused"], f.outcomes["unknown, there true"], f.outcomes["unknown, there false"])
		all, done, undone = all+cuts, done+f.outcomes["unknown, there true"], undone+f.outcomes["unknown, there false"]
	}
	t.Logf("%d cuts in %d transactions\n%s", all, len(transactions), table)
	if all < floor || done == 0 || undone == 0 {
		t.Errorf("%d cuts, %d unknown and done, %d unknown and not done: that is no test, there are %d and both kinds", all, done, undone, floor)
	}
}

// codes are what the server may say of a transaction that it could have done.
var codes = []struct{ code, severity, what string }{
	{"40001", "ERROR", "serialization failure"},
	{"40P01", "ERROR", "deadlock"},
	{"55P03", "ERROR", "lock not to be had"},
	{"57P01", "FATAL", "the server is shut down"},
	{"53300", "FATAL", "too many connections"},
	{"53300", "ERROR", "too many connections"},
	{"25P02", "ERROR", "in a failed transaction"},
	{"08006", "FATAL", "connection failure"},
	{"08006", "ERROR", "connection failure"},
}

// TestSQLFaultsCodes answers every main transaction with every code, in the place of
// its being done and after it was done.
func TestSQLFaultsCodes(t *testing.T) {
	f := newFaults(t)
	table := newTable("CODE", "", "DONE", "REFUSED", "CONFLICT", "UNKNOWN, DONE", "UNKNOWN, NOT DONE")
	all := 0
	for c, code := range codes {
		f.outcomes = map[string]int{}
		for i := range transactions {
			if !*faultsBig && (i+c)%4 != 0 {
				continue
			}
			for _, deed := range []pgtest.Deed{pgtest.Deny, pgtest.Betray} {
				o := &pgtest.Order{From: pgtest.Client, Do: deed, Code: code.code, Severity: code.severity}
				if !f.spoil(&transactions[i], o) {
					t.Errorf("%s: the order for %s was not reached", transactions[i].name, code.code)
				}
				all++
			}
		}
		table.row(code.code+" "+code.severity, code.what, f.outcomes["done"], f.outcomes["refused"], f.outcomes["conflict"], f.outcomes["unknown, there true"], f.outcomes["unknown, there false"])
	}
	t.Logf("%d answers\n%s", all, table)
	if want := len(codes) * len(transactions) / 2; all < want/2 {
		t.Errorf("%d answers, at least %d make a test", all, want/2)
	}
}

// TestSQLFaultsReads answers every read with every code, and cuts it: it answers in
// time, with an error that nobody takes for an answer, and the next one is right.
func TestSQLFaultsReads(t *testing.T) {
	f := newFaults(t)
	calls := storetest.Calls()
	orders := []pgtest.Order{{From: pgtest.Client, Do: pgtest.Cut}, {From: pgtest.Server, Do: pgtest.Cut}, {From: pgtest.Server, Do: pgtest.Cut, After: 2}}
	for _, c := range codes {
		orders = append(orders, pgtest.Order{From: pgtest.Client, Do: pgtest.Deny, Code: c.code, Severity: c.severity},
			pgtest.Order{From: pgtest.Client, Do: pgtest.Betray, Code: c.code, Severity: c.severity})
	}
	made, answered := 0, 0
	for _, call := range calls {
		if call.Endless || call.Method == "Commit" {
			continue
		}
		right := fmt.Sprint(call.Do(t.Context(), f.direct, nil))
		for _, o := range orders {
			order := o
			f.proxy.Give(&order)
			begun := time.Now()
			err := call.Do(t.Context(), f.through, nil)
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("%s, %v %s: after %v", call.Method, o.Do, o.Code, took)
			}
			f.proxy.Give(nil)
			made++
			switch {
			case fmt.Sprint(err) == right:
				answered++ // tried again beneath, or not reached
			case err == nil, errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrFenced), errors.Is(err, store.ErrUnknown):
				t.Errorf("%s, %v %s: %v, the answer is %s", call.Method, o.Do, o.Code, err, right)
			}
			var then error
			for range 3 { // a pool may have connections that were lost
				if then = call.Do(t.Context(), f.through, nil); fmt.Sprint(then) == right {
					break
				}
			}
			if fmt.Sprint(then) != right {
				t.Errorf("%s after %v %s: %v, the answer is %s", call.Method, o.Do, o.Code, then, right)
			}
		}
	}
	t.Logf("%d reads spoilt, %d of them answered nevertheless", made, answered)
	if made < 300 || answered > made/2 {
		t.Errorf("%d reads spoilt, %d of them answered: that is no test", made, answered)
	}
}

// TestUnknownEndsTheSession: a session whose last commit is unknown commits nothing
// more, even where it is still there.
func TestUnknownEndsTheSession(t *testing.T) {
	f := newFaults(t)
	x := &transactions[0]
	for _, code := range []string{"08006", "08007"} {
		lost := f.through.Metrics().Lost
		f.spoil(x, &pgtest.Order{From: pgtest.Client, Do: pgtest.Betray, Code: code, Severity: "ERROR"})
		if now := f.through.Metrics().Lost; now != lost+1 {
			t.Errorf("%s: %d sessions are lost, before it were %d", code, now, lost)
		}
	}
	if f.outcomes["unknown, there true"] != 2 {
		t.Errorf("%v", f.outcomes)
	}
}

// TestWatchBegins: a watch begins within a bounded time where the server does not
// answer, and hears when there is one that does.
func TestWatchBegins(t *testing.T) {
	f := newFaults(t)
	o := &pgtest.Order{From: pgtest.Client, Do: pgtest.Swallow}
	f.proxy.Give(o)
	watches := make(chan (<-chan store.Hint), 1)
	go func() { watches <- f.through.Watch(f.Context()) }()
	var hints <-chan store.Hint
	select {
	case hints = <-watches:
	case <-time.After(time.Minute):
		t.Fatal("the watch does not begin")
	}
	select {
	case <-o.Done:
	default:
		t.Fatal("nothing was swallowed")
	}
	f.hears(hints, 7)
}

// TestWatchGoesOn: where the server has gone without a word, a watch finds another way
// to it.
func TestWatchGoesOn(t *testing.T) {
	f := newFaults(t)
	hints := f.through.Watch(t.Context())
	f.hears(hints, 7)
	o := &pgtest.Order{From: pgtest.Client, Do: pgtest.Swallow}
	f.proxy.Give(o)
	select {
	case <-o.Done:
	case <-time.After(time.Minute):
		t.Fatal("a server that says nothing is not asked whether it is there")
	}
	f.hears(hints, 8)
}

// hears leaves messages until there is a hint at their shard.
func (f *faults) hears(hints <-chan store.Hint, shard store.Shard) {
	f.Helper()
	deadline := time.After(time.Minute)
	for n := 0; ; n++ {
		f.commit(f.direct, &store.Batch{Messages: []store.Message{{Shard: shard, Key: fmt.Append(nil, n)}}})
		select {
		case hint := <-hints:
			if hint.Shard == shard {
				return
			}
		case <-deadline:
			f.Fatalf("nothing is heard of shard %d", shard)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// table is rows of words and counts.
type table struct {
	text   strings.Builder
	writer *tabwriter.Writer
}

func newTable(columns ...any) *table {
	t := &table{}
	t.writer = tabwriter.NewWriter(&t.text, 0, 0, 2, ' ', 0)
	t.row(columns...)
	return t
}

func (t *table) row(cells ...any) {
	for _, c := range cells {
		fmt.Fprint(t.writer, c, "\t")
	}
	fmt.Fprintln(t.writer)
}

func (t *table) String() string {
	t.writer.Flush()
	return t.text.String()
}
