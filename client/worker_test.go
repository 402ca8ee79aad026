package client_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/client"
)

// queue is an activity: it hands tasks out and keeps how they ended.
type queue struct {
	mu      sync.Mutex
	tasks   []string          // inputs that wait; the token is "t:" and the input
	ends    map[string]string // by token: "ok OUTPUT" or "NAME CAUSE"
	beats   map[string]int
	over    map[string]bool // tokens that nobody waits for
	refuse  map[string]int  // completions of a token to refuse by a fault first
	ended   chan string
	polling error // what polls are answered
}

func newQueue(inputs ...string) *queue {
	return &queue{
		tasks: inputs, ends: map[string]string{}, beats: map[string]int{}, over: map[string]bool{}, refuse: map[string]int{}, ended: make(chan string, 64),
	}
}

func (q *queue) play(ctx context.Context, _ string, in any) (any, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch in := in.(type) {
	case *api.GetActivityTaskInput:
		return q.poll(ctx)
	case *api.SendTaskHeartbeatInput:
		q.beats[in.TaskToken]++
		if q.over[in.TaskToken] {
			return nil, api.TaskTimedOut()
		}
		return &api.SendTaskHeartbeatOutput{}, nil
	case *api.SendTaskSuccessInput:
		if in.Output == "no json" {
			return nil, api.InvalidOutput("no json")
		}
		return &api.SendTaskSuccessOutput{}, q.end(in.TaskToken, "ok "+in.Output)
	case *api.SendTaskFailureInput:
		return &api.SendTaskFailureOutput{}, q.end(in.TaskToken, *in.Error+" "+*in.Cause)
	}
	return nil, fmt.Errorf("unexpected %T", in)
}

func (q *queue) poll(ctx context.Context) (any, error) {
	if err := q.polling; err != nil {
		q.polling = nil
		return nil, err
	}
	if len(q.tasks) == 0 {
		q.mu.Unlock()
		<-ctx.Done()
		q.mu.Lock()
		return nil, ctx.Err()
	}
	input := q.tasks[0]
	q.tasks = q.tasks[1:]
	token := "t:" + input
	return &api.GetActivityTaskOutput{TaskToken: &token, Input: &input}, nil
}

func (q *queue) end(token, how string) error {
	if q.refuse[token] > 0 {
		q.refuse[token]--
		return api.Errorf(api.CodeServiceUnavailable, "later")
	}
	q.ends[token] = how
	q.ended <- token
	if q.over[token] {
		return api.TaskTimedOut()
	}
	return nil
}

func (q *queue) end1(token string) string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ends[token]
}

// run lets a worker work until so many tasks have ended, and stops it.
func run(t *testing.T, q *queue, w *client.Worker, tasks int) {
	t.Helper()
	w.Service, w.ActivityArn = script(q.play), "arn"
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	for range tasks {
		<-q.ended
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestWorkerCompletesTasks(t *testing.T) {
	q := newQueue("1", "empty", "named", "plain", "panic", "no json", "long")
	q.polling = errors.New("connection refused") // waited out
	q.refuse["t:1"] = 2                          // told again
	run(t, q, &client.Worker{Name: "w", Handle: func(_ context.Context, input string) (string, error) {
		switch input {
		case "empty":
			return "", nil
		case "named":
			return "", fmt.Errorf("wrapped: %w", &client.TaskFailure{Name: "CardDeclined", Cause: "no money"})
		case "plain":
			return "", errors.New("broken")
		case "panic":
			panic("ouch")
		case "long":
			return "", &client.TaskFailure{Name: strings.Repeat("n", 300), Cause: strings.Repeat("é", 20_000)}
		case "no json":
			return input, nil
		}
		return `{"n":` + input + `}`, nil
	}}, 7)
	for token, want := range map[string]string{
		"t:1":       `ok {"n":1}`,
		"t:empty":   "ok {}",
		"t:named":   "CardDeclined no money",
		"t:plain":   "States.TaskFailed broken",
		"t:panic":   "States.TaskFailed panic: ouch",
		"t:no json": "States.TaskFailed the worker's output is no JSON, or has more than 262144 bytes",
		"t:long":    strings.Repeat("n", 256) + " " + strings.Repeat("é", 16_384),
	} {
		if got := q.end1(token); got != want {
			t.Errorf("%s ended %.80q, want %.80q", token, got, want)
		}
	}
}

func TestWorkerStopsGracefully(t *testing.T) {
	q := newQueue("1", "2", "3")
	ctx, cancel := context.WithCancel(context.Background())
	begun, finish := make(chan struct{}), make(chan struct{})
	w := &client.Worker{Service: script(q.play), ActivityArn: "arn", Concurrency: 2, Handle: func(ctx context.Context, input string) (string, error) {
		begun <- struct{}{}
		<-finish
		return input, ctx.Err()
	}}
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	<-begun
	<-begun // two at once
	cancel()
	close(finish)
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	if a, b, c := q.end1("t:1"), q.end1("t:2"), q.end1("t:3"); a != "ok 1" || b != "ok 2" || c != "" {
		t.Errorf("ended %q, %q, and the third %q; want the two that had begun, and no more", a, b, c)
	}
}

func TestWorkerHeartbeats(t *testing.T) {
	q := newQueue("alive", "lost")
	q.over["t:lost"] = true
	run(t, q, &client.Worker{Heartbeat: time.Millisecond, Concurrency: 2, Handle: func(ctx context.Context, input string) (string, error) {
		if input == "lost" {
			<-ctx.Done() // until the heartbeat learns that nobody waits
			return "", ctx.Err()
		}
		for q.beatsOf("t:alive") < 3 {
			time.Sleep(time.Millisecond)
		}
		return "1", nil
	}}, 2)
	if got := q.end1("t:alive"); got != "ok 1" {
		t.Errorf("the task with a beating heart ended %q", got)
	}
}

func (q *queue) beatsOf(token string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.beats[token]
}

func TestWorkerGivesUpWhereItIsOfNoUse(t *testing.T) {
	q := newQueue()
	q.polling = api.ActivityDoesNotExist("arn")
	w := &client.Worker{Service: script(q.play), ActivityArn: "arn", Concurrency: 3}
	if err := w.Run(context.Background()); api.CodeOf(err) != api.CodeActivityDoesNotExist {
		t.Errorf("Run: %v", err)
	}
}
