package engine

import (
	"math"
	"sync"

	"github.com/backstep/backstep/internal/store"
)

// dispatcher runs errands, each in the lane of where it goes to: what finds its
// lane full, or its owner's share taken, waits there in turn. Read lane.go (who is
// next), pace.go (how often) and payloadroom.go (how many bytes) beside it.
type dispatcher struct {
	spawn  func(func())
	run    func(*errand)
	now    func() int64
	nudge  func() // pump has something to do at another time
	limits *Limits
	tasks  map[string]TaskLimit // by "service" and "service:target"

	mu       sync.Mutex
	errands  map[store.JobKey]*errand // the jobs' own: waiting, under way or parked
	lanes    map[dest]*lane
	owners   map[ownerKey]*owner
	services map[string]*service
	all      []*service // in the order they came
	first    int        // of all, that is served first the next time
	turns    *lane      // of errands that only take turns
	paced    []*lane    // that wait for a token
	sweepAt  int        // lanes and owners, before those that are idle are forgotten
	room     payloadRoom
	freed    bool // room was given back by nobody who is under way
	calls    int  // under way, in all lanes of services
	active   int  // errands under way
	waiting  int
	shut     bool
	idle     chan struct{} // closed when shut and nothing is under way
}

// turning is where errands go that only take turns; no service has that name. Awaiting
// is where those go that may wait for what another node answers. They, and those that
// read inboxes, call nobody outside: their lanes are of no service, and go on while all
// calls there may be are under way.
var (
	turning  = dest{}
	awaiting = dest{service: "node"}
)

// leastSweep is how many lanes and owners are kept however idle they are.
const leastSweep = 4096

func newDispatcher(l *Limits, tasks map[string]TaskLimit, spawn func(func()), run func(*errand), now func() int64, nudge func()) *dispatcher {
	d := &dispatcher{
		spawn: spawn, run: run, now: now, nudge: nudge, limits: l, tasks: tasks, sweepAt: leastSweep,
		errands: make(map[store.JobKey]*errand), owners: make(map[ownerKey]*owner),
		services: make(map[string]*service), idle: make(chan struct{}), turns: &lane{limit: limit{most: l.Turns}},
	}
	d.lanes = map[dest]*lane{
		turning:  d.turns,
		awaiting: {to: awaiting, limit: limit{most: l.Turns}},
		reading:  {to: reading, limit: limit{most: l.CallsPerKind}},
	}
	d.room.most = l.CallBytes
	return d
}

func (d *dispatcher) lane(to dest) *lane {
	l := d.lanes[to]
	if l == nil {
		most := d.limits.CallsPerKind
		if to.target != "" {
			most = d.limits.CallsPerTarget
		}
		l = &lane{to: to, service: d.service(to.service), limit: newLimit(d.tasks[to.service+":"+to.target], most)}
		d.lanes[to] = l
	}
	return l
}

func (d *dispatcher) service(name string) *service {
	s := d.services[name]
	if s == nil {
		s = &service{name: name, limit: newLimit(d.tasks[name], d.limits.CallsPerKind)}
		d.services[name] = s
		d.all = append(d.all, s)
	}
	return s
}

func (d *dispatcher) owner(k ownerKey) *owner {
	if k == (ownerKey{}) {
		return nil
	}
	o := d.owners[k]
	if o == nil {
		o = &owner{key: k}
		d.owners[k] = o
	}
	return o
}

// sweep forgets lanes and owners that are idle, where there are many.
func (d *dispatcher) sweep() {
	if len(d.lanes)+len(d.owners) < d.sweepAt {
		return
	}
	for to, l := range d.lanes {
		if !l.isInner() && l.running == 0 && l.waiting() == 0 && !l.ringed && !l.paced && !l.budget.pacing && l.rate.perSecond == 0 {
			delete(d.lanes, to)
		}
	}
	for k, o := range d.owners {
		if o.running == 0 && o.waiting == 0 {
			delete(d.owners, k)
		}
	}
	d.sweepAt = max(leastSweep, 2*(len(d.lanes)+len(d.owners)))
}

// send runs an errand as soon as its lane and its owner have room, or leaves it to
// the one that its job has already. It reports false where there is no room to wait
// either, or work is no longer taken.
func (d *dispatcher) send(er *errand, to dest, whose ownerKey) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if er.kept {
		if was := d.errands[er.key]; was != nil && was != er {
			return !er.sole
		}
	}
	d.sweep()
	o := d.owner(whose)
	if d.shut || !er.must && !d.hasPlace(o) {
		return false
	}
	if er.kept {
		d.errands[er.key] = er
	}
	er.lane, er.owner = d.lane(to), o
	d.enter(er)
	return true
}

// hasPlace reports whether one more of an owner may come to wait: there is room,
// and the owner has at most ownShare times as much of it as is left. So whoever
// floods leaves some to those who do not.
func (d *dispatcher) hasPlace(o *owner) bool {
	left := d.limits.Waiting - d.waiting
	return left > 0 && (o == nil || o.waiting <= ownShare*left)
}

const ownShare = 4

// enter starts an errand, or has it wait.
func (d *dispatcher) enter(er *errand) {
	l, now := er.lane, d.now()
	w := l.lineOf(er)
	alone := w.waiting == 0 && (er.owner == nil || l.isInner() || er.owner.running < d.limits.CallsPerMachine)
	if alone && !d.full(l) && l.wait(now) <= now && (w != &l.again || l.budget.wait(now) <= now) {
		d.start(er, now)
		return
	}
	w.push(l, er)
	er.since = now
	d.waiting++
	if o := er.owner; o != nil {
		o.waiting++
		if w == &l.fresh {
			if o.behind == 0 {
				o.oldest = now
			}
			o.behind++
		}
	}
	if s := l.service; s != nil && !l.ringed {
		l.ringed = true
		s.ring.push(l)
	}
	d.next(l)
}

// full reports whether a lane can't have another errand under way.
func (d *dispatcher) full(l *lane) bool {
	return l.full() || l.service != nil && (l.service.full() || d.crowded())
}

// crowded reports whether no lane of any service can.
func (d *dispatcher) crowded() bool { return d.calls >= d.limits.Calls || d.room.full() }

func (d *dispatcher) start(er *errand, now int64) {
	l := er.lane
	l.running++
	l.moved = now
	d.active++
	er.began = true
	if s := l.service; s != nil {
		s.running++
		d.calls++
		l.rate.take(now)
		s.rate.take(now)
		if er.again && l.budget.pacing {
			l.budget.pace.take(now)
		}
		if er.owner != nil {
			er.owner.running++
		}
		er.outside = true
		er.holds = er.size + answerRoom
		d.room.take(er.holds)
	}
	d.spawn(func() {
		defer d.leave(er)
		d.run(er)
	})
}

// landed notes that a call has come back: its place is free for the next while its
// answer is stored. The errand holds so many bytes until then.
func (d *dispatcher) landed(er *errand, bytes int64, how wellness) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hasRead(er)
	l, now := er.lane, d.now()
	if how != untold && l.service != nil {
		l.budget.heard(how == well, now)
	}
	if er.outside && !d.shut {
		crowded := d.crowded()
		d.room.give(er.holds - bytes)
		er.holds = bytes
		d.back(er)
		if crowded {
			d.serveAll()
		}
	}
}

// wellness is how a call found the place that it went to.
type wellness uint8

const (
	untold wellness = iota
	well
	unwell
)

// back gives an errand's place to what waits for it.
func (d *dispatcher) back(er *errand) {
	l, s, o := er.lane, er.lane.service, er.owner
	full := s.full()
	er.outside = false
	l.running--
	s.running--
	var held []*queue
	if o != nil {
		o.running--
		held, o.held = o.held, nil
	}
	for _, q := range held {
		q.line.ring.push(q)
	}
	d.next(l)
	for _, q := range held {
		d.next(q.lane)
	}
	if full {
		d.serve(s)
	}
}

// leave ends an errand's run and starts what waited for its place.
func (d *dispatcher) leave(er *errand) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hasRead(er)
	l := er.lane
	crowded := d.crowded()
	d.active--
	if !l.isInner() {
		d.calls--
	}
	if er.holds > 0 {
		d.room.give(er.holds)
		er.holds = 0
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
	switch {
	case l.isInner():
		l.running--
		d.next(l)
	case er.outside:
		d.back(er)
	}
	if crowded {
		d.serveAll()
	}
}

// serveAll lets all services' lanes go on, another first each time.
func (d *dispatcher) serveAll() {
	for i := range d.all {
		if d.crowded() {
			break
		}
		d.serve(d.all[(d.first+i)%len(d.all)])
	}
	d.first++
}

// serve lets a service's lanes go on, in turn.
func (d *dispatcher) serve(s *service) {
	for n := s.ring.len(); n > 0 && !s.full() && !d.crowded(); n-- {
		l := s.ring.pop()
		d.next(l)
		if l.ringed = l.waiting() > 0; l.ringed {
			s.ring.push(l)
		}
	}
}

// next starts what may go of what waits in a lane.
func (d *dispatcher) next(l *lane) {
	for l.waiting() > 0 && !d.full(l) {
		now := d.now()
		if at := l.wait(now); at > now {
			d.pace(l, at)
			return
		}
		most := d.limits.CallsPerMachine
		if l.isInner() {
			most = math.MaxInt
		}
		er, apart := l.pick(now, most)
		if er == nil {
			if at := l.budget.wait(now); l.again.waiting > 0 && at > now {
				d.pace(l, at)
			}
			return
		}
		d.waiting--
		if o := er.owner; o != nil {
			o.waiting--
			if !apart {
				o.behind--
				o.oldest = er.since
			}
		}
		if er.abandoned {
			d.room.give(er.holds)
			continue
		}
		d.start(er, now)
	}
}

// pace has a lane looked at again when there is a token for it.
func (d *dispatcher) pace(l *lane, at int64) {
	l.pacedTo = at
	if !l.paced {
		l.paced = true
		d.paced = append(d.paced, l)
		d.nudge()
	}
}

// pump lets the lanes go on that waited for a token, or for room.
func (d *dispatcher) pump() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut {
		return
	}
	lanes := d.paced
	d.paced = nil
	for _, l := range lanes {
		l.paced = false
		d.next(l)
	}
	if d.freed {
		d.freed = false
		d.serveAll()
	}
}

// soonest is when pump has something to do, store.Never where it has not.
func (d *dispatcher) soonest() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	at := int64(store.Never)
	for _, l := range d.paced {
		at = min(at, l.pacedTo)
	}
	return at
}
