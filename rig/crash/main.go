// Command crash does a server harm, again and again, under a load of order sagas:
// kills it, lets it stand still, and, where its data folder lies on a disk of the
// rig's own (rig/dropfs), takes power away, room, and syncs. Then it holds every order
// against what its clients were told and what its participants did: what was
// acknowledged is there (I1), each history is whole and legal (I2), nothing was called
// that is not on record, and always under one key (I3), a task took one result (I4), a
// name stands for one input (I6), money balances (I8), and nothing is left over (I9).
//
// It knows the server by its command line and its API alone. Participants,
// clients and their books live in its own process, which nobody kills. A seed
// repeats the faults and the load, not the run: the kernel has its say.
//
// Read main.go, then rig.go (a run), lone.go (one server, cycle by cycle), server.go
// (its process), fault.go (what is done to it) with disk.go, saga.go (the state
// machines), participant.go and completer.go (those whom the sagas ask), load.go and
// journal.go (those who ask for sagas), book.go and chance.go (what both need); then
// check.go (what is held against what), history.go (the rules of histories), money.go
// (keys and money), report.go.
//
// With -shape there are three nodes over a PostgreSQL with a synchronous standby,
// each on a host of its own: cluster.go, balancer.go (whom the clients call),
// storm.go (the trouble), storms.go (run after run), versions.go (two versions of the
// server side by side).
//
// With -saga the sagas are those of the extension: orders.go (the state machines),
// shop.go (whom they ask), operator.go (who sees to their holds), and sagacheck.go:
// each step was undone exactly as its saga log says, the last one first (I7), each
// effect took place once and stands or not as the saga ended (I8), and each hold
// was seen and resolved (I9).
//
// With -drill backups are what is tried: drill.go (one is taken under load, and
// restored after the server was killed), drillcheck.go (what the backup knows is
// held against what was said and done, and what it does not know is listed).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/backstep/backstep/rig/mutant"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("crash: ")
	c := config{progress: os.Stderr}
	flag.StringVar(&c.backstep, "backstep", "bin/backstep", "the server's binary")
	flag.StringVar(&c.dir, "dir", "", "folder for data, journal, ledger and log; a new one where none is given")
	flag.IntVar(&c.cycles, "cycles", 200, "faults that count")
	flag.StringVar(&c.dropfs, "dropfs", "", "binary of the file system that the data folder is to lie on, so that the disk can fail, too; none: the machine's")
	faults := flag.String("fault", "", "of each cycle, by commas, one after the other and again: "+faultNames+"; by itself they are drawn")
	flag.IntVar(&c.clients, "clients", 16, "callers at once")
	flag.Uint64Var(&c.seed, "seed", 1, "of faults and load")
	flag.DurationVar(&c.ready, "ready", 3*time.Second, "how long the server may take until it takes starts")
	flag.DurationVar(&c.settle, "settle", 0, "how long all may take to end after the last fault; 0: two minutes, and six for sagas, which past their pivot wait up to five between two tries")
	flag.BoolVar(&c.saga, "saga", false, "order sagas in the saga extension, with holds that an operator resolves")
	keep := flag.Bool("keep", false, "keep the folder")
	flag.StringVar(&c.shape, "shape", "", "instead: three nodes over PostgreSQL, in trouble of this shape: "+strings.Join(shapeNames(), ", "))
	flag.StringVar(&c.before, "before", "", "of -shape upgrade: the binary of an earlier version, as which all nodes begin")
	flag.DurationVar(&c.lasts, "lasts", time.Minute, "of -shape: how long the trouble lasts in each run")
	drill := flag.Bool("drill", false, "instead: a backup taken under load, restored after the server was killed, and reconciled with the ledger")
	runs := flag.Int("runs", 20, "of -shape: runs, each on a database of its own; of -drill: backups")
	site := flag.String("site", "", "of -shape: the name of the hosts that this process runs among; by itself it makes them")
	planted := flag.String("mutant", "", "build the server with the bug that this file plants; run where its sources are")
	flag.Parse()
	t := trial{runs: *runs, drill: *drill, site: *site, planted: *planted, keep: *keep}
	var err error
	if c.faults, err = namedFaults(*faults, c.dropfs != ""); err == nil {
		err = t.check(&c)
	}
	if err != nil {
		log.Print(err)
		os.Exit(2)
	}
	if c.settle == 0 {
		if c.settle = 2 * time.Minute; c.saga {
			c.settle *= 3
		}
	}
	ok, err := prepare(&c, t)
	switch {
	case err != nil:
		log.Print(err)
		os.Exit(2)
	case !ok:
		os.Exit(1)
	}
}

// trial is what to do beside a run.
type trial struct {
	runs    int
	drill   bool
	site    string
	planted string
	keep    bool
}

// check refuses what can't be done, or would be done to nothing.
func (t *trial) check(c *config) error {
	instead := c.shape != "" || t.drill
	switch {
	case c.shape != "" && shapes[c.shape] == nil:
		return fmt.Errorf("-shape %q: there are %s", c.shape, strings.Join(shapeNames(), ", "))
	case c.shape != "" && t.drill:
		return errors.New("-shape and -drill are two things to do: give one of them")
	case (c.shape == "upgrade") != (c.before != ""):
		return errors.New("-shape upgrade and -before go together: what is there to upgrade from?")
	case t.drill && c.saga:
		return errors.New("-drill takes backups under orders in plain ASL alone: leave -saga out")
	case instead && (len(c.faults) > 0 || c.dropfs != ""):
		return errors.New("-fault and -dropfs are for cycles: leave them out with -shape and -drill")
	case c.cycles < 1 || t.runs < 1 || c.clients < 1:
		return errors.New("-cycles, -runs and -clients are at least 1: else nothing is shown")
	}
	return nil
}

// prepare makes the folder and the binary, and runs. A folder of a run that
// failed is kept.
func prepare(c *config, t trial) (ok bool, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if c.shape != "" && t.site == "" {
		return onSite(ctx, os.Stdout)
	}
	if c.dir == "" {
		if c.dir, err = os.MkdirTemp("", "backstep-crash-"); err != nil {
			return false, err
		}
		defer func() {
			if ok && !t.keep {
				err = errors.Join(err, os.RemoveAll(c.dir))
			} else {
				fmt.Println("kept:", c.dir)
			}
		}()
	} else if err = os.MkdirAll(c.dir, 0o755); err != nil {
		return false, err
	}
	if t.planted != "" {
		if c.backstep, err = buildMutant(ctx, ".", c.dir, t.planted); err != nil {
			return false, err
		}
	}
	if c.shape != "" {
		return storms(ctx, *c, t.runs, t.site, os.Stdout)
	}
	if t.drill {
		return drills(ctx, *c, t.runs, os.Stdout)
	}
	return run(ctx, *c, os.Stdout)
}

// buildMutant builds the server of the module at root with a bug in it.
func buildMutant(ctx context.Context, root, dir, file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	m, err := mutant.Parse(file, string(text))
	if err != nil {
		return "", err
	}
	overlay, err := m.Overlay(root, dir)
	if err != nil {
		return "", err
	}
	return buildServer(ctx, root, dir, "-overlay", overlay)
}

func buildServer(ctx context.Context, root, dir string, flags ...string) (string, error) {
	binary, err := filepath.Abs(filepath.Join(dir, "backstep"))
	if err != nil {
		return "", err
	}
	build := exec.CommandContext(ctx, "go", append(append([]string{"build"}, flags...), "-o", binary, "./cmd/backstep")...)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
}

// run is a whole run: kills, check, report. It tells whether all held. A server
// that ends by itself, does not get ready or does not do its work has failed as
// well.
func run(ctx context.Context, c config, out io.Writer) (bool, error) {
	r, err := newRig(c)
	if err != nil {
		return false, err
	}
	return r.whole(ctx, out)
}

func (r *rig) whole(ctx context.Context, out io.Writer) (bool, error) {
	report, err := r.runAndAudit(ctx)
	if err != nil {
		r.abandon()
		fmt.Fprintln(out, "FAIL:", err)
		return false, ctx.Err()
	}
	r.close(ctx)
	return report(out), nil
}

// runAndAudit gives the report of what was found.
func (r *rig) runAndAudit(ctx context.Context) (func(io.Writer) bool, error) {
	if err := r.run(ctx); err != nil {
		return nil, err
	}
	if r.config.saga {
		a, err := openSagaAudit(r)
		if err != nil {
			return nil, err
		}
		return func(w io.Writer) bool { return r.reportSagas(w, a) }, a.run(ctx)
	}
	a, err := openAudit(r)
	if err != nil {
		return nil, err
	}
	return func(w io.Writer) bool { return r.report(w, a) }, a.run(ctx)
}
