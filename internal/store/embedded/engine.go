package embedded

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// failure is why the store has stopped.
type failure struct{ error }

// stop ends all acknowledging: after a failed write or sync nobody can know what
// the disk holds. Only the first cause counts.
func (s *Store) stop(cause error) {
	s.failing.Do(func() {
		s.failure.Store(&failure{fmt.Errorf("the data folder's disk failed, the store has stopped: %w", cause)})
		s.horizon.stop()
		s.watches.close()
		close(s.stopped)
		s.options.Logger.Error("store stopped", "cause", cause)
		if s.options.OnFatal != nil && s.opened.Load() {
			s.options.OnFatal(cause)
		}
	})
}

// Err is why the store has stopped, or nil.
func (s *Store) Err() error {
	if f := s.failure.Load(); f != nil {
		return f.error
	}
	return nil
}

// apart calls f in a goroutine of its own, which Pebble's logger ends, and
// Pebble's panics too, if the disk fails. Where another goroutine of Pebble's is
// ended so, f may wait for it for ever, and nobody waits for f any more.
func (s *Store) apart(f func() error) error {
	done := make(chan error, 1)
	go func() {
		defer close(done)
		defer func() {
			if broken := recover(); broken != nil {
				done <- fmt.Errorf("%v", broken)
			}
		}()
		done <- f()
	}()
	select {
	case err, ended := <-done:
		if !ended {
			err = s.Err()
		}
		return err
	case <-s.stopped:
		return s.Err()
	}
}

// openEngine opens Pebble.
func (s *Store) openEngine() error {
	kept, err := s.folder.sums()
	if err != nil {
		return err
	}
	s.cache = pebble.NewCache(s.options.Cache)
	db, err := pebble.Open(s.folder.data(), s.pebbleOptions(kept))
	if err == nil {
		s.db = db
		s.apply = func(b *pebble.Batch) error { return db.ApplyNoSyncWait(b, pebble.Sync) }
	}
	return err
}

func (s *Store) pebbleOptions(kept *sums) *pebble.Options {
	o := &pebble.Options{
		Cache:                       s.cache,
		FS:                          &disk{s.options.FS, kept, s.stop, s.Err, &s.syncs},
		FormatMajorVersion:          pebble.FormatValueSeparation, // decided with our own format number
		MemTableSize:                s.options.MemTable,
		MemTableStopWritesThreshold: 3, // their memory is the most that a flush falling behind can cost
		L0CompactionThreshold:       8, // what is read is seldom there, and later compactions write less
		WALMinSyncInterval:          s.pace,
		ErrorIfNotExists:            !s.folder.making,
		ReadOnly:                    s.options.ReadOnly,
		Logger:                      logger{s},
		EventListener: &pebble.EventListener{
			BackgroundError: s.backgroundError,
			DataCorruption: func(info pebble.DataCorruptionInfo) {
				s.options.Logger.Error("damaged file", "path", info.Path, "details", info.Details)
			},
			DiskSlow: func(info vfs.DiskSlowInfo) { s.options.Logger.Warn("slow disk", "details", info.String()) },
		},
	}
	o.Experimental.SpanPolicyFunc = s.span
	for level := range o.Levels {
		o.Levels[level].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[level].FilterType = pebble.TableFilter
	}
	return o
}

// mostApart is how many shards may have files of their own: each file of a flush
// costs a sync.
const mostApart = 16

// span ends each file of Pebble's where another table begins, another shard's executions,
// or another list of many rows. Executions stand in the order of shard, then time: what
// comes anew lies behind all that is there of its shard, and its file is moved down the
// levels as it is, where a file over all shards would be merged with everything. Likewise
// a list's newest row is its first.
func (s *Store) span(start []byte) (p pebble.SpanPolicy, end []byte, err error) {
	switch {
	case len(start) == 0 || start[0] > tableExecution:
		return p, nil, nil
	case start[0] == tableIndex:
		return p, s.heavy.end(start), nil
	case start[0] < tableExecution:
		return p, []byte{start[0] + 1}, nil
	case len(start) < 3 || !s.divided.Load():
		return p, nil, nil
	}
	if shard := binary.BigEndian.Uint16(start[1:]); shard < math.MaxUint16 {
		return p, binary.BigEndian.AppendUint16([]byte{tableExecution}, shard+1), nil
	}
	return p, nil, nil
}

// pace is how long the log waits after a sync before the next one: not at all
// where few commits come, up to two milliseconds where many do, so that more of
// them share a sync, which costs the processor as much as a commit.
func (s *Store) pace() time.Duration {
	const few, each, most = 3, 200 * time.Microsecond, 2 * time.Millisecond
	n := s.horizon.underway()
	if n < few {
		return 0
	}
	return min(time.Duration(n)*each, most)
}

// backgroundError hears of flushes and compactions, in a goroutine of Pebble's own. A
// damaged block fails the reads of it and its compactions, and stops nobody else. After
// any other error there is no more to be done: Pebble would flush again at once, for ever.
func (s *Store) backgroundError(err error) {
	if pebble.IsCorruptionError(err) {
		s.options.Logger.Error("damaged data", "cause", err)
		return
	}
	s.stop(err)
	runtime.Goexit()
}

// logger takes what Pebble says.
type logger struct{ s *Store }

func (l logger) Infof(string, ...any) {}

func (l logger) Errorf(format string, args ...any) {
	l.s.options.Logger.Warn("pebble", slog.String("message", fmt.Sprintf(format, args...)))
}

// Fatalf is called by a goroutine of Pebble's own, and must not return to it.
func (l logger) Fatalf(format string, args ...any) {
	l.s.stop(fmt.Errorf(format, args...))
	runtime.Goexit()
}
