package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/backstep/backstep/api"
)

func TestTableIsTheInterface(t *testing.T) {
	service := reflect.TypeFor[api.Service]()
	var names []string
	for i, o := range api.Operations {
		names = append(names, o.Name)
		m, ok := service.MethodByName(o.Name)
		if !ok {
			t.Errorf("%s is no method of Service", o.Name)
			continue
		}
		if m.Type.In(1).Elem() != o.Input || m.Type.Out(0).Elem() != o.Output {
			t.Errorf("%s: %v → %v does not fit its method", o.Name, o.Input, o.Output)
		}
		if o.Input.Name() != o.Name+"Input" || o.Output.Name() != o.Name+"Output" {
			t.Errorf("row %d, %s, is of %v and %v", i, o.Name, o.Input, o.Output)
		}
		if reflect.TypeOf(o.New()).Elem() != o.Input {
			t.Errorf("%s makes a %T", o.Name, o.New())
		}
		aws := slices.Contains(api.AWSOperations, o.Name)
		if want := map[bool]string{true: "AWSStepFunctions.", false: "Backstep."}[aws] + o.Name; o.Target != want {
			t.Errorf("target %s, want %s", o.Target, want)
		}
	}
	if len(names) != service.NumMethod() {
		t.Errorf("%d rows for %d methods", len(names), service.NumMethod())
	}
	if len(api.AWSOperations) != 37 || !slices.IsSorted(api.AWSOperations) {
		t.Errorf("%d operations of AWS, want 37, sorted", len(api.AWSOperations))
	}
}

// stopper implements one operation.
type stopper struct{ api.Service }

func (stopper) StopExecution(_ context.Context, in *api.StopExecutionInput) (*api.StopExecutionOutput, error) {
	if in.ExecutionArn == "" {
		return nil, api.ExecutionDoesNotExist("")
	}
	return &api.StopExecutionOutput{StopDate: 5}, nil
}

func TestCall(t *testing.T) {
	i := slices.IndexFunc(api.Operations, func(o api.Operation) bool { return o.Name == "StopExecution" })
	stop := api.Operations[i]
	if stop.Long() {
		t.Error("StopExecution is no long call")
	}
	out, err := stop.Call(context.Background(), stopper{}, &api.StopExecutionInput{ExecutionArn: "x"})
	if err != nil || out.(*api.StopExecutionOutput).StopDate != 5 {
		t.Errorf("Call: %v, %v", out, err)
	}
	if out, err := stop.Call(context.Background(), stopper{}, stop.New()); out != nil || api.CodeOf(err) != api.CodeExecutionDoesNotExist {
		t.Errorf("Call: %v, %v; want a nil output and the error", out, err)
	}
}

func TestTimestamp(t *testing.T) {
	for _, c := range []struct {
		ms   api.Timestamp
		text string
	}{
		{0, "0.000"}, {1, "0.001"}, {1_700_000_000_000, "1700000000.000"}, {1_700_000_000_120, "1700000000.120"}, {-1_500, "-1.500"},
	} {
		text, err := json.Marshal(c.ms)
		if err != nil || string(text) != c.text {
			t.Errorf("%d is written %s, %v; want %s", int64(c.ms), text, err, c.text)
		}
		var back api.Timestamp
		if err := json.Unmarshal(text, &back); err != nil || back != c.ms {
			t.Errorf("%s is read %d, %v; want %d", text, int64(back), err, int64(c.ms))
		}
	}
	for text, want := range map[string]api.Timestamp{
		"1.736266716123E9": 1_736_266_716_123, "1700000000": 1_700_000_000_000, "0.0004": 0, "0.0005": 1, "1700000000.9999": 1_700_000_001_000, "null": 0,
	} {
		var got api.Timestamp
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s is read %d, %v; want %d", text, int64(got), err, int64(want))
		}
	}
	for _, text := range []string{`"2020-01-01T00:00:00Z"`, "1e30", "-1e30", "[]", "true"} {
		var got api.Timestamp
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s is read %d", text, int64(got))
		}
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_999_999, time.FixedZone("", 3600))
	if got := api.TimestampOf(at); got.String() != "2026-01-02T02:04:05.678Z" || !got.Time().Equal(at.Truncate(time.Millisecond)) {
		t.Errorf("%v is %v", at, got)
	}
}

func TestErrors(t *testing.T) {
	err := fmt.Errorf("wrapped: %w", api.InvalidName("a b"))
	if api.CodeOf(err) != "InvalidName" || err.Error() != "wrapped: InvalidName: Invalid Name: 'a b'" {
		t.Errorf("%v has the code %s", err, api.CodeOf(err))
	}
	if api.CodeOf(nil) != "" || api.CodeOf(context.Canceled) != "" {
		t.Error("what is no Error has a code")
	}
	if e := (&api.Error{Code: api.CodeInternalFailure, Status: 502}); e.HTTPStatus() != 502 {
		t.Errorf("a given status is %d", e.HTTPStatus())
	}
	for code, status := range map[string]int{
		api.CodeInvalidArn: 400, api.CodeThrottling: 400, api.CodeServiceQuotaExceeded: 402, api.CodeAccessDenied: 403,
		api.CodeInvalidSignature: 403, api.CodeConflict: 409, api.CodeRequestTooLarge: 413, api.CodeInternalFailure: 500, api.CodeServiceUnavailable: 503,
	} {
		if got := (&api.Error{Code: code}).HTTPStatus(); got != status {
			t.Errorf("%s travels with %d, want %d", code, got, status)
		}
	}
}

// TestWording holds the messages to those that AWS was seen to answer.
func TestWording(t *testing.T) {
	for _, c := range []struct {
		err  *api.Error
		want string
	}{
		{api.InvalidArn("Invalid ARN prefix: x"), "InvalidArn: Invalid Arn: 'Invalid ARN prefix: x'"},
		{api.InvalidDefinition("d"), "InvalidDefinition: Invalid State Machine Definition: 'd'"},
		{api.InvalidExecutionInput("Invalid execution input."), "InvalidExecutionInput: Invalid State Machine Execution Input: 'Invalid execution input.'"},
		{api.InvalidOutput("o"), "InvalidOutput: Invalid Output: 'o'"},
		{api.InvalidToken("t"), "InvalidToken: Invalid Token: 't'"},
		{api.StateMachineDoesNotExist("a"), "StateMachineDoesNotExist: State Machine Does Not Exist: 'a'"},
		{api.StateMachineAlreadyExists("a"), "StateMachineAlreadyExists: State Machine Already Exists: 'a'"},
		{api.StateMachineDeleting("a"), "StateMachineDeleting: State Machine Deleting: 'a'"},
		{api.StateMachineTypeNotSupported(), "StateMachineTypeNotSupported: This operation is not supported by this type of state machine"},
		{api.ExecutionDoesNotExist("a"), "ExecutionDoesNotExist: Execution Does Not Exist: 'a'"},
		{api.ExecutionAlreadyExists("a"), "ExecutionAlreadyExists: Execution Already Exists: 'a'"},
		{api.ActivityDoesNotExist("a"), "ActivityDoesNotExist: Activity Does Not Exist: 'a'"},
		{api.TaskTimedOut(), "TaskTimedOut: Task Timed Out: 'Provided task does not exist anymore'"},
		{api.ResourceNotFound("a"), "ResourceNotFound: Resource not found: 'a'"},
		{api.ReferenceNotFound("a"), "ResourceNotFound: Request references a resource that does not exist."},
		{api.InvalidRouting("%d wrong", 2), "ValidationException: 2 wrong"},
		{api.Validation("%d wrong", 2), "ValidationException: 2 wrong"},
	} {
		if c.err.Error() != c.want {
			t.Errorf("%q, want %q", c.err.Error(), c.want)
		}
	}
}

func TestEnded(t *testing.T) {
	for status, ended := range map[api.ExecutionStatus]bool{
		api.ExecutionStatusRunning: false, api.ExecutionStatusPendingRedrive: false, api.ExecutionStatusSucceeded: true,
		api.ExecutionStatusFailed: true, api.ExecutionStatusTimedOut: true, api.ExecutionStatusAborted: true,
	} {
		if status.Ended() != ended {
			t.Errorf("%s has ended: %v", status, status.Ended())
		}
	}
}
