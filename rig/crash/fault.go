package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/backstep/backstep/rig/bar"
)

// fault is what a cycle does to the server. Each ends with its process ended.
type fault string

const (
	killed  fault = "kill"  // SIGKILL
	paused  fault = "pause" // SIGSTOP for five seconds; one half then goes on for a while; SIGKILL
	dropped fault = "drop"  // SIGKILL, and what was not synced is forgotten, wholly or in part
	full    fault = "full"  // the disk fills up, and has room again; SIGKILL
	stalled fault = "slow"  // each sync takes half a second for a while; SIGKILL
	unsync  fault = "fsync" // a sync fails: the server must end by itself
)

// needsDisk are the faults that a file system of the rig's own does.
var needsDisk = []fault{dropped, full, stalled, unsync}

// mayEnd are the faults that may end the server, or must.
var mayEnd = []fault{full, unsync}

// faults by how many of a hundred cycles are to have them; the others are kills.
var shares = []struct {
	fault   fault
	percent int
}{{paused, 10}, {dropped, 10}, {full, 5}, {unsync, 5}, {stalled, 3}}

// faultNames are those that a run can be held to.
const faultNames = "kill, pause, drop, full, slow, fsync"

// namedFaults reads some of them. Those of the disk need one of the rig's own.
func namedFaults(names string, ownDisk bool) (all []fault, err error) {
	for name := range strings.SplitSeq(names, ",") {
		f := fault(strings.TrimSpace(name))
		switch {
		case f == "":
		case !slices.Contains(strings.Split(faultNames, ", "), string(f)):
			return nil, fmt.Errorf("no fault %q: there are %s", f, faultNames)
		case !ownDisk && slices.Contains(needsDisk, f):
			return nil, fmt.Errorf("the fault %s needs a disk of the rig's own: -dropfs", f)
		default:
			all = append(all, f)
		}
	}
	return all, nil
}

// drawFault is the fault of the cycle at hand.
func (l *lone) drawFault() fault {
	if given := l.config.faults; len(given) > 0 {
		return given[l.counted%len(given)]
	}
	at := l.chance.below(100)
	for _, s := range shares {
		if at -= s.percent; at < 0 {
			if l.disk == nil && slices.Contains(needsDisk, s.fault) {
				return killed
			}
			return s.fault
		}
	}
	return killed
}

// diskTally counts what the faults of the disk came to.
type diskTally struct {
	drops, pages, names int // losses of power; what was forgotten
	refused, ended      int // full disks: those that refused, those on which the server ended
	back                []time.Duration
	unsynced, starting  int // failed syncs; those while the server started
	exits               []time.Duration
	late                time.Duration // the latest acknowledgement after a failed sync
}

// tell prints what the faults of the disk came to.
func (d *diskTally) tell(w io.Writer) {
	if d.drops > 0 {
		fmt.Fprintf(w, "  power lost       %d times: %d pages and %d names that were not synced are forgotten\n", d.drops, d.pages, d.names)
	}
	if d.refused+d.ended > 0 {
		fmt.Fprintf(w, "  full disk        %d refused, acknowledged again %s after there was room at the latest (bound %s); %d ended by an error\n",
			d.refused, ms(bar.Quantile(d.back, 1)), backMost, d.ended)
	}
	if len(d.exits) > 0 {
		fmt.Fprintf(w, "  failed syncs     %d, %d of them while it started: ended after p50 %s, max %s (bound %s); the last acknowledgement was heard %s after one (bound %s)\n",
			d.unsynced, d.starting, ms(bar.Quantile(d.exits, 0.5)), ms(bar.Quantile(d.exits, 1)), exitMost, ms(d.late), wireMost)
	}
}

// do does the fault to the server under load.
func (l *lone) do(ctx context.Context, what fault) error {
	switch what {
	case paused:
		l.server.pause(5 * time.Second)
		if l.chance.percent(50) {
			l.server.goOn()
			l.chance.sleep(10*time.Millisecond, 500*time.Millisecond)
		}
	case full:
		return l.fill(ctx)
	case stalled:
		if err := l.disk.slow(500 * time.Millisecond); err != nil {
			return err
		}
		l.chance.sleep(time.Second, 3*time.Second)
		return l.disk.slow(0)
	case unsync:
		return l.failSync(ctx)
	}
	return nil
}

// lose forgets what was not synced by the server that was killed.
func (l *lone) lose() error {
	percent := []int{0, 0, 10, 50, 90}[l.chance.below(5)]
	pages, names, err := l.disk.drop(percent)
	l.disks.drops++
	l.disks.pages += pages
	l.disks.names += names
	return err
}

// backMost is how long a server may take to go on when its disk has room again.
const backMost = 10 * time.Second

// fill leaves less room than the server keeps in reserve, or none. Then nothing is
// acknowledged, and reads are answered, or the server ends by an error. It goes on by
// itself when there is room again.
func (l *lone) fill(ctx context.Context) error {
	if err := l.disk.room([]int64{0, 1 << 20, 32 << 20}[l.chance.below(3)]); err != nil {
		return err
	}
	l.chance.sleep(500*time.Millisecond, time.Second) // what was granted is used up
	reads := l.journal.read.Load()
	l.chance.sleep(time.Second, 2*time.Second)
	reads = l.journal.read.Load() - reads
	alive := l.server.alive()
	if err := l.disk.room(-1); err != nil {
		return err
	}
	if !alive {
		l.disks.ended++
		l.endedWell("on a full disk")
		return nil
	}
	if reads == 0 {
		l.fault("on a full disk no read was answered")
	}
	roomy, before := time.Now(), l.journal.written.Load()
	for l.journal.written.Load() == before {
		if time.Since(roomy) > backMost {
			l.fault("%s after its disk has room again the server acknowledges nothing", backMost)
			break
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !l.server.alive() { // what failed while the disk was full may end it late
			l.disks.ended++
			l.endedWell("after its disk was full")
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	l.disks.refused++
	l.disks.back = append(l.disks.back, time.Since(roomy))
	return nil
}

const (
	exitMost = time.Second            // from a failed sync until the process has ended
	wireMost = 250 * time.Millisecond // from an acknowledgement until its caller has written that down
	failWait = 20 * time.Second       // until the sync that fails is reached
)

// failSync makes a sync fail, of one in five servers while it starts. The server must
// end at once, by an error, and acknowledge nothing any more. What was not synced is
// then forgotten: what was acknowledged all the same will be missed.
func (l *lone) failSync(ctx context.Context) error {
	most := 150
	if starts := l.chance.percent(20); starts {
		l.disks.starting++
		most = 25
		if err := l.kill(); err != nil {
			return err
		}
		if err := l.disk.failSync(1 + l.chance.below(most)); err != nil {
			return err
		}
		if err := l.server.spawn(); err != nil {
			return err
		}
	} else if err := l.disk.failSync(1 + l.chance.below(most)); err != nil {
		return err
	}
	select {
	case <-l.server.exited:
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(failWait):
	}
	failed, err := l.disk.failedAt()
	switch {
	case err != nil:
		return err
	case failed.IsZero():
		l.fault("I14 under load the server did not sync within %s", failWait)
		return nil
	}
	l.disks.unsynced++
	if l.server.alive() {
		l.fault("I14 %s after a sync failed the server still runs", time.Since(failed).Round(time.Millisecond))
		return l.kill()
	}
	took := l.server.endedAt().Sub(failed)
	l.disks.exits = append(l.disks.exits, took)
	if took > exitMost {
		l.fault("I14 the server ended %s after a sync failed, which may take %s", took.Round(time.Millisecond), exitMost)
	}
	late := time.UnixMicro(l.journal.lastAcknowledged.Load()).Sub(failed)
	l.disks.late = max(l.disks.late, late)
	if late > wireMost {
		l.fault("I14 a change was acknowledged %s after a sync failed", late.Round(time.Millisecond))
	}
	l.endedWell("by a failed sync")
	return nil
}

// endedWell: a server that ends by itself says so by its exit code.
func (l *lone) endedWell(how string) {
	if code := l.server.cmd.ProcessState.ExitCode(); code <= 0 {
		l.fault("I14 the server ended %s as %s", how, l.server.cmd.ProcessState)
	}
}
