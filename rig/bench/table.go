package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/backstep/backstep/rig/bar"
)

// print says what the machine can do, and how busy it was.
func (l limits) print(w io.Writer, busy float64) {
	fmt.Fprintf(w, "The machine: %d processors (%.1f busy during the run, all processes together); append 4 KiB + fdatasync %s; ", runtime.NumCPU(), busy, l.sync.Round(time.Microsecond))
	fmt.Fprintf(w, "an HTTP exchange between two processes %s, %.0f a second with %d clients", l.exchange.Round(time.Microsecond), l.echoes, echoClients)
	if l.postgres > 0 {
		fmt.Fprintf(w, "; `pgbench -N` with %d clients %.0f transactions a second", pgbenchClients, l.postgres)
	}
	fmt.Fprint(w, ".\n\n")
}

// median is the row of a line whose every figure is the median of all its rows.
func (r *results) median(l line) (m row, measured bool) {
	rows := r.rows[l]
	if len(rows) == 0 {
		return row{}, false
	}
	of := func(number func(row) float64) float64 {
		var all []float64
		for _, r := range rows {
			all = append(all, number(r))
		}
		return bar.Median(all)
	}
	return row{
		Concurrency: l.clients,
		PerSecond:   of(func(r row) float64 { return r.PerSecond }),
		P50:         of(func(r row) float64 { return r.P50 }),
		P99:         of(func(r row) float64 { return r.P99 }),
		Errors:      int64(of(func(r row) float64 { return float64(r.Errors) })),
		CPU:         of(func(r row) float64 { return r.CPU }),
		MiB:         of(func(r row) float64 { return r.MiB }),
	}, true
}

// print prints the medians as a Markdown table, one who after the other.
func (r *results) print(w io.Writer) {
	fmt.Fprintln(w, "| | saga | clients | sagas/s | p50 ms | p99 ms | errors | server CPU s per 1,000 | server MiB |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|")
	var whos []string
	for _, l := range r.lines {
		if !slices.Contains(whos, l.who) {
			whos = append(whos, l.who)
		}
	}
	for _, who := range whos {
		for _, l := range r.lines {
			if l.who != who {
				continue
			}
			m, _ := r.median(l)
			fmt.Fprintf(w, "| %s | %s | %d | %.0f | %.1f | %.1f | %d | %.2f | %.0f |\n", l.who, l.scenario, l.clients, m.PerSecond, m.P50, m.P99, m.Errors, m.CPU, m.MiB)
		}
	}
}

// writeSamples writes what was measured of either server, a line each time, as
// Go's benchmarks print it. A line's name in one file is that in the other.
func (r *results) writeSamples(dir string) error {
	files := map[string]*bytes.Buffer{"before.txt": {}, "after.txt": {}}
	for _, l := range r.lines {
		name, before := strings.CutSuffix(l.who, ", before")
		to := files["after.txt"]
		if before {
			to = files["before.txt"]
		}
		for _, m := range r.rows[l] {
			fmt.Fprintf(to, "BenchmarkSagas/%s/%s/clients=%d 1 %g cpu-s/1000 %g sagas/s %g p50-ms\n", strings.ReplaceAll(name, " ", "-"), l.scenario, l.clients, m.CPU, m.PerSecond, m.P50)
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}
