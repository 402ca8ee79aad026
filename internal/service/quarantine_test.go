package service_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/service"
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

// tornTexts is a store in which an execution's payloads can't be read.
type tornTexts struct {
	store.Store
	of store.ID
}

func (s *tornTexts) Payloads(ctx context.Context, id store.ID, numbers []uint32) ([][]byte, error) {
	if id == s.of {
		return nil, fmt.Errorf("payload of %s: %w", id, store.ErrDamaged)
	}
	return s.Store.Payloads(ctx, id, numbers)
}

// What can't be read of one execution that waits for a person keeps no other from the
// inbox, and stands in it with why: a row of its log, a payload, a frame, or all of it.
func TestWhatCannotBeReadIsInTheInbox(t *testing.T) {
	disk := storetest.NewMemory(storetest.MemoryOptions{})
	h := houseOn(t, disk.Open())
	m := create(t, h.service, "M", order)
	names := []string{"log", "frame", "head", "gone", "payload", "whole"}
	ids := map[string]store.ID{}
	for _, name := range names {
		h.saga(t, h.service, m, name, api.SagaStatusOnHold, "ship=No", "refund=Down")
	}
	rows, err := h.store.Index(t.Context(), store.IndexQuery{Tenant: engine.Tenant(account, region), Index: engine.IndexMachine, Value: "M", Limit: 9})
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		item, err := engine.DecodeItem(rows[i].Body)
		if err != nil {
			t.Fatal(err)
		}
		ids[item.Name] = rows[i].ID
	}
	junk := []byte("junk")
	damage := &store.Batch{
		Undos:      []store.Undo{{ID: ids["log"], Number: 99, Body: junk}},
		Frames:     []store.Frame{{ID: ids["frame"], Number: 99, Body: junk}},
		Executions: []store.Execution{{ID: ids["head"], Body: junk}},
	}
	start, err := h.store.Execution(t.Context(), ids["head"])
	if err == nil {
		damage.Executions[0].Start = start.Start
		err = h.store.Commit(t.Context(), damage)
	}
	if err != nil {
		t.Fatal(err)
	}
	h.close()
	torn := &service.Torn{Store: &tornTexts{Store: disk.Open(), of: ids["payload"]}}
	h = houseOn(t, torn)
	gone := ids["gone"]
	torn.ID.Store(&gone)
	arn := func(name string) string { return strings.Replace(m, ":stateMachine:", ":execution:", 1) + ":" + name }
	for _, filter := range []*string{nil, ptr("Down")} {
		for _, size := range []int32{0, 1} {
			found := map[string][]api.Hold{}
			in := &api.ListHoldsInput{ErrorFilter: filter, MaxResults: size}
			for more := true; more; more = in.NextToken != nil {
				out, err := h.service.ListHolds(t.Context(), in)
				if err != nil {
					t.Fatalf("%v", err)
				}
				for _, held := range out.Holds {
					found[held.ExecutionArn] = append(found[held.ExecutionArn], held)
				}
				in.NextToken = out.NextToken
			}
			for _, name := range names {
				readable(t, name, m, found[arn(name)])
			}
		}
	}
	// Many are decided at once: those that can't be read are told as refused.
	out, err := h.service.ResolveHolds(t.Context(), &api.ResolveHoldsInput{StateMachineArn: m, ErrorFilter: "Down", Verb: api.HoldVerbSkip, Operator: "me", Reason: "why"})
	if err != nil || len(out.Resolved) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	refused := map[string]bool{}
	for _, ref := range out.Refused {
		refused[ref.ExecutionArn] = textOf(ref.Why) != ""
	}
	for _, name := range []string{"log", "frame", "head", "gone", "payload"} {
		if !refused[arn(name)] {
			t.Errorf("%s is not refused: %+v", name, out.Refused)
		}
	}
	// One whose frame can't be read can be ended as it stands.
	if _, err := h.service.ResolveHold(t.Context(), &api.ResolveHoldInput{ExecutionArn: arn("frame"), HoldId: ptr("quarantined"), Verb: api.HoldVerbAbandon, Operator: "me", Reason: "why"}); err != nil {
		t.Errorf("it is not ended: %v", err)
	}
}

// readable is that the inbox tells of an execution what can be read of it.
func readable(t *testing.T, name, machineARN string, held []api.Hold) {
	t.Helper()
	switch {
	case len(held) == 0:
		t.Errorf("%s is not in the list", name)
	case name == "payload":
		if len(held) != 1 || held[0].HoldId != "1" || held[0].Unreadable == nil || held[0].OwedCount != 2 || len(held[0].Verbs) == 0 {
			t.Errorf("%s: %+v", name, held)
		}
	case name == "whole":
		if len(held) != 1 || held[0].Unreadable != nil || held[0].OwedCount != 2 || len(held[0].Verbs) == 0 {
			t.Errorf("%s: %+v", name, held)
		}
	case name == "log":
		if len(held) != 1 || held[0].HoldId != "1" || held[0].Unreadable == nil || len(held[0].Verbs) != 0 {
			t.Errorf("%s: %+v", name, held)
		}
	case name == "frame":
		last := held[len(held)-1]
		if len(held) != 2 || last.HoldId != "quarantined" || !strings.Contains(*last.Cause, "frame 99") || len(last.Verbs) != 2 || len(held[0].Verbs) != 0 {
			t.Errorf("%s: %+v", name, held)
		}
	default:
		if len(held) != 1 || held[0].HoldId != "quarantined" || held[0].Unreadable == nil || !strings.Contains(*held[0].Cause, "it can not be read: ") || len(held[0].Verbs) != 0 || held[0].StateMachineArn != machineARN {
			t.Errorf("%s: %+v", name, held)
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
