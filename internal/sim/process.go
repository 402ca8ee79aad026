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
	node      *node
	life      int    // the how manieth of the world it is
	name      string // as leases tell it; "": the engine draws one
	session   *storetest.Session
	engine    *engine.Engine
	dead      bool
	dieAfter  bool      // the write under way is the last
	errands   int       // that have not ended
	suspended []*errand // in the order in which they began
	still     int64     // until then nothing moves
	frozen    *errand   // in the middle of which it stands still
	deferred  []func()  // what happens when it goes on
	faint     faint     // where it is to stand still
	fainted   bool      // it did, since it last renewed its leases
	looks     bool      // somebody left it a message
	leaving   bool      // it is drained
	alarm     int64     // when the loop looks at its alarms next
	renewal   int64     // when it renews its leases next
	rounds    engine.Rounds
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
		Items: shelf{w}, Objects: shelf{w}, Exclusive: w.plan.exclusive, OwnOnly: !w.out.AnyNode, Pause: p.passes, Spawn: p.later, Quotas: quotas, Node: p.name,
		Limits: engine.Limits{
			Cached: w.plan.cached, CachedBytes: w.plan.bytes, Page: w.plan.page, CallsPerKind: w.plan.perKind,
			Window: w.plan.window, Lease: w.plan.lease, Waiting: w.plan.waiting, BeatEvery: w.plan.beatEvery,
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

// Now is the clock of the process's node.
func (p *process) Now() int64 { return p.w.now + p.node.skew }

// schedule has the engine's loop look at its alarms when it must, and renew its
// leases.
func (p *process) schedule() {
	w := p.w
	due := p.renewal
	if len(w.queue) > 0 && !w.cluster {
		due = max(due, w.queue[0].At) // until then nobody could tell the difference
	}
	now := p.engine.Now()
	if next := p.engine.Next(now); next != store.Never {
		due = min(due, next-now+w.now)
	}
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
	w := p.w
	share := int64(2)
	if w.cluster {
		share, p.looks = 6, true // as often as Run does, and what no hint told of is found then
	}
	p.renewal = w.now + w.plan.lease.Milliseconds()/share
	err := p.engine.Renew(p.engine.Now())
	switch {
	case p.dead:
	case err != nil:
		p.renewal = w.now + 100
	default:
		p.fainted = false
	}
}

// fire lets the engine do what is due, and read what was left for it.
func (p *process) fire() {
	w := p.w
	w.trace.note(w.now, "fire", p.name, 0)
	p.engine.Fire(p.engine.Now())
	if w.cluster && !p.looks {
		return
	}
	p.looks = false
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
