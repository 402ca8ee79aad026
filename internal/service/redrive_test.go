package service_test

import (
	"slices"
	"strings"
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
	mapRunRedriven(t, h, svc)
}

// mapRunRedriven redrives an execution whose map run has failed by the second of
// three items.
func mapRunRedriven(t *testing.T, h *house, svc api.Service) {
	ctx := t.Context()
	machine := create(t, svc, name(t, "R"), strings.Replace(each("STANDARD", `"MaxConcurrency":1,`), `"Payload.$":"$"`,
		`"Payload":{"n.$":"$.n","fail.$":"States.ArrayGetItem($.fails, $$.Execution.RedriveCount)"}`, 1))
	x := start(t, svc, machine, "x", `[{"n":1,"fails":[null]},{"n":2,"fails":["No",null]},{"n":3,"fails":[null]}]`)
	if end := await(t, svc, x); end.Status != api.ExecutionStatusFailed || end.RedriveStatus != api.ExecutionRedriveStatusRedrivable {
		t.Fatalf("it ended as %+v", end)
	}
	runs, err := svc.ListMapRuns(ctx, &api.ListMapRunsInput{ExecutionArn: x})
	if err != nil || len(runs.MapRuns) != 1 {
		t.Fatal(runs, err)
	}
	arn := runs.MapRuns[0].MapRunArn
	children := func(status api.ExecutionStatus, redriven api.ExecutionRedriveFilter, want int) *api.ListExecutionsOutput {
		t.Helper()
		list, err := svc.ListExecutions(ctx, &api.ListExecutionsInput{MapRunArn: &arn, StatusFilter: status, RedriveFilter: redriven})
		if err != nil || len(list.Executions) != want {
			t.Fatalf("%s, %s: %+v, %v", status, redriven, list, err)
		}
		return list
	}
	bad := children(api.ExecutionStatusFailed, "", 1).Executions[0].ExecutionArn
	child, err := svc.DescribeExecution(ctx, &api.DescribeExecutionInput{ExecutionArn: bad})
	if err != nil || child.RedriveStatus != api.ExecutionRedriveStatusRedrivableByMapRun || child.RedriveStatusReason != nil {
		t.Errorf("the child that failed: %+v, %v", child, err)
	}
	for _, of := range []string{bad, bad + "y", strings.Replace(bad, ":execution:", ":express:", 1) + ":1"} {
		_, err = svc.RedriveExecution(ctx, &api.RedriveExecutionInput{ExecutionArn: of})
		refused(t, err, api.CodeValidation, "Labeled Execution ARNs are not supported for this API")
	}
	_, err = svc.RedriveExecution(ctx, &api.RedriveExecutionInput{ExecutionArn: arn})
	refused(t, err, api.CodeInvalidArn, "")
	calls := h.calls.Load()
	if _, err := svc.RedriveExecution(ctx, &api.RedriveExecutionInput{ExecutionArn: x}); err != nil {
		t.Fatal(err)
	}
	if end := await(t, svc, x); end.Status != api.ExecutionStatusSucceeded || *end.Output != `[{"n":1,"fail":null},{"n":2,"fail":null},{"n":3,"fail":null}]` {
		t.Fatalf("after the redrive: %+v", end)
	}
	if n := h.calls.Load() - calls; n != 2 {
		t.Errorf("%d calls by the redrive: of the child that failed and of the one that had not begun", n)
	}
	run, err := svc.DescribeMapRun(ctx, &api.DescribeMapRunInput{MapRunArn: arn})
	if err != nil || run.Status != api.MapRunStatusSucceeded || *run.RedriveCount != 1 || run.RedriveDate == nil ||
		run.ItemCounts.Succeeded != 3 || run.ItemCounts.Failed != 0 || *run.ItemCounts.PendingRedrive != 0 || *run.ExecutionCounts.FailuresNotRedrivable != 0 {
		t.Errorf("the map run is %+v, items %+v, %v", run, run.ItemCounts, err)
	}
	if again := children("", api.ExecutionRedriveFilterRedriven, 1).Executions[0]; again.ExecutionArn != bad || *again.RedriveCount != 1 {
		t.Errorf("redriven was %+v", again)
	}
	children(api.ExecutionStatusSucceeded, api.ExecutionRedriveFilterNotRedriven, 2)
	history, err := svc.GetExecutionHistory(ctx, &api.GetExecutionHistoryInput{ExecutionArn: x})
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(history.Events, func(e api.HistoryEvent) bool { return e.Type == api.HistoryEventTypeMapRunRedriven })
	if e := history.Events[max(at, 0)].MapRunRedrivenEventDetails; e == nil || *e.MapRunArn != arn || *e.RedriveCount != 1 {
		t.Errorf("the event %d is %+v", at, e)
	}
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

// A redrive with changes is looked at, then made; what can't be is refused with why.
func redriveWithChanges(t *testing.T, h *house, svc api.Service) {
	ctx := t.Context()
	machine := create(t, svc, name(t, "C"), `{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Fail","Error":"Broken"}}}`)
	x := start(t, svc, machine, "x", `{"n":1}`)
	await(t, svc, x)
	redrive := func(in api.RedriveWithChangesInput) (*api.RedriveWithChangesOutput, error) {
		in.ExecutionArn = x
		return svc.RedriveWithChanges(ctx, &in)
	}
	for _, c := range []struct {
		in   api.RedriveWithChangesInput
		code string
		says string
	}{
		{api.RedriveWithChangesInput{StartAt: ptr("Z")}, api.CodeExecutionNotRedrivable, `no state "Z"`},
		{api.RedriveWithChangesInput{Input: ptr("{")}, api.CodeValidation, "input is not JSON"},
		{api.RedriveWithChangesInput{Variables: ptr("[]")}, api.CodeValidation, "not a JSON object"},
		{api.RedriveWithChangesInput{Variables: ptr(`{"1":1}`)}, api.CodeExecutionNotRedrivable, `"1" can not be`},
		{api.RedriveWithChangesInput{StateMachineArn: ptr(machine + "-not")}, api.CodeStateMachineDoesNotExist, ""},
		{api.RedriveWithChangesInput{StateMachineArn: ptr(create(t, svc, name(t, "D"), `{"StartAt":"A","States":{"A":{"Type":"Pass","End":true}}}`))}, api.CodeValidation, "can't go on as one of"},
	} {
		_, err := redrive(c.in)
		refused(t, err, c.code, c.says)
	}
	_, err := svc.UpdateStateMachine(ctx, &api.UpdateStateMachineInput{StateMachineArn: machine, Definition: ptr(`{"StartAt":"A","States":{
		"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","Parameters":{"n.$":"$.n","v.$":"$v"},"End":true}}}`)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = redrive(api.RedriveWithChangesInput{StateMachineArn: &machine})
	refused(t, err, api.CodeExecutionNotRedrivable, "another kind of state")
	changed := api.RedriveWithChangesInput{StateMachineArn: &machine, StartAt: ptr("B"), Input: ptr(`{"n":2}`), Variables: ptr(`{"v":3}`), ClientToken: ptr("once")}
	dry := changed
	dry.DryRun = ptr(true)
	seen, err := redrive(dry)
	if err != nil || seen.RedriveDate != nil || !slices.Equal(seen.States, []api.RedriveState{{Name: "B"}}) {
		t.Fatalf("a look: %+v, %v", seen, err)
	}
	if now := await(t, svc, x); now.Status != api.ExecutionStatusFailed || *now.RedriveCount != 0 {
		t.Fatalf("a look changed it: %+v", now)
	}
	done, err := redrive(changed)
	if err != nil || done.RedriveDate == nil || !slices.Equal(done.States, seen.States) {
		t.Fatalf("%+v, %v", done, err)
	}
	if end := await(t, svc, x); end.Status != api.ExecutionStatusSucceeded || *end.Output != `{"n":2,"v":3}` || *end.RedriveCount != 1 {
		t.Errorf("it ended as %+v", end)
	}
	if again, err := redrive(changed); err != nil || *again.RedriveDate != *done.RedriveDate {
		t.Errorf("the same token: %+v, %v", again, err)
	}
	runs, err := svc.DescribeStateMachineForExecution(ctx, &api.DescribeStateMachineForExecutionInput{ExecutionArn: x})
	if err != nil || !strings.Contains(runs.Definition, "Parameters") {
		t.Errorf("it runs %+v, %v", runs, err)
	}
}
