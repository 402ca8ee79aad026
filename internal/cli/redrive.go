package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/backstep/backstep/api"
)

// Redrive lets an execution go on from where it failed.
type Redrive struct {
	Execution string `arg:"" help:"The execution: its ARN, or MACHINE:NAME."`
	Token     string `help:"A name for this redrive: the same token redrives once." placeholder:"TEXT"`
	Wait      bool   `help:"Show its progress and wait for its end: exit 0 when it SUCCEEDED, 1 when not."`

	By     string            `help:"Go on by another definition of its state machine: latest, a version's number, or an alias." placeholder:"VERSION" group:"What is different"`
	From   string            `help:"Go on from this state of the top level." placeholder:"STATE" group:"What is different"`
	Input  string            `help:"The input of the state in which it goes on. JSON, @FILE, or - for standard input." placeholder:"JSON" group:"What is different"`
	Set    map[string]string `help:"Set a variable before it goes on. The value is JSON." placeholder:"NAME=JSON" group:"What is different"`
	DryRun bool              `help:"Tell what would run, and change nothing." group:"What is different"`
}

// Help is the long help of redrive.
func (Redrive) Help() string {
	return `It FAILED, TIMED_OUT or was ABORTED. What had succeeded is not done again; what
had not is done once more, under the same step ids.

It can go on otherwise: by another definition, from another state, with another
input or other variables. Changes by which the undo of a saga's step would be lost
are refused. Look first, with --dry-run.

Examples:
  backstep redrive Order:1001
  backstep redrive Order:1001 --wait
  backstep redrive Order:1001 --by latest --dry-run
  backstep redrive Order:1001 --from Ship --input @order.json --set 'attempts=0'`
}

// Run redrives it.
func (v *Redrive) Run(s *session) error {
	if v.Wait && v.DryRun {
		return usagef("--dry-run changes nothing: there is no end to wait for")
	}
	svc, arn, err := s.execution(v.Execution)
	if err != nil {
		return err
	}
	before := new(api.WaitExecutionOutput)
	if v.Wait { // what its history has by now is not shown again
		if before, err = svc.WaitExecution(s.ctx, &api.WaitExecutionInput{ExecutionArn: arn, AfterEventId: new(int64)}); err != nil {
			return err
		}
	}
	out, err := v.redrive(s, svc, arn)
	if err != nil {
		return err
	}
	if !v.Wait {
		return v.tell(s, arn, out)
	}
	end, err := s.follow(svc, arn, before.LastEventId, s.progress(arn))
	if errors.Is(err, context.Canceled) {
		fmt.Fprintf(s.Stderr, "  … goes on: backstep show %s\n", executionName(arn))
	}
	if err != nil {
		return err
	}
	return s.outcome(end)
}

// redrive redrives it as on AWS, or with what is different.
func (v *Redrive) redrive(s *session, svc api.Service, arn string) (*api.RedriveWithChangesOutput, error) {
	if v.By == "" && v.From == "" && v.Input == "" && len(v.Set) == 0 && !v.DryRun {
		out, err := svc.RedriveExecution(s.ctx, &api.RedriveExecutionInput{ExecutionArn: arn, ClientToken: given(v.Token)})
		if err != nil {
			return nil, err
		}
		return &api.RedriveWithChangesOutput{RedriveDate: &out.RedriveDate}, nil
	}
	in := &api.RedriveWithChangesInput{ExecutionArn: arn, ClientToken: given(v.Token), StartAt: given(v.From), DryRun: &v.DryRun}
	if v.By != "" {
		of, err := api.ParseARN(arn)
		if err != nil {
			return nil, err
		}
		by := s.machineARN(of.Machine)
		if v.By != "latest" {
			by += ":" + v.By
		}
		in.StateMachineArn = &by
	}
	input, err := s.readInput(v.Input)
	if err != nil {
		return nil, err
	}
	in.Input = given(input)
	if len(v.Set) > 0 {
		variables, err := variablesOf(v.Set)
		if err != nil {
			return nil, err
		}
		in.Variables = &variables
	}
	return svc.RedriveWithChanges(s.ctx, in)
}

// variablesOf is a JSON object of what was set, each as JSON.
func variablesOf(set map[string]string) (string, error) {
	all := make(map[string]jsontext.Value, len(set))
	for name, text := range set {
		v := jsontext.Value(text)
		if !v.IsValid() {
			return "", usagef("--set %s=%s: the value is not JSON; a text stands in quotes", name, text)
		}
		all[name] = v
	}
	b, err := json.Marshal(all, json.Deterministic(true))
	return string(b), err
}

// tell tells of a redrive that nobody waits for.
func (v *Redrive) tell(s *session, arn string, out *api.RedriveWithChangesOutput) error {
	switch {
	case s.JSON && out.States == nil:
		return s.printJSON(&api.RedriveExecutionOutput{RedriveDate: *out.RedriveDate})
	case s.JSON:
		return s.printJSON(out)
	}
	if out.RedriveDate != nil {
		if _, err := fmt.Fprintf(s.Stdout, "%s redriven at %s\n", executionName(arn), when(*out.RedriveDate)); err != nil {
			return err
		}
	}
	for _, state := range out.States {
		how := "is entered"
		if state.Again {
			how = "goes on, under the same step id"
		}
		if _, err := fmt.Fprintf(s.Stdout, "  %s %s\n", state.Name, how); err != nil {
			return err
		}
	}
	if out.Status != "" && out.Status != api.ExecutionStatusRunning {
		_, err := fmt.Fprintf(s.Stdout, "  it is %s at once\n", out.Status)
		return err
	}
	return nil
}
