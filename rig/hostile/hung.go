package main

import (
	"context"
	"fmt"
	"time"
)

// The other clients: so few that they find the processors idle.
const (
	others      = 4
	othersPause = 20 * time.Millisecond
)

// hang lets calls hang, then calls whose answers have no end come as many at once:
// others take as long as before, and the calls little memory.
func (r *rig) hang(ctx context.Context, s *server) error {
	quick, err := s.machine(ctx, "Quick", calls("Good", 1, ""))
	if err != nil {
		return err
	}
	s.probe(ctx, quick, others, 0, 3*time.Second) // until all is warm
	before := s.probe(ctx, quick, others, othersPause, r.calm)
	memory := s.resident()
	for _, mode := range []string{"never", "drip", "stuck"} {
		machine, err := s.machine(ctx, "Hung-"+mode, calls(mode, 1, `"TimeoutSeconds":600,`))
		if err != nil {
			return err
		}
		if err := s.starts(ctx, machine, r.hung/3+1, 32); err != nil {
			return err
		}
	}
	for range 100 {
		if int(r.fiend.Hung.Load()) >= r.hung {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	during := s.probe(ctx, quick, others, othersPause, r.calm)
	r.bars.Least("hung: calls that hang", float64(r.fiend.Hung.Load()), float64(r.hung), "")
	r.bars.Most(fmt.Sprintf("hung: others' p99, %.3g ms before", before.p99()), during.p99(), 2*before.p99(), "ms")
	r.bars.Most("hung: memory of a call", (s.resident()-memory)/float64(r.hung), 1, "MiB")
	r.bars.Least("hung: others that did well", float64(len(during.took)), float64(len(before.took))/2, "")
	if before.failed != nil || during.failed != nil {
		return fmt.Errorf("others fail: %v, %v", before.failed, during.failed)
	}
	endless, err := s.machine(ctx, "Endless", calls("huge", 1, `"TimeoutSeconds":60,`))
	if err != nil {
		return err
	}
	peak := s.resident()
	base, done := peak, make(chan error, 1)
	go func() { done <- s.starts(ctx, endless, r.hung, 64) }()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		peak = max(peak, s.resident())
	}
	r.bars.Most("hung: memory of a call whose answer has no end", (peak-base)/float64(r.hung), 1, "MiB")
	return <-done
}
