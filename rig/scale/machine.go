package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/backstep/backstep/api"
)

const steps = 5

// sagaOf is a saga of five steps, each handing its function's answer on.
func sagaOf(function string) string {
	states := map[string]any{}
	for i := 1; i <= steps; i++ {
		state := map[string]any{
			"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "TimeoutSeconds": 60,
			"Arguments": map[string]any{"FunctionName": function, "Payload": "{% $states.input %}"},
			"Output":    "{% $states.result.Payload %}",
		}
		if i < steps {
			state["Next"] = fmt.Sprintf("Step%d", i+1)
		} else {
			state["End"] = true
		}
		states[fmt.Sprintf("Step%d", i)] = state
	}
	return definition(map[string]any{"QueryLanguage": "JSONata", "StartAt": "Step1", "States": states})
}

// waiting waits until the time that its input tells.
var waiting = definition(map[string]any{"QueryLanguage": "JSONata", "StartAt": "Wait", "States": map[string]any{
	"Wait": map[string]any{"Type": "Wait", "Timestamp": "{% $states.input.at %}", "End": true},
}})

// calledBack waits for its token.
var calledBack = definition(map[string]any{"QueryLanguage": "JSONata", "StartAt": "Ask", "States": map[string]any{
	"Ask": map[string]any{
		"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken", "End": true,
		"Arguments": map[string]any{"FunctionName": tokenFunction, "Payload": map[string]any{"Token": "{% $states.context.Task.Token %}"}},
	},
}})

// passing ends at once.
var passing = definition(map[string]any{"StartAt": "Pass", "States": map[string]any{"Pass": map[string]any{"Type": "Pass", "End": true}}})

func definition(d map[string]any) string {
	text, err := json.Marshal(d)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// machine makes a state machine, or finds the same, and gives its ARN.
func (s *server) machine(ctx context.Context, name, definition string) (string, error) {
	out, err := s.CreateStateMachine(ctx, &api.CreateStateMachineInput{Name: name, Definition: definition, RoleArn: "arn:aws:iam::123456789012:role/scale"})
	if err != nil {
		return "", err
	}
	return out.StateMachineArn, nil
}

// mocked is a test case of the saga in which each step answers with so many bytes.
func (s *service) mocked(machine string, bytes int) string {
	cases, responses := map[string]any{}, map[string]any{}
	for i := 1; i <= steps; i++ {
		cases[fmt.Sprintf("Step%d", i)] = fmt.Sprintf("Answer%d", i)
		responses[fmt.Sprintf("Answer%d", i)] = map[string]any{"0": map[string]any{"Return": map[string]any{
			"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": json.RawMessage(s.text(bytes)),
		}}}
	}
	return definition(map[string]any{
		"StateMachines":   map[string]any{machine: map[string]any{"TestCases": map[string]any{"Fill": cases}}},
		"MockedResponses": responses,
	})
}
