package api

import (
	"context"
	"reflect"
	"slices"
)

// Operations is the table of all that a [Service] does, in the order of the interface. The server routes by it; the command line and the
// manual list it.
var Operations = []Operation{
	op("CreateStateMachine", Service.CreateStateMachine),
	op("DescribeStateMachine", Service.DescribeStateMachine),
	op("UpdateStateMachine", Service.UpdateStateMachine),
	op("DeleteStateMachine", Service.DeleteStateMachine),
	op("ListStateMachines", Service.ListStateMachines),
	op("ValidateStateMachineDefinition", Service.ValidateStateMachineDefinition),
	op("PublishStateMachineVersion", Service.PublishStateMachineVersion),
	op("DeleteStateMachineVersion", Service.DeleteStateMachineVersion),
	op("ListStateMachineVersions", Service.ListStateMachineVersions),
	op("CreateStateMachineAlias", Service.CreateStateMachineAlias),
	op("DescribeStateMachineAlias", Service.DescribeStateMachineAlias),
	op("UpdateStateMachineAlias", Service.UpdateStateMachineAlias),
	op("DeleteStateMachineAlias", Service.DeleteStateMachineAlias),
	op("ListStateMachineAliases", Service.ListStateMachineAliases),
	op("StartExecution", Service.StartExecution),
	op("StartSyncExecution", Service.StartSyncExecution),
	op("DescribeExecution", Service.DescribeExecution),
	op("ListExecutions", Service.ListExecutions),
	op("StopExecution", Service.StopExecution),
	op("RedriveExecution", Service.RedriveExecution),
	op("GetExecutionHistory", Service.GetExecutionHistory),
	op("DescribeStateMachineForExecution", Service.DescribeStateMachineForExecution),
	op("TestState", Service.TestState),
	op("CreateActivity", Service.CreateActivity),
	op("DescribeActivity", Service.DescribeActivity),
	op("DeleteActivity", Service.DeleteActivity),
	op("ListActivities", Service.ListActivities),
	op("GetActivityTask", Service.GetActivityTask),
	op("SendTaskSuccess", Service.SendTaskSuccess),
	op("SendTaskFailure", Service.SendTaskFailure),
	op("SendTaskHeartbeat", Service.SendTaskHeartbeat),
	op("TagResource", Service.TagResource),
	op("UntagResource", Service.UntagResource),
	op("ListTagsForResource", Service.ListTagsForResource),
	op("DescribeMapRun", Service.DescribeMapRun),
	op("ListMapRuns", Service.ListMapRuns),
	op("UpdateMapRun", Service.UpdateMapRun),
	op("WaitExecution", Service.WaitExecution),
	op("ExplainExecution", Service.ExplainExecution),
	op("ListNodes", Service.ListNodes),
	op("RedriveWithChanges", Service.RedriveWithChanges),
	op("ListExecutionsWhere", Service.ListExecutionsWhere),
	op("DescribeSaga", Service.DescribeSaga),
	op("ListSagas", Service.ListSagas),
	op("ListHolds", Service.ListHolds),
	op("DescribeHold", Service.DescribeHold),
	op("ResolveHold", Service.ResolveHold),
	op("ResolveHolds", Service.ResolveHolds),
	op("CompensateExecution", Service.CompensateExecution),
	op("PreviewAbort", Service.PreviewAbort),
}

// Prefixes of an operation's name in the header X-Amz-Target.
const (
	TargetAWS      = "AWSStepFunctions." // operations of AWS
	TargetBackstep = "Backstep."         // operations of our own
)

// AWSOperations are the names of all operations of AWS Step Functions, API version 2016-11-23, whether they stand in [Operations] or not.
var AWSOperations = []string{
	"CreateActivity", "CreateStateMachine", "CreateStateMachineAlias", "DeleteActivity", "DeleteStateMachine", "DeleteStateMachineAlias",
	"DeleteStateMachineVersion", "DescribeActivity", "DescribeExecution", "DescribeMapRun", "DescribeStateMachine",
	"DescribeStateMachineAlias", "DescribeStateMachineForExecution", "GetActivityTask", "GetExecutionHistory", "ListActivities",
	"ListExecutions", "ListMapRuns", "ListStateMachineAliases", "ListStateMachineVersions", "ListStateMachines", "ListTagsForResource",
	"PublishStateMachineVersion", "RedriveExecution", "SendTaskFailure", "SendTaskHeartbeat", "SendTaskSuccess", "StartExecution",
	"StartSyncExecution", "StopExecution", "TagResource", "TestState", "UntagResource", "UpdateMapRun", "UpdateStateMachine",
	"UpdateStateMachineAlias", "ValidateStateMachineDefinition",
}

// Operation is one row of the table: a method of [Service] with the name under which it travels.
type Operation struct {
	Name   string       // as in "StartExecution"
	Target string       // as in "AWSStepFunctions.StartExecution"
	Input  reflect.Type // the struct that it takes
	Output reflect.Type // the struct that it answers

	fresh func() any
	call  func(Service, context.Context, any) (any, error)
}

// op makes a row. A name that AWS has is an operation of AWS, any other is our own.
func op[In, Out any](name string, method func(Service, context.Context, *In) (*Out, error)) Operation {
	target := TargetBackstep
	if slices.Contains(AWSOperations, name) {
		target = TargetAWS
	}
	return Operation{
		Name:   name,
		Target: target + name,
		Input:  reflect.TypeFor[In](),
		Output: reflect.TypeFor[Out](),
		fresh:  func() any { return new(In) },
		call: func(s Service, ctx context.Context, in any) (any, error) {
			out, err := method(s, ctx, in.(*In))
			if err != nil {
				return nil, err
			}
			return out, nil
		},
	}
}

// New is a pointer to an empty input of the operation.
func (o Operation) New() any { return o.fresh() }

// Call calls the operation's method. The input must be of the type that [Operation.New] gives; the output is a pointer to the struct of type
// Output, and nil where there is an error.
func (o Operation) Call(ctx context.Context, s Service, in any) (any, error) {
	return o.call(s, ctx, in)
}

// Long says that the operation may hold its answer back for long, waiting for something to happen: 60 seconds, or five minutes for
// StartSyncExecution and TestState.
func (o Operation) Long() bool {
	return o.Name == "GetActivityTask" || o.Name == "WaitExecution" || o.Name == "StartSyncExecution" || o.Name == "TestState"
}
