package service_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/service"
	"github.com/backstep/backstep/internal/store/storetest"
)

// numbered is a definition that differs from others by a number, which is its
// executions' output.
func numbered(n int) string {
	return fmt.Sprintf(`{"StartAt":"P","States":{"P":{"Type":"Pass","Result":%d,"End":true}}}`, n)
}

// published makes a machine with versions 1 to n, each with its own number.
func published(t *testing.T, svc api.Service, machine string, n int) string {
	t.Helper()
	arn := create(t, svc, machine, numbered(1))
	for i := 1; i <= n; i++ {
		if i > 1 {
			redefine(t, svc, arn, numbered(i))
		}
		if got := publish(t, svc, arn); got != fmt.Sprintf("%s:%d", arn, i) {
			t.Fatalf("version %d is %s", i, got)
		}
	}
	return arn
}

func redefine(t *testing.T, svc api.Service, arn, definition string) *api.UpdateStateMachineOutput {
	t.Helper()
	out, err := svc.UpdateStateMachine(t.Context(), &api.UpdateStateMachineInput{StateMachineArn: arn, Definition: &definition})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func publish(t *testing.T, svc api.Service, arn string) string {
	t.Helper()
	out, err := svc.PublishStateMachineVersion(t.Context(), &api.PublishStateMachineVersionInput{StateMachineArn: arn})
	if err != nil {
		t.Fatal(err)
	}
	return out.StateMachineVersionArn
}

// versionList is all versions of a machine, by pages of two.
func versionList(t *testing.T, svc api.Service, arn string) string {
	t.Helper()
	var all []string
	in := api.ListStateMachineVersionsInput{StateMachineArn: arn, MaxResults: 2}
	for {
		page, err := svc.ListStateMachineVersions(t.Context(), &in)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range page.StateMachineVersions {
			all = append(all, strings.TrimPrefix(v.StateMachineVersionArn, arn+":"))
		}
		if in.NextToken = page.NextToken; in.NextToken == nil {
			return strings.Join(all, " ")
		}
	}
}

func versions(t *testing.T, h *house, svc api.Service) {
	ctx := t.Context()
	arn := published(t, svc, name(t, "M"), 11)
	published(t, svc, name(t, "M")+"-other", 1)
	if got := versionList(t, svc, arn); got != "11 10 9 8 7 6 5 4 3 2 1" {
		t.Errorf("the versions are %s", got)
	}
	for range 2 { // the second time there is none
		if _, err := svc.DeleteStateMachineVersion(ctx, &api.DeleteStateMachineVersionInput{StateMachineVersionArn: arn + ":11"}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := svc.DescribeStateMachine(ctx, &api.DescribeStateMachineInput{StateMachineArn: arn + ":11"})
	refused(t, err, api.CodeStateMachineDoesNotExist, "State Machine Does Not Exist: '"+arn+":11'")
	if got := publish(t, svc, arn); got != arn+":12" {
		t.Errorf("after the highest was deleted, the next is %s", got)
	}
	if got := versionList(t, svc, arn); got != "12 10 9 8 7 6 5 4 3 2 1" {
		t.Errorf("the versions are %s", got)
	}
	old, err := svc.DescribeStateMachine(ctx, &api.DescribeStateMachineInput{StateMachineArn: arn + ":3"})
	if err != nil || old.Definition != numbered(3) || old.StateMachineArn != arn+":3" || old.Status != api.StateMachineStatusActive {
		t.Errorf("version 3 is %+v, %v", old, err)
	}
}

// revisions publishes by the side: with a create and with updates.
func revisions(t *testing.T, h *house, svc api.Service) {
	ctx := t.Context()
	in := api.CreateStateMachineInput{Name: name(t, "M"), Definition: numbered(1), RoleArn: role, Publish: true, VersionDescription: ptr("first")}
	made, err := svc.CreateStateMachine(ctx, &in)
	if err != nil || *made.StateMachineVersionArn != made.StateMachineArn+":1" {
		t.Fatalf("created as %+v, %v", made, err)
	}
	if again, err := svc.CreateStateMachine(ctx, &in); err != nil || *again.StateMachineVersionArn != *made.StateMachineVersionArn {
		t.Errorf("the second create answers %+v, %v", again, err)
	}
	in.VersionDescription = ptr("other")
	_, err = svc.CreateStateMachine(ctx, &in)
	refused(t, err, api.CodeStateMachineAlreadyExists, made.StateMachineArn)

	arn := made.StateMachineArn
	same, err := svc.UpdateStateMachine(ctx, &api.UpdateStateMachineInput{StateMachineArn: arn, Definition: ptr(numbered(1)), Publish: true})
	if err != nil || same.RevisionId != nil || *same.StateMachineVersionArn != arn+":1" {
		t.Errorf("an update that changes nothing: %+v, %v", same, err)
	}
	second, err := svc.UpdateStateMachine(ctx, &api.UpdateStateMachineInput{StateMachineArn: arn, Definition: ptr(numbered(2)), Publish: true, VersionDescription: ptr("second")})
	if err != nil || second.RevisionId == nil || *second.StateMachineVersionArn != arn+":2" {
		t.Fatalf("an update that changes something: %+v, %v", second, err)
	}
	if d, err := svc.DescribeStateMachine(ctx, &api.DescribeStateMachineInput{StateMachineArn: arn + ":2"}); err != nil || *d.Description != "second" || *d.RevisionId != *second.RevisionId {
		t.Errorf("version 2 is %+v, %v", d, err)
	}
	if d, err := svc.DescribeStateMachine(ctx, &api.DescribeStateMachineInput{StateMachineArn: arn + ":1"}); err != nil || *d.Description != "first" || d.RevisionId != nil {
		t.Errorf("version 1 is %+v, %v", d, err)
	}
	if back := redefine(t, svc, arn, numbered(2)); *back.RevisionId != *second.RevisionId || back.UpdateDate != second.UpdateDate {
		t.Errorf("the same once more is the revision %s of %v", *back.RevisionId, back.UpdateDate)
	}
	if got := publish(t, svc, arn); got != arn+":2" {
		t.Errorf("publishing an unchanged revision makes %s", got)
	}
	third := redefine(t, svc, arn, numbered(3))
	_, err = svc.PublishStateMachineVersion(ctx, &api.PublishStateMachineVersionInput{StateMachineArn: arn, RevisionId: second.RevisionId})
	refused(t, err, api.CodeConflict, "Failed to publish the State Machine version for revision "+*second.RevisionId+". The current State Machine revision is "+*third.RevisionId+".")
	out, err := svc.PublishStateMachineVersion(ctx, &api.PublishStateMachineVersionInput{StateMachineArn: arn, RevisionId: third.RevisionId, Description: ptr("third")})
	if err != nil || out.StateMachineVersionArn != arn+":3" {
		t.Errorf("published as %+v, %v", out, err)
	}
}

func badVersions(t *testing.T, h *house, svc api.Service) {
	ctx := t.Context()
	arn := create(t, svc, name(t, "M"), numbered(1))
	_, err := svc.PublishStateMachineVersion(ctx, &api.PublishStateMachineVersionInput{StateMachineArn: arn + "x"})
	refused(t, err, api.CodeStateMachineDoesNotExist, "State Machine Does Not Exist: '"+arn+"x'")
	_, err = svc.PublishStateMachineVersion(ctx, &api.PublishStateMachineVersionInput{StateMachineArn: arn, RevisionId: ptr("r")})
	refused(t, err, api.CodeConflict, "for revision r. The current State Machine revision is INITIAL.")
	_, err = svc.UpdateStateMachine(ctx, &api.UpdateStateMachineInput{StateMachineArn: arn, RoleArn: ptr(role), VersionDescription: ptr("d")})
	refused(t, err, api.CodeValidation, "Version description can only be set when publish is true")
	version := publish(t, svc, arn)
	_, err = svc.UpdateStateMachine(ctx, &api.UpdateStateMachineInput{StateMachineArn: version, RoleArn: ptr(role)})
	refused(t, err, api.CodeStateMachineDoesNotExist, "State Machine Does Not Exist: '"+version+"'")
	_, err = svc.DeleteStateMachineVersion(ctx, &api.DeleteStateMachineVersionInput{StateMachineVersionArn: arn})
	refused(t, err, api.CodeInvalidArn, "Resource type not valid in this context")
	_, err = svc.ListStateMachineVersions(ctx, &api.ListStateMachineVersionsInput{StateMachineArn: arn + "x"})
	refused(t, err, api.CodeStateMachineDoesNotExist, arn+"x")
	_, err = svc.ListStateMachineVersions(ctx, &api.ListStateMachineVersionsInput{StateMachineArn: arn, NextToken: ptr("made-up")})
	refused(t, err, api.CodeInvalidToken, "Invalid token")
	_, err = svc.StartExecution(ctx, &api.StartExecutionInput{StateMachineArn: arn + ":2"})
	refused(t, err, api.CodeStateMachineDoesNotExist, "State Machine Does Not Exist: '"+arn+":2'")
	_, err = svc.ListExecutions(ctx, &api.ListExecutionsInput{StateMachineArn: ptr(arn + ":2")})
	refused(t, err, api.CodeStateMachineDoesNotExist, "State Machine Does Not Exist: '"+arn+":2'")
}

// qualifiedStarts starts by everything that can be started, and finds each
// execution in the lists that it belongs to.
func qualifiedStarts(t *testing.T, h *house, svc api.Service) {
	ctx := t.Context()
	arn := published(t, svc, name(t, "M"), 2)
	alias := alias(t, svc, "live", route(arn, 1, 100))
	redefine(t, svc, arn, numbered(3))
	outputs := map[string]string{}
	for name, target := range map[string]string{"plain": arn, "second": arn + ":2", "alias": alias} {
		x := start(t, svc, target, name, `{}`)
		end := await(t, svc, x)
		outputs[name] = *end.Output
		if end.StateMachineArn != arn || x != strings.Replace(arn, ":stateMachine:", ":execution:", 1)+":"+name {
			t.Errorf("%s is of %s", x, end.StateMachineArn)
		}
		history, err := svc.GetExecutionHistory(ctx, &api.GetExecutionHistoryInput{ExecutionArn: x})
		if err != nil {
			t.Fatal(err)
		}
		began := history.Events[0].ExecutionStartedEventDetails
		for what, got := range map[string][2]*string{
			"version": {end.StateMachineVersionArn, began.StateMachineVersionArn}, "alias": {end.StateMachineAliasArn, began.StateMachineAliasArn},
		} {
			want := map[string]string{"second version": arn + ":2", "alias version": arn + ":1", "alias alias": alias}[name+" "+what]
			if text(got[0]) != want || text(got[1]) != want {
				t.Errorf("%s has the %s %q, its history %q; want %q", name, what, text(got[0]), text(got[1]), want)
			}
		}
	}
	if want := map[string]string{"plain": "3", "second": "2", "alias": "1"}; fmt.Sprint(outputs) != fmt.Sprint(want) {
		t.Errorf("the outputs are %v, want %v", outputs, want)
	}
	for target, want := range map[string]string{arn: "alias plain second", arn + ":1": "alias", arn + ":2": "second", alias: "alias"} {
		for _, status := range []api.ExecutionStatus{"", api.ExecutionStatusSucceeded, api.ExecutionStatusRunning} {
			out, err := svc.ListExecutions(ctx, &api.ListExecutionsInput{StateMachineArn: &target, StatusFilter: status})
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, x := range out.Executions {
				names = append(names, x.Name)
				if x.StateMachineArn != arn {
					t.Errorf("%s is listed as of %s", x.Name, x.StateMachineArn)
				}
			}
			slices.Sort(names)
			if got := strings.Join(names, " "); status != api.ExecutionStatusRunning && got != want || status == api.ExecutionStatusRunning && got != "" {
				t.Errorf("of %s, %s are listed as %q; want %s", target, got, status, want)
			}
		}
	}
	ran, err := svc.DescribeStateMachineForExecution(ctx, &api.DescribeStateMachineForExecutionInput{ExecutionArn: strings.Replace(arn, ":stateMachine:", ":execution:", 1) + ":second"})
	v2, _ := svc.DescribeStateMachine(ctx, &api.DescribeStateMachineInput{StateMachineArn: arn + ":2"})
	if err != nil || ran.Definition != numbered(2) || ran.StateMachineArn != arn || *ran.RevisionId != *v2.RevisionId {
		t.Errorf("it ran %+v, %v", ran, err)
	}
}

// stopOfVersion stops an execution that waits for one of a version that is gone.
func stopOfVersion(t *testing.T, h *house, svc api.Service) {
	ctx := t.Context()
	child := create(t, svc, name(t, "C"), sleeping)
	version := publish(t, svc, child)
	parent := create(t, svc, name(t, "P"), fmt.Sprintf(`{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution.sync","Parameters":{"StateMachineArn":%q,"Name":"c"},"End":true}}}`, version))
	x := start(t, svc, parent, "p", `{}`)
	for after := int64(0); ; {
		out, err := svc.WaitExecution(ctx, &api.WaitExecutionInput{ExecutionArn: x, AfterEventId: &after, TimeoutSeconds: ptr(int32(20))})
		if err != nil || out.LastEventId == after {
			t.Fatalf("the child was not started: %+v, %v", out, err)
		}
		if after = out.LastEventId; after >= 5 { // TaskSubmitted
			break
		}
	}
	if _, err := svc.DeleteStateMachineVersion(ctx, &api.DeleteStateMachineVersionInput{StateMachineVersionArn: version}); err != nil {
		t.Fatal(err)
	}
	if _, err := svc.StopExecution(ctx, &api.StopExecutionInput{ExecutionArn: x}); err != nil {
		t.Fatal(err)
	}
	if end := await(t, svc, strings.Replace(child, ":stateMachine:", ":execution:", 1)+":c"); end.Status != api.ExecutionStatusAborted {
		t.Errorf("the child ended as %s", end.Status)
	}
}

// expressByAlias runs express executions by an alias, awaited and not.
func expressByAlias(t *testing.T, h *house, svc api.Service) {
	ctx := t.Context()
	made, err := svc.CreateStateMachine(ctx, &api.CreateStateMachineInput{Name: name(t, "X"), Definition: numbered(1), RoleArn: role, Type: api.StateMachineTypeExpress, Publish: true})
	if err != nil {
		t.Fatal(err)
	}
	live := alias(t, svc, "live", route(made.StateMachineArn, 1, 100))
	redefine(t, svc, made.StateMachineArn, numbered(2))
	for target, want := range map[string]string{made.StateMachineArn: "2", live: "1", made.StateMachineArn + ":1": "1"} {
		out, err := svc.StartSyncExecution(ctx, &api.StartSyncExecutionInput{StateMachineArn: target})
		if err != nil || text(out.Output) != want || text(out.StateMachineArn) != made.StateMachineArn {
			t.Errorf("%s answers %+v, %v", target, out, err)
		}
		if _, err := svc.StartExecution(ctx, &api.StartExecutionInput{StateMachineArn: target}); err != nil {
			t.Error(err)
		}
		_, err = svc.ListExecutions(ctx, &api.ListExecutionsInput{StateMachineArn: &target})
		refused(t, err, api.CodeStateMachineTypeNotSupported, "not supported")
	}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// nestedStarts runs a machine that starts another by its alias.
func nestedStarts(t *testing.T, h *house, svc api.Service) {
	child := published(t, svc, name(t, "C"), 2)
	live := alias(t, svc, "live", route(child, 2, 100))
	redefine(t, svc, child, numbered(3))
	parent := create(t, svc, name(t, "P"), fmt.Sprintf(`{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution.sync:2",
		"Parameters":{"StateMachineArn":%q,"Name":"c"},"ResultSelector":{"out.$":"$.Output","alias.$":"$.StateMachineAliasArn","version.$":"$.StateMachineVersionArn"},"Next":"U"},"U":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution",
		"Parameters":{"StateMachineArn":%q},"Catch":[{"ErrorEquals":["StepFunctions.StateMachineDoesNotExistException"],"ResultPath":null,"Next":"End"}],"Next":"Bad"},
		"Bad":{"Type":"Fail"},"End":{"Type":"Succeed"}}}`, live, child+":gone"))
	missing := create(t, svc, name(t, "Q"), fmt.Sprintf(`{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution","Parameters":{"StateMachineArn":%q},"End":true}}}`, child+":9"))
	cause := "State Machine Does Not Exist: '" + child + ":9' (Service: AWSStepFunctions; Status Code: 400; Error Code: StateMachineDoesNotExist; Request ID: "
	if end := await(t, svc, start(t, svc, missing, "q", `{}`)); text(end.Error) != "StepFunctions.StateMachineDoesNotExistException" || !strings.HasPrefix(text(end.Cause), cause) {
		t.Errorf("a version that is not there: %s %s", text(end.Error), text(end.Cause))
	}
	if end := await(t, svc, start(t, svc, parent, "p", `{}`)); end.Status != api.ExecutionStatusSucceeded || *end.Output != `{"out":2,"alias":"`+live+`","version":"`+child+`:2"}` {
		t.Errorf("it ended as %s with %s", end.Status, text(end.Output))
	}
	x, err := svc.DescribeExecution(t.Context(), &api.DescribeExecutionInput{ExecutionArn: strings.Replace(child, ":stateMachine:", ":execution:", 1) + ":c"})
	if err != nil || text(x.StateMachineAliasArn) != live || text(x.StateMachineVersionArn) != child+":2" {
		t.Errorf("the nested one is %+v, %v", x, err)
	}
}

func deletingQualified(t *testing.T, h *house, svc api.Service) {
	ctx := t.Context()
	arn := published(t, svc, name(t, "M"), 3)
	live := alias(t, svc, "live", route(arn, 1, 100))
	if _, err := svc.DeleteStateMachine(ctx, &api.DeleteStateMachineInput{StateMachineArn: arn}); err != nil {
		t.Fatal(err)
	}
	_, err := svc.DescribeStateMachineAlias(ctx, &api.DescribeStateMachineAliasInput{StateMachineAliasArn: live})
	refused(t, err, api.CodeResourceNotFound, "Request references a resource that does not exist.")
	if got := publish(t, svc, create(t, svc, name(t, "M"), numbered(7))); got != arn+":1" {
		t.Errorf("the first version of the new machine is %s", got)
	}
	if got := versionList(t, svc, arn); got != "1" {
		t.Errorf("the new machine has the versions %s", got)
	}
}

func validation(t *testing.T, h *house, svc api.Service) {
	const bad = `{"StartAt":"P","States":{"P":{"Type":"Pass","Next":"X"},"Q":{"Type":"Pass","Result":"$.a","End":true}}}`
	for _, c := range []struct {
		in   api.ValidateStateMachineDefinitionInput
		want string
	}{
		{api.ValidateStateMachineDefinitionInput{Definition: passing}, "OK false"},
		{api.ValidateStateMachineDefinitionInput{Definition: `{}`}, "FAIL false [ERROR SCHEMA_VALIDATION_FAILED: These fields are required: [States, StartAt] at /]"},
		{api.ValidateStateMachineDefinitionInput{Definition: bad}, "FAIL false [ERROR MISSING_TRANSITION_TARGET: Missing 'Next' target: X at /States/P/Next] [ERROR MISSING_TRANSITION_TARGET: State \"Q\" is not reachable. at /States/Q]"},
		{api.ValidateStateMachineDefinitionInput{Definition: bad, MaxResults: 1}, "FAIL true [ERROR MISSING_TRANSITION_TARGET: Missing 'Next' target: X at /States/P/Next]"},
		{api.ValidateStateMachineDefinitionInput{Definition: calling, Type: api.StateMachineTypeExpress}, "FAIL false"},
	} {
		out, err := svc.ValidateStateMachineDefinition(t.Context(), &c.in)
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(out.Result, " ", *out.Truncated)
		for _, d := range out.Diagnostics {
			got += fmt.Sprintf(" [%s %s: %s at %s]", d.Severity, d.Code, d.Message, text(d.Location))
		}
		if got != c.want && !(c.in.Type != "" && strings.HasPrefix(got, c.want+" [ERROR SCHEMA_VALIDATION_FAILED: ")) {
			t.Errorf("%s is %s\nwant %s", c.in.Definition, got, c.want)
		}
	}
}

// Strictly, a definition with a saga is none.
func TestStrictRefusesSagas(t *testing.T) {
	s := storetest.NewMemory(storetest.MemoryOptions{}).Open()
	defer s.Close()
	registry := new(integration.Registry)
	registry.Add("lambda", "*", new(house), integration.RequestResponse)
	catalog := service.NewCatalog(s, registry)
	catalog.StrictAWS = true
	svc := service.New(service.Config{Store: s, Catalog: catalog, Account: account, Region: region, Now: time.Now})
	_, err := svc.CreateStateMachine(t.Context(), &api.CreateStateMachineInput{Name: "M", Definition: order, RoleArn: role})
	refused(t, err, api.CodeInvalidDefinition, "Saga")
	v, err := svc.ValidateStateMachineDefinition(t.Context(), &api.ValidateStateMachineDefinitionInput{Definition: order})
	if err != nil || v.Result != api.ValidateStateMachineDefinitionResultCodeFail {
		t.Errorf("validated: %+v, %v", v, err)
	}
	_, err = svc.TestState(t.Context(), &api.TestStateInput{Definition: order, StateName: ptr("Ship"), Mock: &api.MockInput{Result: ptr("{}")}})
	refused(t, err, api.CodeInvalidDefinition, "Saga")
	catalog.StrictAWS = false
	if v, err = svc.ValidateStateMachineDefinition(t.Context(), &api.ValidateStateMachineDefinitionInput{Definition: order}); err != nil || v.Result != api.ValidateStateMachineDefinitionResultCodeOk {
		t.Errorf("not strictly: %+v, %v", v, err)
	}
}
