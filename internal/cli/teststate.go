package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/backstep/backstep/api"
)

// TestState tries one state out, without a server.
type TestState struct {
	File      string `arg:"" help:"The definition in JSON: a state, or a state machine; - is standard input."`
	State     string `help:"The state of the machine that is tried out." placeholder:"NAME"`
	Input     string `help:"JSON, or @FILE." default:"{}" placeholder:"JSON"`
	Variables string `help:"The variables that are assigned before, as a JSON object." placeholder:"JSON"`
	Context   string `help:"What stands for the context object." placeholder:"JSON"`
	Result    string `help:"What stands for the state's work: its result." xor:"mock" placeholder:"JSON"`
	Error     string `help:"What stands for the state's work: the error by which it fails." xor:"mock" placeholder:"NAME"`
	Cause     string `help:"The cause of that error." placeholder:"TEXT"`
	Check     string `help:"How a result is held against what AWS answers: STRICT, nothing may be missing; PRESENT; NONE." enum:",STRICT,PRESENT,NONE" default:"" placeholder:"STRICT|PRESENT|NONE"`
	Retries   int32  `help:"How often the retrier concerned has retried already." placeholder:"N"`
	CausedBy  string `help:"The state of a Map or a Parallel in which that error arose." placeholder:"NAME"`
	Items     string `help:"What a Map's ItemReader has read, as it stands in its source: a text, or @FILE." placeholder:"TEXT"`
	Failures  int32  `help:"How many of a Map's iterations have failed." placeholder:"N"`
	Inspect   bool   `help:"Show the data at each stage."`
	Config    string `help:"Configuration: the functions, topics and connections that a task without --result is called by." env:"BACKSTEP_CONFIG" type:"path" placeholder:"FILE"`

	// Region and Account are the global flags, "" where they were not given.
	Region  string `kong:"-"`
	Account string `kong:"-"`
}

// Help is the long help of test-state.
func (TestState) Help() string {
	return `Exit 0 when the state succeeds, 1 when it fails, is retried or caught. A Parallel,
a Map, an activity, a callback and a nested execution need --result or --error.

Examples:
  backstep test-state order.asl.json --state Debit --input @order.json --result '{"Payload":{}}'
  backstep test-state order.asl.json --state Debit --error CardDeclined --inspect
  backstep test-state import.asl.json --state EachLine --items @lines.csv --result '[1,2]' --inspect
  backstep test-state order.asl.json --state Debit --config backstep.yaml`
}

// Run tries it out.
func (v *TestState) Run(s *session) error {
	text, err := s.readDefinition(v.File)
	if err != nil {
		return &UsageError{err}
	}
	input, err := s.readInput(v.Input)
	if err != nil {
		return err
	}
	items := ""
	if v.Items != "" {
		if items, err = s.readInput(v.Items); err != nil {
			return err
		}
	}
	flags := *v
	flags.Region, flags.Account = s.Region, s.Account
	out, err := s.Tools.TestState(s.ctx, flags, v.request(string(text), strings.TrimSpace(input), items))
	var refused *api.Error
	if errors.As(err, &refused) {
		return &UsageError{err}
	}
	if err != nil {
		return err
	}
	if err := s.printTrial(out); err != nil {
		return err
	}
	if out.Status != api.TestExecutionStatusSucceeded {
		return errNo
	}
	return nil
}

// request is what the flags ask for.
func (v *TestState) request(definition, input, items string) *api.TestStateInput {
	in := &api.TestStateInput{
		Definition: definition, Input: &input, StateName: given(v.State), Variables: given(v.Variables), Context: given(v.Context),
	}
	switch {
	case v.Result != "":
		in.Mock = &api.MockInput{Result: &v.Result, FieldValidationMode: api.MockResponseValidationMode(v.Check)}
	case v.Error != "":
		in.Mock = &api.MockInput{ErrorOutput: &api.MockErrorOutput{Error: &v.Error, Cause: given(v.Cause)}}
	}
	c := api.TestStateConfiguration{ErrorCausedByState: given(v.CausedBy), MapItemReaderData: given(items)}
	if v.Retries > 0 {
		c.RetrierRetryCount = &v.Retries
	}
	if v.Failures > 0 {
		c.MapIterationFailureCount = &v.Failures
	}
	if c != (api.TestStateConfiguration{}) {
		in.StateConfiguration = &c
	}
	if v.Inspect {
		in.InspectionLevel = api.InspectionLevelTrace
	}
	return in
}

// given is nil for a flag that was not given.
func given(flag string) *string {
	if flag == "" {
		return nil
	}
	return &flag
}

// printTrial prints what came of a state.
func (s *session) printTrial(out *api.TestStateOutput) error {
	if s.JSON {
		return s.printJSON(out)
	}
	status := string(out.Status)
	if out.Status == api.TestExecutionStatusSucceeded {
		status = s.paint(green, status)
	} else {
		status = s.paint(red, status)
	}
	fields(s.Stdout, "status", status, "next", text(out.NextState), "error", text(out.Error), "cause", text(out.Cause), "output", text(out.Output))
	d := out.InspectionData
	if d == nil {
		return nil
	}
	fmt.Fprintln(s.Stdout)
	fields(s.Stdout,
		"input", text(d.Input), "after InputPath", text(d.AfterInputPath), "after Parameters", text(d.AfterParameters),
		"after Arguments", text(d.AfterArguments), "after ItemsPath", text(d.AfterItemsPath), "after ItemsPointer", text(d.AfterItemsPointer),
		"after ItemSelector", text(d.AfterItemSelector), "after ItemBatcher", text(d.AfterItemBatcher),
		"result", text(d.Result), "after ResultSelector", text(d.AfterResultSelector), "after ResultPath", text(d.AfterResultPath),
		"variables", text(d.Variables), "handled by", handler(d.ErrorDetails),
	)
	return nil
}

// handler says who took an error.
func handler(d *api.InspectionErrorDetails) string {
	switch {
	case d == nil:
		return ""
	case d.CatchIndex != nil:
		return fmt.Sprintf("Catch %d", *d.CatchIndex)
	case d.RetryBackoffIntervalSeconds != nil:
		return fmt.Sprintf("Retry %d, after %d s", *d.RetryIndex, *d.RetryBackoffIntervalSeconds)
	}
	return fmt.Sprintf("Retry %d, which has no retry left", *d.RetryIndex)
}
