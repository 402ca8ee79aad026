package client

import (
	"context"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/backstep/backstep/api"
)

// Send asks for an operation by its name, such as "StartExecution", with its input as JSON, for who has no use for the output: an outbox sends by
// it what it has kept. What is sent again must have no further effect; for starts of standard executions a name sees to that, for completions
// their token.
//
// StartExecution answers ExecutionAlreadyExists as soon as the execution of that name has ended. Send looks at it then: where its input is the one
// that is sent, it is what an earlier call has started, and there is no error.
func (c *Client) Send(ctx context.Context, operation string, input []byte) error {
	i := slices.IndexFunc(api.Operations, func(o api.Operation) bool { return o.Name == operation })
	if i < 0 {
		return api.Errorf(api.CodeUnknownOperation, "there is no operation %q", operation)
	}
	in := api.Operations[i].New()
	if err := json.Unmarshal(input, in); err != nil {
		return api.Errorf(api.CodeSerialization, "the input of %s: %v", operation, err)
	}
	_, err := api.Operations[i].Call(ctx, c, in)
	if start, ok := in.(*api.StartExecutionInput); ok && api.CodeOf(err) == api.CodeExecutionAlreadyExists {
		return c.startedBefore(ctx, start, err)
	}
	return err
}

// startedBefore gives nil where the execution whose name is taken is the one that is to be started, else the refusal.
func (c *Client) startedBefore(ctx context.Context, in *api.StartExecutionInput, refusal error) error {
	arn, err := api.ParseARN(in.StateMachineArn)
	if err != nil || in.Name == nil {
		return refusal
	}
	arn.Kind, arn.Name = api.KindExecution, *in.Name
	taken, err := c.DescribeExecution(ctx, &api.DescribeExecutionInput{ExecutionArn: arn.String()})
	if err != nil {
		return err // whose the name is can't be told now
	}
	if taken.Input == nil || *taken.Input != first(value(in.Input), "{}") {
		return refusal
	}
	return nil
}
