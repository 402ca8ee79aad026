package storetest

import (
	"context"
	"errors"
	"sync"

	"github.com/backstep/backstep/internal/store"
)

// Memory is what lasts of a store that lives in memory: the disk. Processes
// come and go as [Session]s on it, several side by side if need be; a crash
// ends a session and leaves what its commits made. One caller that uses it step
// by step sees the same every time: it draws no chance, reads no clock but its
// own and starts no goroutine.
type Memory struct {
	mu       sync.Mutex
	identity store.Identity
	clock    func() int64
	time     int64
	rows     rows
	sessions map[*Session]struct{}
}

// MemoryOptions say what a Memory is made as. The zero value will do.
type MemoryOptions struct {
	Shards   uint16       // 64 if 0
	Store    store.ID     // which store it is
	TokenKey []byte       // 32 bytes; made of zeros if nil
	Restored uint32       // its restore epoch
	Clock    func() int64 // the store's clock in UTC ms; nil: one that stands still until Advance
}

// NewMemory makes an empty one.
func NewMemory(o MemoryOptions) *Memory {
	if o.Shards == 0 {
		o.Shards = 64
	}
	if o.TokenKey == nil {
		o.TokenKey = make([]byte, 32)
	}
	return &Memory{
		identity: store.Identity{Format: 1, Store: o.Store, Shards: o.Shards, TokenKey: o.TokenKey, RestoreEpoch: o.Restored},
		clock:    o.Clock,
		rows:     newRows(),
		sessions: map[*Session]struct{}{},
	}
}

// Advance moves the store's clock where no Clock was given.
func (m *Memory) Advance(ms int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.time += ms
}

// Open begins a session: a process that uses this store.
func (m *Memory) Open() *Session {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &Session{memory: m, closed: make(chan struct{})}
	m.sessions[s] = struct{}{}
	return s
}

// Filled does nothing: a store in memory is complete as soon as it is made.
func (s *Session) Filled(context.Context) error { return nil }

// Crash crashes every session.
func (m *Memory) Crash() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for s := range m.sessions {
		s.end(errCrashed)
	}
}

var (
	errClosed  = errors.New("the store is closed")
	errCrashed = errors.New("the process has crashed")
)

// Session is one process's use of a Memory; it is a [store.Store].
type Session struct {
	memory  *Memory
	ended   error // why no call is answered any more
	closed  chan struct{}
	watches []watch

	crashIn int // this many commits from now the process crashes; 0 never
	applied bool
}

var _ store.Store = (*Session)(nil)

type watch struct {
	ctx   context.Context
	hints chan store.Hint
}

// Crash ends the session as the loss of its process does: every later call is
// an error, and nothing that was acknowledged is lost.
func (s *Session) Crash() {
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	s.end(errCrashed)
}

// CrashIn crashes the session within its n-th commit from now (1 is the next).
// What that batch asked for is then done or not, as applied says, if its
// expectations hold. That commit answers ErrUnknown, every later call an error.
// 0 takes the crash back.
func (s *Session) CrashIn(n int, applied bool) {
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	s.crashIn, s.applied = n, applied
}

// Crashed reports whether the session has ended by a crash.
func (s *Session) Crashed() bool {
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	return s.ended == errCrashed
}

// Close ends the session.
func (s *Session) Close() error {
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	s.end(errClosed)
	return nil
}

func (s *Session) end(why error) {
	if s.ended != nil {
		return
	}
	s.ended = why
	delete(s.memory.sessions, s)
	close(s.closed)
	for _, w := range s.watches {
		close(w.hints)
	}
	s.watches = nil
}

// Watch hears of every message that any session leaves. It is the one method
// that starts a goroutine: when ctx ends.
func (s *Session) Watch(ctx context.Context) <-chan store.Hint {
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	hints := make(chan store.Hint, 64)
	if s.ended != nil || ctx.Err() != nil {
		close(hints)
		return hints
	}
	s.watches = append(s.watches, watch{ctx, hints})
	context.AfterFunc(ctx, func() { s.unwatch(hints) })
	return hints
}

func (s *Session) unwatch(hints chan store.Hint) {
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	for i, w := range s.watches {
		if w.hints == hints {
			s.watches = append(s.watches[:i], s.watches[i+1:]...)
			close(hints)
			return
		}
	}
}

// hint tells every watch of every session; a watch that is full misses it.
func (m *Memory) hint(shard store.Shard) {
	for s := range m.sessions {
		for _, w := range s.watches {
			select {
			case w.hints <- store.Hint{Shard: shard}:
			default:
			}
		}
	}
}
