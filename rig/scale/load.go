package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/client"
	"github.com/backstep/backstep/rig/bar"
)

// measured is what came of a load.
type measured struct {
	n       int
	seconds float64
	cpu     float64 // of the server, per 1,000 sagas
	p50     float64 // ms
	p99     float64
}

// saga starts one and waits for its end.
func (s *server) saga(ctx context.Context, machine, input string) error {
	out, err := s.StartExecution(ctx, &api.StartExecutionInput{StateMachineArn: machine, Input: &input})
	if err != nil {
		return err
	}
	end, err := client.Await(ctx, s, out.ExecutionArn)
	if err == nil && end.Status != api.ExecutionStatusSucceeded {
		err = fmt.Errorf("%s is %s", out.ExecutionArn, end.Status)
	}
	return err
}

// sagas lets clients run one saga after the other, n in all, or for so long where n
// is 0. What is merged on disk behind the last saga is counted by who asks the
// server's processor time later.
func (r *rig) sagas(ctx context.Context, s *server, machine string, inputBytes, n int, d time.Duration) (measured, error) {
	var mu sync.Mutex
	var took []time.Duration
	var failed error
	var begun atomic.Int64
	began, cpu := time.Now(), s.CPU()
	var all sync.WaitGroup
	for range r.clients {
		all.Go(func() {
			for ctx.Err() == nil && (n == 0 && time.Since(began) < d || n > 0 && begun.Add(1) <= int64(n)) {
				at := time.Now()
				err := s.saga(ctx, machine, r.text(inputBytes))
				mu.Lock()
				took = append(took, time.Since(at))
				if err != nil {
					failed = err
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	all.Wait()
	m := measured{n: len(took), seconds: time.Since(began).Seconds(), p50: bar.Milliseconds(bar.Quantile(took, 0.5)), p99: bar.Milliseconds(bar.Quantile(took, 0.99))}
	m.cpu = 1000 * (s.CPU() - cpu) / float64(max(1, m.n))
	if failed == nil && ctx.Err() == nil && m.n == 0 {
		failed = errors.New("no saga was run")
	}
	return m, failed
}

// fill starts executions number from to before to, as many clients as there are,
// and tells now and then how far it is.
func (r *rig) fill(ctx context.Context, s *server, from, to int, start func(ctx context.Context, i int) error) error {
	var next atomic.Int64
	next.Store(int64(from))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	began := time.Now()
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(20 * time.Second):
				n, cpu := next.Load(), s.CPU()
				now, _ := s.Memory()
				log.Printf("%d of %d, %.0f a second, the server took %.0f s of a processor, has %.0f MiB", n, to, float64(n-int64(from))/time.Since(began).Seconds(), cpu, now)
			}
		}
	}()
	var all sync.WaitGroup
	for range r.clients {
		all.Go(func() {
			for ctx.Err() == nil {
				i := next.Add(1) - 1
				if i >= int64(to) {
					return
				}
				if err := start(ctx, int(i)); err != nil {
					cancel(fmt.Errorf("start %d: %w", i, err))
				}
			}
		})
	}
	all.Wait()
	close(done)
	return context.Cause(ctx)
}

// piece is how many executions are started before a note is made of them.
const piece = 50_000

// inPieces fills from so many executions to so many, and has each piece noted. It
// ends early where that takes longer than the rig may fill.
func (r *rig) inPieces(ctx context.Context, s *server, from, to int, start func(ctx context.Context, i int) error, note func(n int) error) error {
	for began := time.Now(); from < to && time.Since(began) < r.filling; {
		next := min(to, from+piece)
		if err := r.fill(ctx, s, from, next, start); err != nil {
			return err
		}
		if err := note(next); err != nil {
			return err
		}
		from = next
	}
	return nil
}

// begin starts an execution by name; one that is there already is as good.
func (s *server) begin(ctx context.Context, machine, name, input string) error {
	for {
		_, err := s.StartExecution(ctx, &api.StartExecutionInput{StateMachineArn: machine, Name: &name, Input: &input})
		switch api.CodeOf(err) {
		case api.CodeExecutionAlreadyExists:
			return nil
		case api.CodeThrottling:
			pause(ctx, 50*time.Millisecond)
			if ctx.Err() != nil {
				return ctx.Err()
			}
		default:
			return err
		}
	}
}

// timed calls f and tells how long it took.
func timed(f func() error) (time.Duration, error) {
	began := time.Now()
	err := f()
	return time.Since(began), err
}
