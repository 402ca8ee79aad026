package sim

import (
	"time"

	"github.com/backstep/backstep/internal/machine"
)

// fault is a kind of fault.
type fault int

// The kinds of faults.
const (
	crashBefore   fault = iota // the process dies at a write that was not made
	crashAfter                 // … that was made, and nobody heard
	crashAtRest                // … between two things that it does
	crashRecovery              // … again while it comes up
	unknownDone                // a commit was made, and its outcome is not known
	unknownLost                // … was not made
	writeError
	readError
	conflictError // a commit is refused without a reason
	leaseStolen
	slowCall     // a participant takes up to 200 s
	lostAnswer   // a participant did it, and its answer is lost
	lostRequest  // a participant never heard of it
	softError    // a participant fails for now
	deadWorker   // a worker takes a task and is never heard of again
	lateWorker   // … answers when its time is over
	lostBeat     // heartbeats do not arrive
	twiceAnswer  // a completion comes again
	oldToken     // the token of an earlier attempt is used
	forgedToken  // a token that nobody made
	stopRace     // somebody stops what is under way
	undoRace     // somebody has the sagas of what is under way, or over, undone
	startAgain   // a start comes again, or another one of its name
	clockLeap    // the clock leaps forward
	lateEngine   // the engine's loop looks at the clock late
	slowErrand   // what the engine does on the side begins late
	answerToNone // a poll's or a start's answer does not reach its caller

	// Where several nodes share a database.
	nodeKilled    // a node dies, whatever it is in the middle of
	nodePaused    // a node stands still, and then goes on as if nothing were
	requestsCut   // what a node asks of the database does not arrive
	answersCut    // … arrives, and the answer does not
	failover      // the database changes its place: what is under way is unknown
	databaseStall // the database answers nobody for a time
	nodeDrained   // a node is asked to end, and starts anew
	hintLost      // a node does not hear that it was left a message
	delayed       // what somebody asks of a node arrives late, and they ask another one
	faultKinds    = iota
)

// onOne is how many kinds there are of one node on a disk of its own.
const onOne = int(nodeKilled)

// FaultNames are the kinds of faults as reports name them.
var FaultNames = [faultKinds]string{
	"crash before a write", "crash after a write", "crash at rest", "crash in recovery", "unknown commit, done",
	"unknown commit, lost", "write error", "read error", "conflict", "lease stolen", "slow call", "answer lost",
	"request lost", "soft error", "worker dies", "worker late", "heartbeat lost", "answer twice", "old token",
	"forged token", "stop", "undo", "start again", "clock leap", "late engine", "slow errand", "answer to nobody",
	"node killed", "node paused", "node to database cut", "database to node cut", "database fails over", "database stalls", "node drained", "hint lost", "request late",
}

// mostOften is how often each kind strikes at most, in thousandths of its
// occasions.
var mostOften = [faultKinds]int{
	crashBefore: 25, crashAfter: 25, crashAtRest: 12, crashRecovery: 300, unknownDone: 80, unknownLost: 80,
	writeError: 60, readError: 30, conflictError: 20, leaseStolen: 15, slowCall: 60, lostAnswer: 80, lostRequest: 50,
	softError: 150, deadWorker: 100, lateWorker: 100, lostBeat: 300, twiceAnswer: 400, oldToken: 300, forgedToken: 100,
	stopRace: 150, undoRace: 300, startAgain: 400, clockLeap: 5, lateEngine: 100, slowErrand: 100, answerToNone: 80,
	nodeKilled: 100, nodePaused: 150, requestsCut: 60, answersCut: 60, failover: 40, databaseStall: 40, nodeDrained: 60, hintLost: 500, delayed: 50,
}

// plan is what a seed decided about faults and knobs.
type plan struct {
	often     [faultKinds]int // in thousandths; 0: switched off
	shards    uint16
	exclusive bool
	shrunk    bool
	waiting   int  // jobs that wait in memory at most; 0: the engine's default
	texts     bool // definitions are read from the store, not known beforehand
	redriven  bool // what has ended may be redriven

	cached    int
	bytes     int64
	page      int
	entries   int   // per turn
	events    int64 // of one history
	perKind   int
	window    time.Duration
	lease     time.Duration
	beatEvery time.Duration
	retry     time.Duration // at least, before what could not be stored is tried again
}

// newPlan draws the faults: a random half of the kinds, each with its own rate.
func newPlan(c chance, o Options) plan {
	p := plan{
		shards: uint16(c.between(1, 4)), exclusive: c.once(2), texts: c.once(4),
		entries: 500, events: machine.AWSLimits().Events, perKind: 100, page: pick(c, 2, 16, 256), window: pick(c, 5*time.Second, time.Minute, 5*time.Minute), lease: 10 * time.Second,
		beatEvery: 5 * time.Second, retry: pick(c, 10*time.Millisecond, 50*time.Millisecond, 4*time.Second), cached: pick(c, 2, 8, 1000),
	}
	for i := range p.often[:onOne] {
		rate := c.between(1, 1000)
		if on := c.once(2); on && !o.Calm {
			p.often[i] = 1 + mostOften[i]*rate/1000
		}
	}
	if p.shrunk = c.once(10); p.shrunk {
		p.cached, p.page, p.entries, p.perKind = 1, 1, 3, pick(c, 1, 2, 100)
		p.window, p.lease, p.beatEvery = time.Second, pick(c, 50*time.Millisecond, time.Second), time.Millisecond
		if c.once(2) {
			p.bytes = 1
		}
		if c.once(3) {
			p.events = int64(c.between(30, 150))
		}
	}
	if o.Sure {
		p.often[readError] = 0
	}
	if o.Cold {
		p.cached, p.bytes = 1, 1
	}
	return p
}

// strikes decides whether a fault happens at this occasion, and counts it.
func (w *world) strikes(f fault) bool {
	if w.healed || !w.faults.share(w.plan.often[f]) {
		return false
	}
	return w.struck(f)
}

// struck counts a fault that happens, unless those who look for the least world
// in which something breaks have taken it out.
func (w *world) struck(f fault) bool {
	w.strike++
	if w.less.spares(f, w.strike) {
		return false
	}
	w.out.Faults[f]++
	w.out.Strikes = w.strike
	w.trace.note(w.now, "fault", FaultNames[f], int64(w.strike))
	return true
}

// severalNodes draws what a plan has beside for several nodes. Leases are taken
// by those who are there, not by a thief.
func (p *plan) severalNodes(c chance, o Options) {
	p.exclusive = false
	p.shards = 1
	if o.AnyNode {
		p.shards = uint16(c.between(2, 5))
	}
	p.often[leaseStolen] = 0
	for i := onOne; i < faultKinds; i++ {
		rate := c.between(1, 1000)
		if on := c.once(2); on && !o.Calm {
			p.often[i] = 1 + mostOften[i]*rate/1000
		}
	}
	if p.shrunk {
		p.lease, p.waiting = pick(c, time.Second, 3*time.Second), pick(c, 2, 8, 0)
	}
}
