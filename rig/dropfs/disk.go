package main

import (
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// pageSize is what a loss of power keeps or forgets as one.
const pageSize = 4096

// disk is what lies on the file system, in memory: as it is, and as it would be
// after a loss of power. Its lock holds for all files and folders on it.
type disk struct {
	mu       sync.Mutex
	root     *entry
	last     uint64 // inode number given last
	capacity int64  // bytes; below 0: no end

	syncs   atomic.Int64 // files and folders synced, or tried to
	failIn  atomic.Int64 // the sync that fails, counted from now; 0: none
	failed  atomic.Int64 // when it did, UTC microseconds
	latency atomic.Int64 // nanoseconds that a sync takes
}

// entry is a file or a folder.
type entry struct {
	number uint64
	mode   uint32
	links  int
	mtime  time.Time

	data    []byte           // of a file
	before  map[int64][]byte // its pages that were written since the last sync, as they were then
	durable int64            // its length then
	broken  bool             // a sync of it failed

	names, kept map[string]*entry // of a folder: as they are, and as they were at its last sync
}

func newDisk() *disk {
	d := &disk{capacity: -1}
	d.root = d.make(syscall.S_IFDIR | 0o700)
	return d
}

func (d *disk) make(mode uint32) *entry {
	d.last++
	e := &entry{number: d.last, mode: mode, mtime: time.Now()}
	if e.isDir() {
		e.names, e.kept = map[string]*entry{}, map[string]*entry{}
	}
	return e
}

func (e *entry) isDir() bool { return e.mode&syscall.S_IFMT == syscall.S_IFDIR }

// write writes to a file, if there is room.
func (d *disk) write(e *entry, p []byte, at int64) syscall.Errno {
	if end := at + int64(len(p)); end > int64(len(e.data)) {
		if d.capacity >= 0 && d.used()+end-int64(len(e.data)) > d.capacity {
			return syscall.ENOSPC
		}
		e.remember(int64(len(e.data)), end)
		e.resize(end)
	}
	e.remember(at, at+int64(len(p)))
	copy(e.data[at:], p)
	e.mtime = time.Now()
	return 0
}

// truncate gives a file another length.
func (e *entry) truncate(length int64) {
	e.remember(min(length, int64(len(e.data))), int64(len(e.data)))
	e.resize(length)
	e.mtime = time.Now()
}

func (e *entry) resize(length int64) {
	if had := int64(len(e.data)); length <= had {
		clear(e.data[length:])
		e.data = e.data[:length]
	} else if length <= int64(cap(e.data)) {
		e.data = e.data[:length]
	} else {
		e.data = append(e.data, make([]byte, length-had)...)
	}
}

// remember keeps pages as they were at the last sync, before they change.
func (e *entry) remember(from, to int64) {
	if e.before == nil {
		e.before = map[int64][]byte{}
	}
	for page := from / pageSize; page*pageSize < to; page++ {
		if _, known := e.before[page]; known {
			continue
		}
		end := min((page+1)*pageSize, e.durable, int64(len(e.data)))
		var was []byte
		if start := page * pageSize; start < end {
			was = append(was, e.data[start:end]...)
		}
		e.before[page] = was
	}
}

// sync makes a file or folder durable as it is. Where it is told to fail, it does as
// Linux does: of a file it is an error once, and what was to be kept never is, whatever
// is said later; of a folder it is an error from then on.
func (d *disk) sync(e *entry) syscall.Errno {
	if wait := d.latency.Load(); wait > 0 {
		time.Sleep(time.Duration(wait))
	}
	d.syncs.Add(1)
	fails := d.failIn.Load() > 0 && d.failIn.Add(-1) == 0
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case fails:
		e.broken = true
		d.failed.Store(time.Now().UnixMicro())
		return syscall.EIO
	case e.broken && e.isDir():
		return syscall.EIO
	case e.broken:
	case e.isDir():
		e.kept = maps.Clone(e.names)
	default:
		e.before, e.durable = nil, int64(len(e.data))
	}
	return 0
}

// used is how many bytes all files have.
func (d *disk) used() int64 {
	var sum int64
	seen := map[*entry]bool{}
	var walk func(*entry)
	walk = func(e *entry) {
		if seen[e] {
			return
		}
		seen[e] = true
		sum += int64(len(e.data))
		for _, below := range e.names {
			walk(below)
		}
	}
	walk(d.root)
	return sum
}

// lose makes of the disk what a loss of power leaves: of every page and every name
// that was not synced so many percent, each by itself. It tells how many it lost.
func (d *disk) lose(percent int) (pages, names int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	keep := func() bool { return rand.IntN(100) < percent }
	done := map[*entry]bool{}
	var walk func(*entry)
	walk = func(e *entry) {
		if done[e] {
			return
		}
		done[e] = true
		if !e.isDir() {
			pages += e.lose(keep)
			return
		}
		names += e.loseNames(keep)
		for _, below := range e.names {
			walk(below)
		}
	}
	walk(d.root)
	d.failIn.Store(0)
	return pages, names
}

func (e *entry) lose(keep func() bool) (lost int) {
	length := int64(len(e.data))
	if len(e.before) > 0 && !keep() {
		length = e.durable
	}
	e.resize(max(length, e.durable, int64(len(e.data))))
	for page, was := range e.before {
		if keep() {
			continue
		}
		lost++
		start := page * pageSize
		if start < int64(len(e.data)) {
			span := e.data[start:min(start+pageSize, int64(len(e.data)))]
			clear(span[copy(span, was):])
		}
	}
	e.resize(length)
	e.before, e.durable, e.broken = nil, length, false
	return lost
}

func (e *entry) loseNames(keep func() bool) (lost int) {
	all := maps.Clone(e.kept)
	maps.Copy(all, e.names)
	for name := range all {
		if e.names[name] == e.kept[name] || keep() {
			continue
		}
		lost++
		if was := e.kept[name]; was != nil {
			e.names[name] = was
		} else {
			delete(e.names, name)
		}
	}
	e.kept, e.broken = maps.Clone(e.names), false
	return lost
}
