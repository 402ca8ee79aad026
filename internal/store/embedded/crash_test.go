package embedded

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/backstep/backstep/internal/store"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// crashRounds is how often every workload is crashed at every storage call, each
// time with another part of the unsynced data kept: BACKSTEP_CRASH_ROUNDS.
func crashRounds() int {
	if n, err := strconv.Atoi(os.Getenv("BACKSTEP_CRASH_ROUNDS")); err == nil && n > 0 {
		return n
	}
	return 1
}

// TestCrashAtEveryStorageCall runs each workload on a disk that is cloned before
// every call that changes it, as a loss of power then would leave it. On each
// clone every acknowledged commit must be there, and no other in part.
func TestCrashAtEveryStorageCall(t *testing.T) {
	var points atomic.Int64
	t.Cleanup(func() { t.Logf("%d crashes recovered from", points.Load()) })
	for _, w := range workloads() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			for round := range crashRounds() {
				n, err := crashEverywhere(t, w, uint64(round), crashStep, nil)
				points.Add(int64(n))
				if err != nil {
					t.Fatal(err)
				}
				if n < 100/crashStep {
					t.Fatalf("only %d crashes", n)
				}
			}
		})
	}
}

// TestAcknowledgingTooEarlyIsCaught plants a commit that does not wait for its
// sync: what finds nothing above must find that.
func TestAcknowledgingTooEarlyIsCaught(t *testing.T) {
	for _, w := range workloads() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			_, err := crashEverywhere(t, w, 0, 1, func(s *Store) {
				s.apply = func(b *pebble.Batch) error { return s.db.Apply(b, pebble.NoSync) }
			})
			if err == nil {
				t.Fatal("a commit that was acknowledged before its sync passes")
			}
			t.Log(err)
		})
	}
}

// crash is a disk after a loss of power, and what had been acknowledged by then.
type crash struct {
	at    string
	disk  *vfs.MemFS
	acked []int // per committer
}

// witness records what each committer was told, and what it then saw.
type witness struct {
	mu      sync.Mutex
	acked   []int
	digests [][]digest // per committer, after each of its commits, from none on
}

type digest [sha256.Size]byte

func newWitness(committers int) *witness {
	w := &witness{acked: make([]int, committers), digests: make([][]digest, committers)}
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
	return append([]int(nil), w.acked...)
}

// check holds what a disk has of every committer to one of the states that its
// commits made, not before the last acknowledged.
func (w *witness) check(s *Store, acked []int) error {
	for c := range acked {
		d, err := s.digest(store.Shard(c))
		if err != nil {
			return err
		}
		at := -1
		for n, known := range w.digests[c] {
			if d == known {
				at = n
			}
		}
		switch {
		case at < 0:
			return fmt.Errorf("committer %d: a state that no commit made, %d were acknowledged", c, acked[c])
		case at < acked[c]:
			return fmt.Errorf("committer %d: %d commits are there, %d were acknowledged", c, at, acked[c])
		}
	}
	return nil
}

// digest is the hash of all rows of one shard, and of the tenant named for it.
func (s *Store) digest(shard store.Shard) (digest, error) {
	hash := sha256.New()
	for _, table := range "dsxntqail" {
		prefix := []byte{byte(table)}
		switch table {
		case 'd', 'a', 'i':
			prefix = appendText(prefix, tenant(shard))
		default:
			prefix = appendShard(prefix, shard)
		}
		err := scan(s.db, prefix, after(append([]byte(nil), prefix...)), func(key, rec []byte) (bool, error) {
			fmt.Fprintf(hash, "%d %d\n", len(key), len(rec))
			hash.Write(key)
			hash.Write(rec)
			return true, nil
		})
		if err != nil {
			return digest{}, err
		}
	}
	return digest(hash.Sum(nil)), nil
}

func tenant(shard store.Shard) string { return fmt.Sprintf("tenant%d", shard) }

// recording is a disk that is cloned before every call that changes it.
type recording struct {
	mu      sync.Mutex
	crashes []crash
	rng     *rand.Rand
	acked   func() []int
	calls   int
	step    int // between two crashes
}

// percents of the unsynced data that a loss of power leaves.
var percents = []int{0, 10, 50, 90, 100}

func (r *recording) tap(disk *vfs.MemFS) *tapped {
	return &tapped{disk, func(call, name string) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.calls++; r.calls%r.step != 0 {
			return nil
		}
		acked := r.acked() // first: what is acknowledged meanwhile may be there or not
		for _, percent := range []int{0, percents[r.rng.IntN(len(percents))]} {
			clone := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: r.rng})
			r.crashes = append(r.crashes, crash{fmt.Sprintf("call %d, %s %s, %d %% kept", r.calls, call, name, percent), clone, acked})
		}
		return nil
	}}
}

// crashEverywhere runs a workload once and recovers from a crash at each step-th
// of its storage calls; of some of the recoveries again at each of theirs.
func crashEverywhere(t *testing.T, w workload, seed uint64, step int, plant func(*Store)) (points int, err error) {
	seen := newWitness(w.committers)
	rec := &recording{step: step, rng: rand.New(rand.NewPCG(seed, 1)), acked: seen.acknowledged}
	w.run(t, rec.tap(vfs.NewCrashableMem()), seen, plant)
	for i, c := range rec.crashes {
		within := &recording{step: step, rng: rec.rng, acked: func() []int { return c.acked }}
		disk := vfs.FS(c.disk)
		if i%23 == 0 {
			disk = within.tap(c.disk)
		}
		points++
		if err := recovers(disk, seen, c.acked); err != nil {
			return points, fmt.Errorf("crash at %s: %w", c.at, err)
		}
		for _, again := range within.crashes {
			points++
			if err := recovers(again.disk, seen, again.acked); err != nil {
				return points, fmt.Errorf("crash at %s, then within recovery at %s: %w", c.at, again.at, err)
			}
		}
	}
	return points, nil
}

// recovers opens what a crash has left, and goes on there.
func recovers(disk vfs.FS, seen *witness, acked []int) error {
	s, err := Open(testDir, smallOptions(disk))
	if err != nil {
		return err
	}
	if err := seen.check(s, acked); err != nil {
		s.Close()
		return err
	}
	if err := s.Commit(context.Background(), &store.Batch{Docs: []store.Doc{{DocKey: store.DocKey{Tenant: "later"}, Rev: 1}}}); err != nil {
		return err
	}
	return s.Close()
}

// smallOptions let little data flush and compact.
func smallOptions(disk vfs.FS) Options {
	return Options{FS: disk, MemTable: 64 << 10, Cache: 1 << 20}
}
