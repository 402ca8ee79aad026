package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

const twoActivities = `{"StartAt":"A","States":{
	"A":{"Type":"Task","Resource":"arn:aws:states:us-east-1:123456789012:activity:work","HeartbeatSeconds":100,"Next":"B"},
	"B":{"Type":"Task","Resource":"arn:aws:states:us-east-1:123456789012:activity:work","HeartbeatSeconds":100,"End":true}}}`

// A node that stood still past its lease tells nobody how things stand by what it
// has in memory: another may have gone on with them.
func TestAZombieDoesNotVouch(t *testing.T) {
	a, b := two(t)
	ctx := context.Background()
	id := a.start(a.define(twoActivities), "a", `{}`).ID
	first := a.poll("w")
	b.join()
	b.pass(15 * time.Second) // a sleeps
	if err := b.engine.Complete(ctx, first.Token, value.Checked(`1`), nil); err != nil {
		t.Fatal(err)
	}
	second := b.poll("w")
	if at, err := a.engine.Wait(ctx, id, 0, 0); err != nil || at.Head.LastEvent != b.head(id).LastEvent {
		t.Errorf("it says that the execution is at event %d, %v", at.Head.LastEvent, err)
	}
	for what, err := range map[string]error{
		"the end of a child":                          a.engine.tellTask(&machine.Ending{Start: machine.Start{Parent: &machine.Parent{ID: machine.ID(id), Job: 99}}}, nil),
		"the end of a map run":                        a.engine.tellMap(&machine.Ending{Start: machine.Start{Parent: &machine.Parent{ID: machine.ID(id), Job: 99}}}, nil),
		"a stop for a job that it does not know":      func() error { _, err := a.engine.stopHere(id, 99, nil, machine.Failure{}); return err }(),
		"the limits of a map run":                     func() error { _, err := a.engine.updateFor(id, machine.Update{}, nil); return err }(),
		"an undoing for a parent":                     a.engine.unwindHere(id, machine.ID{}, 0),
		"a result for the task that it does not know": a.engine.Complete(ctx, second.Token, value.Checked(`2`), nil),
		"a heartbeat of it":                           a.engine.Heartbeat(ctx, second.Token),
		"a heartbeat of one that is over":             a.engine.Heartbeat(ctx, first.Token),
		"an undo":                                     a.engine.Compensate(ctx, id),
		"a decision about a hold that is none":        a.engine.Resolve(ctx, id, machine.Resolution{Hold: 7}),
		"a redrive of one that it takes to run":       func() error { _, err := a.engine.Redrive(ctx, id, ""); return err }(),
	} {
		if !errors.Is(err, ErrNotReady) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := b.engine.Complete(ctx, second.Token, value.Checked(`2`), nil); err != nil {
		t.Fatal(err)
	}
	if h := b.head(id); h.Status != machine.Succeeded {
		t.Errorf("%v", h.Status)
	}
}

// … and makes no call that another may have made by now.
func TestAZombieDoesNotCall(t *testing.T) {
	a, b := two(t)
	calls := 0
	a.h = func(context.Context, integration.Task) (value.Text, error) {
		calls++
		return value.Checked(`{}`), nil
	}
	id := a.start(a.define(saga(1)), "a", `{}`).ID
	if len(a.side) != 1 {
		t.Fatalf("%d calls to make", len(a.side))
	}
	b.join()
	b.pass(15 * time.Second) // a sleeps
	ended := b.head(id).Stop
	a.side[0]()
	if calls > 0 {
		t.Error("it called")
	}
	if h := b.head(id); h.Stop != ended || !h.Status.Ended() {
		t.Errorf("%+v", h)
	}
}

// … and takes no claim for gone that it does not know.
func TestAZombieFreesNoLock(t *testing.T) {
	a, b := two(t)
	of := machine.Start{Account: "123456789012", Region: "us-east-1"}
	lock := of.LockOf(machine.ID(a.engine.lockID(&of, "till")), "till")
	say := func(r *rig, kind machine.MessageKind, whose byte) error {
		claim := &machine.Claim{Execution: machine.ID(store.NewID(1, begin, [8]byte{whose})), Job: 1, Entry: 1}
		return r.engine.lockTurn(lock, machine.Message{Kind: kind, Claim: claim}, nil)
	}
	if err := say(a, machine.Claimed, 1); err != nil {
		t.Fatal(err)
	}
	b.join()
	b.pass(15 * time.Second) // a sleeps
	if err := say(b, machine.Claimed, 2); err != nil {
		t.Fatal(err)
	}
	if err := say(a, machine.Unclaimed, 2); !errors.Is(err, errElsewhere) {
		t.Errorf("%v", err)
	}
}
