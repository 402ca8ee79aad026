package embedded

import (
	"encoding/binary"
	"fmt"

	"github.com/backstep/backstep/internal/store"
)

// Keys stand in the order of their bytes. Each begins with the letter of its
// table:
//
//	m name                                   the store itself
//	d tenant kind name                       documents
//	s sha256                                 definitions
//	x id kind [number]                       executions and their rows
//	n shard tenant machine name              names
//	t shard due id number                    timers of jobs
//	q shard 0 sequence, q shard 1 key        messages; which keys they have
//	a tenant activity at id number           queues of activities
//	i tenant index value start↓ id           indexes
//	l shard                                  leases
//
// A text ends with a NUL, which it can't hold; a number is big-endian, with its
// sign bit turned over where it may be negative, and all bits turned over where
// the order is downward.
const (
	tableMeta       = 'm'
	tableDoc        = 'd'
	tableDefinition = 's'
	tableExecution  = 'x'
	tableName       = 'n'
	tableTimer      = 't'
	tableMessage    = 'q'
	tableQueue      = 'a'
	tableIndex      = 'i'
	tableLease      = 'l'
)

// The kinds of an execution's rows. Those that a turn loads stand first.
const (
	kindStart   = 1
	kindBody    = 2
	kindFrame   = 3
	kindJob     = 4
	kindLoaded  = 32 // the kinds below it are what Load reads
	kindUndo    = 33
	kindEvents  = 34
	kindPayload = 35
)

// The parts of the messages' table.
const (
	partSequence = 0
	partKey      = 1
)

func appendText(k []byte, s string) []byte { return append(append(k, s...), 0) }

func appendShard(k []byte, s store.Shard) []byte { return binary.BigEndian.AppendUint16(k, uint16(s)) }

func appendNumber(k []byte, n uint32) []byte { return binary.BigEndian.AppendUint32(k, n) }

// appendTime appends a number that may be negative.
func appendTime(k []byte, t int64) []byte { return binary.BigEndian.AppendUint64(k, uint64(t)^1<<63) }

func readTime(k []byte) int64 { return int64(binary.BigEndian.Uint64(k) ^ 1<<63) }

func metaKey(k []byte, name string) []byte { return append(append(k, tableMeta), name...) }

func docsPrefix(k []byte, tenant, kind string) []byte {
	return appendText(appendText(append(k, tableDoc), tenant), kind)
}

func docKey(k []byte, d store.DocKey) []byte {
	return appendText(docsPrefix(k, d.Tenant, d.Kind), d.Name)
}

func definitionKey(k []byte, h store.Hash) []byte { return append(append(k, tableDefinition), h[:]...) }

func nameKey(k []byte, n store.NameKey) []byte {
	k = appendShard(append(k, tableName), n.Shard)
	return appendText(appendText(appendText(k, n.Tenant), n.Machine), n.Name)
}

func executionKey(k []byte, id store.ID) []byte { return append(append(k, tableExecution), id[:]...) }

func kindKey(k []byte, id store.ID, kind byte) []byte { return append(executionKey(k, id), kind) }

func rowKey(k []byte, id store.ID, kind byte, number uint32) []byte {
	return appendNumber(kindKey(k, id, kind), number)
}

func eventsKey(k []byte, id store.ID, first int64) []byte {
	return appendTime(kindKey(k, id, kindEvents), first)
}

func timersPrefix(k []byte, shard store.Shard) []byte {
	return appendShard(append(k, tableTimer), shard)
}

func timerKey(k []byte, j store.JobKey, due int64) []byte {
	k = appendTime(timersPrefix(k, j.ID.Shard()), due)
	return appendNumber(append(k, j.ID[:]...), j.Number)
}

func messagesPrefix(k []byte, shard store.Shard, part byte) []byte {
	return append(appendShard(append(k, tableMessage), shard), part)
}

func messageKey(k []byte, shard store.Shard, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(messagesPrefix(k, shard, partSequence), seq)
}

func messageNameKey(k []byte, shard store.Shard, key []byte) []byte {
	return append(messagesPrefix(k, shard, partKey), key...)
}

func queuePrefix(k []byte, tenant, activity string) []byte {
	return appendText(appendText(append(k, tableQueue), tenant), activity)
}

func queueKey(k []byte, q store.QueuedKey) []byte {
	k = appendTime(queuePrefix(k, q.Tenant, q.Activity), q.At)
	return appendNumber(append(k, q.Job.ID[:]...), q.Job.Number)
}

func indexPrefix(k []byte, tenant, index, value string) []byte {
	return appendText(appendText(appendText(append(k, tableIndex), tenant), index), value)
}

func indexKey(k []byte, i store.IndexKey) []byte {
	return append(appendTime(indexPrefix(k, i.Tenant, i.Index, i.Value), ^i.Start), i.ID[:]...)
}

// placeLength is how long what follows the list is in the key of an index's row.
const placeLength = 8 + 16

func leaseKey(k []byte, shard store.Shard) []byte { return appendShard(append(k, tableLease), shard) }

// after is the first key behind all that begin with k; it changes k.
func after(k []byte) []byte {
	for i := len(k) - 1; i >= 0; i-- {
		if k[i]++; k[i] != 0 {
			return k[:i+1]
		}
	}
	return nil
}

// tail is what follows a prefix in a key, which must have that length.
func tail(key []byte, prefix, length int) ([]byte, error) {
	if len(key) != prefix+length {
		return nil, fmt.Errorf("key %x has %d bytes, not %d: %w", key, len(key), prefix+length, store.ErrDamaged)
	}
	return key[prefix:], nil
}

// readJobKey reads the id and number at the end of a key.
func readJobKey(k []byte) store.JobKey {
	return store.JobKey{ID: store.ID(k[:16]), Number: binary.BigEndian.Uint32(k[16:])}
}
