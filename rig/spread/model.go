package main

import "time"

// measured is what a transaction of so many batches takes one of the two sessions
// that commit, by the table "PostgreSQL" of docs/performance.md: two sessions
// times batches, over commits a second. With one caller one session is at work.
// Between the rows a straight line is drawn. No more is folded together than was
// measured; a single batch that weighs more goes on along the last line.
var measured = []struct {
	callers int
	commits float64 // a second
	batches float64 // in a transaction: 1 / transactions a commit
	takes   time.Duration
}{
	{1, 1337, 1, seconds(1 / 1337.0)},
	{16, 3497, 1 / 0.21, seconds(2 / 0.21 / 3497)},
	{128, 11351, 1 / 0.03, seconds(2 / 0.03 / 11351)},
}

const sessions = 2 // of a database that commit

// takes is how long a transaction of so much weight takes on average. A turn of a
// saga's step weighs 1.
func takes(weight float64) time.Duration {
	i := 1
	for i < len(measured)-1 && weight > measured[i].batches {
		i++
	}
	from, to := measured[i-1], measured[i]
	part := max(0, (weight-from.batches)/(to.batches-from.batches))
	return from.takes + time.Duration(part*float64(to.takes-from.takes))
}

// foldMost is the weight at which a transaction is full.
func foldMost() float64 { return measured[len(measured)-1].batches }

// What else takes its time.
const (
	exchange  = 108 * time.Microsecond // a call of a step: an HTTP exchange between two processes, docs/performance.md
	hop       = 500 * time.Microsecond // assumed: NOTIFY, and the owner's read of the inbox
	retryMost = 5 * time.Second        // between two tries at what a database did not take, once it was tried often: engine.DefaultLimits
)

// What is run.
const (
	nodes       = 4   // each has shards in every database
	shards      = 64  // all together
	steps       = 5   // of a saga
	childSteps  = 3   // of a child
	letters     = 256 // that a turn of a map run takes at most: engine.DefaultLimits, Page
	letterCosts = 0.5 // assumed: what a letter adds to the weight of that turn
	tenants     = 1000
	cpuOfSaga   = 810 * time.Microsecond // of a node's processor, docs/performance.md
)

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
