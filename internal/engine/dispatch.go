package engine

import (
	"context"
	"sync"

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

	// guarded by the dispatcher
	lane      *lane
	began     bool               // it found its place
	parked    bool               // done again later
	abandoned bool               // nobody waits for its outcome any more
	cancel    context.CancelFunc // ends the call that is under way
}

// lane is the share of errands that one kind of task may have at once.
type lane struct {
	name          string
	most, running int
	waiting       []*errand
	first         int // of waiting
}

func (l *lane) push(er *errand) { l.waiting = append(l.waiting, er) }

func (l *lane) pop() *errand {
	if l.first == len(l.waiting) {
		return nil
	}
	er := l.waiting[l.first]
	l.waiting[l.first] = nil
	l.first++
	if l.first == len(l.waiting) || l.first > 1024 && l.first > len(l.waiting)/2 {
		n := copy(l.waiting, l.waiting[l.first:])
		clear(l.waiting[n:])
		l.waiting, l.first = l.waiting[:n], 0
	}
	return er
}

// dispatcher runs errands, each kind in its lane: what finds its lane full
// waits there in order.
type dispatcher struct {
	spawn   func(func())
	run     func(*errand)
	most    int // calls at once over all lanes
	perLane int // and in one
	room    int // errands that wait at most

	mu      sync.Mutex
	errands map[store.JobKey]*errand // the jobs' own: waiting, under way or parked
	lanes   map[string]*lane
	all     []*lane // the same in the order they came
	turns   *lane   // of errands that only take turns
	calls   int     // under way, in all lanes but turns
	active  int     // errands under way
	waiting int
	shut    bool
	idle    chan struct{} // closed when shut and nothing is under way
}

// turnsLane is the lane of errands that only take turns; no service has that
// name.
const turnsLane = ""

func newDispatcher(l Limits, spawn func(func()), run func(*errand)) *dispatcher {
	d := &dispatcher{
		spawn: spawn, run: run, most: l.Calls, perLane: l.CallsPerKind, room: l.Waiting,
		errands: make(map[store.JobKey]*errand), lanes: make(map[string]*lane), idle: make(chan struct{}),
	}
	d.turns = d.lane(turnsLane, l.Turns)
	return d
}

func (d *dispatcher) lane(name string, most int) *lane {
	l := d.lanes[name]
	if l == nil {
		l = &lane{name: name, most: most}
		d.lanes[name] = l
		d.all = append(d.all, l)
	}
	return l
}

// send runs an errand as soon as its lane has room, or leaves it to the one that
// its job has already. It reports false where there is no room to wait either,
// or work is no longer taken.
func (d *dispatcher) send(er *errand, laneName string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if er.kept {
		if was := d.errands[er.key]; was != nil && was != er {
			return !er.sole
		}
	}
	if d.shut || d.waiting >= d.room && !er.must {
		return false
	}
	if er.kept {
		d.errands[er.key] = er
	}
	er.lane = d.lane(laneName, d.perLane)
	if d.full(er.lane) {
		er.lane.push(er)
		d.waiting++
		return true
	}
	d.start(er)
	return true
}

func (d *dispatcher) full(l *lane) bool {
	return l.running >= l.most || l != d.turns && d.calls >= d.most
}

func (d *dispatcher) start(er *errand) {
	er.began = true
	er.lane.running++
	d.active++
	if er.lane != d.turns {
		d.calls++
	}
	d.spawn(func() {
		defer d.leave(er)
		d.run(er)
	})
}

// leave ends an errand's run and starts what waited for its place.
func (d *dispatcher) leave(er *errand) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := er.lane
	l.running--
	d.active--
	if l != d.turns {
		d.calls--
	}
	if er.kept && d.errands[er.key] == er {
		delete(d.errands, er.key)
	}
	if d.shut {
		if d.active == 0 {
			close(d.idle)
		}
		return
	}
	d.next(l)
	for _, l := range d.all {
		if d.waiting == 0 {
			return
		}
		d.next(l)
	}
}

func (d *dispatcher) next(l *lane) {
	for !d.full(l) {
		er := l.pop()
		if er == nil {
			return
		}
		d.waiting--
		if !er.abandoned {
			d.start(er)
		}
	}
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
	d.errands[er.key] = &errand{
		key: er.key, do: er.do, kept: true, must: er.must, sole: er.sole,
		resend: er.resend, answer: er.answer, tries: er.tries + 1, place: er.place, lane: er.lane, parked: true,
	}
	return true
}

// unpark takes a parked errand back, and tells the lane that it came from. nil
// where there is none.
func (d *dispatcher) unpark(k store.JobKey) (er *errand, laneName string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	er = d.errands[k]
	if er == nil || !er.parked {
		return nil, ""
	}
	er.parked = false
	return er, er.lane.name
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

// hasRoom reports whether starts may be taken.
func (d *dispatcher) hasRoom() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.shut && d.waiting < d.room
}

// isSlack reports whether more may be taken up of what is due already: jobs on
// disk, alarms that ring. They are never so many that starts are refused.
func (d *dispatcher) isSlack() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.shut && d.waiting <= d.room/4
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
