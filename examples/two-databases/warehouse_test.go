package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backstep/backstep/examples/exampletest"
	"github.com/backstep/backstep/internal/store/postgres/pgtest"
	"github.com/backstep/backstep/participant"
)

func TestMain(m *testing.M) { os.Exit(exampletest.Run(m)) }

func TestProven(t *testing.T) { exampletest.Proven(t, "move.asl.json") }

func TestReadme(t *testing.T) {
	c := cluster(t)
	host := strings.TrimPrefix(strings.Fields(c.DSN())[0], "host=")
	exampletest.ReadMe(t, "PGHOST="+host, "PGUSER=postgres", "PGSSLMODE=disable")
}

// cluster is a PostgreSQL of its own that takes prepared transactions.
func cluster(t *testing.T, databases ...string) *pgtest.Cluster {
	t.Helper()
	c, err := pgtest.Start()
	if err == pgtest.ErrMissing {
		t.Skipf("SKIPPED, nothing of prepared transactions is tested: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	db, err := sql.Open("pgx", c.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	statements := []string{"ALTER SYSTEM SET max_prepared_transactions = 50"}
	for _, name := range databases {
		statements = append(statements, "CREATE DATABASE "+name)
	}
	for _, statement := range statements {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Restart(); err != nil {
		t.Fatal(err)
	}
	return c
}

func dsn(c *pgtest.Cluster, name string) string {
	return strings.Replace(c.DSN(), "dbname=postgres", "dbname="+name, 1)
}

// depot is the server, the warehouses as a process that can be killed, and their books.
type depot struct {
	*exampletest.Stage
	wire    *exampletest.Wire
	cluster *pgtest.Cluster
	address string

	mu      sync.Mutex
	process *exec.Cmd
	fatal   map[string]int // calls after whose effect the process dies, by the path
}

func openDepot(t *testing.T) *depot {
	t.Helper()
	d := &depot{cluster: cluster(t, "west", "east"), address: exampletest.FreeAddress(t), fatal: map[string]int{}}
	d.start(t)
	t.Cleanup(d.kill)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: d.address})
	proxy.ErrorHandler = func(w http.ResponseWriter, r *http.Request, err error) {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	}
	d.wire = exampletest.Lay(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !d.isFatal(r.URL.Path) {
			proxy.ServeHTTP(w, r)
			return
		}
		proxy.ServeHTTP(httptest.NewRecorder(), r)
		d.kill()
		d.start(t)
		panic(http.ErrAbortHandler) // the connection breaks
	}))
	d.Stage = exampletest.Open(t, d.wire.Address)
	d.Create(t, "Move", "move.asl.json")
	return d
}

// dies has the process die after the effects of the next n calls of a path.
func (d *depot) dies(path string, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fatal[path] = n
}

func (d *depot) isFatal(path string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fatal[path]--
	return d.fatal[path] >= 0
}

func (d *depot) start(t *testing.T) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.process = exec.Command(exampletest.Program("two-databases"), "--listen", d.address, "--west", dsn(d.cluster, "west"), "--east", dsn(d.cluster, "east"))
	if err := d.process.Start(); err != nil {
		t.Error(err)
	}
	for range 500 {
		if answer, err := http.Get("http://" + d.address + "/"); err == nil {
			answer.Body.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the warehouses do not listen")
}

func (d *depot) kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.process.Process.Kill()
	d.process.Wait()
}

// books are the pieces in both warehouses, and how many transactions are prepared.
func (d *depot) books(t *testing.T) string {
	t.Helper()
	var told []string
	for _, name := range []string{"west", "east"} {
		db, err := sql.Open("pgx", dsn(d.cluster, name))
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, exampletest.Row(t, db, "SELECT SUM(pieces)::bigint, (SELECT COUNT(*) FROM pg_prepared_xacts WHERE database = current_database()) FROM shelves"))
		db.Close()
	}
	return strings.Join(told, ", ")
}

type pieces struct {
	Article string `json:"article"`
	Pieces  int64  `json:"pieces"`
}

func (d *depot) ends(t *testing.T, name string, in pieces, want, saga, books string) {
	t.Helper()
	if end := d.Run(t, "Move", name, in); end != want {
		t.Errorf("%s ended %s, want %s", name, end, want)
	}
	if status, log := d.Saga(t, "Move:"+name); status != saga {
		t.Errorf("%s: %s %q", name, status, log)
	}
	if got := d.books(t); got != books {
		t.Errorf("%s: the books say %s, want %s", name, got, books)
	}
}

func TestTwoPhases(t *testing.T) {
	d := openDepot(t)
	release := d.wire.Hold("/west/commit")
	d.Start(t, "Move", "m-1", pieces{"mug", 10})
	exampletest.Await(t, "both to be prepared", func() bool { return d.wire.Calls("/west/commit") == 1 })
	if got := d.books(t); got != "200 1, 200 1" {
		t.Errorf("before Confirm the books say %s", got)
	}
	// What is prepared outlives the database's own end.
	if err := d.cluster.Restart(); err != nil {
		t.Fatal(err)
	}
	release()
	if end := d.End(t, "Move", "m-1"); end != "SUCCEEDED" {
		t.Error(end)
	}
	if got := d.books(t); got != "190 0, 210 0" {
		t.Errorf("the books say %s", got)
	}
	d.ends(t, "m-2", pieces{"vase", 51}, "FAILED ShelfRefuses", "ABORTED", "190 0, 210 0") // not so many there
	d.ends(t, "m-3", pieces{"mug", 40}, "SUCCEEDED", "COMPLETED", "150 0, 250 0")
	d.ends(t, "m-4", pieces{"cup", 1}, "FAILED NoSuchArticle", "ABORTED", "150 0, 250 0")
}

// The other warehouse has no room: what was prepared in the first is rolled back.
func TestRolledBack(t *testing.T) {
	d := openDepot(t)
	east, err := sql.Open("pgx", dsn(d.cluster, "east"))
	if err != nil {
		t.Fatal(err)
	}
	defer east.Close()
	if _, err := east.Exec("UPDATE shelves SET room = 55 WHERE article = 'bowl'"); err != nil {
		t.Fatal(err)
	}
	d.ends(t, "r-1", pieces{"bowl", 6}, "FAILED ShelfRefuses", "ABORTED", "200 0, 200 0")
	_, log := d.Saga(t, "Move:r-1")
	if want := []string{"Take forward SUCCEEDED", "Put forward FAILED", "Take compensate COMPENSATED"}; !slices.Equal(log, want) {
		t.Errorf("%q", log)
	}
}

// The process dies after each of its calls' effects, once, and nobody hears of them.
func TestParticipantDies(t *testing.T) {
	d := openDepot(t)
	for _, path := range []string{"/west/prepare", "/east/prepare", "/west/commit", "/east/commit"} {
		d.dies(path, 1)
	}
	d.ends(t, "k-1", pieces{"mug", 10}, "SUCCEEDED", "COMPLETED", "190 0, 210 0")
	d.dies("/west/prepare", 100) // as often as it is tried: the outcome stays unknown
	d.dies("/west/rollback", 1)
	d.ends(t, "k-2", pieces{"mug", 10}, "FAILED Lambda.SdkClientException", "ABORTED", "190 0, 210 0")
	if n := d.wire.Calls("/west/rollback"); n < 2 {
		t.Errorf("it was rolled back %d times", n)
	}
}

// Moves side by side, while the warehouses and the server are killed: none is left half
// done, and no transaction prepared.
func TestNothingIsLeftPrepared(t *testing.T) {
	d := openDepot(t)
	articles := []string{"mug", "bowl", "vase", "plate"}
	var all sync.WaitGroup
	for _, article := range articles {
		all.Go(func() {
			for i := range 4 {
				name := fmt.Sprintf("%s-%d", article, i)
				d.Start(t, "Move", name, pieces{article, 1})
				end := d.End(t, "Move", name)
				status, _ := d.Saga(t, "Move:"+name)
				if (end == "SUCCEEDED") != (status == "COMPLETED") || status != "COMPLETED" && status != "ABORTED" {
					t.Errorf("%s: %s, %s", name, end, status)
				}
			}
		})
	}
	ended := make(chan struct{})
	go func() { all.Wait(); close(ended) }()
	for kills, going := 0, true; going; kills++ {
		select {
		case <-ended:
			going = false
		case <-time.After(700 * time.Millisecond):
			if kills < 6 {
				d.kill()
				d.start(t)
			}
		}
	}
	var west, east, westPrepared, eastPrepared int
	if _, err := fmt.Sscanf(d.books(t), "%d %d, %d %d", &west, &westPrepared, &east, &eastPrepared); err != nil {
		t.Fatal(err)
	}
	if west+east != 400 || east <= 200 || westPrepared+eastPrepared != 0 {
		t.Errorf("the books say %s", d.books(t))
	}
}

// The calls in each order in which they may come.
func TestCallsThatOvertakeEachOther(t *testing.T) {
	c := cluster(t, "west")
	w, err := open(t.Context(), dsn(c, "west"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.db.Close()
	ctx, body := context.Background(), []byte(`{"article": "mug", "pieces": -1}`)
	forward := func(step string) participant.Call { return participant.Call{Key: step, Operation: participant.Forward} }
	undo := func(step string) participant.Call {
		return participant.Call{Key: step + ":compensate", Operation: participant.Compensate, ForwardKey: step}
	}
	confirm := func(step string) participant.Call {
		return participant.Call{Key: step + ":confirm", Operation: participant.Confirm, ForwardKey: step}
	}
	must := func(what string, err, want error) {
		t.Helper()
		if (err == nil) != (want == nil) || want != nil && !strings.Contains(err.Error(), want.Error()) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	call := func(do func(context.Context, participant.Call, []byte) (participant.Answer, error), c participant.Call) error {
		_, err := do(ctx, c, body)
		return err
	}
	must("an undo of nothing", call(w.rollback, undo("s-1")), nil)
	must("Try after its undo", call(w.prepare, forward("s-1")), participant.ErrHanging)
	must("Confirm of nothing", call(w.commit, confirm("s-2")), participant.ErrNothingToConfirm)
	must("Try", call(w.prepare, forward("s-3")), nil)
	must("Try again", call(w.prepare, forward("s-3")), nil)
	must("Confirm", call(w.commit, confirm("s-3")), nil)
	must("Confirm again", call(w.commit, confirm("s-3")), nil)
	must("Try after Confirm", call(w.prepare, forward("s-3")), nil)
	must("an undo after Confirm", call(w.rollback, undo("s-3")), fmt.Errorf("was committed"))
	must("Try", call(w.prepare, forward("s-4")), nil)
	must("an undo", call(w.rollback, undo("s-4")), nil)
	must("an undo again", call(w.rollback, undo("s-4")), nil)
	must("Confirm after an undo", call(w.commit, confirm("s-4")), participant.ErrHanging)
	if got := exampletest.Row(t, w.db, "SELECT pieces, (SELECT COUNT(*) FROM pg_prepared_xacts) FROM shelves WHERE article = 'mug'"); got != "49 0" {
		t.Errorf("the books say %s", got)
	}
}
