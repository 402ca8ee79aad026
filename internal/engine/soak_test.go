package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/backstep/backstep/internal/value"
)

// Many sagas at once, on a store of which one call in twenty fails in one way
// or another: every start that was acknowledged ends well, every step was
// called under its own name, and every history is whole.
func TestSagasOnABadStore(t *testing.T) {
	var mu sync.Mutex
	chance := rand.New(rand.NewPCG(uint64(*seed), 7))
	draw := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return chance.IntN(n)
	}
	session := storetest.NewMemory(storetest.MemoryOptions{Shards: 4}).Open()
	good := false
	bad := storetest.NewFaulty(session, func(method string, _ *store.Batch) storetest.Fault {
		mu.Lock()
		over := good
		mu.Unlock()
		if faults := storetest.Faults(method); !over && len(faults) > 0 && method != "Watch" && method != "Close" && draw(20) == 0 {
			return faults[draw(len(faults))].Fault
		}
		return storetest.Fault{}
	})
	sent := map[string]int{}
	e, _, _ := liveOn(t, session, saga(1), echo, func(c *Config) {
		c.Store = bad
		c.Limits.RetryLeast, c.Limits.RetryMost, c.Limits.Lease = time.Millisecond, 10*time.Millisecond, 60*time.Millisecond
		c.Registry = &integration.Registry{}
		c.Registry.Add("lambda", "*", handler(func(_ context.Context, t integration.Task) (value.Text, error) {
			mu.Lock()
			sent[t.StepID]++
			mu.Unlock()
			return value.Checked(`{"ok":true}`), nil
		}), integration.RequestResponse)
	})
	m := defineOn(t, session, saga(4))
	const sagas = 60
	ids := make([]store.ID, sagas)
	var all sync.WaitGroup
	for i := range sagas {
		all.Go(func() {
			for {
				s, err := e.Start(context.Background(), StartRequest{Machine: m, Name: fmt.Sprint(i), Input: value.Checked(`{}`)})
				var taken *NameTakenError
				switch {
				case errors.As(err, &taken): // an attempt before, of which nobody knew, was made
					ids[i] = taken.ID
					return
				case err == nil:
					ids[i] = s.ID
					return
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	all.Wait()
	for i, id := range ids {
		await(t, func() bool {
			h, err := e.Wait(context.Background(), id, 1<<40, time.Second)
			return err == nil && h.Head.Status == machine.Succeeded
		})
		for step := range uint32(4) {
			mu.Lock()
			if sent[machine.ID(id).Step(step+1)] == 0 {
				t.Errorf("saga %d: step %d was never called", i, step+1)
			}
			mu.Unlock()
		}
	}
	mu.Lock()
	good = true
	if len(sent) != 4*sagas {
		t.Errorf("%d steps for %d sagas", len(sent), sagas)
	}
	mu.Unlock()
	r := &rig{t: t, session: session, engine: e}
	for _, id := range ids {
		r.history(id)
	}
}

// What hands over in the middle of a long run goes on.
func TestLongRuns(t *testing.T) {
	r := newRig(t, echo, func(c *Config) {
		c.Quotas = machine.AWSLimits()
		c.Quotas.EntriesTurn, c.Quotas.Events = 10, 400
	})
	id := r.start(r.define(`{"StartAt":"P","States":{"P":{"Type":"Pass","Next":"Q"},
		"Q":{"Type":"Choice","Choices":[{"Variable":"$.end","IsPresent":true,"Next":"E"}],"Default":"P"},"E":{"Type":"Succeed"}}}`), "a", `{}`).ID
	r.settle()
	if h := r.head(id); h.Status != machine.Failed || h.LastEvent != 400 {
		t.Errorf("%v at event %d", h.Status, h.LastEvent)
	}
	if r.commits < 15 {
		t.Errorf("%d commits", r.commits)
	}
}

// A record that can't be read holds one execution, and says so.
func TestDamagedRows(t *testing.T) {
	for _, damage := range []func(store.ID) store.Batch{
		func(id store.ID) store.Batch {
			return store.Batch{Executions: []store.Execution{{ID: id, Body: []byte{99}}}}
		},
		func(id store.ID) store.Batch {
			return store.Batch{Executions: []store.Execution{{ID: id, Start: []byte{99}, Body: []byte{1}}}}
		},
		func(id store.ID) store.Batch {
			return store.Batch{Frames: []store.Frame{{ID: id, Number: 0, Body: []byte{99}}}}
		},
		func(id store.ID) store.Batch {
			return store.Batch{Jobs: []store.Job{{JobKey: store.JobKey{ID: id, Number: 1}, Due: begin + 60_000, Body: []byte{99}}}}
		},
	} {
		r := newRig(t, echo, nil)
		m := r.define(waiting)
		bad, good := r.start(m, "bad", `{}`).ID, r.start(m, "good", `{}`).ID
		b := damage(bad)
		if err := r.session.Commit(context.Background(), &b); err != nil {
			t.Fatal(err)
		}
		r.open()
		r.pass(2 * time.Minute)
		if h := r.head(good); h.Status != machine.Succeeded {
			t.Errorf("the other stands at %v", h.Status)
		}
		if _, err := r.engine.Stop(context.Background(), bad, machine.Failure{}); !errors.Is(err, ErrQuarantined) {
			t.Errorf("%v", err)
		}
	}
}

// Of the compiled definitions the last used are kept.
func TestProgramsAreBounded(t *testing.T) {
	session := storetest.NewMemory(storetest.MemoryOptions{}).Open()
	p := newPrograms(session, 2)
	find := func(n int) any {
		t.Helper()
		program, err := p.find(context.Background(), defineOn(t, session, saga(n)).Definition)
		if err != nil {
			t.Fatal(err)
		}
		return program
	}
	one := find(1)
	two := find(2)
	if find(1) != one {
		t.Error("compiled again")
	}
	find(3)
	if find(1) != one || len(p.byHash) != 2 || p.used.Len() != 2 {
		t.Errorf("%d programs are kept", len(p.byHash))
	}
	if find(2) == two {
		t.Error("the one that was used last of all was kept")
	}
}
