package engine

import (
	"context"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// errand is something that the engine does on the side for one job, once the
// job is durable. Losing it loses nothing: the job is on disk, and is found
// there by whoever owns the shard next.
type errand struct {
	key  store.JobKey
	do   func(*Engine, *errand)
	kept bool // the job's own errand, of which there is one at a time
	must bool // of an execution that is in memory alone: it is taken whatever waits
	sole bool // no other errand of the job does the same: send reports false where there is one

	resend bool             // it may have been done before: the job was found on disk
	answer *machine.Message // what came out and could not be stored yet
	tries  int
	place  int // of one that goes through many: how far it has come

	again    bool     // a further attempt of its step
	deadline int64    // of a call: when its attempt is out of time, if it is sent at once
	size     int64    // of a call: bytes of its request
	found    wellness // of a call: how it found the other side
	grew     bool     // of a call: it was given room for more of its answer

	// guarded by the dispatcher
	lane      *lane
	owner     *owner             // nil: nobody's in particular
	since     int64              // when it came to wait, UTC ms; 0: it did not
	began     bool               // it found its place
	outside   bool               // … and has its place in its lane
	holds     int64              // bytes of the payload room
	parked    bool               // done again later
	abandoned bool               // nobody waits for its outcome any more
	cancel    context.CancelFunc // ends the call that is under way
}

// underway is the context of a call that begins; false where it is no longer
// wanted.
func (d *dispatcher) underway(er *errand, parent context.Context) (context.Context, bool) {
	ctx, cancel := context.WithCancel(parent)
	d.mu.Lock()
	defer d.mu.Unlock()
	er.cancel = cancel
	if er.abandoned || d.shut {
		cancel()
		return ctx, false
	}
	return ctx, true
}

// forgone reports whether nobody waits for an errand's outcome any more.
func (d *dispatcher) forgone(er *errand) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return er.abandoned
}

// park keeps a job's errand until it is done again; false where it is no longer
// wanted.
func (d *dispatcher) park(er *errand) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !er.kept || er.abandoned || d.shut {
		return false
	}
	if !er.began {
		d.room.give(er.holds)
	}
	later := er.anew()
	later.tries, later.parked = er.tries+1, true
	if er.answer != nil {
		later.answer, later.holds = er.answer, int64(er.answer.Output.Len())
		d.room.take(later.holds)
	}
	d.errands[er.key] = later
	return true
}

// hasRead notes that an errand's call, if it was one, has read its answer.
func (d *dispatcher) hasRead(er *errand) {
	if er.grew {
		er.grew = false
		d.room.hasRead()
	}
}

// anew is an errand as it was before it was under way.
func (er *errand) anew() *errand {
	return &errand{
		key: er.key, do: er.do, kept: er.kept, must: er.must, sole: er.sole, resend: er.resend, tries: er.tries, place: er.place,
		again: er.again, deadline: er.deadline, size: er.size, lane: er.lane, owner: er.owner,
	}
}

// sendAgain sends an errand that was parked, if there is one: what came out of it
// only takes a turn. False: there is no room for it now.
func (d *dispatcher) sendAgain(k store.JobKey) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	er := d.errands[k]
	switch {
	case er == nil || !er.parked:
		return true
	case d.shut || !er.must && !d.hasPlace(er.owner):
		return false
	}
	to := er.lane.to
	if er.answer != nil {
		to = turning
	}
	er.parked, er.lane = false, d.lane(to)
	if er.owner != nil {
		er.owner = d.owner(er.owner.key)
	}
	d.enter(er)
	return true
}

// handOver sends a job's errand on to where it goes, which was not known before.
func (d *dispatcher) handOver(er *errand, to dest, whose ownerKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if er.abandoned || d.shut {
		return
	}
	next := er.anew()
	next.lane, next.owner = d.lane(to), d.owner(whose)
	d.errands[er.key] = next
	d.enter(next)
}

// inLine reports whether a job's call has not been sent yet because others went
// before it, in a lane that moves: one of it has begun within so many milliseconds.
func (d *dispatcher) inLine(k store.JobKey, within int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	er := d.errands[k]
	return er != nil && er.since != 0 && er.cancel == nil && !er.parked && d.now()-er.lane.moved < within
}

// abandon ends what is done for a job that is over.
func (d *dispatcher) abandon(k store.JobKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if er := d.errands[k]; er != nil {
		d.giveUp(er)
	}
}

func (d *dispatcher) giveUp(er *errand) {
	er.abandoned = true
	delete(d.errands, er.key)
	if er.parked {
		d.room.give(er.holds)
		er.holds, d.freed = 0, true
	}
	if er.cancel != nil {
		er.cancel()
	}
}

// forget abandons all that is done for a shard, but for the executions that
// stay.
func (d *dispatcher) forget(s store.Shard, stays func(store.ID) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for k, er := range d.errands {
		if k.ID.Shard() == s && !stays(k.ID) {
			d.giveUp(er)
		}
	}
}

// admits reports whether a start of an owner may be taken: it has its place in the
// waiting room, and what waits there already does not wait too long.
func (d *dispatcher) admits(whose ownerKey) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.owners[whose]
	if d.shut || !d.hasPlace(o) {
		return false
	}
	return o == nil || o.behind < longLine || d.now()-o.oldest < d.limits.Age.Milliseconds()
}

// longLine is how many errands of one owner may wait however long they do.
const longLine = 1000

// isSlack reports whether more may be taken up of what is due already: jobs on
// disk, alarms that ring. They are never so many that starts are refused.
func (d *dispatcher) isSlack() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.shut && d.waiting <= d.limits.Waiting/4
}

// close takes no more errands. The channel is closed when none is under way.
func (d *dispatcher) close() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.shut {
		d.shut = true
		if d.active == 0 {
			close(d.idle)
		}
	}
	return d.idle
}

// breakOff ends all calls that are under way; what comes of them is dropped.
func (d *dispatcher) breakOff() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, er := range d.errands {
		d.giveUp(er)
	}
}
