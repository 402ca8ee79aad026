package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/postgres/pgtest"
	"github.com/jackc/pgx/v5/pgconn"
)

// cutter is a way to a server that can be cut after so many more bytes in one
// direction.
type cutter struct {
	dir    string
	listen net.Listener
	left   [2]atomic.Int64 // to the server, and back
}

func newCutter(t *testing.T, socket string) *cutter {
	t.Helper()
	c := &cutter{dir: t.TempDir()}
	var err error
	if c.listen, err = net.Listen("unix", filepath.Join(c.dir, ".s.PGSQL.5432")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.listen.Close() })
	c.mend()
	go func() {
		for {
			client, err := c.listen.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", socket)
			if err != nil {
				client.Close()
				continue
			}
			go c.carry(0, client, server)
			go c.carry(1, server, client)
		}
	}()
	return c
}

func (c *cutter) mend() {
	c.left[0].Store(1 << 60)
	c.left[1].Store(1 << 60)
}

// carry passes bytes on until there are none left to pass, then cuts.
func (c *cutter) carry(direction int, from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		left := c.left[direction].Add(-int64(n)) + int64(n)
		if left < int64(n) {
			_, _ = to.Write(buffer[:max(left, 0)])
			return
		}
		if _, werr := to.Write(buffer[:n]); werr != nil || err != nil {
			return
		}
	}
}

// TestCutAtEveryByte cuts the connection within a commit, after every few bytes
// in each direction: a commit that is acknowledged is there, one that is refused
// is not, and of one that is unknown both are allowed.
func TestCutAtEveryByte(t *testing.T) {
	place := newSchema(t)
	socket := strings.TrimSuffix(strings.TrimPrefix(strings.Fields(place.dsn)[0], "host="), "/") + "/.s.PGSQL.5432"
	direct := place.store(t)
	defer direct.Close()
	way := newCutter(t, socket)
	through, err := Open(t.Context(), "host="+way.dir+" user=postgres dbname=postgres sslmode=disable", Options{Schema: place.name, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer through.Close()
	outcomes := map[string]int{}
	cut := func(direction int, after int64, n int) (passed bool) {
		way.mend()
		for through.Commit(t.Context(), payload(0, 0)) != nil { // a connection, with its statements prepared
		}
		way.left[direction].Store(after)
		err := through.Commit(t.Context(), payload(1, n))
		passed = way.left[direction].Load() >= 0
		way.mend()
		there := holds(t, direct, 1, n)
		switch {
		case err == nil:
			outcomes["done"]++
			if !there {
				t.Errorf("cut after %d bytes of direction %d: acknowledged and not there", after, direction)
			}
		case errors.Is(err, store.ErrUnknown):
			outcomes[fmt.Sprintf("unknown, there %v", there)]++
		default:
			outcomes["refused"]++
			if there {
				t.Errorf("cut after %d bytes of direction %d: %v, and there", after, direction, err)
			}
		}
		return passed
	}
	n := 0
	for direction := range 2 {
		for after := int64(0); ; after += 11 {
			n++
			if cut(direction, after, n) {
				break
			}
		}
	}
	t.Logf("%d cuts: %v", n, outcomes)
	if outcomes["unknown, there true"] == 0 || outcomes["unknown, there false"] == 0 || n < 40 {
		t.Errorf("the cuts do not reach both outcomes: %d, %v", n, outcomes)
	}
}

func payload(x byte, n int) *store.Batch {
	return &store.Batch{
		ExpectDocs: []store.ExpectDoc{{DocKey: store.DocKey{Name: fmt.Sprint("never", n)}}},
		Payloads:   []store.Payload{{ID: store.ID{15: x}, Number: uint32(n), Body: []byte("body")}},
		Frames:     []store.Frame{{ID: store.ID{15: x}, Number: uint32(n), Body: []byte("body")}},
	}
}

// holds reports whether that payload is there.
func holds(t *testing.T, s *Store, x byte, n int) bool {
	t.Helper()
	for {
		_, err := s.Payloads(t.Context(), store.ID{15: x}, []uint32{uint32(n)})
		if err == nil || errors.Is(err, store.ErrNotFound) {
			return err == nil
		}
		if t.Context().Err() != nil {
			t.Fatal(err)
		}
	}
}

// TestServerCrashes: what was acknowledged outlives crashes of the server under
// load, and the store goes on by itself.
func TestServerCrashes(t *testing.T) {
	pgtest.DSN(t) // skips where there is no server to crash
	cluster, err := pgtest.Start()
	if errors.Is(err, pgtest.ErrMissing) {
		t.Skipf("SKIPPED, a private server is crashed: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	defer cluster.Stop()
	place := &schema{dsn: cluster.DSN(), name: "crashed"}
	s := place.store(t)
	defer s.Close()
	const committers = 8
	var acked [committers][]int
	var total atomic.Int64
	var stop atomic.Bool
	var wg sync.WaitGroup
	for c := range committers {
		wg.Go(func() {
			for n := 0; !stop.Load(); n++ {
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				err := s.Commit(ctx, payload(byte(c), n))
				cancel()
				if err == nil {
					acked[c] = append(acked[c], n)
					total.Add(1)
				} else if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrFenced) {
					t.Errorf("a crash is told as %v", err)
				}
			}
		})
	}
	for range 3 {
		before := total.Load()
		for total.Load() < before+200 {
			time.Sleep(time.Millisecond)
		}
		if err := cluster.Restart(); err != nil {
			t.Fatal(err)
		}
	}
	before := total.Load()
	for total.Load() < before+50 {
		time.Sleep(time.Millisecond)
	}
	stop.Store(true)
	wg.Wait()
	for c := range committers {
		for _, n := range acked[c] {
			if !holds(t, s, byte(c), n) {
				t.Fatalf("commit %d of %d was acknowledged and is gone", n, c)
			}
		}
	}
	t.Logf("%d acknowledged over 3 crashes", total.Load())
}

// TestReadOnlyServer: a server that takes no writes refuses commits plainly.
func TestReadOnlyServer(t *testing.T) {
	place := newSchema(t)
	place.store(t).Close()
	s, err := Open(t.Context(), place.dsn+" default_transaction_read_only=on", Options{Schema: place.name})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Commit(t.Context(), payload(1, 1)); err == nil || errors.Is(err, store.ErrUnknown) {
		t.Error(err)
	}
	if holds(t, s, 1, 1) {
		t.Error("what was refused is there")
	}
}

// TestOutcome: what each kind of error means for the batch.
func TestOutcome(t *testing.T) {
	told := func(severity, code string) error {
		return &pgconn.PgError{SeverityUnlocalized: severity, Severity: severity, Code: code}
	}
	for _, c := range []struct {
		err  error
		sent bool
		is   error // beside nil: errPlain is none that is branched on
	}{
		{nil, true, nil},
		{told("ERROR", codeConflict), true, errPlain},
		{told("ERROR", "40001"), true, errAgain},
		{told("ERROR", "40P01"), true, errAgain},
		{told("ERROR", "55P03"), true, errPlain},
		{told("ERROR", "57014"), true, errPlain},
		{told("ERROR", "25006"), true, errPlain},
		{told("FATAL", "57P01"), true, store.ErrUnknown},
		{told("FATAL", "57P01"), false, errAgain},
		{told("PANIC", "XX000"), true, store.ErrUnknown},
		{io.ErrUnexpectedEOF, true, store.ErrUnknown},
		{io.ErrUnexpectedEOF, false, errAgain},
		{context.DeadlineExceeded, true, store.ErrUnknown},
	} {
		err := outcome(c.err, c.sent)
		if (err == nil) != (c.err == nil) || errors.Is(err, store.ErrUnknown) != (c.is == store.ErrUnknown) || errors.Is(err, errAgain) != (c.is == errAgain) {
			t.Errorf("%v, sent %v: %v, want %v", c.err, c.sent, err, c.is)
		}
	}
}

var errPlain = errors.New("plain")

// TestDeadlocksEnd: commits that lock rows across one another end, all done.
func TestDeadlocksEnd(t *testing.T) {
	place := newSchema(t)
	s := place.store(t)
	defer s.Close()
	var wg sync.WaitGroup
	for c := range 4 {
		wg.Go(func() {
			for n := range 10 {
				frames := []store.Frame{{ID: store.ID{1}, Number: 1}, {ID: store.ID{2}, Number: 1}, {ID: store.ID{3}, Number: 1}}
				if c%2 == 1 {
					frames[0], frames[2] = frames[2], frames[0]
				}
				if err := s.Commit(context.Background(), &store.Batch{Frames: frames}); err != nil {
					t.Errorf("commit %d of %d: %v", n, c, err)
				}
			}
		})
	}
	wg.Wait()
}
