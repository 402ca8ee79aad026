package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/backstep/backstep/rig/bar"
)

const (
	capacityClients = 64
	floodSteps      = 5
	floodTimes      = 5 // its capacity
)

// flood is what became of the starts that were offered.
type flood struct {
	mu      sync.Mutex
	taken   int
	missed  int // for which there was no connection free
	refused []time.Duration
	failed  error
}

// overrun measures what the server can do, offers five times as much of one
// machine's, and goes on with another's.
func (r *rig) overrun(ctx context.Context, s *server) error {
	busy, err := s.machine(ctx, "Flood", calls("Good", floodSteps, ""))
	if err != nil {
		return err
	}
	other, err := s.machine(ctx, "Other", calls("Good", 1, ""))
	if err != nil {
		return err
	}
	s.probe(ctx, busy, capacityClients, 0, 5*time.Second)
	calm := s.probe(ctx, other, others, othersPause, r.calm)
	// At capacity, with the other machine beside.
	beside := make(chan *probe, 1)
	go func() { beside <- s.probe(ctx, other, others, othersPause, r.calm) }()
	full := s.probe(ctx, busy, capacityClients, 0, r.calm)
	loaded := <-beside
	capacity := float64(len(full.took)) / r.calm.Seconds()

	go func() { beside <- s.probe(ctx, other, others, othersPause, r.flood) }()
	done := s.succeeded()
	f := s.offer(ctx, busy, floodTimes*capacity, r.flood)
	good := float64(s.succeeded()-done) / r.flood.Seconds()
	flooded := <-beside
	normal := s.settles(ctx, other, 2*calm.p99())

	good -= float64(len(flooded.took)) / r.flood.Seconds()
	r.bars.Least(fmt.Sprintf("flood: executions done, of %.0f/s at capacity", capacity), good, 0.8*capacity, "/s")
	r.bars.Most("flood: a refusal's p99", bar.Milliseconds(bar.Quantile(f.refused, 0.99)), 50, "ms")
	r.bars.Least("flood: starts offered", float64(f.taken+len(f.refused)), 3*capacity*r.flood.Seconds(), "")
	r.bars.Most(fmt.Sprintf("flood: another machine's p99, %.3g ms calm, %.3g ms at capacity", calm.p99(), loaded.p99()), flooded.p99(), 2*loaded.p99(), "ms")
	r.bars.Least("flood: another machine's that did well", float64(len(flooded.took)), float64(len(loaded.took))/3, "")
	r.bars.Most("flood: normal after", normal.Seconds(), 10, "s")
	return errors.Join(f.failed, flooded.failed)
}

// offerers is how many connections offer starts.
const offerers = 1024

// offer starts executions at a rate, whatever becomes of them, as long as a
// connection is free.
func (s *server) offer(ctx context.Context, machine string, perSecond float64, d time.Duration) *flood {
	f := new(flood)
	var all sync.WaitGroup
	free := make(chan struct{}, offerers)
	began := time.Now()
	for i := 0; time.Since(began) < d && ctx.Err() == nil; {
		due := int(time.Since(began).Seconds() * perSecond)
		for ; i < due; i++ {
			select {
			case free <- struct{}{}:
			default:
				f.missed++
				continue
			}
			all.Go(func() {
				defer func() { <-free }()
				at := time.Now()
				_, err := s.start(ctx, machine)
				took := time.Since(at)
				f.mu.Lock()
				defer f.mu.Unlock()
				switch {
				case err == nil:
					f.taken++
				case isThrottled(err):
					f.refused = append(f.refused, took)
				default:
					f.failed = err
				}
			})
		}
		time.Sleep(2 * time.Millisecond)
	}
	all.Wait()
	return f
}

// settles is how long it takes until a second's executions are quick again.
func (s *server) settles(ctx context.Context, machine string, within float64) time.Duration {
	began := time.Now()
	for ctx.Err() == nil && time.Since(began) < time.Minute {
		at := time.Since(began)
		if p := s.probe(ctx, machine, others, othersPause, time.Second); p.failed == nil && bar.Milliseconds(bar.Quantile(p.took, 0.95)) <= within {
			return at
		}
	}
	return time.Since(began)
}
