package main

import (
	"bytes"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

const page = "../../docs/adr/0087-several-databases-each-with-shards-of-its-own.md"

// lines are those of a text that are a table's, or its title.
func lines(text string) (all []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "|") || strings.HasPrefix(line, "**") {
			all = append(all, line)
		}
	}
	return all
}

// TestFigures holds the tables of the design to what the model prints.
func TestFigures(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, quoted, _ := strings.Cut(string(text), "## Figures")
	quoted, _, _ = strings.Cut(quoted, "## Cost")
	var printed bytes.Buffer
	report(&printed, 1)
	got, want := lines(quoted), lines(printed.String())
	if slices.Equal(got, want) {
		return
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("line %d of %d of the tables:\nquoted  %s\nprinted %s", i+1, len(want), at(got, i), at(want, i))
		}
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "nothing"
}

// TestSeed: one seed is one course of events.
func TestSeed(t *testing.T) {
	of := func(seed uint64) figures {
		return open(newWorld(seed, 2), families, 500, time.Second, time.Second)
	}
	if a, b := of(1), of(1); a != b {
		t.Errorf("seed 1 twice:\n%+v\n%+v", a, b)
	}
	if a, b := of(1), of(2); a == b {
		t.Errorf("seeds 1 and 2 alike: %+v", a)
	}
}

// TestTakes: the model takes what was measured, where it was.
func TestTakes(t *testing.T) {
	for _, m := range measured {
		if got := takes(m.batches); got != m.takes {
			t.Errorf("a transaction of %.1f: %v, measured were %v", m.batches, got, m.takes)
		}
	}
	for _, m := range []int{0, len(measured) - 1} { // one session alone, and both full
		c := measured[m]
		if f := closed(newWorld(1, 1), commits, c.callers, warm, watch); !within(f.commits/c.commits, 0.03) {
			t.Errorf("%d callers: %.0f commits a second, measured were %.0f", c.callers, f.commits, c.commits)
		}
	}
}

func within(ratio, by float64) bool { return math.Abs(ratio-1) <= by }

// TestMessages: what is of one shard sends none, the others go elsewhere by chance, and none
// costs a commit more for that.
func TestMessages(t *testing.T) {
	one := map[string]float64{}
	for _, n := range counts {
		if f := closed(newWorld(1, n), sagas, crowd*n, warm, watch); f.across != 0 {
			t.Errorf("sagas over %d databases: %.0f messages between them", n, f.across)
		}
		f := closed(newWorld(1, n), families, crowd*n, warm, watch)
		if want := 1 - 1/float64(n); math.Abs(f.crossed-want) > 0.02 {
			t.Errorf("of messages over %d databases %.2f go to another, want %.2f", n, f.crossed, want)
		}
		if n == 1 {
			one["commits"], one["rate"] = f.commits/f.rate, f.rate
		}
		if !within(f.commits/f.rate/one["commits"], 0.05) {
			t.Errorf("over %d databases a saga with children is %.1f commits, over one %.1f", n, f.commits/f.rate, one["commits"])
		}
		if !within(f.rate/one["rate"]/float64(n), 0.1) {
			t.Errorf("%d databases do %.2f times as much as one", n, f.rate/one["rate"])
		}
		if f := closed(newWorld(1, n), nearby, crowd*n, warm, watch); f.across != 0 {
			t.Errorf("children beside their parents, over %d databases: %.0f messages between them", n, f.across)
		}
	}
}

// TestOtherwise holds what the design says of the ways that it does not go.
func TestOtherwise(t *testing.T) {
	mail, _ := both(1, 4, families, false)
	if two, _ := both(1, 4, families, true); two.rate > mail.rate/4 {
		t.Errorf("by two-phase commit %.0f a second, by mail %.0f: more than a quarter", two.rate, mail.rate)
	}
	if a := unevenness(1, 8, 8, byTenants); a.mean < 1.8 {
		t.Errorf("tenants kept together leave the busiest database at %.2f of the mean", a.mean)
	}
	if few, enough := unevenness(1, 8, 1, byHot), unevenness(1, 8, 8, byHot); few.evened < few.mean || enough.evened > 1.05 {
		t.Errorf("moved shards leave the busiest at %.2f with one shard each and %.2f with eight", few.evened, enough.evened)
	}
	one, many := mapped(newWorld(1, 8), 1, 1024, byName, warm, watch), mapped(newWorld(1, 8), 16, 64, byName, warm, watch)
	if one.rate > many.rate/2 || one.uneven < 2 {
		t.Errorf("one map run: %.0f items a second and %.2f of the mean, sixteen: %.0f", one.rate, one.uneven, many.rate)
	}
}

// TestLoss: whom nobody asks loses what the lost database has; who waited for it is done
// soon after, and no more waits than a minute's starts.
func TestLoss(t *testing.T) {
	alone := lose(newWorld(1, 4), sagas, 1000, 10*time.Second)
	if math.Abs(alone.refused-0.25) > 0.02 || math.Abs(alone.ended-0.75) > 0.03 || alone.owed != 0 || alone.back > retryMost {
		t.Errorf("sagas: %+v", alone)
	}
	asking := lose(newWorld(1, 4), families, 300, 10*time.Second)
	if asking.ended > 0.5 || asking.owed < asking.stood*9/10 || asking.stood == 0 || asking.back >= 20*10*time.Second {
		t.Errorf("sagas with children: %+v", asking)
	}
	long, longer := lose(newWorld(1, 4), families, 300, 90*time.Second), lose(newWorld(1, 4), families, 300, 120*time.Second)
	if long.owed != longer.owed || longer.refused <= long.refused {
		t.Errorf("after a minute: %+v, and %+v after longer", long, longer)
	}
}

// TestMoves: how long a shard stands still does not grow with it.
func TestMoves(t *testing.T) {
	small, large := moving(10_000), moving(10_000_000)
	if large.still > time.Second || small.still > time.Second || large.atOnce < 100*small.atOnce || large.copying < 100*small.copying {
		t.Errorf("10,000 executions: %+v, 10,000,000: %+v", small, large)
	}
}
