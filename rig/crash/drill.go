package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/backstep/backstep/api"
)

// Changes that must have been acknowledged before a backup is taken, and between it
// and the end of the server.
const (
	beforeLeast = 200
	afterLeast  = 50
)

// drill is one run: a backup taken under load, and what is made of it.
type drill struct {
	*lone
	bench *bench

	journaled  int64 // how long the journal was when the backup began
	began      int64 // UTC milliseconds; what was acknowledged before is in the backup
	served     int64 // UTC milliseconds; what is asked later, the restored server asks
	executions int   // in the backup, as it says itself
	before     int64 // changes acknowledged before the backup began
	after      int64 // from there to the server's end
	old        []string
	refused    int // task tokens of before, after the restore
}

// drilled is what one run came to, or all of them.
type drilled struct {
	executions, finished int // of the backup
	repeated             int // steps that were called before and after the restore, under one key
	newer                int // effects that the backup does not know
	unknown              int // orders that it does not know and that had effects
	diverged             int // effects on orders that it knows, which are to be taken back
	refused              int
	acknowledged         int64
	findings             int
}

func (d *drilled) add(o drilled) {
	d.executions += o.executions
	d.finished += o.finished
	d.repeated += o.repeated
	d.newer += o.newer
	d.unknown += o.unknown
	d.diverged += o.diverged
	d.refused += o.refused
	d.acknowledged += o.acknowledged
	d.findings += o.findings
}

func (d drilled) String() string {
	return fmt.Sprintf("%d executions in the backup, %d finished; %d steps called again under their key; %d effects newer than the backup, of %d orders that it does not know, and %d to be taken back of orders that it knows; %d old tokens refused; %d changes acknowledged; findings: %d",
		d.executions, d.finished, d.repeated, d.newer, d.unknown, d.diverged, d.refused, d.acknowledged, d.findings)
}

// drills takes so many backups, each of a server of its own, and tells whether all
// held.
func drills(ctx context.Context, c config, runs int, out io.Writer) (bool, error) {
	var all drilled
	for n := range runs {
		one := c
		one.dir, one.seed = filepath.Join(c.dir, fmt.Sprintf("run-%d", n+1)), c.seed+uint64(n)
		r, err := newRig(one)
		if err != nil {
			return false, err
		}
		sum, err := (&drill{lone: r.subject.(*lone)}).run(ctx, out)
		if err != nil {
			r.abandon()
			fmt.Fprintf(out, "run %d, seed %d\nFAIL: %v\n", n+1, one.seed, err)
			return false, ctx.Err()
		}
		fmt.Fprintf(out, "run %d, seed %d: %s\n", n+1, one.seed, sum)
		all.add(sum)
	}
	fmt.Fprintf(out, "in all %d runs: %s\n", runs, all)
	if all.findings > 0 {
		fmt.Fprintf(out, "FAIL: %d findings in %d runs\n", all.findings, runs)
		return false, nil
	}
	fmt.Fprintf(out, "PASS: what each backup knows is whole, ends, and balances: I1 I2 I3 I4 I6 I8 I9 hold\n")
	return true, nil
}

// run is a whole run.
func (d *drill) run(ctx context.Context, out io.Writer) (drilled, error) {
	file := filepath.Join(d.config.dir, "orders.backup")
	if err := d.open(ctx); err != nil {
		return drilled{}, err
	}
	working, rest := context.WithCancel(ctx)
	defer rest()
	d.work(working) // it lives on while the server is away
	if err := d.takeUnderLoad(ctx, file); err != nil {
		return drilled{}, err
	}
	if err := d.restore(ctx, file); err != nil {
		return drilled{}, err
	}
	d.tryOldTokens(ctx)
	d.settle(ctx)
	rest()
	d.worked.Wait()
	d.participants.tokens.end()
	sum, err := d.check(ctx, out)
	if err != nil {
		return sum, err
	}
	d.close(ctx)
	if _, err := d.command(ctx, "fsck", "--data", d.restored()); err != nil {
		d.fault("after all has ended: %v", err)
	}
	for _, fault := range d.faults {
		fmt.Fprintf(out, "FAULT %s\n", fault)
	}
	sum.findings += len(d.faults)
	return sum, nil
}

// restored is the data folder that the backup is restored into.
func (d *drill) restored() string { return filepath.Join(d.config.dir, "restored") }

// work has a worker at the activity until the context ends.
func (d *drill) work(ctx context.Context) {
	d.bench = &bench{Client: d.client, journal: d.journal, tasks: map[string]request{}}
	worker := d.bench.worker(d.participants)
	d.worked.Go(func() {
		if err := worker.Run(ctx); err != nil {
			d.fault("the worker gave up: %v", err)
		}
	})
}

// takeUnderLoad lets a server work, takes a backup of it while it does, and kills it
// some time later.
func (d *drill) takeUnderLoad(ctx context.Context, file string) error {
	d.load.run(d.config.clients)
	d.chance.sleep(300*time.Millisecond, 1500*time.Millisecond)
	if err := d.awaitWrites(ctx, beforeLeast); err != nil {
		return err
	}
	if err := d.take(ctx, file); err != nil {
		return err
	}
	d.chance.sleep(300*time.Millisecond, 1500*time.Millisecond)
	if err := d.awaitWrites(ctx, d.before+afterLeast); err != nil {
		return err
	}
	if err := d.server.kill(); err != nil {
		return err
	}
	d.after = d.journal.written.Load() - d.before
	d.journal.cycle.Store(1) // what is asked from now on, a restored server answers
	d.load.end()
	d.participants.calm.Store(true)
	d.old = d.tokens()
	return nil
}

// tokens are the task tokens that were handed out so far.
func (d *drill) tokens() []string {
	d.participants.tokens.mu.Lock()
	defer d.participants.tokens.mu.Unlock()
	d.bench.mu.Lock()
	defer d.bench.mu.Unlock()
	return slices.AppendSeq(slices.Collect(maps.Keys(d.participants.tokens.handed)), maps.Keys(d.bench.tasks))
}

// take takes the backup. What stands in the journal by then must be in it.
func (d *drill) take(ctx context.Context, file string) error {
	info, err := os.Stat(d.journalFile())
	if err != nil {
		return err
	}
	d.journaled, d.began, d.before = info.Size(), time.Now().UnixMilli(), d.journal.written.Load()
	text, err := d.command(ctx, "backup", file, "--endpoint", d.server.endpoint(), "--region", region, "--json")
	if err != nil {
		return err
	}
	var said struct{ Executions int }
	if err := json.Unmarshal(text, &said); err != nil {
		return fmt.Errorf("backup says %q: %w", text, err)
	}
	if d.executions = said.Executions; d.executions == 0 {
		return errors.New("the backup has no executions")
	}
	return nil
}

// restore makes a folder of the backup, which must be sound, and serves it in the
// place of the one that is lost.
func (d *drill) restore(ctx context.Context, file string) error {
	text, err := d.command(ctx, "restore", file, "--data", d.restored(), "--json")
	if err != nil {
		return err
	}
	var said struct{ RestoreEpoch, Reoffered int }
	if err := json.Unmarshal(text, &said); err != nil {
		return fmt.Errorf("restore says %q: %w", text, err)
	}
	if said.RestoreEpoch == 0 || said.Reoffered == 0 {
		d.fault("restored to the epoch %d, %d tasks and calls handed out again", said.RestoreEpoch, said.Reoffered)
	}
	if _, err := d.command(ctx, "fsck", "--data", d.restored()); err != nil {
		d.fault("%v", err)
	}
	d.server.store = []string{"--data", d.restored()}
	d.served = time.Now().UnixMilli()
	if err := d.server.spawn(); err != nil {
		return err
	}
	_, err = d.server.awaitReady(ctx)
	return err
}

// command runs the program, which must end well, and gives what it prints.
func (d *drill) command(ctx context.Context, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, d.config.backstep, args...)
	said, err := os.CreateTemp(d.config.dir, args[0]+".*.log")
	if err != nil {
		return nil, err
	}
	defer said.Close()
	c.Stderr = said
	out, err := c.Output()
	if err != nil {
		text, _ := os.ReadFile(said.Name())
		return nil, fmt.Errorf("backstep %s: %w: %s%s", args[0], err, out, text)
	}
	return out, nil
}

// tryOldTokens completes every task that was handed out before by the token of then:
// each must be refused, and nothing of it may be heard.
func (d *drill) tryOldTokens(ctx context.Context) {
	for _, token := range d.old {
		_, err := d.client.SendTaskSuccess(ctx, &api.SendTaskSuccessInput{TaskToken: token, Output: `{"receipt":"receipt-0."}`})
		switch code := api.CodeOf(err); {
		case err == nil:
			d.fault("a task token of before the restore is taken")
		case code == api.CodeTaskTimedOut || code == api.CodeTaskDoesNotExist:
			d.refused++
		default:
			d.fault("a task token of before the restore is answered by %v", err)
		}
	}
	if d.refused == 0 {
		d.fault("there were no task tokens of before the restore")
	}
}
