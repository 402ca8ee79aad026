package cli_test

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/cli"
)

// stopping is a server that is about to stop for ten seconds, and then says that
// executions have ended.
type stopping struct {
	api.Service
	until time.Time
	asked int
}

func (s *stopping) WaitExecution(context.Context, *api.WaitExecutionInput) (*api.WaitExecutionOutput, error) {
	if s.asked++; s.asked > 1000 {
		time.Sleep(time.Minute)
	}
	out := &api.WaitExecutionOutput{}
	if out.Status = api.ExecutionStatusRunning; time.Now().After(s.until) {
		out.Status = api.ExecutionStatusSucceeded
	}
	return out, nil
}

// A server that answers at once because it is about to stop is asked again more and
// more seldom.
func TestFollowingAServerThatStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		svc := &stopping{until: time.Now().Add(10 * time.Second)}
		var out bytes.Buffer
		code := cli.Run(t.Context(), []string{"history", "arn:aws:states:us-east-1:123456789012:execution:M:a", "--follow"}, cli.Tools{
			Stdout: &out, Stderr: &out, Connect: func(string, string) (api.Service, error) { return svc, nil },
		})
		if code != cli.ExitYes || svc.asked > 20 {
			t.Errorf("exit code %d, asked %d times: %s", code, svc.asked, &out)
		}
	})
}
