package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/cli"
)

// echoes is a house in which so many executions of Echo have ended.
func echoes(t *testing.T, n int) api.Service {
	t.Helper()
	house := newHouse(t)
	machine, err := house.CreateStateMachine(t.Context(), &api.CreateStateMachineInput{
		Name: "Echo", Definition: `{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}`, RoleArn: "arn:aws:iam::123456789012:role/test",
	})
	for i := 0; i < n && err == nil; i++ {
		name := fmt.Sprintf("echo-%d", i)
		_, err = house.StartExecution(t.Context(), &api.StartExecutionInput{StateMachineArn: machine.StateMachineArn, Name: &name})
	}
	if err != nil {
		t.Fatal(err)
	}
	return house
}

// TestHistoriesByPages: more executions than a page of a list has are written, each
// once and whole.
func TestHistoriesByPages(t *testing.T) {
	const n = 1100
	var out, said bytes.Buffer
	house := echoes(t, n)
	code := cli.Run(t.Context(), []string{"histories"}, cli.Tools{Stdout: &out, Stderr: &said, Connect: func(string, string) (api.Service, error) { return house, nil }})
	if code != cli.ExitYes || !strings.Contains(said.String(), fmt.Sprintf("%d executions, %d events", n, 4*n)) {
		t.Fatalf("exit %d: %s", code, said.String())
	}
	seen := map[string]bool{}
	for line := range strings.Lines(out.String()) {
		var x struct {
			api.DescribeExecutionOutput
			Events []api.HistoryEvent
		}
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if seen[x.ExecutionArn] || len(x.Events) != 4 || x.Status != api.ExecutionStatusSucceeded {
			t.Errorf("not once, or not whole: %s", line)
		}
		seen[x.ExecutionArn] = true
	}
	if len(seen) != n {
		t.Errorf("%d executions of %d", len(seen), n)
	}
}

// TestHistoriesOnAFullDisk: an export for which there is no room says so, and leaves
// no file that could be taken for one.
func TestHistoriesOnAFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("nothing is known here of a full disk: ", err)
	}
	house := echoes(t, 3)
	t.Chdir(t.TempDir())
	if err := os.Symlink("/dev/full", "all.jsonl.part"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		command string
		room    int
	}{{"histories -o all.jsonl", 1 << 20}, {"histories", 100}} {
		var said bytes.Buffer
		code := cli.Run(t.Context(), strings.Fields(c.command), cli.Tools{
			Stdout: &full{c.room}, Stderr: &said, Connect: func(string, string) (api.Service, error) { return house, nil },
		})
		if code != cli.ExitUsage || !strings.Contains(said.String(), "no space left on device") || strings.Contains(said.String(), "next export") {
			t.Errorf("%s: exit %d, said %q", c.command, code, said.String())
		}
		if left, err := os.ReadDir("."); err != nil || len(left) > 0 {
			t.Errorf("%s: left %v, %v", c.command, left, err)
		}
	}
}

// retiring is a service that drops an execution when the first page of its history was read.
type retiring struct {
	api.Service
	of string
}

func (r *retiring) GetExecutionHistory(ctx context.Context, in *api.GetExecutionHistoryInput) (*api.GetExecutionHistoryOutput, error) {
	if in.ExecutionArn != r.of {
		return r.Service.GetExecutionHistory(ctx, in)
	}
	if in.NextToken != nil {
		return nil, &api.Error{Code: api.CodeExecutionDoesNotExist, Message: "Execution Does Not Exist: '" + r.of + "'"}
	}
	in.MaxResults = 2
	return r.Service.GetExecutionHistory(ctx, in)
}

// TestHistoriesOfThoseThatWent: executions that are dropped between a page that lists
// them and their turn, and map runs with their children, end nothing and are counted.
func TestHistoriesOfThoseThatWent(t *testing.T) {
	svc := &leaving{Service: echoes(t, 3)}
	var out, said bytes.Buffer
	code := cli.Run(t.Context(), []string{"histories", "-o", "-"}, cli.Tools{Stdout: &out, Stderr: &said, Connect: func(string, string) (api.Service, error) { return svc, nil }})
	if want := "1 executions and 3 dropped by retention before they were read, 5 events"; code != cli.ExitYes || !strings.Contains(said.String(), want) {
		t.Errorf("exit %d: %s", code, said.String())
	}
	if n := strings.Count(out.String(), "\n"); n != 1 || !json.Valid(out.Bytes()) {
		t.Errorf("%d lines: %s", n, out.String())
	}
}

// leaving is a service that drops the second execution that is described, and the third
// before its history is read; the first has started a map run, which goes before its
// children are listed.
type leaving struct {
	api.Service
	described []string
}

func notThere(arn string) error { return &api.Error{Code: api.CodeExecutionDoesNotExist, Message: arn} }

func (l *leaving) DescribeExecution(ctx context.Context, in *api.DescribeExecutionInput) (*api.DescribeExecutionOutput, error) {
	if l.described = append(l.described, in.ExecutionArn); len(l.described) == 2 {
		return nil, notThere(in.ExecutionArn)
	}
	return l.Service.DescribeExecution(ctx, in)
}

func (l *leaving) GetExecutionHistory(ctx context.Context, in *api.GetExecutionHistoryInput) (*api.GetExecutionHistoryOutput, error) {
	out, err := l.Service.GetExecutionHistory(ctx, in)
	switch {
	case err != nil:
	case len(l.described) == 1:
		run := "arn:aws:states:us-east-1:123456789012:mapRun:Echo/M:1"
		out.Events = append(out.Events, api.HistoryEvent{Type: api.HistoryEventTypeMapRunStarted, MapRunStartedEventDetails: &api.MapRunStartedEventDetails{MapRunArn: &run}})
	default:
		return nil, notThere(in.ExecutionArn)
	}
	return out, err
}

func (l *leaving) ListExecutions(ctx context.Context, in *api.ListExecutionsInput) (*api.ListExecutionsOutput, error) {
	if in.MapRunArn != nil {
		return nil, &api.Error{Code: api.CodeResourceNotFound, Message: *in.MapRunArn}
	}
	return l.Service.ListExecutions(ctx, in)
}

// TestHistoriesOfADropped: an execution that is dropped while it is read is no end of
// the others.
func TestHistoriesOfADropped(t *testing.T) {
	house := echoes(t, 3)
	machines, err := house.ListStateMachines(t.Context(), &api.ListStateMachinesInput{})
	if err != nil {
		t.Fatal(err)
	}
	listed, err := house.ListExecutions(t.Context(), &api.ListExecutionsInput{StateMachineArn: &machines.StateMachines[0].StateMachineArn})
	if err != nil {
		t.Fatal(err)
	}
	svc := &retiring{house, listed.Executions[1].ExecutionArn}
	var out, said bytes.Buffer
	code := cli.Run(t.Context(), []string{"histories"}, cli.Tools{Stdout: &out, Stderr: &said, Connect: func(string, string) (api.Service, error) { return svc, nil }})
	if code != cli.ExitYes || !strings.Contains(said.String(), "3 executions (1 dropped by retention while they were read), 10 events") {
		t.Errorf("exit %d: %s", code, said.String())
	}
	var dropped []string
	for line := range strings.Lines(out.String()) {
		var x struct {
			api.DescribeExecutionOutput
			Events  []api.HistoryEvent
			Dropped bool
		}
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if x.Dropped != (len(x.Events) == 2) {
			t.Errorf("dropped %v, with %d events", x.Dropped, len(x.Events))
		}
		if x.Dropped {
			dropped = append(dropped, x.ExecutionArn)
		}
	}
	if len(dropped) != 1 || dropped[0] != svc.of {
		t.Errorf("%v are said to be dropped", dropped)
	}
}
