// Command scale measures one server over its embedded store at the sizes that it
// grows to: the bytes it writes for a saga (bytes), a million executions that
// have ended (growth), a tenth of them dropped (retention), a million that wait
// (park), timers by the thousand (timers), a hundred thousand due at once (burst),
// and as many that came due while it was down (away). Each figure is printed beside
// its bar; it ends with 1 where one misses its bar.
//
// It knows the server by its command line and its API alone, and what the system
// tells of the process: /proc/PID.
//
// Read main.go, then bytes.go, growth.go, retention.go, park.go, timers.go and
// probe.go (what is measured), load.go and machine.go (the executions), service.go (what they
// call), server.go (the process), rig/bar (what is printed).
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/backstep/backstep/rig/bar"
)

// config is what a run is asked to do.
type config struct {
	backstep, rows, keep, dir string
	n, clients, rounds        int
	duration, filling         time.Duration
}

// rows are what can be measured, in their order, and how many executions each
// is about where nobody says.
var rows = []struct {
	name    string
	n       int
	measure func(*rig, context.Context) error
}{
	{"bytes", 100_000, (*rig).bytes},
	{"growth", 1_000_000, (*rig).growth},
	{"retention", 1_000_000, (*rig).retention},
	{"park", 1_000_000, (*rig).park},
	{"timers", 60_000, (*rig).timers},
	{"burst", 100_000, (*rig).burst},
	{"away", 100_000, (*rig).away},
}

func main() {
	log.SetFlags(log.Ltime)
	log.SetPrefix("scale: ")
	var c config
	flag.StringVar(&c.backstep, "backstep", "bin/backstep", "the server's binary")
	flag.StringVar(&c.rows, "rows", "bytes,growth,retention,park,timers,burst,away", "what is measured, in this order whatever is named first")
	flag.IntVar(&c.n, "n", 0, "executions; 0: as many as the bars speak of")
	flag.StringVar(&c.keep, "keep", "", "folder that keeps the filled data of growth, retention and park for other runs; filled further where it has too few")
	flag.StringVar(&c.dir, "dir", "", "folder for all other data; a new one where none is given, which is taken away at the end")
	flag.IntVar(&c.clients, "clients", 128, "clients at once")
	flag.IntVar(&c.rounds, "rounds", 5, "rounds of growth and retention")
	flag.DurationVar(&c.duration, "duration", 8*time.Second, "how long each server is under load in a round")
	flag.DurationVar(&c.filling, "filling", time.Hour, "how long a store is filled at most; what it has then is measured, and another run with the same folder goes on")
	flag.Parse()
	wanted := strings.Split(c.rows, ",")
	if err := known(wanted); err != nil {
		log.Print(err)
		os.Exit(2)
	}
	if err := run(c, wanted); err != nil {
		log.Fatal(err)
	}
}

// known refuses rows that there are none of.
func known(names []string) error {
	var all []string
	for _, row := range rows {
		all = append(all, row.name)
	}
	for _, name := range names {
		if !slices.Contains(all, name) {
			return fmt.Errorf("-rows %q: there are %s", name, strings.Join(all, ", "))
		}
	}
	return nil
}

// rig is what all rows share.
type rig struct {
	config
	*service
	bars bar.Figures
}

func run(c config, wanted []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if c.dir == "" {
		dir, err := os.MkdirTemp("", "backstep-scale-")
		if err != nil {
			return err
		}
		c.dir = dir
		defer os.RemoveAll(dir)
	}
	if c.keep == "" {
		c.keep = filepath.Join(c.dir, "filled")
	}
	s, err := newService()
	if err != nil {
		return err
	}
	r := &rig{config: c, service: s}
	for _, row := range rows {
		if !slices.Contains(wanted, row.name) {
			continue
		}
		if r.n = c.n; r.n == 0 {
			r.n = row.n
		}
		if err := row.measure(r, ctx); err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return r.bars.Print(os.Stdout)
}
