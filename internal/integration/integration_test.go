package integration

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/backstep/backstep/internal/value"
)

type handler string

func (handler) Call(context.Context, Task) (value.Text, error) { return value.Text{}, nil }

func TestRegistry(t *testing.T) {
	var r Registry
	r.Add("lambda", "invoke", handler("lambda"), RequestResponse, WaitForTaskToken)
	r.Add("states", "*", handler("states"), RequestResponse, Sync, Sync2)
	r.Add("aws-sdk:s3", "*", handler("s3"), RequestResponse)
	r.Add("aws-sdk:*", "*", handler("aws"), RequestResponse, WaitForTaskToken)
	for _, test := range []struct {
		service, action string
		pattern         Pattern
		want            Handler
	}{
		{"lambda", "invoke", RequestResponse, handler("lambda")},
		{"lambda", "invoke", WaitForTaskToken, handler("lambda")},
		{"lambda", "invoke", Sync, nil},
		{"lambda", "delete", RequestResponse, nil},
		{"states", "startExecution", Sync2, handler("states")},
		{"aws-sdk:s3", "getObject", RequestResponse, handler("s3")},
		{"aws-sdk:s3", "getObject", WaitForTaskToken, handler("aws")},
		{"aws-sdk:sqs", "sendMessage", RequestResponse, handler("aws")},
		{"aws-sdk", "sendMessage", RequestResponse, nil},
		{"", "", RequestResponse, nil},
	} {
		got := r.Find(test.service, test.action, test.pattern)
		if got != test.want || r.Serves(test.service, test.action, test.pattern) != (test.want != nil) {
			t.Errorf("%s:%s%s: got %v, want %v", test.service, test.action, test.pattern.Suffix(), got, test.want)
		}
	}
}

// choosy is a handler that does one action alone.
type choosy string

func (choosy) Call(context.Context, Task) (value.Text, error) { return value.Text{}, nil }
func (c choosy) Chooses(service, action string) bool          { return service+":"+action == string(c) }

func TestHandlersChoose(t *testing.T) {
	var r Registry
	r.Add("aws-sdk:*", "*", choosy("aws-sdk:s3:getObject"), RequestResponse)
	r.Add("aws-sdk:*", "putObject", handler("other"), RequestResponse)
	for action, want := range map[string]Handler{"getObject": choosy("aws-sdk:s3:getObject"), "putObject": handler("other"), "moveObject": nil} {
		if got := r.Find("aws-sdk:s3", action, RequestResponse); got != want {
			t.Errorf("%s: got %v, want %v", action, got, want)
		}
	}
	if r.Serves("aws-sdk:s3", "getObject", WaitForTaskToken) {
		t.Error("a pattern is served that nobody was added for")
	}
}

func TestErrorsAreCut(t *testing.T) {
	long := NewError(strings.Repeat("n", MaxName+1), strings.Repeat("ü", MaxCause)+"x", EffectNamed)
	if len(long.Name) != MaxName || utf8.RuneCountInString(long.Cause) != MaxCause || !utf8.ValidString(long.Cause) {
		t.Errorf("name of %d, cause of %d characters", len(long.Name), utf8.RuneCountInString(long.Cause))
	}
	kept := NewError("E", strings.Repeat("ü", MaxCause), EffectNone)
	if kept.Cause != strings.Repeat("ü", MaxCause) || kept.Error() != "E: "+kept.Cause {
		t.Error("a cause within the bound was changed")
	}
	if broken := NewError("E", "a\xffb", EffectNone); broken.Cause != "a\uFFFDb" {
		t.Errorf("cause %q", broken.Cause)
	}
}

func TestTooLargeNamesTheTask(t *testing.T) {
	for want, task := range map[string]Task{
		"The state/task 'lambda' returned": {Service: "lambda", Action: "invoke", Resource: "arn:aws:states:::lambda:invoke"},
		"The state/task 'arn:f' returned":  {Service: "lambda", Resource: "arn:f"},
	} {
		if e := TooLarge(task); !strings.HasPrefix(e.Cause, want) || e.Name != "States.DataLimitExceeded" || e.Effect != EffectDone {
			t.Errorf("got %+v, want %s", e, want)
		}
	}
}

func TestHeaders(t *testing.T) {
	base := Task{StepID: "aaaa-3", Attempt: 2, Execution: "arn:aws:states:us-east-1:1:execution:M:e", State: "Pay"}
	tests := []struct {
		name string
		task func(*Task)
		want map[string]string // "" where there must be none
	}{
		{"forward", func(*Task) {}, map[string]string{
			"Idempotency-Key": "aaaa-3", "Backstep-Execution": base.Execution, "Backstep-State": "Pay", "Backstep-Operation": "forward",
			"Backstep-Attempt": "2", "Backstep-Forward-Key": "", "X-Correlation-Id": base.Execution}},
		{"compensate", func(t *Task) { t.Operation, t.StepID, t.Forward = Compensate, "aaaa-3:compensate", "aaaa-3" }, map[string]string{
			"Idempotency-Key": "aaaa-3:compensate", "Backstep-Operation": "compensate", "Backstep-Forward-Key": "aaaa-3"}},
		{"confirm", func(t *Task) { t.Operation, t.Forward = Confirm, "aaaa-3" }, map[string]string{"Backstep-Operation": "confirm", "Backstep-Forward-Key": "aaaa-3"}},
		{"query", func(t *Task) { t.Operation, t.Forward = Query, "aaaa-3" }, map[string]string{"Idempotency-Key": "", "Backstep-Operation": "query", "Backstep-Forward-Key": "aaaa-3"}},
		{"beyond ASCII", func(t *Task) { t.State = " Zahl ü 100%\n" }, map[string]string{"Backstep-State": "%20Zahl %C3%BC 100%25%0A"}},
		{"traced", func(t *Task) { t.Trace = "Root=1-5759E988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1" }, map[string]string{
			"X-Correlation-Id": "Root=1-5759E988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1", "traceparent": "00-5759e988bd862e3fe1be46a994272793-"}},
		{"odd trace", func(t *Task) { t.Trace = "Root=1-zzzzzzzz-bd862e3fe1be46a994272793" }, map[string]string{"traceparent": "00-"}},
	}
	for _, test := range tests {
		task := base
		test.task(&task)
		got := http.Header{}
		task.SetHeaders(got)
		for name, want := range test.want {
			if v := got.Get(name); v != want && (name != "traceparent" || !strings.HasPrefix(v, want)) {
				t.Errorf("%s: %s is %q, want %q", test.name, name, v, want)
			}
		}
		if v := got.Get("traceparent"); len(v) != 55 || strings.Contains(v, "zzzz") {
			t.Errorf("%s: traceparent %q", test.name, v)
		}
	}
	again, next := base, base
	next.Attempt = 3
	if base.traceparent() != again.traceparent() || base.traceparent() == next.traceparent() || base.traceparent()[:35] != next.traceparent()[:35] {
		t.Errorf("traceparent %s, then %s", base.traceparent(), next.traceparent())
	}
	mine := http.Header{"Idempotency-Key": {"mine"}}
	if base.SetHeaders(mine); mine.Get("Idempotency-Key") != "mine" {
		t.Error("what the definition sets does not win")
	}
	unsampled := base
	if unsampled.Trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0"; !strings.HasSuffix(unsampled.traceparent(), "-00") {
		t.Errorf("traceparent %s", unsampled.traceparent())
	}
}

func TestUUID(t *testing.T) {
	if got := UUID([16]byte{0xFF, 1, 2, 3, 4, 5, 0xFF, 7, 0xFF, 9, 10, 11, 12, 13, 14, 15}, 4); got != "ff010203-0405-4f07-bf09-0a0b0c0d0e0f" {
		t.Errorf("got %s", got)
	}
	if a, b := NewRequestID(), NewRequestID(); a == b || len(a) != 36 {
		t.Errorf("%s, %s", a, b)
	}
}

// leading leads to many.
type leading struct{ handler }

func (leading) Target(action, resource string, request value.Text) string { return action }

// several serves two services.
type several struct{ handler }

func (several) Services() ([]string, error) { return []string{"aws-sdk:sqs", "aws-sdk:s3"}, nil }

func TestRegistryKnowsServices(t *testing.T) {
	var r Registry
	r.Add("http", "invoke", leading{"http"}, RequestResponse)
	r.Add("sns", "publish", handler("sns"), RequestResponse)
	r.Add("aws-sdk:*", "*", several{"aws"}, RequestResponse)
	got, err := r.Services()
	if want := []string{"aws-sdk:s3", "aws-sdk:sqs", "http", "sns"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("the services are %v, %v", got, err)
	}
	for name, want := range map[string]bool{"http": true, "sns": false, "aws-sdk": false, "https": false, "": false} {
		if got := r.Leads(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
	r = Registry{}
	r.Add("http", "invoke", handler("http"), RequestResponse)
	if got := r.Target("http", "invoke", "", value.Checked(`{}`)); got != "" {
		t.Errorf("a service that leads to one alone leads to %q", got)
	}
}
