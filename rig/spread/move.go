package main

import "time"

// What `backstep copy` took of 15,000 sagas of five steps with 9.3 kB of texts, reading back
// and hashing included, on two processors that had other things to do: 4.1 s from a folder into
// PostgreSQL and 3.9 s back. The slower of the two is the pace of a move.
const (
	intoPostgres = 15_000 / 4.1 // executions a second
	outOf        = 15_000 / 3.9
	onDisk       = 15e3 // bytes of one in PostgreSQL
)

// The rest of a move.
const (
	shardsOfOne = 8                      // shards of a database
	looks       = 500 * time.Millisecond // a node looks twice a second what it may take
	turns       = 4                      // commits that close the shard here and open it there
	enough      = 200 * time.Millisecond // what a last pass may take
)

// move is what moving a shard takes.
type move struct {
	copying time.Duration // while the shard works
	passes  int           // of these
	still   time.Duration // while it doesn't
	atOnce  time.Duration // that it would stand still if it were copied in one go
}

// moving is a move of a shard with so many executions, to which others come. Each pass copies
// what has changed since the one before began; the last one is done while the shard stands still.
func moving(executions int) move {
	pace := min(intoPostgres, outOf)
	coming := load * measured[2].commits / (steps + 1) / shardsOfOne
	fixed := looks + turns*takes(1)
	m := move{atOnce: fixed + seconds(float64(executions)/pace)}
	for left := float64(executions); ; m.passes++ {
		takes := seconds(left / pace)
		if takes <= enough {
			m.still = fixed + takes
			return m
		}
		m.copying += takes
		left = coming * takes.Seconds()
	}
}
