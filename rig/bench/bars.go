package main

import (
	"io"

	"github.com/backstep/backstep/rig/bar"
)

// versus are two lines of one run.
type versus struct {
	ours, theirs row
	known        bool
}

func (r *results) versus(ours, theirs line) versus {
	a, known := r.median(ours)
	b, there := r.median(theirs)
	return versus{a, b, known && there}
}

// printBars holds the figures against the bars, those whose rows were measured. Its
// error names those that are missed.
func (b *bench) printBars(w io.Writer, l limits) error {
	r := &b.results
	var bars bar.Figures
	ratio := func(what string, v versus, of func(row) float64, bound float64, most bool) {
		switch {
		case !v.known || of(v.theirs) <= 0:
		case most:
			bars.Most(what, of(v.ours)/of(v.theirs), bound, "")
		default:
			bars.Least(what, of(v.ours)/of(v.theirs), bound, "")
		}
	}
	rate := func(r row) float64 { return r.PerSecond }
	cpu := func(r row) float64 { return r.CPU }
	p50 := func(r row) float64 { return r.P50 }
	const restate, sqlite, tuned = "restate", "temporal-sqlite-tuned", "temporal-pg-tuned"

	many := func(theirs string) versus { return r.versus(line{"URL", steps, 128}, line{theirs, steps, 128}) }
	one := func(theirs string) versus { return r.versus(line{"URL", steps, 1}, line{theirs, steps, 1}) }
	ratio("sagas/s at 128 : Restate's", many(restate), rate, 3, false)
	ratio("sagas/s at 128 : Temporal's on SQLite", many(sqlite), rate, 50, false)
	ratio("CPU at 128 : Restate's", many(restate), cpu, 1./3, true)
	ratio("CPU at 128 : Temporal's on SQLite", many(sqlite), cpu, 1./60, true)
	ratio("CPU at 128 : the least", many("the least"), cpu, 1.75, true)
	ratio("p50 at 1 : Restate's", one(restate), p50, 0.35, true)
	ratio("p50 at 1 : the least", one("the least"), p50, 1.25, true)
	for _, scenario := range []string{undone, undoneByCatch} {
		v := r.versus(line{"URL", scenario, 128}, line{restate, undone, 128})
		ratio(scenario+": sagas/s at 128 : Restate's", v, rate, 3, false)
		ratio(scenario+": CPU at 128 : Restate's", v, cpu, 1./3, true)
	}
	const postgres = "URL on PostgreSQL"
	ratio("PostgreSQL: sagas/s at 128 : Temporal's", r.versus(line{postgres, steps, 128}, line{tuned, steps, 128}), rate, 10, false)
	if m, known := r.median(line{postgres, steps, 128}); known && l.postgres > 0 {
		bars.Least("PostgreSQL: commits/s at 128 : pgbench's", m.PerSecond*float64(b.steps+1)/l.postgres, 0.6, "")
	}
	if m, known := r.median(line{"URL", express, 16}); known {
		bars.Least("express: executions/s at 16", m.PerSecond, 8000, "")
		bars.Most("express: p99", m.P99, 20, "ms")
	}
	return bars.Print(w)
}
