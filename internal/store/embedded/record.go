package embedded

import (
	"encoding/binary"
	"fmt"

	"github.com/backstep/backstep/internal/store"
)

// Every value begins with the number of its encoding; what follows is, in
// encoding 1:
//
//	documents     rev (uvarint), body
//	names         id (16)
//	jobs          due (8), body
//	messages      length of key (1), key, body
//	which keys    sequence (8)
//	leases        epoch (8), expires (8), length of node (uvarint), node, body
//	timers        nothing
//	all others    body
const encoding = 1

// record takes the number of the encoding off a value that was read.
func record(key, value []byte) ([]byte, error) {
	if len(value) == 0 || value[0] != encoding {
		return nil, fmt.Errorf("record %x begins with %x: %w", key, value[:min(len(value), 8)], store.ErrDamaged)
	}
	return value[1:], nil
}

// cut takes n bytes off a record.
func cut(rest []byte, n int) (head, tail []byte, err error) {
	if n < 0 || len(rest) < n {
		return nil, nil, fmt.Errorf("a record of %d bytes lacks %d: %w", len(rest), n, store.ErrDamaged)
	}
	return rest[:n:n], rest[n:], nil
}

func cutUvarint(rest []byte) (uint64, []byte, error) {
	v, n := binary.Uvarint(rest)
	if n <= 0 {
		return 0, nil, fmt.Errorf("a record of %d bytes has no number: %w", len(rest), store.ErrDamaged)
	}
	return v, rest[n:], nil
}

func cutUint64(rest []byte) (uint64, []byte, error) {
	head, rest, err := cut(rest, 8)
	if err != nil {
		return 0, nil, err
	}
	return binary.BigEndian.Uint64(head), rest, nil
}

func appendDoc(v []byte, d *store.Doc) []byte { return binary.AppendUvarint(v, d.Rev) }

func readDoc(k store.DocKey, rec []byte) (store.Doc, error) {
	rev, body, err := cutUvarint(rec)
	return store.Doc{DocKey: k, Rev: rev, Body: body}, err
}

func readName(rec []byte) (store.ID, error) {
	id, _, err := cut(rec, 16)
	if err != nil {
		return store.ID{}, err
	}
	return store.ID(id), nil
}

func readJob(k store.JobKey, rec []byte) (store.Job, error) {
	due, body, err := cutUint64(rec)
	return store.Job{JobKey: k, Due: int64(due), Body: body}, err
}

func readMessage(shard store.Shard, seq uint64, rec []byte) (store.Message, error) {
	length, rec, err := cut(rec, 1)
	if err != nil {
		return store.Message{}, err
	}
	key, body, err := cut(rec, int(length[0]))
	return store.Message{Shard: shard, Seq: seq, Key: key, Body: body}, err
}

func appendLease(v []byte, l *store.Lease) []byte {
	v = binary.BigEndian.AppendUint64(v, l.Epoch)
	v = binary.BigEndian.AppendUint64(v, uint64(l.Expires))
	return append(binary.AppendUvarint(v, uint64(len(l.Node))), l.Node...)
}

func readLease(shard store.Shard, rec []byte) (store.Lease, error) {
	epoch, rec, err := cutUint64(rec)
	if err != nil {
		return store.Lease{}, err
	}
	expires, rec, err := cutUint64(rec)
	if err != nil {
		return store.Lease{}, err
	}
	length, rec, err := cutUvarint(rec)
	if err != nil || length > store.MaxText {
		return store.Lease{}, fmt.Errorf("lease %d: %w", shard, store.ErrDamaged)
	}
	node, body, err := cut(rec, int(length))
	return store.Lease{Shard: shard, Epoch: epoch, Node: string(node), Expires: int64(expires), Body: body}, err
}
