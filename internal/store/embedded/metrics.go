package embedded

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// Metrics are what the store tells of itself to whoever watches over it. They count
// since it was opened.
type Metrics struct {
	Logged uint64 // bytes written to the log
	Flush  uint64 // … to tables, out of memory
	Merged uint64 // … to tables, out of tables
	OnDisk uint64 // bytes that its files take now

	Free, Disk uint64 // bytes of the folder's disk that are free for it, and in all; Disk 0: the disk does not tell

	Syncs    [len(SyncBounds) + 1]uint64 // of the log, by how long they took: within each bound, and longer
	SyncTime time.Duration               // of all of them
	Failed   uint64                      // writes and syncs; the first of them stops the store
}

// SyncBounds are the bounds by which syncs are counted.
var SyncBounds = [...]time.Duration{
	250 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond,
	25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second,
	2500 * time.Millisecond, 10 * time.Second,
}

// Metrics reads nothing that is on disk. A store that is closed, or has stopped,
// tells of its syncs alone.
func (s *Store) Metrics() Metrics {
	var m Metrics
	s.syncs.read(&m)
	if s.usable(context.Background()) != nil {
		return m
	}
	defer s.life.RUnlock()
	p := s.db.Metrics()
	m.Logged, m.OnDisk = p.WAL.BytesWritten, p.DiskSpaceUsage()
	for i := range p.Levels {
		level := &p.Levels[i]
		m.Flush += level.TableBytesFlushed + level.BlobBytesFlushed
		m.Merged += level.TableBytesCompacted + level.BlobBytesCompacted
	}
	if usage, err := s.options.FS.GetDiskUsage(s.folder.dir); err == nil {
		m.Free, m.Disk = usage.AvailBytes, usage.TotalBytes
	}
	return m
}

// Writable is why commits are refused now, or nil: the store has stopped, or its
// disk has no room.
func (s *Store) Writable() error {
	if err := s.usable(context.Background()); err != nil {
		return err
	}
	defer s.life.RUnlock()
	usage, err := s.options.FS.GetDiskUsage(s.folder.dir)
	if err == nil && usage.AvailBytes < s.options.Reserve {
		return s.room.full(usage.AvailBytes)
	}
	return nil
}

// full is the refusal of a commit.
func (r *room) full(left uint64) error {
	return fmt.Errorf("the disk of data folder %q is full: %d MiB are left, %d MiB stay in reserve; free some", r.dir, left>>20, r.reserve>>20)
}

// syncTimes counts the syncs of the log, and what failed.
type syncTimes struct {
	counts [len(SyncBounds) + 1]atomic.Uint64
	time   atomic.Int64
	failed atomic.Uint64
}

// sync syncs, and takes the time.
func (c *syncTimes) sync(do func() error) error {
	began := time.Now()
	err := do()
	took := time.Since(began)
	i := 0
	for i < len(SyncBounds) && took > SyncBounds[i] {
		i++
	}
	c.counts[i].Add(1)
	c.time.Add(int64(took))
	return err
}

func (c *syncTimes) read(m *Metrics) {
	for i := range m.Syncs {
		m.Syncs[i] = c.counts[i].Load()
	}
	m.SyncTime, m.Failed = time.Duration(c.time.Load()), c.failed.Load()
}
