package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// A task of AWS's SDK that calls Step Functions calls this server, with a key
// that it takes, where the environment names no other.
func TestTasksCallTheServerItself(t *testing.T) {
	t.Parallel()
	n := serveChild(t, keys)
	s := &sdk{newClient(n, keyID, secret), context.Background(), nil}
	machine := s.create(t, "self", "self", types.StateMachineTypeStandard)
	out := s.ended(t, s.start(t, machine, "one", `{"name": "made"}`))
	var got struct {
		Made  struct{ ActivityArn, CreationDate string }
		Error struct{ Error, Cause string }
	}
	if err := json.Unmarshal([]byte(aws.ToString(out.Output)), &got); err != nil {
		t.Fatalf("it ended as %v: %s, %s", out.Status, aws.ToString(out.Error), aws.ToString(out.Cause))
	}
	if !strings.HasSuffix(got.Made.ActivityArn, ":activity:made") || !strings.HasSuffix(got.Made.CreationDate, "Z") {
		t.Errorf("made %+v", got.Made)
	}
	if got.Error.Error != "Sfn.ActivityDoesNotExistException" || !strings.Contains(got.Error.Cause, "(Service: Sfn, Status Code: 400, Request ID: ") {
		t.Errorf("failed with %+v", got.Error)
	}
}

// An action that AWS does not have is refused when the machine is created.
func TestUnknownActions(t *testing.T) {
	t.Parallel()
	n := serveChild(t, "")
	client := newClient(n, "any", "any")
	for _, resource := range []string{
		"arn:aws:states:::aws-sdk:sfn:createActivities", "arn:aws:states:::aws-sdk:stepfunctions:createActivity",
		"arn:aws:states:::glue:stopJobRun.sync", "arn:aws:states:::sqs:sendMessage.sync", "arn:aws:states:::sqs:receiveMessage",
	} {
		text := strings.Replace(definition(t, "self"), "arn:aws:states:::aws-sdk:sfn:createActivity", resource, 1)
		_, err := client.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{Name: aws.String("unknown"), Definition: &text, RoleArn: aws.String(role)})
		var refused *types.InvalidDefinition
		if !errors.As(err, &refused) || !strings.Contains(refused.ErrorMessage(), "The resource provided "+resource+" is not recognized.") {
			t.Errorf("%s: %v", resource, err)
		}
	}
}
