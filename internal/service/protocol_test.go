package service_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/api"
)

// TestProtocol is one suite for every way to the service.
func TestProtocol(t *testing.T) {
	suite := []struct {
		name string
		test func(*testing.T, *house, api.Service)
	}{
		{"a machine's life", machineLife},
		{"creating is idempotent", createTwice},
		{"bad machines are refused", badMachines},
		{"an execution's life", executionLife},
		{"starting is idempotent", startTwice},
		{"bad starts are refused", badStarts},
		{"history by pages", historyPages},
		{"lists by pages", listPages},
		{"search attributes", searches},
		{"stop", stop},
		{"redrive", redrive}, {"redrive with changes", redriveWithChanges},
		{"what is not redriven", notRedriven},
		{"test of a state", testState},
		{"express", express},
		{"callbacks", callbacks},
		{"activities", activities},
		{"tags", tags},
		{"versions", versions},
		{"versions of a revision", revisions},
		{"bad versions are refused", badVersions},
		{"aliases", aliases},
		{"bad aliases are refused", badAliases},
		{"starts by version and alias", qualifiedStarts},
		{"express starts by alias", expressByAlias},
		{"the child of a deleted version is stopped", stopOfVersion},
		{"nested starts by alias", nestedStarts},
		{"deleting takes versions and aliases", deletingQualified},
		{"validation", validation},
		{"waiting", waiting},
		{"foreign names", foreignNames},
		{"deleting ends executions", deleting},
		{"a map run's life", mapRunLife},
		{"a map run is updated", mapRunUpdated},
		{"a saga's life", sagaLife},
		{"a saga's log by pages", sagaLogPages},
		{"sagas are listed", sagasListed},
		{"a saga past its pivot", pastThePivot},
		{"a saga is compensated", sagaCompensated},
		{"a hold's life", holdLife},
		{"what can be done about a hold", holdVerbs},
		{"bad decisions are refused", badDecisions},
		{"only one decides", onlyOneDecides},
		{"many holds are resolved", manyHolds},
		{"holds by pages", holdPages},
		{"what an undo would do", previews},
		{"a saga that holds a lock", sagaLocked},
		{"a map run within a saga", sagaOfMapRun},
	}
	for _, c := range suite {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t)
			for way, svc := range ways(t, h) {
				t.Run(way, func(t *testing.T) { c.test(t, h, svc) })
			}
		})
	}
}

const (
	passing  = `{"Comment":"echo","StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}`
	sleeping = `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":3600,"End":true}}}`
	failing  = `{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f","Payload.$":"$"},"End":true}}}`
	calling  = `{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken","Parameters":{"FunctionName":"f","Payload":{"token.$":"$$.Task.Token"}},"End":true}}}`
)

func machineLife(t *testing.T, h *house, svc api.Service) {
	ctx, machine := t.Context(), name(t, "M")
	arn := create(t, svc, machine, passing)
	if want := "arn:aws:states:us-east-1:123456789012:stateMachine:" + machine; arn != want {
		t.Fatalf("the ARN is %s, not %s", arn, want)
	}
	d, err := svc.DescribeStateMachine(ctx, &api.DescribeStateMachineInput{StateMachineArn: arn})
	if err != nil {
		t.Fatal(err)
	}
	if d.Definition != passing || d.Name != machine || d.Type != api.StateMachineTypeStandard || d.Status != api.StateMachineStatusActive ||
		d.RevisionId != nil || d.Description != nil || d.LoggingConfiguration.Level != api.LogLevelOff {
		t.Errorf("described as %+v", d)
	}
	u, err := svc.UpdateStateMachine(ctx, &api.UpdateStateMachineInput{StateMachineArn: arn, Definition: ptr(sleeping)})
	if err != nil {
		t.Fatal(err)
	}
	if d, err = svc.DescribeStateMachine(ctx, &api.DescribeStateMachineInput{StateMachineArn: arn}); err != nil || d.Definition != sleeping || *d.RevisionId != *u.RevisionId {
		t.Errorf("after the update: %+v, %v", d, err)
	}
	if d, err = svc.DescribeStateMachine(ctx, &api.DescribeStateMachineInput{StateMachineArn: arn, IncludedData: api.IncludedDataMetadataOnly}); err != nil || d.Definition != "" {
		t.Errorf("metadata alone: %+v, %v", d, err)
	}
	_, err = svc.UpdateStateMachine(ctx, &api.UpdateStateMachineInput{StateMachineArn: arn})
	refused(t, err, api.CodeMissingRequiredParameter, "must be specified")
	for range 2 {
		if _, err := svc.DeleteStateMachine(ctx, &api.DeleteStateMachineInput{StateMachineArn: arn}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = svc.DescribeStateMachine(ctx, &api.DescribeStateMachineInput{StateMachineArn: arn})
	refused(t, err, api.CodeStateMachineDoesNotExist, "State Machine Does Not Exist: '"+arn+"'")
}

func createTwice(t *testing.T, h *house, svc api.Service) {
	machine := name(t, "M")
	in := api.CreateStateMachineInput{Name: machine, Definition: passing, RoleArn: role}
	first, err := svc.CreateStateMachine(t.Context(), &in)
	if err != nil {
		t.Fatal(err)
	}
	in.RoleArn, in.Tags = "arn:aws:iam::123456789012:role/other", []api.Tag{{Key: ptr("k"), Value: ptr("v")}}
	again, err := svc.CreateStateMachine(t.Context(), &in)
	if err != nil || *again != *first {
		t.Errorf("the second create answers %+v, %v, the first %+v", again, err, first)
	}
	in.Definition = sleeping
	_, err = svc.CreateStateMachine(t.Context(), &in)
	refused(t, err, api.CodeStateMachineAlreadyExists, "State Machine Already Exists: '"+first.StateMachineArn+"'")
}

func badMachines(t *testing.T, h *house, svc api.Service) {
	for _, c := range []struct {
		in            api.CreateStateMachineInput
		code, message string
	}{
		{api.CreateStateMachineInput{Name: "a b", Definition: passing, RoleArn: role}, api.CodeInvalidName, "Invalid Name: 'a b'"},
		{api.CreateStateMachineInput{Name: "M", Definition: passing, RoleArn: "nobody"}, api.CodeInvalidArn, "nobody"},
		{api.CreateStateMachineInput{Name: "M", Definition: "{", RoleArn: role}, api.CodeInvalidDefinition, "INVALID_JSON_DESCRIPTION"},
		{api.CreateStateMachineInput{Name: "M", Definition: `{"StartAt":"P"}`, RoleArn: role}, api.CodeInvalidDefinition, "These fields are required: [States] at /"},
		{api.CreateStateMachineInput{Name: "M", Definition: calling, RoleArn: role, Type: api.StateMachineTypeExpress}, api.CodeInvalidDefinition, "waitForTaskToken"},
		{api.CreateStateMachineInput{Name: "M", Definition: passing, RoleArn: role, VersionDescription: ptr("v")}, api.CodeValidation, "Version description can only be set when publish is true"},
		{api.CreateStateMachineInput{Name: "M", Definition: passing, RoleArn: role, LoggingConfiguration: &api.LoggingConfiguration{Level: api.LogLevelAll}}, api.CodeInvalidLoggingConfiguration, "Log Destination"},
		{api.CreateStateMachineInput{Name: "M", Definition: passing, RoleArn: role, LoggingConfiguration: &api.LoggingConfiguration{Destinations: []api.LogDestination{{}}}}, api.CodeInvalidLoggingConfiguration, "Log Destination"},
		{api.CreateStateMachineInput{Name: "M", Definition: passing, RoleArn: role, EncryptionConfiguration: &api.EncryptionConfiguration{Type: api.EncryptionTypeCustomerManagedKmsKey}}, api.CodeInvalidEncryptionConfiguration, "kmsKeyId"},
	} {
		_, err := svc.CreateStateMachine(t.Context(), &c.in)
		refused(t, err, c.code, c.message)
	}
	if out, err := svc.ListStateMachines(t.Context(), &api.ListStateMachinesInput{}); err != nil || len(out.StateMachines) != 0 {
		t.Errorf("something was made: %+v, %v", out, err)
	}
}

func executionLife(t *testing.T, h *house, svc api.Service) {
	machine := create(t, svc, name(t, "M"), failing)
	x := start(t, svc, machine, "good", `{"a":1.0}`)
	end := await(t, svc, x)
	if end.Status != api.ExecutionStatusSucceeded || *end.Input != `{"a":1.0}` || *end.Output != `{"Payload":{"a":1.0},"StatusCode":200}` || end.StopDate == nil {
		t.Errorf("the execution ended as %+v", end)
	}
	x = start(t, svc, machine, "bad", `{"fail":"OutOfStock"}`)
	end = await(t, svc, x)
	if end.Status != api.ExecutionStatusFailed || *end.Error != "OutOfStock" || *end.Cause != "as asked" || end.Output != nil {
		t.Errorf("the execution ended as %+v", end)
	}
	d, err := svc.DescribeExecution(t.Context(), &api.DescribeExecutionInput{ExecutionArn: x, IncludedData: api.IncludedDataMetadataOnly})
	if err != nil || d.Input != nil || d.Error != nil || d.Status != api.ExecutionStatusFailed {
		t.Errorf("metadata alone: %+v, %v", d, err)
	}
	m, err := svc.DescribeStateMachineForExecution(t.Context(), &api.DescribeStateMachineForExecutionInput{ExecutionArn: x})
	if err != nil || m.Definition != failing || m.StateMachineArn != machine {
		t.Errorf("its machine: %+v, %v", m, err)
	}
}

func startTwice(t *testing.T, h *house, svc api.Service) {
	machine := create(t, svc, name(t, "M"), sleeping)
	in := api.StartExecutionInput{StateMachineArn: machine, Name: ptr("once"), Input: ptr(`{"n":1}`)}
	first, err := svc.StartExecution(t.Context(), &in)
	if err != nil {
		t.Fatal(err)
	}
	again, err := svc.StartExecution(t.Context(), &in)
	if err != nil || *again != *first {
		t.Errorf("the second start answers %+v, %v, the first %+v", again, err, first)
	}
	in.Input = ptr(`{"n":2}`)
	_, err = svc.StartExecution(t.Context(), &in)
	refused(t, err, api.CodeExecutionAlreadyExists, "Execution Already Exists: '"+first.ExecutionArn+"'")
	if _, err := svc.StopExecution(t.Context(), &api.StopExecutionInput{ExecutionArn: first.ExecutionArn}); err != nil {
		t.Fatal(err)
	}
	in.Input = ptr(`{"n":1}`)
	_, err = svc.StartExecution(t.Context(), &in)
	refused(t, err, api.CodeExecutionAlreadyExists, first.ExecutionArn)
}

func badStarts(t *testing.T, h *house, svc api.Service) {
	machine := create(t, svc, name(t, "M"), passing)
	for _, c := range []struct {
		in            api.StartExecutionInput
		code, message string
	}{
		{api.StartExecutionInput{StateMachineArn: machine, Input: ptr("not json")}, api.CodeInvalidExecutionInput, "Invalid State Machine Execution Input: 'Unrecognized token 'not': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')'"},
		{api.StartExecutionInput{StateMachineArn: machine, Input: ptr("{'a':1}")}, api.CodeInvalidExecutionInput, "Unexpected character (''' (code 39)): was expecting double-quote to start field name"},
		{api.StartExecutionInput{StateMachineArn: machine, Input: ptr(" ")}, api.CodeInvalidExecutionInput, "Invalid State Machine Execution Input: 'Invalid execution input.'"},
		{api.StartExecutionInput{StateMachineArn: machine, Input: ptr(`"` + strings.Repeat("ä", 131072) + `"`)}, api.CodeInvalidExecutionInput, "262146 bytes"},
		{api.StartExecutionInput{StateMachineArn: machine, Name: ptr("a/b")}, api.CodeInvalidName, "Invalid Name: 'a/b'"},
		{api.StartExecutionInput{StateMachineArn: "nothing"}, api.CodeInvalidArn, "Invalid ARN prefix: nothing"},
		{api.StartExecutionInput{StateMachineArn: machine + "x"}, api.CodeStateMachineDoesNotExist, machine + "x"},
	} {
		_, err := svc.StartExecution(t.Context(), &c.in)
		refused(t, err, c.code, c.message)
	}
}

func historyPages(t *testing.T, h *house, svc api.Service) {
	x := start(t, svc, create(t, svc, name(t, "M"), failing), "x", `{"fail":"Boom"}`)
	await(t, svc, x)
	var types []string
	in := api.GetExecutionHistoryInput{ExecutionArn: x, MaxResults: 2}
	for {
		page, err := svc.GetExecutionHistory(t.Context(), &in)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			types = append(types, fmt.Sprintf("%d<%d %s", e.Id, e.PreviousEventId, e.Type))
		}
		if in.NextToken = page.NextToken; in.NextToken == nil {
			break
		}
	}
	want := "1<0 ExecutionStarted, 2<0 TaskStateEntered, 3<2 TaskScheduled, 4<3 TaskStarted, 5<4 TaskFailed, 6<5 ExecutionFailed"
	if got := strings.Join(types, ", "); got != want {
		t.Errorf("the history is\n%s, not\n%s", got, want)
	}
	if all, err := svc.GetExecutionHistory(t.Context(), &api.GetExecutionHistoryInput{ExecutionArn: x, MaxResults: 1000}); err != nil || len(all.Events) != 6 || all.NextToken != nil {
		t.Errorf("all at once: %+v, %v", all, err)
	}
	back, err := svc.GetExecutionHistory(t.Context(), &api.GetExecutionHistoryInput{ExecutionArn: x, ReverseOrder: true, MaxResults: 4, IncludeExecutionData: ptr(false)})
	if err != nil || len(back.Events) != 4 || back.Events[0].Id != 6 || back.Events[3].Id != 3 || back.Events[3].TaskScheduledEventDetails.Parameters != "" {
		t.Errorf("backwards: %+v, %v", back, err)
	}
	_, err = svc.GetExecutionHistory(t.Context(), &api.GetExecutionHistoryInput{ExecutionArn: x, NextToken: back.NextToken})
	refused(t, err, api.CodeInvalidToken, "")
	_, err = svc.GetExecutionHistory(t.Context(), &api.GetExecutionHistoryInput{ExecutionArn: x + "y"})
	refused(t, err, api.CodeExecutionDoesNotExist, "Execution Does Not Exist: '"+x+"y'")
}

func listPages(t *testing.T, h *house, svc api.Service) {
	machine := create(t, svc, name(t, "M"), failing)
	for i := range 7 {
		input := `{}`
		if i%2 == 1 {
			input = `{"fail":"No"}`
		}
		await(t, svc, start(t, svc, machine, fmt.Sprintf("x%d", i), input))
		time.Sleep(2 * time.Millisecond) // starts of one millisecond, as the house counts them, are in no order
	}
	list := func(in api.ListExecutionsInput) (names []string) {
		in.StateMachineArn = &machine
		for {
			page, err := svc.ListExecutions(t.Context(), &in)
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range page.Executions {
				names = append(names, x.Name)
			}
			if in.NextToken = page.NextToken; in.NextToken == nil {
				return names
			}
		}
	}
	if got := list(api.ListExecutionsInput{MaxResults: 3}); len(got) != 7 || got[0] != "x6" || got[6] != "x0" {
		t.Errorf("the newest first: %v", got)
	}
	if got := list(api.ListExecutionsInput{StatusFilter: api.ExecutionStatusFailed, MaxResults: 2}); strings.Join(got, " ") != "x5 x3 x1" {
		t.Errorf("failed: %v", got)
	}
	if got := list(api.ListExecutionsInput{StatusFilter: api.ExecutionStatusRunning}); len(got) != 0 {
		t.Errorf("running: %v", got)
	}
	_, err := svc.ListExecutions(t.Context(), &api.ListExecutionsInput{})
	refused(t, err, api.CodeValidation, "Exactly one")
}

func stop(t *testing.T, h *house, svc api.Service) {
	x := start(t, svc, create(t, svc, name(t, "M"), sleeping), "x", `{}`)
	first, err := svc.StopExecution(t.Context(), &api.StopExecutionInput{ExecutionArn: x, Error: ptr("Enough"), Cause: ptr("told so")})
	if err != nil {
		t.Fatal(err)
	}
	again, err := svc.StopExecution(t.Context(), &api.StopExecutionInput{ExecutionArn: x})
	if err != nil || again.StopDate != first.StopDate {
		t.Errorf("a second stop answers %+v, %v, the first %+v", again, err, first)
	}
	end := await(t, svc, x)
	if end.Status != api.ExecutionStatusAborted || *end.Error != "Enough" || *end.Cause != "told so" {
		t.Errorf("it ended as %+v", end)
	}
}

func express(t *testing.T, h *house, svc api.Service) {
	out, err := svc.CreateStateMachine(t.Context(), &api.CreateStateMachineInput{Name: name(t, "E"), Definition: failing, RoleArn: role, Type: api.StateMachineTypeExpress})
	if err != nil {
		t.Fatal(err)
	}
	good, err := svc.StartSyncExecution(t.Context(), &api.StartSyncExecutionInput{StateMachineArn: out.StateMachineArn, Input: ptr(`{"a":1}`)})
	if err != nil || good.Status != api.SyncExecutionStatusSucceeded || *good.Output != `{"Payload":{"a":1},"StatusCode":200}` || good.BillingDetails.BilledDurationInMilliseconds%100 != 0 {
		t.Errorf("it ended as %+v, %v", good, err)
	}
	bad, err := svc.StartSyncExecution(t.Context(), &api.StartSyncExecutionInput{StateMachineArn: out.StateMachineArn, Input: ptr(`{"fail":"No"}`)})
	if err != nil || bad.Status != api.SyncExecutionStatusFailed || *bad.Error != "No" {
		t.Errorf("it ended as %+v, %v", bad, err)
	}
	before := h.calls.Load()
	if _, err := svc.StartExecution(t.Context(), &api.StartExecutionInput{StateMachineArn: out.StateMachineArn}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); h.calls.Load() == before && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if h.calls.Load() == before {
		t.Error("an asynchronous express execution did not run")
	}
	_, err = svc.ListExecutions(t.Context(), &api.ListExecutionsInput{StateMachineArn: &out.StateMachineArn})
	refused(t, err, api.CodeStateMachineTypeNotSupported, "")
	_, err = svc.StartSyncExecution(t.Context(), &api.StartSyncExecutionInput{StateMachineArn: create(t, svc, name(t, "S"), passing)})
	refused(t, err, api.CodeStateMachineTypeNotSupported, "This operation is not supported by this type of state machine")
}

func callbacks(t *testing.T, h *house, svc api.Service) {
	machine := create(t, svc, name(t, "M"), calling)
	x := start(t, svc, machine, "good", `{}`)
	token := <-h.tokens
	if _, err := svc.SendTaskHeartbeat(t.Context(), &api.SendTaskHeartbeatInput{TaskToken: token}); err != nil {
		t.Error(err)
	}
	_, err := svc.SendTaskSuccess(t.Context(), &api.SendTaskSuccessInput{TaskToken: token, Output: "{"})
	refused(t, err, api.CodeInvalidOutput, "")
	if _, err := svc.SendTaskSuccess(t.Context(), &api.SendTaskSuccessInput{TaskToken: token, Output: `{"done":true}`}); err != nil {
		t.Fatal(err)
	}
	if end := await(t, svc, x); *end.Output != `{"done":true}` {
		t.Errorf("the output is %s", *end.Output)
	}
	_, err = svc.SendTaskSuccess(t.Context(), &api.SendTaskSuccessInput{TaskToken: token, Output: `{}`})
	refused(t, err, api.CodeTaskTimedOut, "")
	_, err = svc.SendTaskFailure(t.Context(), &api.SendTaskFailureInput{TaskToken: token[:len(token)-2] + "AA"})
	refused(t, err, api.CodeInvalidToken, "")
	x = start(t, svc, machine, "bad", `{}`)
	if _, err := svc.SendTaskFailure(t.Context(), &api.SendTaskFailureInput{TaskToken: <-h.tokens, Error: ptr("Refused"), Cause: ptr("by hand")}); err != nil {
		t.Fatal(err)
	}
	if end := await(t, svc, x); end.Status != api.ExecutionStatusFailed || *end.Error != "Refused" {
		t.Errorf("it ended as %+v", end)
	}
}

func activities(t *testing.T, h *house, svc api.Service) {
	ctx := t.Context()
	a, err := svc.CreateActivity(ctx, &api.CreateActivityInput{Name: name(t, "A")})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := svc.CreateActivity(ctx, &api.CreateActivityInput{Name: name(t, "A")}); err != nil || *again != *a {
		t.Errorf("created again: %+v, %v", again, err)
	}
	definition := `{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"` + a.ActivityArn + `","End":true}}}`
	x := start(t, svc, create(t, svc, name(t, "M"), definition), "x", `{"n":7}`)
	task, err := svc.GetActivityTask(ctx, &api.GetActivityTaskInput{ActivityArn: a.ActivityArn, WorkerName: ptr("w")})
	if err != nil || task.TaskToken == nil || *task.Input != `{"n":7}` {
		t.Fatalf("polled %+v, %v", task, err)
	}
	if _, err := svc.SendTaskSuccess(ctx, &api.SendTaskSuccessInput{TaskToken: *task.TaskToken, Output: `8`}); err != nil {
		t.Fatal(err)
	}
	if end := await(t, svc, x); *end.Output != `8` {
		t.Errorf("the output is %s", *end.Output)
	}
	if d, err := svc.DescribeActivity(ctx, &api.DescribeActivityInput{ActivityArn: a.ActivityArn}); err != nil || d.Name != name(t, "A") {
		t.Errorf("described as %+v, %v", d, err)
	}
	if l, err := svc.ListActivities(ctx, &api.ListActivitiesInput{}); err != nil || len(l.Activities) == 0 {
		t.Errorf("listed as %+v, %v", l, err)
	}
	if _, err := svc.DeleteActivity(ctx, &api.DeleteActivityInput{ActivityArn: a.ActivityArn}); err != nil {
		t.Error(err)
	}
	_, err = svc.GetActivityTask(ctx, &api.GetActivityTaskInput{ActivityArn: a.ActivityArn})
	refused(t, err, api.CodeActivityDoesNotExist, "Activity Does Not Exist: '"+a.ActivityArn+"'")
}

func tags(t *testing.T, h *house, svc api.Service) {
	ctx, arn := t.Context(), create(t, svc, name(t, "M"), passing)
	if _, err := svc.TagResource(ctx, &api.TagResourceInput{ResourceArn: arn, Tags: []api.Tag{{Key: ptr("a"), Value: ptr("1")}, {Key: ptr("b"), Value: ptr("2")}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := svc.UntagResource(ctx, &api.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"a", "z"}}); err != nil {
		t.Fatal(err)
	}
	out, err := svc.ListTagsForResource(ctx, &api.ListTagsForResourceInput{ResourceArn: arn})
	if err != nil || len(out.Tags) != 1 || *out.Tags[0].Key != "b" {
		t.Errorf("the tags are %+v, %v", out, err)
	}
	var many []api.Tag
	for i := range 51 {
		many = append(many, api.Tag{Key: ptr(fmt.Sprint("k", i)), Value: ptr("")})
	}
	_, err = svc.TagResource(ctx, &api.TagResourceInput{ResourceArn: arn, Tags: many})
	refused(t, err, api.CodeTooManyTags, "50")
	for _, bad := range []api.Tag{{Key: ptr("aws:cloudformation")}, {Key: ptr("a,b")}, {Key: ptr("a"), Value: ptr("<b>")}} {
		_, err = svc.TagResource(ctx, &api.TagResourceInput{ResourceArn: arn, Tags: []api.Tag{bad}})
		refused(t, err, api.CodeValidation, "The tag ")
	}
	if _, err := svc.TagResource(ctx, &api.TagResourceInput{ResourceArn: arn, Tags: []api.Tag{{Key: ptr("Größe 7_.:/=+-@"), Value: ptr("é 1")}}}); err != nil {
		t.Error(err)
	}
	if out, err = svc.ListTagsForResource(ctx, &api.ListTagsForResourceInput{ResourceArn: arn}); err != nil || len(out.Tags) != 2 || *out.Tags[0].Key != "Größe 7_.:/=+-@" {
		t.Errorf("the tags are %+v, %v", out, err)
	}
	_, err = svc.ListTagsForResource(ctx, &api.ListTagsForResourceInput{ResourceArn: arn + "x"})
	refused(t, err, api.CodeResourceNotFound, arn+"x")
}

func waiting(t *testing.T, h *house, svc api.Service) {
	x := start(t, svc, create(t, svc, name(t, "M"), calling), "x", `{}`)
	token := <-h.tokens
	now, err := svc.WaitExecution(t.Context(), &api.WaitExecutionInput{ExecutionArn: x, AfterEventId: ptr(int64(0)), TimeoutSeconds: ptr(int32(20))})
	if err != nil || now.LastEventId == 0 || now.Status != api.ExecutionStatusRunning {
		t.Fatalf("answered %+v, %v", now, err)
	}
	if still, err := svc.WaitExecution(t.Context(), &api.WaitExecutionInput{ExecutionArn: x, TimeoutSeconds: ptr(int32(0))}); err != nil || still.Status != api.ExecutionStatusRunning {
		t.Errorf("without waiting: %+v, %v", still, err)
	}
	if _, err := svc.SendTaskSuccess(t.Context(), &api.SendTaskSuccessInput{TaskToken: token, Output: `1`}); err != nil {
		t.Fatal(err)
	}
	if end := await(t, svc, x); end.LastEventId <= now.LastEventId {
		t.Errorf("the last event is %d, after %d", end.LastEventId, now.LastEventId)
	}
}

func foreignNames(t *testing.T, h *house, svc api.Service) {
	ctx := t.Context()
	elsewhere := "arn:aws:states:eu-west-1:123456789012:stateMachine:M"
	_, err := svc.StartExecution(ctx, &api.StartExecutionInput{StateMachineArn: elsewhere})
	refused(t, err, api.CodeStateMachineDoesNotExist, elsewhere)
	_, err = svc.DescribeExecution(ctx, &api.DescribeExecutionInput{ExecutionArn: "arn:aws:states:us-east-1:999999999999:execution:M:x"})
	refused(t, err, api.CodeExecutionDoesNotExist, "999999999999")
	_, err = svc.DescribeExecution(ctx, &api.DescribeExecutionInput{ExecutionArn: "arn:aws:states:us-east-1:123456789012:stateMachine:M"})
	refused(t, err, api.CodeInvalidArn, "")
	_, err = svc.SendTaskSuccess(ctx, &api.SendTaskSuccessInput{TaskToken: "AAAA", Output: "{}"})
	refused(t, err, api.CodeInvalidToken, "")
}

func deleting(t *testing.T, h *house, svc api.Service) {
	machine := create(t, svc, name(t, "M"), sleeping)
	x := start(t, svc, machine, "x", `{}`)
	if _, err := svc.DeleteStateMachine(t.Context(), &api.DeleteStateMachineInput{StateMachineArn: machine}); err != nil {
		t.Fatal(err)
	}
	if end := await(t, svc, x); end.Status != api.ExecutionStatusAborted {
		t.Errorf("its execution ended %s", end.Status)
	}
	_, err := svc.StartExecution(t.Context(), &api.StartExecutionInput{StateMachineArn: machine})
	refused(t, err, api.CodeStateMachineDoesNotExist, machine)
}
