package store

import (
	"encoding/base32"
	"encoding/binary"
	"fmt"
)

// ID names an execution, a map run or a lock: shard (2 bytes), start in UTC
// milliseconds (6), chance (8). Byte order is the order of shard, then time.
type ID [16]byte

var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewID puts an id together.
func NewID(shard Shard, start int64, chance [8]byte) ID {
	var id ID
	binary.BigEndian.PutUint64(id[:8], uint64(shard)<<48|uint64(start)&(1<<48-1))
	copy(id[8:], chance[:])
	return id
}

// ParseID reads what String wrote.
func ParseID(s string) (ID, error) {
	var id ID
	b, err := base32Lower.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return id, fmt.Errorf("%q is no id: 26 characters a-z, 2-7", s)
	}
	copy(id[:], b)
	if id.String() != s { // every id has one text
		return ID{}, fmt.Errorf("%q is no id: it is written %v", s, id)
	}
	return id, nil
}

// String is the id in 26 characters of lower-case base 32.
func (id ID) String() string { return base32Lower.EncodeToString(id[:]) }

// Shard is the share that the id belongs to.
func (id ID) Shard() Shard { return Shard(binary.BigEndian.Uint16(id[:2])) }

// Start is the time in the id, in UTC milliseconds.
func (id ID) Start() int64 { return int64(binary.BigEndian.Uint64(id[:8]) & (1<<48 - 1)) }

// IsZero reports whether id is no id.
func (id ID) IsZero() bool { return id == ID{} }

// Shard is a share of all executions, owned by one node at a time.
type Shard uint16

// Hash is a SHA-256.
type Hash [32]byte

// Identity is what a store was given when it was made.
type Identity struct {
	Format       uint32 // number of the store's format
	Store        ID     // chance: which store this is
	Shards       uint16 // over how many shards names are spread; fixed for life
	TokenKey     []byte // 32 bytes of chance: the key of task tokens
	RestoreEpoch uint32 // raised whenever the store was restored from a backup
}

// Doc is a document with a name: a state machine, a version, an alias, an
// activity.
type Doc struct {
	DocKey
	Rev  uint64 // the writer's count of changes, above 0; see ExpectDoc
	Body []byte
}

// DocKey names a document.
type DocKey struct{ Tenant, Kind, Name string }

// Definition is the text of a state machine under its SHA-256, kept once.
type Definition struct {
	Hash Hash
	Body []byte
}

// Name says which execution of a machine has a name. Its shard is the
// execution's.
type Name struct {
	NameKey
	ID ID
}

// NameKey is an execution's name within its machine.
type NameKey struct {
	Shard                 Shard
	Tenant, Machine, Name string
}

// Execution is one execution's own row: Start is written once, Body with every
// turn.
type Execution struct {
	ID    ID
	Start []byte // in a Batch: nil leaves what is there
	Body  []byte
}

// Frame is a row of an execution: one branch, item or scope that is under way.
type Frame struct {
	ID     ID
	Number uint32
	Body   []byte
}

// Undo is a row of an execution: one owed compensation.
type Undo struct {
	ID     ID
	Number uint32
	Body   []byte
}

// Events is a row of an execution: the events of one commit.
type Events struct {
	ID    ID
	First int64 // number of the first of them; they follow without a gap
	Body  []byte
}

// Payload is a row of an execution: one JSON text.
type Payload struct {
	ID     ID
	Number uint32
	Body   []byte
}

// Job is a row of an execution, and a row of its shard's timers: what the
// outside must do, and when the engine must look at it again at the latest.
type Job struct {
	JobKey
	Due  int64 // UTC milliseconds; [Never] for a job that nothing wakes
	Body []byte
}

// Never is the due time of a job that has none.
const Never int64 = 1<<63 - 1

// JobKey names a job.
type JobKey struct {
	ID     ID
	Number uint32
}

// Message is what another node left for the owner of a shard. Of one Key in
// one shard there is at most one message: putting it again changes nothing.
type Message struct {
	Shard Shard
	Seq   uint64 // given by the store, rising within the shard
	Key   []byte // the message's own name, at most 64 bytes
	Body  []byte
}

// Queued is one task that waits for a worker of its activity.
type Queued struct {
	QueuedKey
	Body []byte
}

// QueuedKey names a waiting task; tasks of one activity are in the order of At,
// then of the job.
type QueuedKey struct {
	Tenant, Activity string
	At               int64 // UTC milliseconds
	Job              JobKey
}

// Index is one row of a list: under index and value, newest start first.
type Index struct {
	IndexKey
	Body []byte
}

// IndexKey names a row of an index.
type IndexKey struct {
	Tenant, Index, Value string
	Start                int64 // UTC milliseconds
	ID                   ID
}

// IndexQuery asks for a page of an index.
type IndexQuery struct {
	Tenant, Index, Value string
	After                *IndexKey // the last row of the page before; its Start and ID count
	Limit                int
}

// Lease is a node's right to one shard. Epoch rises with every change of hands.
type Lease struct {
	Shard   Shard
	Epoch   uint64
	Node    string
	Expires int64 // UTC milliseconds by the store's clock; the holder judges by its own monotonic one
	Body    []byte
}

// RestoredEpochs is what the epochs of all leases are raised by when a store is restored
// from a backup: no node of before has one that high.
const RestoredEpochs = 1 << 32

// Loaded is all that a turn needs of one execution, as of one moment.
type Loaded struct {
	Execution Execution
	Frames    []Frame // by number
	Jobs      []Job   // by number
}

// Hint says: look at this shard again.
type Hint struct{ Shard Shard }
