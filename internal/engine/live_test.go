package engine

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/backstep/backstep/internal/value"
)

// live is an engine that runs by itself, with the system's clock, and one
// machine.
func live(t *testing.T, definition string, h handler, adjust func(*Config)) (*Engine, Machine) {
	t.Helper()
	e, m, _ := liveOn(t, storetest.NewMemory(storetest.MemoryOptions{Shards: 8}).Open(), definition, h, adjust)
	return e, m
}

func liveOn(t *testing.T, s store.Store, definition string, h handler, adjust func(*Config)) (*Engine, Machine, <-chan error) {
	t.Helper()
	registry := &integration.Registry{}
	registry.Add("lambda", "*", h, integration.RequestResponse, integration.WaitForTaskToken)
	cfg := Config{Store: s, Registry: registry, Exclusive: true}
	if adjust != nil {
		adjust(&cfg)
	}
	e, err := Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	m := defineOn(t, s, definition)
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ran <- e.Run(ctx)
	}()
	t.Cleanup(func() {
		e.Close()
		cancel()
		<-ended
	})
	await(t, e.Ready)
	return e, m, ran
}

// await waits until something is so.
func await(t *testing.T, so func() bool) {
	t.Helper()
	for range 5000 {
		if so() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("it does not come to be")
}

func TestManyStartsOfOneName(t *testing.T) {
	e, m := live(t, waiting, echo, nil)
	var all sync.WaitGroup
	ids, starts := sync.Map{}, atomic.Int64{}
	for range 100 {
		all.Go(func() {
			s, err := e.Start(context.Background(), StartRequest{Machine: m, Name: "a", Input: value.Checked(`{}`)})
			if err != nil {
				t.Error(err)
				return
			}
			ids.Store(s, true)
			if !s.Was {
				starts.Add(1)
			}
		})
	}
	all.Wait()
	different := map[store.ID]int64{}
	ids.Range(func(k, _ any) bool { s := k.(Started); different[s.ID] = s.At; return true })
	if len(different) != 1 || starts.Load() != 1 {
		t.Errorf("%d executions, %d starts", len(different), starts.Load())
	}
}

func TestManySagasAtOnce(t *testing.T) {
	var calls atomic.Int64
	e, m := live(t, saga(3), func(context.Context, integration.Task) (value.Text, error) {
		calls.Add(1)
		return value.Checked(`{"ok":true}`), nil
	}, nil)
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			s, err := e.Start(context.Background(), StartRequest{Machine: m, Input: value.Checked(`{}`)})
			if err != nil {
				t.Error(err)
				return
			}
			h, err := e.Wait(context.Background(), s.ID, 1<<40, time.Minute)
			if err != nil || h.Head.Status != machine.Succeeded {
				t.Errorf("%v, %v", h.Head.Status, err)
			}
		})
	}
	all.Wait()
	if calls.Load() != 600 || e.Metrics().Commits.Load() != 800 {
		t.Errorf("%d calls, %d commits", calls.Load(), e.Metrics().Commits.Load())
	}
	for i := 0; i < 3000 && e.Load() != (Load{Shards: 8}); i++ {
		time.Sleep(time.Millisecond)
	}
	if l := e.Load(); l != (Load{Shards: 8}) {
		t.Errorf("is left: %+v", l)
	}
}

func TestWait(t *testing.T) {
	release := make(chan struct{})
	e, m := live(t, saga(1), func(context.Context, integration.Task) (value.Text, error) {
		<-release
		return value.Checked(`{}`), nil
	}, func(c *Config) { c.Limits.Waiters = 1 })
	ctx := context.Background()
	s, err := e.Start(ctx, StartRequest{Machine: m})
	if err != nil {
		t.Fatal(err)
	}
	if h, err := e.Wait(ctx, s.ID, 0, time.Minute); err != nil || h.Head.LastEvent == 0 {
		t.Errorf("what is new already: %+v, %v", h, err)
	}
	stands, err := e.Wait(ctx, s.ID, 4, time.Millisecond)
	if err != nil || stands.Head.LastEvent != 4 || stands.Head.Status != machine.Running {
		t.Errorf("at the timeout: %+v, %v", stands, err)
	}
	if _, err := e.Wait(ctx, store.ID{0, 1}, 0, time.Minute); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	hasty, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := e.Wait(hasty, s.ID, 4, time.Minute); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	heard := make(chan machine.Head)
	go func() {
		h, err := e.Wait(ctx, s.ID, 4, time.Minute)
		if err != nil {
			t.Error(err)
		}
		heard <- h.Head
	}()
	await(t, func() bool { return e.Metrics().Waiters.Load() == 1 })
	if _, err := e.Wait(ctx, s.ID, 4, time.Minute); !errors.Is(err, ErrBusy) {
		t.Error(err)
	}
	close(release)
	if h := <-heard; h.Status != machine.Succeeded {
		t.Errorf("%+v", h)
	}
}

// Who waits for an execution whose shard was another node's for a moment hears of
// what that node did.
func TestWaitOverAHandover(t *testing.T) {
	disk := storetest.NewMemory(storetest.MemoryOptions{Shards: 8, Clock: func() int64 { return time.Now().UnixMilli() }})
	e, m, _ := liveOn(t, disk.Open(), waiting, echo, func(c *Config) { c.Exclusive = false })
	ctx := context.Background()
	var id store.ID
	await(t, func() bool {
		s, err := e.Start(ctx, StartRequest{Machine: m})
		id = s.ID
		return err == nil
	})
	now, err := e.Wait(ctx, id, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan Standing)
	go func() {
		now, err := e.Wait(ctx, id, 1<<40, 3*time.Second)
		if err != nil {
			t.Error(err)
		}
		heard <- now
	}()
	await(t, func() bool { return e.Metrics().Waiters.Load() == 1 })
	s := e.shardOf(id)
	epoch := s.epoch.Load()
	e.lose(s, epoch)
	now.Head.Status, now.Head.Stop = machine.Succeeded, now.Head.Now
	if err := e.cfg.Store.Commit(ctx, &store.Batch{Executions: []store.Execution{{ID: id, Body: machine.Append(nil, &now.Head)}}}); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return s.epoch.Load() > epoch })
	if now := <-heard; now.Head.Status != machine.Succeeded {
		t.Errorf("%v", now.Head.Status)
	}
}

// Drain refuses starts, ends what waits, lets calls end and breaks off those
// that do not; nothing fails by it, and the next process finishes it.
func TestDrain(t *testing.T) {
	disk := storetest.NewMemory(storetest.MemoryOptions{Shards: 8, Clock: func() int64 { return time.Now().UnixMilli() }})
	hang := make(chan struct{})
	e, m, _ := liveOn(t, disk.Open(), saga(2), func(ctx context.Context, task integration.Task) (value.Text, error) {
		select {
		case <-ctx.Done():
			return value.Text{}, ctx.Err()
		case <-hang:
			return value.Checked(`{}`), nil
		}
	}, nil)
	ctx := context.Background()
	s, err := e.Start(ctx, StartRequest{Machine: m})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 2)
	go func() {
		_, err := e.Poll(ctx, "1", "r", "work", "", time.Minute)
		ended <- err
	}()
	go func() {
		h, err := e.Wait(ctx, s.ID, 4, time.Minute)
		if err == nil && h.Head.Status != machine.Running {
			err = errors.New(h.Head.Status.String())
		}
		ended <- err
	}()
	await(t, func() bool { return e.Metrics().Waiters.Load() == 1 && e.Metrics().Calls.Load() == 1 })
	grace, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if err := e.Drain(grace); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if _, err := e.Start(ctx, StartRequest{Machine: m}); !errors.Is(err, ErrNotReady) || e.Ready() {
		t.Errorf("a start after the drain: %v", err)
	}
	if _, h, err := e.Execution(ctx, s.ID); err != nil || h.Status != machine.Running {
		t.Fatalf("it failed by the drain: %+v, %v", h, err)
	}
	next, _, _ := liveOn(t, disk.Open(), saga(2), echo, func(c *Config) { c.Exclusive = false })
	if h, err := next.Wait(ctx, s.ID, 1<<40, time.Minute); err != nil || h.Head.Status != machine.Succeeded {
		t.Errorf("%+v, %v", h, err)
	}
}

// stopping is a store that stops for good.
type stopping struct {
	store.Store
	stopped atomic.Bool
}

var errDisk = errors.New("the disk failed")

func (s *stopping) Commit(ctx context.Context, b *store.Batch) error {
	if err := s.Err(); err != nil {
		return err
	}
	return s.Store.Commit(ctx, b)
}

func (s *stopping) Err() error {
	if s.stopped.Load() {
		return errDisk
	}
	return nil
}

func TestAStoreThatStopsEndsRun(t *testing.T) {
	s := &stopping{Store: storetest.NewMemory(storetest.MemoryOptions{}).Open()}
	e, m, ran := liveOn(t, s, saga(1), echo, nil)
	s.stopped.Store(true)
	if _, err := e.Start(context.Background(), StartRequest{Machine: m}); !errors.Is(err, errDisk) {
		t.Error(err)
	}
	if err := <-ran; !errors.Is(err, errDisk) || e.Ready() {
		t.Errorf("Run ends with %v, ready %v", err, e.Ready())
	}
}

// A handler that panics fails its task, not the process.
func TestAHandlerThatPanics(t *testing.T) {
	e, m := live(t, saga(1), func(context.Context, integration.Task) (value.Text, error) { panic("oh") }, nil)
	s, err := e.Start(context.Background(), StartRequest{Machine: m})
	if err != nil {
		t.Fatal(err)
	}
	if h, err := e.Wait(context.Background(), s.ID, 1<<40, time.Minute); err != nil || h.Head.Status != machine.Failed || *h.Head.Error != "States.TaskFailed" {
		t.Errorf("%+v, %v", h, err)
	}
}

// When an engine has ended, no goroutine of it is left.
func TestNothingIsLeftRunning(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("life", func(t *testing.T) {
		e, m := live(t, saga(2), echo, nil)
		for range 50 {
			s, err := e.Start(context.Background(), StartRequest{Machine: m})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := e.Wait(context.Background(), s.ID, 1<<40, time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		for range 100 { // open executions have no goroutine either
			if _, err := e.Start(context.Background(), StartRequest{Machine: defineOn(t, e.cfg.Store, waiting)}); err != nil {
				t.Fatal(err)
			}
		}
		if n := runtime.NumGoroutine() - before; n > mostIdle+10 {
			t.Errorf("%d goroutines beside 100 executions that wait", n)
		}
	})
	await(t, func() bool { return runtime.NumGoroutine() <= before })
}

// An express execution that can't be decided fails, so that whoever waits for
// it hears of it.
func TestABrokenExpressFails(t *testing.T) {
	var e *Engine
	e, m := live(t, saga(2), func(context.Context, integration.Task) (value.Text, error) {
		for _, s := range e.shards {
			s.mu.Lock()
			for _, r := range s.residents {
				clear(r.x.Frames) // breaks an invariant
			}
			s.mu.Unlock()
		}
		return value.Checked(`{}`), nil
	}, nil)
	o, err := e.RunExpress(context.Background(), StartRequest{Machine: m})
	if err != nil || o.Status != machine.Failed || *o.Error != "States.Runtime" {
		t.Errorf("%+v, %v", o, err)
	}
}

// leading is a handler that breaks when it is asked where a call goes.
type leading struct{ handler }

func (leading) Target(string, string, value.Text) string { panic("nowhere") }

// … and so does one that breaks as soon as it has begun: it ends once.
func TestAnExpressThatBreaksAtOnceFails(t *testing.T) {
	e, m := live(t, saga(1), echo, func(c *Config) {
		c.Registry = &integration.Registry{}
		c.Registry.Add("lambda", "*", leading{echo}, integration.RequestResponse)
	})
	o, err := e.RunExpress(context.Background(), StartRequest{Machine: m})
	if err != nil || o.Status != machine.Failed || *o.Error != "States.Runtime" {
		t.Errorf("%+v, %v", o, err)
	}
	if n := e.Metrics().Express.Load(); n != 0 {
		t.Errorf("%d express executions are running", n)
	}
}
