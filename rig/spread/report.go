package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"time"
)

// How long is watched, and what goes before.
const (
	warm  = 3 * time.Second
	watch = 3 * time.Second
)

const (
	crowd = 192 // callers for each database, to find out what it can do
	load  = 0.6 // of that, to find out how long things take
)

var counts = []int{1, 2, 4, 8} // of databases

// report prints all tables.
func report(out io.Writer, seed uint64) {
	one(out, seed)
	throughput(out, seed)
	otherwise(out, seed)
	hops(out, seed)
	shares(out, seed)
	losses(out, seed)
	moves(out)
}

// table prints a table's head.
func table(out io.Writer, title string, columns ...string) {
	fmt.Fprintf(out, "%s\n\n|", title)
	for _, c := range columns {
		fmt.Fprintf(out, " %s |", c)
	}
	fmt.Fprint(out, "\n|")
	for range columns {
		fmt.Fprint(out, "---|")
	}
	fmt.Fprintln(out)
}

// row prints a row of a table.
func row(out io.Writer, cells ...any) {
	fmt.Fprint(out, "|")
	for _, c := range cells {
		switch c := c.(type) {
		case time.Duration:
			fmt.Fprintf(out, " %.1f |", float64(c)/float64(time.Millisecond))
		case float64:
			fmt.Fprintf(out, " %.2f |", c)
		case int:
			fmt.Fprintf(out, " %s |", grouped(c))
		default:
			fmt.Fprintf(out, " %v |", c)
		}
	}
	fmt.Fprintln(out)
}

// grouped is a number by thousands.
func grouped(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s,%03d", grouped(n/1000), n%1000)
}

func whole(x float64) int      { return int(x + 0.5) }
func percent(x float64) string { return fmt.Sprintf("%.0f %%", 100*x) }

// one holds the model of a database against what it was made of.
func one(out io.Writer, seed uint64) {
	table(out, "**A database.** Commits a second", "callers", "measured", "in the model")
	for _, m := range measured {
		f := closed(newWorld(seed, 1), commits, m.callers, warm, watch)
		row(out, m.callers, whole(m.commits), whole(f.commits))
	}
	fmt.Fprintln(out)
}

// commits are executions of a commit each.
var commits = workload{(*world).anywhere, func(_ *world, at place, over func()) { at.commit(1, at, over) }}

// both are the figures of a workload at the most that it can do, and below that.
func both(seed uint64, databases int, what workload, two bool) (most, usual figures) {
	w := newWorld(seed, databases)
	w.two = two
	most = closed(w, what, crowd*databases, warm, watch)
	w = newWorld(seed, databases)
	w.two = two
	return most, open(w, what, load*most.rate, warm, watch)
}

func throughput(out io.Writer, seed uint64) {
	table(out, "**Throughput.**", "", "databases", "a second", "times one", "commits a second", "processors of nodes", "messages that go to another database", "commits that send such a one", "of these a second, at 60 %", "p50 ms, at 60 %", "p99 ms, at 60 %", "busiest / mean")
	for _, x := range []struct {
		name string
		what workload
	}{{"sagas", sagas}, {"sagas with two children", families}} {
		single := 0.0
		for _, n := range counts {
			most, usual := both(seed, n, x.what, false)
			if n == 1 {
				single = most.rate
			}
			row(out, x.name, n, whole(most.rate), most.rate/single, whole(most.commits), processors(most), percent(most.crossed), percent(most.across/most.commits), whole(usual.across), usual.median, usual.late, most.uneven)
		}
	}
	for _, runs := range []int{1, 16} {
		single := 0.0
		for _, n := range counts {
			f := mapped(newWorld(seed, n), runs, 1024/runs, byName, warm, watch)
			if n == 1 {
				single = f.rate
			}
			row(out, items[runs], n, whole(f.rate), f.rate/single, whole(f.commits), processors(f), percent(f.crossed), percent(f.across/f.commits), "", "", "", f.uneven)
		}
	}
	fmt.Fprintln(out)
}

// items are what map runs go through, by how many of these there are.
var items = map[int]string{1: "items of one map run", 16: "items of 16 map runs"}

// processors are those that the nodes need for so many commits.
func processors(f figures) string {
	return fmt.Sprintf("%.1f", f.commits*cpuOfSaga.Seconds()/(steps+1))
}

func otherwise(out io.Writer, seed uint64) {
	table(out, "**Otherwise**, with four databases", "", "a second", "commits a second", "messages to another database", "p50 ms, at 60 %", "p99 ms, at 60 %", "busiest / mean")
	for _, x := range []struct {
		name string
		what workload
		two  bool
	}{
		{"sagas with two children, as above", families, false},
		{"by two-phase commit", families, true},
		{"children in their parent's database", nearby, false},
		{"tenants each in one shard", byTenant(drawn(rand.New(rand.NewPCG(seed, 0)), shards)), false},
	} {
		most, usual := both(seed, 4, x.what, x.two)
		row(out, x.name, whole(most.rate), whole(most.commits), percent(most.crossed), usual.median, usual.late, most.uneven)
	}
	for _, runs := range []int{1, 16} {
		f := mapped(newWorld(seed, 4), runs, 1024/runs, besides, warm, watch)
		row(out, items[runs]+", children in its database", whole(f.rate), whole(f.commits), percent(f.crossed), "", "", f.uneven)
	}
	fmt.Fprintln(out)
}

func hops(out io.Writer, seed uint64) {
	table(out, "**A message**, from its sending until it is heard, of two databases", "", "commits", "ms when idle", "ms at 60 %")
	for _, x := range []struct {
		name     string
		from, to int
		two      bool
		costs    string
	}{
		{"one node, one database", 0, 8, false, "1"},
		{"one node, two databases", 0, 1, false, "1"},
		{"two nodes, one database", 0, 2, false, "2"},
		{"two nodes, two databases", 0, 3, false, "2"},
		{"two nodes, two databases, two-phase commit", 0, 3, true, "1 and 4 that nothing is folded into"},
	} {
		row(out, x.name, x.costs, message(seed, x.from, x.to, x.two, 0), message(seed, x.from, x.to, x.two, load))
	}
	fmt.Fprintln(out)
}

// message is how long a message takes between two shards, beside so much of the load of
// sagas that two databases can bear.
func message(seed uint64, from, to int, two bool, part float64) time.Duration {
	w := newWorld(seed, 2)
	w.two = two
	if part > 0 {
		rate := part * 2 * measured[2].commits / (steps + 1)
		w.each(rate, func() bool { return true }, func() { sagas.runs(w, sagas.lies(w), nothing) })
	}
	w.until(warm)
	var took time.Duration
	heard := 0
	w.each(20, func() bool { return true }, func() {
		sent := w.now
		w.message(w.lies(from), w.lies(to), true, func() {
			heard++
			took += w.now - sent
		})
	})
	w.until(warm + 20*time.Second)
	return took / time.Duration(heard)
}

func shares(out io.Writer, seed uint64) {
	table(out, "**Shares**, of eight databases: busiest / mean", "shards of each", "40 hot executions of 0.5 % each: mean", "95th of 100", "shards moved", "then", "tenants each in one shard: mean", "95th of 100")
	for _, each := range []int{1, 2, 4, 8, 16, 32} {
		a, b := unevenness(seed, 8, each, byHot), unevenness(seed, 8, each, byTenants)
		row(out, each, a.mean, a.late, fmt.Sprintf("%.1f", a.moved), a.evened, b.mean, b.late)
	}
	fmt.Fprintln(out)
}

func losses(out io.Writer, seed uint64) {
	table(out, "**One database away**, at 60 %", "", "databases", "for s", "starts refused", "ended meanwhile, of before", "executions that stood still", "jobs of others that waited for it", "as before again, s after")
	for _, x := range []struct {
		name   string
		what   workload
		counts []int
		away   time.Duration
	}{
		{"sagas", sagas, counts[1:], 30 * time.Second},
		{"sagas with two children", families, counts[1:], 30 * time.Second},
		{"sagas with two children", families, []int{4}, 2 * time.Minute},
	} {
		for _, n := range x.counts {
			most := closed(newWorld(seed, n), x.what, crowd*n, warm, watch)
			l := lose(newWorld(seed, n), x.what, load*most.rate, x.away)
			row(out, x.name, n, whole(x.away.Seconds()), percent(l.refused), percent(l.ended), l.stood, l.owed, fmt.Sprintf("%.1f", l.back.Seconds()))
		}
	}
	fmt.Fprintln(out)
}

func moves(out io.Writer) {
	table(out, fmt.Sprintf("**Moving a shard** of a database with %d, at 60 %%", shardsOfOne), "executions in it", "GB", "copied while it works, s", "passes", "stands still, s", "in one go it would, s")
	for _, n := range []int{10_000, 100_000, 1_000_000, 10_000_000} {
		m := moving(n)
		row(out, n, fmt.Sprintf("%.1f", float64(n)*onDisk/1e9), whole(m.copying.Seconds()), m.passes, m.still.Seconds(), whole(m.atOnce.Seconds()))
	}
	fmt.Fprintln(out)
}
