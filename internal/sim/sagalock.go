package sim

import (
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// What must hold of semantic locks (I7): one saga holds a lock, whoever acts
// under it holds it, and nobody's lock is left over.

// lock is a semantic lock as far as it is durable: it is there as long as
// somebody claims it.
type lock struct {
	key    string
	claims map[uint32]*machine.Claim
	jobs   map[uint32]int64 // and when they were made
}

// lock enters the commit of a lock's turn, and reports whether it is one.
func (b *book) lock(c *store.Batch, row *store.Execution) bool {
	k := b.locks[row.ID]
	if k == nil {
		start, err := machine.Decode[machine.Start](row.Start)
		if b.lives[row.ID] != nil || err != nil || !start.Lock {
			return false
		}
		k = &lock{start.Name, map[uint32]*machine.Claim{}, map[uint32]int64{}}
		b.locks[row.ID] = k
	}
	for i := range c.Frames {
		f, err := machine.Decode[machine.Frame](c.Frames[i].Body)
		if err != nil || f.Claim == nil {
			b.w.failf("I2", row.ID, "claim %d to %s can't be read: %v", c.Frames[i].Number, k.key, err)
			return true
		}
		k.claims[c.Frames[i].Number] = f.Claim
	}
	for _, f := range c.DropFrames {
		delete(k.claims, f.Number)
	}
	for i := range c.Jobs {
		k.jobs[c.Jobs[i].Number] = b.w.now
	}
	for i := range c.DropJobs {
		delete(k.jobs, c.DropJobs[i].Number)
	}
	b.w.trace.note(b.w.now, "lock", k.key, int64(len(k.claims)))
	b.auditLock(row.ID, k)
	return true
}

// unlocked enters the end of a lock, and reports whether it is one's.
func (b *book) unlocked(id store.ID) bool {
	k := b.locks[id]
	if k == nil {
		return false
	}
	if len(k.claims) > 1 {
		b.w.failf("I7", id, "the lock %s is taken away, and %d claim it", k.key, len(k.claims))
	}
	b.w.trace.note(b.w.now, "lock", k.key, 0)
	delete(b.locks, id)
	return true
}

// auditLock holds that one saga has a lock, and that somebody has it.
func (b *book) auditLock(id store.ID, k *lock) {
	var holder *machine.Claim
	for _, c := range k.claims {
		switch {
		case !c.Granted:
		case holder == nil:
			holder = c
		case holder.Execution != c.Execution || holder.Saga != c.Saga:
			b.w.failf("I7", id, "two sagas hold the lock %s: of %s and of %s", k.key, short(store.ID(holder.Execution)), short(store.ID(c.Execution)))
		}
	}
	if holder == nil {
		b.w.failf("I7", id, "%d claim the lock %s, and nobody has it", len(k.claims), k.key)
	}
	if len(k.claims) > 1 {
		b.w.saw(lockShared)
	}
}

// auditHeld holds that what a life takes itself to hold is its own.
func (b *book) auditHeld(l *life) {
	for _, f := range l.frames {
		if f.Locked != 0 {
			b.held(l, f.Entry)
		}
	}
	for n, u := range l.log {
		if u.Lock != 0 {
			b.held(l, n)
		}
	}
}

func (b *book) held(l *life, entry uint32) {
	for _, k := range b.locks {
		for _, c := range k.claims {
			if c.Granted && c.Execution == l.start.ID && c.Entry == entry {
				b.w.saw(lockHeld)
				return
			}
		}
	}
	b.w.failf("I7", l.id, "entry %d takes itself to have its lock, and has not", entry)
}

// lockBusy reports whether a lock has somebody to tell, and holds that it does so
// in time.
func (w *world) lockBusy() bool {
	busy := false
	for id, k := range w.book.locks {
		for _, made := range k.jobs {
			busy = true
			if w.late(made, patience) {
				w.failf("L1", id, "the lock %s tells nobody that he has it", k.key)
			}
		}
	}
	return busy
}

// checkLocks checks that no lock is left.
func (w *world) checkLocks() {
	for id, k := range w.book.locks {
		for _, c := range k.claims {
			w.failf("I7", id, "the lock %s is left, claimed by entry %d of %s", k.key, c.Entry, short(store.ID(c.Execution)))
		}
	}
}
