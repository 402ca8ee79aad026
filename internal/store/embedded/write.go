package embedded

import (
	"encoding/binary"
	"hash/maphash"
	"sync"

	"github.com/backstep/backstep/internal/store"
	"github.com/cockroachdb/pebble/v2"
)

// write is a batch on its way into Pebble's encoding.
type write struct {
	batch   *pebble.Batch
	seed    maphash.Seed
	heavy   *heavy
	key     []byte   // the key at hand
	head    []byte   // the head of the record at hand
	stripes []uint32 // of the rows that others may expect
	err     error
}

// writes keeps their memory between commits.
var writes = sync.Pool{New: func() any { return new(write) }}

func (s *Store) newWrite() *write {
	w := writes.Get().(*write)
	w.batch, w.seed, w.heavy, w.stripes, w.err = s.db.NewBatch(), s.stripes.seed, &s.heavy, w.stripes[:0], nil
	w.putDurable(s.horizon.before())
	return w
}

// end gives the memory back. A batch whose commit went wrong is still Pebble's.
func (w *write) end(failed bool) {
	if !failed {
		w.batch.Close()
	}
	w.batch = nil
	writes.Put(w)
}

// put writes a record under the key at hand: encoding, head, body.
func (w *write) put(body []byte) {
	op := w.batch.SetDeferred(len(w.key), 1+len(w.head)+len(body))
	copy(op.Key, w.key)
	op.Value[0] = encoding
	copy(op.Value[1:], w.head)
	copy(op.Value[1+len(w.head):], body)
	w.fail(op.Finish())
	w.head = w.head[:0]
}

// drop deletes the key at hand.
func (w *write) drop() {
	op := w.batch.DeleteDeferred(len(w.key))
	copy(op.Key, w.key)
	w.fail(op.Finish())
}

func (w *write) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// guard names the stripe of the key at hand: who expects the row and who
// changes it exclude one another.
func (w *write) guard() {
	w.stripes = append(w.stripes, uint32(maphash.Bytes(w.seed, w.key)%stripeCount))
}

// encode writes all that can be written blindly, and collects the stripes.
// Messages wait until their stripes are held. An execution's rows come in the
// order of their keys, and then what lies elsewhere: Pebble finds a place from
// the one before.
func (w *write) encode(b *store.Batch) {
	w.expected(b)
	w.documents(b)
	w.executions(b)
	w.jobs(b)
	w.past(b)
	w.timers(b)
	w.lists(b)
}

func (w *write) expected(b *store.Batch) {
	for i := range b.ExpectDocs {
		w.key = docKey(w.key[:0], b.ExpectDocs[i].DocKey)
		w.guard()
	}
	for i := range b.ExpectNames {
		w.key = nameKey(w.key[:0], b.ExpectNames[i])
		w.guard()
	}
	for _, k := range b.ExpectJobs {
		w.key = rowKey(w.key[:0], k.ID, kindJob, k.Number)
		w.guard()
	}
	for i := range b.ExpectStood {
		w.key = rowKey(w.key[:0], b.ExpectStood[i].ID, kindJob, b.ExpectStood[i].Number)
		w.guard()
	}
	for i := range b.ExpectQueued {
		w.key = queueKey(w.key[:0], b.ExpectQueued[i])
		w.guard()
	}
	for i := range b.Messages {
		w.key = messageNameKey(w.key[:0], b.Messages[i].Shard, b.Messages[i].Key)
		w.guard()
	}
	for i := range b.DropMessages {
		w.key = messageNameKey(w.key[:0], b.DropMessages[i].Shard, b.DropMessages[i].Key)
		w.guard()
	}
}

func (w *write) documents(b *store.Batch) {
	for i := range b.DropDocs {
		w.key = docKey(w.key[:0], b.DropDocs[i])
		w.guard()
		w.drop()
	}
	for i := range b.Docs {
		w.key = docKey(w.key[:0], b.Docs[i].DocKey)
		w.guard()
		w.head = appendDoc(w.head[:0], &b.Docs[i])
		w.put(b.Docs[i].Body)
	}
	for i := range b.Definitions {
		w.key = definitionKey(w.key[:0], b.Definitions[i].Hash)
		w.put(b.Definitions[i].Body)
	}
	for i := range b.DropNames {
		w.key = nameKey(w.key[:0], b.DropNames[i])
		w.guard()
		w.drop()
	}
	for i := range b.Names {
		w.key = nameKey(w.key[:0], b.Names[i].NameKey)
		w.guard()
		w.put(b.Names[i].ID[:])
	}
}

func (w *write) executions(b *store.Batch) {
	if !onlyDrops(b) {
		for _, id := range b.DropExecutions {
			w.dropExecutions(id, id)
		}
	}
	for i := range b.Executions {
		e := &b.Executions[i]
		if e.Start != nil {
			w.key = kindKey(w.key[:0], e.ID, kindStart)
			w.put(e.Start)
		}
		w.key = kindKey(w.key[:0], e.ID, kindBody)
		w.put(e.Body)
	}
	for _, k := range b.DropFrames {
		w.key = rowKey(w.key[:0], k.ID, kindFrame, k.Number)
		w.drop()
	}
	for i := range b.Frames {
		w.key = rowKey(w.key[:0], b.Frames[i].ID, kindFrame, b.Frames[i].Number)
		w.put(b.Frames[i].Body)
	}
}

// jobs writes each job beside its execution, timers writes it among its shard's.
func (w *write) jobs(b *store.Batch) {
	for i := range b.DropJobs {
		w.key = rowKey(w.key[:0], b.DropJobs[i].ID, kindJob, b.DropJobs[i].Number)
		w.guard()
		w.drop()
	}
	for i := range b.Jobs {
		j := &b.Jobs[i]
		w.key = rowKey(w.key[:0], j.ID, kindJob, j.Number)
		w.guard()
		w.head = binary.BigEndian.AppendUint64(w.head[:0], uint64(j.Due))
		w.put(j.Body)
	}
}

// past writes what an execution only adds to.
func (w *write) past(b *store.Batch) {
	for _, k := range b.DropUndos {
		w.key = rowKey(w.key[:0], k.ID, kindUndo, k.Number)
		w.drop()
	}
	for i := range b.Undos {
		w.key = rowKey(w.key[:0], b.Undos[i].ID, kindUndo, b.Undos[i].Number)
		w.put(b.Undos[i].Body)
	}
	for i := range b.Events {
		w.key = eventsKey(w.key[:0], b.Events[i].ID, b.Events[i].First)
		w.put(b.Events[i].Body)
	}
	for i := range b.Payloads {
		w.key = rowKey(w.key[:0], b.Payloads[i].ID, kindPayload, b.Payloads[i].Number)
		w.put(b.Payloads[i].Body)
	}
}

func (w *write) timers(b *store.Batch) {
	for i := range b.DropJobs {
		w.key = timerKey(w.key[:0], b.DropJobs[i].JobKey, b.DropJobs[i].Due)
		w.drop()
	}
	for i := range b.MovedJobs {
		w.key = timerKey(w.key[:0], b.MovedJobs[i].JobKey, b.MovedJobs[i].Due)
		w.drop()
	}
	for i := range b.Jobs {
		w.key = timerKey(w.key[:0], b.Jobs[i].JobKey, b.Jobs[i].Due)
		w.put(nil)
	}
}

func (w *write) lists(b *store.Batch) {
	for i := range b.DropQueue {
		w.key = queueKey(w.key[:0], b.DropQueue[i])
		w.guard()
		w.drop()
	}
	for i := range b.Queue {
		w.key = queueKey(w.key[:0], b.Queue[i].QueuedKey)
		w.guard()
		w.put(b.Queue[i].Body)
	}
	for i := range b.DropIndex {
		w.key = indexKey(w.key[:0], b.DropIndex[i])
		w.drop()
	}
	for i := range b.Index {
		w.key = indexKey(w.key[:0], b.Index[i].IndexKey)
		w.heavy.note(w.key)
		w.put(b.Index[i].Body)
	}
	for i := range b.Leases {
		w.key = leaseKey(w.key[:0], b.Leases[i].Shard)
		w.head = appendLease(w.head[:0], &b.Leases[i])
		w.put(b.Leases[i].Body)
	}
}
