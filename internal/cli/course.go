package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/backstep/backstep/api"
)

// The scenarios of a [Bench].
const (
	scenarioSteps   = "steps"
	scenarioUndone  = "undone"
	scenarioByCatch = "undone-by-catch"
	scenarioExpress = "express"
)

// course is what every client of a bench goes through, over and over.
type course struct {
	svc     api.Service
	machine string // ARN
}

// machine makes the state machine of the measurement, and leaves it.
func (v *Bench) machine(ctx context.Context, svc api.Service) (string, error) {
	definition, err := json.Marshal(v.definition())
	if err != nil {
		return "", err
	}
	in := &api.CreateStateMachineInput{
		Name:       fmt.Sprintf("bench-%s-%d-%s", v.Scenario, v.Steps, time.Now().UTC().Format("20060102-150405.000")),
		Definition: string(definition), RoleArn: "arn:aws:iam::123456789012:role/bench",
	}
	if v.Scenario == scenarioExpress {
		in.Type = api.StateMachineTypeExpress
	}
	out, err := svc.CreateStateMachine(ctx, in)
	if err != nil {
		return "", err
	}
	return out.StateMachineArn, nil
}

// definition is of steps in a row, each handing its function's answer on. An
// undone one fails at the last step, and goes back through all others.
func (v *Bench) definition() map[string]any {
	states := map[string]any{}
	m := map[string]any{"QueryLanguage": "JSONata", "StartAt": "Step1", "States": states}
	if v.Scenario == scenarioExpress {
		for i := range 3 {
			states[step(i+1)] = goOn(map[string]any{"Type": "Pass"}, i+1, 3)
		}
		return m
	}
	if v.Scenario == scenarioUndone {
		m["Saga"] = map[string]any{}
	}
	for i := 1; i <= v.Steps; i++ {
		state := goOn(call(v.Function), i, v.Steps)
		states[step(i)] = state
		switch last := i == v.Steps; {
		case v.Scenario == scenarioSteps:
		case last:
			state["Arguments"].(map[string]any)["FunctionName"] = v.Failing
			if v.Scenario == scenarioByCatch && i > 1 {
				state["Catch"] = []any{map[string]any{"ErrorEquals": []string{"States.ALL"}, "Next": undo(i - 1)}}
			}
		case v.Scenario == scenarioUndone:
			state["Compensate"] = map[string]any{
				"Resource":  "arn:aws:states:::lambda:invoke",
				"Arguments": map[string]any{"FunctionName": v.Function, "Payload": "{% $states.result.Payload %}"},
			}
		default:
			back := call(v.Function)
			back["Next"] = undo(i - 1)
			if i == 1 {
				back["Next"] = "Undone"
			}
			states[undo(i)] = back
		}
	}
	if v.Scenario == scenarioByCatch {
		states["Undone"] = map[string]any{"Type": "Fail", "Error": "Undone"}
	}
	return m
}

// call is a state that hands its input to a function and its answer on.
func call(function string) map[string]any {
	return map[string]any{
		"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "TimeoutSeconds": 60,
		"Arguments": map[string]any{"FunctionName": function, "Payload": "{% $states.input %}"},
		"Output":    "{% $states.result.Payload %}",
	}
}

// goOn leads from the n-th of so many states to the next one, or ends there.
func goOn(state map[string]any, n, of int) map[string]any {
	if n == of {
		state["End"] = true
	} else {
		state["Next"] = step(n + 1)
	}
	return state
}

func step(n int) string { return fmt.Sprintf("Step%d", n) }
func undo(n int) string { return fmt.Sprintf("Undo%d", n) }

// runOf is one saga of the scenario, from its start to its end.
func (c course) runOf(v *Bench) func(ctx context.Context) error {
	input := fmt.Sprintf(`{"padding":%q}`, strings.Repeat("x", max(0, v.Payload-14)))
	if v.Scenario == scenarioExpress {
		return func(ctx context.Context) error { return c.express(ctx, input) }
	}
	want := api.ExecutionStatusSucceeded
	if v.Scenario != scenarioSteps {
		want = api.ExecutionStatusFailed
	}
	return func(ctx context.Context) error { return c.saga(ctx, input, want) }
}

// saga starts one and waits for its end.
func (c course) saga(ctx context.Context, input string, want api.ExecutionStatus) error {
	out, err := c.svc.StartExecution(ctx, &api.StartExecutionInput{StateMachineArn: c.machine, Input: &input})
	if err != nil {
		return err
	}
	end, err := news(ctx, c.svc, out.ExecutionArn, nil)
	if err != nil {
		return err
	}
	if end.Status != want {
		return fmt.Errorf("%s ended %s: %s %s", out.ExecutionArn, end.Status, text(end.Error), text(end.Cause))
	}
	return nil
}

// express runs one, and has its end for an answer.
func (c course) express(ctx context.Context, input string) error {
	out, err := c.svc.StartSyncExecution(ctx, &api.StartSyncExecutionInput{StateMachineArn: c.machine, Input: &input})
	if err != nil {
		return err
	}
	if out.Status != api.SyncExecutionStatusSucceeded {
		return fmt.Errorf("an express execution ended %s: %s %s", out.Status, text(out.Error), text(out.Cause))
	}
	return nil
}
