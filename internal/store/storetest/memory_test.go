package storetest

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/store"
)

// disk makes a Memory a place of the suite.
type disk struct{ *Memory }

func (d disk) Open(*testing.T) store.Store { return d.Memory.Open() }
func (d disk) Crash(*testing.T)            { d.Memory.Crash() }
func (d disk) Shared() bool                { return true }
func (d disk) Make(_ *testing.T, id store.Identity) store.Filling {
	*d.Memory = *NewMemory(MemoryOptions{Shards: id.Shards, Store: id.Store, TokenKey: id.TokenKey, Restored: id.RestoreEpoch})
	return d.Memory.Open()
}

func TestMemory(t *testing.T) {
	Run(t, func(*testing.T) Place { return disk{NewMemory(MemoryOptions{})} })
}

// TestFaultyWithoutFaults: the wrapper by itself changes nothing.
func TestFaultyWithoutFaults(t *testing.T) {
	Run(t, func(*testing.T) Place { return wrapped{disk{NewMemory(MemoryOptions{})}} })
}

type wrapped struct{ disk }

func (w wrapped) Open(t *testing.T) store.Store {
	return NewFaulty(w.disk.Open(t), func(string, *store.Batch) Fault { return Fault{} })
}

func TestCrashInACommit(t *testing.T) {
	for _, applied := range []bool{true, false} {
		m := NewMemory(MemoryOptions{})
		s, other := m.Open(), m.Open()
		h := &house{T: t, ctx: t.Context(), s: s}
		s.CrashIn(2, applied)
		h.commit(everything(1))
		h.refused(everything(2), store.ErrUnknown)
		if !s.Crashed() || other.Crashed() {
			t.Fatalf("crashed: %v, the other: %v", s.Crashed(), other.Crashed())
		}
		h.plainly(everything(3))
		h.s = other
		h.holds(1, true)
		h.holds(2, applied)
		h.holds(3, false)
	}
}

// TestCrashInARefusedCommit: what an expectation refuses is never applied.
func TestCrashInARefusedCommit(t *testing.T) {
	m := NewMemory(MemoryOptions{})
	h := &house{T: t, ctx: t.Context(), s: m.Open()}
	h.s.(*Session).CrashIn(1, true)
	b := everything(1)
	b.ExpectJobs = []store.JobKey{{Number: 9}}
	h.refused(b, store.ErrUnknown)
	h.s = m.Open()
	h.holds(1, false)
}

func TestMemoryClock(t *testing.T) {
	m := NewMemory(MemoryOptions{})
	s := m.Open()
	m.Advance(1500)
	if now, err := s.Now(t.Context()); now != 1500 || err != nil {
		t.Fatalf("now %d, %v", now, err)
	}
	m = NewMemory(MemoryOptions{Clock: func() int64 { return 42 }})
	if now, err := m.Open().Now(t.Context()); now != 42 || err != nil {
		t.Fatalf("now %d, %v", now, err)
	}
}

// TestRulesOfABatch: a caller that breaks the rules is told.
func TestRulesOfABatch(t *testing.T) {
	x := id(1, 1, 1)
	for _, c := range []struct {
		want string
		b    store.Batch
	}{
		{"put twice", store.Batch{Docs: []store.Doc{doc("a", "", 1), doc("a", "", 2)}}},
		{"both put and dropped", store.Batch{Docs: []store.Doc{doc("a", "", 1)}, DropDocs: []store.DocKey{docKey("a")}}},
		{"put twice", store.Batch{Frames: []store.Frame{{ID: x, Number: 1}, {ID: x, Number: 1}}}},
		{"put twice", store.Batch{Payloads: []store.Payload{{ID: x}, {ID: x}}}},
		{"put twice", store.Batch{Events: []store.Events{{ID: x}, {ID: x}}}},
		{"both put and dropped", store.Batch{Executions: []store.Execution{{ID: x}}, DropExecutions: []store.ID{x}}},
		{"both put and dropped", store.Batch{Undos: []store.Undo{{ID: x}}, DropUndos: []store.UndoKey{{ID: x}}}},
		{"both put and dropped", store.Batch{Queue: []store.Queued{queued("a", 1, x, 1)}, DropQueue: []store.QueuedKey{queued("a", 1, x, 1).QueuedKey}}},
		{"both put and dropped", store.Batch{Index: []store.Index{indexed("a", 1, x)}, DropIndex: []store.IndexKey{indexed("a", 1, x).IndexKey}}},
		{"both put and dropped", store.Batch{Messages: []store.Message{message(1, "k", "")}, DropMessages: []store.MessageKey{{Shard: 1, Key: []byte("k")}}}},
		{"MovedJobs does not say so", store.Batch{Jobs: []store.Job{job(x, 1, 6, "")}}},
		{"MovedJobs does not say so", store.Batch{Jobs: []store.Job{job(x, 1, 6, "")}, MovedJobs: []store.Job{job(x, 1, 4, "")}}},
		{"DropJobs says 4", store.Batch{DropJobs: []store.Job{job(x, 1, 4, "")}}},
	} {
		h := &house{T: t, ctx: t.Context(), s: NewMemory(MemoryOptions{}).Open()}
		h.commit(&store.Batch{Jobs: []store.Job{job(x, 1, 5, "")}})
		if err := h.s.Commit(h.ctx, &c.b); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

// TestSorted holds the ordered map beside a plain one, over many chunks.
func TestSorted(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	s := sorted[int, int]{compare: cmp.Compare[int]}
	model := map[int]int{}
	for step := range 30000 {
		k := rng.IntN(4000)
		if rng.IntN(3) == 0 || step > 27000 {
			s.drop(k)
			delete(model, k)
		} else {
			s.put(k, step)
			model[k] = step
		}
		if v, there := s.get(k); v != model[k] || there != (model[k] != 0) {
			t.Fatalf("get %d: %d, %v", k, v, there)
		}
		if step%1000 != 999 {
			continue
		}
		keys := slices.Sorted(maps.Keys(model))
		at, there := slices.BinarySearch(keys, k)
		below := at
		if there {
			below++
		}
		down := slices.Clone(keys[:below])
		slices.Reverse(down)
		if got := keysOf(s.from(k)); !slices.Equal(got, keys[at:]) {
			t.Fatalf("from %d: %v", k, got)
		}
		if got := keysOf(s.downFrom(k)); !slices.Equal(got, down) {
			t.Fatalf("down from %d: %v", k, got)
		}
		if got := keysOf(s.all()); !slices.Equal(got, keys) {
			t.Fatalf("all: %v", got)
		}
	}
}

func keysOf(rows func(func(int, int) bool)) (keys []int) {
	for k := range rows {
		keys = append(keys, k)
	}
	return keys
}
