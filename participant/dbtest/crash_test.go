package dbtest

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/backstep/backstep/client"
	"github.com/backstep/backstep/participant"
)

// A child is the test binary again, as a service of its own that is killed.
const (
	childVariable = "BACKSTEP_DBTEST_CHILD"  // "relay" or "barrier"
	childDatabase = "BACKSTEP_DBTEST_DB"     // dialect, driver, DSN, in lines
	childDies     = "BACKSTEP_DBTEST_DIES"   // where it kills itself
	childServer   = "BACKSTEP_DBTEST_SERVER" // of Backstep
)

// child is what such a service does.
func child(role string) {
	parts := strings.SplitN(os.Getenv(childDatabase), "\n", 3)
	dialect, err := strconv.Atoi(parts[0])
	if err != nil {
		log.Fatal(err)
	}
	db, err := sql.Open(parts[1], parts[2])
	if err != nil {
		log.Fatal(err)
	}
	d := &database{DB: db, dialect: participant.Dialect(dialect)}
	switch role {
	case "relay":
		childRelay(d, os.Getenv(childDies))
	case "barrier":
		childBarrier(d, os.Getenv(childDies))
	}
}

// die kills the process as nothing else does: no deferred call, no flushed buffer.
func die() {
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// newChild is a child that is about to start.
func newChild(d *database, role, dies, server string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+role, childDies+"="+dies, childServer+"="+server,
		childDatabase+"="+fmt.Sprintf("%d\n%s\n%s", d.dialect, d.driver, d.dsn))
	cmd.Stderr = os.Stderr
	return cmd
}

// killed runs a child that must end by being killed.
func killed(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	err := cmd.Run()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the child ends by %v, and not by being killed", err)
	}
}

const steps = 20

// childBarrier does the forward calls of all steps, one after the other, from the
// first on whenever it is started. It dies in one of its effects, after one, or when
// its parent says so.
func childBarrier(d *database, dies string) {
	b := participant.NewBarrier(d.DB, d.dialect)
	for n := range steps {
		c := forward(fmt.Sprintf("s-%d", n))
		a, err := b.Do(context.Background(), c, func(ctx context.Context, tx *sql.Tx) (participant.Answer, error) {
			err := d.write(ctx, tx, c)
			if dies == "before the commit" {
				die()
			}
			return answer(200, "done"), err
		})
		if err != nil {
			log.Fatal(err)
		}
		if dies == "after the commit" && !a.Repeated {
			die()
		}
	}
}

func TestAServiceIsKilledInItsEffect(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		b := participant.NewBarrier(d.DB, d.dialect)
		killed(t, newChild(d, "barrier", "before the commit", ""))
		if n := d.number(t, "SELECT COUNT(*) FROM backstep_barrier") + d.number(t, "SELECT COUNT(*) FROM ledger"); n != 0 {
			t.Errorf("%d rows of what was not committed", n)
		}
		if a := do(t, b, compensate("s-0"), never(t), "{}"); !a.Void {
			t.Errorf("its undo is answered %+v", a)
		}
		d.exec(t, "DELETE FROM backstep_barrier")

		killed(t, newChild(d, "barrier", "after the commit", ""))
		do(t, b, forward("s-0"), never(t), "done")
		if n := d.lines(t, "s-0", participant.Forward); n != 1 {
			t.Errorf("%d lines", n)
		}
	})
}

func TestAServiceIsKilledAtAnyTime(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		kills := 0
		for {
			cmd := newChild(d, "barrier", "", "")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			timer := time.AfterFunc(time.Duration(20+rand.N(60+10*kills))*time.Millisecond, func() { cmd.Process.Kill() })
			err := cmd.Wait()
			timer.Stop()
			if err == nil {
				break
			}
			if kills++; kills == 100 {
				t.Fatal("it never gets to its end")
			}
		}
		t.Logf("%d kills", kills)
		if n := d.number(t, "SELECT COUNT(*) FROM ledger"); n != steps {
			t.Errorf("%d lines for %d steps", n, steps)
		}
		if n := d.number(t, "SELECT COUNT(DISTINCT step) FROM ledger"); n != steps {
			t.Errorf("%d of %d steps", n, steps)
		}
	})
}

// childRelay sends what is in the outbox by Backstep's own client. It dies before a
// message is sent, after it was sent, or after that was written down.
func childRelay(d *database, dies string) {
	c, err := client.New(client.Config{Endpoint: os.Getenv(childServer), Attempts: 1})
	if err != nil {
		log.Fatal(err)
	}
	sends := 0
	r := newRelay(d, func(ctx context.Context, operation string, input []byte) error {
		if sends++; dies == "before the send" || dies == "after the mark" && sends == 2 {
			die()
		}
		err := c.Send(ctx, operation, input)
		if dies == "after the send" && err == nil {
			die()
		}
		return err
	})
	if err := r.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

// newRelay is one whose claims run out soon.
func newRelay(d *database, send func(context.Context, string, []byte) error) *participant.Relay {
	return &participant.Relay{
		Outbox: participant.NewOutbox(d.DB, d.dialect), Send: send,
		Parallel: 1, Lease: 400 * time.Millisecond, Interval: 10 * time.Millisecond,
	}
}

func TestARelayIsKilledBetweenItsSteps(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		o := participant.NewOutbox(d.DB, d.dialect)
		backstep := newBackstep()
		defer backstep.Close()
		const pairs = 4
		for n := range pairs {
			record(t, d, o, "order", success(fmt.Sprintf("token-%d", n)), start(fmt.Sprintf("name-%d", n)))
		}
		for range 2 {
			for _, dies := range []string{"before the send", "after the send", "after the mark"} {
				killed(t, newChild(d, "relay", dies, backstep.URL))
			}
		}
		if backstep.effects() == 2*pairs {
			t.Error("nothing is left for who comes after the killed ones")
		}
		c, err := client.New(client.Config{Endpoint: backstep.URL})
		if err != nil {
			t.Fatal(err)
		}
		r := newRelay(d, c.Send)
		eventually(t, func() bool {
			pass(t, r)
			return d.number(t, "SELECT COUNT(*) FROM backstep_outbox WHERE state = 'waiting'") == 0
		})
		if got := d.states(t); got != fmt.Sprintf("waiting 0, sent %d, parked 0", 2*pairs) {
			t.Error(got)
		}
		want := ""
		for n := range pairs {
			want += fmt.Sprintf("token-%d name-%d ", n, n)
		}
		if got := strings.Join(backstep.order, " ") + " "; got != want {
			t.Errorf("the effects are %q, want %q", got, want)
		}
		if backstep.calls <= 2*pairs {
			t.Errorf("%d calls: nothing was sent twice", backstep.calls)
		}
	})
}

// backstep is a server to which executions are started and tasks completed: each once.
// An execution ends as soon as it has begun, which is what makes a second start hard.
type backstep struct {
	*httptest.Server
	sync.Mutex
	inputs map[string]string // by the execution's name
	order  []string          // names and tokens, as they had their effect
	calls  int
}

func newBackstep() *backstep {
	b := &backstep{inputs: map[string]string{}}
	b.Server = httptest.NewServer(b)
	return b
}

func (b *backstep) effects() int {
	b.Lock()
	defer b.Unlock()
	return len(b.order)
}

func (b *backstep) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct{ Name, Input, TaskToken, ExecutionArn string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), 500)
		return
	}
	b.Lock()
	defer b.Unlock()
	refuse := func(code string) {
		w.WriteHeader(400)
		fmt.Fprintf(w, `{"__type":%q}`, code)
	}
	switch operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AWSStepFunctions."); operation {
	case "StartExecution":
		b.calls++
		if _, taken := b.inputs[in.Name]; taken {
			refuse("ExecutionAlreadyExists")
			return
		}
		b.inputs[in.Name] = in.Input
		b.order = append(b.order, in.Name)
	case "SendTaskSuccess":
		b.calls++
		for _, done := range b.order {
			if done == in.TaskToken {
				refuse("TaskTimedOut")
				return
			}
		}
		b.order = append(b.order, in.TaskToken)
	case "DescribeExecution":
		name := in.ExecutionArn[strings.LastIndexByte(in.ExecutionArn, ':')+1:]
		json.NewEncoder(w).Encode(map[string]any{"input": b.inputs[name]})
		return
	default:
		refuse("UnknownOperationException")
		return
	}
	fmt.Fprint(w, `{}`)
}
