package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// frail is a rig whose calls fail as long as broken says so.
func frail(t *testing.T) (r *rig, broken *bool, sent *[]string) {
	broken, sent = new(bool), new([]string)
	*broken = true
	r = newRig(t, func(_ context.Context, task integration.Task) (value.Text, error) {
		*sent = append(*sent, fmt.Sprint(task.State, " ", task.StepID, " ", task.Attempt))
		if *broken && task.State != "S1" {
			return value.Text{}, integration.NewError("Broken", "for now", integration.EffectNamed)
		}
		return value.Checked(`{}`), nil
	}, nil)
	return r, broken, sent
}

// redrive redrives an execution that must be.
func (r *rig) redrive(id store.ID, token string) int64 {
	r.t.Helper()
	at, err := r.engine.Redrive(context.Background(), id, token)
	if err != nil {
		r.t.Fatal(err)
	}
	return at
}

// An execution goes on from the step that failed, whose id is the same; what
// was done before is not done again. So it does after the process has died.
func TestARedriveGoesOn(t *testing.T) {
	for _, crashed := range []bool{false, true} {
		r, broken, sent := frail(t)
		id := r.start(r.define(saga(3)), "a", `{"x":1}`).ID
		r.pass(time.Minute)
		if crashed {
			r.open()
		}
		*broken = false
		at := r.redrive(id, "")
		if h := r.head(id); h.Status != machine.Running || h.Redrives != 1 || h.Redriven != at || h.Stop != 0 || at != begin+60_000 {
			t.Errorf("%+v at %d", h, at)
		}
		if crashed {
			r.open()
		}
		r.settle()
		if h := r.head(id); h.Status != machine.Succeeded || h.Redrives != 1 {
			t.Errorf("%+v", h)
		}
		step := func(n uint32) string { return machine.ID(id).Step(n) }
		want := []string{"S1 " + step(1) + " 1", "S2 " + step(2) + " 1", "S2 " + step(2) + " 2", "S3 " + step(3) + " 1"}
		if crashed { // the call was found on disk, and nobody knows whether it had been made
			want[2] = "S2 " + step(2) + " 3"
		}
		if !slices.Equal(*sent, want) {
			t.Errorf("sent %v, not %v", *sent, want)
		}
	}
}

// The lists tell of redrives, and an execution stands once in each, also where
// the redrive ends it in the same turn.
func TestListsTellOfRedrives(t *testing.T) {
	r := newRig(t, echo, nil)
	m := r.define(`{"StartAt":"F","States":{"F":{"Type":"Fail"}}}`)
	id := r.start(m, "a", `{}`).ID
	r.clock.now.Add(5)
	r.redrive(id, "")
	for _, q := range []store.IndexQuery{{Index: IndexMachine, Value: "M"}, {Index: IndexStatus, Value: StatusValue("M", machine.Failed)}} {
		q.Tenant, q.Limit = Tenant(m.Account, m.Region), 9
		rows, err := r.session.Index(context.Background(), q)
		if err != nil || len(rows) != 1 {
			t.Fatal(rows, err)
		}
		item, err := DecodeItem(rows[0].Body)
		want := Item{Name: "a", Status: machine.Failed, Start: begin, Stop: begin + 5, Redrives: 1, Redriven: begin + 5}
		if err != nil || item != want {
			t.Errorf("%+v, %v", item, err)
		}
	}
}

// A token is answered with its redrive, whatever became of that since, and for
// fifteen minutes.
func TestATokenRedrivesOnce(t *testing.T) {
	r, _, _ := frail(t)
	id := r.start(r.define(saga(2)), "a", `{}`).ID
	r.pass(time.Minute)
	first := r.redrive(id, "t")
	if at := r.redrive(id, "t"); at != first {
		t.Errorf("while it runs: %d, not %d", at, first)
	}
	r.pass(time.Minute)
	if at := r.redrive(id, "t"); at != first || r.head(id).Redrives != 1 {
		t.Errorf("after its end: %d, not %d", at, first)
	}
	r.pass(14 * time.Minute)
	if at := r.redrive(id, "t"); at != first+15*60_000 || r.head(id).Redrives != 2 {
		t.Errorf("when it is old: %d", at)
	}
	r.settle()
	for n := range 10 {
		r.redrive(id, fmt.Sprint("t", n))
		r.settle()
	}
	if r.redrive(id, "t"); r.head(id).Redrives != 13 {
		t.Errorf("more than ten tokens are known: %+v", r.head(id))
	}
}

func TestWhatIsNotRedriven(t *testing.T) {
	r, broken, _ := frail(t)
	ctx := context.Background()
	m := r.define(saga(2))
	*broken = false
	good := r.start(m, "good", `{}`).ID
	r.settle()
	*broken = true
	old := r.start(m, "old", `{}`).ID
	r.settle()
	r.pass(14 * 24 * time.Hour)
	running := r.start(r.define(waiting), "running", `{}`).ID
	for id, want := range map[store.ID]string{
		good:    "Execution is SUCCEEDED and cannot be redriven",
		running: "Execution is RUNNING and cannot be redriven",
		old:     "Execution redrivable period exceeded",
	} {
		before := r.head(id)
		var refused *NotRedrivableError
		if _, err := r.engine.Redrive(ctx, id, ""); !errors.As(err, &refused) || refused.Reason != want {
			t.Errorf("%v, not %s", err, want)
		}
		if after := r.head(id); after.LastEvent != before.LastEvent || after.Status != before.Status {
			t.Errorf("%+v became %+v", before, after)
		}
	}
	if _, err := r.engine.Redrive(ctx, store.ID{}, ""); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

// A parent that is redriven starts another child, since the first one has had
// its end; a child that is redriven tells nobody who has heard already.
func TestNestedRedrives(t *testing.T) {
	r, machines := nest(t, nil)
	failing := machines["failing"]
	id := r.start(r.define(calling(".sync", `{"StateMachineArn":"failing"}`)), "a", `{}`).ID
	r.pass(time.Minute)
	first, err := r.engine.Find(context.Background(), failing.Account, failing.Region, "failing", machine.ID(id).Step(1))
	if err != nil {
		t.Fatal(err)
	}
	r.redrive(first, "")
	r.pass(time.Minute)
	if h := r.head(first); h.Status != machine.Failed || h.Redrives != 1 {
		t.Errorf("%+v", h)
	}
	machines["failing"] = machines["instant"]
	r.redrive(id, "")
	r.pass(time.Minute)
	if h := r.head(id); h.Status != machine.Succeeded || h.Redrives != 1 {
		t.Errorf("%+v: %s", h, story(r.history(id)))
	}
	if _, err := r.engine.Find(context.Background(), failing.Account, failing.Region, "instant", machine.ID(id).Step(1)+"-2"); err != nil {
		t.Error(err)
	}
}

// failing is a rig whose children fail for the items that bad names, and tells
// how often each item was called for.
func failing(t *testing.T, more func(*Config)) (r *rig, bad map[int64]bool, calls map[int64]int) {
	bad, calls = map[int64]bool{}, map[int64]int{}
	r = newRig(t, func(_ context.Context, task integration.Task) (value.Text, error) {
		n, _ := task.Request.Decode().Get("n").AsInt()
		if calls[n]++; bad[n] {
			return value.Text{}, integration.NewError("Bad", fmt.Sprint(n, " is bad"), integration.EffectNone)
		}
		return task.Request, nil
	}, more)
	return r, bad, calls
}

// redriven holds that a map run over five items has gone well after so many
// redrives, and did nothing twice that had gone well.
func (r *rig) redriven(id store.ID, kind string, redrives int, calls map[int64]int) {
	r.t.Helper()
	if h := r.head(id); h.Status != machine.Succeeded || r.output(id).Text().String() != fiveItems {
		r.t.Fatalf("%s of %s: %v", h.Status, kind, story(r.history(id)))
	}
	runs := r.runs(id)
	if len(runs) != 1 {
		r.t.Fatalf("%d map runs", len(runs))
	}
	h := r.head(runs[0])
	if u := h.Run; u.Items.Succeeded != 5 || u.Items.Running+u.Items.Failed+u.Items.Aborted+u.Items.Pending != 0 || u.Items != u.Executions || h.Redrives != redrives {
		r.t.Errorf("counts %+v after %d redrives", u, h.Redrives)
	}
	if kind == "STANDARD" && (r.children(runs[0], machine.Succeeded) != 5 || r.children(runs[0], machine.Failed)+r.children(runs[0], machine.Aborted) != 0) {
		r.t.Errorf("%d children are listed as done", r.children(runs[0], machine.Succeeded))
	}
	if calls[1] != 1 {
		r.t.Errorf("%s: the item that had gone well was called for %d times", kind, calls[1])
	}
	r.tidy()
}

// A redrive of the parent redrives its map run: the same one, in which only what
// failed is done again.
func TestAMapRunIsRedriven(t *testing.T) {
	for _, kind := range []string{"STANDARD", "EXPRESS"} {
		r, bad, calls := failing(t, nil)
		bad[2] = true
		id := r.start(r.define(each(kind, "")), "a", fiveItems).ID
		r.settle()
		if h := r.head(id); h.Status != machine.Failed {
			t.Fatalf("%+v", h)
		}
		r.redrive(id, "")
		r.pass(time.Minute)
		if h, u := r.head(id), r.head(r.runs(id)[0]).Run; h.Status != machine.Failed || u.Items.Succeeded == 0 || u.Items.Failed != 1 || u.Items.Pending != 0 {
			t.Errorf("%s: %+v, %+v", kind, h, u)
		}
		clear(bad)
		r.redrive(id, "")
		r.pass(time.Minute)
		const failed = " MapRunFailed MapStateFailed ExecutionFailed ExecutionRedriven MapRunRedriven"
		const want = "ExecutionStarted MapStateEntered MapStateStarted MapRunStarted" + failed + failed + " MapRunSucceeded MapStateSucceeded MapStateExited ExecutionSucceeded"
		if got := story(r.history(id)); got != want {
			t.Errorf("%s: %s", kind, got)
		}
		r.redriven(id, kind, 2, calls)
		if kind != "STANDARD" {
			continue
		}
		child, err := r.engine.Find(context.Background(), "123456789012", "us-east-1", "M/Ours", machine.ID(r.runs(id)[0]).Step(2))
		if err != nil {
			t.Fatal(err)
		}
		const twice = " TaskFailed ExecutionFailed ExecutionRedriven TaskScheduled TaskStarted"
		if got := story(r.history(child)); got != "ExecutionStarted TaskStateEntered TaskScheduled TaskStarted"+twice+twice+" TaskSucceeded TaskStateExited ExecutionSucceeded" {
			t.Errorf("a child: %s", got)
		}
		if h := r.head(child); h.Redrives != 2 {
			t.Errorf("a child: %+v", h)
		}
	}
}

// A redrive of a map run outlives a crash at any commit, made or not, from the
// failure on.
func TestAMapRunIsRedrivenOverCrashes(t *testing.T) {
	for _, kind := range []string{"STANDARD", "EXPRESS"} {
		for n := 1; n < 100; n++ {
			crashed := true
			for _, applied := range []bool{false, true} {
				r, bad, calls := failing(t, nil)
				bad[2] = true
				id := r.start(r.define(each(kind, "")), "a", fiveItems).ID
				session := r.session
				session.CrashIn(n, applied)
				for range 3 { // again where the first did not last
					for range 3 {
						r.pass(time.Minute)
						if session.Crashed() && session == r.session {
							r.open()
						}
					}
					if r.head(id).Status != machine.Failed {
						break
					}
					clear(bad)
					_, _ = r.engine.Redrive(context.Background(), id, "")
				}
				crashed = session.Crashed()
				session.CrashIn(0, false)
				if calls[1] > 1 {
					calls[1] = 1 // it was under way in the crash
				}
				r.redriven(id, kind, 1, calls)
				if t.Failed() {
					t.Fatalf("%s: at commit %d, applied %v: %s", kind, n, applied, story(r.history(id)))
				}
			}
			if !crashed {
				break
			}
		}
	}
}

// Who redrives at once, while the earlier try is still being stopped, loses
// nothing: what was not stopped yet goes on.
func TestAMapRunIsRedrivenWhileItStops(t *testing.T) {
	for _, kind := range []string{"STANDARD", "EXPRESS"} {
		for steps := range 40 {
			r, _, calls := failing(t, nil)
			id := r.start(r.define(each(kind, "")), "a", fiveItems).ID
			for range steps {
				if len(r.side) > 0 {
					f := r.side[0]
					r.side = r.side[1:]
					f()
				}
			}
			if _, err := r.engine.Stop(context.Background(), id, machine.Failure{}); err != nil {
				t.Fatal(err)
			}
			for range steps % 7 {
				if len(r.side) > 0 {
					f := r.side[len(r.side)-1]
					r.side = r.side[:len(r.side)-1]
					f()
				}
			}
			if r.head(id).Status == machine.Succeeded {
				break
			}
			r.redrive(id, "")
			slices.Reverse(r.side)
			r.pass(time.Minute)
			redrives := 1
			if runs := r.runs(id); len(runs) == 1 {
				redrives = r.head(runs[0]).Redrives
			}
			calls[1] = 1
			r.redriven(id, kind, redrives, calls)
			if t.Failed() {
				t.Fatalf("%s: after %d steps: %s", kind, steps, story(r.history(id)))
			}
		}
	}
}

// Of a map run that writes, each item is in the manifest's files once, by what it
// came to at last.
func TestAMapRunIsRedrivenAndWrites(t *testing.T) {
	kept := &shelf{objects: map[string]string{}}
	r, bad, _ := failing(t, func(c *Config) { c.Objects = kept })
	bad[3] = true
	id := r.start(r.define(each("STANDARD", writes)), "a", fiveItems).ID
	r.settle()
	bad[3], bad[5] = false, true
	r.redrive(id, "")
	r.pass(time.Minute)
	clear(bad)
	r.redrive(id, "")
	r.pass(time.Minute)
	if h := r.head(id); h.Status != machine.Succeeded {
		t.Fatalf("%+v, %s", h, story(r.history(id)))
	}
	manifest := value.Checked(kept.objects["b/"+r.output(id).Get("ResultWriterDetails").Get("Key").AsString()]).Decode().Get("ResultFiles")
	var all []string
	for _, file := range manifest.Get("SUCCEEDED").Items() {
		all = append(all, strings.Trim(kept.objects["b/"+file.Get("Key").AsString()], "[]"))
	}
	items := strings.Split(strings.Join(all, ","), ",")
	slices.Sort(items)
	if got := "[" + strings.Join(items, ",") + "]"; got != fiveItems || manifest.Get("FAILED").Len() != 0 {
		t.Errorf("written %s, failed %s", got, manifest.Get("FAILED").Text())
	}
	if u := r.head(r.runs(id)[0]).Run; u.Items.Written != 5 || u.Executions.Written != 5 {
		t.Errorf("counts %+v", u)
	}
}

// An express child that is begun again tells how often it was.
func TestAnExpressChildCountsItsRedrives(t *testing.T) {
	r := newRig(t, func(_ context.Context, task integration.Task) (value.Text, error) {
		if n, _ := task.Request.Decode().Get("n").AsInt(); n < 2 {
			return value.Text{}, integration.NewError("Early", "", integration.EffectNone)
		}
		return task.Request, nil
	}, nil)
	id := r.start(r.define(strings.Replace(each("EXPRESS", ""), `"n.$":"$"`, `"n.$":"$$.Execution.RedriveCount"`, 1)), "a", `["x"]`).ID
	r.settle()
	for range 2 {
		if h := r.head(id); h.Status != machine.Failed {
			t.Fatalf("%+v", h)
		}
		if _, err := r.engine.Redrive(context.Background(), id, ""); err != nil {
			t.Fatal(err)
		}
		r.settle()
	}
	if h := r.head(id); h.Status != machine.Succeeded || r.output(id).Text().String() != `[2]` {
		t.Errorf("%+v, %s", h, r.output(id).Text())
	}
}
