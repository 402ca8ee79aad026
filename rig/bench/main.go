// Command bench measures a server beside the limits of the machine it runs on
// and beside other systems, in one run: five-step sagas over functions by URL
// and over hosted programs, ones that are undone, express executions; the same
// on PostgreSQL; the least that a server of sagas can be; a synced append; an
// HTTP exchange between two processes; PostgreSQL's own benchmark. It knows the
// server by its command line alone.
//
// Read main.go, then bench.go (what is measured), server.go (servers),
// limits.go and pgbench.go (what the machine can do), functions.go (what the
// sagas call), bare.go (the least), peers.go (others), table.go and bars.go
// (what is printed).
package main

import (
	"flag"
	"log"
	"os"
	"time"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("bench: ")
	var b bench
	flag.StringVar(&b.backstep, "backstep", "bin/backstep", "the server's binary")
	flag.StringVar(&b.before, "before", "", "another binary of the server, to be measured beside it")
	flag.StringVar(&b.samples, "samples", "", "folder for all samples as Go's benchmarks print them, a file before.txt and an after.txt, for benchstat")
	flag.StringVar(&b.clients, "clients", "1,16,128", "clients at once")
	flag.DurationVar(&b.duration, "duration", 8*time.Second, "how long each row is measured")
	flag.IntVar(&b.rounds, "rounds", 1, "how often each row is measured, in turn, on servers begun anew; the tables have the medians")
	flag.IntVar(&b.steps, "steps", 5, "steps of a saga")
	flag.StringVar(&b.postgres, "postgres", os.Getenv("POSTGRES"), "a database, also measured with the server's data in it; $POSTGRES")
	flag.StringVar(&b.peers, "peers", "", "folder of the other systems' own measurements, ready to run: its bench.sh takes stages and leaves results/results.jsonl")
	flag.StringVar(&b.stages, "stages", "restate temporal-sqlite-tuned temporal-pg-tuned", "of the other systems, which")
	flag.StringVar(&b.dir, "dir", "", "folder for the data, on the disk to be measured; a new one where none is given")
	role := flag.String("role", "", "what this process is: functions, program or bare; empty: the measurement")
	listen := flag.String("listen", "", "of functions and bare: the address")
	function := flag.String("function", "", "of bare: the URL that each step calls")
	flag.Parse()
	var err error
	switch *role {
	case "":
		err = b.run()
	case "functions":
		err = serveFunctions(*listen)
	case "program":
		err = runProgram(os.Getenv("AWS_LAMBDA_RUNTIME_API"))
	case "bare":
		err = serveBare(*listen, b.dir, *function, b.steps)
	default:
		log.Printf("-role %q: there are functions, program and bare", *role)
		os.Exit(2)
	}
	if err != nil {
		log.Fatal(err)
	}
}
