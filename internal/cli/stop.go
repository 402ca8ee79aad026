package cli

import (
	"fmt"

	"github.com/backstep/backstep/api"
)

// Stop stops an execution.
type Stop struct {
	Execution string `arg:"" help:"The execution: its ARN, or MACHINE:NAME."`
	Error     string `help:"An error name that its history keeps." placeholder:"NAME"`
	Cause     string `help:"The reason, for people." placeholder:"TEXT"`
}

// Help is the long help of stop.
func (Stop) Help() string {
	return `It ends as ABORTED. A saga is undone first, unless its definition says otherwise:
backstep saga preview tells what that means. Catches are not run.

Example:
  backstep stop Order:1001 --error Cancelled --cause 'the customer called'`
}

// Run stops it.
func (v *Stop) Run(s *session) error {
	svc, arn, err := s.execution(v.Execution)
	if err != nil {
		return err
	}
	in := &api.StopExecutionInput{ExecutionArn: arn}
	if v.Error != "" {
		in.Error = &v.Error
	}
	if v.Cause != "" {
		in.Cause = &v.Cause
	}
	out, err := svc.StopExecution(s.ctx, in)
	if err != nil {
		return err
	}
	if s.JSON {
		return s.printJSON(out)
	}
	status, saga, err := s.standing(svc, arn)
	if err != nil {
		return err
	}
	switch {
	case saga != "" && !saga.Ended():
		_, err = fmt.Fprintf(s.Stdout, "%s is being undone: %s\n", executionName(arn), s.sagaShown(executionName(arn), saga))
		return err
	case status != api.ExecutionStatusAborted && status != api.ExecutionStatusRunning && status != "":
		_, err = fmt.Fprintf(s.Stdout, "%s has ended before: %s at %s\n", executionName(arn), s.status(status), when(out.StopDate))
		return err
	}
	_, err = fmt.Fprintf(s.Stdout, "%s stopped at %s\n", executionName(arn), when(out.StopDate))
	return err
}
