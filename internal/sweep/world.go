package sweep

import (
	"context"
	"errors"
	"slices"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/clockwork"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/backstep/backstep/internal/value"
)

const (
	began  = 1_800_000_000_000 // when every world begins, UTC ms
	shards = 2

	// latency is how long a participant works, in ms. The call that goes wrong is
	// answered half a round before or after the others.
	latency = 10

	mostTurns = 6000 // more than any world needs that ends
	mostDays  = 300  // … than any world waits

	account, region = "123456789012", "us-east-1"
)

// world is one execution from its start to its end, and whoever deals with it:
// its participants, its operator, those who kill and stop. Nothing runs beside
// anything else, and no chance is drawn: the same plan is the same world.
type world struct {
	saga *saga
	plan plan
	runs *asl.Program // with this world's time limit

	now   int64
	queue clockwork.Queue[deed]
	seq   uint64
	turns int

	idle    *clockwork.Runners
	turning *errand
	disk    *storetest.Memory
	process *process
	lives   int
	commits int

	ledger
	durable
	struck     []strike // the faults of the plan that have happened: where
	doneBefore int      // steps that were done when the first fault happened to a call that is no step
	problems   []problem
}

// strike is how far the world had come when a fault happened.
type strike struct {
	met, commits int
	holds        int // of the same call that a person had looked at
}

func newWorld(s *saga, p plan, idle *clockwork.Runners) *world {
	w := &world{saga: s, plan: p, runs: s.runs, now: began, idle: idle, struck: make([]strike, len(p.faults))}
	for i := range w.struck {
		w.struck[i].met = -1
	}
	if p.runs != nil {
		w.runs = p.runs
	}
	w.ledger = newLedger(w)
	w.durable = newDurable(w)
	w.disk = storetest.NewMemory(storetest.MemoryOptions{Shards: shards, Clock: w.Now})
	for i := range p.faults {
		if f := &p.faults[i]; f.kind == expiry {
			limited := *w.runs
			limited.TimeoutSeconds = f.seconds
			w.runs = &limited
			w.struck[i] = strike{}
		}
	}
	return w
}

// Now is the world's time in UTC ms.
func (w *world) Now() int64 { return w.now }

// deed is what happens at a time.
type deed struct {
	of *process // nil: the world's own; else it is lost with that process
	do func()
}

func (w *world) push(at int64, of *process, do func()) {
	w.seq++
	w.queue.Push(clockwork.Happening[deed]{At: at, Tie: w.seq, What: deed{of, do}})
}

// at has something happen at a time, after all that was to happen then already.
func (w *world) at(ms int64, of *process, do func()) {
	w.push(max(ms, w.now), of, do)
}

// after has something happen in that many ms, whatever becomes of the engine.
func (w *world) after(ms int64, do func()) { w.at(w.now+ms, nil, do) }

// run lets the world turn until its execution has ended and nothing is under way
// any more.
func (w *world) run() {
	w.start()
	w.begin()
	for !w.over() {
		if w.turns++; w.turns > mostTurns {
			w.endless()
			break
		}
		w.turn()
	}
	w.process.bury()
}

// over reports whether nothing more will happen.
func (w *world) over() bool {
	return len(w.queue) == 0 && (w.status.Ended() || w.isBroken())
}

// turn lets the next thing happen: what is to come, or what the engine's alarms
// ring for.
func (w *world) turn() {
	p := w.process
	if p.dead {
		p.bury()
		w.resentAll()
		w.now += 1000
		w.start()
		return
	}
	due := int64(store.Never)
	if !w.status.Ended() {
		due = p.engine.Next(w.now)
	}
	switch {
	case len(w.queue) > 0 && w.queue[0].At <= max(due, w.now):
		h := w.queue.Pop()
		if of := h.What.of; of == nil || !of.dead {
			w.now = max(w.now, h.At)
			h.What.do()
		}
	case due > w.now+mostDays*24*3_600_000: // nobody waits for so long
		w.endless()
		w.queue, w.status = nil, machine.Failed
	default:
		w.now = max(w.now, due)
		p.engine.Fire(w.now)
	}
	w.wake()
}

// wake lets the calls go on that nobody waits for any more.
func (w *world) wake() {
	for i := 0; i < len(w.sleeping); i++ {
		if s := w.sleeping[i]; s.errand.p.dead {
			w.sleeping = append(w.sleeping[:i], w.sleeping[i+1:]...)
			i--
		} else if s.ctx.Err() != nil {
			w.sleeping = append(w.sleeping[:i], w.sleeping[i+1:]...)
			i--
			w.at(w.now, s.errand.p, s.errand.resume)
		}
	}
}

// sleeper is a call that nobody answers.
type sleeper struct {
	errand *errand
	ctx    context.Context
}

// begin starts the execution, as often as it takes.
func (w *world) begin() {
	input := w.saga.input
	if !w.saga.data {
		input = w.steering()
	}
	s, err := w.process.engine.Start(context.Background(), engine.StartRequest{
		Machine: engine.Machine{Account: account, Region: region, Name: "Swept", Definition: w.saga.hash},
		Name:    "swept", Input: input,
	})
	switch {
	case err == nil:
		w.id = s.ID
	case w.process.dead:
		w.after(1000, w.begin)
	case w.status.Ended(): // it was made durable, and all of it with it
	default:
		w.broken("the execution does not start: " + err.Error())
	}
}

// steering is the input that leads the Choices.
func (w *world) steering() value.Text {
	b := value.NewBuilder(len(w.plan.ways))
	for _, name := range w.saga.named {
		if list, ok := w.plan.ways[name]; ok {
			items := make([]value.Value, len(list))
			for i, way := range list {
				items[i] = value.NewInt(int64(way))
			}
			b.Set(itoa(w.saga.choice[name]), value.NewArray(items))
		}
	}
	return b.Object().Text()
}

// stopped stops the execution, as often as it takes.
func (w *world) stopped() {
	p := w.process
	if p.dead || w.id == (store.ID{}) {
		w.after(1500, w.stopped)
		return
	}
	name, cause := "Stopped", "somebody stops it"
	_, err := p.engine.Stop(context.Background(), w.id, machine.Failure{Error: &name, Cause: &cause})
	var refused *engine.SagaError
	if err != nil && p.dead {
		w.after(1500, w.stopped)
	} else if err != nil && !errors.As(err, &refused) {
		w.broken("the execution can't be stopped: " + err.Error())
	}
}

// killed reports whether the process is killed within the commit that is being
// made.
func (w *world) killed(made bool) bool {
	for i := range w.plan.faults {
		if f := &w.plan.faults[i]; f.kind == kill && f.after == made && f.commit == w.commits && w.struck[i].met < 0 {
			w.strikes(i)
			return true
		}
	}
	return false
}

// committed does what follows upon a commit by the plan.
func (w *world) committed() {
	for i := range w.plan.faults {
		f := &w.plan.faults[i]
		if f.kind != stop || f.commit != w.commits || w.struck[i].met >= 0 {
			continue
		}
		w.strikes(i)
		if f.after {
			w.after(1, w.stopped)
		} else {
			w.push(0, nil, w.stopped) // before all else
		}
	}
}

// strikes notes that a fault of the plan happens.
func (w *world) strikes(i int) {
	f := &w.plan.faults[i]
	w.struck[i] = strike{len(w.met), w.commits, w.holds[f.point.state+" "+f.point.op.String()]}
	if i == 0 && f.kind == ofCall && w.saga.isAside(f.point.state) && f.point.op == integration.Forward {
		w.doneBefore = w.stepsDone()
	}
}

// attend has a person look at something that is held, who first sees to it that
// it can be done and then has it tried again. Where that does not help, the saga
// is given up.
func (w *world) attend(id store.ID, held *machine.Event) {
	hold := held.Saga
	at := held.State + " " + hold.Word
	w.holds[at]++
	if hold.Word == integration.Forward.String() && held.Error != nil && w.isFinal(held.State, *held.Error) {
		w.problem(problem{kind: afterPivot, step: held.State, what: *held.Error})
	}
	r := machine.Resolution{Hold: hold.Hold, Verb: machine.Retry, Operator: "sweep", Reason: "the participant was seen to"}
	if w.isDenied(held.State) {
		r.Verb, r.Outcome = machine.Done, machine.StepFailed
	}
	if w.holds[at] > mostHolds {
		w.problem(problem{kind: heldForGood, step: held.State})
		r = machine.Resolution{Saga: hold.Saga, Verb: machine.Abandon, Operator: "sweep", Reason: "trying again does not help"}
		w.abandoned = true
	}
	w.after(60_000, func() {
		if r.Verb == machine.Retry && hold.Word == integration.Forward.String() {
			w.seenTo(held.State)
		}
		w.resolve(id, r)
	})
}

// isFinal reports whether a step that is held after the pivot is so by an error
// that trying again does not mend, and not since its outcome is unknown.
func (w *world) isFinal(state, name string) bool {
	step := w.runs.States[state].Step
	return w.pivoted && step != nil && slices.Contains(step.KnownFailed, name) &&
		!(step.HoldUnknown && slices.ContainsFunc(w.order, func(e *effect) bool { return e.state == state && e.maybe }))
}

// isDenied reports whether a person says of a step that is held that it was not
// done.
func (w *world) isDenied(state string) bool {
	return slices.ContainsFunc(w.plan.faults, func(f fault) bool { return f.trouble.denied && f.point.state == state })
}

// mostHolds is how often something is tried again by a person.
const mostHolds = 3

func (w *world) resolve(id store.ID, r machine.Resolution) {
	p := w.process
	if p.dead {
		w.after(1500, func() { w.resolve(id, r) })
		return
	}
	err := p.engine.Resolve(context.Background(), id, r)
	var refused *engine.SagaError
	if err != nil && p.dead {
		w.after(1500, func() { w.resolve(id, r) })
	} else if err != nil && !errors.As(err, &refused) {
		w.broken("a hold can't be resolved: " + err.Error())
	}
}
