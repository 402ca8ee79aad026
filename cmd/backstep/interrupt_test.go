package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// interrupt sends a command what Ctrl-C sends.
func interrupt(t *testing.T, c *exec.Cmd) {
	t.Helper()
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
}

// exitCode waits for a command's end.
func exitCode(c *exec.Cmd) int {
	hung := time.AfterFunc(patience, func() { c.Process.Kill() })
	defer hung.Stop()
	c.Wait()
	return c.ProcessState.ExitCode()
}

// A server that Ctrl-C ends has ended well.
func TestServeInterrupted(t *testing.T) {
	t.Parallel()
	n := serveChild(t, "")
	n.asked.Do(func() {})
	n.ended.Do(func() {
		interrupt(t, n.process)
		if code := exitCode(n.process); code != 0 {
			t.Errorf("exit code %d; it said\n%s", code, n.said)
		}
	})
}

// Who no longer waits for an execution leaves it as it is.
func TestStartInterrupted(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	n := serveChild(t, d.configuration())
	s := &sdk{newClient(n, "any", "any"), context.Background(), d}
	machine := s.create(t, "order", "order", types.StateMachineTypeStandard)
	c, said := command(t, nil, "start", "order", "--name", "held", "--wait", "--endpoint", n.url, "--input", `{"order": "held"}`)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "progress", func() bool { return strings.Contains(said.String(), "→ Book") })
	interrupt(t, c)
	if code := exitCode(c); code != 3 || !strings.HasSuffix(said.String(), "\n  … goes on: backstep show order:held\nbackstep: interrupted\n") {
		t.Errorf("exit code %d; it said\n%s", code, said)
	}
	execution := aws.String(strings.Replace(*machine, "stateMachine", "execution", 1) + ":held")
	if out, err := s.DescribeExecution(s.ctx, &sfn.DescribeExecutionInput{ExecutionArn: execution}); err != nil || out.Status != types.ExecutionStatusRunning {
		t.Errorf("the execution: %+v, %v", out, err)
	}
	close(d.release)
	if out := s.ended(t, execution); out.Status != types.ExecutionStatusSucceeded {
		t.Errorf("it ended as %v", out.Status)
	}
}

var demoServes = regexp.MustCompile(`A server runs at (http://\S+), its data in (\S+)`)

// A demo that is interrupted takes its server and its data with it.
func TestDemoInterrupted(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	example := t.TempDir()
	for name, text := range map[string]string{
		"backstep.yaml":  d.configuration(),
		"order.asl.json": definition(t, "order"),
		"scenarios.json": `[{"title": "Held", "input": {"order": "held"}, "path": ["Book"], "status": "SUCCEEDED"}]`,
		"bin/orders":     "", "bin/payments": "", "bin/inventory": "", "bin/ledger": "",
	} {
		path := filepath.Join(example, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0") // so that the demo looks for another port
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	temporary := t.TempDir()
	c, said := command(t, []string{"TMPDIR=" + temporary}, "demo", example, "--listen", taken.Addr().String())
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	<-d.held
	var server []string
	await(t, "the demo to say where its server is", func() bool {
		server = demoServes.FindStringSubmatch(said.String())
		return server != nil
	})
	interrupt(t, c)
	await(t, "its server to drain", func() bool {
		log, err := os.ReadFile(filepath.Join(server[2], "server.log"))
		return err == nil && strings.Contains(string(log), "backstep drains")
	})
	close(d.release)
	if code := exitCode(c); code != 3 || !strings.HasSuffix(said.String(), "\nbackstep: interrupted\n") {
		t.Errorf("exit code %d; it said\n%s", code, said)
	}
	if answer, err := http.Get(server[1] + "/readyz"); err == nil {
		t.Errorf("its server still answers: %v", answer.Status)
	}
	if left := names(t, temporary); len(left) != 0 {
		t.Errorf("it left %v behind", left)
	}
}
