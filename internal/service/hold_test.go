package service_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
)

// resolve decides about a hold, which must be possible.
func resolve(t *testing.T, svc api.Service, x, hold string, verb api.HoldVerb) {
	t.Helper()
	_, err := svc.ResolveHold(t.Context(), &api.ResolveHoldInput{ExecutionArn: x, HoldId: &hold, Verb: verb, Operator: "Ada", Reason: "as tested"})
	if err != nil {
		t.Fatal(err)
	}
}

func holdLife(t *testing.T, h *house, svc api.Service) {
	ctx, machine := t.Context(), create(t, svc, name(t, "M"), order)
	x := h.saga(t, svc, machine, "x", api.SagaStatusOnHold, "ship=NoTruck", "refund=Down")
	list, err := svc.ListHolds(ctx, &api.ListHoldsInput{StateMachineArn: &machine})
	if err != nil || len(list.Holds) != 1 || list.NextToken != nil {
		t.Fatalf("%+v, %v", list, err)
	}
	held := list.Holds[0]
	s := standing(t, svc, x, api.SagaStatusOnHold)
	if s.HoldCount != 1 || s.Holds[0].HoldId != held.HoldId || s.Sagas[0].Status != api.SagaStatusOnHold || len(s.CurrentSteps) != 1 || s.CurrentSteps[0].StateName != "Charge" {
		t.Errorf("described as %+v", s)
	}
	if row := s.Log[2]; row.Operation != api.SagaOperationCompensate || row.Status != api.SagaStepStatusCompensating || row.EndDate != nil || row.Attempts != 1 {
		t.Errorf("the undo is shown as %+v", row)
	}
	step := s.Log[1].StepId
	if held.ExecutionArn != x || held.StateMachineArn != machine || held.HoldId != "1" || *held.SagaId != "1" || *held.StateName != "Charge" || *held.StepId != step ||
		held.Operation != api.SagaOperationCompensate || *held.Error != "Down" || *held.Cause != "refund refuses" || held.Attempts != 1 || *held.IdempotencyKey != step+":compensate" ||
		*held.Resource != "arn:aws:states:::lambda:invoke" || *held.Request != `{"FunctionName":"f","Payload":{"step":"refund"}}` || held.Response != nil ||
		held.OwedCount != 2 || held.Owed[0].StateName != "Charge" || held.Owed[1].StateName != "Reserve" || *held.Runbook != "charge's" || held.Since < s.StartDate {
		t.Errorf("held: %+v", held)
	}
	if got := fmt.Sprint(held.Verbs); got != "[retry edit alternate done skip abandon]" {
		t.Errorf("these fit: %s", got)
	}
	one, err := svc.DescribeHold(ctx, &api.DescribeHoldInput{ExecutionArn: x, HoldId: "1"})
	if err != nil || *one.Request != *held.Request || one.Since != held.Since {
		t.Errorf("one alone: %+v, %v", one, err)
	}
	bare, err := svc.ListHolds(ctx, &api.ListHoldsInput{StateMachineArn: &machine, ErrorFilter: ptr("Down"), IncludedData: api.IncludedDataMetadataOnly})
	if err != nil || len(bare.Holds) != 1 || bare.Holds[0].Request != nil {
		t.Errorf("metadata alone: %+v, %v", bare, err)
	}
	for _, in := range []api.ListHoldsInput{{StateMachineArn: &machine, ErrorFilter: ptr("Dow")}, {StateMachineArn: ptr(create(t, svc, name(t, "O"), order))}} {
		if none, err := svc.ListHolds(ctx, &in); err != nil || len(none.Holds) != 0 {
			t.Errorf("others: %+v, %v", none, err)
		}
	}
	h.steps.now()
	out, err := svc.ResolveHold(ctx, &api.ResolveHoldInput{ExecutionArn: x, HoldId: ptr("1"), Verb: api.HoldVerbRetry, Operator: " Ada ", Reason: "the bank is back"})
	if err != nil || out.Version <= s.Version {
		t.Fatalf("%+v, %v", out, err)
	}
	if end := await(t, svc, x); *end.Error != "NoTruck" || end.SagaStatus != api.SagaStatusAborted {
		t.Errorf("it ended as %+v", end)
	}
	if got := fmt.Sprint(h.steps.all()); got != "[refund release]" || h.steps.key("refund") != step+":compensate" {
		t.Errorf("called were %s, with the key %s", got, h.steps.key("refund"))
	}
	holdHistory(t, svc, x)
	holdGone(t, svc, x)
}

// holdHistory holds what the history tells of a hold that was resolved.
func holdHistory(t *testing.T, svc api.Service, x string) {
	t.Helper()
	out, err := svc.GetExecutionHistory(t.Context(), &api.GetExecutionHistoryInput{ExecutionArn: x})
	if err != nil {
		t.Fatal(err)
	}
	var heldAt int64
	for _, e := range out.Events {
		switch d := e.SagaEventDetails; e.Type {
		case api.HistoryEventTypeSagaHeld:
			heldAt = e.PreviousEventId
			if *d.HoldId != "1" || *d.SagaId != "1" || *d.StateName != "Charge" || d.Operation != api.SagaOperationCompensate || *d.Error != "Down" {
				t.Errorf("%+v", d)
			}
		case api.HistoryEventTypeSagaResolved:
			if *d.HoldId != "1" || d.Verb != api.HoldVerbRetry || *d.Operator != "Ada" || *d.Reason != "the bank is back" || e.PreviousEventId != heldAt {
				t.Errorf("%+v", d)
			}
		}
	}
	if heldAt == 0 {
		t.Error("the history does not tell of the hold")
	}
}

func holdGone(t *testing.T, svc api.Service, x string) {
	t.Helper()
	ctx := t.Context()
	_, err := svc.ResolveHold(ctx, &api.ResolveHoldInput{ExecutionArn: x, HoldId: ptr("1"), Verb: api.HoldVerbSkip, Operator: "Bob", Reason: "no"})
	refused(t, err, api.CodeHoldDoesNotExist, x+", 1: Ada has resolved it at 20")
	refused(t, err, api.CodeHoldDoesNotExist, " by retry: the bank is back")
	_, err = svc.DescribeHold(ctx, &api.DescribeHoldInput{ExecutionArn: x, HoldId: "1"})
	refused(t, err, api.CodeHoldDoesNotExist, "Ada has resolved it")
	for _, id := range []string{"2", "0", "x", "4294967297", "quarantined"} {
		_, err = svc.DescribeHold(ctx, &api.DescribeHoldInput{ExecutionArn: x, HoldId: id})
		refused(t, err, api.CodeHoldDoesNotExist, x+", "+id)
	}
	_, err = svc.DescribeHold(ctx, &api.DescribeHoldInput{ExecutionArn: x + "y", HoldId: "1"})
	refused(t, err, api.CodeExecutionDoesNotExist, x+"y")
}

// stuck is a saga whose step Pay, when nobody knows what became of it, is held.
var stuck = `{"Saga":{},"StartAt":"Reserve","States":{` + task("Reserve", "reserve", "release", `"Next":"Pay"`) + `,
	"Pay":{"Type":"Task",` + call("pay") + `,"OnUnknown":"Hold","Compensate":` + once("refund") + `,"End":true}}}`

func holdVerbs(t *testing.T, h *house, svc api.Service) {
	undo := []string{"ship=NoTruck", "refund=Down"}
	forward := []string{"pay=Lost"}
	for _, c := range []struct {
		name, definition string
		fails            []string
		in               api.ResolveHoldInput
		status           api.SagaStatus
		execution        api.ExecutionStatus
		called, log      string
	}{
		{"retry", order, undo, api.ResolveHoldInput{Verb: api.HoldVerbRetry}, api.SagaStatusAborted, api.ExecutionStatusFailed, "refund release", "Charge compensate COMPENSATED"},
		{"edit", order, undo, api.ResolveHoldInput{Verb: api.HoldVerbEdit, Request: ptr(`{"FunctionName":"f","Payload":{"step":"other"}}`)}, api.SagaStatusAborted, api.ExecutionStatusFailed, "other release", "Charge compensate COMPENSATED"},
		{"alternate", order, undo, api.ResolveHoldInput{Verb: api.HoldVerbAlternate, Resource: ptr("arn:aws:lambda:us-east-1:123456789012:function:other")}, api.SagaStatusAborted, api.ExecutionStatusFailed, "refund release", "Charge compensate COMPENSATED"},
		{"done", order, undo, api.ResolveHoldInput{Verb: api.HoldVerbDone}, api.SagaStatusAborted, api.ExecutionStatusFailed, "release", "Charge compensate COMPENSATED"},
		{"skip", order, undo, api.ResolveHoldInput{Verb: api.HoldVerbSkip}, api.SagaStatusCompensationFailed, api.ExecutionStatusFailed, "release", "Charge compensate SKIPPED Down"},
		{"abandon", order, undo, api.ResolveHoldInput{Verb: api.HoldVerbAbandon}, api.SagaStatusAbandoned, api.ExecutionStatusFailed, "", ""},
		{"retried forward", stuck, forward, api.ResolveHoldInput{Verb: api.HoldVerbRetry}, api.SagaStatusCompleted, api.ExecutionStatusSucceeded, "pay", "Pay forward SUCCEEDED"},
		{"edited forward", stuck, forward, api.ResolveHoldInput{Verb: api.HoldVerbEdit, Request: ptr(`{"FunctionName":"f","Payload":{"step":"cash"}}`)}, api.SagaStatusCompleted, api.ExecutionStatusSucceeded, "cash", "Pay forward SUCCEEDED"},
		{"done forward", stuck, forward, api.ResolveHoldInput{Verb: api.HoldVerbDone, Result: ptr(`{"paid":"cash"}`)}, api.SagaStatusCompleted, api.ExecutionStatusSucceeded, "", "Pay forward SUCCEEDED"},
		{"failed forward", stuck, forward, api.ResolveHoldInput{Verb: api.HoldVerbDone, Outcome: api.StepOutcomeFailed}, api.SagaStatusAborted, api.ExecutionStatusFailed, "release", "Pay forward FAILED Lost"},
	} {
		machine := create(t, svc, name(t, "M-"+strings.ReplaceAll(c.name, " ", "-")), c.definition)
		x := h.saga(t, svc, machine, "x", api.SagaStatusOnHold, c.fails...)
		h.steps.now()
		c.in.ExecutionArn, c.in.HoldId, c.in.Operator, c.in.Reason = x, ptr("1"), "Ada", c.name
		if _, err := svc.ResolveHold(t.Context(), &c.in); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		end := await(t, svc, x)
		s := standing(t, svc, x, c.status)
		if got := strings.Join(h.steps.all(), " "); got != c.called || end.Status != c.execution || !strings.Contains(story(s.Log), c.log) {
			t.Errorf("%s: called were %s, it ended as %s, and the log is %s", c.name, got, end.Status, story(s.Log))
		}
		if step := map[string]string{"edit": "other", "alternate": "refund"}[c.name]; step != "" && h.steps.key(step) != s.Log[2].StepId+":compensate~2" {
			t.Errorf("%s: the key is %s", c.name, h.steps.key(step))
		}
		if i := slices.IndexFunc(s.Log, func(r api.SagaLogEntry) bool { return r.StateName == "Pay" }); c.name == "edited forward" &&
			(h.steps.key("cash") != s.Log[i].StepId+"~2" || *s.Log[i].IdempotencyKey != h.steps.key("cash")) {
			t.Errorf("the key is %s, and the log tells %s", h.steps.key("cash"), *s.Log[i].IdempotencyKey)
		}
		if c.name == "done forward" && *end.Output != `{"paid":"cash"}` {
			t.Errorf("the output is %s", *end.Output)
		}
	}
	backed(t, h, svc)
}

// A step that a person has sent again, and that is under way, is told with the key
// under which it was sent.
func TestTheKeyThatWasSentLast(t *testing.T) {
	h := newHouse(t)
	svc := h.service
	x := start(t, svc, create(t, svc, "M", `{"Saga":{},"StartAt":"Pay","States":{"Pay":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken",
		"Parameters":{"FunctionName":"f","Payload":{"step":"pay"}},"OnUnknown":"Hold","TimeoutSeconds":1,"Compensate":`+once("refund")+`,"End":true}}}`), "x", `{}`)
	<-h.tokens
	s := standing(t, svc, x, api.SagaStatusOnHold)
	first := *s.Log[0].IdempotencyKey
	in := api.ResolveHoldInput{ExecutionArn: x, HoldId: ptr("1"), Verb: api.HoldVerbEdit, Request: ptr(`{"FunctionName":"f","Payload":{"step":"cash"}}`), Operator: "me", Reason: "why"}
	if _, err := svc.ResolveHold(t.Context(), &in); err != nil {
		t.Fatal(err)
	}
	<-h.tokens
	s = standing(t, svc, x, api.SagaStatusStarted)
	if key := h.steps.key("cash"); first+"~2" != key || *s.Log[0].IdempotencyKey != key || s.Log[0].Attempts != 2 || len(s.Log) != 1 {
		t.Errorf("after %s %s was sent, and the log tells %+v", first, key, s.Log)
	}
}

// backed gives a step up that can't go forward: it is held again, because nobody
// knows what became of it, and settled by hand.
func backed(t *testing.T, h *house, svc api.Service) {
	x := h.saga(t, svc, create(t, svc, name(t, "M-back"), stuck), "x", api.SagaStatusOnHold, "pay=Lost")
	h.steps.now()
	resolve(t, svc, x, "1", api.HoldVerbBack)
	s := standing(t, svc, x, api.SagaStatusOnHold)
	if one := s.Holds[0]; one.HoldId != "2" || *one.Error != "Saga.OutcomeUnknown" || one.Operation != api.SagaOperationCompensate || one.Attempts != 0 || one.Request != nil ||
		*one.IdempotencyKey != *one.StepId+":compensate" || *one.Resource != "arn:aws:states:::lambda:invoke" {
		t.Errorf("held then: %+v", one)
	}
	resolve(t, svc, x, "2", api.HoldVerbRetry)
	await(t, svc, x)
	if got := fmt.Sprint(h.steps.all()); got != "[refund release]" {
		t.Errorf("called were %s", got)
	}
}

func badDecisions(t *testing.T, h *house, svc api.Service) {
	x := h.saga(t, svc, create(t, svc, name(t, "M"), order), "x", api.SagaStatusOnHold, "ship=NoTruck", "refund=Down")
	forward := h.saga(t, svc, create(t, svc, name(t, "F"), stuck), "x", api.SagaStatusOnHold, "pay=Lost")
	before := standing(t, svc, x, api.SagaStatusOnHold).Version
	for _, c := range []struct {
		in      api.ResolveHoldInput
		message string
	}{
		{api.ResolveHoldInput{HoldId: ptr("1"), Verb: api.HoldVerbBack}, "The verb back does not fit a hold of operation compensate here; these do: retry, edit, alternate, done, skip, abandon"},
		{api.ResolveHoldInput{HoldId: ptr("1"), Verb: api.HoldVerbEdit}, "The verb edit needs request"},
		{api.ResolveHoldInput{HoldId: ptr("1"), Verb: api.HoldVerbEdit, Request: ptr("{")}, "The request is no JSON"},
		{api.ResolveHoldInput{HoldId: ptr("1"), Verb: api.HoldVerbAlternate}, "The verb alternate needs resource"},
		{api.ResolveHoldInput{HoldId: ptr("1"), Verb: api.HoldVerbAlternate, Resource: ptr("arn:aws:states:::sqs:sendMessage")}, "sqs:sendMessage is not served here"},
		{api.ResolveHoldInput{HoldId: ptr("1"), Verb: api.HoldVerbAlternate, Resource: ptr("no resource")}, "is not served here"},
		{api.ResolveHoldInput{HoldId: ptr("1"), Verb: api.HoldVerbAlternate, Resource: ptr("arn:aws:states:us-east-1:123456789012:activity:none")}, "is not served here"},
		{api.ResolveHoldInput{HoldId: ptr("1"), Verb: api.HoldVerbRetry, Request: ptr("{}")}, "request is for the verb edit alone"},
		{api.ResolveHoldInput{HoldId: ptr("1"), Verb: api.HoldVerbSkip, Outcome: api.StepOutcomeFailed}, "outcome is for the verb done alone"},
		{api.ResolveHoldInput{HoldId: ptr("1"), Verb: api.HoldVerbDone, Outcome: api.StepOutcomeFailed}, "has neither outcome nor result"},
		{api.ResolveHoldInput{HoldId: ptr("1"), Verb: api.HoldVerbDone, Result: ptr("1")}, "has neither outcome nor result"},
		{api.ResolveHoldInput{HoldId: ptr("1"), Verb: api.HoldVerbDone, Result: ptr("1"), Outcome: api.StepOutcomeFailed}, "has no result"},
		{api.ResolveHoldInput{Verb: api.HoldVerbRetry}, "Exactly one of holdId and sagaId"},
		{api.ResolveHoldInput{HoldId: ptr("1"), SagaId: ptr("1"), Verb: api.HoldVerbAbandon}, "Exactly one of holdId and sagaId"},
		{api.ResolveHoldInput{SagaId: ptr("1"), Verb: api.HoldVerbRetry}, "The verb retry needs a hold"},
		{api.ResolveHoldInput{SagaId: ptr("2"), Verb: api.HoldVerbAbandon}, "has no saga 2"},
		{api.ResolveHoldInput{HoldId: ptr("1"), Verb: "wait"}, "wait"},
		{api.ResolveHoldInput{HoldId: ptr("1"), Verb: api.HoldVerbSkip, Reason: " "}, "needs an operator and a reason"},
		{api.ResolveHoldInput{HoldId: ptr("1"), Verb: api.HoldVerbSkip, Operator: "\t"}, "needs an operator and a reason"},
	} {
		c.in.ExecutionArn = x
		if c.in.Operator == "" {
			c.in.Operator = "Ada"
		}
		if c.in.Reason == "" {
			c.in.Reason = "why not"
		}
		_, err := svc.ResolveHold(t.Context(), &c.in)
		refused(t, err, api.CodeValidation, c.message)
	}
	if s := standing(t, svc, x, api.SagaStatusOnHold); s.Version != before {
		t.Errorf("something has happened: version %d, then %d", before, s.Version)
	}
	_, err := svc.ResolveHold(t.Context(), &api.ResolveHoldInput{ExecutionArn: forward, HoldId: ptr("1"), Verb: api.HoldVerbDone, Operator: "Ada", Reason: "by hand"})
	refused(t, err, api.CodeValidation, "needs the result")
	_, err = svc.ResolveHold(t.Context(), &api.ResolveHoldInput{ExecutionArn: forward, HoldId: ptr("1"), Verb: api.HoldVerbSkip, Operator: "Ada", Reason: "by hand"})
	refused(t, err, api.CodeValidation, "these do: retry, edit, done, back, abandon")
	resolve(t, svc, x, "1", api.HoldVerbAbandon)
	resolve(t, svc, forward, "1", api.HoldVerbAbandon)
}

// Of many who decide about one hold at the same time, one does.
func onlyOneDecides(t *testing.T, h *house, svc api.Service) {
	x := h.saga(t, svc, create(t, svc, name(t, "M"), order), "x", api.SagaStatusOnHold, "ship=NoTruck", "refund=Down")
	h.steps.now()
	var all sync.WaitGroup
	var mu sync.Mutex
	won, late := 0, 0
	for i := range 8 {
		all.Go(func() {
			verb := []api.HoldVerb{api.HoldVerbRetry, api.HoldVerbAbandon}[i%2]
			_, err := svc.ResolveHold(t.Context(), &api.ResolveHoldInput{ExecutionArn: x, HoldId: ptr("1"), Verb: verb, Operator: fmt.Sprint(i), Reason: "me first"})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won++
			case api.CodeOf(err) == api.CodeHoldDoesNotExist:
				late++
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	await(t, svc, x)
	if won != 1 || late != 7 {
		t.Errorf("%d have decided, %d came too late", won, late)
	}
}

func manyHolds(t *testing.T, h *house, svc api.Service) {
	machine := create(t, svc, name(t, "M"), order)
	var held []string
	for i := range 3 {
		held = append(held, h.saga(t, svc, machine, fmt.Sprint("down", i), api.SagaStatusOnHold, "ship=No", "refund=Down"))
	}
	other := h.saga(t, svc, machine, "other", api.SagaStatusOnHold, "ship=No", "refund=Other")
	h.steps.now()
	in := api.ResolveHoldsInput{StateMachineArn: machine, ErrorFilter: "Down", Verb: api.HoldVerbRetry, Operator: "Ada", Reason: "the bank is back", DryRun: true}
	dry, err := svc.ResolveHolds(t.Context(), &in)
	if err != nil || len(dry.Resolved) != 3 || len(dry.Refused) != 0 || len(h.steps.all()) != 0 {
		t.Fatalf("a dry run: %+v, %v", dry, err)
	}
	wrong := in
	wrong.Verb = api.HoldVerbBack
	out, err := svc.ResolveHolds(t.Context(), &wrong)
	if err != nil || len(out.Resolved) != 0 || len(out.Refused) != 3 || !strings.Contains(*out.Refused[0].Why, "does not fit") {
		t.Errorf("a verb that does not fit: %+v, %v", out, err)
	}
	wrong.Verb = api.HoldVerbEdit
	_, err = svc.ResolveHolds(t.Context(), &wrong)
	refused(t, err, api.CodeValidation, "needs request")
	in.DryRun, in.MaxResults = false, 2
	var resolved []string
	for {
		out, err := svc.ResolveHolds(t.Context(), &in)
		if err != nil || len(out.Refused) > 0 {
			t.Fatalf("%+v, %v", out, err)
		}
		for _, r := range out.Resolved {
			resolved = append(resolved, r.ExecutionArn)
			if r.HoldId != "1" || *r.StateName != "Charge" || r.Operation != api.SagaOperationCompensate || r.Why != nil {
				t.Errorf("%+v", r)
			}
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	slices.Sort(resolved)
	slices.Sort(held)
	if !slices.Equal(resolved, held) {
		t.Errorf("resolved were %v, not %v", resolved, held)
	}
	for _, x := range held {
		await(t, svc, x)
		standing(t, svc, x, api.SagaStatusAborted)
	}
	standing(t, svc, other, api.SagaStatusOnHold)
	resolve(t, svc, other, "1", api.HoldVerbAbandon)
	_, err = svc.ResolveHolds(t.Context(), &api.ResolveHoldsInput{StateMachineArn: machine + "x", ErrorFilter: "Down", Verb: api.HoldVerbRetry, Operator: "Ada", Reason: "no"})
	refused(t, err, api.CodeStateMachineDoesNotExist, machine+"x")
}

// several is a saga whose branches are held each.
var several = `{"Saga":{},"StartAt":"Both","States":{"Both":{"Type":"Parallel","Branches":[` + branch("A") + `,` + branch("B") + `,` + branch("C") + `],"Next":"Ship"},
	"Ship":{"Type":"Task",` + call("ship") + `,"End":true}}}`

func branch(name string) string {
	return `{"StartAt":"` + name + `","States":{` + task(name, "do"+name, "undo"+name, `"End":true`) + `}}`
}

func holdPages(t *testing.T, h *house, svc api.Service) {
	machine := create(t, svc, name(t, "M"), several)
	fails := []string{"ship=No", "undoA=Down", "undoB=Down", "undoC=Other"}
	all := []string{h.saga(t, svc, machine, "one", api.SagaStatusOnHold, fails...)}
	time.Sleep(2 * time.Millisecond) // starts of one millisecond are in no order
	all = append(all, h.saga(t, svc, machine, "two", api.SagaStatusOnHold, fails...))
	for _, x := range all {
		for len(standing(t, svc, x, api.SagaStatusOnHold).Holds) < 3 {
			time.Sleep(time.Millisecond)
		}
	}
	list := func(in api.ListHoldsInput) (got []string) {
		t.Helper()
		in.StateMachineArn = &machine
		for {
			page, err := svc.ListHolds(t.Context(), &in)
			if err != nil {
				t.Fatal(err)
			}
			if most := int(in.MaxResults); most > 0 && len(page.Holds) > most {
				t.Errorf("a page has %d", len(page.Holds))
			}
			for _, one := range page.Holds {
				got = append(got, one.ExecutionArn[strings.LastIndexByte(one.ExecutionArn, ':')+1:]+one.HoldId)
			}
			if in.NextToken = page.NextToken; in.NextToken == nil {
				return got
			}
		}
	}
	want := "[two1 two2 two3 one1 one2 one3]"
	for most := range int32(8) {
		if got := fmt.Sprint(list(api.ListHoldsInput{MaxResults: most})); got != want {
			t.Errorf("by %d: %s", most, got)
		}
	}
	if got := list(api.ListHoldsInput{MaxResults: 1, ErrorFilter: ptr("Down")}); len(got) != 4 {
		t.Errorf("by an error: %s", got)
	}
	_, err := svc.ListHolds(t.Context(), &api.ListHoldsInput{NextToken: ptr("nothing")})
	refused(t, err, api.CodeInvalidToken, "")
	for _, x := range all {
		if s := standing(t, svc, x, api.SagaStatusOnHold); len(s.Sagas) != 1 || s.HoldCount != 3 {
			t.Errorf("%+v", s)
		}
		_, err := svc.ResolveHold(t.Context(), &api.ResolveHoldInput{ExecutionArn: x, SagaId: ptr("1"), Verb: api.HoldVerbAbandon, Operator: "Ada", Reason: "the end of the test"})
		if err != nil {
			t.Error(err)
		}
		await(t, svc, x)
	}
	if got := list(api.ListHoldsInput{}); len(got) != 0 {
		t.Errorf("abandoned, they hold %v", got)
	}
}

// A request is cut where many are shown, and whole alone.
func TestLongRequestIsCut(t *testing.T) {
	h := newHouse(t)
	machine := create(t, h.service, "M", `{"Saga":{},"StartAt":"Reserve","States":{"Reserve":{"Type":"Task",`+call("reserve")+`,"ResultPath":null,"Next":"Ship","Compensate":{"Resource":"arn:aws:states:::lambda:invoke",
		"Parameters":{"FunctionName":"f","Payload":{"step":"release","text.$":"$.input.text"}},"Retry":[{"ErrorEquals":["States.ALL"],"MaxAttempts":0}]}},"Ship":{"Type":"Task",`+call("ship")+`,"End":true}}}`)
	h.steps.now("ship=No", "release=Down")
	x := start(t, h.service, machine, "x", `{"text":"`+strings.Repeat("ä", 4000)+`"}`)
	standing(t, h.service, x, api.SagaStatusOnHold)
	list, err := h.service.ListHolds(t.Context(), &api.ListHoldsInput{})
	if err != nil || len(list.Holds) != 1 || !list.Holds[0].Truncated || len(*list.Holds[0].Request) > 4096 || len(*list.Holds[0].Request) < 4090 || strings.HasSuffix(*list.Holds[0].Request, "\xc3") {
		t.Errorf("%+v, %v", list, err)
	}
	one, err := h.service.DescribeHold(t.Context(), &api.DescribeHoldInput{ExecutionArn: x, HoldId: "1"})
	if err != nil || one.Truncated || !strings.HasSuffix(*one.Request, `ä"}}`) {
		t.Errorf("%+v, %v", one, err)
	}
}

// An execution that can't be decided at all waits for a person, too.
func TestQuarantinedIsAHold(t *testing.T) {
	disk := storetest.NewMemory(storetest.MemoryOptions{})
	h := houseOn(t, disk.Open())
	x := h.saga(t, h.service, create(t, h.service, "M", order), "x", api.SagaStatusOnHold, "ship=No", "refund=Down")
	other := create(t, h.service, "O", sleeping)
	start(t, h.service, other, "bad", `{}`)
	quarantine(t, h, "O")
	h.close()
	h = houseOn(t, disk.Open())
	list, err := h.service.ListHolds(t.Context(), &api.ListHoldsInput{})
	if err != nil || len(list.Holds) != 2 || list.Holds[0].ExecutionArn != x {
		t.Fatalf("%+v, %v", list, err)
	}
	if onHold, quarantined, err := h.service.Held(t.Context()); err != nil || len(onHold) != 1 || onHold["M"] != 1 || quarantined != 1 {
		t.Errorf("counted were %v and %d, %v", onHold, quarantined, err)
	}
	resolve(t, h.service, x, "1", api.HoldVerbSkip)
	standing(t, h.service, x, api.SagaStatusCompensationFailed)
	if onHold, _, err := h.service.Held(t.Context()); err != nil || len(onHold) != 0 {
		t.Errorf("counted were %v, %v", onHold, err)
	}
	bad := list.Holds[1]
	if bad.HoldId != "quarantined" || bad.Operation != api.SagaOperationQuarantined || *bad.Cause != "a test" || !slices.Equal(bad.Verbs, []api.HoldVerb{api.HoldVerbRetry, api.HoldVerbAbandon}) || bad.StateMachineArn != other {
		t.Errorf("held: %+v", bad)
	}
	if one, err := h.service.DescribeHold(t.Context(), &api.DescribeHoldInput{ExecutionArn: bad.ExecutionArn, HoldId: "quarantined"}); err != nil || *one.Cause != "a test" {
		t.Errorf("%+v, %v", one, err)
	}
	for _, in := range []api.ListHoldsInput{{StateMachineArn: &other}, {StateMachineArn: &other, MaxResults: 1}} {
		if list, err = h.service.ListHolds(t.Context(), &in); err != nil || len(list.Holds) != 1 {
			t.Errorf("of its machine: %+v, %v", list, err)
		}
	}
	if list, err = h.service.ListHolds(t.Context(), &api.ListHoldsInput{ErrorFilter: ptr("Down")}); err != nil || len(list.Holds) != 0 {
		t.Errorf("by an error: %+v, %v", list, err)
	}
	verb := func(v api.HoldVerb) error {
		_, err := h.service.ResolveHold(t.Context(), &api.ResolveHoldInput{ExecutionArn: bad.ExecutionArn, HoldId: ptr("quarantined"), Verb: v, Operator: "me", Reason: "why"})
		return err
	}
	refused(t, verb(api.HoldVerbDone), api.CodeValidation, "only the verbs retry and abandon")
	_, err = h.service.CompensateExecution(t.Context(), &api.CompensateExecutionInput{ExecutionArn: bad.ExecutionArn})
	refused(t, err, api.CodeValidation, "quarantined")
	_, err = h.service.PreviewAbort(t.Context(), &api.PreviewAbortInput{ExecutionArn: bad.ExecutionArn})
	refused(t, err, api.CodeValidation, "quarantined")
	if err := verb(api.HoldVerbRetry); err != nil {
		t.Fatal(err)
	}
	if _, quarantined, err := h.service.Held(t.Context()); err != nil || quarantined != 0 {
		t.Errorf("%d are quarantined, %v", quarantined, err)
	}
	refused(t, verb(api.HoldVerbRetry), api.CodeHoldDoesNotExist, "quarantined")
	decided(t, h.service, bad.ExecutionArn, api.HoldVerbRetry)
	if _, err := h.service.StopExecution(t.Context(), &api.StopExecutionInput{ExecutionArn: bad.ExecutionArn}); err != nil {
		t.Errorf("it goes on, and is not stopped: %v", err)
	}
}

// All executions on hold are counted, of whatever state machine, over the pages of their
// list, without one of them being read.
func TestHeldAreCounted(t *testing.T) {
	h := newHouse(t)
	b := &store.Batch{}
	for i := range 2345 {
		k := store.IndexKey{Tenant: engine.Tenant(account, region), Index: engine.IndexSagas, Value: engine.SagaValue("", "ON_HOLD"), Start: int64(i)}
		k.ID[0], k.ID[1] = byte(i), byte(i>>8)
		b.Index = append(b.Index, store.Index{IndexKey: k, Body: []byte([]string{"M", "N"}[i%2])})
	}
	if err := h.store.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	onHold, quarantined, err := h.service.Held(t.Context())
	if err != nil || len(onHold) != 2 || onHold["M"] != 1173 || onHold["N"] != 1172 || quarantined != 0 {
		t.Errorf("counted were %v and %d, %v", onHold, quarantined, err)
	}
}

// crowd is a store that counts how many read a saga log at one time; they wait until
// it is open.
type crowd struct {
	store.Store
	reading, most atomic.Int32
	open          chan struct{}
}

func (c *crowd) Undos(ctx context.Context, id store.ID, from uint32, limit int) ([]store.Undo, error) {
	n := c.reading.Add(1)
	defer c.reading.Add(-1)
	for most := c.most.Load(); n > most && !c.most.CompareAndSwap(most, n); most = c.most.Load() {
	}
	<-c.open
	return c.Store.Undos(ctx, id, from, limit)
}

// However many ask at one time, only so many saga logs are read into memory at once.
func TestSagaLogsAtOnce(t *testing.T) {
	c := &crowd{Store: storetest.NewMemory(storetest.MemoryOptions{}).Open(), open: make(chan struct{})}
	close(c.open)
	h := houseOn(t, c)
	x := h.saga(t, h.service, create(t, h.service, "M", order), "x", api.SagaStatusOnHold, "ship=No", "refund=Down")
	c.open = make(chan struct{})
	c.most.Store(0)
	const askers = 60
	answers := make(chan error, askers)
	for i := range askers {
		go func() {
			var err error
			switch i % 3 {
			case 0:
				_, err = h.service.DescribeSaga(t.Context(), &api.DescribeSagaInput{ExecutionArn: x})
			case 1:
				_, err = h.service.DescribeHold(t.Context(), &api.DescribeHoldInput{ExecutionArn: x, HoldId: "1"})
			default:
				_, err = h.service.ListHolds(t.Context(), &api.ListHoldsInput{})
			}
			answers <- err
		}()
	}
	for c.most.Load() < 16 {
		runtime.Gosched()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.service.PreviewAbort(ctx, &api.PreviewAbortInput{ExecutionArn: x}); !errors.Is(err, context.Canceled) {
		t.Errorf("who has gone waits on: %v", err)
	}
	close(c.open)
	for range askers {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	if n := c.most.Load(); n != 16 {
		t.Errorf("%d logs were read at once", n)
	}
}
