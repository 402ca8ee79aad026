package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/backstep/backstep/api"
)

// Show shows an execution.
type Show struct {
	Execution string `arg:"" help:"The execution: its ARN, or MACHINE:NAME."`
}

// Help is the long help of show.
func (Show) Help() string {
	return `Examples:
  backstep show Order:1001
  backstep show --json arn:aws:states:us-east-1:123456789012:execution:Order:1001`
}

// Run shows it.
func (v *Show) Run(s *session) error {
	svc, arn, err := s.execution(v.Execution)
	if err != nil {
		return err
	}
	x, err := svc.WaitExecution(s.ctx, &api.WaitExecutionInput{ExecutionArn: arn, TimeoutSeconds: new(int32)})
	if err != nil {
		return err
	}
	if s.JSON {
		return s.printJSON(x)
	}
	events, err := eventsAfter(s.ctx, svc, arn, 0)
	if err != nil {
		return err
	}
	stop := ""
	if x.StopDate != nil {
		stop = when(*x.StopDate)
	}
	redriven := ""
	if x.RedriveDate != nil {
		redriven = fmt.Sprintf("%d×, last at %s", *x.RedriveCount, when(*x.RedriveDate))
	}
	fields(s.Stdout,
		"execution", x.ExecutionArn,
		"status", s.status(x.Status),
		"saga", s.sagaShown(executionName(arn), x.SagaStatus),
		"started", when(x.StartDate),
		"ended", stop,
		"took", took(x.StartDate, x.StopDate),
		"redriven", redriven,
		"found by", terms(x.SearchAttributes),
		"path", strings.Join(path(events), " → "),
		"error", text(x.Error),
		"cause", clip(text(x.Cause), 400),
		"input", clip(text(x.Input), 400),
		"output", clip(text(x.Output), 400),
	)
	return nil
}

// terms are search attributes as list takes them behind --where.
func terms(attributes map[string]string) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		all = append(all, name+" = "+quoted(attributes[name]))
	}
	return strings.Join(all, " and ")
}

// quoted is a text as JSON has it.
func quoted(text string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text) // a builder takes all, and a text can be encoded
	return strings.TrimSuffix(b.String(), "\n")
}

// path is the states that were entered, in order; one that failed is marked.
func path(events []api.HistoryEvent) []string {
	var names []string
	for _, e := range events {
		if d := e.StateEnteredEventDetails; d != nil {
			names = append(names, d.Name)
		} else if failureOf(e) != "" && len(names) > 0 && !ends(e) && !strings.HasSuffix(names[len(names)-1], " ✗") {
			names[len(names)-1] += " ✗"
		}
	}
	return names
}

// sagaShown is where sagas stand, and where to look, "" where there are none.
func (s *session) sagaShown(name string, saga api.SagaStatus) string {
	if saga == "" {
		return ""
	}
	return s.sagaStatus(saga) + " (backstep saga show " + name + ")"
}
