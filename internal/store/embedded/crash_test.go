package embedded

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"flag"
	"fmt"
	"hash"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

var (
	crashDrawn = flag.Int("crash.drawn", 1, "drawn workloads, beside those written by hand")
	crashFirst = flag.Int("crash.first", 0, "number of the first of them; above 0 none written by hand")
	crashDeep  = flag.Bool("crash.deep", false, "longer drawn workloads, of whose many recoveries fewer are crashed")
	crashSeed  = flag.Uint64("crash.seed", 1, "of the drawn workloads and of what a loss of power leaves")
	crashFloor = flag.Int64("crash.floor", 0, "calls to the disk, in sum, that the workloads must crash at: fewer fail")
)

// TestCrashAtEveryStorageCall runs each workload on a disk of which a clone is
// taken before every call that changes it, as a loss of power then would leave
// it, and of some writes one for each place at which they may be torn. On each
// clone the store must open and hold every acknowledged commit, the one under way
// whole or not at all, and nothing else; and again where it crashes while it
// opens, and while it opens after that. A point is a call to the disk by a workload at
// which it crashed; what crashes besides (a second time with other remains, in the midst
// of a write, while it recovers) is counted beside it.
func TestCrashAtEveryStorageCall(t *testing.T) {
	began := time.Now()
	var sum tally
	all := drawnWorkloads(*crashSeed, *crashFirst+*crashDrawn)[*crashFirst:]
	if *crashFirst == 0 {
		all = append(workloads(), all...)
	}
	for _, w := range all {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			h, err := crashEverywhere(t, w, *crashSeed, crashStep, bug{})
			sum.add(h)
			if err != nil {
				t.Fatal(err)
			}
			if n := h.points.Load(); n < 100/crashStep {
				t.Fatalf("only %d points", n)
			}
		})
	}
	t.Cleanup(func() {
		t.Logf("%s, in %s", &sum, time.Since(began).Round(time.Second))
		t.Logf("%d points, floor %d", sum.points, *crashFloor)
		if sum.points < *crashFloor {
			t.Errorf("%d points are below the floor of %d: the run proves nothing", sum.points, *crashFloor)
		}
	})
}

// bug is what is planted to see whether it is found.
type bug struct {
	name  string
	store func(*Store)
	disk  func(vfs.FS) vfs.FS
}

func (b bug) on(disk vfs.FS) vfs.FS {
	if b.disk != nil {
		return b.disk(disk)
	}
	return disk
}

func (b bug) in(s *Store) {
	if b.store != nil {
		b.store(s)
	}
}

// TestPlantedBugsAreFound: what finds nothing in the store must find each of
// these in one that has it.
func TestPlantedBugsAreFound(t *testing.T) {
	all := append(workloads(), drawnWorkloads(7, 1)...)
	for _, b := range []bug{
		{name: "acknowledges before its sync", store: func(s *Store) {
			s.apply = func(b *pebble.Batch) error { return s.db.Apply(b, pebble.NoSync) }
		}},
		{name: "does not sync folders", disk: func(disk vfs.FS) vfs.FS { return forgetting{disk, "/"} }},
		{name: "does not sync tables", disk: func(disk vfs.FS) vfs.FS { return forgetting{disk, ".sst"} }},
		{name: "does not sync logs", disk: func(disk vfs.FS) vfs.FS { return forgetting{disk, ".log"} }},
	} {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			found := 0
			for _, w := range all {
				_, err := crashEverywhere(t, w, 0, 1, b)
				if err == nil {
					continue
				}
				if found++; found == 1 {
					t.Log(err)
				}
				if b.store == nil {
					return
				}
			}
			if found == 0 || b.store != nil && found < len(all) {
				t.Fatalf("%d of %d workloads find it", found, len(all))
			}
		})
	}
}

// forgetting is a disk whose syncs of one kind of file, or of folders, do nothing.
type forgetting struct {
	vfs.FS
	what string // how the file's name ends; "/": folders
}

type forgottenFile struct{ vfs.File }

func (forgottenFile) Sync() error                { return nil }
func (forgottenFile) SyncData() error            { return nil }
func (forgottenFile) SyncTo(int64) (bool, error) { return false, nil }

func (d forgetting) forgotten(name string, f vfs.File, err error) (vfs.File, error) {
	if err == nil && strings.HasSuffix(name, d.what) {
		return forgottenFile{f}, nil
	}
	return f, err
}

func (d forgetting) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, c)
	return d.forgotten(name, f, err)
}

func (d forgetting) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.ReuseForWrite(old, name, c)
	return d.forgotten(name, f, err)
}

func (d forgetting) OpenDir(name string) (vfs.File, error) {
	f, err := d.FS.OpenDir(name)
	return d.forgotten(name+"/", f, err)
}

// deepest is how many crashes may follow one another, each while the store
// recovers from the one before.
const deepest = 3

// crash is a disk after a loss of power, and what must be on it.
type crash struct {
	at    string
	disk  *vfs.MemFS
	depth int
	acked []int    // per committer: commits acknowledged by then
	shown []digest // per committer: what a recovery has shown since, if any did
}

// landing is what a store had to show after a crash.
type landing struct {
	crash
	got []digest
}

// harness crashes one workload everywhere.
type harness struct {
	seen       *witness
	disk       *vfs.MemFS // of the workload
	committers int
	step       int                   // calls between two crashes
	crashes    [deepest]atomic.Int64 // recovered from
	torn       atomic.Int64          // of them
	calls      atomic.Int64          // of the workload itself
	points     atomic.Int64          // of those, the ones it crashed at

	mu       sync.Mutex
	rng      *rand.Rand
	landings []landing
	failed   []error
}

// crashEverywhere runs a workload once and recovers from a crash at each step-th
// of its storage calls; of some of the recoveries again at each of theirs.
func crashEverywhere(t *testing.T, w workload, seed uint64, step int, planted bug) (*harness, error) {
	h := &harness{seen: newWitness(w.committers), committers: w.committers, step: step, rng: rand.New(rand.NewPCG(seed, 1))}
	h.disk = vfs.NewCrashableMem()
	w.run(t, h.tap(h.disk, &h.calls, func(at string) crash { return crash{at: at, acked: h.seen.acknowledged()} }), h.seen, planted, h.calls.Load)
	for _, l := range h.landings {
		if err := h.seen.judge(l); err != nil {
			h.failed = append(h.failed, err)
		}
	}
	if len(h.failed) > 0 {
		return h, fmt.Errorf("a crash is not survived: %w", h.failed[0])
	}
	return h, nil
}

// lost reports whether a crash was not survived: no more need be tried.
func (h *harness) lost() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.failed) > 0
}

func (h *harness) below(n int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.rng.IntN(n)
}

// clone is a disk as a loss of power leaves it, with about so many percent of
// what was not synced: of data and of names in folders.
func (h *harness) clone(disk *vfs.MemFS, percent int) *vfs.MemFS {
	h.mu.Lock()
	rng := rand.New(rand.NewPCG(h.rng.Uint64(), 2))
	h.mu.Unlock()
	return disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})
}

// percents of the unsynced data that a loss of power leaves.
var percents = []int{5, 10, 25, 50, 75, 90, 100}

// tap crashes a disk before every step-th call, and in the midst of some writes.
// now says what must be there.
func (h *harness) tap(disk *vfs.MemFS, calls *atomic.Int64, now func(at string) crash) *tapped {
	var mu sync.Mutex
	var writes int
	return &tapped{FS: disk, before: func(call, name string) error {
		mu.Lock()
		defer mu.Unlock()
		n := calls.Add(1)
		if n%int64(h.step) != 0 || h.lost() {
			return nil
		}
		for _, percent := range []int{0, percents[h.below(len(percents))]} {
			c := now(fmt.Sprintf("call %d, %s %s, %d %% kept", n, call, name, percent)) // before the clone: what is acknowledged meanwhile may be there or not
			c.disk = h.clone(disk, percent)
			h.recover(c)
		}
		if disk == h.disk {
			h.points.Add(1)
		}
		return nil
	}, writing: func(name string, p []byte, at int64) {
		mu.Lock()
		defer mu.Unlock()
		if writes++; writes%h.step != 0 || h.lost() {
			return
		}
		for _, cut := range h.cuts(disk == h.disk && writes%everyByte() == everyByte()/2, at, len(p)) {
			c := now(fmt.Sprintf("a write of %d bytes to %s, of which %d came to be", len(p), name, cut))
			c.disk = h.clone(disk, []int{0, 100, 100}[h.below(3)])
			if h.tear(c.disk, name, p[:cut], at) {
				h.torn.Add(1)
				h.recover(c)
			}
		}
	}}
}

// everyByte is how many of a workload's writes lie between two that are torn at
// every byte; the others are torn at a border of a sector or page, where they cross one.
func everyByte() int { return deep(300, 400) }

func deep(then, otherwise int) int {
	if *crashDeep {
		return then
	}
	return otherwise
}

// cuts are the places at which a write is torn.
func (h *harness) cuts(all bool, at int64, length int) (cuts []int) {
	if all && length <= 4<<10 {
		for cut := 1; cut < length; cut++ {
			cuts = append(cuts, cut)
		}
		return cuts
	}
	for _, border := range []int64{512, 4096} {
		first, last := at/border+1, (at+int64(length)-1)/border
		if first <= last {
			cuts = append(cuts, int((first+int64(h.below(int(last-first+1))))*border-at))
		}
	}
	if len(cuts) == 0 && length > 1 && h.below(4) == 0 {
		cuts = append(cuts, 1+h.below(length-1))
	}
	return cuts
}

// tear writes what came to be of a write, if its file survived.
func (h *harness) tear(disk *vfs.MemFS, name string, p []byte, at int64) bool {
	if _, err := disk.Stat(name); err != nil {
		return false
	}
	f, err := disk.OpenReadWrite(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = f.WriteAt(bytes.Clone(p), at)
	return err == nil && f.Sync() == nil
}

// nestedEvery is of how many recoveries one is itself crashed at each of its calls.
func nestedEvery() int { return deep(1500, 500) }

// recover opens what a crash has left, notes what is there, and goes on there.
func (h *harness) recover(c crash) {
	h.crashes[c.depth].Add(1)
	disk := vfs.FS(c.disk)
	var shown atomic.Pointer[[]digest]
	if c.depth+1 < deepest && h.below(nestedEvery()) == 0 {
		var calls atomic.Int64
		disk = h.tap(c.disk, &calls, func(at string) crash {
			again := crash{at: c.at + ", and while it recovers at " + at, depth: c.depth + 1, acked: c.acked, shown: c.shown}
			if found := shown.Load(); found != nil {
				again.shown = *found
			}
			return again
		})
	}
	got, err := recovers(disk, h.committers, func(found []digest) { shown.Store(&found) })
	c.disk = nil
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		err = fmt.Errorf("at %s: %w", c.at, err)
	} else if l := (landing{c, got}); h.seen.knows(got) {
		err = h.seen.judge(l)
	} else {
		h.landings = append(h.landings, l) // perhaps of a commit under way
	}
	if err != nil {
		h.failed = append(h.failed, err)
	}
}

// recovers opens a store, gives what it has to show, and commits to it.
func recovers(disk vfs.FS, committers int, found func([]digest)) ([]digest, error) {
	s, err := Open(testDir, smallOptions(disk))
	if err != nil {
		return nil, err
	}
	got, err := s.digests(committers)
	if err != nil {
		s.Close()
		return nil, err
	}
	found(got)
	if err := s.Commit(context.Background(), &store.Batch{Docs: []store.Doc{{DocKey: store.DocKey{Tenant: laterTenant}, Rev: 1}}}); err != nil {
		return nil, err
	}
	return got, s.Close()
}

// laterTenant writes after a crash.
const laterTenant = "later"

// witness records what each committer was told, and what was then there. model is
// a store that can't fail, and gets every batch, too.
type witness struct {
	model   store.Store
	mu      sync.Mutex
	acked   []int
	digests [][]digest // per committer, after each of its commits, from none on
}

type digest [sha256.Size]byte

func newWitness(committers int) *witness {
	w := &witness{model: storetest.NewMemory(storetest.MemoryOptions{}).Open(), acked: make([]int, committers), digests: make([][]digest, committers)}
	for c := range w.digests {
		w.digests[c] = []digest{sha256.Sum256(nil)}
	}
	return w
}

func (w *witness) saw(c int, d digest) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acked[c]++
	w.digests[c] = append(w.digests[c], d)
}

func (w *witness) acknowledged() []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.acked)
}

// judge holds what was there after a crash, of every committer, to one of the
// states that its commits made: the last acknowledged or the next, and none
// before one that was shown.
func (w *witness) judge(l landing) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range l.got {
		at := w.state(c, l.got[c])
		switch {
		case at < 0:
			return fmt.Errorf("at %s: committer %d: a state that no commit made, %d were acknowledged", l.at, c, l.acked[c])
		case at < l.acked[c]:
			return fmt.Errorf("at %s: committer %d: %d commits are there, %d were acknowledged", l.at, c, at, l.acked[c])
		case l.shown != nil && at < w.state(c, l.shown[c]):
			return fmt.Errorf("at %s: committer %d: %d commits are there, %d were shown before", l.at, c, at, w.state(c, l.shown[c]))
		}
	}
	return nil
}

// knows reports whether each committer's state is one that its commits have made by now.
func (w *witness) knows(got []digest) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range got {
		if w.state(c, got[c]) < 0 {
			return false
		}
	}
	return true
}

// state is the latest number of commits that make this of a committer; below 0
// where none does.
func (w *witness) state(c int, d digest) int {
	for n := len(w.digests[c]) - 1; n >= 0; n-- {
		if w.digests[c][n] == d {
			return n
		}
	}
	return -1
}

// digests are the hashes of all rows of the store, for each committer of those in
// its shard and tenant. A row of nobody's is an error.
func (s *Store) digests(committers int) ([]digest, error) {
	sums := make([]hash.Hash, committers)
	for c := range sums {
		sums[c] = sha256.New()
	}
	err := scan(s.db, []byte{0}, []byte{0xff}, func(key, rec []byte) (bool, error) {
		c := ownerOf(key)
		if c == nobodys || c >= committers {
			return false, fmt.Errorf("a row of nobody's: %q", key)
		}
		if c >= 0 {
			fmt.Fprintf(sums[c], "%d %d\n", len(key), len(rec))
			sums[c].Write(key)
			sums[c].Write(rec)
		}
		return true, nil
	})
	all := make([]digest, committers)
	for c := range sums {
		all[c] = digest(sums[c].Sum(nil))
	}
	return all, err
}

const (
	nobodys = -1
	stores  = -2 // of the store itself, or of who comes later
)

// ownerOf is the committer whose row has that key.
func ownerOf(key []byte) int {
	switch key[0] {
	case tableMeta:
		return stores
	case tableDoc, tableQueue, tableIndex:
		name, _, _ := strings.Cut(string(key[1:]), "\x00")
		if name == laterTenant {
			return stores
		}
		if n, err := strconv.Atoi(strings.TrimPrefix(name, "tenant")); err == nil {
			return n
		}
		return nobodys
	case tableDefinition, tableExecution, tableName, tableTimer, tableMessage, tableLease:
		return int(binary.BigEndian.Uint16(key[1:]))
	}
	return nobodys
}

func tenant(shard store.Shard) string { return fmt.Sprintf("tenant%d", shard) }

// smallOptions let little data flush and compact.
func smallOptions(disk vfs.FS) Options {
	return Options{FS: disk, MemTable: 64 << 10, Cache: 1 << 20}
}

// tally adds up what was done.
type tally struct {
	mu                     sync.Mutex
	workloads              int
	calls, points          int64
	crashes, torn          int64
	second, third, failing int64
}

func (t *tally) add(h *harness) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.workloads++
	t.calls += h.calls.Load()
	t.points += h.points.Load()
	t.torn += h.torn.Load()
	t.crashes += h.crashes[0].Load() + h.crashes[1].Load() + h.crashes[2].Load()
	t.second += h.crashes[1].Load()
	t.third += h.crashes[2].Load()
	t.failing += int64(len(h.failed))
}

func (t *tally) String() string {
	return fmt.Sprintf("%d workloads, %d storage calls, crashed at %d of them; %d crashes recovered from (%d in a recovery, %d in the recovery of one, %d after a torn write), %d violations",
		t.workloads, t.calls, t.points, t.crashes, t.second, t.third, t.torn, t.failing)
}
