package cli_test

import (
	"bytes"
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
