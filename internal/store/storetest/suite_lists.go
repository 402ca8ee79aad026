package storetest

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/store"
)

func queued(activity string, at int64, x store.ID, number uint32) store.Queued {
	return store.Queued{
		QueuedKey: store.QueuedKey{Tenant: "t", Activity: activity, At: at, Job: store.JobKey{ID: x, Number: number}},
		Body:      fmt.Appendf(nil, "%d/%d", at, number),
	}
}

// queue: the oldest task first, and each is taken once.
func queue(h *house) {
	all := []store.Queued{
		queued("a", -1, id(3, 1, 1), 1), queued("a", 5, id(1, 1, 1), 255), queued("a", 5, id(1, 1, 1), 256),
		queued("a", 5, id(2, 1, 1), 1), queued("a", 256, id(0, 1, 1), 1),
	}
	b := &store.Batch{Queue: slices.Clone(all)}
	slices.Reverse(b.Queue)
	b.Queue = append(b.Queue, queued("aa", 1, id(1, 1, 1), 1), queued("", 1, id(1, 1, 1), 1))
	h.commit(b)
	h.same("the queue", read(h.s.Queue(h.ctx, "t", "a", 99))(h), all)
	h.same("its head", read(h.s.Queue(h.ctx, "t", "a", 2))(h), all[:2])
	h.same("no limit", len(read(h.s.Queue(h.ctx, "t", "a", 0))(h)), 0)
	h.same("another tenant's", len(read(h.s.Queue(h.ctx, "u", "a", 9))(h)), 0)
	take := &store.Batch{ExpectQueued: []store.QueuedKey{all[1].QueuedKey}, DropQueue: []store.QueuedKey{all[1].QueuedKey}}
	h.commit(take)
	h.refused(take, store.ErrConflict)
	h.same("after one was taken", read(h.s.Queue(h.ctx, "t", "a", 2))(h), []store.Queued{all[0], all[2]})
}

func indexed(value string, start int64, x store.ID) store.Index {
	return store.Index{
		IndexKey: store.IndexKey{Tenant: "t", Index: "status", Value: value, Start: start, ID: x},
		Body:     fmt.Appendf(nil, "%s/%d", value, start),
	}
}

func index(h *house) {
	x := id(1, 1, 1)
	of := func(value string) []store.Index {
		h.Helper()
		return read(h.s.Index(h.ctx, store.IndexQuery{Tenant: "t", Index: "status", Value: value, Limit: 99}))(h)
	}
	running, ended := indexed("RUNNING", 5, x), indexed("SUCCEEDED", 5, x)
	h.commit(&store.Batch{Index: []store.Index{running, indexed("RUNNING!", 5, x), indexed("RUNNIN", 5, x), indexed("", 5, x)}})
	h.same("one value", of("RUNNING"), []store.Index{running})
	h.commit(&store.Batch{DropIndex: []store.IndexKey{running.IndexKey}, Index: []store.Index{ended}})
	h.same("moved from", len(of("RUNNING")), 0)
	h.same("moved to", of("SUCCEEDED"), []store.Index{ended})
	ended.Body = []byte("changed")
	h.commit(&store.Batch{Index: []store.Index{ended}})
	h.same("changed", of("SUCCEEDED"), []store.Index{ended})
	h.same("the empty value", of(""), []store.Index{indexed("", 5, x)})
	h.same("no limit", len(read(h.s.Index(h.ctx, store.IndexQuery{Tenant: "t", Index: "status"}))(h)), 0)
}

// indexPages: the newest first, equal starts by id, whatever the page.
func indexPages(h *house) {
	var all []store.Index
	for _, start := range []int64{math.MaxInt64, 1 << 40, 256, 255, 1, 0, -1, math.MinInt64} {
		for _, x := range []store.ID{id(1, 5, 1), id(1, 5, 2), id(2, 0, 0)} {
			all = append(all, indexed("v", start, x))
		}
	}
	b := &store.Batch{Index: slices.Clone(all)}
	slices.Reverse(b.Index)
	b.Index = append(b.Index, indexed("u", 9, id(1, 1, 1)), indexed("w", 9, id(1, 1, 1)))
	h.commit(b)
	for _, page := range []int{1, 2, 5, 100} {
		q := store.IndexQuery{Tenant: "t", Index: "status", Value: "v", Limit: page}
		var got []store.Index
		for {
			rows := read(h.s.Index(h.ctx, q))(h)
			if len(rows) == 0 {
				break
			}
			got = append(got, rows...)
			q.After = &got[len(got)-1].IndexKey
		}
		h.same(fmt.Sprintf("pages of %d", page), got, all)
	}
	gone := store.IndexKey{Start: 255, ID: id(1, 5, 3)}
	rows := read(h.s.Index(h.ctx, store.IndexQuery{Tenant: "t", Index: "status", Value: "v", Limit: 1, After: &gone}))(h)
	h.same("after a row that is gone", rows, []store.Index{indexed("v", 255, id(2, 0, 0))})
}

// indexValues: a value may be longer than other texts, the longest of all keys
// among them, and lists of values that begin alike do not mix.
func indexValues(h *house) {
	text := func(n int, first byte) string { // that no compression makes shorter
		b := []byte{first}
		for x := uint32(first); len(b) < n; x = x*1664525 + 1013904223 {
			b = append(b, 33+byte(x>>24)%94)
		}
		return string(b)
	}
	most := strings.Repeat("\U0001D11E", store.MaxValue/4) // in characters of four bytes
	at := store.IndexKey{Tenant: text(store.MaxText, 't'), Index: text(store.MaxText, 'i'), Value: text(store.MaxValue, 'v'), Start: 5, ID: id(1, 1, 1)}
	b := &store.Batch{}
	for _, value := range []string{at.Value, at.Value[:store.MaxValue-1], at.Value[:store.MaxText+1], most, most[4:], "", "\x01", "\u00e9", "e\u0301"} {
		k := at
		k.Value = value
		b.Index = append(b.Index, store.Index{IndexKey: k, Body: []byte(value)})
	}
	h.commit(b)
	of := func(value string) []store.Index {
		h.Helper()
		return read(h.s.Index(h.ctx, store.IndexQuery{Tenant: at.Tenant, Index: at.Index, Value: value, Limit: 99}))(h)
	}
	for _, row := range b.Index {
		h.same(fmt.Sprintf("the list of a value of %d bytes", len(row.Value)), of(row.Value), []store.Index{row})
	}
	h.commit(&store.Batch{DropIndex: []store.IndexKey{b.Index[0].IndexKey}})
	h.same("what was dropped", len(of(at.Value)), 0)
	h.same("what stands beside it", of(b.Index[1].Value), b.Index[1:2])
	for _, never := range []string{at.Value + "v", "a\x00b", "\xff"} {
		k := at
		k.Value = never
		h.plainly(&store.Batch{Index: []store.Index{{IndexKey: k}}})
		h.same("the list of no value", len(of(never)), 0)
	}
}

func lease(shard store.Shard, epoch uint64, node string) store.Lease {
	return store.Lease{Shard: shard, Epoch: epoch, Node: node, Expires: int64(epoch) * 1000, Body: []byte("of " + node)}
}

// leases change hands by the epoch, and if that is asked, only where they were not
// renewed since they were seen.
func leases(h *house) {
	take := func(from uint64, l store.Lease) *store.Batch {
		return &store.Batch{ExpectLeases: []store.ExpectLease{{Shard: l.Shard, Epoch: from}}, Leases: []store.Lease{l}}
	}
	h.same("none at first", len(read(h.s.Leases(h.ctx))(h)), 0)
	h.refused(take(1, lease(7, 2, "n")), store.ErrConflict)
	h.commit(take(0, lease(7, 1, "n1")))
	h.refused(take(0, lease(7, 1, "n2")), store.ErrConflict)
	h.commit(take(0, lease(300, 1, "n1")))
	h.commit(take(0, lease(0, 1, "n1")))
	h.commit(take(1, lease(7, 2, "n2")))
	h.refused(take(1, lease(7, 2, "n3")), store.ErrConflict)
	h.commit(take(2, lease(7, 2, "n2")))
	seen := lease(7, 2, "n2")
	renewed := seen
	renewed.Expires++
	h.commit(take(2, renewed))
	late := take(2, lease(7, 3, "n3"))
	late.ExpectLeases[0].Expires = seen.Expires
	h.refused(late, store.ErrConflict)
	again := take(2, seen)
	again.ExpectLeases[0].Expires = renewed.Expires
	h.commit(again)
	h.same("by shard", read(h.s.Leases(h.ctx))(h), []store.Lease{lease(0, 1, "n1"), lease(7, 2, "n2"), lease(300, 1, "n1")})
	h.reopen()
	h.same("after reopening", read(h.s.Leases(h.ctx))(h), []store.Lease{lease(0, 1, "n1"), lease(7, 2, "n2"), lease(300, 1, "n1")})
	h.refused(take(1, lease(7, 2, "n3")), store.ErrConflict)
}

// fence: only the epoch of the lease may write.
func fence(h *house) {
	by := func(epoch uint64) *store.Batch {
		return &store.Batch{Fence: &store.Fence{Shard: 7, Epoch: epoch}, Docs: []store.Doc{doc("fenced", fmt.Sprint(epoch), epoch)}}
	}
	h.refused(by(0), store.ErrFenced)
	h.refused(by(1), store.ErrFenced)
	h.commit(&store.Batch{Leases: []store.Lease{lease(7, 1, "n1"), lease(8, 2, "n1")}})
	h.commit(by(1))
	h.refused(by(2), store.ErrFenced)
	h.commit(&store.Batch{Fence: &store.Fence{Shard: 7, Epoch: 1}, ExpectLeases: []store.ExpectLease{{Shard: 7, Epoch: 1}}, Leases: []store.Lease{lease(7, 2, "n2")}})
	h.refused(by(1), store.ErrFenced)
	both := by(1)
	both.ExpectJobs = []store.JobKey{{ID: id(1, 1, 1), Number: 1}}
	h.refused(both, store.ErrFenced)
	h.same("what the zombie left", h.doc("fenced"), doc("fenced", "1", 1))
	h.commit(by(2))
	h.crash()
	h.refused(by(1), store.ErrFenced)
	h.commit(by(2))
}
