package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/store"
)

// diverse is a batch whose keys stand in every order that there is.
func diverse() *store.Batch {
	x, y := id(1, 5, 1), id(2, 3, 1)
	b := &store.Batch{Messages: []store.Message{message(2, "z", "1"), message(1, "b", "2"), message(2, "a", "3"), message(1, "a", "4")}}
	for i, n := range []int64{-5, 0, 7, math.MaxInt64, math.MinInt64} {
		b.Queue = append(b.Queue, queued("b", n, x, 2), queued("a b", n, x, 2))
		b.Events = append(b.Events, store.Events{ID: y, First: n, Body: []byte("e")})
		b.Jobs = append(b.Jobs, job(y, uint32(i)*300, n, "j"))
		b.Index = append(b.Index, indexed("w", n, y), indexed("w", n, x), indexed("", n, x), indexed("é/1", n, x))
	}
	for _, n := range []uint32{0, 255, 256, math.MaxUint32} {
		b.Frames = append(b.Frames, store.Frame{ID: x, Number: n})
		b.Undos = append(b.Undos, store.Undo{ID: y, Number: n, Body: []byte("u")})
		b.Payloads = append(b.Payloads, store.Payload{ID: y, Number: n, Body: []byte("p")})
	}
	for _, name := range []string{"", "b", "a", "a b", "ab", "é", "A"} {
		b.Docs = append(b.Docs, doc(name, name, 3))
		b.Names = append(b.Names, store.Name{NameKey: store.NameKey{Shard: 2, Tenant: "t", Machine: name, Name: name + "n"}, ID: y})
	}
	b.Executions = []store.Execution{{ID: y, Start: []byte("s"), Body: []byte("b")}, {ID: x, Body: []byte("unbegun")}}
	return b
}

// told are the rows of a dump as text, without what a store gives them itself.
func (h *house) told(s store.Store) []string {
	h.Helper()
	var all []string
	h.must(s.Dump(h.ctx, func(b *store.Batch) error {
		all = append(all, rowsOf(b)...)
		return nil
	}, nil))
	return all
}

func rowsOf(b *store.Batch) (all []string) {
	row := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	for _, d := range b.Docs {
		row("document %q %d %q", d.DocKey, d.Rev, d.Body)
	}
	for _, d := range b.Definitions {
		row("definition %x %q", d.Hash, d.Body)
	}
	for _, n := range b.Names {
		row("name %d %q %q %q %v", n.Shard, n.Tenant, n.Machine, n.Name, n.ID)
	}
	parts := len(all)
	for _, x := range b.Executions {
		row("%v 0 execution %q %q", x.ID, x.Start, x.Body)
	}
	for _, f := range b.Frames {
		row("%v 1 frame %010d %q", f.ID, f.Number, f.Body)
	}
	for _, j := range b.Jobs {
		row("%v 2 job %010d %d %q", j.ID, j.Number, j.Due, j.Body)
	}
	for _, u := range b.Undos {
		row("%v 3 undo %010d %q", u.ID, u.Number, u.Body)
	}
	for _, e := range b.Events {
		row("%v 4 events %020d %q", e.ID, uint64(e.First)^1<<63, e.Body)
	}
	for _, p := range b.Payloads {
		row("%v 5 payload %010d %q", p.ID, p.Number, p.Body)
	}
	slices.Sort(all[parts:]) // of one page they stand by noun
	for _, m := range b.Messages {
		row("message %d %q %q", m.Shard, m.Key, m.Body)
	}
	for _, q := range b.Queue {
		row("task %q %q %d %v %d %q", q.Tenant, q.Activity, q.At, q.Job.ID, q.Job.Number, q.Body)
	}
	for _, i := range b.Index {
		row("row %q %q %q %d %v %q", i.Tenant, i.Index, i.Value, i.Start, i.ID, i.Body)
	}
	for _, l := range b.Leases {
		row("lease %d %d %q %d %q", l.Shard, l.Epoch, l.Node, l.Expires, l.Body)
	}
	return all
}

// dump: every store tells the same in the same order; committed into another, it
// is told by that one.
func dump(h *house) {
	h.same("an empty store", len(h.told(h.s)), 0)
	batches := []*store.Batch{diverse()}
	for n := 1; n <= 40; n++ {
		b := everything(n)
		b.Messages[0].Shard = store.Shard(n % 3)
		batches = append(batches, b)
	}
	kept := NewMemory(MemoryOptions{}).Open()
	for _, b := range batches {
		h.commit(b)
		h.must(kept.Commit(h.ctx, b))
	}
	want := h.told(kept)
	h.same("the dump", strings.Join(h.told(h.s), "\n"), strings.Join(want, "\n"))
	h.crash()
	h.same("the dump after a crash", strings.Join(h.told(h.s), "\n"), strings.Join(want, "\n"))
	copied := NewMemory(MemoryOptions{}).Open()
	h.must(h.s.Dump(h.ctx, func(b *store.Batch) error { return copied.Commit(h.ctx, b) }, nil))
	h.same("the copy's dump", strings.Join(h.told(copied), "\n"), strings.Join(want, "\n"))
}

// dumpPages: a page is small, however much there is, and an execution's rows stand
// together.
func dumpPages(h *house) {
	body := bytes.Repeat([]byte("x"), 700<<10)
	for n := range 6 {
		x := id(1, int64(n), 1)
		b := &store.Batch{Executions: []store.Execution{{ID: x, Start: body, Body: body}}, Payloads: []store.Payload{{ID: x, Number: 1, Body: body}, {ID: x, Number: 2, Body: body}}}
		for i := range 1500 {
			b.Index = append(b.Index, indexed("v", int64(i), x))
			b.Jobs = append(b.Jobs, job(x, uint32(i), int64(i), ""))
		}
		h.commit(b)
	}
	seen := 0
	h.must(h.s.Dump(h.ctx, func(b *store.Batch) error {
		size, rows := 0, len(rowsOf(b))
		for _, x := range b.Executions {
			size += len(x.Start) + len(x.Body)
		}
		for _, p := range b.Payloads {
			size += len(p.Body)
		}
		if seen += rows; size > 3<<20 || rows > 1024 || rows == 0 {
			h.Fatalf("a page of %d rows, %d bytes", rows, size)
		}
		return nil
	}, nil))
	h.same("rows", seen, 6*(3+3000))
}

// dumpOfOneMoment: what is committed meanwhile is not in it, and goes on.
func dumpOfOneMoment(h *house) {
	for n := 1; n <= 3; n++ {
		h.commit(everything(n))
	}
	want := h.told(h.s)
	var got []string
	h.must(h.s.Dump(h.ctx, func(b *store.Batch) error {
		if got == nil {
			h.commit(everything(4))
			h.commit(&store.Batch{DropDocs: []store.DocKey{docKey("2")}, DropExecutions: []store.ID{id(1, 2, 1)}, DropJobs: everything(2).Jobs})
		}
		got = append(got, rowsOf(b)...)
		return nil
	}, nil))
	h.same("the dump", strings.Join(got, "\n"), strings.Join(want, "\n"))
	h.holds(4, true)
}

// dumpEnds by the error of who visits, or with the context.
func dumpEnds(h *house) {
	h.commit(everything(1))
	enough := errors.New("enough")
	if err := h.s.Dump(h.ctx, func(*store.Batch) error { return enough }, nil); !errors.Is(err, enough) {
		h.Fatalf("dump: %v, want the visitor's error", err)
	}
	var many store.Batch
	for n := range uint32(2000) {
		many.Jobs = append(many.Jobs, job(id(1, 1, 2), n, int64(n), ""))
	}
	h.commit(&many)
	pages, own := 0, fmt.Errorf("where it is copied to: %w", store.ErrDamaged)
	if err := h.s.Dump(h.ctx, func(*store.Batch) error { pages++; return own }, func(err error) error {
		h.Fatalf("the visitor's error is told as a damage: %v", err)
		return nil
	}); !errors.Is(err, own) || pages != 1 {
		h.Fatalf("dump: %v after %d pages, want the visitor's error after the first", err, pages)
	}
	h.commit(everything(2))
}

// filling: a store is made with the identity of another, and keeps it.
func filling(h *house) {
	id := h.s.Identity()
	id.RestoreEpoch += 3
	place := h.another(h.T)
	made := place.Make(h.T, id)
	h.must(made.Commit(h.ctx, everything(1)))
	h.must(made.Filled(h.ctx))
	h.same("its identity", made.Identity(), id)
	h.must(made.Close())
	h.s = place.Open(h.T)
	h.Cleanup(func() { h.s.Close() })
	h.same("its identity, opened again", h.s.Identity(), id)
	h.holds(1, true)
}
