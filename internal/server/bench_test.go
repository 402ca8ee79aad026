package server_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/server"
)

// sink is an answer that nobody reads.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) WriteHeader(int)             {}

// BenchmarkCall is what the server itself adds to net/http and the service, per call.
func BenchmarkCall(b *testing.B) {
	f := newFake()
	f.wait = func(context.Context, *api.WaitExecutionInput) (*api.WaitExecutionOutput, error) {
		input := `{"amount":12,"items":["a","b"]}`
		return &api.WaitExecutionOutput{LastEventId: 12, DescribeExecutionOutput: api.DescribeExecutionOutput{
			ExecutionArn: executionArn, StateMachineArn: machineArn, Status: api.ExecutionStatusSucceeded, StartDate: 1_700_000_000_123, Input: &input, Output: &input,
		}}, nil
	}
	for _, c := range []struct{ name, target, body string }{
		{"StartExecution", "AWSStepFunctions.StartExecution", `{"stateMachineArn":"` + machineArn + `","name":"order-17","input":"{\"amount\":12,\"items\":[\"a\",\"b\"]}"}`},
		{"WaitExecution", "Backstep.WaitExecution", `{"executionArn":"` + executionArn + `","timeoutSeconds":20}`},
		{"SendTaskSuccess", "AWSStepFunctions.SendTaskSuccess", `{"taskToken":"` + strings.Repeat("t", 120) + `","output":"{\"paid\":true}"}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			s, err := server.New(server.Config{Service: f})
			if err != nil {
				b.Fatal(err)
			}
			r := httptest.NewRequest(http.MethodPost, "http://localhost/", nil)
			r.Header = newCall("http://localhost", c.target, "").Header
			r.ContentLength = int64(len(c.body))
			body := strings.NewReader(c.body)
			w := &sink{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				body.Reset(c.body)
				r.Body = io.NopCloser(body)
				clear(w.header)
				s.ServeHTTP(w, r)
			}
		})
	}
}
