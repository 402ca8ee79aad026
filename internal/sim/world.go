package sim

import (
	"fmt"

	"github.com/backstep/backstep/internal/clockwork"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/backstep/backstep/internal/value"
)

// began is when every world begins: UTC ms.
const began = 1_800_000_000_000

// world is everything there is: time, a disk, the processes on it, and those
// who deal with them.
type world struct {
	now   int64 // UTC ms
	queue clockwork.Queue[deed]
	seq   uint64

	faults, work, paths, entropy chance
	anew                         chance // who redrives what
	curious                      chance // when it is asked what is waited for
	asks                         bool
	storm                        chance // what befalls several nodes

	plan   plan
	healed bool  // no more faults
	heal   int64 // since when
	ended  bool

	disk     *storetest.Memory
	reader   *storetest.Session // the checker's own
	nodes    []*node
	cluster  bool // there may be several, and the disk is a database
	database database
	lives    int               // processes so far
	turning  *clockwork.Runner // that is running now
	stood    *process          // that stands still in it
	away     []*errand         // that wait for what another node does
	idle     clockwork.Runners
	happened int // happenings so far
	heard    int // commits that took messages out of inboxes

	machines []*stateMachine
	byARN    map[string]*stateMachine
	stranger *stateMachine              // whom an unknown name means; nil: nobody
	answers  func() (value.Text, error) // what participants answer
	intents  []*intent
	guests   map[string]int // express executions whose caller waits: in which process
	tasks    taskBook

	submissions map[string]*submission
	ledger      ledger
	sagas       bool               // all definitions have saga scopes
	effects     map[string]*effect // of their steps
	book        book
	trace       trace
	out         Outcome

	script script // what a test decides
	less   Less   // what of all this is left out
	strike int    // faults that struck so far
}

// script is what a test that tells a world what happens has done at its turning
// points; nil: nothing.
type script struct {
	store func(p *process, method string, b *store.Batch) storetest.Fault
	call  func(p *process, t *integration.Task)
}

func newWorld(o Options) *world {
	w := &world{
		now:    began,
		faults: newChance(o.Seed, faultStream), work: newChance(o.Seed, workStream),
		paths: newChance(o.Seed, pathStream), entropy: newChance(o.Seed, entropyStream),
		anew: newChance(o.Seed, redriveStream), curious: newChance(o.Seed, askStream), asks: o.Asks,
		storm: newChance(o.Seed, stormStream), cluster: o.Cluster,
		byARN: map[string]*stateMachine{}, guests: map[string]int{}, submissions: map[string]*submission{},
		tasks: newTaskBook(), ledger: newLedger(),
		trace: trace{keep: o.Trace}, less: o.Less,
		sagas: o.Sagas, effects: map[string]*effect{},
		out: Outcome{Options: o},
	}
	w.plan = newPlan(w.faults, o)
	w.plan.redriven = w.anew.once(2) && !o.Calm
	w.newNodes(o)
	if w.cluster {
		w.plan.severalNodes(w.storm, o)
	}
	w.book = newBook(w)
	w.answers = w.result
	key := make([]byte, 32)
	_, _ = w.entropy.Read(key)
	w.disk = storetest.NewMemory(storetest.MemoryOptions{
		Shards: w.plan.shards, TokenKey: key, Clock: func() int64 { return w.now },
	})
	w.reader = w.disk.Open()
	return w
}

// deed is what happens at a time.
type deed struct {
	of *process // nil: the world's own; else it is lost with that process
	do func()
}

func (w *world) push(at int64, tie uint64, of *process, do func()) {
	w.queue.Push(clockwork.Happening[deed]{At: at, Tie: tie, What: deed{of, do}})
}

// after has something happen in that many ms, after what was to happen at the
// same time already.
func (w *world) after(ms int64, do func()) {
	w.seq++
	w.push(w.now+ms, w.seq, nil, do)
}

// scatter has something of a process happen in that many ms, in a random order
// with all else of that time.
func (w *world) scatter(ms int64, of *process, do func()) {
	w.seq++
	w.push(w.now+ms, w.faults.Uint64N(1<<20)<<32|w.seq&(1<<32-1), of, do)
}

// turn lets everything happen, one thing after the other.
func (w *world) turn() {
	for n := 0; w.out.Violation == nil && !w.ended; n++ {
		if len(w.queue) == 0 || n > mostHappenings {
			w.fail("L1", w.book.goesOn(), fmt.Sprintf("the world stands still or never ends: %d happenings, %d to come", n, len(w.queue)))
			return
		}
		w.happen()
		w.ask()
		if w.out.also != nil {
			w.out.also(w)
		}
	}
}

// happen lets the next thing happen, and what follows from it.
func (w *world) happen() {
	h := w.queue.Pop()
	p := h.What.of
	if p != nil && p.dead {
		return
	}
	w.now = max(w.now, h.At)
	w.happened++
	if p != nil && p.stands() {
		p.deferred = append(p.deferred, h.What.do)
		return
	}
	if w.strikes(clockLeap) {
		w.leap()
	}
	if w.cluster {
		w.inTurn(h.What.do)
	} else {
		h.What.do()
	}
	w.settle()
}

// mostHappenings is more than any world needs.
const mostHappenings = 600_000

// leap makes the clock leap forward.
func (w *world) leap() {
	ms := w.faults.span(1000, 3_600_000)
	for _, l := range w.book.order {
		for _, j := range l.timers() {
			if j.Due > w.now && j.Due <= w.now+ms {
				w.saw(leapOverTimer)
			}
		}
	}
	w.now += ms
}

// settle has each node do what follows from what has just happened.
func (w *world) settle() {
	for _, n := range w.nodes {
		n.settle()
	}
}

// close ends what is still under way.
func (w *world) close() {
	w.ended = true
	hash := w.trace.hash // what is told from here on happened to nobody
	for _, n := range w.nodes {
		n.bury()
	}
	for _, er := range w.away {
		er.on.Stop()
	}
	w.idle.Dismiss()
	w.trace.hash = hash
}

// fail notes the first thing that does not hold.
func (w *world) fail(rule string, id store.ID, what string) {
	if w.out.Violation != nil {
		return
	}
	w.out.Violation = &Violation{Rule: rule, What: what, At: w.now - began, Dump: w.dump(id)}
	if rule[0] == 'L' {
		w.out.Violation.Dump += w.waiting()
	}
	w.trace.note(w.now, "VIOLATION", rule+" "+what, 0)
}

func (w *world) failf(rule string, id store.ID, format string, args ...any) {
	if w.out.Violation == nil {
		w.fail(rule, id, fmt.Sprintf(format, args...))
	}
}
