package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
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
func (r *rig) drawFault() fault {
	if given := r.config.faults; len(given) > 0 {
		return given[r.counted%len(given)]
	}
	at := r.chance.below(100)
	for _, s := range shares {
		if at -= s.percent; at < 0 {
			if r.disk == nil && slices.Contains(needsDisk, s.fault) {
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

// do does the fault to the server under load.
func (r *rig) do(ctx context.Context, what fault) error {
	switch what {
	case paused:
		r.server.pause(5 * time.Second)
		if r.chance.percent(50) {
			r.server.goOn()
			r.chance.sleep(10*time.Millisecond, 500*time.Millisecond)
		}
	case full:
		return r.fill(ctx)
	case stalled:
		if err := r.disk.slow(500 * time.Millisecond); err != nil {
			return err
		}
		r.chance.sleep(time.Second, 3*time.Second)
		return r.disk.slow(0)
	case unsync:
		return r.failSync(ctx)
	}
	return nil
}

// lose forgets what was not synced by the server that was killed.
func (r *rig) lose() error {
	percent := []int{0, 0, 10, 50, 90}[r.chance.below(5)]
	pages, names, err := r.disk.drop(percent)
	r.disks.drops++
	r.disks.pages += pages
	r.disks.names += names
	return err
}

// backMost is how long a server may take to go on when its disk has room again.
const backMost = 10 * time.Second

// fill leaves less room than the server keeps in reserve, or none. Then nothing is
// acknowledged, and reads are answered, or the server ends by an error. It goes on by
// itself when there is room again.
func (r *rig) fill(ctx context.Context) error {
	if err := r.disk.room([]int64{0, 1 << 20, 32 << 20}[r.chance.below(3)]); err != nil {
		return err
	}
	r.chance.sleep(500*time.Millisecond, time.Second) // what was granted is used up
	reads := r.journal.read.Load()
	r.chance.sleep(time.Second, 2*time.Second)
	reads = r.journal.read.Load() - reads
	alive := r.server.alive()
	if err := r.disk.room(-1); err != nil {
		return err
	}
	if !alive {
		r.disks.ended++
		r.endedWell("on a full disk")
		return nil
	}
	if reads == 0 {
		r.fault("on a full disk no read was answered")
	}
	roomy, before := time.Now(), r.journal.written.Load()
	for r.journal.written.Load() == before {
		if time.Since(roomy) > backMost {
			r.fault("%s after its disk has room again the server acknowledges nothing", backMost)
			break
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !r.server.alive() { // what failed while the disk was full may end it late
			r.disks.ended++
			r.endedWell("after its disk was full")
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	r.disks.refused++
	r.disks.back = append(r.disks.back, time.Since(roomy))
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
func (r *rig) failSync(ctx context.Context) error {
	most := 150
	if starts := r.chance.percent(20); starts {
		r.disks.starting++
		most = 25
		if err := r.kill(); err != nil {
			return err
		}
		if err := r.disk.failSync(1 + r.chance.below(most)); err != nil {
			return err
		}
		if err := r.server.spawn(); err != nil {
			return err
		}
	} else if err := r.disk.failSync(1 + r.chance.below(most)); err != nil {
		return err
	}
	select {
	case <-r.server.exited:
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(failWait):
	}
	failed, err := r.disk.failedAt()
	switch {
	case err != nil:
		return err
	case failed.IsZero():
		r.fault("I14 under load the server did not sync within %s", failWait)
		return nil
	}
	r.disks.unsynced++
	if r.server.alive() {
		r.fault("I14 %s after a sync failed the server still runs", time.Since(failed).Round(time.Millisecond))
		return r.kill()
	}
	took := r.server.endedAt().Sub(failed)
	r.disks.exits = append(r.disks.exits, took)
	if took > exitMost {
		r.fault("I14 the server ended %s after a sync failed, which may take %s", took.Round(time.Millisecond), exitMost)
	}
	late := time.UnixMicro(r.journal.lastAcknowledged.Load()).Sub(failed)
	r.disks.late = max(r.disks.late, late)
	if late > wireMost {
		r.fault("I14 a change was acknowledged %s after a sync failed", late.Round(time.Millisecond))
	}
	r.endedWell("by a failed sync")
	return nil
}

// endedWell: a server that ends by itself says so by its exit code.
func (r *rig) endedWell(how string) {
	if code := r.server.cmd.ProcessState.ExitCode(); code <= 0 {
		r.fault("I14 the server ended %s as %s", how, r.server.cmd.ProcessState)
	}
}
