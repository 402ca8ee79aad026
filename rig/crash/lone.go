package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/backstep/backstep/client"
	"github.com/backstep/backstep/rig/bar"
)

// lone is one server over a data folder: cycle by cycle it is harmed and comes back.
type lone struct {
	*rig
	server *server
	disk   *disk // that the data folder lies on; nil: the machine's own

	counted, uncounted int
	done               map[fault]int
	disks              diskTally
	killed, recovering int
	asked              int // kills during a recovery while a request waited
	leastWrites        int64
	recoveries         []time.Duration // of those that were let come up
}

// newLone makes the server, and the disk that its data lie on. participants are where
// the functions are.
func newLone(r *rig, participants string, functions []string) (*lone, error) {
	l := &lone{rig: r, done: map[fault]int{}, leastWrites: -1}
	c := r.config
	home := c.dir
	var err error
	if c.dropfs != "" {
		home = filepath.Join(c.dir, "disk")
		if l.disk, err = mountDisk(c.dropfs, home); err != nil {
			return nil, err
		}
	}
	l.server, err = newServer(c.backstep, c.dir, filepath.Join(home, "data"), participants, functions)
	return l, err
}

func (l *lone) clients() (load, checker *client.Client, err error) {
	load, err = client.New(client.Config{Region: region, Endpoint: l.server.endpoint(), Attempts: 1})
	return load, load, err
}

func (l *lone) begin(ctx context.Context) error {
	if err := l.server.spawn(); err != nil {
		return fmt.Errorf("%w: build it first: make build", err)
	}
	_, err := l.server.awaitReady(ctx)
	return err
}

// suffer goes through all cycles.
func (l *lone) suffer(ctx context.Context) error {
	for l.counted < l.config.cycles && ctx.Err() == nil {
		if err := l.cycle(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// cycle is one fault under load and the way back. It counts when at the moment at
// which the server ends a request of the API and a call of a task are under way.
func (l *lone) cycle(ctx context.Context) error {
	l.journal.cycle.Store(int64(l.counted))
	before := l.journal.written.Load()
	l.chance.sleep(50*time.Millisecond, 500*time.Millisecond)
	if err := l.awaitWrites(ctx, before+writesLeast); err != nil {
		return err
	}
	what := l.drawFault()
	if err := l.do(ctx, what); err != nil {
		return err
	}
	underway, err := l.finish(what)
	if err != nil {
		return err
	}
	l.done[what]++
	if what == dropped || what == unsync {
		if err := l.lose(); err != nil {
			return err
		}
	}
	writes := l.journal.written.Load() - before
	if underway {
		l.counted++
		if l.leastWrites < 0 || writes < l.leastWrites {
			l.leastWrites = writes
		}
	} else {
		l.uncounted++
	}
	if l.counted%10 == 0 {
		_, made := l.calls()
		fmt.Fprintf(l.config.progress, "%d cycles, %d changes acknowledged, %d task calls\n", l.counted, l.journal.written.Load(), made)
	}
	return l.restart(ctx, what == dropped)
}

// finish ends the server after a fault, and reports whether a request of the API and
// a call of a task were under way. A server that has ended by itself is an error,
// unless the fault is one that ends it.
func (l *lone) finish(what fault) (underway bool, err error) {
	if !l.server.alive() && slices.Contains(mayEnd, what) {
		return true, nil
	}
	requests := l.journal.flying.Load()
	calls, _ := l.calls()
	return requests > 0 && calls > 0, l.kill()
}

func (l *lone) kill() error {
	if err := l.server.kill(); err != nil {
		return err
	}
	l.killed++
	return nil
}

// awaitWrites lets the load work until so many changes are acknowledged.
func (l *lone) awaitWrites(ctx context.Context, least int64) error {
	for began := time.Now(); l.journal.written.Load() < least; time.Sleep(5 * time.Millisecond) {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case !l.server.alive():
			return l.server.ended()
		case time.Since(began) > writesWait:
			return fmt.Errorf("only %d of %d changes acknowledged within %s", l.journal.written.Load(), least, writesWait)
		}
	}
	return nil
}

// restart brings the server back on the same data folder. One in four is killed
// on its way, as soon as a request waits for it, and started again; where power was
// lost, it is lost again.
func (l *lone) restart(ctx context.Context, lost bool) error {
	if err := l.server.spawn(); err != nil {
		return err
	}
	if l.chance.percent(25) {
		l.chance.sleep(0, l.fastestRecovery())
		for l.journal.flying.Load() == 0 && time.Since(l.server.spawned) < l.fastestRecovery() {
			time.Sleep(100 * time.Microsecond)
		}
		if l.journal.flying.Load() > 0 {
			l.asked++
		}
		if err := l.kill(); err != nil {
			return err
		}
		l.recovering++
		if lost {
			if err := l.lose(); err != nil {
				return err
			}
		}
		if err := l.server.spawn(); err != nil {
			return err
		}
	}
	took, err := l.server.awaitReady(ctx)
	if err != nil {
		return err
	}
	l.recoveries = append(l.recoveries, took)
	return nil
}

// fastestRecovery is as long as a server that was started is not ready yet.
func (l *lone) fastestRecovery() time.Duration {
	if len(l.recoveries) == 0 {
		return 50 * time.Millisecond
	}
	return slices.Min(l.recoveries)
}

// end ends the server well, once it has opened its folder once more.
func (l *lone) end(ctx context.Context) {
	if err := l.server.stop(); err != nil {
		l.fault("%v", err)
	} else if err := l.server.spawn(); err != nil {
		l.fault("%v", err)
	} else if _, err := l.server.awaitReady(ctx); err != nil {
		l.fault("the data folder does not open again: %v", err)
	} else if err := l.server.stop(); err != nil {
		l.fault("%v", err)
	}
	if l.disk != nil {
		if err := l.disk.close(); err != nil {
			l.fault("the disk: %v", err)
		}
	}
}

func (l *lone) drop() {
	if l.server.cmd != nil && l.server.cmd.Process != nil {
		l.server.cmd.Process.Kill()
		<-l.server.exited
	}
	if l.disk != nil {
		l.disk.close()
	}
}

func (l *lone) logs() []string { return []string{l.server.logFile()} }

func (l *lone) tell(w io.Writer) {
	fmt.Fprintf(w, "cycles             %d counted, %d repeated for want of a request and a task call in flight; seed %d\n", l.counted, l.uncounted, l.config.seed)
	fmt.Fprintf(w, "faults             %s\n", counts(l.done))
	l.disks.tell(w)
	fmt.Fprintf(w, "kills              %d, %d of them during a recovery (%d while a request waited)\n", l.killed, l.recovering, l.asked)
	fmt.Fprintf(w, "recovery           p50 %s, p99 %s, max %s from the process's start until it is ready (bound %s)\n", ms(bar.Quantile(l.recoveries, 0.5)), ms(bar.Quantile(l.recoveries, 0.99)), ms(bar.Quantile(l.recoveries, 1)), l.config.ready)
	fmt.Fprintf(w, "acknowledged       %d changes, %d a cycle at least (floor %d), %d reads\n", l.journal.written.Load(), l.leastWrites, writesLeast, l.journal.read.Load())
}

func (l *lone) judge(*tally) {
	if l.leastWrites < writesLeast {
		l.fault("a cycle had %d changes acknowledged, the floor is %d", l.leastWrites, writesLeast)
	}
	if p99 := bar.Quantile(l.recoveries, 0.99); p99 > l.config.ready {
		l.fault("of a hundred recoveries one takes %s, which may take %s", ms(p99), l.config.ready)
	}
}
