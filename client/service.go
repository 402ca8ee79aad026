package client

import (
	"context"
	"time"

	"github.com/backstep/backstep/api"
)

// How much longer than others a call may take that waits for something.
const (
	pollPatience = 60 * time.Second
	syncPatience = 5 * time.Minute
)

// The methods of [api.Service], whose comments are the manual.

// CreateStateMachine implements [api.Service].
func (c *Client) CreateStateMachine(ctx context.Context, in *api.CreateStateMachineInput) (*api.CreateStateMachineOutput, error) {
	return call[api.CreateStateMachineOutput](ctx, c, api.TargetAWS+"CreateStateMachine", again, 0, in)
}

// DescribeStateMachine implements [api.Service].
func (c *Client) DescribeStateMachine(ctx context.Context, in *api.DescribeStateMachineInput) (*api.DescribeStateMachineOutput, error) {
	return call[api.DescribeStateMachineOutput](ctx, c, api.TargetAWS+"DescribeStateMachine", again, 0, in)
}

// UpdateStateMachine implements [api.Service].
func (c *Client) UpdateStateMachine(ctx context.Context, in *api.UpdateStateMachineInput) (*api.UpdateStateMachineOutput, error) {
	return call[api.UpdateStateMachineOutput](ctx, c, api.TargetAWS+"UpdateStateMachine", once, 0, in)
}

// DeleteStateMachine implements [api.Service].
func (c *Client) DeleteStateMachine(ctx context.Context, in *api.DeleteStateMachineInput) (*api.DeleteStateMachineOutput, error) {
	return call[api.DeleteStateMachineOutput](ctx, c, api.TargetAWS+"DeleteStateMachine", again, 0, in)
}

// ListStateMachines implements [api.Service].
func (c *Client) ListStateMachines(ctx context.Context, in *api.ListStateMachinesInput) (*api.ListStateMachinesOutput, error) {
	return call[api.ListStateMachinesOutput](ctx, c, api.TargetAWS+"ListStateMachines", again, 0, in)
}

// ValidateStateMachineDefinition implements [api.Service].
func (c *Client) ValidateStateMachineDefinition(ctx context.Context, in *api.ValidateStateMachineDefinitionInput) (*api.ValidateStateMachineDefinitionOutput, error) {
	return call[api.ValidateStateMachineDefinitionOutput](ctx, c, api.TargetAWS+"ValidateStateMachineDefinition", again, 0, in)
}

// PublishStateMachineVersion implements [api.Service].
func (c *Client) PublishStateMachineVersion(ctx context.Context, in *api.PublishStateMachineVersionInput) (*api.PublishStateMachineVersionOutput, error) {
	return call[api.PublishStateMachineVersionOutput](ctx, c, api.TargetAWS+"PublishStateMachineVersion", again, 0, in)
}

// DeleteStateMachineVersion implements [api.Service].
func (c *Client) DeleteStateMachineVersion(ctx context.Context, in *api.DeleteStateMachineVersionInput) (*api.DeleteStateMachineVersionOutput, error) {
	return call[api.DeleteStateMachineVersionOutput](ctx, c, api.TargetAWS+"DeleteStateMachineVersion", again, 0, in)
}

// ListStateMachineVersions implements [api.Service].
func (c *Client) ListStateMachineVersions(ctx context.Context, in *api.ListStateMachineVersionsInput) (*api.ListStateMachineVersionsOutput, error) {
	return call[api.ListStateMachineVersionsOutput](ctx, c, api.TargetAWS+"ListStateMachineVersions", again, 0, in)
}

// CreateStateMachineAlias implements [api.Service].
func (c *Client) CreateStateMachineAlias(ctx context.Context, in *api.CreateStateMachineAliasInput) (*api.CreateStateMachineAliasOutput, error) {
	return call[api.CreateStateMachineAliasOutput](ctx, c, api.TargetAWS+"CreateStateMachineAlias", again, 0, in)
}

// DescribeStateMachineAlias implements [api.Service].
func (c *Client) DescribeStateMachineAlias(ctx context.Context, in *api.DescribeStateMachineAliasInput) (*api.DescribeStateMachineAliasOutput, error) {
	return call[api.DescribeStateMachineAliasOutput](ctx, c, api.TargetAWS+"DescribeStateMachineAlias", again, 0, in)
}

// UpdateStateMachineAlias implements [api.Service].
func (c *Client) UpdateStateMachineAlias(ctx context.Context, in *api.UpdateStateMachineAliasInput) (*api.UpdateStateMachineAliasOutput, error) {
	return call[api.UpdateStateMachineAliasOutput](ctx, c, api.TargetAWS+"UpdateStateMachineAlias", once, 0, in)
}

// DeleteStateMachineAlias implements [api.Service].
func (c *Client) DeleteStateMachineAlias(ctx context.Context, in *api.DeleteStateMachineAliasInput) (*api.DeleteStateMachineAliasOutput, error) {
	return call[api.DeleteStateMachineAliasOutput](ctx, c, api.TargetAWS+"DeleteStateMachineAlias", again, 0, in)
}

// ListStateMachineAliases implements [api.Service].
func (c *Client) ListStateMachineAliases(ctx context.Context, in *api.ListStateMachineAliasesInput) (*api.ListStateMachineAliasesOutput, error) {
	return call[api.ListStateMachineAliasesOutput](ctx, c, api.TargetAWS+"ListStateMachineAliases", again, 0, in)
}

// StartExecution implements [api.Service]. A start with a name may be tried again: the name makes it the same one. As on
// AWS, the answer to the second try is ExecutionAlreadyExists when the execution has ended meanwhile.
func (c *Client) StartExecution(ctx context.Context, in *api.StartExecutionInput) (*api.StartExecutionOutput, error) {
	t := once
	if in.Name != nil {
		t = again
	}
	return call[api.StartExecutionOutput](ctx, c, api.TargetAWS+"StartExecution", t, 0, in)
}

// StartSyncExecution implements [api.Service].
func (c *Client) StartSyncExecution(ctx context.Context, in *api.StartSyncExecutionInput) (*api.StartSyncExecutionOutput, error) {
	return call[api.StartSyncExecutionOutput](ctx, c, api.TargetAWS+"StartSyncExecution", once, syncPatience, in)
}

// DescribeExecution implements [api.Service].
func (c *Client) DescribeExecution(ctx context.Context, in *api.DescribeExecutionInput) (*api.DescribeExecutionOutput, error) {
	return call[api.DescribeExecutionOutput](ctx, c, api.TargetAWS+"DescribeExecution", again, 0, in)
}

// ListExecutions implements [api.Service].
func (c *Client) ListExecutions(ctx context.Context, in *api.ListExecutionsInput) (*api.ListExecutionsOutput, error) {
	return call[api.ListExecutionsOutput](ctx, c, api.TargetAWS+"ListExecutions", again, 0, in)
}

// StopExecution implements [api.Service].
func (c *Client) StopExecution(ctx context.Context, in *api.StopExecutionInput) (*api.StopExecutionOutput, error) {
	return call[api.StopExecutionOutput](ctx, c, api.TargetAWS+"StopExecution", again, 0, in)
}

// RedriveExecution implements [api.Service]. A redrive with a client token may be tried again: the token makes it the
// same one.
func (c *Client) RedriveExecution(ctx context.Context, in *api.RedriveExecutionInput) (*api.RedriveExecutionOutput, error) {
	t := once
	if in.ClientToken != nil {
		t = again
	}
	return call[api.RedriveExecutionOutput](ctx, c, api.TargetAWS+"RedriveExecution", t, 0, in)
}

// RedriveWithChanges implements [api.Service]. With a client token, or as a dry run, it may be tried again.
func (c *Client) RedriveWithChanges(ctx context.Context, in *api.RedriveWithChangesInput) (*api.RedriveWithChangesOutput, error) {
	t := once
	if in.ClientToken != nil || in.DryRun != nil && *in.DryRun {
		t = again
	}
	return call[api.RedriveWithChangesOutput](ctx, c, api.TargetBackstep+"RedriveWithChanges", t, 0, in)
}

// GetExecutionHistory implements [api.Service].
func (c *Client) GetExecutionHistory(ctx context.Context, in *api.GetExecutionHistoryInput) (*api.GetExecutionHistoryOutput, error) {
	return call[api.GetExecutionHistoryOutput](ctx, c, api.TargetAWS+"GetExecutionHistory", again, 0, in)
}

// DescribeStateMachineForExecution implements [api.Service].
func (c *Client) DescribeStateMachineForExecution(ctx context.Context, in *api.DescribeStateMachineForExecutionInput) (*api.DescribeStateMachineForExecutionOutput, error) {
	return call[api.DescribeStateMachineForExecutionOutput](ctx, c, api.TargetAWS+"DescribeStateMachineForExecution", again, 0, in)
}

// TestState implements [api.Service].
func (c *Client) TestState(ctx context.Context, in *api.TestStateInput) (*api.TestStateOutput, error) {
	return call[api.TestStateOutput](ctx, c, api.TargetAWS+"TestState", once, syncPatience, in)
}

// CreateActivity implements [api.Service].
func (c *Client) CreateActivity(ctx context.Context, in *api.CreateActivityInput) (*api.CreateActivityOutput, error) {
	return call[api.CreateActivityOutput](ctx, c, api.TargetAWS+"CreateActivity", again, 0, in)
}

// DescribeActivity implements [api.Service].
func (c *Client) DescribeActivity(ctx context.Context, in *api.DescribeActivityInput) (*api.DescribeActivityOutput, error) {
	return call[api.DescribeActivityOutput](ctx, c, api.TargetAWS+"DescribeActivity", again, 0, in)
}

// DeleteActivity implements [api.Service].
func (c *Client) DeleteActivity(ctx context.Context, in *api.DeleteActivityInput) (*api.DeleteActivityOutput, error) {
	return call[api.DeleteActivityOutput](ctx, c, api.TargetAWS+"DeleteActivity", again, 0, in)
}

// ListActivities implements [api.Service].
func (c *Client) ListActivities(ctx context.Context, in *api.ListActivitiesInput) (*api.ListActivitiesOutput, error) {
	return call[api.ListActivitiesOutput](ctx, c, api.TargetAWS+"ListActivities", again, 0, in)
}

// GetActivityTask implements [api.Service].
func (c *Client) GetActivityTask(ctx context.Context, in *api.GetActivityTaskInput) (*api.GetActivityTaskOutput, error) {
	return call[api.GetActivityTaskOutput](ctx, c, api.TargetAWS+"GetActivityTask", once, pollPatience, in)
}

// SendTaskSuccess implements [api.Service].
func (c *Client) SendTaskSuccess(ctx context.Context, in *api.SendTaskSuccessInput) (*api.SendTaskSuccessOutput, error) {
	return call[api.SendTaskSuccessOutput](ctx, c, api.TargetAWS+"SendTaskSuccess", once, 0, in)
}

// SendTaskFailure implements [api.Service].
func (c *Client) SendTaskFailure(ctx context.Context, in *api.SendTaskFailureInput) (*api.SendTaskFailureOutput, error) {
	return call[api.SendTaskFailureOutput](ctx, c, api.TargetAWS+"SendTaskFailure", once, 0, in)
}

// SendTaskHeartbeat implements [api.Service].
func (c *Client) SendTaskHeartbeat(ctx context.Context, in *api.SendTaskHeartbeatInput) (*api.SendTaskHeartbeatOutput, error) {
	return call[api.SendTaskHeartbeatOutput](ctx, c, api.TargetAWS+"SendTaskHeartbeat", again, 0, in)
}

// TagResource implements [api.Service].
func (c *Client) TagResource(ctx context.Context, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	return call[api.TagResourceOutput](ctx, c, api.TargetAWS+"TagResource", again, 0, in)
}

// UntagResource implements [api.Service].
func (c *Client) UntagResource(ctx context.Context, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	return call[api.UntagResourceOutput](ctx, c, api.TargetAWS+"UntagResource", again, 0, in)
}

// ListTagsForResource implements [api.Service].
func (c *Client) ListTagsForResource(ctx context.Context, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	return call[api.ListTagsForResourceOutput](ctx, c, api.TargetAWS+"ListTagsForResource", again, 0, in)
}

// DescribeMapRun implements [api.Service].
func (c *Client) DescribeMapRun(ctx context.Context, in *api.DescribeMapRunInput) (*api.DescribeMapRunOutput, error) {
	return call[api.DescribeMapRunOutput](ctx, c, api.TargetAWS+"DescribeMapRun", again, 0, in)
}

// ListMapRuns implements [api.Service].
func (c *Client) ListMapRuns(ctx context.Context, in *api.ListMapRunsInput) (*api.ListMapRunsOutput, error) {
	return call[api.ListMapRunsOutput](ctx, c, api.TargetAWS+"ListMapRuns", again, 0, in)
}

// UpdateMapRun implements [api.Service].
func (c *Client) UpdateMapRun(ctx context.Context, in *api.UpdateMapRunInput) (*api.UpdateMapRunOutput, error) {
	return call[api.UpdateMapRunOutput](ctx, c, api.TargetAWS+"UpdateMapRun", again, 0, in)
}

// WaitExecution implements [api.Service].
func (c *Client) WaitExecution(ctx context.Context, in *api.WaitExecutionInput) (*api.WaitExecutionOutput, error) {
	return call[api.WaitExecutionOutput](ctx, c, api.TargetBackstep+"WaitExecution", again, pollPatience, in)
}

// ListNodes implements [api.Service].
func (c *Client) ListNodes(ctx context.Context, in *api.ListNodesInput) (*api.ListNodesOutput, error) {
	return call[api.ListNodesOutput](ctx, c, api.TargetBackstep+"ListNodes", again, 0, in)
}

// ExplainExecution implements [api.Service].
func (c *Client) ExplainExecution(ctx context.Context, in *api.ExplainExecutionInput) (*api.ExplainExecutionOutput, error) {
	return call[api.ExplainExecutionOutput](ctx, c, api.TargetBackstep+"ExplainExecution", again, 0, in)
}

// ListExecutionsWhere implements [api.Service].
func (c *Client) ListExecutionsWhere(ctx context.Context, in *api.ListExecutionsWhereInput) (*api.ListExecutionsWhereOutput, error) {
	return call[api.ListExecutionsWhereOutput](ctx, c, api.TargetBackstep+"ListExecutionsWhere", again, 0, in)
}

// DescribeSaga implements [api.Service].
func (c *Client) DescribeSaga(ctx context.Context, in *api.DescribeSagaInput) (*api.DescribeSagaOutput, error) {
	return call[api.DescribeSagaOutput](ctx, c, api.TargetBackstep+"DescribeSaga", again, 0, in)
}

// ListSagas implements [api.Service].
func (c *Client) ListSagas(ctx context.Context, in *api.ListSagasInput) (*api.ListSagasOutput, error) {
	return call[api.ListSagasOutput](ctx, c, api.TargetBackstep+"ListSagas", again, 0, in)
}

// ListHolds implements [api.Service].
func (c *Client) ListHolds(ctx context.Context, in *api.ListHoldsInput) (*api.ListHoldsOutput, error) {
	return call[api.ListHoldsOutput](ctx, c, api.TargetBackstep+"ListHolds", again, 0, in)
}

// DescribeHold implements [api.Service].
func (c *Client) DescribeHold(ctx context.Context, in *api.DescribeHoldInput) (*api.DescribeHoldOutput, error) {
	return call[api.DescribeHoldOutput](ctx, c, api.TargetBackstep+"DescribeHold", again, 0, in)
}

// ResolveHold implements [api.Service]. It is not tried again by itself: a second decision finds the hold resolved, and would not tell by whom.
func (c *Client) ResolveHold(ctx context.Context, in *api.ResolveHoldInput) (*api.ResolveHoldOutput, error) {
	return call[api.ResolveHoldOutput](ctx, c, api.TargetBackstep+"ResolveHold", once, 0, in)
}

// ResolveHolds implements [api.Service].
func (c *Client) ResolveHolds(ctx context.Context, in *api.ResolveHoldsInput) (*api.ResolveHoldsOutput, error) {
	return call[api.ResolveHoldsOutput](ctx, c, api.TargetBackstep+"ResolveHolds", once, 0, in)
}

// CompensateExecution implements [api.Service].
func (c *Client) CompensateExecution(ctx context.Context, in *api.CompensateExecutionInput) (*api.CompensateExecutionOutput, error) {
	return call[api.CompensateExecutionOutput](ctx, c, api.TargetBackstep+"CompensateExecution", once, 0, in)
}

// PreviewAbort implements [api.Service].
func (c *Client) PreviewAbort(ctx context.Context, in *api.PreviewAbortInput) (*api.PreviewAbortOutput, error) {
	return call[api.PreviewAbortOutput](ctx, c, api.TargetBackstep+"PreviewAbort", again, 0, in)
}
