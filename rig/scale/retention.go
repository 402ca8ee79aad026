package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/rig/bar"
)

// retention measures sagas while the first tenth of the executions is dropped, beside
// sagas over the same folder when none is. It works on copies of the filled folder.
func (r *rig) retention(ctx context.Context) error {
	from := filepath.Join(r.keep, "growth")
	state, err := r.grow(ctx, from)
	if err != nil {
		return err
	}
	dir := filepath.Join(r.dir, "retention")
	if out, err := exec.Command("cp", "-a", "--reflink=auto", from, dir).CombinedOutput(); err != nil {
		return fmt.Errorf("copy %s: %w: %s", from, err, out)
	}
	defer os.RemoveAll(dir)
	s, err := serve(ctx, r.backstep, dir, r.configuration("", "0s"))
	if err != nil {
		return err
	}
	defer func() { s.End(syscall.SIGKILL) }()
	machine, err := s.machine(ctx, grown, sagaOf("Answer200"))
	if err != nil {
		return err
	}
	if _, err := r.sagas(ctx, s, machine, 200, 0, r.duration/4); err != nil {
		return err
	}
	var without []float64
	for range r.rounds {
		m, err := r.sagas(ctx, s, machine, 200, 0, r.duration)
		if err != nil {
			return err
		}
		without = append(without, m.p99)
	}
	s.End(syscall.SIGTERM)
	kept := time.Since(state.TenthAt) + time.Second // what ended before is dropped
	if err := s.start(ctx, r.configuration("", fmt.Sprintf("%ds", int(kept.Seconds())))); err != nil {
		return err
	}
	return r.dropping(ctx, s, machine, state, bar.Median(without))
}

// dropping runs sagas until those are gone that are to be dropped: the first and the
// last of them, in whatever order they go.
func (r *rig) dropping(ctx context.Context, s *server, machine string, state filled, without float64) error {
	began := time.Now()
	first, last := executionARN(machine, "g-0000000"), executionARN(machine, fmt.Sprintf("g-%07d", state.Tenth-1))
	var p99, cpu []float64
	for gone := false; !gone; {
		m, err := r.sagas(ctx, s, machine, 200, 0, r.duration/2)
		if err != nil {
			return err
		}
		p99, cpu = append(p99, m.p99), append(cpu, m.cpu)
		log.Printf("retention: %.0f sagas/s, p99 %.1f ms, %.3f s per 1,000", float64(m.n)/m.seconds, m.p99, m.cpu)
		for _, arn := range []string{first, last} {
			if gone, err = s.isGone(ctx, arn); err != nil {
				return err
			}
			if !gone {
				break
			}
		}
		if time.Since(began) > 10*time.Minute {
			return fmt.Errorf("%d executions were not dropped within 10 minutes", state.Tenth)
		}
	}
	if gone, err := s.isGone(ctx, executionARN(machine, fmt.Sprintf("g-%07d", state.N-1))); err != nil || gone {
		return fmt.Errorf("what was to be kept is gone: %t, %v", gone, err)
	}
	r.bars.Note("retention: executions dropped", float64(state.Tenth), "")
	r.bars.Note("retention: … within, under load", time.Since(began).Seconds(), "s")
	r.bars.Note("retention: processor per 1,000 sagas, meanwhile, dropping included", bar.Median(cpu), "s")
	r.bars.Note("retention: p99 of a saga, without", without, "ms")
	r.bars.Most("retention: p99 of a saga, meanwhile", bar.Median(p99), retiringMost*without, "ms")
	return nil
}

// isGone reports whether there is no such execution.
func (s *server) isGone(ctx context.Context, arn string) (bool, error) {
	_, err := s.DescribeExecution(ctx, &api.DescribeExecutionInput{ExecutionArn: arn})
	if api.CodeOf(err) == api.CodeExecutionDoesNotExist {
		return true, nil
	}
	return false, err
}

// executionARN is the ARN of a machine's execution.
func executionARN(machine, name string) string {
	return strings.Replace(machine, ":stateMachine:", ":execution:", 1) + ":" + name
}
