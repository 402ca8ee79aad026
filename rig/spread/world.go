package main

import (
	"container/heap"
	"math/rand/v2"
	"time"
)

// world is a simulated time and what happens in it. One seed is one course of
// events.
type world struct {
	now       time.Duration
	chance    *rand.Rand
	coming    events
	made      int // events so far: those of one moment keep their order
	databases []*database
	two       bool // what concerns two databases is a two-phase commit

	sent, crossed int // messages between executions, and those of them that went to another database
}

func newWorld(seed uint64, databases int) *world {
	w := &world{chance: rand.New(rand.NewPCG(seed, uint64(databases)))}
	for range databases {
		w.databases = append(w.databases, &database{world: w})
	}
	return w
}

type event struct {
	at   time.Duration
	made int
	do   func()
}

type events []event

func (e events) Len() int      { return len(e) }
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].made < e[j].made
}
func (e *events) Push(x any) { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := len(*e) - 1
	x := (*e)[last]
	(*e)[last] = event{}
	*e = (*e)[:last]
	return x
}

// after has something done when so much time has gone by.
func (w *world) after(d time.Duration, do func()) {
	w.made++
	heap.Push(&w.coming, event{w.now + d, w.made, do})
}

// until lets time go by.
func (w *world) until(end time.Duration) {
	for len(w.coming) > 0 && w.coming[0].at <= end {
		e := heap.Pop(&w.coming).(event)
		w.now = e.at
		e.do()
	}
	w.now = end
}

// each does something again and again, at random moments, so often a second, as long
// as it is wanted.
func (w *world) each(rate float64, wanted func() bool, do func()) {
	w.after(seconds(w.chance.ExpFloat64()/rate), func() {
		if wanted() {
			do()
			w.each(rate, wanted, do)
		}
	})
}

// place is where an execution is: the database of its shard, and the node that owns
// this.
type place struct {
	*database
	node int
}

// lies is the place of a shard. Shards are dealt out to the databases one by one, and
// those of each database to the nodes.
func (w *world) lies(shard int) place {
	return place{w.databases[shard%len(w.databases)], shard / len(w.databases) % nodes}
}

// anywhere is the place of a name: its hash is chance.
func (w *world) anywhere() place { return w.lies(w.chance.IntN(shards)) }

// beside is a place in the same database.
func (w *world) beside(at place) place { return place{at.database, w.chance.IntN(nodes)} }

// message takes an effect of one execution to another. done says that the sender has a
// commit to make once it is sent, heard what comes when it was heard.
//
// Where one node owns both, the effect is a turn of the receiver's. Otherwise it is
// left in the receiver's inbox, and its owner takes it out in a turn. Neither asks in
// which databases they are.
func (w *world) message(from, to place, done bool, heard func()) {
	w.sent++
	if from.database != to.database {
		w.crossed++
		if w.two {
			w.twoPhase(from, to, heard)
			return
		}
	}
	to.commit(1, from, func() {
		if done {
			from.commit(1, from, nothing)
		}
		if from.node == to.node {
			heard()
			return
		}
		w.after(hop, func() { to.commit(1, to, heard) })
	})
}

// twoPhase is a message whose commit is also the sender's: both prepare, then both
// commit; each is a transaction of its own that nothing else is folded into.
func (w *world) twoPhase(from, to place, heard func()) {
	both := func(then func()) {
		left := 2
		one := func() {
			if left--; left == 0 {
				then()
			}
		}
		from.alone(one)
		to.alone(one)
	}
	both(func() {
		both(func() {
			if from.node == to.node {
				heard()
				return
			}
			w.after(hop, func() { to.commit(1, to, heard) })
		})
	})
}

func nothing() {}
