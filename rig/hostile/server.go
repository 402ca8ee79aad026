package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/client"
)

// server is the process that is held to the bars. Its calls may be made by many at
// once.
type server struct {
	*client.Client
	url string
	cmd *exec.Cmd
}

// serve starts a server with a configuration over a new folder.
func serve(ctx context.Context, program, dir, configuration string) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	listen := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "backstep.yaml")
	if err := os.WriteFile(file, []byte(configuration), 0o600); err != nil {
		return nil, err
	}
	s := &server{url: "http://" + listen}
	// Nobody's standard retry hides a refusal.
	s.Client, err = client.New(client.Config{Endpoint: s.url, Region: "us-east-1", Attempts: 1, HTTPClient: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 4096},
	}})
	if err != nil {
		return nil, err
	}
	s.cmd = exec.Command(program, "serve", "--listen", listen, "--data", filepath.Join(dir, "data"), "--config", file, "--log-level", "error")
	s.cmd.Stderr = os.Stderr
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w: build it first: make build", err)
	}
	for range 1500 {
		if answer, err := http.Get(s.url + "/readyz"); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return s, nil
			}
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil, errors.New("the server was not ready within 30 s")
}

func (s *server) end() {
	_ = s.cmd.Process.Signal(syscall.SIGKILL)
	_ = s.cmd.Wait()
}

// machine creates a state machine, and gives its ARN.
func (s *server) machine(ctx context.Context, name, definition string) (string, error) {
	role := "arn:aws:iam::123456789012:role/rig"
	out, err := s.CreateStateMachine(ctx, &api.CreateStateMachineInput{Name: name, Definition: definition, RoleArn: role})
	if err != nil {
		return "", fmt.Errorf("machine %s: %w", name, err)
	}
	return out.StateMachineArn, nil
}

// start starts an execution.
func (s *server) start(ctx context.Context, machine string) (string, error) {
	input := `{"order":1}`
	out, err := s.StartExecution(ctx, &api.StartExecutionInput{StateMachineArn: machine, Input: &input})
	if err != nil {
		return "", err
	}
	return out.ExecutionArn, nil
}

// run runs an execution to its end.
func (s *server) run(ctx context.Context, machine string) error {
	arn, err := s.start(ctx, machine)
	if err != nil {
		return err
	}
	end, err := client.Await(ctx, s, arn)
	if err == nil && end.Status != api.ExecutionStatusSucceeded {
		err = fmt.Errorf("%s is %s", arn, end.Status)
	}
	return err
}

// cpu is the processor time that the process has taken, in seconds.
func (s *server) cpu() float64 {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100
}

// resident is the memory of the process in MiB.
func (s *server) resident() float64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kib, _ := strconv.ParseFloat(fields[0], 64)
	return kib / 1024
}

// succeeded is how many executions have so far.
func (s *server) succeeded() int {
	answer, err := http.Get(s.url + "/metrics")
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	_, rest, _ := strings.Cut(string(text), "\nbackstep_executions_total{status=\"succeeded\"} ")
	number, _, _ := strings.Cut(rest, "\n")
	n, _ := strconv.ParseFloat(number, 64)
	return int(n)
}
