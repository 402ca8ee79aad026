package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/backstep/backstep/internal/value"
)

// listed counts the rows of an execution's lists.
func (r *rig) listed(status machine.Status) int {
	r.t.Helper()
	n := 0
	for _, q := range []store.IndexQuery{{Index: IndexMachine, Value: "M"}, {Index: IndexStatus, Value: StatusValue("M", status)}} {
		q.Tenant, q.Limit = Tenant("123456789012", "us-east-1"), 10
		rows, err := r.session.Index(context.Background(), q)
		if err != nil {
			r.t.Fatal(err)
		}
		n += len(rows)
	}
	return n
}

// What has ended long enough ago is forgotten whole, and its name is free; what
// ended later or runs is not.
func TestForget(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, echo, nil)
	m := r.define(saga(2))
	s := r.start(m, "a", `{"x":1}`)
	forget := func(ended int64, want bool) {
		t.Helper()
		if did, err := r.engine.Forget(ctx, s.ID, ended); did != want || err != nil {
			t.Errorf("forgotten: %v, %v", did, err)
		}
	}
	forget(begin+1e12, false)
	r.settle()
	stop := r.head(s.ID).Stop
	forget(stop-1, false)
	if r.listed(machine.Succeeded) != 2 || len(r.history(s.ID)) == 0 {
		t.Error("something is gone already")
	}
	forget(stop, true)
	if _, err := r.session.Execution(ctx, s.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the execution: %v", err)
	}
	if _, err := r.session.Payloads(ctx, s.ID, []uint32{1}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("its input: %v", err)
	}
	if n := r.listed(machine.Succeeded); n != 0 || len(r.history(s.ID)) != 0 {
		t.Errorf("%d rows and %d events are left", n, len(r.history(s.ID)))
	}
	forget(stop, false)
	if again := r.start(m, "a", `{"x":2}`); again.ID == s.ID || again.Was {
		t.Errorf("the name is not free: %+v", again)
	}
	if _, err := r.engine.Stop(ctx, s.ID, machine.Failure{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("a stop: %v", err)
	}
}

// Many of a shard are forgotten in one commit, but for those that are to be kept and
// those that somebody is busy with.
func TestForgetMany(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, echo, func(c *Config) { c.Limits.Cached = 1000 })
	ended, runs := r.define(saga(1)), r.define(waiting)
	runs.Name = "Runs"
	var ids []store.ID
	for range 40 {
		for _, m := range [...]Machine{ended, runs} {
			if id := r.start(m, "", `{}`).ID; id.Shard() == 1 {
				ids = append(ids, id)
			}
		}
	}
	r.settle()
	stands := func() (all, over int) {
		for _, id := range ids {
			_, h, err := r.engine.Execution(ctx, id)
			switch {
			case errors.Is(err, ErrNotFound):
				continue
			case err != nil:
				t.Fatal(err)
			case h.Status.Ended():
				over++
			}
			all++
		}
		return all, over
	}
	all, over := stands()
	s := r.engine.shardOf(ids[0])
	var busy *resident
	for _, id := range ids {
		if _, h, _ := r.engine.Execution(ctx, id); h.Status.Ended() {
			busy = s.hold(id)
			break
		}
	}
	if n, err := r.engine.ForgetMany(ctx, ids, begin+1e12); n != over-1 || err != nil {
		t.Errorf("%d of %d forgotten, one of them was in use: %v", n, over, err)
	}
	s.release(busy)
	commits := r.engine.metrics.Commits.Load()
	if n, err := r.engine.ForgetMany(ctx, ids, begin+1e12); n != 1 || err != nil {
		t.Errorf("%d forgotten: %v", n, err)
	}
	if n := r.engine.metrics.Commits.Load() - commits; n != 1 {
		t.Errorf("in %d commits", n)
	}
	if left, ended := stands(); left != all-over || ended != 0 || over < 3 || left < 3 {
		t.Errorf("of %d, %d ended, are left %d, %d ended", all, over, left, ended)
	}
	r.pass(2 * time.Minute)
	if _, later := stands(); later != all-over {
		t.Errorf("%d of %d that ran have ended", later, all-over)
	}
}

// A child that has not told its parent of its end is not forgotten.
func TestForgetKeepsWhatIsOwed(t *testing.T) {
	w := newWorld(t)
	r := StartRequest{Machine: w.child, Name: "c", Input: value.Checked(`{}`), Depth: 1, Parent: &machine.Parent{ID: machine.ID(store.NewID(0, begin, [8]byte{9})), Job: 1}}
	s, err := w.engine.Start(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	for len(w.side) > 0 && !w.head(s.ID).Status.Ended() {
		f := w.side[0]
		w.side = w.side[1:]
		f()
	}
	if !w.head(s.ID).Status.Ended() {
		t.Fatal("it runs on")
	}
	if did, err := w.engine.Forget(context.Background(), s.ID, begin+1e12); did || err != nil {
		t.Errorf("forgotten: %v, %v", did, err)
	}
}

// A commit whose outcome is unknown is looked at again by the next who asks.
func TestForgetUnknown(t *testing.T) {
	for _, done := range []bool{false, true} {
		r := newRig(t, echo, nil)
		s := r.start(r.define(saga(1)), "a", `{}`)
		r.settle()
		r.plan = func(method string, b *store.Batch) storetest.Fault {
			if method == "Commit" {
				return storetest.Fault{Err: store.ErrUnknown, Done: done}
			}
			return storetest.Fault{}
		}
		if did, err := r.engine.Forget(context.Background(), s.ID, begin+1e12); did || !errors.Is(err, store.ErrUnknown) {
			t.Errorf("forgotten: %v, %v", did, err)
		}
		r.plan = nil
		if did, err := r.engine.Forget(context.Background(), s.ID, begin+1e12); did == done || err != nil {
			t.Errorf("made %v, then forgotten: %v, %v", done, did, err)
		}
	}
}
