package main

import (
	"slices"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/backstep/backstep/api"
)

// asked are the operations that a client has asked for.
type asked struct {
	mu    sync.Mutex
	names []string
}

func (a *asked) note(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.names = append(a.names, name)
}

// watch has an SDK client's calls noted.
func (a *asked) watch(o *sfn.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		a.note(stack.ID())
		return nil
	})
}

// TestSDKCallsEveryOperation: the AWS SDK for Go calls all that it knows, and
// gets what it is for.
func TestSDKCallsEveryOperation(t *testing.T) {
	t.Parallel()
	d, a := openDesk(t), new(asked)
	n := serveChild(t, d.configuration())
	s := &sdk{newClient(n, "any", "any"), t.Context(), d}
	s.Client = sfn.New(s.Options(), a.watch)
	t.Run("order", s.order)
	t.Run("express", s.express)
	t.Run("stop", s.stopped)
	t.Run("tokens", s.approvals)
	t.Run("activity", s.activity)
	t.Run("machine", s.terraformMachine)
	t.Run("versions", s.versions)
	t.Run("map run", s.mapRun)
	t.Run("redrive", s.redriven)
	t.Run("what there is", s.listed)
	t.Run("one state", s.oneState)
	for _, name := range api.AWSOperations {
		if !slices.Contains(a.names, name) {
			t.Errorf("%s was not called", name)
		}
	}
}

// versions are published, pointed at, listed and deleted.
func (s *sdk) versions(t *testing.T) {
	machine := s.create(t, "versioned", "order", types.StateMachineTypeStandard)
	published, err := s.PublishStateMachineVersion(s.ctx, &sfn.PublishStateMachineVersionInput{StateMachineArn: machine, Description: aws.String("first")})
	version := must(t, published, err).StateMachineVersionArn
	alias, err := s.CreateStateMachineAlias(s.ctx, &sfn.CreateStateMachineAliasInput{
		Name: aws.String("live"), RoutingConfiguration: []types.RoutingConfigurationListItem{{StateMachineVersionArn: version, Weight: 100}},
	})
	arn := must(t, alias, err).StateMachineAliasArn
	aliases, err := s.ListStateMachineAliases(s.ctx, &sfn.ListStateMachineAliasesInput{StateMachineArn: machine})
	if all := must(t, aliases, err).StateMachineAliases; len(all) != 1 || *all[0].StateMachineAliasArn != *arn {
		t.Errorf("the aliases are %+v", all)
	}
	if out := s.ended(t, s.start(t, arn, "good", `{"order": "good"}`)); aws.ToString(out.StateMachineVersionArn) != *version || aws.ToString(out.StateMachineAliasArn) != *arn {
		t.Errorf("it ran as %+v", out)
	}
	_, err = s.DeleteStateMachineVersion(s.ctx, &sfn.DeleteStateMachineVersionInput{StateMachineVersionArn: version})
	if !is[*types.ConflictException](err) {
		t.Errorf("a version that an alias points at: %v", err)
	}
	_, err = s.DeleteStateMachineAlias(s.ctx, &sfn.DeleteStateMachineAliasInput{StateMachineAliasArn: arn})
	must(t, 0, err)
	_, err = s.DeleteStateMachineVersion(s.ctx, &sfn.DeleteStateMachineVersionInput{StateMachineVersionArn: version})
	must(t, 0, err)
	versions, err := s.ListStateMachineVersions(s.ctx, &sfn.ListStateMachineVersionsInput{StateMachineArn: machine})
	if all := must(t, versions, err).StateMachineVersions; len(all) != 0 {
		t.Errorf("the versions are %+v", all)
	}
}

// mapRun watches a map run, and lets more of its children run at once.
func (s *sdk) mapRun(t *testing.T) {
	execution := s.start(t, s.create(t, "gathering", "gathering", types.StateMachineTypeStandard), "one", `{"orders": ["g1", "g2", "g3"]}`)
	first := s.desk.await(t, "g1")
	listed, err := s.ListMapRuns(s.ctx, &sfn.ListMapRunsInput{ExecutionArn: execution})
	runs := must(t, listed, err).MapRuns
	if len(runs) != 1 || *runs[0].ExecutionArn != *execution {
		t.Fatalf("the map runs are %+v", runs)
	}
	run := runs[0].MapRunArn
	_, err = s.UpdateMapRun(s.ctx, &sfn.UpdateMapRunInput{MapRunArn: run, MaxConcurrency: aws.Int32(3), ToleratedFailureCount: aws.Int64(1)})
	must(t, 0, err)
	for _, token := range []string{first, s.desk.await(t, "g2")} { // the second is under way beside the first
		_, err := s.SendTaskSuccess(s.ctx, &sfn.SendTaskSuccessInput{TaskToken: &token, Output: aws.String("1")})
		must(t, 0, err)
	}
	failed := s.desk.await(t, "g3")
	_, err = s.SendTaskFailure(s.ctx, &sfn.SendTaskFailureInput{TaskToken: &failed, Error: aws.String("Refused")})
	must(t, 0, err)
	if out := s.ended(t, execution); out.Status != types.ExecutionStatusSucceeded {
		t.Errorf("it ended as %v: %s", out.Status, aws.ToString(out.Cause))
	}
	described, err := s.DescribeMapRun(s.ctx, &sfn.DescribeMapRunInput{MapRunArn: run})
	if c := must(t, described, err).ItemCounts; described.MaxConcurrency != 3 || described.ToleratedFailureCount != 1 || c.Succeeded != 2 || c.Failed != 1 || c.Total != 3 {
		t.Errorf("the map run is %+v, with %+v", described, c)
	}
	children, err := s.ListExecutions(s.ctx, &sfn.ListExecutionsInput{MapRunArn: run, StatusFilter: types.ExecutionStatusFailed})
	if all := must(t, children, err).Executions; len(all) != 1 || *all[0].MapRunArn != *run {
		t.Errorf("the failed children are %+v", all)
	}
}

// redriven fails, and goes on where it failed.
func (s *sdk) redriven(t *testing.T) {
	machine := s.create(t, "approval", "approval", types.StateMachineTypeStandard)
	execution := s.start(t, machine, "again", `{"order": "again"}`)
	token := s.desk.await(t, "again")
	_, err := s.SendTaskFailure(s.ctx, &sfn.SendTaskFailureInput{TaskToken: &token, Error: aws.String("Refused")})
	must(t, 0, err)
	if out := s.ended(t, execution); out.RedriveStatus != types.ExecutionRedriveStatusRedrivable {
		t.Errorf("it ended as %+v", out)
	}
	redriven, err := s.RedriveExecution(s.ctx, &sfn.RedriveExecutionInput{ExecutionArn: execution})
	if must(t, redriven, err).RedriveDate == nil {
		t.Error("it was redriven at no time")
	}
	token = s.desk.await(t, "again")
	_, err = s.SendTaskSuccess(s.ctx, &sfn.SendTaskSuccessInput{TaskToken: &token, Output: aws.String(`"yes"`)})
	must(t, 0, err)
	if out := s.ended(t, execution); out.Status != types.ExecutionStatusSucceeded || aws.ToInt32(out.RedriveCount) != 1 {
		t.Errorf("redriven it ended as %+v", out)
	}
	described, err := s.DescribeStateMachineForExecution(s.ctx, &sfn.DescribeStateMachineForExecutionInput{ExecutionArn: execution})
	if must(t, described, err); *described.StateMachineArn != *machine || *described.Definition != definition(t, "approval") {
		t.Errorf("it was an execution of %+v", described)
	}
}

// listed asks for lists, and deletes what stands in them.
func (s *sdk) listed(t *testing.T) {
	activities, err := s.ListActivities(s.ctx, &sfn.ListActivitiesInput{})
	all := must(t, activities, err).Activities
	if len(all) != 1 || *all[0].Name != "packers" {
		t.Fatalf("the activities are %+v", all)
	}
	described, err := s.DescribeActivity(s.ctx, &sfn.DescribeActivityInput{ActivityArn: all[0].ActivityArn})
	must(t, described, err)
	_, err = s.DeleteActivity(s.ctx, &sfn.DeleteActivityInput{ActivityArn: all[0].ActivityArn})
	must(t, 0, err)
	machines, err := s.ListStateMachines(s.ctx, &sfn.ListStateMachinesInput{})
	if all := must(t, machines, err).StateMachines; len(all) != 6 {
		t.Errorf("the state machines are %+v", all)
	}
}

// oneState is tried out alone.
func (s *sdk) oneState(t *testing.T) {
	out, err := s.TestState(s.ctx, &sfn.TestStateInput{
		Definition: aws.String(`{"Type":"Pass","Parameters":{"sum.$":"States.MathAdd($.a, 1)"},"Next":"More"}`), RoleArn: aws.String(role),
		Input: aws.String(`{"a": 41}`), InspectionLevel: types.InspectionLevelDebug,
	})
	if must(t, out, err); out.Status != types.TestExecutionStatusSucceeded || aws.ToString(out.Output) != `{"sum":42}` || aws.ToString(out.NextState) != "More" ||
		aws.ToString(out.InspectionData.AfterParameters) != `{"sum":42}` {
		t.Errorf("the state gives %+v, with %+v", out, out.InspectionData)
	}
}
