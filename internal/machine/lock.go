package machine

import (
	"slices"

	"github.com/backstep/backstep/internal/value"
)

// A semantic lock is an entity of its own, in the shard of its key: an execution
// that has no program, no states and no history. Its frames are the claims to it, in the
// order in which they came. It is there as long as somebody claims it.
//
// A step that wants it opens a job that claims it, and waits to be told that it is
// granted, by a job of the lock. Whoever has no claim any more says so by another
// job; an execution that is granted what it does not want says so as well, so that
// a claim that was sent late is not for ever. No commit spans both.

// maxKey is how long the key of a lock may be, in bytes.
const maxKey = 1024

// Claim is what a step has to a lock: it holds it, or waits for it.
type Claim struct {
	Execution ID
	Job       JobID  // that waits
	Saga      uint32 // which holds it; a saga has it as often as it likes
	Entry     uint32 // the step
	Granted   bool
}

// takeLock takes a message to a lock.
func (t *turn) takeLock(m Message) bool {
	switch m.Kind {
	case Claimed:
		t.head.Status = Running
		return t.claim(m.Claim)
	case Unclaimed:
		return t.running() && t.unclaim(m.Claim)
	}
	j := t.job(m.Job)
	if j == nil || !t.told(j, m.Kind) {
		return false
	}
	t.unused()
	return true
}

// claimOf is the frame with a step's claim, nil where there is none.
func (t *turn) claimOf(c *Claim) *Frame {
	for _, id := range t.allFrames() {
		if f := t.peek(id); f.Claim.Execution == c.Execution && f.Claim.Entry == c.Entry {
			return t.frame(id)
		}
	}
	return nil
}

// claim notes a claim, and grants it where nobody else's comes first.
func (t *turn) claim(c *Claim) bool {
	f := t.claimOf(c)
	if f != nil && f.Claim.Job >= c.Job {
		return false // it came before
	}
	first, own := true, false
	for _, id := range t.allFrames() {
		held := t.peek(id).Claim
		first = false
		own = own || held.Granted && held.Execution == c.Execution && held.Saga == c.Saga
	}
	if f == nil {
		t.head.LastFrame++
		f = &Frame{ID: t.head.LastFrame, Kind: Aside, Phase: Joining}
		t.frames.put(f.ID, f)
	}
	claim := *c
	claim.Granted = f.Claim != nil && f.Claim.Granted
	f.Claim = &claim
	if first || own || claim.Granted {
		t.grant(f)
	}
	return true
}

// grant gives the lock to a claim, and has it told so.
func (t *turn) grant(f *Frame) {
	claim := *f.Claim
	claim.Granted = true
	f.Claim, f.Phase = &claim, Working
	t.open(Job{Kind: GrantLock, Frame: f.ID, Due: t.head.Now})
}

// unclaim takes a claim away. Where nobody holds the lock then, it goes to the
// saga that has waited longest.
func (t *turn) unclaim(c *Claim) bool {
	f := t.claimOf(c)
	if f == nil || f.Claim.Job > c.Job { // it was claimed anew since
		return false
	}
	for _, id := range t.openJobs() {
		if t.peekJob(id).Frame == f.ID {
			t.jobs.put(id, nil)
		}
	}
	t.frames.put(f.ID, nil)
	claims := t.allFrames()
	if slices.ContainsFunc(claims, func(id FrameID) bool { return t.peek(id).Claim.Granted }) {
		return true // its saga has it for another step too
	}
	for _, id := range claims {
		first, other := t.peek(claims[0]).Claim, t.peek(id).Claim
		if other.Execution == first.Execution && other.Saga == first.Saga {
			t.grant(t.frame(id))
		}
	}
	t.unused()
	return true
}

// unused ends a lock that nobody claims.
func (t *turn) unused() {
	if len(t.allFrames()) == 0 && len(t.openJobs()) == 0 {
		t.head.Status = Succeeded
	}
}

// locks claims the lock of the frame's step, where it has one that it does not
// hold yet, and reports whether it has to be waited for.
func (t *turn) locks(sc *scope) (waits bool, fl *fault) {
	f, s := sc.frame, sc.state
	if s.Step == nil || s.Step.Lock == nil || t.head.OpenSagas == 0 {
		return false, nil
	}
	if f.Outcome != 0 && f.Locked == 0 { // it is tried on after it was given up
		u := t.rewrite(f.Entry)
		f.Locked, u.Lock = u.Lock, 0
	}
	if f.Locked != 0 {
		return false, nil
	}
	key, fl := sc.line(&s.Step.Lock.Key)
	if fl != nil {
		return false, fl
	}
	if len(*key) > maxKey {
		return false, sc.runtime("The key of the SemanticLock is longer than 1024 bytes.")
	}
	name := value.NewString(*key)
	f.Job = t.open(Job{Kind: TakeLock, Frame: f.ID, State: s.Name, Entry: f.Entry, Attempt: f.try(),
		Request: t.payload(name.Text(), name), Deadline: t.head.Now + s.Step.Lock.Wait*1000, Due: t.head.Now})
	return true, nil
}

// lockMessage is what becomes of a claim that waits: the step has waited long
// enough.
func (t *turn) lockMessage(j *Job, m Message) bool {
	if m.Kind != Fired || t.head.Now < j.Deadline {
		return false
	}
	f := t.frame(j.Frame)
	t.close(f)
	t.raise(t.scope(f, t.state(f), f.Prev), newFault(errLockTimeout, "The lock "+t.text(j.Request).String()+" was not to be had in time."))
	return true
}

// granted lets a step go on that waited for its lock. What no step wants is given
// back.
func (t *turn) granted(key value.Text, c *Claim) bool {
	if j := t.job(c.Job); j != nil && j.Kind == TakeLock {
		f := t.frame(j.Frame)
		f.Locked, f.Job = j.Request, 0
		t.jobs.put(j.ID, nil)
		t.frame(t.outermost(f).ID).Scope.Locks++
		t.work(f, t.state(f), f.Prev)
		return true
	}
	if t.wants(c.Entry) {
		return false
	}
	t.free(t.payload(key, value.Value{}), c.Entry)
	return true
}

// wants reports whether a step waits for its lock, holds it, or gives it back.
func (t *turn) wants(entry uint32) bool {
	for _, id := range t.openJobs() {
		if j := t.peekJob(id); j.Entry == entry && (j.Kind == TakeLock || j.Kind == FreeLock) {
			return true
		}
	}
	for _, id := range t.allFrames() {
		if f := t.peek(id); f.Entry == entry && f.Locked != 0 {
			return true
		}
	}
	u := t.known(entry)
	return u != nil && u.Lock != 0
}

// free says that a step's claim is over.
func (t *turn) free(key Ref, entry uint32) {
	t.open(Job{Kind: FreeLock, Entry: entry, Request: key, Due: t.head.Now})
}

// unlock frees the lock that a row's step still holds.
func (t *turn) unlock(f *Frame, u *Undo) {
	if u.Lock == 0 {
		return
	}
	t.free(u.Lock, u.Number)
	u.Lock = 0
	if o := t.outermost(f); o != nil {
		t.frame(o.ID).Scope.Locks--
	}
}

// unlockAll frees all locks that the steps of a saga still hold: it has ended.
func (t *turn) unlockAll(saga *Frame) {
	for number := uint32(1); saga.Scope.Locks > 0 && number <= t.head.Entries; number++ {
		if u := t.known(number); u != nil && u.IsStep() && u.Saga == saga.Scope.Saga && u.Lock != 0 {
			t.unlock(saga, t.rewrite(number))
		}
	}
}

// dropLock frees the lock of a step that is broken off before it has a row.
func (t *turn) dropLock(saga, f *Frame) {
	if f.Locked != 0 {
		t.free(f.Locked, f.Entry)
		f.Locked = 0
		saga.Scope.Locks--
	}
}

// ClaimOf is the claim that a TakeLock or FreeLock job is about, with the key of
// the lock; false where the job is over.
func (x *Execution) ClaimOf(job JobID) (key string, c Claim, ok bool) {
	j := x.Jobs[job]
	if j == nil || j.Kind != TakeLock && j.Kind != FreeLock {
		return "", c, false
	}
	c = Claim{Execution: x.Start.ID, Job: j.ID, Entry: j.Entry}
	for f := x.Frames[j.Frame]; f != nil && j.Kind == TakeLock; f = x.Frames[f.Parent] {
		if f.Scope != nil {
			c.Saga = f.Scope.Saga
		}
		if f.isTop() {
			break
		}
	}
	return x.Payloads[j.Request].Decode().AsString(), c, true
}

// LockOf is the start of the lock of a key, in the execution's account.
func (s *Start) LockOf(id ID, key string) Start {
	return Start{ID: id, Account: s.Account, Region: s.Region, Name: key, Lock: true, At: s.At}
}
