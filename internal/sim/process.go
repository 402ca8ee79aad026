package sim

import (
	"context"
	"log/slog"
	"time"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/clockwork"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
)

// process is one life of the engine, from its start to its crash.
type process struct {
	w         *world
	session   *storetest.Session
	engine    *engine.Engine
	dead      bool
	dieAfter  bool      // the write under way is the last
	suspended []*errand // in the order in which they began
	alarm     int64     // when the loop looks at its alarms next
	renewal   int64     // when it renews its leases next
}

// open starts a process on the disk.
func (w *world) open() {
	if w.process != nil {
		return
	}
	w.lives++
	w.trace.note(w.now, "open", "", int64(w.lives))
	p := &process{w: w, session: w.disk.Open(), alarm: store.Never, renewal: w.now}
	w.process = p
	if w.lives > 1 {
		w.checkDisk()
	}
	p.engine = p.boot()
	if p.engine == nil {
		return
	}
	p.renew()
	p.fire()
	if w.lives > 1 && !p.dead && w.depth < 3 && w.strikes(crashRecovery) {
		w.depth++
		w.saw(crashInRecovery)
		w.scatter(w.faults.span(0, 30), p, p.die)
		return
	}
	w.depth = 0
}

// boot makes the engine.
func (p *process) boot() *engine.Engine {
	w := p.w
	registry := &integration.Registry{}
	for _, m := range w.machines {
		for service := range m.services {
			registry.Add(service, "*", p, integration.RequestResponse, integration.WaitForTaskToken)
		}
	}
	registry.Add("batch", "submitJob", p, integration.Sync)
	quotas := machine.AWSLimits()
	quotas.EntriesTurn, quotas.Events = w.plan.entries, w.plan.events
	cfg := engine.Config{
		Store: storetest.NewFaulty(&observed{p.session, p}, p.plan), Registry: registry,
		Machines: w.machine, Clock: p, Entropy: w.entropy, Log: slog.New(clockwork.Watchdog{Broken: p.logged}),
		Items: shelf{w}, Objects: shelf{w}, Exclusive: w.plan.exclusive, Spawn: p.later, Quotas: quotas,
		Limits: engine.Limits{
			Cached: w.plan.cached, CachedBytes: w.plan.bytes, Page: w.plan.page, CallsPerKind: w.plan.perKind,
			Window: w.plan.window, Lease: w.plan.lease, BeatEvery: w.plan.beatEvery,
			RetryLeast: w.plan.retry, PollLeast: w.plan.retry, PollMost: 20 * time.Second,
		},
	}
	if !w.plan.texts {
		cfg.Programs = w.program
	}
	e, err := engine.Open(context.Background(), cfg)
	if err != nil {
		w.fail("L3", store.ID{}, "the engine does not open: "+err.Error())
		return nil
	}
	return e
}

// Now is the process's clock.
func (p *process) Now() int64 { return p.w.now }

// up is the process that answers, nil where there is none.
func (w *world) up() *process {
	if w.process == nil || w.process.dead || w.process.engine == nil {
		return nil
	}
	return w.process
}

// schedule has the engine's loop look at its alarms when it must, and renew its
// leases.
func (p *process) schedule() {
	w := p.w
	due := p.renewal
	if len(w.queue) > 0 {
		due = max(due, w.queue[0].At) // until then nobody could tell the difference
	}
	due = min(due, p.engine.Next(w.now))
	if due = max(due, w.now+1); due >= p.alarm {
		return
	}
	if w.strikes(lateEngine) {
		due += w.faults.span(1, 5000)
	}
	p.alarm = due
	w.seq++
	w.push(due, w.seq, p, func() {
		if p.alarm == due {
			p.alarm = store.Never
		}
		if w.now >= p.renewal {
			p.renew()
		}
		if !p.dead {
			p.fire()
		}
	})
}

func (p *process) renew() {
	p.renewal = p.w.now + p.w.plan.lease.Milliseconds()/2
	if err := p.engine.Renew(p.w.now); err != nil && !p.dead {
		p.renewal = p.w.now + 100
	}
}

// fire lets the engine do what is due, and read what was left for it.
func (p *process) fire() {
	w := p.w
	w.trace.note(w.now, "fire", "", 0)
	p.engine.Fire(w.now)
	for s := range w.plan.shards {
		if p.dead {
			return
		}
		_ = p.engine.Turn(store.Shard(s)) // what fails is tried again at the next Fire
	}
}

// die is the process's crash. What it is in the middle of goes on to nobody's
// notice: its store answers no more.
func (p *process) die() {
	if p.dead {
		return
	}
	w := p.w
	p.dead = true
	p.session.Crash()
	w.out.Crashes++
	w.trace.note(w.now, "crash", "", int64(len(p.suspended)))
	if len(p.suspended) > 0 {
		w.saw(crashWithCall)
	}
}

// bury gives back what a dead process still holds.
func (w *world) bury() {
	p := w.process
	w.process = nil
	if p == nil || p.engine == nil {
		return
	}
	p.dead = true
	p.engine.Close()
	for _, er := range p.suspended {
		er.on.Stop()
	}
	p.suspended = nil
}

// program is a definition's program, known beforehand.
func (w *world) program(_ context.Context, hash store.Hash) (*asl.Program, error) {
	for _, m := range w.machines {
		if m.hash == hash {
			return m.program, nil
		}
	}
	return nil, store.ErrNotFound
}

// machine finds what a nested execution names.
func (w *world) machine(_ context.Context, account, region, arn string, _ engine.Draw) (engine.Machine, error) {
	m := w.byARN[arn]
	if m == nil {
		m = w.stranger
	}
	if m == nil {
		return engine.Machine{}, integration.NewError("StepFunctions.StateMachineDoesNotExistException", "no such machine in this world: "+arn, integration.EffectNone)
	}
	return m.engine(), nil
}

// logged takes an error that the engine logs for a fault of it.
func (p *process) logged(what string) {
	if !p.dead {
		p.w.fail("I16", store.ID{}, what)
	}
}
