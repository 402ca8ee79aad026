package bar

import (
	"strings"
	"testing"
	"time"
)

// TestFigures: a figure that misses its bar is named, and none beside it.
func TestFigures(t *testing.T) {
	var f Figures
	f.Note("sagas", 3, "")
	f.Most("p99", 20, 20, "ms")
	f.Least("rate", 99.9, 100, "/s")
	f.Hold("what went otherwise", "none", "0", true)
	var table strings.Builder
	err := f.Print(&table)
	if err == nil || err.Error() != "1 of 4 figures miss their bars: rate" {
		t.Errorf("%v", err)
	}
	for _, row := range []string{"| sagas | 3 |  |  |", "| p99 | 20 ms | ≤ 20 ms | PASS |", "| rate | 99.9 /s | ≥ 100 /s | FAIL |", "| what went otherwise | none | 0 | PASS |"} {
		if !strings.Contains(table.String(), row+"\n") {
			t.Errorf("no %q in%s", row, table.String())
		}
	}
}

func TestQuantile(t *testing.T) {
	times := []time.Duration{5, 1, 4, 2, 3}
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 3, 0.99: 4, 1: 5} {
		if got := Quantile(times, q); got != want {
			t.Errorf("%v: %d, want %d", q, got, want)
		}
	}
	if Quantile(nil, 0.5) != 0 || Median(nil) != 0 || Median([]float64{3, 1, 2}) != 2 {
		t.Error("a median is off")
	}
	if times[0] != 5 {
		t.Error("the times are put in another order")
	}
}
