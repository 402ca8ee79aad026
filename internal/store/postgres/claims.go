package postgres

import (
	"encoding/binary"
	"hash/maphash"

	"github.com/backstep/backstep/internal/store"
)

// claims are the keys that a batch expects or changes, as hashes: two batches
// with a key in common are never under way at once, so that each is as if one
// came after the other. That two keys have the same hash does no harm.
type claims struct {
	own    []uint64
	shared []uint64 // expected only, by many at once
}

var hashSeed = maphash.MakeSeed()

// shardKey and messageName are keys that are no type of the store's.
type shardKey store.Shard

type messageName struct {
	shard store.Shard
	key   string
}

func key[K comparable](k K) uint64 { return maphash.Comparable(hashSeed, k) }

// claimsOf are a batch's keys. All rows of an execution, its jobs, its tasks in
// queues and its places in lists have one: the execution's.
func claimsOf(b *store.Batch) claims {
	var c claims
	if b.Fence != nil {
		c.shared = append(c.shared, key(shardKey(b.Fence.Shard)))
	}
	c.executions(b)
	claim(&c, b.Messages, func(r *store.Message) uint64 { return key(messageName{r.Shard, string(r.Key)}) })
	claim(&c, b.DropMessages, func(r *store.MessageKey) uint64 { return key(messageName{r.Shard, string(r.Key)}) })
	claim(&c, b.ExpectDocs, func(r *store.ExpectDoc) uint64 { return key(r.DocKey) })
	claim(&c, b.Docs, func(r *store.Doc) uint64 { return key(r.DocKey) })
	claim(&c, b.DropDocs, func(r *store.DocKey) uint64 { return key(*r) })
	claim(&c, b.ExpectNames, func(r *store.NameKey) uint64 { return key(*r) })
	claim(&c, b.Names, func(r *store.Name) uint64 { return key(r.NameKey) })
	claim(&c, b.DropNames, func(r *store.NameKey) uint64 { return key(*r) })
	claim(&c, b.ExpectLeases, func(r *store.ExpectLease) uint64 { return key(shardKey(r.Shard)) })
	claim(&c, b.Leases, func(r *store.Lease) uint64 { return key(shardKey(r.Shard)) })
	return c
}

func (c *claims) executions(b *store.Batch) {
	claim(c, b.Executions, func(r *store.Execution) uint64 { return idKey(&r.ID) })
	claim(c, b.DropExecutions, idKey)
	claim(c, b.Frames, func(r *store.Frame) uint64 { return idKey(&r.ID) })
	claim(c, b.DropFrames, func(r *store.FrameKey) uint64 { return idKey(&r.ID) })
	claim(c, b.Undos, func(r *store.Undo) uint64 { return idKey(&r.ID) })
	claim(c, b.DropUndos, func(r *store.UndoKey) uint64 { return idKey(&r.ID) })
	claim(c, b.Events, func(r *store.Events) uint64 { return idKey(&r.ID) })
	claim(c, b.Payloads, func(r *store.Payload) uint64 { return idKey(&r.ID) })
	claim(c, b.ExpectJobs, func(r *store.JobKey) uint64 { return idKey(&r.ID) })
	claim(c, b.ExpectStood, func(r *store.Job) uint64 { return idKey(&r.ID) })
	claim(c, b.Jobs, func(r *store.Job) uint64 { return idKey(&r.ID) })
	claim(c, b.DropJobs, func(r *store.Job) uint64 { return idKey(&r.ID) })
	claim(c, b.ExpectQueued, func(r *store.QueuedKey) uint64 { return idKey(&r.Job.ID) })
	claim(c, b.Queue, func(r *store.Queued) uint64 { return idKey(&r.Job.ID) })
	claim(c, b.DropQueue, func(r *store.QueuedKey) uint64 { return idKey(&r.Job.ID) })
	claim(c, b.Index, func(r *store.Index) uint64 { return idKey(&r.ID) })
	claim(c, b.DropIndex, func(r *store.IndexKey) uint64 { return idKey(&r.ID) })
}

// idKey is an execution's key; an id has chance in it.
func idKey(x *store.ID) uint64 {
	return binary.LittleEndian.Uint64(x[8:]) ^ binary.BigEndian.Uint64(x[:8])*0x9e3779b97f4a7c15
}

// claim adds the keys of rows.
func claim[R any](c *claims, rows []R, key func(*R) uint64) {
	for i := range rows {
		c.add(key(&rows[i]))
	}
}

func (c *claims) add(k uint64) {
	if n := len(c.own); n == 0 || c.own[n-1] != k {
		c.own = append(c.own, k)
	}
}
