package main

import (
	"math/rand/v2"
	"slices"
	"sort"
	"time"
)

// workload is what executions there are: where the next one lies, and its course from
// start to end.
type workload struct {
	lies func(*world) place
	runs func(w *world, at place, over func())
}

// sagas have steps of their own alone: a commit for the start and for each step.
var sagas = workload{(*world).anywhere, func(w *world, at place, over func()) {
	at.commit(1, at, func() { w.work(at, steps, over) })
}}

// work is so many steps, one after the other: a call, and the commit of what came of it.
func (w *world) work(at place, steps int, then func()) {
	if steps == 0 {
		then()
		return
	}
	w.after(exchange, func() {
		at.commit(1, at, func() { w.work(at, steps-1, then) })
	})
}

// family is the course of a saga two of whose steps are executions of their own, which lie
// where near says.
func family(near near) func(*world, place, func()) {
	return func(w *world, parent place, over func()) {
		nested := func(then func()) { w.child(parent, near(w, parent), then) }
		parent.commit(1, parent, func() {
			w.work(parent, 1, func() {
				nested(func() {
					w.work(parent, steps-3, func() { nested(over) })
				})
			})
		})
	}
}

// near is where a child lies whose parent is at a place.
type near func(*world, place) place

func byName(w *world, _ place) place   { return w.anywhere() }
func besides(w *world, at place) place { return w.beside(at) }

// child is an execution that another one starts, and hears of when it has ended. The
// parent commits that it was submitted, and the child that the parent was told.
func (w *world) child(parent, at place, then func()) {
	w.message(parent, at, true, func() {
		w.work(at, childSteps, func() { w.message(at, parent, true, then) })
	})
}

// families are sagas with children, of which each lies where its name says; nearby are such
// whose children lie in the database of their parent.
var (
	families = workload{(*world).anywhere, family(byName)}
	nearby   = workload{(*world).anywhere, family(besides)}
)

// byTenant are sagas with children, of tenants each of whom is kept in one shard.
func byTenant(shardsOf []int) workload {
	tenant := func(w *world) int { return sort.SearchFloat64s(popular, w.chance.Float64()) }
	return workload{func(w *world) place { return w.lies(shardsOf[tenant(w)]) }, family(besides)}
}

// popular is how large a part of all executions the first tenants have together: the
// second has half of what the first has, the third a third.
var popular = func() []float64 {
	parts, sum := make([]float64, tenants), 0.0
	for i := range parts {
		sum += 1 / float64(i+1)
		parts[i] = sum
	}
	for i := range parts {
		parts[i] /= sum
	}
	return parts
}()

// drawn are the shards of the tenants: hashes of their names.
func drawn(chance *rand.Rand, shards int) []int {
	all := make([]int, tenants)
	for i := range all {
		all[i] = chance.IntN(shards)
	}
	return all
}

// run is a map run without end.
type run struct {
	world   *world
	at      place
	near    near
	letters int // of children that have ended
	turning bool
	items   int // that it has heard of
}

// start starts a child of one step.
func (r *run) start() {
	w, at := r.world, r.near(r.world, r.at)
	w.message(r.at, at, false, func() {
		w.work(at, 1, func() {
			told := func() { at.commit(1, at, nothing) }
			w.letter(at, r, told)
		})
	})
}

// letter tells a run of an end: at once on its own node, else by its inbox.
func (w *world) letter(from place, r *run, told func()) {
	w.sent++
	if from.database != r.at.database {
		w.crossed++
	}
	if from.node == r.at.node {
		told()
		r.hear()
		return
	}
	r.at.commit(1, from, func() {
		told()
		w.after(hop, r.hear)
	})
}

func (r *run) hear() {
	r.letters++
	r.turn()
}

// turn takes all letters that wait, and starts as many children.
func (r *run) turn() {
	if r.turning || r.letters == 0 {
		return
	}
	n := min(r.letters, letters)
	r.letters -= n
	r.turning = true
	r.at.commit(1+letterCosts*float64(n), r.at, func() {
		r.turning = false
		r.items += n
		for range n {
			r.start()
		}
		r.turn()
	})
}

// figures are what a run of a workload came to.
type figures struct {
	rate         float64 // executions, or items, a second
	commits      float64 // a second, by their weight
	crossed      float64 // part of the messages that went to another database
	across       float64 // of these a second
	uneven       float64 // the load of the busiest database, in times of the mean
	median, late time.Duration
}

// watched is a stretch of time of which figures are taken.
func (w *world) watched(from, lasts time.Duration, ended func() int) figures {
	w.until(from)
	before, sent, crossed := ended(), w.sent, w.crossed
	loads := make([]float64, len(w.databases))
	for i, d := range w.databases {
		loads[i] = -d.load
	}
	w.until(from + lasts)
	var f figures
	busiest := 0.0
	for i, d := range w.databases {
		loads[i] += d.load
		busiest = max(busiest, loads[i])
		f.commits += loads[i] / lasts.Seconds()
	}
	f.rate = float64(ended()-before) / lasts.Seconds()
	f.uneven = busiest * float64(len(loads)) / (f.commits * lasts.Seconds())
	f.across = float64(w.crossed-crossed) / lasts.Seconds()
	if w.sent > sent {
		f.crossed = float64(w.crossed-crossed) / float64(w.sent-sent)
	}
	return f
}

// closed has so many callers run one execution after the other: what the databases can do.
func closed(w *world, what workload, callers int, from, lasts time.Duration) figures {
	ended := 0
	var again func()
	again = func() {
		what.runs(w, what.lies(w), func() {
			ended++
			again()
		})
	}
	for range callers {
		again()
	}
	return w.watched(from, lasts, func() int { return ended })
}

// open lets executions begin at random moments, so many a second: how long they take.
func open(w *world, what workload, rate float64, from, lasts time.Duration) figures {
	ended := 0
	var took []time.Duration
	w.each(rate, func() bool { return true }, func() {
		began := w.now
		what.runs(w, what.lies(w), func() {
			ended++
			if began >= from {
				took = append(took, w.now-began)
			}
		})
	})
	f := w.watched(from, lasts, func() int { return ended })
	slices.Sort(took)
	f.median, f.late = took[len(took)/2], took[len(took)*99/100]
	return f
}

// mapped has map runs go through their items, so many of each at once.
func mapped(w *world, runs, under int, near near, from, lasts time.Duration) figures {
	all := make([]*run, runs)
	for i := range all {
		all[i] = &run{world: w, at: w.lies(i), near: near}
		for range under {
			all[i].start()
		}
	}
	return w.watched(from, lasts, func() (items int) {
		for _, r := range all {
			items += r.items
		}
		return items
	})
}
