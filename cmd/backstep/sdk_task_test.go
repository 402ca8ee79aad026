package main

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// is reports whether an error is one of the SDK's typed ones.
func is[E error](err error) bool {
	var typed E
	return errors.As(err, &typed)
}

func (s *sdk) typedErrors(t *testing.T) {
	machine := aws.String("arn:aws:states:us-east-1:123456789012:stateMachine:order")
	absent := aws.String(*machine + "-absent")
	start := func(machine *string, name, input string) error {
		_, err := s.StartExecution(s.ctx, &sfn.StartExecutionInput{StateMachineArn: machine, Name: &name, Input: &input})
		return err
	}
	create := func(name, definition string) error {
		_, err := s.CreateStateMachine(s.ctx, &sfn.CreateStateMachineInput{Name: &name, Definition: &definition, RoleArn: aws.String(role)})
		return err
	}
	stop := func(arn string) error {
		_, err := s.StopExecution(s.ctx, &sfn.StopExecutionInput{ExecutionArn: &arn})
		return err
	}
	succeed := func(token, output string) error {
		_, err := s.SendTaskSuccess(s.ctx, &sfn.SendTaskSuccessInput{TaskToken: &token, Output: &output})
		return err
	}
	poll := func(arn string) error {
		_, err := s.GetActivityTask(s.ctx, &sfn.GetActivityTaskInput{ActivityArn: &arn})
		return err
	}
	sync := func(machine *string) error {
		_, err := s.StartSyncExecution(s.ctx, &sfn.StartSyncExecutionInput{StateMachineArn: machine})
		return err
	}
	for _, c := range []struct {
		name  string
		err   error
		typed func(error) bool
	}{
		{"the same name again", start(machine, "good", `{"order": "other"}`), is[*types.ExecutionAlreadyExists]},
		{"no such machine", start(absent, "x", `{}`), is[*types.StateMachineDoesNotExist]},
		{"input that is no JSON", start(machine, "x", `{"order"`), is[*types.InvalidExecutionInput]},
		{"no ARN", start(aws.String("order"), "x", `{}`), is[*types.InvalidArn]},
		{"a name with a space", start(machine, "x y", `{}`), is[*types.InvalidName]},
		{"a broken definition", create("broken", `{"StartAt": "Nowhere", "States": {"A": {"Type": "Pass", "End": true}}}`), is[*types.InvalidDefinition]},
		{"another definition", create("order", definition(t, "approval")), is[*types.StateMachineAlreadyExists]},
		{"no such execution", stop("arn:aws:states:us-east-1:123456789012:execution:order:absent"), is[*types.ExecutionDoesNotExist]},
		{"a standard machine, synchronously", sync(machine), is[*types.StateMachineTypeNotSupported]},
		{"no token of ours", succeed("x", `{}`), is[*types.InvalidToken]},
		{"no such activity", poll("arn:aws:states:us-east-1:123456789012:activity:absent"), is[*types.ActivityDoesNotExist]},
	} {
		if !c.typed(c.err) {
			t.Errorf("%s: %v", c.name, c.err)
		}
	}
}

// approvals completes tasks by their tokens.
func (s *sdk) approvals(t *testing.T) {
	machine := s.create(t, "approval", "approval", types.StateMachineTypeStandard)
	yes := s.start(t, machine, "yes", `{"order": "yes"}`)
	token := s.desk.await(t, "yes")
	if _, err := s.SendTaskHeartbeat(s.ctx, &sfn.SendTaskHeartbeatInput{TaskToken: &token}); err != nil {
		t.Error(err)
	}
	_, err := s.SendTaskSuccess(s.ctx, &sfn.SendTaskSuccessInput{TaskToken: &token, Output: aws.String(`{"by"`)})
	if !is[*types.InvalidOutput](err) {
		t.Errorf("output that is no JSON: %v", err)
	}
	if _, err := s.SendTaskSuccess(s.ctx, &sfn.SendTaskSuccessInput{TaskToken: &token, Output: aws.String(`{"by": "Ada"}`)}); err != nil {
		t.Fatal(err)
	}
	if out := s.ended(t, yes); out.Status != types.ExecutionStatusSucceeded || aws.ToString(out.Output) != `{"by": "Ada"}` {
		t.Errorf("it ended as %v with %s", out.Status, aws.ToString(out.Output))
	}
	no := s.start(t, machine, "no", `{"order": "no"}`)
	token = s.desk.await(t, "no")
	if _, err := s.SendTaskFailure(s.ctx, &sfn.SendTaskFailureInput{TaskToken: &token, Error: aws.String("Refused"), Cause: aws.String("too dear")}); err != nil {
		t.Fatal(err)
	}
	if out := s.ended(t, no); out.Status != types.ExecutionStatusFailed || aws.ToString(out.Error) != "Refused" || aws.ToString(out.Cause) != "too dear" {
		t.Errorf("it ended as %+v", out)
	}
}

// activity is worked by a worker that waits before there is work.
func (s *sdk) activity(t *testing.T) {
	made, err := s.CreateActivity(s.ctx, &sfn.CreateActivityInput{Name: aws.String("packers")})
	if err != nil {
		t.Fatal(err)
	}
	worked := make(chan error, 1)
	go func() { worked <- s.work(s.ctx, made.ActivityArn) }()
	machine := s.create(t, "packing", "packing", types.StateMachineTypeStandard)
	execution := s.start(t, machine, "one", `{"item": "ring"}`)
	if err := <-worked; err != nil {
		t.Fatal(err)
	}
	if out := s.ended(t, execution); out.Status != types.ExecutionStatusSucceeded || aws.ToString(out.Output) != `{"packed": {"item": "ring"}}` {
		t.Errorf("it ended as %v with %s", out.Status, aws.ToString(out.Output))
	}
}

// work takes one task and packs what it is given.
func (s *sdk) work(ctx context.Context, activity *string) error {
	task, err := s.GetActivityTask(ctx, &sfn.GetActivityTaskInput{ActivityArn: activity, WorkerName: aws.String("Grace")})
	if err != nil {
		return err
	}
	if _, err := s.SendTaskHeartbeat(ctx, &sfn.SendTaskHeartbeatInput{TaskToken: task.TaskToken}); err != nil {
		return err
	}
	_, err = s.SendTaskSuccess(ctx, &sfn.SendTaskSuccessInput{TaskToken: task.TaskToken, Output: aws.String(`{"packed": ` + aws.ToString(task.Input) + `}`)})
	return err
}
