package service_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/integration/mock"
	"github.com/backstep/backstep/internal/service"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/backstep/backstep/internal/value"
)

// examples are the state machines and test cases of the manual.
const examples = "../../examples/mocks/"

// stage is a service in which executions run test cases, over a store that
// outlives it.
type stage struct {
	*service.Service
	store *storetest.Memory
	calls atomic.Int64 // of integrations, for real
	leave func()
}

// Call is every integration.
func (s *stage) Call(context.Context, integration.Task) (value.Text, error) {
	s.calls.Add(1)
	return value.Checked(`{"real":true}`), nil
}

// open opens the stage, with the mock configuration of a file; "": without one.
func (s *stage) open(t *testing.T, mocks string) {
	t.Helper()
	registry := new(integration.Registry)
	registry.Add("lambda", "*", s, integration.RequestResponse)
	registry.Add("sqs", "sendMessage", s, integration.RequestResponse, integration.WaitForTaskToken)
	opened := s.store.Open()
	catalog := service.NewCatalog(opened, registry)
	cfg := service.Config{Store: opened, Catalog: catalog, Account: account, Region: region, Now: time.Now, NewUUID: func() string { return "u" }}
	var config *mock.Config
	if mocks != "" {
		var err error
		if config, err = mock.Read(mocks); err != nil {
			t.Fatal(err)
		}
		cfg.Mocks, catalog.Mocked = config, true
	}
	registry.Front(config)
	ctx, cancel := context.WithCancel(context.Background())
	var err error
	if cfg.Engine, err = engine.Open(ctx, engine.Config{Store: opened, Registry: registry, Machines: catalog.Machine, Exclusive: true}); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cfg.Engine.Run(ctx) }()
	for !cfg.Engine.Ready() {
		time.Sleep(time.Millisecond)
	}
	s.Service = service.New(cfg)
	s.leave = func() {
		cancel()
		<-done
		opened.Close()
	}
}

func newStage(t *testing.T, mocks string) *stage {
	s := &stage{store: storetest.NewMemory(storetest.MemoryOptions{})}
	s.open(t, mocks)
	t.Cleanup(func() { s.leave() })
	return s
}

// told is a mock configuration of a test's own.
func told(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "MockConfigFile.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func example(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(examples + name + ".asl.json")
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(`"IntervalSeconds": 2`, `"IntervalSeconds": 1`, `"BackoffRate": 2`, `"BackoffRate": 1`).Replace(string(text))
}

// path is the way that an execution took: of states their names, of errors
// theirs, and of tasks what history says of them.
func path(t *testing.T, svc api.Service, execution string) string {
	t.Helper()
	out, err := svc.GetExecutionHistory(t.Context(), &api.GetExecutionHistoryInput{ExecutionArn: execution})
	if err != nil {
		t.Fatal(err)
	}
	var steps []string
	for _, e := range out.Events {
		switch {
		case e.StateEnteredEventDetails != nil:
			steps = append(steps, e.StateEnteredEventDetails.Name)
		case e.TaskFailedEventDetails != nil:
			steps = append(steps, "!"+*e.TaskFailedEventDetails.Error)
		case e.TaskSucceededEventDetails != nil:
			steps = append(steps, "="+*e.TaskSucceededEventDetails.Output)
		}
	}
	return strings.Join(steps, " ")
}

// ended is how an execution ended.
func ended(t *testing.T, svc api.Service, execution string) string {
	t.Helper()
	out := await(t, svc, execution)
	switch {
	case out.Output != nil:
		return *out.Output
	case out.Cause != nil:
		return *out.Error + ": " + *out.Cause
	}
	return string(out.Status)
}

// TestDocumentedTestCases runs the example of AWS's manual of Step Functions
// Local, and one that waits for a callback.
func TestDocumentedTestCases(t *testing.T) {
	t.Parallel()
	s := newStage(t, examples+"MockConfigFile.json")
	const (
		hello = `{"StatusCode":200,"Payload":{"StatusCode":200,"body":"Hello from Lambda!"}}`
		sent  = `{"MD5OfMessageBody":"3bcb6e8e-7h85-4375-b0bc-1a59812c6e51","MessageId":"3bcb6e8e-8b51-4375-b0bc-1a59812c6e51"}`
	)
	for _, c := range []struct {
		machine, testCase string
		path, end         string
		calls             int64
	}{
		{"LambdaSQSIntegration", "HappyPath", "LambdaState =" + hello + " SQSState =" + sent, sent, 0},
		{"LambdaSQSIntegration", "RetryPath", "LambdaState !Lambda.ResourceNotReadyException !Lambda.TimeoutException !Lambda.TimeoutException =" + hello + " SQSState =" + sent, sent, 0},
		{"LambdaSQSIntegration", "HybridPath", "LambdaState =" + hello + ` SQSState ={"real":true}`, `{"real":true}`, 1},
		{"Approval", "Approved", `Ask ={"approved":true} Approved Done`, `{"approved":true}`, 0},
		{"Approval", "Refused", `Ask ={"approved":false} Approved Refused`, "Refused: The order was not approved", 0},
		{"Approval", "NobodyAnswers", "Ask !States.Timeout NobodyAnswered", "NobodyAnswered: A day has passed", 0},
	} {
		arn := create(t, s, c.machine, example(t, c.machine))
		before := s.calls.Load()
		execution := start(t, s, arn+"#"+c.testCase, c.testCase, `{"order":7}`)
		if want := "arn:aws:states:us-east-1:123456789012:execution:" + c.machine + ":" + c.testCase; execution != want {
			t.Errorf("%s is called %s", c.testCase, execution)
		}
		if got := ended(t, s, execution); got != c.end {
			t.Errorf("%s ended by %s, want %s", c.testCase, got, c.end)
		}
		if got := path(t, s, execution); got != c.path {
			t.Errorf("%s went\n%s, want\n%s", c.testCase, got, c.path)
		}
		if got := s.calls.Load() - before; got != c.calls {
			t.Errorf("%s called for real %d times, want %d", c.testCase, got, c.calls)
		}
		described, err := s.DescribeExecution(t.Context(), &api.DescribeExecutionInput{ExecutionArn: execution})
		if err != nil || described.StateMachineArn != arn {
			t.Errorf("%s is described as one of %+v, %v", c.testCase, described, err)
		}
	}
}

// each is a task that is mocked, of every kind that calls somebody.
const kinds = `{
	"StateMachines": {"Kinds": {"TestCases": {"C": {
		"Function": "Answer", "Nested": "Child", "Fire": "Child", "Items": "Counted", "Left": "Answer", "Right": "Answer", "Spread": "Plain"}}}},
	"MockedResponses": {
		"Answer": {"0": {"Return": {"StatusCode": 200, "Payload": "p"}}},
		"Child": {"0": {"Return": {"Output": {"n": 1}}}},
		"Plain": {"0": {"Return": 7}},
		"Counted": {"0": {"Throw": {"Error": "Boom", "Cause": "the first"}}, "1": {"Return": "one"}, "2-3": {"Return": "more"}}}}`

// TestEveryKindOfTaskIsMocked: nobody is called, whatever the task; invocations
// are counted over retries and items.
func TestEveryKindOfTaskIsMocked(t *testing.T) {
	t.Parallel()
	s := newStage(t, told(t, kinds))
	const next = `"ResultPath": null, "Next": `
	definition := `{"StartAt": "Function", "States": {
		"Function": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:none", "ResultPath": "$.function", "Next": "Nested"},
		"Nested": {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2", "Parameters": {"StateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:None"},
			"ResultPath": "$.nested", "Next": "Fire"},
		"Fire": {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution", "Parameters": {"StateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:None"}, ` + next + `"Each"},
		"Each": {"Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 1, "ResultPath": "$.each", "Next": "Both", "ItemProcessor": {"StartAt": "Items", "States": {
			"Items": {"Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync", "Parameters": {"JobName": "j"}, "End": true,
				"Retry": [{"ErrorEquals": ["Boom"], "IntervalSeconds": 1}]}}}},
		"Both": {"Type": "Parallel", "ResultPath": "$.both", "Next": "Wide", "Branches": [
			{"StartAt": "Left", "States": {"Left": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "f"}, "OutputPath": "$.Payload", "End": true}}},
			{"StartAt": "Right", "States": {"Right": {"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.waitForTaskToken", "Parameters": {"T.$": "$$.Task.Token"}, "End": true}}}]},
		"Wide": {"Type": "Map", "ItemsPath": "$.items", "ResultPath": "$.wide", "End": true, "ItemProcessor": {
			"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": "Spread", "States": {
			"Spread": {"Type": "Task", "Resource": "arn:aws:states:::dynamodb:getItem", "Parameters": {"TableName": "t", "Key": {}}, "End": true}}}}}}`
	arn := create(t, s, "Kinds", definition)
	got := ended(t, s, start(t, s, arn+"#C", "x", `{"items":[1,2,3]}`))
	want := `{"items":[1,2,3],"function":"p","nested":{"Output":{"n":1}},"each":["one","more","more"],"both":["p",{"StatusCode":200,"Payload":"p"}],"wide":[7,7,7]}`
	if got != want || s.calls.Load() != 0 {
		t.Errorf("%s, %d calls; want %s", got, s.calls.Load(), want)
	}
	if got := ended(t, s, start(t, s, arn+"#C", "y", `{"items":[1,2,3,4]}`)); got != "States.Runtime: The mocked response 'Counted' has no answer to invocation 4 of the state 'Items'." {
		t.Errorf("one item more than is mocked: %s", got)
	}
}

// TestTestCasesOutliveTheirServer: which test case an execution runs, and how
// far it is, is on disk.
func TestTestCasesOutliveTheirServer(t *testing.T) {
	t.Parallel()
	const text = `{"StateMachines": {"Later": {"TestCases": {"C": {"T": "R"}}}}, "MockedResponses": {"R": {"0": {"Return": "first"}, "1": {"Return": "second"}}}}`
	const definition = `{"StartAt": "T", "States": {
		"T": {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "Parameters": {}, "Next": "Again"},
		"Again": {"Type": "Choice", "Choices": [{"Variable": "$", "StringEquals": "second", "Next": "End"}], "Default": "Wait"},
		"Wait": {"Type": "Wait", "Seconds": 1, "Next": "T"},
		"End": {"Type": "Succeed"}}}`
	file := told(t, text)
	s := newStage(t, file)
	execution := start(t, s, create(t, s, "Later", definition)+"#C", "x", `{}`)
	other := start(t, s, "arn:aws:states:us-east-1:123456789012:stateMachine:Later#C", "y", `{}`)
	for _, x := range []string{execution, other} {
		until(t, x+" waits", func() bool { return strings.HasSuffix(path(t, s, x), "Wait") })
	}
	s.leave()
	s.open(t, file)
	if got := ended(t, s, execution); got != `"second"` || s.calls.Load() != 0 {
		t.Errorf("after a restart %s, %d calls", got, s.calls.Load())
	}
	_ = ended(t, s, other)
}

// TestNobodyIsCalledWithoutTheFile: a server that knows the test case of an
// execution no more fails it.
func TestNobodyIsCalledWithoutTheFile(t *testing.T) {
	t.Parallel()
	s := newStage(t, told(t, `{"StateMachines": {"Later": {"TestCases": {"C": {"T": "R"}}}}, "MockedResponses": {"R": {}}}`))
	execution := start(t, s, create(t, s, "Later", `{"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 1, "Next": "T"},
		"T": {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "Parameters": {}, "End": true}}}`)+"#C", "x", `{}`)
	s.leave()
	s.open(t, "")
	if got := ended(t, s, execution); got != "States.Runtime: The mock configuration has no test case 'C' of the state machine 'Later'." || s.calls.Load() != 0 {
		t.Errorf("%s, %d calls", got, s.calls.Load())
	}
}

// TestTestCasesAreChecked: what can't be run is refused before it starts.
func TestTestCasesAreChecked(t *testing.T) {
	t.Parallel()
	s := newStage(t, told(t, `{"StateMachines": {"M": {"TestCases": {
		"Good": {"T": "R"}, "None": {}, "Ghost": {"Q": "R"}, "Pass": {"P": "R"}, "Activity": {"A": "R"}}}}, "MockedResponses": {"R": {"0": {"Return": 1}}}}`))
	arn := create(t, s, "M", `{"StartAt": "P", "States": {"P": {"Type": "Pass", "Next": "T"},
		"T": {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "Parameters": {}, "Next": "A"},
		"A": {"Type": "Task", "Resource": "arn:aws:states:us-east-1:123456789012:activity:a", "End": true}}}`)
	startAs := func(arn, name string) error {
		_, err := s.StartExecution(t.Context(), &api.StartExecutionInput{StateMachineArn: arn, Name: &name})
		return err
	}
	for testCase, want := range map[string]string{
		"Other":    "The mock configuration has no test case 'Other' of the state machine 'M'",
		"":         "The mock configuration has no test case '' of the state machine 'M'",
		"Ghost":    "The test case 'Ghost' mocks the state 'Q', which the state machine 'M' has not",
		"Pass":     "The test case 'Pass' mocks the state 'P', which is a Pass: only Task states are mocked",
		"Activity": "Activity state cannot be mocked. Please remove mocks mapped for all activity state in the mock config file.",
	} {
		refused(t, startAs(arn+"#"+testCase, "x"), api.CodeValidation, want)
	}
	refused(t, startAs(strings.Replace(arn, ":M", ":N", 1)+"#Good", "x"), api.CodeStateMachineDoesNotExist, "State Machine Does Not Exist: '"+strings.Replace(arn, ":M", ":N", 1)+"'")
	if err := startAs(arn+"#Good", "x"); err != nil {
		t.Error(err)
	}
	if err := startAs(arn+"#Good", "x"); err != nil {
		t.Errorf("the same start again: %v", err)
	}
	refused(t, startAs(arn+"#None", "x"), api.CodeExecutionAlreadyExists, "Execution Already Exists: 'arn:aws:states:us-east-1:123456789012:execution:M:x'")
	version, err := s.PublishStateMachineVersion(t.Context(), &api.PublishStateMachineVersionInput{StateMachineArn: arn})
	if err != nil {
		t.Fatal(err)
	}
	if err := startAs(version.StateMachineVersionArn+"#Good", "y"); err != nil {
		t.Errorf("of a version: %v", err)
	}
	plain := newStage(t, "")
	create(t, plain, "M", `{"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}`)
	_, err = plain.StartExecution(t.Context(), &api.StartExecutionInput{StateMachineArn: arn + "#Good"})
	refused(t, err, api.CodeStateMachineDoesNotExist, "State Machine Does Not Exist: '"+arn+"#Good'")
}

// TestExpressTestCases: StartSyncExecution runs them, too.
func TestExpressTestCases(t *testing.T) {
	t.Parallel()
	s := newStage(t, told(t, `{"StateMachines": {"E": {"TestCases": {"C": {"T": "R"}}}}, "MockedResponses": {"R": {"0": {"Throw": {"Error": "E"}}, "1": {"Return": 1}}}}`))
	made, err := s.CreateStateMachine(t.Context(), &api.CreateStateMachineInput{Name: "E", RoleArn: role, Type: api.StateMachineTypeExpress,
		Definition: `{"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "Parameters": {}, "End": true,
			"Retry": [{"ErrorEquals": ["E"], "IntervalSeconds": 1}]}}}`})
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.StartSyncExecution(t.Context(), &api.StartSyncExecutionInput{StateMachineArn: made.StateMachineArn + "#C"})
	if err != nil || out.Output == nil || *out.Output != "1" || *out.StateMachineArn != made.StateMachineArn || s.calls.Load() != 0 {
		t.Errorf("%+v, %v", out, err)
	}
}
