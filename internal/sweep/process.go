package sweep

import (
	"context"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/clockwork"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
)

// process is one life of the engine, from its start to its death.
type process struct {
	w      *world
	disk   *storetest.Session
	engine *engine.Engine
	dead   bool
	open   []*errand // under way, in the order in which they began
}

// everlasting is longer than any world: no lease runs out, no timer is read from
// the disk when it is due.
const everlasting = 20 * 365 * 24 * time.Hour

// start starts a process on the disk.
func (w *world) start() {
	p := &process{w: w, disk: w.disk.Open()}
	w.process = p
	registry := &integration.Registry{}
	for service := range w.saga.services {
		registry.Add(service, "*", p, integration.RequestResponse, integration.WaitForTaskToken)
	}
	var chance [32]byte
	binary.LittleEndian.PutUint64(chance[:], uint64(w.lives))
	w.lives++
	e, err := engine.Open(context.Background(), engine.Config{
		Store: &disk{p.disk, p}, Registry: registry, Programs: w.program, Clock: w, Entropy: rand.NewChaCha8(chance),
		Log: slog.New(clockwork.Watchdog{Broken: p.logged}), Node: "sweep", Exclusive: true, Spawn: p.spawn,
		Limits: engine.Limits{Window: everlasting, Lease: everlasting, Cached: 64, Calls: 64, CallsPerKind: 64, Turns: 64},
	})
	if err != nil {
		w.broken("the engine does not open: " + err.Error())
		return
	}
	p.engine = e
	if err := e.Renew(w.now); err != nil && !p.dead {
		w.broken("the engine takes no lease: " + err.Error())
	}
	for s := range store.Shard(shards) {
		if !p.dead {
			_ = e.Turn(s) // what fails is tried again by Fire
		}
	}
}

// die is the process's death: what it is in the middle of goes on to nobody's
// knowledge.
func (p *process) die() {
	p.dead = true
	p.disk.Crash()
}

// bury gives back what a dead process still holds.
func (p *process) bury() {
	p.dead = true
	if p.engine != nil {
		p.engine.Close()
	}
	for _, e := range p.open {
		e.on.Stop()
	}
	p.open = nil
}

// program is the one that is swept, with the time limit that this world has.
func (w *world) program(_ context.Context, hash store.Hash) (*asl.Program, error) {
	if hash != w.saga.hash {
		return nil, store.ErrNotFound
	}
	return w.runs, nil
}

// disk is the process's store, with somebody who looks at every commit and kills
// the process where the plan says so.
type disk struct {
	*storetest.Session
	p *process
}

// Commit makes the batch durable, unless the process dies before that.
func (d *disk) Commit(ctx context.Context, b *store.Batch) error {
	w := d.p.w
	if d.p.dead {
		return store.ErrUnknown
	}
	if len(b.Executions) == 0 {
		return d.Session.Commit(ctx, b)
	}
	w.commits++
	if w.killed(false) {
		d.p.die()
		return store.ErrUnknown
	}
	err := d.Session.Commit(ctx, b)
	if err == nil {
		w.enter(b)
	}
	if w.killed(true) {
		d.p.die()
		return store.ErrUnknown
	}
	w.committed()
	return err
}

// logged takes an error that the engine logs for a fault of it.
func (p *process) logged(what string) {
	if !p.dead {
		p.w.broken(what)
	}
}
