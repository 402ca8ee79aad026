package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/backstep/backstep/api"
)

// Redrive lets an execution go on from where it failed.
type Redrive struct {
	Execution string `arg:"" help:"The execution: its ARN, or MACHINE:NAME."`
	Token     string `help:"A name for this redrive: the same token redrives once." placeholder:"TEXT"`
	Wait      bool   `help:"Show its progress and wait for its end: exit 0 when it SUCCEEDED, 1 when not."`
}

// Help is the long help of redrive.
func (Redrive) Help() string {
	return `It FAILED, TIMED_OUT or was ABORTED. What had succeeded is not done again; what
had not is done once more, under the same step ids.

Examples:
  backstep redrive Order:1001
  backstep redrive Order:1001 --wait`
}

// Run redrives it.
func (v *Redrive) Run(s *session) error {
	svc, arn, err := s.execution(v.Execution)
	if err != nil {
		return err
	}
	in := &api.RedriveExecutionInput{ExecutionArn: arn}
	if v.Token != "" {
		in.ClientToken = &v.Token
	}
	before := new(api.WaitExecutionOutput)
	if v.Wait { // what its history has by now is not shown again
		if before, err = svc.WaitExecution(s.ctx, &api.WaitExecutionInput{ExecutionArn: arn, AfterEventId: new(int64)}); err != nil {
			return err
		}
	}
	out, err := svc.RedriveExecution(s.ctx, in)
	if err != nil {
		return err
	}
	if !v.Wait {
		if s.JSON {
			return s.printJSON(out)
		}
		_, err = fmt.Fprintf(s.Stdout, "%s redriven at %s\n", executionName(arn), when(out.RedriveDate))
		return err
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
