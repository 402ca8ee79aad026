package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/backstep/backstep/api"
)

// Start starts an execution.
type Start struct {
	Machine string `arg:"" help:"The state machine: its name, name:version, or ARN; #CASE behind it runs a test case of the server's mocks."`
	Input   string `help:"JSON, @FILE, or - for standard input." default:"{}" placeholder:"JSON"`
	Name    string `help:"The execution's name; a UUID where none is given. The same name starts once."`
	Wait    bool   `help:"Show its progress and wait for its end: exit 0 when it SUCCEEDED, 1 when not."`
}

// Help is the long help of start.
func (Start) Help() string {
	return `Examples:
  backstep start Order --input '{"order_id":"1001"}' --name 1001
  backstep start Order --input @order.json --wait
  cat order.json | backstep start Order --input -
  backstep start Order#CardDeclined --wait`
}

// Run starts it.
func (v *Start) Run(s *session) error {
	svc, err := s.service()
	if err != nil {
		return err
	}
	input, err := s.readInput(v.Input)
	if err != nil {
		return err
	}
	in := &api.StartExecutionInput{StateMachineArn: s.machineARN(v.Machine), Input: &input}
	if v.Name != "" {
		in.Name = &v.Name
	}
	out, err := svc.StartExecution(s.ctx, in)
	if err != nil {
		return err
	}
	if !v.Wait {
		if s.JSON {
			return s.printJSON(out)
		}
		_, err = fmt.Fprintln(s.Stdout, out.ExecutionArn)
		return err
	}
	fmt.Fprintln(s.Stderr, out.ExecutionArn)
	end, err := s.follow(svc, out.ExecutionArn, 0, s.progress(out.ExecutionArn))
	if errors.Is(err, context.Canceled) {
		fmt.Fprintf(s.Stderr, "  … goes on: backstep show %s\n", executionName(out.ExecutionArn))
	}
	if err != nil {
		return err
	}
	return s.outcome(end)
}

// outcome prints how an execution ended; errNo unless it SUCCEEDED.
func (s *session) outcome(end *api.DescribeExecutionOutput) error {
	if s.JSON {
		if err := s.printJSON(end); err != nil {
			return err
		}
	} else if end.Status == api.ExecutionStatusSucceeded {
		fmt.Fprintln(s.Stdout, text(end.Output))
	} else {
		why := strings.Trim(text(end.Error)+": "+said(end.Cause), ": ")
		fmt.Fprintln(s.Stderr, strings.TrimSpace(s.status(end.Status)+" "+why))
	}
	if end.Status != api.ExecutionStatusSucceeded {
		return errNo
	}
	return nil
}

// progress shows events as lines on standard error while they come.
func (s *session) progress(arn string) func(api.HistoryEvent) {
	began := map[string]api.Timestamp{}
	failed := map[int64]bool{} // events that tell of an error
	return func(e api.HistoryEvent) {
		if d := e.StateEnteredEventDetails; d != nil {
			began[d.Name] = e.Timestamp
			fmt.Fprintf(s.Stderr, "  → %s\n", d.Name)
		} else if d := e.StateExitedEventDetails; d != nil {
			mark := "✓"
			if failed[e.PreviousEventId] {
				mark = "↩" // the error was caught
			}
			line := "  " + mark + " " + d.Name
			if at, known := began[d.Name]; known { // else it was entered before a redrive
				line += " " + took(at, &e.Timestamp)
			}
			fmt.Fprintln(s.Stderr, line)
		} else if d := e.ExecutionRedrivenEventDetails; d != nil {
			fmt.Fprintln(s.Stderr, "  ↻ redriven")
		} else if d := e.SagaEventDetails; d != nil {
			s.sagaProgress(arn, e.Type, d)
		} else if name := failureOf(e); name != "" && !ends(e) {
			failed[e.Id] = true
			fmt.Fprintf(s.Stderr, "  %s %s\n", s.paint(red, "✗"), name)
		}
	}
}

// sagaProgress shows what happened to a saga.
func (s *session) sagaProgress(arn string, what api.HistoryEventType, d *api.SagaEventDetails) {
	switch what {
	case api.HistoryEventTypeSagaAborting:
		fmt.Fprintln(s.Stderr, strings.TrimSuffix("  ↩ undoes what was done: "+text(d.Error), ": "))
	case api.HistoryEventTypeSagaHeld:
		fmt.Fprintf(s.Stderr, "  %s %s %s waits for you: %s (backstep hold show %s %s)\n",
			s.paint(red, "⏸"), text(d.StateName), d.Operation, text(d.Error), executionName(arn), text(d.HoldId))
	case api.HistoryEventTypeSagaResolved:
		fmt.Fprintf(s.Stderr, "  ▶ %s by %s: %s\n", d.Verb, text(d.Operator), text(d.Reason))
	case api.HistoryEventTypeSagaEnded:
		fmt.Fprintf(s.Stderr, "  ■ the saga is %s\n", s.sagaStatus(d.Status))
	}
}
