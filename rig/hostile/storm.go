package main

import (
	"context"
	"fmt"
	"time"

	"github.com/backstep/backstep/api"
)

// rage takes a service down under many executions that try again and again, and
// brings it back.
func (r *rig) rage(ctx context.Context, s *server) error {
	quick, err := s.machine(ctx, "Quick", calls("Good", 1, ""))
	if err != nil {
		return err
	}
	storm, err := s.machine(ctx, "Storm", calls("Storm", 1, `"TimeoutSeconds":30,"Retry":[{"ErrorEquals":["States.ALL"],"IntervalSeconds":5,"BackoffRate":1.5,"MaxDelaySeconds":30,"MaxAttempts":100000,"JitterStrategy":"FULL"}],`))
	if err != nil {
		return err
	}
	s.probe(ctx, quick, others, 0, 3*time.Second)
	before := s.probe(ctx, quick, others, othersPause, r.calm)
	r.fiend.Down(true)
	if err := s.starts(ctx, storm, r.storm, 32); err != nil {
		return err
	}
	begun, cpu := time.Now(), s.CPU()
	watching, stop := context.WithCancel(ctx)
	defer stop()
	rates := make(chan int, 1)
	go func() { rates <- r.busiest(watching) }()
	during := s.probe(ctx, quick, others, othersPause, r.down)
	used := (s.CPU() - cpu) / time.Since(begun).Seconds()
	r.fiend.Down(false)
	back := time.Now()
	running := r.storm
	for running > 0 && time.Since(back) < 5*time.Minute {
		time.Sleep(time.Second)
		if running, err = s.count(ctx, storm, api.ExecutionStatusRunning); err != nil {
			return err
		}
	}
	took := time.Since(back)
	stop()
	well, err := s.count(ctx, storm, api.ExecutionStatusSucceeded)
	if err != nil {
		return err
	}
	r.bars.Hold("storm: executions that did well", fmt.Sprint(well), fmt.Sprint(r.storm), well == r.storm)
	r.bars.Most("storm: calls in the busiest second", float64(<-rates), 1.05*(stormRate+50), "") // a second is not counted more exactly
	r.bars.Most("storm: processor while the service is down", 100*used/2, 80, "% of two")
	r.bars.Most(fmt.Sprintf("storm: others' p99, %.3g ms before", before.p99()), during.p99(), 2*before.p99(), "ms")
	r.bars.Least("storm: others that did well", float64(len(during.took)), 100, "")
	r.bars.Least("storm: until all have done well", took.Seconds(), min(30, float64(r.storm)/stormRate), "s")
	return nil
}

// busiest is the most calls that the troubled service got within a second.
func (r *rig) busiest(ctx context.Context) int {
	most, last := 0, r.fiend.Trouble.Load()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return most
		case <-tick.C:
			now := r.fiend.Trouble.Load()
			most, last = max(most, int(now-last)), now
		}
	}
}
