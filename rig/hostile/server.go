package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/client"
	"github.com/backstep/backstep/rig/process"
)

// server is the process that is held to the bars. Its calls may be made by many at
// once.
type server struct {
	*client.Client
	*process.Process
	url string
}

// serve starts a server with a configuration over a new folder.
func serve(ctx context.Context, program, dir, configuration string) (*server, error) {
	listen, err := process.Address()
	if err != nil {
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
	s.Process, err = process.Start(ctx, listen, program, "serve", "--listen", listen, "--data", filepath.Join(dir, "data"), "--config", file, "--log-level", "error")
	return s, err
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

// resident is the memory of the process in MiB.
func (s *server) resident() float64 {
	now, _ := s.Memory()
	return now
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
