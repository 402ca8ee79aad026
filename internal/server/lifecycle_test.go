package server_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/server"
)

// answered is what came of a request that was sent on the side.
type answered struct {
	status int
	body   string
}

func sendAside(t *testing.T, r *http.Request) <-chan answered {
	done := make(chan answered, 1)
	go func() {
		status, _, body := send(t, r)
		done <- answered{status, body}
	}()
	return done
}

func TestDrainAnswersWhoWaits(t *testing.T) {
	f := newFake()
	entered := make(chan string, 3)
	f.task = func(ctx context.Context, _ *api.GetActivityTaskInput) (*api.GetActivityTaskOutput, error) {
		entered <- "task"
		<-ctx.Done()
		return nil, ctx.Err()
	}
	f.wait = func(ctx context.Context, in *api.WaitExecutionInput) (*api.WaitExecutionOutput, error) {
		if in.TimeoutSeconds == nil {
			entered <- "wait"
			<-ctx.Done()
			return nil, fmt.Errorf("wait: %w", ctx.Err())
		}
		return &api.WaitExecutionOutput{LastEventId: 7}, ctx.Err()
	}
	finish := make(chan struct{})
	f.start = func(ctx context.Context, _ *api.StartExecutionInput) (*api.StartExecutionOutput, error) {
		entered <- "start"
		<-finish
		return &api.StartExecutionOutput{ExecutionArn: "done"}, ctx.Err()
	}
	s, url := open(t, server.Config{Service: f})
	task := sendAside(t, newCall(url, "AWSStepFunctions.GetActivityTask", `{"activityArn":"a"}`))
	wait := sendAside(t, newCall(url, "Backstep.WaitExecution", `{"executionArn":"e"}`))
	start := sendAside(t, newCall(url, "AWSStepFunctions.StartExecution", `{"stateMachineArn":"m"}`))
	for range 3 {
		<-entered
	}
	drained := make(chan error, 1)
	go func() { drained <- s.Drain(context.Background()) }()
	if got := <-task; got.status != 200 || got.body != `{}` {
		t.Errorf("the worker that waits gets %d %s", got.status, got.body)
	}
	if got := <-wait; got.status != 200 || !strings.Contains(got.body, `"lastEventId":7`) {
		t.Errorf("who waits for an execution gets %d %s", got.status, got.body)
	}
	select {
	case err := <-drained:
		t.Errorf("drained before the last answer: %v", err)
	default:
	}
	close(finish)
	if got := <-start; got.status != 200 || !strings.Contains(got.body, `"done"`) {
		t.Errorf("a start under way gets %d %s", got.status, got.body)
	}
	if err := <-drained; err != nil {
		t.Errorf("Drain: %v", err)
	}
}

func TestDrainCutsOffInTheEnd(t *testing.T) {
	f := newFake()
	entered, left := make(chan struct{}), make(chan struct{})
	f.start = func(ctx context.Context, _ *api.StartExecutionInput) (*api.StartExecutionOutput, error) {
		close(entered)
		<-ctx.Done()
		close(left)
		return nil, ctx.Err()
	}
	s, err := server.New(server.Config{Service: f})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	failed := make(chan error, 1)
	go func() {
		_, err := http.DefaultClient.Do(newCall("http://"+l.Addr().String(), "AWSStepFunctions.StartExecution", `{"stateMachineArn":"m"}`))
		failed <- err
	}()
	<-entered
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Drain(ctx); err == nil {
		t.Error("Drain cut a call off and says nothing")
	}
	<-left
	if err := <-failed; err == nil {
		t.Error("the call that was cut off got an answer")
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestCallsBeyondTheLimitAreThrottled(t *testing.T) {
	f := newFake()
	entered, finish := make(chan struct{}, 8), make(chan struct{})
	f.start = func(context.Context, *api.StartExecutionInput) (*api.StartExecutionOutput, error) {
		entered <- struct{}{}
		<-finish
		return &api.StartExecutionOutput{}, nil
	}
	f.task = func(context.Context, *api.GetActivityTaskInput) (*api.GetActivityTaskOutput, error) {
		entered <- struct{}{}
		<-finish
		return &api.GetActivityTaskOutput{}, nil
	}
	_, url := open(t, server.Config{Service: f, MaxCalls: 2, MaxPolls: 1})
	start := func() *http.Request {
		return newCall(url, "AWSStepFunctions.StartExecution", `{"stateMachineArn":"m"}`)
	}
	poll := func() *http.Request {
		return newCall(url, "AWSStepFunctions.GetActivityTask", `{"activityArn":"a"}`)
	}
	held := []<-chan answered{sendAside(t, start()), sendAside(t, start()), sendAside(t, poll())}
	for range held {
		<-entered
	}
	for _, r := range []*http.Request{start(), poll()} {
		if status, _, body := send(t, r); status != 400 || !strings.Contains(body, "ThrottlingException") {
			t.Errorf("one too many: %d %s", status, body)
		}
	}
	close(finish)
	for _, h := range held {
		if got := <-h; got.status != 200 {
			t.Errorf("one that has its place: %d %s", got.status, got.body)
		}
	}
	if status, _, body := send(t, start()); status != 200 {
		t.Errorf("after the others: %d %s", status, body)
	}
}

// TestLargeBodiesShareTheirRoom sends more of them at once than there is room for: all are answered in the end.
func TestLargeBodiesShareTheirRoom(t *testing.T) {
	f := newFake()
	f.start = func(_ context.Context, in *api.StartExecutionInput) (*api.StartExecutionOutput, error) {
		return &api.StartExecutionOutput{ExecutionArn: fmt.Sprint(len(*in.Input))}, nil
	}
	_, url := open(t, server.Config{Service: f})
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			r := newCall(url, "AWSStepFunctions.StartExecution", `{"stateMachineArn":"m","input":"`+strings.Repeat("x", 200_000)+`"}`)
			if status, _, body := send(t, r); status != 200 || !strings.Contains(body, `"200000"`) {
				t.Errorf("%d %.200s", status, body)
			}
		})
	}
	all.Wait()
}

// TestConnectionIsReused holds that a connection stays good after answers and refusals.
func TestConnectionIsReused(t *testing.T) {
	_, url := open(t, server.Config{Service: newFake()})
	dials := 0
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		dials++
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}}
	for i := range 20 {
		body := `{"stateMachineArn":"m"}`
		if i%2 == 1 {
			body = `{`
		}
		answer, err := client.Do(newCall(url, "AWSStepFunctions.StartExecution", body))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
	if dials != 1 {
		t.Errorf("%d connections for 20 calls, want 1", dials)
	}
}

// TestBodyThatNeverComes holds that a caller who goes away within its body is forgotten.
func TestBodyThatNeverComes(t *testing.T) {
	f := newFake()
	s, url := open(t, server.Config{Service: f, MaxCalls: 1})
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	head := "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\nX-Amz-Target: AWSStepFunctions.StartExecution\r\nContent-Length: 100\r\n\r\n{"
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Drain(ctx); err != nil {
		t.Errorf("the call is still under way: %v", err)
	}
}

// TestLeave: who is about to leave says so, takes calls as before, lets those wait who
// wait, and keeps no connection.
func TestLeave(t *testing.T) {
	f := newFake()
	s, err := server.New(server.Config{Service: f})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	left := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { defer close(left); s.Leave(ctx, time.Hour) }()
	base := "http://" + l.Addr().String()
	for {
		response, err := http.Get(base + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode == http.StatusServiceUnavailable {
			break
		}
	}
	response, err := http.DefaultClient.Do(newCall(base, "AWSStepFunctions.StartExecution", `{"stateMachineArn":"m"}`))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK || !response.Close {
		t.Errorf("a call to who leaves: %s, the connection ends %v", response.Status, response.Close)
	}
	cancel()
	<-left
	if err := s.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}
