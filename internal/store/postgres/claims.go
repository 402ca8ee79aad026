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
	c.lists(b)
	for i := range b.ExpectDocs {
		c.add(key(b.ExpectDocs[i].DocKey))
	}
	for i := range b.Docs {
		c.add(key(b.Docs[i].DocKey))
	}
	for i := range b.DropDocs {
		c.add(key(b.DropDocs[i]))
	}
	for i := range b.ExpectNames {
		c.add(key(b.ExpectNames[i]))
	}
	for i := range b.Names {
		c.add(key(b.Names[i].NameKey))
	}
	for i := range b.DropNames {
		c.add(key(b.DropNames[i]))
	}
	for i := range b.ExpectLeases {
		c.add(key(shardKey(b.ExpectLeases[i].Shard)))
	}
	for i := range b.Leases {
		c.add(key(shardKey(b.Leases[i].Shard)))
	}
	return c
}

func (c *claims) executions(b *store.Batch) {
	for i := range b.Executions {
		c.id(&b.Executions[i].ID)
	}
	for i := range b.DropExecutions {
		c.id(&b.DropExecutions[i])
	}
	for i := range b.Frames {
		c.id(&b.Frames[i].ID)
	}
	for i := range b.DropFrames {
		c.id(&b.DropFrames[i].ID)
	}
	for i := range b.Undos {
		c.id(&b.Undos[i].ID)
	}
	for i := range b.DropUndos {
		c.id(&b.DropUndos[i].ID)
	}
	for i := range b.Events {
		c.id(&b.Events[i].ID)
	}
	for i := range b.Payloads {
		c.id(&b.Payloads[i].ID)
	}
	for i := range b.ExpectJobs {
		c.id(&b.ExpectJobs[i].ID)
	}
	for i := range b.ExpectStood {
		c.id(&b.ExpectStood[i].ID)
	}
	for i := range b.Jobs {
		c.id(&b.Jobs[i].ID)
	}
	for i := range b.DropJobs {
		c.id(&b.DropJobs[i].ID)
	}
}

func (c *claims) lists(b *store.Batch) {
	for i := range b.ExpectQueued {
		c.id(&b.ExpectQueued[i].Job.ID)
	}
	for i := range b.Queue {
		c.id(&b.Queue[i].Job.ID)
	}
	for i := range b.DropQueue {
		c.id(&b.DropQueue[i].Job.ID)
	}
	for i := range b.Index {
		c.id(&b.Index[i].ID)
	}
	for i := range b.DropIndex {
		c.id(&b.DropIndex[i].ID)
	}
	for i := range b.Messages {
		c.add(key(messageName{b.Messages[i].Shard, string(b.Messages[i].Key)}))
	}
	for i := range b.DropMessages {
		c.add(key(messageName{b.DropMessages[i].Shard, string(b.DropMessages[i].Key)}))
	}
}

// id adds an execution's key; an id has chance in it.
func (c *claims) id(x *store.ID) {
	c.add(binary.LittleEndian.Uint64(x[8:]) ^ binary.BigEndian.Uint64(x[:8])*0x9e3779b97f4a7c15)
}

func (c *claims) add(k uint64) {
	if n := len(c.own); n == 0 || c.own[n-1] != k {
		c.own = append(c.own, k)
	}
}
