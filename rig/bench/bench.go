package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/backstep/backstep/rig/process"
)

// bench is one measurement.
type bench struct {
	backstep, before, samples, clients, postgres, peers, stages, dir string

	duration      time.Duration
	steps, rounds int

	self      string // this program
	functions string // where the functions are
	results   results
}

// The scenarios, as `backstep bench` names them.
const (
	steps         = "steps"
	undone        = "undone"
	undoneByCatch = "undone-by-catch"
	express       = "express"
)

// line is what one row is about.
type line struct {
	who      string
	scenario string
	clients  int
}

// contestant is a server under load.
type contestant struct {
	name, endpoint, function string
	more                     []string // scenarios beside the steps
}

// row is what `backstep bench --json` prints of one number of clients.
type row struct {
	Concurrency int     `json:"concurrency"`
	PerSecond   float64 `json:"sagas_per_second"`
	P50         float64 `json:"p50_ms"`
	P99         float64 `json:"p99_ms"`
	Errors      int64   `json:"errors"`
	CPU         float64 `json:"server_cpu_seconds_per_1000"`
	MiB         float64 `json:"server_resident_mib"`
}

// results are the rows of each line, the lines in the order they came.
type results struct {
	lines []line
	rows  map[line][]row
}

func (r *results) add(l line, rows ...row) {
	if r.rows == nil {
		r.rows = map[line][]row{}
	}
	if _, known := r.rows[l]; !known {
		r.lines = append(r.lines, l)
	}
	r.rows[l] = append(r.rows[l], rows...)
}

func (b *bench) run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if b.dir == "" {
		dir, err := os.MkdirTemp("", "backstep-bench-")
		if err != nil {
			return err
		}
		b.dir = dir
		defer os.RemoveAll(dir)
	}
	var err error
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.samples != "" {
		if err := os.MkdirAll(b.samples, 0o755); err != nil {
			return err
		}
	}
	var functions *process.Process
	if b.functions, functions, err = start(ctx, b.self, "-role", "functions"); err != nil {
		return err
	}
	defer functions.End(syscall.SIGTERM)
	limits, err := b.measureLimits(ctx)
	if err != nil {
		return err
	}
	busy, began := process.Busy(), time.Now()
	for n := range b.rounds {
		if err := b.round(ctx, n); err != nil {
			return err
		}
	}
	limits.print(os.Stdout, (process.Busy()-busy)/time.Since(began).Seconds())
	b.results.print(os.Stdout)
	if b.samples != "" {
		if err := b.results.writeSamples(b.samples); err != nil {
			return err
		}
	}
	return b.printBars(os.Stdout, limits)
}

// round measures every line once: all servers are begun anew for it, on empty
// stores.
func (b *bench) round(ctx context.Context, n int) error {
	dir := filepath.Join(b.dir, fmt.Sprint("round", n+1))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	contestants, stop, err := b.contestants(ctx, dir)
	defer stop()
	if err != nil {
		return err
	}
	for _, clients := range strings.Split(b.clients, ",") {
		for _, c := range contestants {
			if err := b.load(ctx, c, steps, clients); err != nil {
				return err
			}
		}
	}
	for _, c := range contestants {
		for _, scenario := range c.more {
			if err := b.load(ctx, c, scenario, clientsOf(scenario)); err != nil {
				return err
			}
		}
	}
	stop()
	if b.peers == "" {
		return nil
	}
	return b.measurePeers(ctx, n)
}

// clientsOf is by how many clients a scenario is measured that is no steps.
func clientsOf(scenario string) string {
	if scenario == express {
		return "16"
	}
	return "128"
}

// contestants starts the servers; stop ends them, also where there is an error.
func (b *bench) contestants(ctx context.Context, dir string) (all []contestant, stop func(), err error) {
	var running []*process.Process
	stop = func() {
		for _, p := range slices.Backward(running) {
			p.End(syscall.SIGTERM)
		}
		running = nil
	}
	least, p, err := b.serveLeast(ctx, dir)
	if err != nil {
		return nil, stop, err
	}
	running = append(running, p)
	all = append(all, contestant{"the least", least, "none", nil})
	serve := func(binary, data, suffix string, more ...string) error {
		endpoint, p, err := b.serve(ctx, dir, binary, data)
		if err != nil {
			return err
		}
		running = append(running, p)
		all = append(all, contestant{"URL" + suffix, endpoint, "BenchURL", more})
		if !isDSN(data) {
			all = append(all, contestant{"hosted" + suffix, endpoint, "BenchHosted", nil})
		}
		return nil
	}
	if err := serve(b.backstep, "data", "", undone, undoneByCatch, express); err != nil {
		return nil, stop, err
	}
	if b.postgres != "" {
		if err := serve(b.backstep, b.postgres, " on PostgreSQL"); err != nil {
			return nil, stop, err
		}
	}
	if b.before != "" {
		err = serve(b.before, "before", ", before", undone, undoneByCatch, express)
	}
	return all, stop, err
}

// load runs the load generator against a contestant.
func (b *bench) load(ctx context.Context, c contestant, scenario, clients string) error {
	cmd := exec.CommandContext(ctx, b.backstep, "bench", "--json", "--scenario", scenario, "--endpoint", c.endpoint, "--function", c.function,
		"--concurrency", clients, "--duration", b.duration.String(), "--steps", fmt.Sprint(b.steps))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil && len(out) == 0 {
		return fmt.Errorf("backstep bench: %w", err)
	}
	var rows []row
	if err := json.Unmarshal(out, &rows); err != nil {
		return fmt.Errorf("backstep bench: %w", err)
	}
	for _, r := range rows {
		b.results.add(line{c.name, scenario, r.Concurrency}, r)
	}
	return nil
}
