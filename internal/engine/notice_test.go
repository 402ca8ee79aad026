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

// held is a saga whose first step, once the second has failed, can't be undone
// until somebody says otherwise.
const held = `{"Saga":{},"StartAt":"Reserve","States":{
	"Reserve":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"reserve"},"Next":"Charge",
		"Compensate":{"Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"release"},"Retry":[{"ErrorEquals":["States.ALL"],"MaxAttempts":0}]}},
	"Charge":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"charge"},"End":true}}}`

// stubborn refuses to charge, and to release for as long as the pointer says.
func stubborn(refuses *bool) handler {
	return func(ctx context.Context, t integration.Task) (value.Text, error) {
		switch name := t.Request.Decode().Get("FunctionName").AsString(); {
		case name == "charge", name == "release" && *refuses:
			return value.Text{}, integration.NewError("No", name, integration.EffectNamed)
		}
		return value.Checked(`{}`), nil
	}
}

// indexed are the rows of an index.
func (r *rig) indexed(index, of string) []store.Index {
	r.t.Helper()
	rows, err := r.session.Index(context.Background(), store.IndexQuery{Tenant: Tenant("123456789012", "us-east-1"), Index: index, Value: of, Limit: 100})
	if err != nil {
		r.t.Fatal(err)
	}
	return rows
}

// standing wants an execution to be in exactly one list of its sagas' statuses.
func (r *rig) standing(status string) {
	r.t.Helper()
	for _, of := range []string{"", "M"} {
		for _, is := range []string{"STARTED", "ABORTING", "ON_HOLD", "ABORTED", "ABANDONED", "COMPENSATION_FAILED", "COMPLETED"} {
			if n := len(r.indexed(IndexSagas, SagaValue(of, is))); (n == 1) != (is == status) {
				r.t.Errorf("%d executions of %q are listed as %s", n, of, is)
			}
		}
		if n := len(r.indexed(IndexSagas, of)); (n == 1) != (status != "") {
			r.t.Errorf("%d executions of %q are listed", n, of)
		}
	}
}

// An execution is listed by where its sagas stand, until it is forgotten; it is
// not as long as one of them is open.
func TestListsOfSagas(t *testing.T) {
	ctx, refuses := context.Background(), true
	r := newRig(t, stubborn(&refuses), nil)
	id := r.start(r.define(held), "a", `{}`).ID
	r.standing("STARTED")
	r.settle()
	r.standing("ON_HOLD")
	s, err := r.engine.Saga(ctx, id)
	if err != nil || s.Frames[0].Hold == nil || s.Head.OpenHolds != 1 || len(s.Log) != 3 || s.Program == nil || s.Quarantined != "" {
		t.Fatalf("%+v, %v", s, err)
	}
	if h := s.Frames[0].Hold; h.Operation != machine.Compensate || h.Number != 1 || *h.Fault.Error != "No" {
		t.Errorf("held: %+v", h)
	}
	refuses = false
	if err := r.engine.Resolve(ctx, id, machine.Resolution{Hold: 1, Verb: machine.Retry, Operator: "me", Reason: "it works again"}); err != nil {
		t.Fatal(err)
	}
	r.settle()
	r.standing("ABORTED")
	var refused *SagaError
	if err := r.engine.Resolve(ctx, id, machine.Resolution{Hold: 1, Verb: machine.Retry}); !errors.As(err, &refused) {
		t.Errorf("the second resolution: %v", err)
	}
	if did, err := r.engine.Forget(ctx, id, begin+1e12); !did || err != nil {
		t.Errorf("forgotten: %v, %v", did, err)
	}
	r.standing("")
}

// A saga that is undone after its end keeps its execution from being forgotten.
func TestForgetKeepsOpenSagas(t *testing.T) {
	ctx, refuses := context.Background(), true
	h := stubborn(&refuses)
	r := newRig(t, func(ctx context.Context, t integration.Task) (value.Text, error) {
		if t.Request.Decode().Get("FunctionName").AsString() == "charge" {
			return value.Checked(`{}`), nil
		}
		return h(ctx, t)
	}, nil)
	id := r.start(r.define(held), "a", `{}`).ID
	r.settle()
	r.standing("COMPLETED")
	if err := r.engine.Compensate(ctx, id); err != nil {
		t.Fatal(err)
	}
	r.settle()
	r.standing("ON_HOLD")
	if h := r.head(id); h.Status != machine.Succeeded || h.OpenSagas != 1 {
		t.Fatalf("it stands at %+v", h)
	}
	if did, err := r.engine.Forget(ctx, id, begin+1e12); did || err != nil {
		t.Errorf("forgotten: %v, %v", did, err)
	}
	if err := r.engine.Resolve(ctx, id, machine.Resolution{Hold: 1, Verb: machine.Abandon, Saga: 1 << 31}); err != nil {
		t.Fatal(err)
	}
	r.standing("ABANDONED")
	if did, err := r.engine.Forget(ctx, id, begin+1e12); !did || err != nil {
		t.Errorf("forgotten: %v, %v", did, err)
	}
}

// A child of a distributed Map is listed with the machine while it waits for a
// person, and only then: there may be very many.
func TestSagasOfChildrenAreListed(t *testing.T) {
	refuses := true
	r := newRig(t, stubborn(&refuses), nil)
	id := r.start(r.define(`{"Saga":{},"StartAt":"Each","States":{"Each":{"Type":"Map","Label":"Ours","MaxConcurrency":2,"End":true,
		"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"Do","States":{
			"Do":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"reserve"},
				"Compensate":{"Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"release"},"Retry":[]},"Next":"Wait"},
			"Wait":{"Type":"Wait","Seconds":60,"End":true}}}}}}`), "a", `[1]`).ID
	r.settle()
	if n := len(r.indexed(IndexSagas, SagaValue("M", "STARTED"))); n != 1 {
		t.Errorf("%d executions are listed, not the parent alone", n)
	}
	if _, err := r.engine.Stop(context.Background(), id, machine.Failure{}); err != nil {
		t.Fatal(err)
	}
	r.settle()
	if n := len(r.indexed(IndexSagas, SagaValue("M", "ON_HOLD"))); n != 1 {
		t.Errorf("%d executions are listed as held, not the child", n)
	}
}

// Who is to be told of a hold is, even if the process dies at once; and of what
// was opened in the same millisecond, too.
func TestNotices(t *testing.T) {
	ctx, refuses := context.Background(), true
	r := newRig(t, stubborn(&refuses), func(c *Config) { c.Notices = []string{"hook", "mail"} })
	id := r.start(r.define(held), "a", `{}`).ID
	r.settle()
	r.open()
	for _, who := range []string{"hook", "mail"} {
		if rows := r.indexed(IndexNotices, who); len(rows) != 1 || rows[0].ID != id || rows[0].Start != begin {
			t.Fatalf("%s is to be told of %v", who, rows)
		}
	}
	row := r.indexed(IndexNotices, "hook")[0].IndexKey
	if !r.engine.Owns(id) {
		t.Error("it is another node's")
	}
	if err := r.engine.Noticed(ctx, row, 0); err != nil || len(r.indexed(IndexNotices, "hook")) != 1 {
		t.Errorf("a hold that nobody was told of: %v", err)
	}
	if err := r.engine.Resolve(ctx, id, machine.Resolution{Hold: 1, Verb: machine.Retry}); err != nil {
		t.Fatal(err)
	}
	r.settle() // and there is hold 2, of the same millisecond
	if err := r.engine.Noticed(ctx, row, 1); err != nil || len(r.indexed(IndexNotices, "hook")) != 1 {
		t.Errorf("hold 2 is not to be told of any more: %v", err)
	}
	if err := r.engine.Noticed(ctx, row, 2); err != nil || len(r.indexed(IndexNotices, "hook")) != 0 || len(r.indexed(IndexNotices, "mail")) != 1 {
		t.Errorf("after both were told of: %v", err)
	}
	if err := r.engine.Noticed(ctx, r.indexed(IndexNotices, "mail")[0].IndexKey, 9); err != nil || len(r.indexed(IndexNotices, "mail")) != 0 {
		t.Errorf("the other: %v", err)
	}
}

// People are told of a quarantined execution, too, and the row goes although
// nobody can wake it.
func TestNoticeOfQuarantine(t *testing.T) {
	r := newRig(t, echo, func(c *Config) { c.Notices = []string{"hook"} })
	id := r.start(r.define(waiting), "bad", `{}`).ID
	for _, s := range r.engine.shards {
		for _, resident := range s.residents {
			clear(resident.x.Frames) // breaks an invariant
		}
	}
	r.pass(2 * time.Minute)
	rows := r.indexed(IndexNotices, "hook")
	if len(rows) != 1 || rows[0].ID != id {
		t.Fatalf("to be told of: %v", rows)
	}
	if s, err := r.engine.Holding(context.Background(), id); err != nil || s.Quarantined == "" {
		t.Errorf("%+v, %v", s, err)
	}
	if err := r.engine.Noticed(context.Background(), rows[0].IndexKey, 0); err != nil || len(r.indexed(IndexNotices, "hook")) != 0 {
		t.Error(err)
	}
}

// A row whose execution is gone goes, and one of another node's stays.
func TestNoticedElsewhere(t *testing.T) {
	refuses := true
	r := newRig(t, stubborn(&refuses), func(c *Config) { c.Notices = []string{"hook"} })
	id := r.start(r.define(held), "a", `{}`).ID
	r.settle()
	row := r.indexed(IndexNotices, "hook")[0].IndexKey
	gone := row
	gone.ID[15]++
	if err := r.engine.Noticed(context.Background(), gone, 1); err != nil {
		t.Error(err)
	}
	r.engine.shardOf(id).epoch.Store(0)
	if err := r.engine.Noticed(context.Background(), row, 1); !errors.Is(err, ErrNotReady) || r.engine.Owns(id) || len(r.indexed(IndexNotices, "hook")) != 1 {
		t.Errorf("another node's: %v", err)
	}
}
