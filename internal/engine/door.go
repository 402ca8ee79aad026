package engine

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// StartRequest asks for a new execution. What is in it was checked: the name,
// the input's size, that the definition is in the store.
type StartRequest struct {
	Machine
	Name  string // "": a UUID is drawn
	Input value.Text
	Trace string // trace header, or ""

	TestCase string // of the machine, that the execution runs; "": none

	Depth  int               // of a nested one
	Parent *machine.Parent   // of a nested one: it hears of the end
	Map    *machine.MapStart // of a map run's child
}

func (r *StartRequest) owner() ownerKey { return ownerOf(r.Account, r.Region, r.Machine.Name) }

// Started is a start that is durable.
type Started struct {
	ID   store.ID
	Name string
	At   int64 // UTC ms
	Was  bool  // it was there already: the same start came twice
}

// Start starts a standard execution and returns once it is durable. The same
// name with the same input, while that one is running, is answered with the one
// that is there; else a taken name is a *NameTakenError.
func (e *Engine) Start(ctx context.Context, r StartRequest) (Started, error) {
	if err := e.admit(r.owner()); err != nil {
		return Started{}, err
	}
	if r.Parent == nil {
		if err := e.starts.enter(ctx, r.owner()); err != nil {
			return Started{}, err
		}
		defer e.starts.leave(r.owner())
	}
	x, err := e.newExecution(r, false)
	if err != nil {
		return Started{}, err
	}
	for range maxTries {
		started, err := e.begin(x, r.Input, r.Name == "")
		if e.again(err) { // its shard is another node's
			started, err = e.beginElsewhere(x, r.Input)
		}
		if !errors.Is(err, store.ErrConflict) {
			return started, err
		}
		started, err = e.startedBefore(ctx, x, r)
		if !errors.Is(err, store.ErrNotFound) {
			return started, err
		}
	}
	return Started{}, ErrBusy
}

// newExecution is an execution that has not begun, with its id and name.
func (e *Engine) newExecution(r StartRequest, express bool) (*machine.Execution, error) {
	var chance [24]byte
	if err := e.Draw(chance[:]); err != nil {
		return nil, err
	}
	shard, err := e.shardFor(&r, chance[8:], express)
	if err != nil {
		return nil, err
	}
	at := e.now()
	return machine.New(machine.Start{
		ID:      machine.ID(store.NewID(shard, at, [8]byte(chance[:8]))),
		Account: r.Account, Region: r.Region, Machine: r.Machine.Name, Name: r.Name,
		Definition: r.Definition, Version: r.Version, Alias: r.Alias, RoleARN: r.RoleARN,
		Trace: r.Trace, Express: express, At: at, Depth: r.Depth, Parent: r.Parent, Map: r.Map,
		TestCase: r.TestCase,
	}), nil
}

// drawTries bounds how often a name is drawn until it lies in a shard of ours.
const drawTries = 16

// shardFor is the shard of a new execution, to which a name is given if it has
// none. Where it may be any it is one of ours, if we have some.
func (e *Engine) shardFor(r *StartRequest, chance []byte, express bool) (store.Shard, error) {
	drawn := r.Name == ""
	for tries := 1; ; tries++ {
		if drawn {
			r.Name = integration.UUID([16]byte(chance), 4)
		}
		shard := e.ShardOf(r.Account, r.Region, r.Machine.Name, r.Name)
		switch {
		case e.shards[shard].epoch.Load() != 0 || e.cfg.Exclusive || tries == drawTries:
			return shard, nil
		case express: // nobody looks for it by its name
			return e.ourShard(shard), nil
		case !drawn:
			return shard, nil
		}
		if err := e.Draw(chance); err != nil {
			return 0, err
		}
	}
}

// ourShard is the next shard that is ours, from one on; that one where none is.
func (e *Engine) ourShard(from store.Shard) store.Shard {
	for i := range e.shards {
		if s := e.shards[(int(from)+i)%len(e.shards)]; s.epoch.Load() != 0 {
			return s.number
		}
	}
	return from
}

// ShardOf is the shard of a machine's execution of that name.
func (e *Engine) ShardOf(account, region, machineName, name string) store.Shard {
	h := fnv.New64a()
	for _, part := range [...]string{Tenant(account, region), machineName, name} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return store.Shard(h.Sum64() % uint64(len(e.shards)))
}

// begin takes an execution's first turn; its name goes into the same commit.
// store.ErrConflict: the name is taken, which one that was drawn is not.
func (e *Engine) begin(x *machine.Execution, input value.Text, drawn bool) (Started, error) {
	id := store.ID(x.Start.ID)
	program, err := e.cfg.Programs(e.ctx, x.Start.Definition)
	if err != nil {
		return Started{}, fmt.Errorf("start of execution %s: %w", id, err)
	}
	s := e.shards[id.Shard()]
	epoch := s.epoch.Load()
	if epoch == 0 {
		return Started{}, ErrNotReady
	}
	r := s.hold(id)
	defer s.release(r)
	r.x, r.program, r.epoch = x, program, epoch
	name := store.Name{NameKey: nameKey(&x.Start), ID: id}
	if _, err := e.take(s, r, machine.Message{Kind: machine.Begin, Output: input}, &rider{name: &name, drawn: drawn}); err != nil {
		r.x = nil
		return Started{}, err
	}
	return Started{ID: id, Name: x.Start.Name, At: x.Start.At}, nil
}

func nameKey(s *machine.Start) store.NameKey {
	return store.NameKey{
		Shard: store.Shard(s.ID.Shard()), Tenant: Tenant(s.Account, s.Region), Machine: s.Machine, Name: s.Name,
	}
}

// startedBefore answers a start whose name is taken from what has it.
// store.ErrNotFound: nothing has it any more.
func (e *Engine) startedBefore(ctx context.Context, x *machine.Execution, r StartRequest) (Started, error) {
	id, err := e.cfg.Store.Name(ctx, nameKey(&x.Start))
	if err != nil {
		return Started{}, fmt.Errorf("name %q: %w", x.Start.Name, err)
	}
	if id == store.ID(x.Start.ID) { // of a commit of which nothing was known: what it asks for is on disk
		e.shardOf(id).readAgain()
		return Started{ID: id, Name: x.Start.Name, At: x.Start.At}, nil
	}
	if id == nobody(id.Shard()) { // it was given to nobody, so that nobody has it
		return Started{}, &NameTakenError{}
	}
	start, head, err := e.Execution(ctx, id)
	if errors.Is(err, ErrNotFound) { // it was forgotten just now, and its name with it
		err = store.ErrNotFound
	}
	if err != nil {
		return Started{}, err
	}
	same := Started{ID: id, Name: start.Name, At: start.At, Was: true}
	if p := r.Parent; p != nil && start.Parent != nil && start.Parent.ID == p.ID && (r.Map != nil || start.Parent.Job == p.Job) {
		return same, nil
	}
	if head.Status == machine.Running && r.Parent == nil && start.TestCase == r.TestCase {
		texts, err := e.Texts(ctx, id, []uint32{uint32(head.Input)})
		if err != nil {
			return Started{}, err
		}
		if texts[0] == orEmpty(r.Input) {
			return same, nil
		}
	}
	return Started{}, &NameTakenError{ID: id, At: start.At, Status: head.Status}
}

// orEmpty is an input as it is kept: none is {}.
func orEmpty(input value.Text) string {
	if input.IsZero() {
		return "{}"
	}
	return input.String()
}

// Stop ends an execution by its caller's will. One that has ended already stays
// as it is. It returns when it ended, in UTC milliseconds.
//
// Sagas are undone first: it returns the time of the call, and the execution
// ends later. One that can't go back keeps it from ending: *SagaError.
func (e *Engine) Stop(ctx context.Context, id store.ID, why machine.Failure) (int64, error) {
	at, err := e.stopFor(id, why, nil)
	if !e.again(err) {
		return at, err
	}
	told, err := e.askFirst(ctx, id, order{What: orderStop, Failure: &why})
	if err != nil {
		return 0, err
	}
	return told.At, told.err()
}

// askFirst is ask for a caller, of an execution that is there.
func (e *Engine) askFirst(ctx context.Context, id store.ID, o order) (*reply, error) {
	if _, _, err := e.Execution(ctx, id); err != nil {
		return nil, err
	}
	return e.ask(ctx, id, o, orderPatience)
}

// stopFor is Stop of an execution of ours, for an order if there is one.
func (e *Engine) stopFor(id store.ID, why machine.Failure, by *ordered) (int64, error) {
	reason := ""
	look := func(r *resident) bool {
		reason = r.x.Unstoppable(r.program)
		return reason == ""
	}
	if by != nil {
		by.reply.At = e.now()
	}
	t, err := e.turn(id, machine.Message{Kind: machine.Stop, Failure: &why}, &rider{before: look, asked: true, order: by})
	switch {
	case err != nil:
		return 0, err
	case reason != "":
		return 0, &SagaError{reason}
	case !t.head.Status.Ended():
		return e.now(), nil
	}
	return t.head.Stop, nil
}

// Complete brings the answer of a callback task or of an activity's worker: an
// output, or where failure is not nil that.
func (e *Engine) Complete(ctx context.Context, token string, output value.Text, failure *machine.Failure) error {
	m := machine.Message{Kind: machine.JobSucceeded, Output: output}
	if failure != nil {
		m = machine.Message{Kind: machine.JobFailed, Failure: failure, Effect: machine.EffectNamed}
	}
	t, err := e.open(token)
	if err != nil {
		return err
	}
	m.Job = t.Job
	early := false
	for range maxTries {
		done, err := e.turn(store.ID(t.ID), m, &rider{asked: true, before: func(r *resident) bool {
			early = isEarly(r, t)
			return isOpen(r, t)
		}})
		switch {
		case errors.Is(err, ErrNotFound):
			return ErrTaskDoesNotExist
		case e.again(err):
			return e.completeElsewhere(ctx, t, m)
		case err != nil || done.changed:
			return err
		case !early:
			if err = e.refuse(t, output, failure); e.again(err) {
				return e.completeElsewhere(ctx, t, m)
			}
			return err
		}
		if err := e.hearOf(store.ID(t.ID)); err != nil {
			return err
		}
	}
	return ErrBusy
}

// refuse tells a saga's history of an answer that came too late: it is refused.
func (e *Engine) refuse(t machine.Token, output value.Text, failure *machine.Failure) error {
	m := machine.Message{Kind: machine.Refused, Job: t.Job, Output: output, Failure: failure}
	_, err := e.turn(store.ID(t.ID), m, &rider{before: func(r *resident) bool { return r.x.Expects(t.Job) }})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return ErrTaskTimedOut
}

// open reads a token that is ours.
func (e *Engine) open(token string) (machine.Token, error) {
	var t machine.Token
	switch {
	case t.Open(token, e.identity.TokenKey) != nil || int(t.ID.Shard()) >= len(e.shards):
		return t, ErrInvalidToken
	case t.RestoreEpoch != e.identity.RestoreEpoch:
		return t, ErrTaskTimedOut
	}
	return t, nil
}

// isOpen reports whether the attempt that a token was made for still waits.
func isOpen(r *resident, t machine.Token) bool {
	j := r.x.Jobs[t.Job]
	return j != nil && j.Attempt == t.Attempt && j.Kind <= machine.Child && (j.Kind != machine.Activity || j.Taken)
}

// isEarly reports whether a token is for a task that nobody has taken. Tokens of
// such tasks are given to who takes them: the news of that is still on its way
// from another node.
func isEarly(r *resident, t machine.Token) bool {
	j := r.x.Jobs[t.Job]
	return j != nil && j.Attempt == t.Attempt && j.Kind == machine.Activity && !j.Taken
}

// Heartbeat tells that the work on a task goes on. It is kept in memory, and
// written every few seconds: who owns the shard next grants a whole interval.
func (e *Engine) Heartbeat(ctx context.Context, token string) error {
	t, err := e.open(token)
	if err != nil {
		return err
	}
	open := false
	look := func(r *resident) bool {
		open = isOpen(r, t) || isEarly(r, t)
		return open && e.moves(r, t.Job, 0)
	}
	_, err = e.turn(store.ID(t.ID), machine.Message{Kind: machine.Beat, Job: t.Job}, &rider{before: look, asked: true})
	switch {
	case errors.Is(err, ErrNotFound):
		return ErrTaskDoesNotExist
	case e.again(err):
		return e.beatElsewhere(ctx, t)
	case err == nil && !open:
		return ErrTaskTimedOut
	}
	return err
}

// moves lets a task have another interval, and so many ms more, until its next
// heartbeat. It reports whether that is to be written.
func (e *Engine) moves(r *resident, job machine.JobID, more int64) bool {
	j := r.x.Jobs[job]
	if j == nil || j.Heartbeat == 0 || !j.Submitted && !j.Taken {
		return false
	}
	due := min(e.now()+j.Heartbeat+more, j.Deadline)
	e.alarms.set(alarmKey{JobKey: store.JobKey{ID: r.id, Number: uint32(j.ID)}}, due)
	return due-j.Due >= e.cfg.Limits.BeatEvery.Milliseconds()
}

// Find is the execution of a machine that has that name, or ErrNotFound.
func (e *Engine) Find(ctx context.Context, account, region, machineName, name string) (store.ID, error) {
	k := store.NameKey{
		Shard:  e.ShardOf(account, region, machineName, name),
		Tenant: Tenant(account, region), Machine: machineName, Name: name,
	}
	id, err := e.cfg.Store.Name(ctx, k)
	if errors.Is(err, store.ErrNotFound) {
		return id, ErrNotFound
	}
	return id, err
}

// Execution reads an execution's own row, or ErrNotFound.
func (e *Engine) Execution(ctx context.Context, id store.ID) (machine.Start, machine.Head, error) {
	row, err := e.cfg.Store.Execution(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return machine.Start{}, machine.Head{}, ErrNotFound
	}
	if err != nil {
		return machine.Start{}, machine.Head{}, err
	}
	return readRow(&row)
}
