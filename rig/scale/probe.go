package main

import (
	"context"
	"log"
	"sync"
	"time"

	"github.com/backstep/backstep/api"
)

// probe calls the server fifty times a second until it is asked for the times that
// the calls took: a start that is waited for no more, a description, a list, a history.
// It counts from when a call was to be made.
func (r *rig) probe(ctx context.Context, s *server) func() ([]time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx)
	var mu sync.Mutex
	var took []time.Duration
	var failed error
	var all sync.WaitGroup
	machine, err := s.machine(ctx, "Probe", passing)
	if err == nil {
		err = s.begin(ctx, machine, "probe", "{}")
	}
	if err != nil {
		return func() ([]time.Duration, error) { cancel(); return nil, err }
	}
	arn := executionARN(machine, "probe")
	calls := [...]func() error{
		func() error {
			_, err := s.StartExecution(ctx, &api.StartExecutionInput{StateMachineArn: machine})
			return err
		},
		func() error {
			_, err := s.DescribeExecution(ctx, &api.DescribeExecutionInput{ExecutionArn: arn})
			return err
		},
		func() error {
			_, err := s.ListExecutions(ctx, &api.ListExecutionsInput{StateMachineArn: &machine, MaxResults: 10})
			return err
		},
		func() error {
			_, err := s.GetExecutionHistory(ctx, &api.GetExecutionHistoryInput{ExecutionArn: arn})
			return err
		},
	}
	ticks := time.NewTicker(probesEvery)
	all.Go(func() {
		defer ticks.Stop()
		for i := 0; ; i++ {
			var at time.Time
			select {
			case <-ctx.Done():
				return
			case at = <-ticks.C:
			}
			all.Go(func() {
				err := calls[i%len(calls)]()
				mu.Lock()
				defer mu.Unlock()
				if err == nil || ctx.Err() != nil { // one that is not over yet took at least so long
					took = append(took, time.Since(at))
				} else {
					failed = err
				}
			})
		}
	})
	return func() ([]time.Duration, error) {
		pause(ctx, time.Second) // one call of each at least
		cancel()
		all.Wait()
		if failed != nil {
			log.Printf("timers: a call failed: %v", failed)
		}
		return took, failed
	}
}
