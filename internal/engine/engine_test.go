package engine

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/backstep/backstep/internal/value"
)

// handler makes a function of a task a handler.
type handler func(ctx context.Context, t integration.Task) (value.Text, error)

func (h handler) Call(ctx context.Context, t integration.Task) (value.Text, error) { return h(ctx, t) }

// echo answers with the request.
func echo(ctx context.Context, t integration.Task) (value.Text, error) { return t.Request, nil }

// clock is a clock that the test sets.
type clock struct{ now atomic.Int64 }

func (c *clock) Now() int64 { return c.now.Load() }

const begin = 1_800_000_000_000 // where test clocks start

var seed = flag.Int("seed", 1, "of the chance that the engine draws from")

// rig is an engine on a store in memory, driven by hand: what it does on the
// side waits in a list until the test runs it.
type rig struct {
	t       *testing.T
	disk    *storetest.Memory
	session *storetest.Session
	store   store.Store
	plan    storetest.Plan // faults; nil: none
	clock   *clock
	engine  *Engine
	commits int // so far, failed ones too
	side    []func()
	h       handler
	chance  *rand.ChaCha8
	adjust  func(*Config)
}

func newRig(t *testing.T, h handler, adjust func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t, clock: &clock{}, h: h, adjust: adjust}
	r.clock.now.Store(begin)
	r.disk = storetest.NewMemory(storetest.MemoryOptions{Shards: 4, Clock: r.clock.Now})
	r.chance = rand.NewChaCha8([32]byte{byte(*seed)})
	r.open()
	return r
}

// fault counts commits and asks the plan.
func (r *rig) fault(method string, b *store.Batch) storetest.Fault {
	if method == "Commit" {
		r.commits++
	}
	if r.plan == nil {
		return storetest.Fault{}
	}
	return r.plan(method, b)
}

// open starts a new process on the disk; one that was there is gone as by kill -9.
func (r *rig) open() {
	r.t.Helper()
	r.disk.Crash()
	r.beside()
}

// beside starts a new process on the disk, beside those that are there.
func (r *rig) beside() {
	r.t.Helper()
	r.side = nil
	r.session = r.disk.Open()
	r.store = storetest.NewFaulty(r.session, r.fault)
	registry := &integration.Registry{}
	patterns := []integration.Pattern{integration.RequestResponse, integration.WaitForTaskToken}
	registry.Add("lambda", "*", targeted{func(ctx context.Context, t integration.Task) (value.Text, error) { return r.h(ctx, t) }}, patterns...)
	cfg := Config{
		Store: r.store, Registry: registry, Clock: r.clock, Exclusive: true, Entropy: r.chance,
		Spawn: func(f func()) { r.side = append(r.side, f) },
	}
	if r.adjust != nil {
		r.adjust(&cfg)
	}
	e, err := Open(context.Background(), cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	r.engine = e
	r.t.Cleanup(e.Close)
	r.turn()
}

// turn does what Run does from time to time.
func (r *rig) turn() {
	_ = r.engine.Renew(r.clock.Now()) // a fault in it is made good by the next
	for _, s := range r.engine.shards {
		_ = r.engine.Turn(s.number)
	}
	r.engine.Fire(r.clock.Now())
}

// settle runs everything that is to be done on the side and due, until nothing
// is.
func (r *rig) settle() {
	for range 100_000 {
		r.turn()
		if len(r.side) == 0 {
			return
		}
		f := r.side[0]
		r.side = r.side[1:]
		f()
	}
	r.t.Fatal("the engine does not come to rest")
}

// pass lets time go by, in steps from one alarm to the next.
func (r *rig) pass(d time.Duration) {
	end := r.clock.Now() + d.Milliseconds()
	for {
		r.settle()
		next := min(r.engine.alarms.next(), r.engine.dispatcher.soonest())
		if next > end {
			break
		}
		r.clock.now.Store(max(next, r.clock.Now()+1))
	}
	r.clock.now.Store(end)
	r.settle()
}

// define puts a definition into the store.
func (r *rig) define(text string) Machine {
	r.t.Helper()
	return defineOn(r.t, r.session, text)
}

func defineOn(t testing.TB, s store.Store, text string) Machine {
	t.Helper()
	if _, err := compile([]byte(text)); err != nil {
		t.Fatal(err)
	}
	hash := store.Hash(sha256.Sum256([]byte(text)))
	err := s.Commit(context.Background(), &store.Batch{Definitions: []store.Definition{{Hash: hash, Body: []byte(text)}}})
	if err != nil {
		t.Fatal(err)
	}
	return Machine{Account: "123456789012", Region: "us-east-1", Name: "M", Definition: hash, RoleARN: "arn:aws:iam::123456789012:role/r"}
}

// start starts an execution that must start.
func (r *rig) start(m Machine, name, input string) Started {
	r.t.Helper()
	s, err := r.engine.Start(context.Background(), StartRequest{Machine: m, Name: name, Input: value.Checked(input)})
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// head is an execution as it is on disk.
func (r *rig) head(id store.ID) machine.Head {
	r.t.Helper()
	_, h, err := r.engine.Execution(context.Background(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	return h
}

// saga is a definition of n tasks in a row.
func saga(n int) string {
	var b strings.Builder
	b.WriteString(`{"StartAt":"S1","States":{`)
	for i := 1; i <= n; i++ {
		next := fmt.Sprintf(`"Next":"S%d"`, i+1)
		if i == n {
			next = `"End":true`
		}
		if i > 1 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"S%d":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f%d","Payload.$":"$"},"ResultPath":"$.r%d",%s}`, i, i, i, next)
	}
	b.WriteString(`}}`)
	return b.String()
}

func TestASagaOfNStepsIsNPlusOneCommits(t *testing.T) {
	for _, n := range []int{1, 5} {
		r := newRig(t, func(ctx context.Context, t integration.Task) (value.Text, error) {
			return value.Checked(`{"ok":true}`), nil
		}, nil)
		m := r.define(saga(n))
		before := r.commits
		s := r.start(m, "a", `{"x":1}`)
		r.settle()
		if h := r.head(s.ID); h.Status != machine.Succeeded {
			t.Fatalf("status %v, %v", h.Status, h.Cause)
		}
		if got := r.commits - before; got != n+1 {
			t.Errorf("%d steps took %d commits", n, got)
		}
	}
}
