package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/rig/bar"
)

// The bars of parked executions.
const (
	residentMost = 600  // MiB
	readyMost    = 15   // s
	idleMost     = 0.01 // of a processor
)

// park measures a server with many executions that wait: half of them for a time
// that is far, half for their token.
func (r *rig) park(ctx context.Context) error {
	dir := filepath.Join(r.keep, "park")
	s, err := serve(ctx, r.backstep, dir, r.configuration("", "0s"))
	if err != nil {
		return err
	}
	defer func() { s.End(syscall.SIGKILL) }()
	note := filepath.Join(dir, "filled")
	have := 0
	if text, err := os.ReadFile(note); err == nil {
		have, _ = strconv.Atoi(strings.TrimSpace(string(text)))
	}
	waits, err := s.machine(ctx, "Parked", waiting)
	if err != nil {
		return err
	}
	asks, err := s.machine(ctx, "Asked", calledBack)
	if err != nil {
		return err
	}
	if had := have; have < r.n {
		far := `{"at":"` + time.Now().AddDate(0, 0, 90).UTC().Format(time.RFC3339) + `"}`
		began := time.Now()
		err := r.inPieces(ctx, s, have, r.n, func(ctx context.Context, i int) error {
			if i%2 == 0 {
				return s.begin(ctx, waits, fmt.Sprintf("w-%07d", i), far)
			}
			return s.begin(ctx, asks, fmt.Sprintf("t-%07d", i), "{}")
		}, func(n int) error {
			have = n
			return os.WriteFile(note, []byte(strconv.Itoa(n)), 0o600)
		})
		if err != nil {
			return err
		}
		r.bars.Note("park: starts a second", float64(have-had)/time.Since(began).Seconds(), "")
		_, most := s.Memory()
		r.bars.Most("park: resident at the most, while they were started", most, residentMost, "MiB")
		s.quiet(ctx, time.Minute)
		now, _ := s.Memory()
		r.bars.Most("park: resident, thereafter", now, residentMost, "MiB")
	}
	r.bars.Note("park: executions that wait", float64(have), "")
	return r.wake(ctx, s, waits, asks)
}

// wake measures two restarts over what waits, the idle server, and what still
// moves.
func (r *rig) wake(ctx context.Context, s *server, waits, asks string) error {
	for _, how := range []struct {
		what string
		by   syscall.Signal
	}{{"SIGTERM", syscall.SIGTERM}, {"SIGKILL", syscall.SIGKILL}} {
		s.End(how.by)
		if err := s.start(ctx, r.configuration("", "0s")); err != nil {
			return err
		}
		r.bars.Most("park: restart to ready after "+how.what, s.Ready.Seconds(), readyMost, "s")
	}
	s.quiet(ctx, time.Minute)
	_, most := s.Memory()
	r.bars.Most("park: resident at the most, after the restart", most, residentMost, "MiB")
	const idle = 30 * time.Second
	before := s.CPU()
	pause(ctx, idle)
	r.bars.Most("park: of a processor while nothing is asked", (s.CPU()-before)/idle.Seconds(), idleMost, "")
	return r.move(ctx, s, waits, asks)
}

// move completes some that wait for their token, and describes some that wait for a
// time: each was out of memory.
func (r *rig) move(ctx context.Context, s *server, waits, asks string) error {
	const some = 1000
	var took []time.Duration
	r.mu.Lock()
	tokens := r.tokens[:min(some, len(r.tokens))]
	r.tokens = r.tokens[len(tokens):]
	r.mu.Unlock()
	done := "{}"
	for _, token := range tokens {
		d, err := timed(func() error {
			_, err := s.SendTaskSuccess(ctx, &api.SendTaskSuccessInput{TaskToken: token, Output: done})
			return err
		})
		if err != nil {
			return fmt.Errorf("token: %w", err)
		}
		took = append(took, d)
	}
	if len(took) > 0 {
		r.bars.Note("park: SendTaskSuccess, p99", bar.Milliseconds(bar.Quantile(took, 0.99)), "ms")
	}
	took = nil
	for i := 0; i < min(some, r.n); i += 2 {
		arn := executionARN(waits, fmt.Sprintf("w-%07d", i))
		d, err := timed(func() error {
			_, err := s.DescribeExecution(ctx, &api.DescribeExecutionInput{ExecutionArn: arn})
			return err
		})
		if err != nil {
			return err
		}
		took = append(took, d)
	}
	r.bars.Note("park: DescribeExecution, p99", bar.Milliseconds(bar.Quantile(took, 0.99)), "ms")
	for machine, name := range map[string]string{waits: "Parked", asks: "Asked"} {
		list, err := s.ListExecutions(ctx, &api.ListExecutionsInput{StateMachineArn: &machine, StatusFilter: api.ExecutionStatusRunning, MaxResults: 1})
		if err != nil || len(list.Executions) == 0 {
			return fmt.Errorf("no execution of %s waits: %v", name, err)
		}
	}
	return nil
}
