package storetest

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/backstep/backstep/internal/store"
)

// everything is a batch with a row of each noun under one number.
func everything(n int) *store.Batch {
	x := id(1, int64(n), 1)
	tag := fmt.Sprint(n)
	body := []byte("body " + tag)
	return &store.Batch{
		Docs:        []store.Doc{{DocKey: docKey(tag), Rev: 1, Body: body}},
		Definitions: []store.Definition{{Hash: store.Hash{byte(n), byte(n >> 8)}, Body: body}},
		Names:       []store.Name{{NameKey: store.NameKey{Shard: 1, Tenant: "t", Machine: "m", Name: tag}, ID: x}},
		Executions:  []store.Execution{{ID: x, Start: body, Body: body}},
		Frames:      []store.Frame{{ID: x, Number: 1, Body: body}},
		Undos:       []store.Undo{{ID: x, Number: 1, Body: body}},
		Events:      []store.Events{{ID: x, First: 1, Body: body}},
		Payloads:    []store.Payload{{ID: x, Number: math.MaxUint32, Body: body}},
		Jobs:        []store.Job{job(x, 1, int64(n), "body")},
		Messages:    []store.Message{message(1, tag, "body")},
		Queue:       []store.Queued{queued("a", int64(n), x, 1)},
		Index:       []store.Index{indexed("v", int64(n), x)},
		Leases:      []store.Lease{lease(store.Shard(n), 1, tag)},
	}
}

// holds holds the store to all of everything(n), or to none of it.
func (h *house) holds(n int, there bool) {
	h.Helper()
	b := everything(n)
	x := b.Executions[0].ID
	ctx := h.ctx
	_, docErr := h.s.Doc(ctx, b.Docs[0].DocKey)
	_, definitionErr := h.s.Definition(ctx, b.Definitions[0].Hash)
	_, nameErr := h.s.Name(ctx, b.Names[0].NameKey)
	l, _ := h.s.Load(ctx, x)
	_, payloadErr := h.s.Payloads(ctx, x, []uint32{math.MaxUint32})
	var inbox, waiting, listed, leased bool
	for _, m := range h.messages(1, 1000) {
		inbox = inbox || string(m.Key) == fmt.Sprint(n)
	}
	for _, q := range read(h.s.Queue(ctx, "t", "a", 1000))(h) {
		waiting = waiting || q.At == int64(n)
	}
	for _, i := range read(h.s.Index(ctx, store.IndexQuery{Tenant: "t", Index: "status", Value: "v", Limit: 1000}))(h) {
		listed = listed || i.Start == int64(n)
	}
	for _, l := range read(h.s.Leases(ctx))(h) {
		leased = leased || l.Shard == store.Shard(n)
	}
	due := int64(n)
	for i, is := range []bool{docErr == nil, definitionErr == nil, nameErr == nil, !l.Execution.ID.IsZero(), len(l.Frames) == 1, len(l.Jobs) == 1,
		len(read(h.s.Undos(ctx, x, 0, 9))(h)) == 1, len(read(h.s.Events(ctx, x, 0, false, 9))(h)) == 1, payloadErr == nil,
		len(h.jobs(1, due, &store.Job{Due: due - 1, JobKey: store.JobKey{ID: store.ID(bytes.Repeat([]byte{255}, 16))}}, 9)) == 1, inbox, waiting, listed, leased} {
		if is != there {
			h.Fatalf("batch %d: noun %d is there: %v, want %v", n, i, is, there)
		}
	}
}

// whole: a batch is there or it is not.
func whole(h *house) {
	h.commit(everything(1))
	for i, spoil := range []func(*store.Batch){
		func(b *store.Batch) { b.ExpectDocs = []store.ExpectDoc{{DocKey: docKey("1"), Rev: 7}} },
		func(b *store.Batch) { b.ExpectNames = []store.NameKey{everything(1).Names[0].NameKey} },
		func(b *store.Batch) { b.ExpectJobs = []store.JobKey{{ID: id(1, 99, 9), Number: 1}} },
		func(b *store.Batch) { b.ExpectStood = []store.Job{{JobKey: store.JobKey{ID: id(1, 99, 9), Number: 1}}} },
		func(b *store.Batch) { b.ExpectQueued = []store.QueuedKey{queued("a", 99, id(1, 99, 9), 1).QueuedKey} },
		func(b *store.Batch) { b.ExpectLeases = []store.ExpectLease{{Shard: 1, Epoch: 9}} },
	} {
		b := everything(2 + i)
		spoil(b)
		h.refused(b, store.ErrConflict)
		h.holds(2+i, false)
		b = everything(2 + i)
		b.ExpectDocs = []store.ExpectDoc{{DocKey: docKey("1"), Rev: 1}}
		spoil(b)
		h.refused(b, store.ErrConflict)
	}
	fenced := everything(9)
	fenced.Fence = &store.Fence{Shard: 1, Epoch: 5}
	h.refused(fenced, store.ErrFenced)
	h.holds(9, false)
	h.holds(1, true)
	h.commit(&store.Batch{})
}

// readYourCommit: every read sees what was committed before it began.
func readYourCommit(h *house) {
	for n := 1; n <= 20; n++ {
		h.commit(everything(n))
		h.holds(n, true)
	}
}

// bodies are the caller's own before the commit, and nobody's after a read.
func bodies(h *house) {
	b := everything(1)
	body := b.Docs[0].Body // shared by most rows of the batch
	h.commit(b)
	want := h.contents(b.Executions[0].ID)
	for i := range body {
		body[i] = 'X'
	}
	for _, other := range [][]byte{b.Jobs[0].Body, b.Messages[0].Body, b.Messages[0].Key, b.Queue[0].Body, b.Index[0].Body, b.Leases[0].Body} {
		clear(other)
	}
	h.same("after the caller's memory was used again", h.contents(b.Executions[0].ID), want)
	h.same("the document", h.doc("1").Body, "body 1")
	h.same("the message's key", h.messages(1, 1)[0].Key, "1")

	old := read(h.s.Load(h.ctx, b.Executions[0].ID))(h)
	shown := fmt.Sprint(old)
	next := everything(1)
	next.Executions[0].Body, next.Frames[0].Body, next.Jobs[0].Body = []byte("CHANGED"), []byte("CHANGED"), []byte("CHANGED")
	h.commit(next)
	h.same("what was read before", fmt.Sprint(old), shown)
}

// limits: what no store can keep is refused, and nothing changes.
func limits(h *house) {
	long := strings.Repeat("n", store.MaxText)
	h.commit(&store.Batch{Docs: []store.Doc{{DocKey: store.DocKey{Tenant: long, Kind: long, Name: long}, Rev: 1}}, Messages: []store.Message{message(1, strings.Repeat("k", store.MaxMessageKey), "")}})
	for _, bad := range []string{long + "n", "nul\x00", "\xff"} {
		for _, b := range []*store.Batch{
			{Docs: []store.Doc{doc(bad, "", 1)}},
			{DropDocs: []store.DocKey{docKey(bad)}},
			{ExpectDocs: []store.ExpectDoc{{DocKey: docKey(bad)}}},
			{Names: []store.Name{{NameKey: store.NameKey{Machine: bad}}}},
			{ExpectNames: []store.NameKey{{Name: bad}}},
			{Queue: []store.Queued{{QueuedKey: store.QueuedKey{Activity: bad}}}},
			{Index: []store.Index{{IndexKey: store.IndexKey{Index: bad}}}},
			{Leases: []store.Lease{{Node: bad}}},
		} {
			b.Docs = append(b.Docs, doc("beside", "", 1))
			h.plainly(b)
		}
		_, err := h.s.Doc(h.ctx, docKey(bad))
		h.absent("a document whose name can't be", err)
		_, err = h.s.Name(h.ctx, store.NameKey{Name: bad})
		h.absent("a name that can't be", err)
		h.same("lists that can't be", len(read(h.s.Queue(h.ctx, "t", bad, 9))(h))+len(read(h.s.Docs(h.ctx, bad, "", "", 9))(h))+
			len(read(h.s.Index(h.ctx, store.IndexQuery{Index: bad, Limit: 9}))(h)), 0)
	}
	h.plainly(&store.Batch{Messages: []store.Message{{Shard: 1}}})
	h.plainly(&store.Batch{Messages: []store.Message{message(1, strings.Repeat("k", store.MaxMessageKey+1), "")}})
	h.plainly(&store.Batch{Docs: []store.Doc{{DocKey: docKey("large"), Body: make([]byte, store.MaxBody+1)}}})
	h.plainly(&store.Batch{Names: []store.Name{{NameKey: store.NameKey{Shard: 1, Name: "n"}, ID: id(2, 1, 1)}}})
	_, err := h.s.Doc(h.ctx, docKey("beside"))
	h.absent("a document beside", err)
}

// large: big bodies and big batches are as whole as small ones.
func large(h *house) {
	x := id(1, 1, 1)
	text := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	b := &store.Batch{Executions: []store.Execution{{ID: x, Start: text[:1<<18]}}, Payloads: []store.Payload{{ID: x, Number: 0, Body: text}}}
	for n := uint32(1); n <= 3000; n++ {
		b.Frames = append(b.Frames, store.Frame{ID: x, Number: n, Body: []byte("frame")})
		b.Payloads = append(b.Payloads, store.Payload{ID: x, Number: n, Body: text[n : n+300]})
	}
	h.commit(b)
	h.crash()
	if got := read(h.s.Payloads(h.ctx, x, []uint32{0, 3000}))(h); !bytes.Equal(got[0], text) || !bytes.Equal(got[1], text[3000:3300]) {
		h.Fatal("the payloads are altered")
	}
	h.same("frames", len(read(h.s.Load(h.ctx, x))(h).Frames), 3000)
	h.commit(&store.Batch{DropExecutions: []store.ID{x}})
	_, err := h.s.Payloads(h.ctx, x, []uint32{0})
	h.absent("the payload dropped", err)
}

// cancelled: a context that has ended changes nothing and reads nothing.
func cancelled(h *house) {
	ctx, cancel := context.WithCancel(h.ctx)
	cancel()
	calls := Calls()
	for _, c := range calls[:len(calls)-1] {
		if err := c.Do(ctx, h.s, everything(1)); err == nil && !c.Endless {
			h.Errorf("%s after its context ended: no error", c.Method)
		} else if err != nil && branchable(err) {
			h.Errorf("%s after its context ended: %v", c.Method, err)
		}
	}
	h.holds(1, false)
}

// closed: a store that was closed answers nothing, and may be closed again.
func closed(h *house) {
	h.must(h.s.Close())
	for _, c := range Calls() {
		if err := c.Do(h.ctx, h.s, everything(1)); err == nil && !c.Endless {
			h.Errorf("%s after Close: no error", c.Method)
		} else if err != nil && branchable(err) {
			h.Errorf("%s after Close: %v", c.Method, err)
		}
	}
	h.must(h.s.Close())
	h.s = h.open()
	h.holds(1, false)
}

// durable: what was acknowledged is there after a close and after a crash.
func durable(h *house) {
	for n, again := range []func(){h.crash, h.reopen, h.crash, h.crash, h.reopen} {
		h.commit(everything(n + 1))
		again()
		for i := 1; i <= n+1; i++ {
			h.holds(i, true)
		}
		h.commit(&store.Batch{ExpectNames: []store.NameKey{everything(n + 2).Names[0].NameKey}})
		h.refused(&store.Batch{ExpectNames: []store.NameKey{everything(n + 1).Names[0].NameKey}}, store.ErrConflict)
	}
}

// watchEnds: the channel is closed when its context ends and when the store closes.
func watchEnds(h *house) {
	ctx, cancel := context.WithCancel(h.ctx)
	first, second := h.s.Watch(ctx), h.s.Watch(h.ctx)
	cancel()
	h.ends(first)
	h.must(h.s.Close())
	h.ends(second)
	h.ends(h.s.Watch(h.ctx))
}

func (h *house) ends(hints <-chan store.Hint) {
	h.Helper()
	for {
		select {
		case _, open := <-hints:
			if !open {
				return
			}
		case <-time.After(10 * time.Second):
			h.Fatal("the watch does not end")
		}
	}
}

// hints: a healthy store tells of a message, to every watch.
func hints(h *house) {
	first, second := h.s.Watch(h.ctx), h.s.Watch(h.ctx)
	h.commit(everything(1)) // its message is shard 1's
	h.hears(first, 1)
	h.hears(second, 1)
	for n := range 1000 { // nobody listens, and nobody waits for them
		h.commit(&store.Batch{Messages: []store.Message{message(2, fmt.Sprint(n), "")}})
	}
}

func (h *house) hears(hints <-chan store.Hint, shard store.Shard) {
	h.Helper()
	for {
		select {
		case hint, open := <-hints:
			if !open {
				h.Fatal("the watch has ended")
			}
			if hint.Shard == shard {
				return
			}
		case <-time.After(10 * time.Second):
			h.Fatalf("no hint of shard %d", shard)
		}
	}
}

// shared: several stores at one place see each other's commits and fences.
func shared(h *house) {
	if !h.place.Shared() {
		h.Skip("one process at a time uses such a place")
	}
	other := h.open()
	heard := other.Watch(h.ctx)
	h.commit(everything(1))
	h.hears(heard, 1)
	first := h.s
	h.s = other
	h.holds(1, true)
	h.commit(&store.Batch{ExpectLeases: []store.ExpectLease{{Shard: 1, Epoch: 1}}, Leases: []store.Lease{lease(1, 2, "n2")}})
	h.s = first
	h.refused(&store.Batch{Fence: &store.Fence{Shard: 1, Epoch: 1}, Docs: []store.Doc{doc("zombie", "", 1)}}, store.ErrFenced)
	h.refused(&store.Batch{ExpectDocs: []store.ExpectDoc{{DocKey: docKey("1")}}}, store.ErrConflict)
}
