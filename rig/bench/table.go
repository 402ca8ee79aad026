package main

import (
	"fmt"
	"io"
	"runtime"
	"time"
)

// printTable prints the limits and the rows as Markdown.
func printTable(w io.Writer, l limits, kinds []string, results map[string][]row, busy float64) {
	fmt.Fprintf(w, "The machine: %d processors (%.1f busy during the run, all processes together); append 4 KiB + fdatasync %s; ", runtime.NumCPU(), busy, l.sync.Round(time.Microsecond))
	fmt.Fprintf(w, "an HTTP exchange between two processes %s, %.0f a second with %d clients.\n\n", l.exchange.Round(time.Microsecond), l.echoes, echoClients)
	fmt.Fprintln(w, "| functions | clients | sagas/s | p50 ms | p99 ms | errors | server CPU s per 1,000 | server MiB |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|")
	for _, kind := range kinds {
		for _, r := range results[kind] {
			fmt.Fprintf(w, "| %s | %d | %.0f | %.1f | %.1f | %d | %.2f | %.0f |\n", kind, r.Concurrency, r.PerSecond, r.P50, r.P99, r.Errors, r.CPU, r.MiB)
		}
	}
}
