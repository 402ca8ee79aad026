package main

import (
	"fmt"
	"io"
	"log"
	"slices"
	"time"
)

// bar is one figure and what it is held to.
type bar struct {
	what, figure, asked string
	held                bool
}

// bars are the figures of a run.
type bars []bar

// most holds a figure to an upper bound.
func (b *bars) most(what string, figure, most float64, unit string) {
	b.add(what, fmt.Sprintf("%.4g %s", figure, unit), fmt.Sprintf("≤ %.4g %s", most, unit), figure <= most)
}

// least holds a figure to a lower bound.
func (b *bars) least(what string, figure, least float64, unit string) {
	b.add(what, fmt.Sprintf("%.4g %s", figure, unit), fmt.Sprintf("≥ %.4g %s", least, unit), figure >= least)
}

func (b *bars) add(what, figure, asked string, held bool) {
	*b = append(*b, bar{what, figure, asked, held})
	log.Printf("%s: %s (%s) %s", what, figure, asked, verdict(held))
}

func verdict(held bool) string {
	if held {
		return "PASS"
	}
	return "FAIL"
}

// print writes the table, and reports whether all bars hold.
func (b bars) print(w io.Writer) bool {
	all := true
	fmt.Fprint(w, "\n| | figure | asked | |\n|---|---|---|---|\n")
	for _, one := range b {
		fmt.Fprintf(w, "| %s | %s | %s | %s |\n", one.what, one.figure, one.asked, verdict(one.held))
		all = all && one.held
	}
	return all
}

// quantile of times, in milliseconds.
func quantile(of []time.Duration, q float64) float64 {
	if len(of) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(of))
	return float64(sorted[int(q*float64(len(sorted)-1))].Microseconds()) / 1000
}
