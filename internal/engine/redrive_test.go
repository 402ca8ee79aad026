package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
		step := func(n uint32) string { return machine.StepID(machine.ID(id), n) }
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
	first, err := r.engine.Find(context.Background(), failing.Account, failing.Region, "failing", machine.StepID(machine.ID(id), 1))
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
	if _, err := r.engine.Find(context.Background(), failing.Account, failing.Region, "instant", machine.StepID(machine.ID(id), 1)+"-2"); err != nil {
		t.Error(err)
	}
}
