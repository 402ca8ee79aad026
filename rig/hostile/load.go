package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/rig/bar"
)

// probe is what clients saw that ran one execution after the other.
type probe struct {
	took   []time.Duration
	at     []time.Time // when each ended
	failed error
}

func (p *probe) p99() float64 { return bar.Milliseconds(bar.Quantile(p.took, 0.99)) }

// probe lets clients run executions until ctx ends, or for so long. Where they
// pause, they ask for little of what there is.
func (s *server) probe(ctx context.Context, machine string, clients int, pause, d time.Duration) *probe {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var mu sync.Mutex
	p := new(probe)
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				err := s.run(context.WithoutCancel(ctx), machine)
				mu.Lock()
				if err != nil {
					p.failed = err
				} else {
					p.took, p.at = append(p.took, time.Since(began)), append(p.at, time.Now())
				}
				mu.Unlock()
				time.Sleep(pause)
			}
		})
	}
	all.Wait()
	return p
}

// starts starts so many executions from so many clients.
func (s *server) starts(ctx context.Context, machine string, n, clients int) error {
	var all sync.WaitGroup
	failures := make(chan error, clients)
	todo := make(chan struct{}, n)
	for range n {
		todo <- struct{}{}
	}
	close(todo)
	for range clients {
		all.Go(func() {
			for range todo {
				for {
					_, err := s.start(ctx, machine)
					if err == nil {
						break
					}
					if !isThrottled(err) {
						failures <- err
						return
					}
					time.Sleep(50 * time.Millisecond)
				}
			}
		})
	}
	all.Wait()
	close(failures)
	return <-failures
}

func isThrottled(err error) bool { return api.CodeOf(err) == api.CodeThrottling }

// count is how many executions of a machine have a status.
func (s *server) count(ctx context.Context, machine string, status api.ExecutionStatus) (int, error) {
	n := 0
	in := &api.ListExecutionsInput{StateMachineArn: &machine, StatusFilter: status, MaxResults: 1000}
	for {
		page, err := s.ListExecutions(ctx, in)
		if err != nil {
			return n, fmt.Errorf("list: %w", err)
		}
		n += len(page.Executions)
		if in.NextToken = page.NextToken; in.NextToken == nil {
			return n, nil
		}
	}
}
