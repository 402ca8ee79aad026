package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/backstep/backstep/api"
)

// retire measures sagas while the first tenth of the executions is dropped, beside
// sagas over the same folder when none is. It works on a copy of the folder.
func (r *rig) retire(ctx context.Context, filledDir string, state filled) error {
	dir := filepath.Join(r.dir, "retire")
	if out, err := exec.Command("cp", "-a", "--reflink=auto", filledDir, dir).CombinedOutput(); err != nil {
		return fmt.Errorf("copy %s: %w: %s", filledDir, err, out)
	}
	defer os.RemoveAll(dir)
	s, err := serve(ctx, r.backstep, dir, r.configuration("", "0s"))
	if err != nil {
		return err
	}
	defer s.end(syscall.SIGKILL)
	machine, err := s.machine(ctx, grown, sagaOf("Answer200"))
	if err != nil {
		return err
	}
	if _, err := r.sagas(ctx, s, machine, 200, 0, r.duration/4); err != nil {
		return err
	}
	before, err := r.sagas(ctx, s, machine, 200, 0, 2*r.duration)
	if err != nil {
		return err
	}
	s.end(syscall.SIGTERM)
	// From the first tenth's end on: what ended before it is dropped.
	kept := time.Since(state.TenthAt) + time.Second
	if err := s.start(ctx, r.configuration("", fmt.Sprintf("%ds", int(kept.Seconds())))); err != nil {
		return err
	}
	began := time.Now()
	last := executionARN(machine, fmt.Sprintf("g-%07d", state.Tenth-1))
	var p99, cpu []float64
	for gone := false; !gone; {
		m, err := r.sagas(ctx, s, machine, 200, 0, min(2*r.duration, 5*time.Second))
		if err != nil {
			return err
		}
		p99, cpu = append(p99, m.p99), append(cpu, m.cpu)
		_, err = s.DescribeExecution(ctx, &api.DescribeExecutionInput{ExecutionArn: last})
		var refused *api.Error
		gone = asError(err, &refused) && refused.Code == "ExecutionDoesNotExist"
		if time.Since(began) > 10*time.Minute {
			return fmt.Errorf("%d executions were not dropped within 10 minutes", state.Tenth)
		}
	}
	left, err := s.ListExecutions(ctx, &api.ListExecutionsInput{StateMachineArn: &machine, MaxResults: 1})
	if err != nil || len(left.Executions) == 0 {
		return fmt.Errorf("nothing is left: %v", err)
	}
	r.bars.add("growth", "executions dropped", float64(state.Tenth), 0, "")
	r.bars.add("growth", "… within, under load", time.Since(began).Seconds(), 0, "s")
	r.bars.add("growth", "processor per 1,000 sagas, before", before.cpu, 0, "s")
	r.bars.add("growth", "processor per 1,000 sagas, meanwhile", median(cpu), 0, "s")
	r.bars.add("growth", "p99 of a saga, before", before.p99, 0, "ms")
	r.bars.add("growth", "p99 of a saga, meanwhile", median(p99), retiringMost*before.p99, "ms")
	return nil
}

// executionARN is the ARN of a machine's execution.
func executionARN(machine, name string) string {
	return strings.Replace(machine, ":stateMachine:", ":execution:", 1) + ":" + name
}
