package server_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/server"
)

// An operation with a rate is called as often as its bucket lets it be, and the
// service never hears of the rest; others are not counted.
func TestRates(t *testing.T) {
	var now atomic.Int64
	started := 0
	f := newFake()
	start := f.start
	f.start = func(ctx context.Context, in *api.StartExecutionInput) (*api.StartExecutionOutput, error) {
		started++
		return start(ctx, in)
	}
	_, url := open(t, server.Config{
		Service: f, Now: func() time.Time { return time.UnixMilli(now.Load()) },
		Rates: map[string]server.Rate{"StartExecution": {PerSecond: 2, Burst: 3}},
	})
	call := func(operation string) string {
		t.Helper()
		status, _, body := send(t, newCall(url, "AWSStepFunctions."+operation, `{"stateMachineArn":"m"}`))
		if throttled := strings.Contains(body, `"__type":"ThrottlingException","message":"Rate exceeded"`); throttled != (status == 400) {
			t.Fatalf("answer %d %s", status, body)
		}
		return map[bool]string{true: "no", false: "yes"}[status == 400]
	}
	for _, step := range []struct {
		at   int64 // ms
		want string
	}{{0, "yes yes yes no"}, {499, "no"}, {500, "yes no"}, {10_000, "yes yes yes no"}, {9_000, "no"}, {10_500, "yes no"}} {
		now.Store(step.at)
		var got []string
		for range strings.Fields(step.want) {
			got = append(got, call("StartExecution"))
		}
		if strings.Join(got, " ") != step.want {
			t.Errorf("at %d ms: %v, not %s", step.at, got, step.want)
		}
	}
	if started != 8 {
		t.Errorf("%d executions were started", started)
	}
	for range 5 {
		if call("ListExecutions") != "yes" {
			t.Error("an operation without a rate was throttled")
		}
	}
}

func TestRatesAreOfOperations(t *testing.T) {
	for name, rate := range map[string]server.Rate{"StartExecutions": {PerSecond: 1, Burst: 1}, "StartExecution": {PerSecond: 1}, "StopExecution": {Burst: 1}} {
		if _, err := server.New(server.Config{Service: newFake(), Rates: map[string]server.Rate{name: rate}}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s %+v: %v", name, rate, err)
		}
	}
}

// Inputs may be longer than the API lets them be where the server is told so;
// nothing else may.
func TestLongerPayloads(t *testing.T) {
	_, url := open(t, server.Config{Service: newFake(), MaxPayload: 300_000})
	for n, want := range map[int]int{300_000: 200, 300_001: 400} {
		if status, _, body := send(t, newCall(url, "AWSStepFunctions.StartExecution", `{"stateMachineArn":"m","input":"`+strings.Repeat("x", n)+`"}`)); status != want {
			t.Errorf("%d characters: %d %s", n, status, body)
		}
	}
	if status, _, _ := send(t, newCall(url, "AWSStepFunctions.StartExecution", `{"stateMachineArn":"`+strings.Repeat("x", 257)+`"}`)); status != 400 {
		t.Errorf("a long ARN: %d", status)
	}
}
