package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/backstep/backstep/api"
)

// Start starts an execution.
type Start struct {
	Machine string `arg:"" help:"The state machine: its name, name:version, or ARN."`
	Input   string `help:"JSON, @FILE, or - for standard input." default:"{}" placeholder:"JSON"`
	Name    string `help:"The execution's name; a UUID where none is given. The same name starts once."`
	Wait    bool   `help:"Show its progress and wait for its end: exit 0 when it SUCCEEDED, 1 when not."`
}

// Help is the long help of start.
func (Start) Help() string {
	return `Examples:
  backstep start Order --input '{"order_id":"1001"}' --name 1001
  backstep start Order --input @order.json --wait
  cat order.json | backstep start Order --input -`
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
	end, err := s.follow(svc, out.ExecutionArn, s.progress())
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
		fmt.Fprintln(s.Stderr, strings.TrimSpace(fmt.Sprintf("%s %s: %s", s.status(end.Status), text(end.Error), text(end.Cause))))
	}
	if end.Status != api.ExecutionStatusSucceeded {
		return errNo
	}
	return nil
}

// progress shows events as lines on standard error while they come.
func (s *session) progress() func(api.HistoryEvent) {
	began := map[string]api.Timestamp{}
	return func(e api.HistoryEvent) {
		if d := e.StateEnteredEventDetails; d != nil {
			began[d.Name] = e.Timestamp
			fmt.Fprintf(s.Stderr, "  → %s\n", d.Name)
		} else if d := e.StateExitedEventDetails; d != nil {
			fmt.Fprintf(s.Stderr, "  ✓ %s %s\n", d.Name, took(began[d.Name], &e.Timestamp))
		} else if name := failureOf(e); name != "" && e.ExecutionFailedEventDetails == nil {
			fmt.Fprintf(s.Stderr, "  %s %s\n", s.paint(red, "✗"), name)
		}
	}
}

// failureOf is the error that an event tells of, or "".
func failureOf(e api.HistoryEvent) string {
	for _, d := range []*api.FailureEventDetails{
		e.LambdaFunctionFailedEventDetails, e.LambdaFunctionTimedOutEventDetails, e.LambdaFunctionScheduleFailedEventDetails,
		e.ActivityFailedEventDetails, e.ActivityTimedOutEventDetails, e.ExecutionFailedEventDetails, e.ExecutionAbortedEventDetails,
		e.ExecutionTimedOutEventDetails,
	} {
		if d != nil {
			return text(d.Error)
		}
	}
	for _, d := range []*api.TaskFailureEventDetails{e.TaskFailedEventDetails, e.TaskTimedOutEventDetails, e.TaskSubmitFailedEventDetails, e.TaskStartFailedEventDetails} {
		if d != nil {
			return text(d.Error)
		}
	}
	if d := e.EvaluationFailedEventDetails; d != nil {
		return text(d.Error)
	}
	return ""
}

// follow hands each event of an execution to show, the first one first, until
// it has ended.
func (s *session) follow(svc api.Service, arn string, show func(api.HistoryEvent)) (*api.DescribeExecutionOutput, error) {
	var last int64
	for {
		wait, err := svc.WaitExecution(s.ctx, &api.WaitExecutionInput{ExecutionArn: arn, AfterEventId: &last})
		if err != nil {
			return nil, err
		}
		if wait.LastEventId > last {
			events, err := history(s.ctx, svc, arn, last)
			if err != nil {
				return nil, err
			}
			for _, e := range events {
				show(e)
				last = e.Id
			}
		}
		if wait.Status.Ended() && last >= wait.LastEventId {
			return &wait.DescribeExecutionOutput, nil
		}
	}
}

// history is all events after the one given.
func history(ctx context.Context, svc api.Service, arn string, after int64) ([]api.HistoryEvent, error) {
	var events []api.HistoryEvent
	in := &api.GetExecutionHistoryInput{ExecutionArn: arn, MaxResults: 1000}
	for {
		page, err := svc.GetExecutionHistory(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, e := range page.Events {
			if e.Id > after {
				events = append(events, e)
			}
		}
		if page.NextToken == nil {
			return events, nil
		}
		in.NextToken = page.NextToken
	}
}

// Show shows an execution.
type Show struct {
	Execution string `arg:"" help:"The execution: its ARN, or MACHINE:NAME."`
}

// Run shows it.
func (v *Show) Run(s *session) error {
	svc, err := s.service()
	if err != nil {
		return err
	}
	arn, err := s.executionARN(v.Execution)
	if err != nil {
		return err
	}
	x, err := svc.DescribeExecution(s.ctx, &api.DescribeExecutionInput{ExecutionArn: arn})
	if err != nil {
		return err
	}
	if s.JSON {
		return s.printJSON(x)
	}
	events, err := history(s.ctx, svc, arn, 0)
	if err != nil {
		return err
	}
	stop := ""
	if x.StopDate != nil {
		stop = when(*x.StopDate)
	}
	fields(s.Stdout,
		"execution", x.ExecutionArn,
		"status", s.status(x.Status),
		"started", when(x.StartDate),
		"ended", stop,
		"took", took(x.StartDate, x.StopDate),
		"path", strings.Join(path(events), " → "),
		"error", text(x.Error),
		"cause", clip(text(x.Cause), 400),
		"input", clip(text(x.Input), 400),
		"output", clip(text(x.Output), 400),
	)
	return nil
}

// path is the states that were entered, in order; one that failed is marked.
func path(events []api.HistoryEvent) []string {
	var names []string
	for _, e := range events {
		if d := e.StateEnteredEventDetails; d != nil {
			names = append(names, d.Name)
		} else if failureOf(e) != "" && len(names) > 0 && e.ExecutionFailedEventDetails == nil && !strings.HasSuffix(names[len(names)-1], " ✗") {
			names[len(names)-1] += " ✗"
		}
	}
	return names
}

// History prints an execution's events.
type History struct {
	Execution string `arg:"" help:"The execution: its ARN, or MACHINE:NAME."`
	Follow    bool   `short:"f" help:"Go on printing until it has ended."`
	Reverse   bool   `help:"The last event first." xor:"order"`
	Full      bool   `help:"Print inputs and outputs whole."`
}

// Run prints them.
func (v *History) Run(s *session) error {
	svc, err := s.service()
	if err != nil {
		return err
	}
	arn, err := s.executionARN(v.Execution)
	if err != nil {
		return err
	}
	if v.Follow {
		_, err := s.follow(svc, arn, func(e api.HistoryEvent) { v.print(s, e) })
		return err
	}
	events, err := history(s.ctx, svc, arn, 0)
	if err != nil {
		return err
	}
	if s.JSON && !v.Reverse {
		return s.printJSON(events)
	}
	for i := range events {
		if v.Reverse {
			v.print(s, events[len(events)-1-i])
		} else {
			v.print(s, events[i])
		}
	}
	return nil
}

// print prints an event as a line, or as a JSON object.
func (v *History) print(s *session, e api.HistoryEvent) {
	if s.JSON {
		b, _ := json.Marshal(e)
		fmt.Fprintln(s.Stdout, string(b))
		return
	}
	details := detailsOf(e)
	if !v.Full {
		details = clip(details, 120)
	}
	fmt.Fprintf(s.Stdout, "%5d  %s  %-28s %s\n", e.Id, e.Timestamp.Time().Local().Format("15:04:05.000"), e.Type, details)
}

// detailsOf is an event's one details member as JSON, or "".
func detailsOf(e api.HistoryEvent) string {
	b, err := json.Marshal(e)
	if err != nil {
		return ""
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(b, &members) != nil {
		return ""
	}
	for name, member := range members {
		if strings.HasSuffix(name, "EventDetails") {
			return string(member)
		}
	}
	return ""
}

// Stop stops an execution.
type Stop struct {
	Execution string `arg:"" help:"The execution: its ARN, or MACHINE:NAME."`
	Error     string `help:"An error name that its history keeps." placeholder:"NAME"`
	Cause     string `help:"The reason, for people." placeholder:"TEXT"`
}

// Run stops it.
func (v *Stop) Run(s *session) error {
	svc, err := s.service()
	if err != nil {
		return err
	}
	arn, err := s.executionARN(v.Execution)
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
	_, err = fmt.Fprintf(s.Stdout, "%s stopped at %s\n", executionName(arn), when(out.StopDate))
	return err
}

// List lists state machines or executions.
type List struct {
	Machine string `arg:"" optional:"" help:"List this state machine's executions: its name or ARN."`
	Status  string `help:"Only executions of this status: RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED."`
	Max     int    `help:"At most so many." default:"100"`
}

// Run lists them, the newest execution first.
func (v *List) Run(s *session) error {
	svc, err := s.service()
	if err != nil {
		return err
	}
	if v.Max < 1 {
		return usagef("--max is 1 or more")
	}
	if v.Machine == "" {
		if v.Status != "" {
			return usagef("--status needs a state machine: backstep list MACHINE --status %s", v.Status)
		}
		return v.machines(s, svc)
	}
	return v.executions(s, svc)
}

func (v *List) machines(s *session, svc api.Service) error {
	items := []api.StateMachineListItem{}
	in := &api.ListStateMachinesInput{MaxResults: int32(min(v.Max, 1000))}
	for len(items) < v.Max {
		page, err := svc.ListStateMachines(s.ctx, in)
		if err != nil {
			return err
		}
		items = append(items, page.StateMachines...)
		if in.NextToken = page.NextToken; in.NextToken == nil {
			break
		}
	}
	items = items[:min(len(items), v.Max)]
	if s.JSON {
		return s.printJSON(items)
	}
	rows := [][]string{{"NAME", "TYPE", "CREATED"}}
	for _, m := range items {
		rows = append(rows, []string{m.Name, string(m.Type), when(m.CreationDate)})
	}
	table(s.Stdout, rows)
	return nil
}

func (v *List) executions(s *session, svc api.Service) error {
	arn := s.machineARN(v.Machine)
	items := []api.ExecutionListItem{}
	in := &api.ListExecutionsInput{StateMachineArn: &arn, StatusFilter: api.ExecutionStatus(v.Status), MaxResults: int32(min(v.Max, 1000))}
	for len(items) < v.Max {
		page, err := svc.ListExecutions(s.ctx, in)
		if err != nil {
			return err
		}
		items = append(items, page.Executions...)
		if in.NextToken = page.NextToken; in.NextToken == nil {
			break
		}
	}
	items = items[:min(len(items), v.Max)]
	if s.JSON {
		return s.printJSON(items)
	}
	rows := [][]string{{"NAME", "STATUS", "STARTED", "TOOK"}}
	for _, x := range items {
		rows = append(rows, []string{x.Name, string(x.Status), when(x.StartDate), took(x.StartDate, x.StopDate)})
	}
	table(s.Stdout, rows)
	return nil
}
