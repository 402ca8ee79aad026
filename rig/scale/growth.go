package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/rig/bar"
	"github.com/backstep/backstep/rig/process"
)

// The bars of growth.
const (
	cpuGrowth     = 1.15 // of a saga's processor time, in times of an empty store's
	latencyGrowth = 1.25 // of its p99
	pageMost      = 20   // ms for a page of executions or of a history
	retiringMost  = 2    // of a saga's p99 while executions are dropped, in times of that without
)

// filled is what a run left in the folder of growth: how many executions, and when
// the first tenth of them had ended.
type filled struct {
	N       int
	Tenth   int
	TenthAt time.Time
}

const grown = "Growth"

// growth measures a server over many executions that have ended.
func (r *rig) growth(ctx context.Context) error {
	dir := filepath.Join(r.keep, "growth")
	state, err := r.grow(ctx, dir)
	if err != nil {
		return err
	}
	full, err := serve(ctx, r.backstep, dir, r.configuration("", "0s"))
	if err != nil {
		return err
	}
	defer full.End(syscall.SIGKILL)
	machine, err := full.machine(ctx, grown, sagaOf("Answer200"))
	if err != nil {
		return err
	}
	full.quiet(ctx, time.Minute)
	r.bars.Note("growth: executions that have ended", float64(state.N), "")
	r.bars.Note("growth: on disk of one", float64(process.Size(full.data()))/float64(state.N), "B")
	r.bars.Note("growth: restart to ready", full.Ready.Seconds(), "s")
	if err := r.pages(ctx, full, machine, state.N); err != nil {
		return err
	}
	return r.besideEmpty(ctx, full, machine)
}

// grow fills the folder up to so many executions, by a test case that answers the
// steps: what stands on disk is the same.
func (r *rig) grow(ctx context.Context, dir string) (state filled, err error) {
	note := filepath.Join(dir, "filled.json")
	if text, err := os.ReadFile(note); err == nil {
		if err := json.Unmarshal(text, &state); err != nil {
			return state, err
		}
	}
	if state.N >= r.n {
		return state, nil
	}
	mocks := filepath.Join(r.dir, "mocks.json")
	if err := os.WriteFile(mocks, []byte(r.mocked(grown, 200)), 0o600); err != nil {
		return state, err
	}
	s, err := serve(ctx, r.backstep, dir, r.configuration(mocks, "0s"))
	if err != nil {
		return state, err
	}
	defer s.End(syscall.SIGKILL)
	machine, err := s.machine(ctx, grown, sagaOf("Answer200"))
	if err != nil {
		return state, err
	}
	start := func(ctx context.Context, i int) error {
		return s.begin(ctx, machine+"#Fill", fmt.Sprintf("g-%07d", i), r.text(200))
	}
	save := func(n int) error {
		state.N = n
		text, err := json.Marshal(state)
		return errors.Join(err, os.WriteFile(note, text, 0o600))
	}
	cpu := s.CPU()
	if state.Tenth == 0 {
		state.Tenth = r.n / 10
		if err := r.fill(ctx, s, state.N, state.Tenth, start); err != nil {
			return state, err
		}
		if err := s.drained(ctx, machine); err != nil {
			return state, err
		}
		state.TenthAt = time.Now()
		if err := save(state.Tenth); err != nil {
			return state, err
		}
	}
	err = r.inPieces(ctx, s, state.N, r.n, start, func(n int) error { return errors.Join(s.drained(ctx, machine), save(n)) })
	if err != nil {
		return state, err
	}
	log.Printf("growth: filled, the server took %.0f s of a processor", s.CPU()-cpu)
	s.End(syscall.SIGTERM)
	return state, nil
}

// drained waits until no execution of a machine runs.
func (s *server) drained(ctx context.Context, machine string) error {
	for ctx.Err() == nil {
		list, err := s.ListExecutions(ctx, &api.ListExecutionsInput{StateMachineArn: &machine, StatusFilter: api.ExecutionStatusRunning, MaxResults: 1})
		if err != nil {
			return err
		}
		if len(list.Executions) == 0 {
			return nil
		}
		pause(ctx, 50*time.Millisecond)
	}
	return ctx.Err()
}

// besideEmpty runs sagas over the full store and over an empty one, in turn.
func (r *rig) besideEmpty(ctx context.Context, full *server, machine string) error {
	empty, err := serve(ctx, r.backstep, filepath.Join(r.dir, "empty"), r.configuration("", "0s"))
	if err != nil {
		return err
	}
	defer empty.End(syscall.SIGKILL)
	if _, err := empty.machine(ctx, grown, sagaOf("Answer200")); err != nil {
		return err
	}
	servers := [...]*server{empty, full}
	var cpu, p99, rate [2][]float64
	for round := range r.rounds + 1 {
		for i, s := range servers {
			before := s.CPU()
			m, err := r.sagas(ctx, s, machine, 200, 0, r.duration)
			if err != nil {
				return err
			}
			s.quiet(ctx, 20*time.Second) // what is merged behind the sagas is theirs
			m.cpu = 1000 * (s.CPU() - before) / float64(m.n)
			log.Printf("growth: round %d, %s: %.0f sagas/s, %.3f s per 1,000, p50 %.1f ms, p99 %.1f ms", round, [...]string{"empty", "full"}[i], float64(m.n)/m.seconds, m.cpu, m.p50, m.p99)
			if round == 0 { // to warm up
				continue
			}
			cpu[i], p99[i], rate[i] = append(cpu[i], m.cpu), append(p99[i], m.p99), append(rate[i], float64(m.n)/m.seconds)
		}
	}
	empty.End(syscall.SIGTERM)
	full.End(syscall.SIGTERM)
	r.bars.Note("growth: sagas a second, empty", bar.Median(rate[0]), "")
	r.bars.Note("growth: sagas a second, full", bar.Median(rate[1]), "")
	r.bars.Note("growth: processor per 1,000 sagas, empty", bar.Median(cpu[0]), "s")
	r.bars.Most("growth: processor per 1,000 sagas, full", bar.Median(cpu[1]), cpuGrowth*bar.Median(cpu[0]), "s")
	r.bars.Note("growth: p99 of a saga, empty", bar.Median(p99[0]), "ms")
	r.bars.Most("growth: p99 of a saga, full", bar.Median(p99[1]), latencyGrowth*bar.Median(p99[0]), "ms")
	return nil
}

// pages measures lists and a history.
func (r *rig) pages(ctx context.Context, s *server, machine string, n int) error {
	deep, err := s.deep(ctx, machine)
	if err != nil {
		return err
	}
	arn := executionARN(machine, fmt.Sprintf("g-%07d", n/2))
	list := func(in api.ListExecutionsInput) func() error {
		in.StateMachineArn = &machine
		return func() error {
			_, err := s.ListExecutions(ctx, &in)
			return err
		}
	}
	for _, page := range []struct {
		what string
		read func() error
	}{
		{"all executions, first page", list(api.ListExecutionsInput{})},
		{"all executions, a page far behind", list(api.ListExecutionsInput{NextToken: deep})},
		{"executions SUCCEEDED", list(api.ListExecutionsInput{StatusFilter: api.ExecutionStatusSucceeded})},
		{"executions RUNNING", list(api.ListExecutionsInput{StatusFilter: api.ExecutionStatusRunning})},
		{"executions FAILED", list(api.ListExecutionsInput{StatusFilter: api.ExecutionStatusFailed})},
		{"history", func() error {
			_, err := s.GetExecutionHistory(ctx, &api.GetExecutionHistoryInput{ExecutionArn: arn})
			return err
		}},
	} {
		var took []time.Duration
		for range 100 {
			d, err := timed(page.read)
			if err != nil {
				return fmt.Errorf("%s: %w", page.what, err)
			}
			took = append(took, d)
		}
		r.bars.Most("growth: "+page.what+", p99", bar.Milliseconds(bar.Quantile(took, 0.99)), pageMost, "ms")
	}
	return nil
}

// deep is the token of a page behind fifty thousand executions.
func (s *server) deep(ctx context.Context, machine string) (token *string, err error) {
	for range 50 {
		list, err := s.ListExecutions(ctx, &api.ListExecutionsInput{StateMachineArn: &machine, MaxResults: 1000, NextToken: token})
		if err != nil {
			return nil, err
		}
		if list.NextToken == nil {
			break
		}
		token = list.NextToken
	}
	return token, nil
}
