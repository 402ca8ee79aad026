package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"

	"github.com/backstep/backstep/internal/cli"
	"github.com/backstep/backstep/internal/config"
)

// A server whose quotas are lifted takes what AWS refuses, through states of
// both query languages, up to its own quotas.
func TestLiftedQuotas(t *testing.T) {
	t.Parallel()
	const languages = `{"StartAt": "Path", "States": {
		"Path": {"Type": "Pass", "Assign": {"all.$": "$"}, "Next": "Query"},
		"Query": {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% $all & '' %}", "End": true}}}`
	for quotas, longest := range map[string]int{"aws": 262_144, "lifted": 1 << 20} {
		n := serveChild(t, "limits: {quotas: "+quotas+"}\n")
		s := &sdk{newClient(n, "any", "any"), context.Background(), nil}
		made, err := s.CreateStateMachine(s.ctx, &sfn.CreateStateMachineInput{Name: aws.String("long"), Definition: aws.String(languages), RoleArn: aws.String(role)})
		if err != nil {
			t.Fatal(err)
		}
		input := `"` + strings.Repeat("x", longest-2) + `"`
		if out := s.ended(t, s.start(t, made.StateMachineArn, "longest", input)); out.Status != types.ExecutionStatusSucceeded || aws.ToString(out.Output) != input {
			t.Errorf("%s: %d bytes ended as %v, %.200s, with %d bytes", quotas, longest, out.Status, aws.ToString(out.Cause), len(aws.ToString(out.Output)))
		}
		_, err = s.StartExecution(s.ctx, &sfn.StartExecutionInput{StateMachineArn: made.StateMachineArn, Input: aws.String(input + " ")})
		var refused smithy.APIError
		if !errors.As(err, &refused) || refused.ErrorCode() != "ValidationException" {
			t.Errorf("%s: %d bytes: %v", quotas, longest+1, err)
		}
	}
}

// What is throttled is refused with AWS's error, and has no effect.
func TestThrottle(t *testing.T) {
	t.Parallel()
	n := serveChild(t, "limits: {throttle: {CreateActivity: {per_second: 1, burst: 1}}}\n")
	s := sfn.New(newClient(n, "any", "any").Options(), func(o *sfn.Options) { o.Retryer = aws.NopRetryer{} })
	_, first := s.CreateActivity(context.Background(), &sfn.CreateActivityInput{Name: aws.String("a")})
	_, second := s.CreateActivity(context.Background(), &sfn.CreateActivityInput{Name: aws.String("b")})
	var refused smithy.APIError
	if first != nil || !errors.As(second, &refused) || refused.ErrorCode() != "ThrottlingException" {
		t.Errorf("the first: %v; the second: %v", first, second)
	}
	out, err := s.ListActivities(context.Background(), &sfn.ListActivitiesInput{})
	if err != nil || len(out.Activities) != 1 {
		t.Errorf("%+v, %v", out, err)
	}
}

// Strictly AWS takes definitions in JSON alone.
func TestStrictAWS(t *testing.T) {
	t.Parallel()
	n := serveChild(t, "strict_aws: true\n")
	s := newClient(n, "any", "any")
	for text, taken := range map[string]bool{"StartAt: P\nStates:\n  P: {Type: Pass, End: true}\n": false, `{"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}`: true} {
		_, err := s.CreateStateMachine(context.Background(), &sfn.CreateStateMachineInput{Name: aws.String("m"), Definition: &text, RoleArn: aws.String(role)})
		if (err == nil) != taken || err != nil && !is[*types.InvalidDefinition](err) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Flags win over the configuration.
func TestFlagsOfLimits(t *testing.T) {
	file := configFile(t, "limits: {quotas: lifted}\n")
	for _, c := range []struct {
		flags  cli.Serve
		quotas string
		strict bool
	}{
		{cli.Serve{}, "", false},
		{cli.Serve{Config: file}, config.QuotasLifted, false},
		{cli.Serve{Config: file, Limits: config.QuotasAWS, Strict: true}, config.QuotasAWS, true},
	} {
		got, err := settings(c.flags)
		if err != nil || got.Limits.Quotas != c.quotas || got.StrictAWS != c.strict {
			t.Errorf("%+v: %+v, %v", c.flags, got, err)
		}
	}
}
