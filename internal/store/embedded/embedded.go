// Package embedded is the store of a single node: a folder that one process
// holds, on Pebble. It knows keys and bytes; what a row means it refuses to
// know.
//
// Read embedded.go (the store and its life), folder.go and identity.go (what may be
// opened, and how it is made), key.go and record.go (what lies on disk, decided for
// good), then commit.go with write.go, drop.go, stripes.go, leases.go and horizon.go
// (how a batch becomes durable), watch.go, read.go, dump.go with dump_rows.go (all of
// it), engine.go with heavy.go, disk.go, manifest.go, logcheck.go and room.go (Pebble, which
// file holds what, and what happens when the disk fails, lies or is full), and metrics.go.
package embedded

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backstep/backstep/internal/store"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options say how a folder is opened. The zero value will do.
type Options struct {
	Shards   uint16            // of a store that is made anew; 8 if 0
	Cache    int64             // bytes of blocks held in memory; 64 MiB if 0
	MemTable uint64            // bytes of one memtable, and about those of a log to replay; 24 MiB if 0
	Reserve  uint64            // bytes of disk that commits leave free; 64 MiB if 0
	Clock    func() int64      // UTC ms; the system's if nil
	Entropy  io.Reader         // for a new store's id and key; the system's if nil
	Logger   *slog.Logger      // for what goes wrong beneath; none if nil
	OnFatal  func(cause error) // called once when the store stops: the process should end in it; it must not call the store
	FS       vfs.FS            // the disk; the system's if nil
	ReadOnly bool              // nothing is written: there must be a store, and it takes no commit
}

func (o Options) withDefaults() Options {
	if o.Shards == 0 {
		o.Shards = 8
	}
	if o.Cache == 0 {
		o.Cache = 64 << 20
	}
	if o.MemTable == 0 {
		o.MemTable = 24 << 20
	}
	if o.Reserve == 0 {
		o.Reserve = 64 << 20
	}
	if o.Clock == nil {
		o.Clock = func() int64 { return time.Now().UnixMilli() }
	}
	if o.Entropy == nil {
		o.Entropy = rand.Reader
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	return o
}

// Store is an open folder; it is a [store.Store].
//
// After the first write or sync that fails the store stops: what was under way
// is unknown, every later call is an error, and nothing is synced again. The
// process should end, which Pebble sees to itself where it can't go on; until
// then the folder stays locked, and a commit that waited for a flush waits on.
type Store struct {
	options  Options
	folder   *folder
	db       *pebble.DB
	cache    *pebble.Cache
	identity store.Identity
	divided  atomic.Bool // each shard's executions have files of their own
	heavy    heavy       // and each of these lists

	stripes  stripes                   // make check and write of expected rows one
	leases   leases                    // in memory, for the fences
	pipeline sync.Mutex                // the order of commits: of their numbers, of the log
	apply    func(*pebble.Batch) error // how a batch enters the log; a test plants a fault here
	horizon  horizon                   // what is durable of what is visible
	lastSeq  atomic.Uint64             // the number given to a message last
	room     room
	watches  watches
	syncs    syncTimes

	life    sync.RWMutex // held for reading by every call, for writing by Close alone
	closed  bool
	failure atomic.Pointer[failure]
	failing sync.Once
	stopped chan struct{} // closed when the store stops
	opened  atomic.Bool   // Open has succeeded
}

var _ store.Store = (*Store)(nil)

var errClosed = errors.New("the store is closed")

// Open opens the store in a folder, and makes one where there is none or an
// empty one. It refuses with [store.ErrForeign], [store.ErrNewer],
// [store.ErrInUse], [store.ErrIncomplete] or [store.ErrDamaged].
func Open(dir string, o Options) (*Store, error) { return openStore(dir, o, nil) }

// Make makes a store with that identity, but for its format, in a folder that is not
// there or empty: else it refuses with [store.ErrOccupied]. It is to be filled, and
// refused by Open until [Store.Filled].
func Make(dir string, id store.Identity, o Options) (*Store, error) { return openStore(dir, o, &id) }

// openStore opens a store, or makes one to be filled where it is given an identity.
func openStore(dir string, o Options, filling *store.Identity) (*Store, error) {
	o = o.withDefaults()
	f := &folder{fs: o.FS, dir: dir, fill: filling != nil, readOnly: o.ReadOnly}
	if err := f.open(); err != nil {
		return nil, err
	}
	s := &Store{options: o, folder: f, stopped: make(chan struct{})}
	if filling != nil {
		s.identity, s.options.Shards = *filling, filling.Shards
	}
	s.horizon.init()
	s.stripes.seed = maphash.MakeSeed()
	s.room = room{fs: o.FS, dir: dir, reserve: o.Reserve}
	if err := s.apart(s.start); err != nil {
		if s.failure.Load() == nil {
			err = errors.Join(err, s.release())
		}
		return nil, f.refused(err)
	}
	s.opened.Store(true) // from now on who is told of fatal failures hears of them
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("open data folder %q: %w", dir, err)
	}
	return s, nil
}

// start opens Pebble and reads what the store must know of itself.
func (s *Store) start() error {
	if err := s.openEngine(); err != nil {
		return err
	}
	if s.folder.making {
		if err := s.make(); err != nil {
			return err
		}
	}
	if err := s.readIdentity(); err != nil {
		return err
	}
	s.divided.Store(s.identity.Shards <= mostApart)
	if s.identity.Store.String() != s.folder.id {
		return fmt.Errorf("its files are of store %v, the folder of %s: %w", s.identity.Store, s.folder.id, store.ErrDamaged)
	}
	if !s.options.ReadOnly {
		if err := s.countOpen(); err != nil {
			return err
		}
	}
	return s.loadLeases()
}

// usable reports why a call can't be answered. Who gets nil calls s.life.RUnlock. While
// Close waits for those under way nobody waits for Close: it may be one of them that
// calls, from within a dump.
func (s *Store) usable(ctx context.Context) error {
	if !s.life.TryRLock() {
		return errClosed
	}
	err := ctx.Err()
	if s.closed {
		err = errClosed
	} else if failed := s.Err(); failed != nil {
		err = failed
	}
	if err != nil {
		s.life.RUnlock()
	}
	return err
}

// Filled says that a store that was made to be filled is complete.
func (s *Store) Filled(ctx context.Context) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	defer s.life.RUnlock()
	if err := s.apart(s.settle); err != nil {
		return err
	}
	return s.folder.made(s.identity.Store)
}

// Identity is what the store was given when it was made.
func (s *Store) Identity() store.Identity {
	id := s.identity
	id.TokenKey = append([]byte(nil), id.TokenKey...)
	return id
}

// Now is the clock of the options.
func (s *Store) Now(ctx context.Context) (int64, error) {
	if err := s.usable(ctx); err != nil {
		return 0, err
	}
	defer s.life.RUnlock()
	return s.options.Clock(), nil
}

// Watch tells of the messages that are put: by this process, the only one.
func (s *Store) Watch(ctx context.Context) <-chan store.Hint { return s.watches.add(ctx) }

// Close waits for the calls under way and gives the folder back. A store that
// has stopped gives nothing back: its process should end.
func (s *Store) Close() error {
	if s.failure.Load() != nil {
		s.watches.close()
		return nil
	}
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.watches.close()
	if !s.options.ReadOnly {
		if err := s.apart(s.settle); err != nil && s.failure.Load() != nil {
			return err
		}
	}
	return s.release()
}

// settle empties the log into tables: a damage to its last record could not be
// told from a torn end. The sync before it finds a disk that fails, on which
// Pebble would end the process when it changes logs.
func (s *Store) settle() error {
	if err := s.db.LogData(nil, pebble.Sync); err != nil {
		return err
	}
	return s.db.Flush()
}

// release closes what start has opened.
func (s *Store) release() error {
	var err error
	if s.db != nil {
		err = s.apart(s.db.Close)
	}
	if s.cache != nil {
		s.cache.Unref()
	}
	return errors.Join(err, s.folder.unlock())
}
