package storetest

import (
	"bytes"
	"fmt"

	"github.com/backstep/backstep/internal/store"
)

// identity is given once and stays.
func identity(h *house) {
	first := h.s.Identity()
	if first.Format == 0 || first.Shards == 0 || len(first.TokenKey) != 32 {
		h.Fatalf("identity %+v", first)
	}
	h.reopen()
	second := h.s.Identity()
	if second.Store != first.Store || second.Shards != first.Shards || second.Format != first.Format ||
		second.RestoreEpoch != first.RestoreEpoch || !bytes.Equal(second.TokenKey, first.TokenKey) {
		h.Fatalf("identity was %+v, is %+v", first, second)
	}
}

func docs(h *house) {
	_, err := h.s.Doc(h.ctx, docKey("a"))
	h.absent("a document that never was", err)
	h.commit(&store.Batch{Docs: []store.Doc{doc("a", "one", 1)}})
	h.same("the document", h.doc("a"), doc("a", "one", 1))
	h.commit(&store.Batch{Docs: []store.Doc{doc("a", "two", 2)}})
	h.same("the document changed", h.doc("a"), doc("a", "two", 2))
	h.commit(&store.Batch{DropDocs: []store.DocKey{docKey("a"), docKey("never")}})
	_, err = h.s.Doc(h.ctx, docKey("a"))
	h.absent("a document dropped", err)
}

func (h *house) doc(name string) store.Doc {
	h.Helper()
	d, err := h.s.Doc(h.ctx, docKey(name))
	h.must(err)
	return d
}

// docsInOrder: one kind of one tenant, by the bytes of their names.
func docsInOrder(h *house) {
	sorted := []string{"", "A", "B", "_", "a", "a\x01", "a b", "a-", "aa", "ab", "b", "z", "é", "𝄞"}
	var b store.Batch
	for _, name := range sorted {
		b.Docs = append(b.Docs, doc(name, "of "+name, 1))
	}
	for _, other := range []store.DocKey{{Tenant: "t", Kind: "machines", Name: "a"}, {Tenant: "t", Kind: "machin", Name: "e"},
		{Tenant: "tt", Kind: "machine", Name: "a"}, {Tenant: "", Kind: "tmachine", Name: "a"}} {
		b.Docs = append(b.Docs, store.Doc{DocKey: other, Rev: 1})
	}
	h.commit(&b)
	for after := range sorted {
		for _, limit := range []int{1, 3, 100} {
			got := read(h.s.Docs(h.ctx, "t", "machine", sorted[after], limit))(h)
			var want []store.Doc
			for _, name := range sorted[after+1 : min(after+1+limit, len(sorted))] {
				want = append(want, doc(name, "of "+name, 1))
			}
			h.same(fmt.Sprintf("documents after %q, at most %d", sorted[after], limit), got, want)
		}
	}
	h.same("no limit", len(read(h.s.Docs(h.ctx, "t", "machine", "", 0))(h)), 0)
	h.same("a negative limit", len(read(h.s.Docs(h.ctx, "t", "machine", "", -1))(h)), 0)
	h.same("another tenant", len(read(h.s.Docs(h.ctx, "u", "machine", "", 9))(h)), 0)
}

// docsExpected: a document is replaced only by who knows its Rev.
func docsExpected(h *house) {
	expect := func(rev uint64) []store.ExpectDoc {
		return []store.ExpectDoc{{DocKey: docKey("a"), Rev: rev}}
	}
	h.refused(&store.Batch{ExpectDocs: expect(1), Docs: []store.Doc{doc("a", "x", 2)}}, store.ErrConflict)
	h.commit(&store.Batch{ExpectDocs: expect(0), Docs: []store.Doc{doc("a", "one", 1)}})
	h.refused(&store.Batch{ExpectDocs: expect(0), Docs: []store.Doc{doc("a", "x", 1)}}, store.ErrConflict)
	h.refused(&store.Batch{ExpectDocs: expect(2), DropDocs: []store.DocKey{docKey("a")}}, store.ErrConflict)
	h.same("the document", h.doc("a"), doc("a", "one", 1))
	h.commit(&store.Batch{ExpectDocs: expect(1), Docs: []store.Doc{doc("a", "two", 2)}})
	h.commit(&store.Batch{ExpectDocs: expect(2), DropDocs: []store.DocKey{docKey("a")}})
	h.commit(&store.Batch{ExpectDocs: expect(0), Docs: []store.Doc{doc("b", "beside", 1)}})
}

func definitions(h *house) {
	_, err := h.s.Definition(h.ctx, store.Hash{1})
	h.absent("a definition that never was", err)
	put := &store.Batch{Definitions: []store.Definition{{Hash: store.Hash{1}, Body: []byte("{}")}, {Hash: store.Hash{2}, Body: []byte("[]")}}}
	h.commit(put)
	h.commit(put)
	h.same("the definition", read(h.s.Definition(h.ctx, store.Hash{1}))(h), "{}")
	h.same("its neighbour", read(h.s.Definition(h.ctx, store.Hash{2}))(h), "[]")
}

// names: one execution per name, and a name is taken once.
func names(h *house) {
	key := store.NameKey{Shard: 3, Tenant: "t", Machine: "m", Name: "order-1"}
	take := func(x store.ID) *store.Batch {
		return &store.Batch{ExpectNames: []store.NameKey{key}, Names: []store.Name{{NameKey: key, ID: x}}}
	}
	_, err := h.s.Name(h.ctx, key)
	h.absent("a name that never was", err)
	h.commit(take(id(3, 1, 1)))
	h.refused(take(id(3, 2, 2)), store.ErrConflict)
	h.same("the name", read(h.s.Name(h.ctx, key))(h), id(3, 1, 1))
	for _, other := range []store.NameKey{{Shard: 4, Tenant: "t", Machine: "m", Name: "order-1"}, {Shard: 3, Tenant: "u", Machine: "m", Name: "order-1"},
		{Shard: 3, Tenant: "t", Machine: "n", Name: "order-1"}, {Shard: 3, Tenant: "t", Machine: "m", Name: "order-"},
		{Shard: 3, Tenant: "t", Machine: "mo", Name: "rder-1"}} {
		_, err := h.s.Name(h.ctx, other)
		h.absent("another name", err)
	}
	h.commit(&store.Batch{DropNames: []store.NameKey{key}})
	_, err = h.s.Name(h.ctx, key)
	h.absent("a name dropped", err)
	h.commit(take(id(3, 2, 2)))
	h.same("the name taken anew", read(h.s.Name(h.ctx, key))(h), id(3, 2, 2))
}
