package engine

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// waitsInSaga has done one step, and waits in the second.
const waitsInSaga = `{"Saga":{},"StartAt":"A","States":{
	"A":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"a"},"Next":"B",
		"Compensate":{"Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"undo a"}}},
	"B":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken","Parameters":{"FunctionName":"b"},"TimeoutSeconds":60,"End":true,
		"Compensate":{"Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"undo b"}}}}}`

// breaks breaks an invariant of an execution that is in memory.
func (r *rig) breaks(id store.ID) {
	for _, s := range r.engine.shards {
		if resident := s.residents[id]; resident != nil {
			clear(resident.x.Frames)
		}
	}
}

// damages writes rows of an execution that nobody can read.
func (r *rig) damages(b *store.Batch) {
	r.t.Helper()
	if err := r.session.Commit(context.Background(), b); err != nil {
		r.t.Fatal(err)
	}
	r.open()
}

// A quarantined execution is ended as it stands, whatever of it can't be read: its log
// lists what is owed, nothing of it is left to be done, and its history tells who
// decided so. What is owed can be undone then.
func TestQuarantinedIsAbandoned(t *testing.T) {
	junk := []byte("junk")
	for name, c := range map[string]struct {
		damage func(r *rig, id store.ID)
		owed   []string
	}{
		"an invariant": {func(r *rig, id store.ID) {
			r.breaks(id)
			r.pass(2 * time.Minute) // its time is out, which can't be decided
		}, []string{"A SUCCEEDED", "B UNKNOWN"}},
		"a frame": {func(r *rig, id store.ID) {
			r.damages(&store.Batch{Frames: []store.Frame{{ID: id, Number: 0, Body: junk}}})
		}, []string{"A SUCCEEDED"}},
		"a job": {func(r *rig, id store.ID) {
			r.damages(&store.Batch{Jobs: []store.Job{{JobKey: store.JobKey{ID: id, Number: 77}, Due: 5, Body: junk}}})
		}, []string{"A SUCCEEDED", "B UNKNOWN"}},
		"a row of the log": {func(r *rig, id store.ID) {
			r.breaks(id)
			r.pass(2 * time.Minute)
			r.damages(&store.Batch{Undos: []store.Undo{{ID: id, Number: 7, Body: junk}}})
		}, []string{"A SUCCEEDED", "B UNKNOWN"}},
	} {
		t.Run(name, func(t *testing.T) {
			var called []string
			r := newRig(t, handler(func(_ context.Context, task integration.Task) (value.Text, error) {
				called = append(called, task.Request.Decode().Get("FunctionName").AsString())
				return value.Checked(`{}`), nil
			}), nil)
			id := r.start(r.define(waitsInSaga), "bad", `{}`).ID
			r.settle()
			c.damage(r, id)
			decided := machine.Resolution{Verb: machine.Abandon, Operator: "me", Reason: "it is beyond help"}
			if err := r.engine.Abandon(t.Context(), id, decided); err != nil {
				t.Fatal(err)
			}
			if h := r.head(id); h.Status != machine.Failed || *h.Error != "Saga.Abandoned" || *h.Cause != decided.Reason || h.SagaStatus() != "ABANDONED" || h.OpenSagas != 0 {
				t.Errorf("it stands at %v %s: %+v", h.Status, h.SagaStatus(), h)
			}
			if rows := r.indexed(IndexQuarantined, ""); len(rows) != 0 || r.jobs(id) != 0 {
				t.Errorf("quarantined are %v, and %d jobs are left", rows, r.jobs(id))
			}
			history := r.history(id)
			if e := history[len(history)-3]; e.Type != machine.SagaResolved || e.Worker != "me" || e.Saga.Reason != decided.Reason || e.Cause == nil {
				t.Errorf("the history tells %+v", e)
			}
			var owed []string
			var rows []*machine.Undo
			err := r.engine.walkRows(t.Context(), id, 0, 1<<32-1, 100, func(row *store.Undo) bool {
				if u, err := machine.Decode[machine.Undo](row.Body); err == nil {
					rows = append(rows, u)
				}
				return true
			})
			for _, u := range rows {
				if u.IsStep() && u.Settled == 0 {
					owed = append(owed, u.State+" "+u.Outcome.String())
				}
			}
			if err != nil || !slices.Equal(owed, c.owed) || rows[len(rows)-1].Status != machine.SagaAbandoned {
				t.Errorf("%v: owed are %q", err, owed)
			}
			var late *SagaError
			if err := r.engine.Abandon(t.Context(), id, decided); !errors.As(err, &late) {
				t.Errorf("once more: %v", err)
			}
			if name == "a row of the log" { // which is to be mended first
				return
			}
			if err := r.engine.Compensate(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			r.settle()
			undone := map[int][]string{1: {"a", "b", "undo a"}, 2: {"a", "b", "undo b", "undo a"}}[len(c.owed)]
			if h := r.head(id); h.SagaStatus() != "ABORTED" || !slices.Equal(called, undone) {
				t.Errorf("undone later it stands at %s, called were %q", h.SagaStatus(), called)
			}
		})
	}
}

// Who has a quarantined execution tried again stands in its history.
func TestQuarantinedIsReconsidered(t *testing.T) {
	r := newRig(t, echo, nil)
	id := r.start(r.define(waitsInSaga), "bad", `{}`).ID
	r.settle()
	r.breaks(id)
	r.pass(2 * time.Minute)
	if err := r.engine.Reconsider(id, machine.Resolution{Verb: machine.Retry, Operator: "me", Reason: "it is mended"}); err != nil {
		t.Fatal(err)
	}
	history := r.history(id)
	if e := history[len(history)-1]; e.Type != machine.SagaResolved || e.Worker != "me" || e.Saga.Word != "retry" || e.Saga.Reason != "it is mended" || e.Cause == nil {
		t.Errorf("the history tells %+v", e)
	}
	r.pass(2 * time.Minute)
	if h := r.head(id); h.Status != machine.Failed || h.SagaStatus() != "ABORTED" {
		t.Errorf("it stands at %v %s", h.Status, h.SagaStatus())
	}
	r.damages(&store.Batch{Frames: []store.Frame{{ID: id, Number: 0, Body: []byte("junk")}}})
	if err := r.engine.Reconsider(id, machine.Resolution{Verb: machine.Retry}); !errors.Is(err, ErrQuarantined) {
		t.Errorf("what can't be read is tried again: %v", err)
	}
}

// A parent hears of the end of a child that was quarantined.
func TestQuarantinedChildIsAbandoned(t *testing.T) {
	var child Machine
	r := newRig(t, echo, func(c *Config) {
		c.Machines = func(context.Context, string, string, string, Draw) (Machine, error) { return child, nil }
	})
	child = r.define(waitsInSaga)
	child.Name = "Child"
	parent := r.start(r.define(`{"StartAt":"N","States":{"N":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution.sync:2",
		"Parameters":{"StateMachineArn":"child","Name":"c"},"End":true}}}`), "p", `{}`).ID
	r.settle()
	var id store.ID
	for _, s := range r.engine.shards {
		for resident := range s.residents {
			if resident != parent {
				id = resident
			}
		}
	}
	r.breaks(id)
	r.pass(2 * time.Minute)
	if err := r.engine.Abandon(t.Context(), id, machine.Resolution{Verb: machine.Abandon, Operator: "me", Reason: "no"}); err != nil {
		t.Fatal(err)
	}
	r.pass(time.Minute)
	if h := r.head(parent); h.Status != machine.Failed || *h.Error != "States.TaskFailed" {
		t.Errorf("the parent stands at %v", h.Status)
	}
}
