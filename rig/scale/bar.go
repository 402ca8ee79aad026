package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"slices"
	"time"
)

// bar is one figure, and what it must not be above.
type bar struct {
	row, what    string
	figure, most float64
	unit         string
}

// bars are the figures of a run.
type bars []bar

// add notes a figure; most 0 holds it to nothing.
func (b *bars) add(row, what string, figure, most float64, unit string) {
	one := bar{row, what, figure, most, unit}
	*b = append(*b, one)
	log.Printf("%s: %s: %s", row, what, one)
}

func (b bar) String() string {
	text := fmt.Sprintf("%.4g %s", b.figure, b.unit)
	switch {
	case b.most == 0:
		return text
	case b.passes():
		return fmt.Sprintf("%s (at most %.4g) PASS", text, b.most)
	}
	return fmt.Sprintf("%s (at most %.4g) FAIL", text, b.most)
}

func (b bar) passes() bool { return b.most == 0 || b.figure <= b.most }

// print writes the table. It fails where a figure is above its bar.
func (b bars) print(w io.Writer) error {
	fmt.Fprint(w, "\n| | figure | at most | |\n|---|---|---|---|\n")
	failed := 0
	for _, one := range b {
		most, verdict := "", ""
		if one.most != 0 {
			most, verdict = fmt.Sprintf("%.4g %s", one.most, one.unit), "PASS"
		}
		if !one.passes() {
			verdict = "FAIL"
			failed++
		}
		fmt.Fprintf(w, "| %s: %s | %.4g %s | %s | %s |\n", one.row, one.what, one.figure, one.unit, most, verdict)
	}
	if failed > 0 {
		return errors.New("a figure misses its bar")
	}
	return nil
}

// quantile of times, in milliseconds.
func quantile(of []time.Duration, q float64) float64 {
	if len(of) == 0 {
		return 0
	}
	slices.Sort(of)
	return float64(of[int(q*float64(len(of)-1))].Microseconds()) / 1000
}

// median of figures.
func median(of []float64) float64 {
	if len(of) == 0 {
		return 0
	}
	slices.Sort(of)
	return of[len(of)/2]
}
