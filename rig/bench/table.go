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
)

// printTable prints the limits and the rows as Markdown. A line's name is its
// first columns.
func printTable(w io.Writer, l limits, lines []string, results map[string][]row, busy float64) {
	fmt.Fprintf(w, "The machine: %d processors (%.1f busy during the run, all processes together); append 4 KiB + fdatasync %s; ", runtime.NumCPU(), busy, l.sync.Round(time.Microsecond))
	fmt.Fprintf(w, "an HTTP exchange between two processes %s, %.0f a second with %d clients.\n\n", l.exchange.Round(time.Microsecond), l.echoes, echoClients)
	fmt.Fprintln(w, "| functions | clients | sagas/s | p50 ms | p99 ms | errors | server CPU s per 1,000 | server MiB |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|")
	for _, line := range lines {
		rows := results[line]
		of := func(number func(row) float64) float64 {
			var all []float64
			for _, r := range rows {
				all = append(all, number(r))
			}
			slices.Sort(all)
			return all[len(all)/2]
		}
		fmt.Fprintf(w, "| %s | %.0f | %.1f | %.1f | %.0f | %.2f | %.0f |\n", line,
			of(func(r row) float64 { return r.PerSecond }), of(func(r row) float64 { return r.P50 }), of(func(r row) float64 { return r.P99 }),
			of(func(r row) float64 { return float64(r.Errors) }), of(func(r row) float64 { return r.CPU }), of(func(r row) float64 { return r.MiB }))
	}
}

// writeSamples writes what was measured of either server, a line each time, as
// Go's benchmarks print it. A line's name in one file is that in the other.
func writeSamples(dir string, lines []string, results map[string][]row) error {
	files := map[string]*bytes.Buffer{"before.txt": {}, "after.txt": {}}
	for _, line := range lines {
		what, clients, _ := strings.Cut(line, " | ")
		name, before := strings.CutSuffix(what, ", before")
		to := files["after.txt"]
		if before {
			to = files["before.txt"]
		}
		for _, r := range results[line] {
			fmt.Fprintf(to, "BenchmarkSagas/%s/clients=%s 1 %g cpu-s/1000 %g sagas/s %g p50-ms\n", strings.ReplaceAll(name, " ", "-"), clients, r.CPU, r.PerSecond, r.P50)
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}
