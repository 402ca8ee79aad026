package server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/server"
)

// The bytes of requests are bounded for as long as their calls last: a body for which there is no room is refused without being read, nothing is
// done for it, and it is taken again once others have gone. Small ones pass.
func TestBytesUnderWayAreBounded(t *testing.T) {
	f := newFake()
	entered, finish := make(chan struct{}, 100), make(chan struct{})
	f.start = func(_ context.Context, in *api.StartExecutionInput) (*api.StartExecutionOutput, error) {
		if in.Input != nil {
			entered <- struct{}{}
			<-finish
		}
		return &api.StartExecutionOutput{ExecutionArn: "e"}, nil
	}
	_, url := open(t, server.Config{Service: f, MaxBodies: 1 << 20})
	large := func() *http.Request {
		return newCall(url, "AWSStepFunctions.StartExecution", `{"stateMachineArn":"m","input":"`+strings.Repeat("x", 250_000)+`"}`)
	}
	var held []<-chan answered
	for range 4 {
		held = append(held, sendAside(t, large()))
		<-entered
	}
	if status, _, body := send(t, large()); status != 400 || !strings.Contains(body, "ThrottlingException") {
		t.Errorf("one that has no room: %d %s", status, body)
	}
	if len(entered) > 0 {
		t.Error("the service heard of it")
	}
	if status, _, body := send(t, newCall(url, "AWSStepFunctions.StartExecution", `{"stateMachineArn":"m"}`)); status != 200 {
		t.Errorf("a small one: %d %s", status, body)
	}
	close(finish)
	for _, h := range held {
		if got := <-h; got.status != 200 {
			t.Errorf("one that has its room: %d %s", got.status, got.body)
		}
	}
	if status, _, body := send(t, large()); status != 200 {
		t.Errorf("after the others: %d %s", status, body)
	}
}

// knock opens a connection and asks whether the server is alive.
func knock(t *testing.T, address string) (c net.Conn, status int) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, ask(c)
}

// ask is the status of an answer on a connection, 0 where none comes.
func ask(c net.Conn) int {
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return 0
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}

// So many connections are open at most: one more takes the place of one that asks for nothing. Where each asks for something it is told that there is
// no place, and hears so at once.
func TestConnectionsAreBounded(t *testing.T) {
	_, url := open(t, server.Config{Service: newFake(), MaxConnections: 8})
	address := strings.TrimPrefix(url, "http://")
	for i := range 40 {
		if _, status := knock(t, address); status != 200 {
			t.Fatalf("connection %d: %d", i, status)
		}
	}
	for range 8 { // each begins a request, and does not end it
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprint(c, "GET /healthz HTTP/1.1\r\n")
	}
	refused := 0
	for range 8 {
		if _, status := knock(t, address); status == 503 || status == 0 {
			refused++
		}
	}
	if refused == 0 {
		t.Error("nobody was refused")
	}
}

// A connection whose request does not come is closed, and its place is free again.
func TestSlowRequestsAreCutOff(t *testing.T) {
	_, url := open(t, server.Config{Service: newFake(), MaxConnections: 2})
	address := strings.TrimPrefix(url, "http://")
	for range 2 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		if _, status := knock(t, address); status == 200 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("those that send no request keep their places")
		}
		time.Sleep(200 * time.Millisecond)
	}
}
