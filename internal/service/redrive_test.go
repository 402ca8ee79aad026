package service_test

import (
	"testing"

	"github.com/backstep/backstep/api"
)

func redrive(t *testing.T, h *house, svc api.Service) {
	ctx := t.Context()
	machine := create(t, svc, name(t, "M"), `{"StartAt":"A","States":{"A":{"Type":"Pass","Result":"E","ResultPath":"$.fail","Next":"T"},
		"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f","Payload":{"fail.$":"States.ArrayGetItem($.fails, $$.Execution.RedriveCount)"}},"End":true}}}`)
	x := start(t, svc, machine, "x", `{"fails":["First",null]}`)
	end := await(t, svc, x)
	if end.Status != api.ExecutionStatusFailed || end.RedriveStatus != api.ExecutionRedriveStatusRedrivable || end.RedriveDate != nil || *end.RedriveCount != 0 {
		t.Fatalf("it ended as %+v", end)
	}
	calls := h.calls.Load()
	first, err := svc.RedriveExecution(ctx, &api.RedriveExecutionInput{ExecutionArn: x, ClientToken: ptr("t!~")})
	if err != nil {
		t.Fatal(err)
	}
	if end = await(t, svc, x); end.Status != api.ExecutionStatusSucceeded || *end.RedriveCount != 1 || *end.RedriveDate != first.RedriveDate ||
		end.Error != nil || end.Cause != nil || end.StopDate == nil {
		t.Errorf("after the redrive: %+v", end)
	}
	again, err := svc.RedriveExecution(ctx, &api.RedriveExecutionInput{ExecutionArn: x, ClientToken: ptr("t!~")})
	if err != nil || again.RedriveDate != first.RedriveDate {
		t.Errorf("the same token: %v, %v", again, err)
	}
	if n := h.calls.Load() - calls; n != 1 {
		t.Errorf("%d calls by one redrive", n)
	}
	history, err := svc.GetExecutionHistory(ctx, &api.GetExecutionHistoryInput{ExecutionArn: x})
	if err != nil {
		t.Fatal(err)
	}
	redriven := history.Events[8]
	if redriven.Type != api.HistoryEventTypeExecutionRedriven || *redriven.ExecutionRedrivenEventDetails.RedriveCount != 1 || redriven.PreviousEventId != 8 {
		t.Errorf("%+v", redriven)
	}
	list, err := svc.ListExecutions(ctx, &api.ListExecutionsInput{StateMachineArn: &machine, StatusFilter: api.ExecutionStatusSucceeded})
	if err != nil || len(list.Executions) != 1 || *list.Executions[0].RedriveCount != 1 || *list.Executions[0].RedriveDate != first.RedriveDate {
		t.Errorf("listed as %+v, %v", list, err)
	}
	_, err = svc.ListExecutions(ctx, &api.ListExecutionsInput{StateMachineArn: &machine, RedriveFilter: api.ExecutionRedriveFilterRedriven})
	refused(t, err, api.CodeValidation, "map run")
}

func notRedriven(t *testing.T, h *house, svc api.Service) {
	ctx := t.Context()
	machine := create(t, svc, name(t, "M"), sleeping)
	x := start(t, svc, machine, "x", `{}`)
	ask := func(arn string, token *string) error {
		_, err := svc.RedriveExecution(ctx, &api.RedriveExecutionInput{ExecutionArn: arn, ClientToken: token})
		return err
	}
	refused(t, ask(x, nil), api.CodeExecutionNotRedrivable, "Execution is RUNNING and cannot be redriven")
	refused(t, ask(x+"y", nil), api.CodeExecutionDoesNotExist, x+"y")
	refused(t, ask(machine, nil), api.CodeInvalidArn, "")
	refused(t, ask(x, ptr("two words")), api.CodeValidation, "clientToken")
	p := start(t, svc, create(t, svc, name(t, "P"), passing), "p", `{}`)
	await(t, svc, p)
	refused(t, ask(p, nil), api.CodeExecutionNotRedrivable, "Execution is SUCCEEDED and cannot be redriven")
	if _, err := svc.DeleteStateMachine(ctx, &api.DeleteStateMachineInput{StateMachineArn: machine}); err != nil {
		t.Fatal(err)
	}
	if end := await(t, svc, x); end.RedriveStatus != api.ExecutionRedriveStatusNotRedrivable || *end.RedriveStatusReason != "State machine is in DELETING status" {
		t.Errorf("of a machine that is deleted: %+v", end)
	}
	refused(t, ask(x, nil), api.CodeExecutionNotRedrivable, "State machine is in DELETING status")
}
