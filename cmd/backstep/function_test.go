package main

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// A function whose program can't start fails its callers by an error that they
// can catch, and the server's log says which program and why.
func TestFunctionThatCannotStart(t *testing.T) {
	t.Parallel()
	n := serveChild(t, "functions:\n  Desk: {command: [absent/program]}\n")
	s := &sdk{newClient(n, "any", "any"), context.Background(), nil}
	machine := s.create(t, "order", "order", types.StateMachineTypeStandard)
	out := s.ended(t, s.start(t, machine, "one", `{"order": "one"}`))
	if out.Status != types.ExecutionStatusFailed || aws.ToString(out.Error) != "Runtime.InvalidEntrypoint" {
		t.Errorf("it ended as %v with %s", out.Status, aws.ToString(out.Error))
	}
	const why = "absent/program: no such file or directory"
	if !strings.Contains(aws.ToString(out.Cause), why) {
		t.Errorf("the cause is %s", aws.ToString(out.Cause))
	}
	await(t, "the server to say so, too", func() bool {
		return strings.Contains(n.said.String(), `msg="the program does not start" function=Desk error="`+why)
	})
}
