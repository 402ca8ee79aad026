package engine

import (
	"bytes"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// rider is what goes into the commit of a message's turn beside what was
// decided, and looks at the execution afterwards.
type rider struct {
	name         *store.Name          // of a start
	drawn        bool                 // the name is chance: nobody has it
	expectQueued []store.QueuedKey    // of a task that is being taken
	dropMessages []store.MessageKey   // of a message from the inbox
	asked        bool                 // somebody is told how the execution stands, although nothing is committed
	order        *ordered             // whose reply goes along; nil: none
	before       func(*resident) bool // false: the message comes too late, the turn is not taken
	after        func(*resident)      // the execution as it stands then, still locked
}

// turned is what a turn came to.
type turned struct {
	changed bool // false: the message came too late or twice
	head    machine.Head
}

// turn takes a message to an execution: it decides, commits, and lets the
// outside know. When it returns without error, what the message did is durable.
func (e *Engine) turn(id store.ID, m machine.Message, with *rider) (turned, error) {
	s := e.shardOf(id)
	if s == nil {
		return turned{}, ErrNotFound
	}
	r := s.hold(id)
	defer s.release(r)
	return e.take(s, r, m, with)
}

// take is turn with the resident held.
func (e *Engine) take(s *shard, r *resident, m machine.Message, with *rider) (turned, error) {
	for tries := 0; ; tries++ {
		if err := e.awaken(s, r); err != nil {
			return turned{}, err
		}
		if with != nil && with.before != nil && !with.before(r) {
			return turned{head: r.x.Head}, e.vouch(s, r, with)
		}
		t, err := e.once(s, r, m, with)
		if errors.Is(err, errAgain) && tries < maxTries {
			continue
		}
		if err == nil && with != nil && with.after != nil {
			with.after(r)
		}
		return t, err
	}
}

// vouch lets somebody be told what is in memory only while it must be what is
// durable: a commit is refused to who has lost the shard, an answer without one
// would be given all the same.
func (e *Engine) vouch(s *shard, r *resident, with *rider) error {
	if with == nil || !with.asked || r.volatile.Load() || e.isSure(s) {
		return nil
	}
	return ErrNotReady
}

// isSure reports whether no other node can have taken the shard since we read it,
// by our own clock.
func (e *Engine) isSure(s *shard) bool {
	return e.cfg.Exclusive || e.cfg.Clock.Now() < s.until.Load()
}

// once takes a message to an execution that is in memory, if it stands as the
// store has it. errAgain: it did not, or does not any more.
func (e *Engine) once(s *shard, r *resident, m machine.Message, with *rider) (turned, error) {
	d, err := e.decide(r, m)
	if err != nil {
		return turned{}, e.quarantine(s, r, err)
	}
	if !d.IsEmpty() || with != nil && len(with.dropMessages) > 0 {
		if err := e.commit(s, r, &d, with); err != nil {
			return turned{}, e.quarantine(s, r, err) // or just the error
		}
	}
	if d.IsEmpty() {
		if err := e.vouch(s, r, with); err != nil {
			return turned{}, err
		}
	} else if err := e.settle(s, r, m, d); err != nil {
		return turned{}, e.quarantine(s, r, err)
	}
	return turned{changed: !d.IsEmpty(), head: r.x.Head}, nil
}

// errAgain says that the execution stands otherwise than it was taken to, and
// was read again: the message is to be decided anew.
var errAgain = errors.New("the execution was read again")

// maxTries bounds how often one turn is taken anew.
const maxTries = 3

// awaken has the resident's execution in memory, as the store has it.
func (e *Engine) awaken(s *shard, r *resident) error {
	if r.volatile.Load() {
		return nil
	}
	for range maxTries + 1 {
		epoch := s.epoch.Load()
		if epoch == 0 {
			return ErrNotReady
		}
		loads := r.x == nil || r.epoch != epoch
		if loads {
			r.x = nil
			if err := e.load(r); err != nil {
				return err
			}
			r.epoch = epoch
		}
		if r.held != "" {
			return fmt.Errorf("%w: %s", ErrQuarantined, r.held)
		}
		if !loads || e.cfg.Exclusive || !r.lacks() && !r.overtaken {
			return nil
		}
		err := e.catchUp(s, r)
		if err == nil {
			r.overtaken = false
			return nil
		}
		r.x = nil // what it waits for is not put back yet
		if !errors.Is(err, errAgain) {
			return err
		}
	}
	return ErrBusy
}

// load reads the execution, its program and the payloads that it needs.
func (e *Engine) load(r *resident) error {
	loaded, err := e.cfg.Store.Load(e.ctx, r.id)
	if errors.Is(err, store.ErrNotFound) {
		return ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("load execution %s: %w", r.id, err)
	}
	e.metrics.Loads.Add(1)
	x, held, err := readExecution(&loaded)
	if errors.Is(err, ErrNotFound) {
		return ErrNotFound
	}
	unread := err != nil
	if unread {
		e.cfg.Log.Error("an execution can't be read", "execution", r.id, "error", err)
		if x == nil {
			return fmt.Errorf("%w: %w", ErrQuarantined, err)
		}
	}
	if err := e.readPayloads(e.ctx, r.id, x); err != nil {
		return err
	}
	var program *asl.Program
	if !x.Start.Lock {
		program, err = e.cfg.Programs(e.ctx, x.Start.Definition)
	}
	var refusal *asl.Refusal
	switch {
	case errors.As(err, &refusal):
		held = "its definition is refused: " + refusal.Error()
	case err != nil:
		return fmt.Errorf("execution %s: %w", r.id, err)
	}
	r.x, r.program, r.held, r.unread, r.away, r.recount = x, program, held, unread, nil, 0
	return nil
}

// decide asks the machine. What it can't decide, because an invariant is
// broken, is an error that holds this execution alone.
func (e *Engine) decide(r *resident, m machine.Message) (d machine.Delta, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &brokenError{what: fmt.Sprint(p), stack: debug.Stack()}
		}
	}()
	env := e.env()
	env.Now = e.now()
	if err := e.Draw(env.Seed[:]); err != nil {
		return d, err
	}
	e.metrics.Turns.Add(1)
	for {
		d := machine.Step(env, r.program, r.x, m)
		if d.Recall.IsEmpty() {
			return d, nil
		}
		if err := e.lend(r, &d); err != nil {
			return d, err
		}
	}
}

// env is what the machine is given beside time and chance.
func (e *Engine) env() machine.Env {
	return machine.Env{
		TokenKey: e.identity.TokenKey, RestoreEpoch: e.identity.RestoreEpoch, Limits: e.cfg.Quotas, Gone: e.cfg.Gone,
		StrictAWS: e.cfg.StrictAWS,
	}
}

// brokenError is a panic of the decider.
type brokenError struct {
	what  string
	stack []byte
}

func (b *brokenError) Error() string { return b.what }

// commit makes a delta durable. nil: it is. errAgain: it is not, and the
// execution was read again or stands as it stood.
func (e *Engine) commit(s *shard, r *resident, d *machine.Delta, with *rider) (committed error) {
	if r.volatile.Load() {
		return nil
	}
	if with != nil && with.order != nil && with.order.epoch != r.epoch {
		return ErrNotReady
	}
	w := writers.Get().(*writer)
	defer writers.Put(w)
	b, err := w.written(r, d, with, !e.cfg.Exclusive)
	if err != nil {
		return err
	}
	b.Fence = &store.Fence{Shard: s.number, Epoch: r.epoch}
	if !d.IsEmpty() && d.Head.Holds > r.x.Head.Holds {
		e.notice(b, r, d.Head.Now)
	}
	if with != nil && with.order != nil {
		if !d.IsEmpty() {
			with.order.stands(d.Head)
		}
		with.order.answers(b)
		defer func() { with.order.done = committed == nil }()
	}
	err = e.cfg.Store.Commit(e.ctx, b)
	switch {
	case err == nil:
		e.metrics.Commits.Add(1)
		e.storeAnswered()
		return nil
	case errors.Is(err, store.ErrFenced):
		r.x = nil
		e.fencedOff(s, r.epoch)
		return ErrNotReady
	case errors.Is(err, store.ErrConflict):
		return e.conflict(s, r, with)
	case errors.Is(err, store.ErrUnknown):
		e.metrics.Unknown.Add(1)
		return e.resolve(s, r, b, err)
	}
	return e.storeFailed(fmt.Errorf("commit of execution %s: %w", r.id, err))
}

// conflict is what to do where an expectation did not hold: a name that is
// taken and a task that is gone are for the caller; a job that is gone was
// completed on another node, and a task that does not wait any more was taken there,
// whose message is in the inbox.
func (e *Engine) conflict(s *shard, r *resident, with *rider) error {
	r.x = nil
	if with != nil && (with.name != nil || with.expectQueued != nil) {
		return store.ErrConflict
	}
	r.overtaken = true
	s.look()
	return errAgain
}

// resolve finds out by reading whether an unknown commit was made. Nobody else
// writes the execution, so its row is as it was or as the batch has it.
func (e *Engine) resolve(s *shard, r *resident, b *store.Batch, unknown error) error {
	was, begun := machine.Append(nil, &r.x.Head), r.x.Head.Status != 0
	row, err := e.cfg.Store.Execution(e.ctx, r.id)
	switch {
	case errors.Is(err, store.ErrNotFound) && !begun:
		return errAgain
	case err != nil:
		r.x = nil
		s.readAgain()
		return e.storeFailed(fmt.Errorf("commit of execution %s: %w, and then: %w", r.id, unknown, err))
	case len(b.Executions) == 1 && bytes.Equal(row.Body, b.Executions[0].Body) && !bytes.Equal(row.Body, was):
		return nil
	}
	r.x = nil
	return errAgain
}

// settle moves the execution in memory on to what is durable by now, and lets
// the outside know.
func (e *Engine) settle(s *shard, r *resident, m machine.Message, d machine.Delta) (broken error) {
	defer func() {
		if p := recover(); p != nil {
			broken = &brokenError{what: fmt.Sprint(p), stack: debug.Stack()}
		}
	}()
	queued := queued(r, &d)
	for _, id := range d.Closed {
		k := store.JobKey{ID: r.id, Number: uint32(id)}
		e.alarms.clear(k)
		e.dispatcher.abandon(k)
		if j := r.x.Jobs[id]; j != nil && orphans(r, j, m) {
			e.stopNested(r, j)
		}
	}
	if !r.x.Start.Lock {
		e.report(r, &d)
		e.metrics.count(r.x.Head.Status, d.Head.Status)
		e.lengthened(r, &d)
	}
	last := r.x.Head.LastJob
	r.x.Apply(d)
	for _, j := range d.Jobs {
		e.launch(s, r, j, j.ID <= last)
	}
	for _, k := range queued {
		e.activities.wake(k)
	}
	r.tell()
	if r.volatile.Load() && r.x.Head.Status.Ended() && len(r.x.Jobs) == 0 {
		r.ended()
	}
	return nil
}
