// Command million lets a server go through a million items of a distributed
// Map, and through tens of thousands of an inline one, and measures what that
// takes: items in a second, processor time, resident memory. On the way it may
// kill the server with SIGKILL; then every item is looked for in the result
// files, where each must stand once. It fails where a figure misses its bound.
//
// It knows the server by its command line and its API alone.
//
// Read main.go, then distributed.go and inline.go (what is measured), check.go
// (the result files), server.go (the process).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
)

// config is what a run is asked to do, and its bounds. A bound of 0 holds
// nobody to it.
type config struct {
	backstep, dir string
	items, kills  int
	inline        int // items of the larger inline Map

	memory int     // MiB of resident memory at most
	rate   float64 // items in a second at least, where nothing is killed
	ratio  float64 // of the times per item of the larger and of the smaller inline Map, at most
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("million: ")
	var c config
	flag.StringVar(&c.backstep, "backstep", "bin/backstep", "the server's binary")
	flag.StringVar(&c.dir, "dir", "", "folder for items, data and results; a new one where none is given")
	flag.IntVar(&c.items, "items", 1_000_000, "items of the distributed Map; 0: none is measured")
	flag.IntVar(&c.kills, "kills", 0, "how often the server is killed on its way")
	flag.IntVar(&c.inline, "inline", 40_000, "items of the larger inline Map, the smaller has a tenth; 0: none is measured")
	flag.IntVar(&c.memory, "memory", 300, "MiB of resident memory at most")
	flag.Float64Var(&c.rate, "rate", 3000, "items in a second at least, without kills")
	flag.Float64Var(&c.ratio, "ratio", 1.5, "time per item of the larger inline Map, in times of the smaller one's, at most")
	flag.Parse()
	if err := run(c); err != nil {
		log.Fatal(err)
	}
}

// run measures what it is asked to.
func run(c config) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if c.dir == "" {
		dir, err := os.MkdirTemp("", "backstep-million-")
		if err != nil {
			return err
		}
		c.dir = dir
		defer os.RemoveAll(dir)
	}
	var failed error
	if c.items > 0 {
		failed = errors.Join(failed, distributed(ctx, c))
	}
	if c.inline > 0 && ctx.Err() == nil {
		failed = errors.Join(failed, inline(ctx, c))
	}
	return failed
}

// missed is the error of a figure that misses its bound; nil where it does not.
func missed(is bool, format string, args ...any) error {
	if !is {
		return nil
	}
	return fmt.Errorf(format, args...)
}
