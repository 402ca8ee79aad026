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
	number store.Shard
	epoch  atomic.Uint64 // of our lease; 0: the shard is not ours

	// What of the shard's jobs on disk is in memory: all that are due until
	// reach, but for those that a reading under way has not come to.
	reach atomic.Int64 // UTC ms

	mu        sync.Mutex // held for moments, never over a call of the store
	reading   bool
	after     *store.Job // the last job that was read
	again     bool       // all are to be read again
	inbox     bool       // there may be messages in the inbox
	residents map[store.ID]*resident
	used      resident // ring of residents: used.next was used last
	bytes     int64    // of all residents, about
	most      int
	mostBytes int64 // its share of all; it may take more as long as the others leave room
	room      *room
}

// room is what all shards share: about how many bytes their residents take.
type room struct {
	bytes atomic.Int64
	most  int64
}

func newShard(number store.Shard, most int, mostBytes int64, shared *room) *shard {
	s := &shard{number: number, residents: make(map[store.ID]*resident), most: most, mostBytes: mostBytes, room: shared}
	s.used.next, s.used.previous = &s.used, &s.used
	return s
}

// resident is an execution in memory. Its mutex is held through a whole turn:
// so an execution has one writer and at most one commit in flight, and others
// go on beside it.
type resident struct {
	id store.ID

	mu       sync.Mutex
	x        *machine.Execution // nil: to be read from the store
	program  *asl.Program
	epoch    uint64      // of the lease under which x was read
	held     string      // why it is quarantined, or ""
	unread   bool        // … because a row of it can't be read, which x is without
	volatile atomic.Bool // express: kept in memory alone
	ended    func()      // of a volatile one: hears of its end, when all who wait for that were told
	waiters  []*waiter
	weight   int64 // about how many bytes it takes
	recount  int   // turns until that is counted again

	// guarded by shard.mu
	letters        []*letter // not read yet
	holders        int
	size           int64
	done           bool // needs not stay
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
	r := s.residents[id]
	if r == nil {
		r = &resident{id: id}
		s.residents[id] = r
		s.link(r)
	} else if s.used.next != r {
		r.unlink()
		s.link(r)
	}
	r.holders++
	s.mu.Unlock()
	r.mu.Lock()
	return r
}

// post is hold with a letter left before the lock is asked for: who holds it then
// may have taken the letter along.
func (s *shard) post(id store.ID, l *letter) *resident {
	s.mu.Lock()
	r := s.residents[id]
	if r == nil {
		r = &resident{id: id}
		s.residents[id] = r
		s.link(r)
	}
	r.letters = append(r.letters, l)
	r.holders++
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

// keep adds a holder, so that the resident stays until it is let go.
func (s *shard) keep(r *resident) {
	s.mu.Lock()
	r.holders++
	s.mu.Unlock()
}

// release lets the resident go and unlocks it.
func (s *shard) release(r *resident) {
	r.weigh()
	s.mu.Lock()
	s.grow(r.weight - r.size)
	r.size, r.done = r.weight, r.x == nil || r.x.Head.Status != machine.Running
	s.letGo(r)
	s.mu.Unlock()
	r.mu.Unlock()
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
		old := s.used.previous
		switch {
		case old == &s.used || len(s.residents) <= s.most && (s.bytes <= s.mostBytes || s.room.bytes.Load() <= s.room.most):
			return
		case old.holders == 0:
			s.evict(old)
		default: // it is in use
			old.unlink()
			s.link(old)
		}
	}
}

// evictionLook is how many residents a release looks at to find those that may
// go: more than come in by it, so that the bounds are reached again.
const evictionLook = 4

func (s *shard) evict(r *resident) {
	r.unlink()
	delete(s.residents, r.id)
	s.grow(-r.size)
}

func (s *shard) grow(bytes int64) {
	s.bytes += bytes
	s.room.bytes.Add(bytes)
}

func (s *shard) link(r *resident) {
	r.next, r.previous = s.used.next, &s.used
	r.next.previous, s.used.next = r, r
}

func (r *resident) unlink() {
	r.previous.next, r.next.previous = r.next, r.previous
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
