// Package bar is what the rigs hold their figures to, and how they print it.
package bar

import (
	"fmt"
	"io"
	"log"
	"slices"
	"strings"
	"time"
)

// Figures are what a run came to, in the order in which it was found. They are one
// goroutine's.
type Figures struct {
	rows   []row
	missed []string
}

type row struct{ what, figure, asked, verdict string }

// Note adds a figure that is held to nothing.
func (f *Figures) Note(what string, figure float64, unit string) {
	f.add(row{what: what, figure: number(figure, unit)})
}

// Most adds a figure that is most at the most.
func (f *Figures) Most(what string, figure, most float64, unit string) {
	f.Hold(what, number(figure, unit), "≤ "+number(most, unit), figure <= most)
}

// Least adds a figure that is least at the least.
func (f *Figures) Least(what string, figure, least float64, unit string) {
	f.Hold(what, number(figure, unit), "≥ "+number(least, unit), figure >= least)
}

// Hold adds a figure in words, beside what is asked of it.
func (f *Figures) Hold(what, figure, asked string, held bool) {
	r := row{what, figure, asked, "PASS"}
	if !held {
		r.verdict = "FAIL"
		f.missed = append(f.missed, what)
	}
	f.add(r)
}

func (f *Figures) add(r row) {
	f.rows = append(f.rows, r)
	if r.asked == "" {
		log.Printf("%s: %s", r.what, r.figure)
		return
	}
	log.Printf("%s: %s (%s) %s", r.what, r.figure, r.asked, r.verdict)
}

func number(n float64, unit string) string {
	return strings.TrimSpace(fmt.Sprintf("%.4g %s", n, unit))
}

// Print writes the table. Its error names the figures that miss their bars.
func (f *Figures) Print(w io.Writer) error {
	fmt.Fprint(w, "\n| | figure | bar | |\n|---|---|---|---|\n")
	for _, r := range f.rows {
		fmt.Fprintf(w, "| %s | %s | %s | %s |\n", r.what, r.figure, r.asked, r.verdict)
	}
	if len(f.missed) > 0 {
		return fmt.Errorf("%d of %d figures miss their bars: %s", len(f.missed), len(f.rows), strings.Join(f.missed, "; "))
	}
	return nil
}

// Quantile of times; 0 where there are none.
func Quantile(of []time.Duration, q float64) time.Duration {
	if len(of) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(of))
	return sorted[int(q*float64(len(sorted)-1))]
}

// Milliseconds is a time as a figure.
func Milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Median of figures; 0 where there are none.
func Median(of []float64) float64 {
	if len(of) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(of))[len(of)/2]
}
