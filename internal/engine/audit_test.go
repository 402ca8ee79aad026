package engine

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// An execution whose job is gone waits for nothing: it is quarantined, once, and a
// sound one is left alone.
func TestAnOrphanIsQuarantined(t *testing.T) {
	r := newRig(t, echo, func(c *Config) { c.Limits.Cached = 1 })
	m := r.define(waiting)
	sound, orphan := r.start(m, "a", `{}`).ID, r.start(m, "b", `{}`).ID
	r.settle()
	loaded, err := r.session.Load(t.Context(), orphan)
	if err != nil || len(loaded.Jobs) != 1 {
		t.Fatal(loaded, err)
	}
	if err := r.session.Commit(t.Context(), &store.Batch{DropJobs: loaded.Jobs}); err != nil {
		t.Fatal(err)
	}
	r.open()
	for range 2 {
		for _, id := range []store.ID{sound, orphan, {1}} {
			if runs, err := r.engine.Inspect(t.Context(), id); err != nil || len(runs) > 0 {
				t.Fatal(runs, err)
			}
		}
	}
	if n := r.engine.Orphans().Executions.Load(); n != 1 {
		t.Errorf("%d orphans were found", n)
	}
	why, err := r.engine.Why(t.Context(), orphan)
	if err != nil || len(why.Waits) != 1 || why.Waits[0].Kind != WaitQuarantine || !strings.Contains(*why.Waits[0].Cause, `in state "W", has a job that is not there`) {
		t.Errorf("%+v, %v", why, err)
	}
	r.pass(2 * time.Minute)
	if h := r.head(sound); h.Status != machine.Succeeded {
		t.Errorf("the sound one is %v", h.Status)
	}
	r.engine.shardOf(sound).epoch.Store(0)
	if what, _, err := r.engine.stranded(t.Context(), sound); what != "" || err != nil {
		t.Error("of another node's shard:", what, err)
	}
}

// Why an execution would wait for ever is told by its frames.
func TestStands(t *testing.T) {
	frame := func(f machine.Frame) *machine.Execution {
		return machine.Restore(machine.Start{}, machine.Head{Status: machine.Running}, []*machine.Frame{{Kind: machine.Root, Phase: machine.Ended}, &f}, nil)
	}
	for want, x := range map[string]*machine.Execution{
		"goes on without its root":           machine.Restore(machine.Start{}, machine.Head{Status: machine.Running}, nil, nil),
		"it is a map run":                    machine.Restore(machine.Start{Map: &machine.MapStart{}}, machine.Head{Status: machine.Running}, nil, nil),
		"has a job that is not there":        frame(machine.Frame{ID: 1, Job: 7, Phase: machine.Working}),
		"waits for nothing":                  frame(machine.Frame{ID: 1, Phase: machine.Working}),
		"frame 1, in state \"S\", waits for": frame(machine.Frame{ID: 1, State: "S", Phase: machine.Retrying}),
	} {
		if got := stands(x); !strings.Contains(got, want) {
			t.Errorf("%q, not %q", got, want)
		}
	}
	if got := stands(frame(machine.Frame{ID: 1, Phase: machine.Ended})); got != "" {
		t.Errorf("one that has ended: %q", got)
	}
}

// rounds goes through all jobs so often.
func (r *rig) rounds(n int, of *Rounds) {
	r.t.Helper()
	for range n * len(r.engine.shards) {
		if err := r.engine.InspectJobs(r.t.Context(), of, 100); err != nil {
			r.t.Fatal(err)
		}
	}
}

// A job of no execution is taken away when it is seen twice, and one that is due and
// that nobody knows of is read again.
func TestJobsOfNobody(t *testing.T) {
	r := newRig(t, echo, nil)
	id := r.start(r.define(waiting), "a", `{}`).ID
	r.settle()
	lost := store.Job{JobKey: store.JobKey{ID: store.NewID(2, begin, [8]byte{9}), Number: 1}, Due: store.Never, Body: []byte("x")}
	if err := r.session.Commit(t.Context(), &store.Batch{Jobs: []store.Job{lost}}); err != nil {
		t.Fatal(err)
	}
	r.engine.alarms = newAlarms() // a fault of the engine: it forgets
	r.clock.now.Add(60_000 + forgottenAfter + 1)
	if err := r.engine.Renew(r.clock.Now()); err != nil {
		t.Fatal(err)
	}
	for _, s := range r.engine.shards {
		s.reach.Store(r.clock.Now() + 3_600_000)
	}
	found := r.engine.Orphans()
	var of Rounds
	if r.rounds(1, &of); found.Jobs.Load() != 0 || found.Forgotten.Load() != 0 {
		t.Error("found at first sight")
	}
	if r.rounds(1, &of); found.Jobs.Load() != 1 || found.Forgotten.Load() != 1 {
		t.Errorf("found: %d jobs of nobody, %d forgotten", found.Jobs.Load(), found.Forgotten.Load())
	}
	r.settle()
	if h := r.head(id); h.Status != machine.Succeeded {
		t.Errorf("what was forgotten is %v", h.Status)
	}
	if jobs, err := r.session.Jobs(t.Context(), 2, store.Never, nil, 10); err != nil || len(jobs) != 0 {
		t.Errorf("%v, %v", jobs, err)
	}
	if r.rounds(3, &of); found.Jobs.Load() != 1 || found.Forgotten.Load() != 1 {
		t.Error("found again")
	}
}

// A task in an activity's queue that is no job's is taken away; one that waits stays.
func TestTasksOfNobody(t *testing.T) {
	r := newRig(t, echo, nil)
	r.start(r.define(`{"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:us-east-1:123456789012:activity:work","End":true}}}`), "a", `{}`)
	tenant := Tenant("123456789012", "us-east-1")
	lost := store.Queued{QueuedKey: store.QueuedKey{Tenant: tenant, Activity: "work", At: 5, Job: store.JobKey{ID: store.NewID(1, begin, [8]byte{9}), Number: 1}}}
	if err := r.session.Commit(t.Context(), &store.Batch{Queue: []store.Queued{lost}}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := r.engine.InspectQueue(t.Context(), tenant, "work", 10); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := r.session.Queue(t.Context(), tenant, "work", 10)
	if err != nil || len(rows) != 1 || rows[0].At == 5 || r.engine.Orphans().Tasks.Load() != 1 {
		t.Errorf("%+v, %v, %d found", rows, err, r.engine.Orphans().Tasks.Load())
	}
	ctx, end := context.WithCancel(t.Context())
	end()
	if err := r.engine.InspectQueue(ctx, tenant, "work", 10); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
