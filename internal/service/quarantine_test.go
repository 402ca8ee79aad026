package service_test

import (
	"testing"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
)

// decided is that the history of an execution that was quarantined tells who decided
// what about it, and why.
func decided(t *testing.T, svc api.Service, x string, verb api.HoldVerb) {
	t.Helper()
	history, err := svc.GetExecutionHistory(t.Context(), &api.GetExecutionHistoryInput{ExecutionArn: x})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range history.Events {
		if d := e.SagaEventDetails; e.Type == api.HistoryEventTypeSagaResolved && d.Verb == verb && textOf(d.HoldId) == "quarantined" {
			if d.SagaId != nil || *d.Operator != "me" || *d.Reason != "why" || *d.Cause != "a test" || d.Operation != api.SagaOperationQuarantined {
				t.Errorf("the history tells %+v", d)
			}
			return
		}
	}
	t.Errorf("the history does not tell of %s", verb)
}

func textOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// A quarantined execution can be ended as it stands: what is owed is listed before and
// after, though a row of its log can't be read.
func TestQuarantinedIsAbandoned(t *testing.T) {
	for _, damaged := range []bool{false, true} {
		disk := storetest.NewMemory(storetest.MemoryOptions{})
		h := houseOn(t, disk.Open())
		x := h.saga(t, h.service, create(t, h.service, "M", order), "x", api.SagaStatusOnHold, "ship=No", "refund=Down")
		quarantine(t, h, "M")
		if damaged {
			rows, err := h.store.Index(t.Context(), store.IndexQuery{Tenant: engine.Tenant(account, region), Index: engine.IndexMachine, Value: "M", Limit: 1})
			if err != nil {
				t.Fatal(err)
			}
			if err := h.store.Commit(t.Context(), &store.Batch{Undos: []store.Undo{{ID: rows[0].ID, Number: 99, Body: []byte("junk")}}}); err != nil {
				t.Fatal(err)
			}
		}
		h.close()
		h = houseOn(t, disk.Open())
		svc := h.service
		list, err := svc.ListHolds(t.Context(), &api.ListHoldsInput{})
		if err != nil || len(list.Holds) == 0 || !damaged && list.Holds[len(list.Holds)-1].OwedCount != 2 {
			t.Errorf("held are %+v, %v", list, err)
		}
		one, err := svc.DescribeHold(t.Context(), &api.DescribeHoldInput{ExecutionArn: x, HoldId: "quarantined"})
		if err != nil || len(one.Verbs) != 2 {
			t.Errorf("held is %+v, %v", one, err)
		}
		out, err := svc.ResolveHold(t.Context(), &api.ResolveHoldInput{ExecutionArn: x, HoldId: ptr("quarantined"), Verb: api.HoldVerbAbandon, Operator: "me", Reason: "why"})
		if err != nil || out.SagaStatus != api.SagaStatusAbandoned {
			t.Fatalf("%+v, %v", out, err)
		}
		decided(t, svc, x, api.HoldVerbAbandon)
		d, err := svc.DescribeExecution(t.Context(), &api.DescribeExecutionInput{ExecutionArn: x})
		if err != nil || d.Status != api.ExecutionStatusFailed || *d.Error != "Saga.Abandoned" || *d.Cause != "why" {
			t.Errorf("%+v, %v", d, err)
		}
		if damaged {
			continue
		}
		s := standing(t, svc, x, api.SagaStatusAbandoned)
		if got := story(s.Log); got != "Reserve forward SUCCEEDED, Charge forward SUCCEEDED, Charge compensate COMPENSATION_FAILED Down, Ship forward FAILED No" {
			t.Errorf("the log is %s", got)
		}
		if len(s.Holds) != 0 || len(s.CurrentSteps) != 0 {
			t.Errorf("there are %+v and %+v", s.Holds, s.CurrentSteps)
		}
		if list, err := svc.ListHolds(t.Context(), &api.ListHoldsInput{}); err != nil || len(list.Holds) != 0 {
			t.Errorf("held are %+v, %v", list, err)
		}
	}
}

// quarantine marks the execution of a machine as the engine does.
func quarantine(t *testing.T, h *house, machine string) {
	t.Helper()
	rows, err := h.store.Index(t.Context(), store.IndexQuery{Tenant: engine.Tenant(account, region), Index: engine.IndexMachine, Value: machine, Limit: 1})
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	k := store.IndexKey{Tenant: rows[0].Tenant, Index: engine.IndexQuarantined, Start: rows[0].Start, ID: rows[0].ID}
	err = h.store.Commit(t.Context(), &store.Batch{
		Jobs:  []store.Job{{JobKey: store.JobKey{ID: k.ID, Number: 1<<32 - 1}, Due: store.Never, Body: []byte("a test")}},
		Index: []store.Index{{IndexKey: k, Body: []byte("a test")}},
	})
	if err != nil {
		t.Fatal(err)
	}
}
