package engine

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
)

// notReady holds that no starts are taken, for that reason; "": that they are.
func (r *rig) notReady(why string) {
	r.t.Helper()
	switch err := r.engine.Readiness(); {
	case why == "" && err != nil:
		r.t.Errorf("not ready: %v", err)
	case why != "" && (err == nil || !strings.Contains(err.Error(), why)):
		r.t.Errorf("not ready because of %v, not of %q", err, why)
	}
}

// roomy is a store that says whether it can be written to.
type roomy struct {
	store.Store
	full error
}

func (s *roomy) Writable() error { return s.full }

// Whatever keeps a node from taking starts is named, and forgotten once it is over.
func TestReadiness(t *testing.T) {
	disk := &roomy{}
	r := newRig(t, echo, func(c *Config) { disk.Store = c.Store; c.Store = disk })
	r.notReady("")

	disk.full = errors.New("the disk is full")
	r.notReady("the disk is full")
	disk.full = nil
	r.notReady("")

	r.plan = func(method string, _ *store.Batch) storetest.Fault {
		if method == "Leases" || method == "Commit" {
			return storetest.Fault{Err: storetest.ErrPlain}
		}
		return storetest.Fault{}
	}
	r.turn()
	r.notReady("refused the last that was asked")
	r.plan = nil
	r.turn()
	r.notReady("")

	// A loop that hangs shows within two seconds, and is asked every second.
	r.clock.now.Add(2000)
	r.notReady("")
	r.clock.now.Add(1)
	r.notReady("the leases were not renewed for 2s")
	r.turn()
	r.notReady("")
	if pause := r.engine.cfg.Limits.Lease / (2 * leaseTardy); pause != time.Second {
		t.Errorf("the leases are looked at every %v", pause)
	}

	if err := r.engine.Drain(context.Background()); err != nil {
		t.Fatal(err)
	}
	r.notReady("the node drains")
}

// A node is not ready before it has its shards, and has read what was under way when
// the last one died.
func TestNotReadyBeforeRecovery(t *testing.T) {
	r := newRig(t, echo, nil)
	m := r.define(waiting)
	for i := range 40 {
		r.start(m, string(rune('a'+i)), `{}`)
	}
	r.side = nil
	r.disk.Crash()
	r.session = r.disk.Open()
	e, err := Open(context.Background(), Config{
		Store: r.session, Clock: r.clock, Exclusive: true, Entropy: r.chance, Limits: Limits{Page: 1, Waiting: 8, CallsPerKind: 1},
		Spawn: func(f func()) { r.side = append(r.side, f) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	r.engine = e
	r.notReady("the leases of 4 of 4 shards are not this node's yet")
	if err := e.Renew(r.clock.Now()); err != nil {
		t.Fatal(err)
	}
	r.notReady("still being read")
	for n := 0; e.Readiness() != nil; n++ {
		if n == 1000 {
			t.Fatal(e.Readiness())
		}
		r.turn()
		if len(r.side) > 0 {
			f := r.side[0]
			r.side = r.side[1:]
			f()
		}
	}
	e.shards[1].recovered.Store(false) // taken over later, it is read while the node goes on
	r.notReady("")
}

// What keeps the store from answering is said once, and that it is over.
func TestAStoreThatIsAwayIsToldOnce(t *testing.T) {
	var away atomic.Bool
	var asked atomic.Int64
	s := storetest.NewFaulty(storetest.NewMemory(storetest.MemoryOptions{Shards: 1}).Open(), func(method string, _ *store.Batch) storetest.Fault {
		if method != "Leases" || !away.Load() {
			return storetest.Fault{}
		}
		asked.Add(1)
		return storetest.Fault{Err: storetest.ErrPlain}
	})
	var mu sync.Mutex
	var log bytes.Buffer
	said := func(what string) int {
		mu.Lock()
		defer mu.Unlock()
		return strings.Count(log.String(), what)
	}
	e, err := Open(t.Context(), Config{Store: s, Exclusive: true, Log: slog.New(slog.NewTextHandler(&locked{to: &log, mu: &mu}, nil)), Limits: Limits{Lease: 50 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- e.Run(ctx) }()
	defer func() { cancel(); <-ran }()
	until := func(what string, yes func() bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !yes(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("waited too long for %s", what)
			}
		}
	}
	until("readiness", e.Ready)
	away.Store(true)
	until("the store to be asked", func() bool { return asked.Load() > 9 })
	away.Store(false)
	until("its return", func() bool { return said("the store answers again") == 1 })
	if n := said("the store does not answer"); n != 1 {
		t.Errorf("it was said %d times", n)
	}
}

// That inboxes can't be read is said once, and that they can again once a shard is this
// node's again.
func TestInboxesThatCanNotBeReadAreToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		s := storetest.NewFaulty(storetest.NewMemory(storetest.MemoryOptions{Shards: 8, Clock: func() int64 { return time.Now().UnixMilli() }}).Open(), func(string, *store.Batch) storetest.Fault {
			if !away.Load() {
				return storetest.Fault{}
			}
			return storetest.Fault{Err: storetest.ErrPlain}
		})
		var mu sync.Mutex
		var log bytes.Buffer
		e, err := Open(t.Context(), Config{Store: s, Log: slog.New(slog.NewTextHandler(&locked{to: &log, mu: &mu}, nil))})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- e.Run(ctx) }()
		time.Sleep(time.Minute)
		away.Store(true)
		time.Sleep(time.Minute) // longer than a lease
		told := func(fails, reads int) {
			t.Helper()
			mu.Lock()
			defer mu.Unlock()
			if strings.Count(log.String(), "inboxes can not be read") != fails || strings.Count(log.String(), "inboxes can be read again") != reads {
				t.Errorf("told, and not %d and %d times:\n%s", fails, reads, &log)
			}
		}
		told(1, 0)
		away.Store(false)
		time.Sleep(time.Minute)
		told(1, 1)
		e.Close()
		cancel()
		<-ran
	})
}

// locked writes under a lock.
type locked struct {
	to io.Writer
	mu *sync.Mutex
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(b)
}
