package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"
)

// A server that is stopped under load ends with 0, and nothing fails by it:
// calls under way are answered, what was acknowledged is gone through with by
// the next server on its data, and what was not acknowledged has not begun.
func TestDrain(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	n := serveChild(t, d.configuration())
	s := &sdk{newClient(n, "any", "any"), context.Background(), d}
	machine := s.create(t, "order", "order", types.StateMachineTypeStandard)
	quick := s.create(t, "quick", "order", types.StateMachineTypeExpress)

	load := startLoad(t, s, machine)
	s.start(t, machine, "held-1", `{"order": "held-1"}`)
	synchronous := make(chan error, 1)
	go func() { synchronous <- s.held(quick) }()
	for range 2 {
		<-d.held
	}
	await(t, "100 starts", func() bool { return load.acknowledged.Load() >= 100 })
	n.terminate(t)
	await(t, "the drain", func() bool { return strings.Contains(n.said.String(), "backstep drains") })
	close(d.release)
	if err := <-synchronous; err != nil {
		t.Errorf("the synchronous execution under way: %v", err)
	}
	load.workers.Wait()
	n.stop(t)

	again := serveFrom(t, n.data, d.configuration())
	s.Client = newClient(again, "any", "any")
	if ended, want := s.allEnded(t, machine), int(load.acknowledged.Load())+1; ended != want {
		t.Errorf("%d executions have succeeded, %d starts were acknowledged", ended, want)
	}
}

// held is a synchronous execution that waits for the desk.
func (s *sdk) held(machine *string) error {
	out, err := s.StartSyncExecution(s.ctx, &sfn.StartSyncExecutionInput{StateMachineArn: machine, Input: aws.String(`{"order": "held-2"}`)})
	if err == nil && out.Status != types.SyncExecutionStatusSucceeded {
		err = fmt.Errorf("it ended as %v: %s", out.Status, aws.ToString(out.Error))
	}
	return err
}

// load is some clients that start executions until the server takes no more.
type load struct {
	workers      sync.WaitGroup
	acknowledged atomic.Int64
}

func startLoad(t *testing.T, s *sdk, machine *string) *load {
	l := new(load)
	once := func(o *sfn.Options) { // each call on a connection of its own, and only once
		o.RetryMaxAttempts = 1
		o.HTTPClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	}
	for worker := range 8 {
		l.workers.Go(func() {
			for i := 0; ; i++ {
				name := aws.String(fmt.Sprintf("load-%d-%d", worker, i))
				_, err := s.StartExecution(s.ctx, &sfn.StartExecutionInput{StateMachineArn: machine, Name: name, Input: aws.String(`{"order": "load"}`)}, once)
				if err != nil {
					if !isClosed(err) {
						t.Errorf("start %s: %v", *name, err)
					}
					return
				}
				l.acknowledged.Add(1)
			}
		})
	}
	return l
}

// isClosed reports whether an error says that the server takes no more: by its
// own word, because nobody listens, or because the connection was closed before
// the request was read.
func isClosed(err error) bool {
	var refused smithy.APIError
	if errors.As(err, &refused) {
		return refused.ErrorCode() == "ServiceUnavailable"
	}
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, io.EOF) ||
		errors.Is(err, net.ErrClosed) // the client noticed while it was still writing
}

// allEnded waits until all executions of a machine have ended, each of which
// must have succeeded, and gives their number.
func (s *sdk) allEnded(t *testing.T, machine *string) int {
	t.Helper()
	var ended int
	await(t, "all executions to end", func() bool {
		ended = 0
		for p := sfn.NewListExecutionsPaginator(s, &sfn.ListExecutionsInput{StateMachineArn: machine, MaxResults: 1000}); p.HasMorePages(); {
			page, err := p.NextPage(s.ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Executions {
				switch e.Status {
				case types.ExecutionStatusSucceeded:
					ended++
				case types.ExecutionStatusRunning:
					return false
				default:
					t.Fatalf("%s is %v", *e.Name, e.Status)
				}
			}
		}
		return true
	})
	return ended
}
