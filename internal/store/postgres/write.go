package postgres

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"

	"github.com/backstep/backstep/internal/store"
)

// A column is one field of all rows.

func integer[T any](field func(*T) int32) func(*array, []T) {
	return func(a *array, rows []T) { integers(a, rows, field) }
}

func bigint[T any](field func(*T) int64) func(*array, []T) {
	return func(a *array, rows []T) { bigints(a, rows, field) }
}

func text[T any](field func(*T) string) func(*array, []T) {
	return func(a *array, rows []T) { textsOf(a, rows, field) }
}

func bytea[T any](field func(*T) []byte) func(*array, []T) {
	return func(a *array, rows []T) { bytesOf(a, rows, field) }
}

func byteaOrNull[T any](field func(*T) []byte) func(*array, []T) {
	return func(a *array, rows []T) { nullable(a, rows, field) }
}

func boolean[T any](field func(*T) bool) func(*array, []T) {
	return func(a *array, rows []T) { booleans(a, rows, field) }
}

// of is the columns of a key within rows.
func of[T, K any](key func(*T) *K, columns ...func(*array, []K)) []func(*array, []T) {
	all := make([]func(*array, []T), len(columns))
	for i, column := range columns {
		all[i] = func(a *array, rows []T) {
			keys := make([]K, len(rows))
			for r := range rows {
				keys[r] = *key(&rows[r])
			}
			column(a, keys)
		}
	}
	return all
}

var (
	docColumns = []func(*array, []store.DocKey){
		text(func(k *store.DocKey) string { return k.Tenant }),
		text(func(k *store.DocKey) string { return k.Kind }),
		text(func(k *store.DocKey) string { return k.Name }),
	}
	nameColumns = []func(*array, []store.NameKey){
		integer(func(k *store.NameKey) int32 { return int32(k.Shard) }),
		text(func(k *store.NameKey) string { return k.Tenant }),
		text(func(k *store.NameKey) string { return k.Machine }),
		text(func(k *store.NameKey) string { return k.Name }),
	}
	jobColumns = []func(*array, []store.JobKey){
		bytea(func(k *store.JobKey) []byte { return k.ID[:] }),
		bigint(func(k *store.JobKey) int64 { return int64(k.Number) }),
	}
	queueColumns = []func(*array, []store.QueuedKey){
		text(func(k *store.QueuedKey) string { return k.Tenant }),
		text(func(k *store.QueuedKey) string { return k.Activity }),
		bigint(func(k *store.QueuedKey) int64 { return k.At }),
		bytea(func(k *store.QueuedKey) []byte { return k.Job.ID[:] }),
		bigint(func(k *store.QueuedKey) int64 { return int64(k.Job.Number) }),
	}
	indexColumns = []func(*array, []store.IndexKey){
		text(func(k *store.IndexKey) string { return k.Tenant }),
		text(func(k *store.IndexKey) string { return k.Index }),
		text(func(k *store.IndexKey) string { return k.Value }),
		bigint(func(k *store.IndexKey) int64 { return k.Start }),
		bytea(func(k *store.IndexKey) []byte { return k.ID[:] }),
	}
)

// expectations are the locks of what may have no row, then all that must hold:
// where it does not, little was done.
func (f *fold) expectations() {
	f.locks()
	var fences []expected[store.Fence]
	for i, w := range f.batches {
		if w.batch.Fence != nil {
			fences = append(fences, expected[store.Fence]{*w.batch.Fence, true, i})
		}
	}
	f.expect(fenceWord, batchesOf(fences), func(i int) string {
		return fmt.Sprintf("shard %d is not at epoch %d", fences[i].key.Shard, fences[i].key.Epoch)
	})
	add(f, expectFences, fences,
		integer(func(e *expected[store.Fence]) int32 { return int32(e.key.Shard) }),
		bigint(func(e *expected[store.Fence]) int64 { return int64(e.key.Epoch) }))
	docs := all(f, func(b *store.Batch) []store.ExpectDoc { return b.ExpectDocs })
	f.expect(docWord, whose(f, func(b *store.Batch) []store.ExpectDoc { return b.ExpectDocs }), func(i int) string {
		return fmt.Sprintf("document %q is not at %d", docs[i].Name, docs[i].Rev)
	})
	add(f, expectDocs, docs, append(of(func(e *store.ExpectDoc) *store.DocKey { return &e.DocKey }, docColumns...),
		bigint(func(e *store.ExpectDoc) int64 { return int64(e.Rev) }))...)
	leases := all(f, func(b *store.Batch) []store.ExpectLease { return b.ExpectLeases })
	f.expect(leaseWord, whose(f, func(b *store.Batch) []store.ExpectLease { return b.ExpectLeases }), func(i int) string {
		return fmt.Sprintf("the lease of shard %d is not at epoch %d, or was renewed", leases[i].Shard, leases[i].Epoch)
	})
	add(f, expectLeases, leases,
		integer(func(e *store.ExpectLease) int32 { return int32(e.Shard) }),
		bigint(func(e *store.ExpectLease) int64 { return int64(e.Epoch) }),
		bigint(func(e *store.ExpectLease) int64 { return e.Expires }))
	f.names()
	f.closings()
}

// locks takes the locks of fences, leases and documents, in one order for all.
func (f *fold) locks() {
	held := map[int64]bool{} // to whether it is shared
	for _, w := range f.batches {
		if b := w.batch; b.Fence != nil {
			held[leaseLock(b.Fence.Shard)] = true
		}
	}
	for _, w := range f.batches {
		alone(held, w.batch)
	}
	add(f, holdKeys, slices.Sorted(maps.Keys(held)),
		bigint(func(k *int64) int64 { return *k }),
		boolean(func(k *int64) bool { return held[*k] }))
}

// alone notes the locks that a batch has for itself.
func alone(held map[int64]bool, b *store.Batch) {
	for i := range b.ExpectLeases {
		held[leaseLock(b.ExpectLeases[i].Shard)] = false
	}
	for i := range b.Leases {
		held[leaseLock(b.Leases[i].Shard)] = false
	}
	for i := range b.ExpectDocs {
		held[docLock(&b.ExpectDocs[i].DocKey)] = false
	}
	for i := range b.Docs {
		held[docLock(&b.Docs[i].DocKey)] = false
	}
	for i := range b.DropDocs {
		held[docLock(&b.DropDocs[i])] = false
	}
}

// lock is the number of a lock: a hash, which may also be another key's.
func lock(parts ...string) int64 {
	h := fnv.New64a()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return int64(h.Sum64())
}

func docLock(k *store.DocKey) int64 { return lock("doc", k.Tenant, k.Kind, k.Name) }

func leaseLock(s store.Shard) int64 {
	return lock("lease", string(binary.BigEndian.AppendUint16(nil, uint16(s))))
}

// names puts names. Those that must be absent are put where they are; a name that
// is expected and not put is put and taken away, so that its key is held.
func (f *fold) names() {
	var taken []expected[store.Name]
	var put []store.Name
	var freed []store.NameKey
	for i, w := range f.batches {
		must := setOf(w.batch.ExpectNames)
		named := make(map[store.NameKey]bool, len(w.batch.Names))
		for _, n := range w.batch.Names {
			named[n.NameKey] = true
			if must(n.NameKey) {
				taken = append(taken, expected[store.Name]{n, true, i})
			} else {
				put = append(put, n)
			}
		}
		for _, k := range w.batch.ExpectNames {
			if !named[k] {
				taken = append(taken, expected[store.Name]{store.Name{NameKey: k}, true, i})
				freed = append(freed, k)
			}
		}
	}
	f.expect(nameWord, batchesOf(taken), func(i int) string { return fmt.Sprintf("name %q is taken", taken[i].key.Name) })
	add(f, takeNames, taken, append(of(func(e *expected[store.Name]) *store.NameKey { return &e.key.NameKey }, nameColumns...),
		bytea(func(e *expected[store.Name]) []byte { return e.key.ID[:] }))...)
	add(f, dropNames, append(freed, all(f, func(b *store.Batch) []store.NameKey { return b.DropNames })...), nameColumns...)
	add(f, putNames, put, append(of(func(n *store.Name) *store.NameKey { return &n.NameKey }, nameColumns...),
		bytea(func(n *store.Name) []byte { return n.ID[:] }))...)
}

// closings drop jobs and tasks of queues, and hold those to be there that are
// expected.
func (f *fold) closings() {
	dropped, kept := parted(f, func(b *store.Batch) []store.JobKey {
		keys := make([]store.JobKey, len(b.DropJobs))
		for i := range b.DropJobs {
			keys[i] = b.DropJobs[i].JobKey
		}
		return keys
	}, func(b *store.Batch) []store.JobKey { return b.ExpectJobs })
	stood := all(f, func(b *store.Batch) []store.Job { return b.ExpectStood })
	f.expect(stoodWord, whose(f, func(b *store.Batch) []store.Job { return b.ExpectStood }), func(i int) string {
		return fmt.Sprintf("job %v/%d is gone or was moved", stood[i].ID, stood[i].Number)
	})
	add(f, keepStood, stood, append(of(func(j *store.Job) *store.JobKey { return &j.JobKey }, jobColumns...),
		bigint(func(j *store.Job) int64 { return j.Due }),
		bytea(func(j *store.Job) []byte { return j.Body }))...)
	closing(f, dropped, kept, jobWord, keptWord, closeJobs, keepJobs, jobColumns,
		func(k *store.JobKey) string { return fmt.Sprintf("job %v/%d is gone", k.ID, k.Number) })
	taken, waits := parted(f, func(b *store.Batch) []store.QueuedKey { return b.DropQueue }, func(b *store.Batch) []store.QueuedKey { return b.ExpectQueued })
	closing(f, taken, waits, taskWord, waitingWord, takeQueued, keepQueued, queueColumns,
		func(k *store.QueuedKey) string {
			return fmt.Sprintf("task %v/%d is no longer queued", k.Job.ID, k.Job.Number)
		})
}

func closing[K any](f *fold, dropped, kept []expected[K], droppedWord, keptWord string, drop, keep *statement, columns []func(*array, []K), says func(*K) string) {
	keys := of(func(e *expected[K]) *K { return &e.key }, columns...)
	f.expect(keptWord, batchesOf(kept), func(i int) string { return says(&kept[i].key) })
	add(f, keep, kept, keys...)
	f.expect(droppedWord, batchesOf(dropped), func(i int) string { return says(&dropped[i].key) })
	add(f, drop, dropped, append(keys, boolean(func(e *expected[K]) bool { return e.must }))...)
}

func (f *fold) documents() {
	add(f, dropDocs, all(f, func(b *store.Batch) []store.DocKey { return b.DropDocs }), docColumns...)
	add(f, putDocs, all(f, func(b *store.Batch) []store.Doc { return b.Docs }),
		append(of(func(d *store.Doc) *store.DocKey { return &d.DocKey }, docColumns...),
			bigint(func(d *store.Doc) int64 { return int64(d.Rev) }),
			bytea(func(d *store.Doc) []byte { return d.Body }))...)
	add(f, putDefinitions, all(f, func(b *store.Batch) []store.Definition { return b.Definitions }),
		bytea(func(d *store.Definition) []byte { return d.Hash[:] }),
		bytea(func(d *store.Definition) []byte { return d.Body }))
}

func (f *fold) executions() {
	gone := all(f, func(b *store.Batch) []store.ID { return b.DropExecutions })
	for _, st := range dropExecutions {
		add(f, st, gone, bytea(func(x *store.ID) []byte { return x[:] }))
	}
	add(f, putExecutions, all(f, func(b *store.Batch) []store.Execution { return b.Executions }),
		bytea(func(e *store.Execution) []byte { return e.ID[:] }),
		byteaOrNull(func(e *store.Execution) []byte { return e.Start }),
		bytea(func(e *store.Execution) []byte { return e.Body }))
	add(f, dropFrames, all(f, func(b *store.Batch) []store.FrameKey { return b.DropFrames }),
		bytea(func(k *store.FrameKey) []byte { return k.ID[:] }),
		bigint(func(k *store.FrameKey) int64 { return int64(k.Number) }))
	add(f, putFrames, all(f, func(b *store.Batch) []store.Frame { return b.Frames }),
		bytea(func(r *store.Frame) []byte { return r.ID[:] }),
		bigint(func(r *store.Frame) int64 { return int64(r.Number) }),
		bytea(func(r *store.Frame) []byte { return r.Body }))
	add(f, dropUndos, all(f, func(b *store.Batch) []store.UndoKey { return b.DropUndos }),
		bytea(func(k *store.UndoKey) []byte { return k.ID[:] }),
		bigint(func(k *store.UndoKey) int64 { return int64(k.Number) }))
	add(f, putUndos, all(f, func(b *store.Batch) []store.Undo { return b.Undos }),
		bytea(func(r *store.Undo) []byte { return r.ID[:] }),
		bigint(func(r *store.Undo) int64 { return int64(r.Number) }),
		bytea(func(r *store.Undo) []byte { return r.Body }))
	events, payloads := addEvents, addPayloads
	if f.rewrites {
		events, payloads = putEvents, putPayloads
	}
	add(f, events, all(f, func(b *store.Batch) []store.Events { return b.Events }),
		bytea(func(r *store.Events) []byte { return r.ID[:] }),
		bigint(func(r *store.Events) int64 { return r.First }),
		bytea(func(r *store.Events) []byte { return r.Body }))
	add(f, payloads, all(f, func(b *store.Batch) []store.Payload { return b.Payloads }),
		bytea(func(r *store.Payload) []byte { return r.ID[:] }),
		bigint(func(r *store.Payload) int64 { return int64(r.Number) }),
		bytea(func(r *store.Payload) []byte { return r.Body }))
	// Jobs are their own timers here, so that those moved need nothing.
	add(f, putJobs, all(f, func(b *store.Batch) []store.Job { return b.Jobs }),
		bytea(func(j *store.Job) []byte { return j.ID[:] }),
		bigint(func(j *store.Job) int64 { return int64(j.Number) }),
		integer(func(j *store.Job) int32 { return int32(j.ID.Shard()) }),
		bigint(func(j *store.Job) int64 { return j.Due }),
		bytea(func(j *store.Job) []byte { return j.Body }))
}

func (f *fold) lists() {
	add(f, putQueue, all(f, func(b *store.Batch) []store.Queued { return b.Queue }),
		append(of(func(q *store.Queued) *store.QueuedKey { return &q.QueuedKey }, queueColumns...),
			bytea(func(q *store.Queued) []byte { return q.Body }))...)
	add(f, dropIndex, all(f, func(b *store.Batch) []store.IndexKey { return b.DropIndex }), indexColumns...)
	add(f, putIndex, all(f, func(b *store.Batch) []store.Index { return b.Index }),
		append(of(func(i *store.Index) *store.IndexKey { return &i.IndexKey }, indexColumns...),
			bytea(func(i *store.Index) []byte { return i.Body }))...)
	add(f, putLeases, all(f, func(b *store.Batch) []store.Lease { return b.Leases }),
		integer(func(l *store.Lease) int32 { return int32(l.Shard) }),
		bigint(func(l *store.Lease) int64 { return int64(l.Epoch) }),
		text(func(l *store.Lease) string { return l.Node }),
		bigint(func(l *store.Lease) int64 { return l.Expires }),
		bytea(func(l *store.Lease) []byte { return l.Body }))
}

// messages are numbered in the order of their batches.
func (f *fold) messages() {
	add(f, dropMessages, all(f, func(b *store.Batch) []store.MessageKey { return b.DropMessages }),
		integer(func(k *store.MessageKey) int32 { return int32(k.Shard) }),
		bigint(func(k *store.MessageKey) int64 { return int64(k.Seq) }))
	messages := all(f, func(b *store.Batch) []store.Message { return b.Messages })
	add(f, putMessages, messages,
		integer(func(m *store.Message) int32 { return int32(m.Shard) }),
		bytea(func(m *store.Message) []byte { return m.Key }),
		bytea(func(m *store.Message) []byte { return m.Body }))
	shards := make([]store.Shard, len(messages))
	for i := range messages {
		shards[i] = messages[i].Shard
	}
	slices.SortFunc(shards, cmp.Compare[store.Shard])
	add(f, notify, slices.Compact(shards),
		text(func(*store.Shard) string { return f.channel }),
		integer(func(s *store.Shard) int32 { return int32(*s) }))
}
