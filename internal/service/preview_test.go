package service_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/api"
)

// trip is a saga of all that a preview has to know: a step before, branches, one
// of which is a saga of its own, items, one after the other and at once, a step
// without an undo, and one that waits.
var trip = `{"Saga":{},"StartAt":"Plan","States":{` + task("Plan", "plan", "unplan", `"Next":"Book"`) + `,
	"Book":{"Type":"Parallel","ResultPath":null,"Next":"Visas","Branches":[
		{"StartAt":"Car","States":{` + task("Car", "car", "uncar", `"Next":"Seat"`) + `,` + task("Seat", "seat", "unseat", `"End":true`) + `}},
		{"StartAt":"Inner","States":{"Inner":{"Type":"Saga","StartAt":"Hotel","End":true,"States":{` + task("Hotel", "hotel", "unhotel", `"Next":"Room"`) + `,` + task("Room", "room", "unroom", `"End":true`) + `}}}}]},
	"Visas":{"Type":"Map","ItemsPath":"$.people","MaxConcurrency":2,"ResultPath":null,"Next":"Tell","ItemProcessor":{"StartAt":"Visa","States":{` + task("Visa", "visa", "unvisa", `"End":true`) + `}}},
	"Tell":{"Type":"Task",` + call("tell") + `,"ResultPath":null,"Next":"Wait"},
	"Wait":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken","TimeoutSeconds":3600,
		"Parameters":{"FunctionName":"f","Payload":{"step":"wait"}},"Compensate":` + once("unwait") + `,"End":true}}}`

func previews(t *testing.T, h *house, svc api.Service) {
	machine := create(t, svc, name(t, "M"), trip)
	h.steps.now()
	x := start(t, svc, machine, "x", `{"people":["a","b","c"]}`)
	<-h.tokens
	before := standing(t, svc, x, api.SagaStatusStarted)
	for s := before; len(s.CurrentSteps) != 1 || s.CurrentSteps[0].StateName != "Wait"; s = standing(t, svc, x, api.SagaStatusStarted) {
		time.Sleep(time.Millisecond)
	}
	p, err := svc.PreviewAbort(t.Context(), &api.PreviewAbortInput{ExecutionArn: x})
	if err != nil {
		t.Fatal(err)
	}
	const want = "Wait, Visa in Visas[0], Visa in Visas[1], Visa in Visas[2], Seat in Book[0], Car in Book[0], Room in Book[1], Hotel in Book[1], Plan"
	if got := planned(p.Undo); got != want {
		t.Errorf("to be undone are\n%s\nwanted are\n%s", got, want)
	}
	if p.OnStop != api.StopEffectCompensate || p.Refused != nil || p.SagaStatus != api.SagaStatusStarted ||
		len(p.CannotUndo) != 1 || p.CannotUndo[0].StateName != "Tell" || !strings.Contains(p.CannotUndo[0].Why, "no Compensate") ||
		len(p.MayRepeat) != 1 || p.MayRepeat[0].StateName != "Wait" || p.Undo[0].Maybe || p.Undo[0].Resource != "arn:aws:states:::lambda:invoke" {
		t.Errorf("previewed as %+v", p)
	}
	h.steps.now()
	if _, err := svc.StopExecution(t.Context(), &api.StopExecutionInput{ExecutionArn: x}); err != nil {
		t.Fatal(err)
	}
	await(t, svc, x)
	inOrder(t, svc, x, p.Undo)
	if p, err = svc.PreviewAbort(t.Context(), &api.PreviewAbortInput{ExecutionArn: x}); err != nil || len(p.Undo) != 0 || p.OnStop != api.StopEffectNone {
		t.Errorf("of what is undone: %+v, %v", p, err)
	}
	previewOfEnded(t, h, svc, machine)
	previewOfHeld(t, h, svc)
}

// planned are undos in words.
func planned(undos []api.PlannedUndo) string {
	var words []string
	for _, u := range undos {
		word := u.StateName
		if u.Lane != nil {
			word += " in " + *u.Lane
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

// inOrder holds that all that was planned was undone, and nothing else, each after
// what it had to be after.
func inOrder(t *testing.T, svc api.Service, x string, undos []api.PlannedUndo) {
	t.Helper()
	s, err := svc.DescribeSaga(t.Context(), &api.DescribeSagaInput{ExecutionArn: x})
	if err != nil {
		t.Fatal(err)
	}
	began, ended := map[string]api.Timestamp{}, map[string]api.Timestamp{}
	for _, r := range s.Log {
		if r.Operation == api.SagaOperationCompensate {
			if r.Status != api.SagaStepStatusCompensated {
				t.Errorf("the undo of %s stands at %s", r.StateName, r.Status)
			}
			began[r.StepId], ended[r.StepId] = r.StartDate, *r.EndDate
		}
	}
	if len(began) != len(undos) {
		t.Errorf("%d steps were undone, %d were planned: %s", len(began), len(undos), story(s.Log))
	}
	for _, u := range undos {
		if began[u.StepId] == 0 {
			t.Errorf("%s was not undone", u.StateName)
		}
		for _, first := range u.After {
			if ended[first] > began[u.StepId] {
				t.Errorf("%s was undone before what it is after", u.StateName)
			}
		}
	}
}

// previewOfEnded is of sagas that have ended.
func previewOfEnded(t *testing.T, h *house, svc api.Service, machine string) {
	h.steps.now()
	x := start(t, svc, machine, "ended", `{"people":["a"]}`)
	if _, err := svc.SendTaskSuccess(t.Context(), &api.SendTaskSuccessInput{TaskToken: <-h.tokens, Output: `{"people":[]}`}); err != nil {
		t.Fatal(err)
	}
	await(t, svc, x)
	p, err := svc.PreviewAbort(t.Context(), &api.PreviewAbortInput{ExecutionArn: x})
	if err != nil || planned(p.Undo) != "Wait, Visa in Visas[0], Seat in Book[0], Car in Book[0], Room in Book[1], Hotel in Book[1], Plan" || len(p.CannotUndo) != 1 || p.OnStop != api.StopEffectNone {
		t.Errorf("of what has ended: %s, %+v, %v", planned(p.Undo), p, err)
	}
	h.steps.now("unroom=Down", "uncar=Down")
	if _, err := svc.CompensateExecution(t.Context(), &api.CompensateExecutionInput{ExecutionArn: x}); err != nil {
		t.Fatal(err)
	}
	for s := standing(t, svc, x, api.SagaStatusOnHold); len(s.Holds) < 2; s = standing(t, svc, x, api.SagaStatusOnHold) {
		time.Sleep(time.Millisecond)
	}
	if p, err = svc.PreviewAbort(t.Context(), &api.PreviewAbortInput{ExecutionArn: x}); err != nil || planned(p.Undo) != "Car in Book[0], Room in Book[1], Hotel in Book[1], Plan" {
		t.Errorf("of what is being undone: %s, %+v, %v", planned(p.Undo), p, err)
	}
	for _, held := range standing(t, svc, x, api.SagaStatusOnHold).Holds {
		resolve(t, svc, x, held.HoldId, api.HoldVerbSkip)
	}
	standing(t, svc, x, api.SagaStatusCompensationFailed)
	h.steps.now()
	if p, err = svc.PreviewAbort(t.Context(), &api.PreviewAbortInput{ExecutionArn: x}); err != nil || len(p.Undo) != 0 {
		t.Errorf("of what was skipped: %s, %v", planned(p.Undo), err)
	}
}

// previewOfHeld is of a step that nobody knows the outcome of, and one that can't be
// undone any more.
func previewOfHeld(t *testing.T, h *house, svc api.Service) {
	late := strings.Replace(stuck, `"Next":"Pay"`, `"CompensateWithin":1,"Next":"Pay"`, 1)
	x := h.saga(t, svc, create(t, svc, name(t, "S"), late), "x", api.SagaStatusOnHold, "pay=Lost")
	p, err := svc.PreviewAbort(t.Context(), &api.PreviewAbortInput{ExecutionArn: x})
	if err != nil || planned(p.Undo) != "Reserve" || len(p.CannotUndo) != 1 || p.CannotUndo[0].StateName != "Pay" || !strings.Contains(p.CannotUndo[0].Why, "it will be held") {
		t.Errorf("of a step that nobody knows of: %+v, %v", p, err)
	}
	time.Sleep(1100 * time.Millisecond)
	if p, err = svc.PreviewAbort(t.Context(), &api.PreviewAbortInput{ExecutionArn: x}); err != nil || len(p.Undo) != 0 || len(p.CannotUndo) != 2 || !strings.Contains(fmt.Sprint(p.CannotUndo), "time in which it can be undone is over") {
		t.Errorf("later: %+v, %v", p, err)
	}
	resolve(t, svc, x, "1", api.HoldVerbAbandon)
	abort := strings.Replace(trip, `"Saga":{}`, `"Saga":{"OnStop":"Abort"}`, 1)
	x = start(t, svc, create(t, svc, name(t, "A"), abort), "x", `{"people":[]}`)
	<-h.tokens
	if p, err = svc.PreviewAbort(t.Context(), &api.PreviewAbortInput{ExecutionArn: x}); err != nil || p.OnStop != api.StopEffectAbort || !slices.ContainsFunc(p.Undo, func(u api.PlannedUndo) bool { return u.StateName == "Plan" }) {
		t.Errorf("with OnStop Abort: %+v, %v", p, err)
	}
	if _, err := svc.StopExecution(t.Context(), &api.StopExecutionInput{ExecutionArn: x}); err != nil {
		t.Fatal(err)
	}
	if p, err = svc.PreviewAbort(t.Context(), &api.PreviewAbortInput{ExecutionArn: x}); err != nil || !strings.HasSuffix(planned(p.Undo), "Plan") {
		t.Errorf("of what was left: %s, %v", planned(p.Undo), err)
	}
}
