package engine

import (
	"sync"
	"sync/atomic"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// shard is one share of all executions: the lease on it, and those of its
// executions that are in memory.
type shard struct {
	number  store.Shard
	epoch   atomic.Uint64 // of our lease; 0: the shard is not ours
	leaving atomic.Int64  // since when it gets no new calls, because it is to be given back; 0: it is not
	until   atomic.Int64  // by our own clock: nobody else can have had it before; ms

	// What of the shard's jobs on disk is in memory: all that are due until
	// reach, but for those that a reading under way has not come to.
	reach     atomic.Int64 // UTC ms
	recovered atomic.Bool  // all that were there when the lease was taken have been read

	mu        sync.Mutex // held for moments, never over a call of the store
	reading   bool
	after     *store.Job // the last job that was read
	again     bool       // all are to be read again
	inbox     bool       // there may be messages in the inbox
	mail      correspondence
	residents map[store.ID]*resident
	used      ring
	asleep    ring  // of those that nothing is done for
	bytes     int64 // of all residents, about
	most      int
	mostBytes int64 // its share of all; it may take more as long as the others leave room
	room      *room
}

// ring is a part of a shard's residents, in the order in which they were used:
// head.next was used last.
type ring struct {
	head  resident
	n     int
	bytes int64
}

// sleepShare is the part of a shard's bounds that executions may take for which
// nothing is done but to wait. Each costs a reading when it wakes, and there may be
// any number of them.
const sleepShare = 4

// room is what all shards share: about how many bytes their residents take.
type room struct {
	bytes atomic.Int64
	most  int64
}

func newShard(number store.Shard, most int, mostBytes int64, shared *room) *shard {
	s := &shard{number: number, residents: make(map[store.ID]*resident), most: most, mostBytes: mostBytes, room: shared}
	for _, g := range [...]*ring{&s.used, &s.asleep} {
		g.head.next, g.head.previous = &g.head, &g.head
	}
	s.mail.reset()
	return s
}

// resident is an execution in memory. Its mutex is held through a whole turn:
// so an execution has one writer and at most one commit in flight, and others
// go on beside it.
type resident struct {
	id store.ID

	mu        sync.Mutex
	x         *machine.Execution // nil: to be read from the store
	program   *asl.Program
	epoch     uint64                 // of the lease under which x was read
	held      string                 // why it is quarantined, or ""
	unread    bool                   // … because a row of it can't be read, which x is without
	overtaken bool                   // what another node has done for it is to be heard before anything is decided
	away      map[machine.JobID]bool // of x: completed elsewhere, so they have no row; their answers lie in the inbox
	volatile  atomic.Bool            // express: kept in memory alone
	ended     func()                 // of a volatile one: hears of its end, when all who wait for that were told
	waiters   []*waiter
	weight    int64 // about how many bytes it takes
	recount   int   // turns until that is counted again

	// guarded by shard.mu
	letters        []*letter // not read yet
	holders        int
	size           int64
	done           bool // needs not stay
	ring           *ring
	next, previous *resident
}

// awake holds an execution that is in memory when it returns. The caller
// releases it, unless there is an error.
func (e *Engine) awake(id store.ID) (*shard, *resident, error) {
	s := e.shardOf(id)
	r := s.hold(id)
	err := e.awaken(s, r)
	if err != nil {
		s.release(r)
	}
	return s, r, err
}

// hold finds or makes the resident and locks it. The caller releases it.
func (s *shard) hold(id store.ID) *resident {
	s.mu.Lock()
	r := s.use(id)
	s.mu.Unlock()
	r.mu.Lock()
	return r
}

// use finds or makes the resident, and adds a holder.
func (s *shard) use(id store.ID) *resident {
	r := s.residents[id]
	if r == nil {
		r = &resident{id: id}
		s.residents[id] = r
		s.used.link(r)
	} else if s.used.head.next != r {
		s.move(r, &s.used)
	}
	r.holders++
	return r
}

// post is hold with a letter left before the lock is asked for: who holds it then
// may have taken the letter along.
func (s *shard) post(id store.ID, l *letter) *resident {
	s.mu.Lock()
	r := s.use(id)
	r.letters = append(r.letters, l)
	s.mu.Unlock()
	r.mu.Lock()
	return r
}

// collect takes the letters, at most so many.
func (s *shard) collect(r *resident, most int) []*letter {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(r.letters), most)
	taken := r.letters[:n:n]
	r.letters = r.letters[n:]
	return taken
}

// find is hold for one that is there; nil where it is not.
func (s *shard) find(id store.ID) *resident {
	s.mu.Lock()
	r := s.residents[id]
	if r == nil {
		s.mu.Unlock()
		return nil
	}
	r.holders++
	s.mu.Unlock()
	r.mu.Lock()
	return r
}

// holdIdle is hold for one that nobody holds at the moment; nil where somebody does.
func (s *shard) holdIdle(id store.ID) *resident {
	s.mu.Lock()
	r := s.use(id)
	s.mu.Unlock()
	if r.mu.TryLock() {
		return r
	}
	s.leave(r)
	return nil
}

// keep adds a holder, so that the resident stays until it is let go.
func (s *shard) keep(r *resident) {
	s.mu.Lock()
	r.holders++
	s.mu.Unlock()
}

// release lets the resident go and unlocks it.
func (s *shard) release(r *resident) {
	r.weigh()
	sleeps := r.sleeps()
	s.mu.Lock()
	s.grow(r, r.weight-r.size)
	r.done = r.x == nil || r.x.Head.Status != machine.Running
	if sleeps {
		s.move(r, &s.asleep)
	}
	s.letGo(r)
	s.mu.Unlock()
	r.mu.Unlock()
}

// sleeps reports whether nothing is done for the execution but to wait: for a time,
// a worker, a token. Of one that waits for much at once that is not asked.
func (r *resident) sleeps() bool {
	const few = 4
	if r.x == nil || len(r.x.Jobs) > few || len(r.waiters) > 0 || r.volatile.Load() {
		return false
	}
	for _, j := range r.x.Jobs {
		if errandOf(j) != nil {
			return false
		}
	}
	return true
}

// leave takes a holder away that did not lock.
func (s *shard) leave(r *resident) {
	s.mu.Lock()
	s.letGo(r)
	s.mu.Unlock()
}

func (s *shard) letGo(r *resident) {
	r.holders--
	if r.holders == 0 && r.done {
		s.evict(r)
	}
	for range evictionLook {
		old := s.surplus()
		switch {
		case old == nil:
			return
		case old.holders == 0:
			s.evict(old)
		default: // it is in use
			s.move(old, &s.used)
		}
	}
}

// surplus is who is to leave memory next; nil where all may stay.
func (s *shard) surplus() *resident {
	full := len(s.residents) > s.most || s.bytes > s.mostBytes && s.room.bytes.Load() > s.room.most
	switch {
	case s.asleep.n > 0 && (full || s.asleep.n > s.most/sleepShare || s.asleep.bytes > s.mostBytes/sleepShare):
		return s.asleep.head.previous
	case s.used.n > 0 && full:
		return s.used.head.previous
	}
	return nil
}

// evictionLook is how many residents a release looks at to find those that may
// go: more than come in by it, so that the bounds are reached again.
const evictionLook = 4

func (s *shard) evict(r *resident) {
	s.grow(r, -r.size)
	r.ring.unlink(r)
	delete(s.residents, r.id)
}

// grow has a resident take so many bytes more.
func (s *shard) grow(r *resident, bytes int64) {
	r.size += bytes
	r.ring.bytes += bytes
	s.bytes += bytes
	s.room.bytes.Add(bytes)
}

func (s *shard) move(r *resident, to *ring) {
	r.ring.unlink(r)
	to.link(r)
}

func (g *ring) link(r *resident) {
	r.ring, r.next, r.previous = g, g.head.next, &g.head
	r.next.previous, g.head.next = r, r
	g.n++
	g.bytes += r.size
}

func (g *ring) unlink(r *resident) {
	r.previous.next, r.next.previous = r.next, r.previous
	g.n--
	g.bytes -= r.size
}

// The weights are guesses on the safe side: what a frame or a job takes with
// its map's share.
const (
	residentWeight = 1024
	rowWeight      = 384
	payloadWeight  = 64
)

// weigh keeps weight, about how many bytes the resident takes. It counts anew
// only after as many turns as there is to count: what a turn adds is added.
func (r *resident) weigh() {
	if r.x == nil {
		r.weight, r.recount = residentWeight, 0
		return
	}
	if r.recount--; r.recount > 0 {
		return
	}
	n := residentWeight + rowWeight*(len(r.x.Frames)+len(r.x.Jobs))
	for _, p := range r.x.Payloads {
		n += p.Len() + payloadWeight
	}
	r.weight, r.recount = int64(n), len(r.x.Payloads)+len(r.x.Frames)
}
