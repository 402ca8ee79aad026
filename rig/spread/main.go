// Command spread prints what a model of queues says about a store over several
// PostgreSQL databases: what they do a second, what goes from one to another, how
// evenly they are loaded, what the loss of one means, and how long a shard that moves
// stands still. The design is docs/adr/0087; none of it is built. One seed is one
// output, in seconds.
//
// Read model.go (what is measured, and what is assumed), world.go and database.go
// (the queues), workload.go (what is run), loss.go, uneven.go, move.go, report.go (the
// tables).
package main

import (
	"bufio"
	"flag"
	"log"
	"os"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("spread: ")
	seed := flag.Uint64("seed", 1, "of all chance: one seed, one table")
	flag.Parse()
	out := bufio.NewWriter(os.Stdout)
	report(out, *seed)
	if err := out.Flush(); err != nil {
		log.Fatal(err)
	}
}
