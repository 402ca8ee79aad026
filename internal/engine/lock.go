package engine

import (
	"crypto/sha256"
	"errors"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// A semantic lock is an entity of its own, in the shard of its key. A step's job
// claims it through the door, and the lock's job tells the step that it has it;
// another job of the step's execution takes the claim away. The same job twice is
// one claim.

// lockID is the id of the lock of a key: the hash of it.
func (e *Engine) lockID(of *machine.Start, key string) store.ID {
	sum := sha256.Sum256([]byte(Tenant(of.Account, of.Region) + "\x00lock\x00" + key))
	id := store.NewID(e.ShardOf(of.Account, of.Region, "\x00lock", key), 0, [8]byte{})
	copy(id[2:], sum[:14])
	return id
}

// takeLock claims the lock that a job asks for.
func (e *Engine) takeLock(er *errand) { e.tellLock(er, machine.Claimed) }

// freeLock takes a claim away.
func (e *Engine) freeLock(er *errand) { e.tellLock(er, machine.Unclaimed) }

func (e *Engine) tellLock(er *errand, kind machine.MessageKind) {
	start, key, claim, err := e.claimOf(er.key)
	switch {
	case err != nil:
		e.postpone(er, err)
		return
	case claim.Job == 0: // it is over
		return
	}
	lock, m := start.LockOf(machine.ID(e.lockID(&start, key)), key), machine.Message{Kind: kind, Claim: &claim}
	err = e.lockTurn(lock, m, nil)
	if id := store.ID(lock.ID); errors.Is(err, errElsewhere) && e.again(ErrNotReady) && !e.owns(id) {
		err = e.leave(e.shardOf(id), jobName(er.key, 'l', byte(kind)), &mail{kind: mailLock, id: id, start: lock, message: m})
	}
	if err != nil {
		e.postpone(er, err)
		return
	}
	if kind == machine.Unclaimed {
		e.deliver(er, machine.Message{Kind: machine.JobSucceeded, Job: claim.Job})
	}
}

// claimOf reads a job that claims a lock, or claims it no more.
func (e *Engine) claimOf(k store.JobKey) (start machine.Start, key string, claim machine.Claim, err error) {
	s, r, _, err := e.awakeFor(k)
	if err != nil {
		return start, "", claim, err
	}
	defer s.release(r)
	key, claim, _ = r.x.ClaimOf(machine.JobID(k.Number))
	return r.x.Start, key, claim, nil
}

// hearLock takes to a lock what came by an inbox.
func (e *Engine) hearLock(m *mail) error {
	err := e.lockTurn(m.start, m.message, &rider{dropMessages: []store.MessageKey{m.lies}})
	if errors.Is(err, errNoLock) {
		return e.dropMail(m)
	}
	return err
}

// errNoLock says that nobody claims a lock.
var errNoLock = errors.New("nobody claims the lock")

// lockTurn takes a message to a lock. One that nobody claims is not there.
func (e *Engine) lockTurn(start machine.Start, m machine.Message, with *rider) error {
	s := e.shardOf(store.ID(start.ID))
	epoch := s.epoch.Load()
	if epoch == 0 {
		return errElsewhere
	}
	r := s.hold(store.ID(start.ID))
	defer s.release(r)
	err := e.awaken(s, r)
	switch {
	case errors.Is(err, ErrNotFound) && m.Kind == machine.Unclaimed:
		if with != nil {
			return errNoLock
		}
		return nil
	case errors.Is(err, ErrNotFound):
		r.x, r.program, r.held, r.epoch = machine.New(start), nil, "", epoch
	case errors.Is(err, ErrNotReady):
		return errElsewhere
	case err != nil:
		return err
	}
	if with == nil {
		with = &rider{}
	}
	with.asked = true
	_, err = e.take(s, r, m, with)
	if err != nil || r.x != nil && r.x.Head.Status.Ended() {
		r.x = nil // what nobody claims was taken away
	}
	switch {
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrNotReady):
		return errElsewhere
	}
	return err
}

// grantLock tells a step that it has the lock. The claim of an execution that is
// not there any more is taken away.
func (e *Engine) grantLock(er *errand) {
	key, claim, err := e.granted(er.key)
	if err != nil {
		e.postpone(er, err)
		return
	}
	if claim == nil {
		return
	}
	granted := machine.Message{Kind: machine.Granted, Output: value.NewString(key).Text(), Claim: claim}
	if _, err = e.turn(store.ID(claim.Execution), granted, nil); e.again(err) {
		err = e.grantElsewhere(er.key, store.ID(claim.Execution), granted)
	}
	done := machine.Message{Kind: machine.JobSucceeded, Job: machine.JobID(er.key.Number)}
	switch {
	case errors.Is(err, ErrNotFound):
		done = machine.Message{Kind: machine.Unclaimed, Claim: claim}
		err = nil
	default:
		err = heard(err)
	}
	if err == nil {
		err = e.lockTurn(machine.Start{ID: machine.ID(er.key.ID)}, done, nil)
	}
	if err != nil {
		e.postpone(er, err)
	}
}

// grantElsewhere leaves word for an execution of another node, if it is there.
func (e *Engine) grantElsewhere(k store.JobKey, id store.ID, granted machine.Message) error {
	if _, _, err := e.Execution(e.ctx, id); err != nil {
		return err
	}
	return e.leave(e.shardOf(id), jobName(k, 'g'), &mail{kind: mailWord, id: id, message: granted})
}

// granted is the claim that a lock's job tells of, with the lock's key; nil where
// it is over.
func (e *Engine) granted(k store.JobKey) (string, *machine.Claim, error) {
	s, r, err := e.awake(k.ID)
	if err != nil {
		return "", nil, err
	}
	defer s.release(r)
	j := r.x.Jobs[machine.JobID(k.Number)]
	if j == nil || j.Kind != machine.GrantLock || r.x.Frames[j.Frame] == nil {
		return "", nil, nil
	}
	return r.x.Start.Name, r.x.Frames[j.Frame].Claim, nil
}

// unlocked takes a lock away that nobody claims any more.
func (w *writer) unlocked(r *resident, d *machine.Delta) {
	w.b.DropExecutions = append(w.b.DropExecutions[:0], r.id)
	for _, id := range d.Closed {
		if was := r.x.Jobs[id]; was != nil {
			w.b.DropJobs = append(w.b.DropJobs, store.Job{JobKey: store.JobKey{ID: r.id, Number: uint32(id)}, Due: was.Due})
		}
	}
}
