// Package storetest holds the promises of package store as tests, a store in
// memory that can crash, and a wrapper that makes any store fail on purpose. It
// knows the contract and no implementation.
//
// Read suite.go and the suite_ files (the promises), memory.go (the disk and
// its sessions) with memory_rows.go, memory_commit.go, memory_rules.go,
// memory_read.go, memory_dump.go and sorted.go beneath it, then calls.go and faulty.go.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/backstep/backstep/internal/store"
)

// Place is where a store keeps what it keeps: a folder, a schema, a [Memory].
type Place interface {
	// Open opens the store that lies there, and makes one the first time.
	Open(t *testing.T) store.Store
	// Make makes a store of that identity, to be filled, where none was opened yet.
	Make(t *testing.T, id store.Identity) store.Filling
	// Crash ends the open stores as the loss of power does: what was not
	// durable is gone. They need no Close any more.
	Crash(t *testing.T)
	// Shared reports whether several stores may be open there at once.
	Shared() bool
}

// Run holds a kind of store to every promise of the contract. place makes a new
// and empty place for each test.
func Run(t *testing.T, place func(t *testing.T) Place) {
	promises := []struct {
		name string
		test func(*house)
	}{
		{"Identity", identity},
		{"Docs", docs},
		{"DocsInOrder", docsInOrder},
		{"DocsExpected", docsExpected},
		{"Definitions", definitions},
		{"Names", names},
		{"Execution", executions},
		{"StartNilKeeps", startNilKeeps},
		{"Load", load},
		{"Undos", undos},
		{"Events", events},
		{"Payloads", payloads},
		{"DropExecutions", dropExecutions},
		{"Jobs", jobs},
		{"JobsInOrder", jobsInOrder},
		{"JobsMoved", jobsMoved},
		{"JobsExpected", jobsExpected},
		{"JobsStood", jobsStood},
		{"Messages", messages},
		{"MessagesOfOneKey", messagesOfOneKey},
		{"MessagesRise", messagesRise},
		{"Queue", queue},
		{"Index", index},
		{"IndexPages", indexPages},
		{"IndexValues", indexValues},
		{"Leases", leases},
		{"Fence", fence},
		{"FenceUnderLoad", fenceUnderLoad},
		{"Whole", whole},
		{"WholeUnderLoad", wholeUnderLoad},
		{"ReadYourCommit", readYourCommit},
		{"Conflicts", conflicts},
		{"OneWinner", oneWinner},
		{"NeighboursPass", neighboursPass},
		{"ManyCommitters", manyCommitters},
		{"SameKeys", sameKeys},
		{"Bodies", bodies},
		{"Limits", limits},
		{"Large", large},
		{"Cancelled", cancelled},
		{"Closed", closed},
		{"Durable", durable},
		{"Dump", dump},
		{"DumpPages", dumpPages},
		{"DumpOfOneMoment", dumpOfOneMoment},
		{"DumpEnds", dumpEnds},
		{"Filling", filling},
		{"Watch", watchEnds},
		{"Hints", hints},
		{"Shared", shared},
	}
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) {
			h := &house{T: t, ctx: t.Context(), place: place(t), another: place}
			h.s = h.open()
			p.test(h)
		})
	}
}

// house is one test's place, with a store open in it.
type house struct {
	*testing.T
	ctx   context.Context
	place Place
	s     store.Store

	another func(*testing.T) Place
}

func (h *house) open() store.Store {
	s := h.place.Open(h.T)
	h.Cleanup(func() { s.Close() })
	return s
}

// reopen closes the store and opens what it left.
func (h *house) reopen() {
	h.Helper()
	h.must(h.s.Close())
	h.s = h.open()
}

// crash loses the store and opens what it left.
func (h *house) crash() {
	h.Helper()
	h.place.Crash(h.T)
	h.s = h.open()
}

func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *house) commit(b *store.Batch) {
	h.Helper()
	h.must(h.s.Commit(h.ctx, b))
}

// refused commits what must fail with that error.
func (h *house) refused(b *store.Batch, want error) {
	h.Helper()
	if err := h.s.Commit(h.ctx, b); !errors.Is(err, want) {
		h.Fatalf("commit: %v, want %v", err, want)
	}
}

// plainly commits what must be refused without one of the four errors.
func (h *house) plainly(b *store.Batch) {
	h.Helper()
	err := h.s.Commit(h.ctx, b)
	if err == nil || branchable(err) {
		h.Fatalf("commit: %v, want a plain error", err)
	}
}

func branchable(err error) bool {
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) ||
		errors.Is(err, store.ErrFenced) || errors.Is(err, store.ErrUnknown)
}

// same compares what was read with what it must be, as text.
func (h *house) same(what string, got, want any) {
	h.Helper()
	if g, w := text(got), text(want); g != w {
		h.Fatalf("%s\n got %s\nwant %s", what, g, w)
	}
}

// absent holds a read to ErrNotFound.
func (h *house) absent(what string, err error) {
	h.Helper()
	if !errors.Is(err, store.ErrNotFound) {
		h.Fatalf("%s: %v, want ErrNotFound", what, err)
	}
}

// text shows v; a body is its bytes, and nil is the empty one.
func text(v any) string {
	if body, is := v.([]byte); is {
		return string(body)
	}
	return fmt.Sprint(v)
}

// read reads one value that must be there.
func read[T any](v T, err error) func(h *house) T {
	return func(h *house) T {
		h.Helper()
		h.must(err)
		return v
	}
}

// id makes an execution's id: by shard, start and a last byte.
func id(shard store.Shard, start int64, last byte) store.ID {
	return store.NewID(shard, start, [8]byte{7: last})
}

func doc(name, body string, rev uint64) store.Doc {
	return store.Doc{DocKey: docKey(name), Rev: rev, Body: []byte(body)}
}

func docKey(name string) store.DocKey {
	return store.DocKey{Tenant: "t", Kind: "machine", Name: name}
}

func job(id store.ID, number uint32, due int64, body string) store.Job {
	return store.Job{JobKey: store.JobKey{ID: id, Number: number}, Due: due, Body: []byte(body)}
}
