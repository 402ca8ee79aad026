package sim

import (
	"fmt"

	"github.com/backstep/backstep/internal/clockwork"
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

	plan   plan
	healed bool  // no more faults
	heal   int64 // since when
	ended  bool

	disk    *storetest.Memory
	reader  *storetest.Session // the checker's own
	process *process           // nil: it is down
	lives   int                // processes so far
	depth   int                // crashes within the recovery from a crash
	turning *clockwork.Runner  // that is running now
	idle    clockwork.Runners

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
}

func newWorld(o Options) *world {
	w := &world{
		now:    began,
		faults: newChance(o.Seed, faultStream), work: newChance(o.Seed, workStream),
		paths: newChance(o.Seed, pathStream), entropy: newChance(o.Seed, entropyStream),
		anew: newChance(o.Seed, redriveStream), curious: newChance(o.Seed, askStream), asks: o.Asks,
		byARN: map[string]*stateMachine{}, guests: map[string]int{}, submissions: map[string]*submission{},
		tasks: newTaskBook(), ledger: newLedger(),
		trace: trace{keep: o.Trace},
		sagas: o.Sagas, effects: map[string]*effect{},
		out: Outcome{Seed: o.Seed, Sagas: o.Sagas},
	}
	w.plan = newPlan(w.faults, o)
	w.plan.redriven = w.anew.once(2) && !o.Calm
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
	}
}

// happen lets the next thing happen, and what follows from it.
func (w *world) happen() {
	h := w.queue.Pop()
	if h.What.of != nil && h.What.of.dead {
		return
	}
	w.now = max(w.now, h.At)
	if w.strikes(clockLeap) {
		w.leap()
	}
	h.What.do()
	w.settle()
}

// mostHappenings is more than any world needs.
const mostHappenings = 400_000

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

// settle does what follows from what has just happened: a process that died is
// buried and comes up again, the engine's loop looks at its alarms.
func (w *world) settle() {
	p := w.process
	if p == nil {
		return
	}
	if !p.dead && w.strikes(crashAtRest) {
		p.die()
	}
	if p.dead {
		w.bury()
		w.after(w.faults.span(1, 8000), w.open)
		return
	}
	p.schedule()
}

// fail notes the first thing that does not hold.
func (w *world) fail(rule string, id store.ID, what string) {
	if w.out.Violation != nil {
		return
	}
	w.out.Violation = &Violation{Rule: rule, What: what, At: w.now - began, Dump: w.dump(id)}
	w.trace.note(w.now, "VIOLATION", rule+" "+what, 0)
}

func (w *world) failf(rule string, id store.ID, format string, args ...any) {
	if w.out.Violation == nil {
		w.fail(rule, id, fmt.Sprintf(format, args...))
	}
}
