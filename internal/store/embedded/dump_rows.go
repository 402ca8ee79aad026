package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/backstep/backstep/internal/store"
	"github.com/cockroachdb/pebble/v2"
)

// texts are the texts that stand in a key behind so many bytes, and what comes
// after them.
func texts(key []byte, behind int, into ...*string) (rest []byte, err error) {
	if len(key) < behind {
		return nil, damagedKey(key)
	}
	rest = key[behind:]
	for _, to := range into {
		end := bytes.IndexByte(rest, 0)
		if end < 0 {
			return nil, damagedKey(key)
		}
		*to, rest = string(rest[:end]), rest[end+1:]
	}
	return rest, nil
}

// exactly holds what is left of a key to a length.
func exactly(key, rest []byte, length int, err error) error {
	if err == nil && len(rest) != length {
		err = damagedKey(key)
	}
	return err
}

func (d *dump) doc(key, rec []byte) error {
	var k store.DocKey
	rest, err := texts(key, 1, &k.Tenant, &k.Kind, &k.Name)
	if err := exactly(key, rest, 0, err); err != nil {
		return err
	}
	doc, err := readDoc(k, rec)
	if err != nil {
		return err
	}
	d.pages.Docs = append(d.pages.Docs, doc)
	return d.pages.Added(len(doc.Body))
}

func (d *dump) definition(key, rec []byte) error {
	if err := exactly(key, key[1:], len(store.Hash{}), nil); err != nil {
		return err
	}
	d.pages.Definitions = append(d.pages.Definitions, store.Definition{Hash: store.Hash(key[1:]), Body: rec})
	return d.pages.Added(len(rec))
}

func (d *dump) name(key, rec []byte) error {
	var k store.NameKey
	rest, err := texts(key, 3, &k.Tenant, &k.Machine, &k.Name)
	if err := exactly(key, rest, 0, err); err != nil {
		return err
	}
	k.Shard = store.Shard(binary.BigEndian.Uint16(key[1:]))
	id, err := readName(rec)
	if err != nil {
		return err
	}
	d.pages.Names = append(d.pages.Names, store.Name{NameKey: k, ID: id})
	return d.pages.Added(0)
}

// execution takes one of an execution's rows. Its start stands before its body, so
// it waits for that.
func (d *dump) execution(key, rec []byte) error {
	if len(key) < 18 {
		return damagedKey(key)
	}
	p, id := &d.pages, store.ID(key[1:17])
	if key[17] != kindBody || id != d.startOf {
		if err := d.loneStart(); err != nil {
			return err
		}
	}
	switch key[17] {
	case kindStart:
		if err := exactly(key, key[18:], 0, nil); err != nil {
			return err
		}
		d.start, d.startOf = rec, id
		return nil
	case kindBody:
		if err := exactly(key, key[18:], 0, nil); err != nil {
			return err
		}
		x := store.Execution{ID: id, Body: rec}
		x.Start, d.start = d.start, nil
		p.Executions = append(p.Executions, x)
		return p.Added(len(x.Start) + len(rec))
	case kindEvents:
		first, err := tail(key, 18, 8)
		if err != nil {
			return err
		}
		p.Events = append(p.Events, store.Events{ID: id, First: readTime(first), Body: rec})
		return p.Added(len(rec))
	}
	number, err := rowNumber(key)
	if err != nil {
		return err
	}
	switch key[17] {
	case kindFrame:
		p.Frames = append(p.Frames, store.Frame{ID: id, Number: number, Body: rec})
	case kindJob:
		return d.job(store.JobKey{ID: id, Number: number}, rec)
	case kindUndo:
		p.Undos = append(p.Undos, store.Undo{ID: id, Number: number, Body: rec})
	case kindPayload:
		p.Payloads = append(p.Payloads, store.Payload{ID: id, Number: number, Body: rec})
	default:
		return damagedKey(key)
	}
	return p.Added(len(rec))
}

// loneStart tells of a start behind which the body did not come.
func (d *dump) loneStart() error {
	if d.start == nil {
		return nil
	}
	d.start = nil
	return d.tell(fmt.Errorf("execution %v has a start and no row: %w", d.startOf, store.ErrDamaged))
}

func (d *dump) job(k store.JobKey, rec []byte) error {
	j, err := readJob(k, rec)
	if err != nil {
		return err
	}
	there, err := d.there(timerKey(nil, k, j.Due))
	if err == nil && !there {
		err = d.tell(fmt.Errorf("job %d of %v: its timer is gone: %w", k.Number, k.ID, store.ErrDamaged))
	}
	if err != nil {
		return err
	}
	d.pages.Jobs = append(d.pages.Jobs, j)
	return d.pages.Added(len(j.Body))
}

func (d *dump) there(key []byte) (bool, error) {
	_, closer, err := d.moment.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, unreadable("the record", key, err)
	}
	return true, closer.Close()
}

// timer holds a timer to its job.
func (d *dump) timer(key, _ []byte) error {
	k, err := tail(key, 3, 28)
	if err != nil {
		return err
	}
	name := readJobKey(k[8:])
	j, err := readRow(d.moment, rowKey(nil, name.ID, kindJob, name.Number), func(rec []byte) (store.Job, error) { return readJob(name, rec) })
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("a timer of job %d of %v, which is gone: %w", name.Number, name.ID, store.ErrDamaged)
	case err != nil:
		return err
	case j.Due != readTime(k):
		return fmt.Errorf("a timer of job %d of %v at %d, which is due at %d: %w", name.Number, name.ID, readTime(k), j.Due, store.ErrDamaged)
	}
	return nil
}

// message takes a message, or holds a key to the message that has it.
func (d *dump) message(key, rec []byte) error {
	if len(key) < 4 {
		return damagedKey(key)
	}
	shard := store.Shard(binary.BigEndian.Uint16(key[1:]))
	if key[3] != partSequence {
		return d.messageName(shard, key, rec)
	}
	seq, err := tail(key, 4, 8)
	if err != nil {
		return err
	}
	m, err := readMessage(shard, binary.BigEndian.Uint64(seq), rec)
	if err != nil {
		return err
	}
	there, err := d.there(messageNameKey(nil, shard, m.Key))
	if err == nil && !there {
		err = d.tell(fmt.Errorf("message %d of shard %d: its key is gone: %w", m.Seq, shard, store.ErrDamaged))
	}
	if err != nil {
		return err
	}
	d.pages.Messages = append(d.pages.Messages, m)
	return d.pages.Added(len(m.Body))
}

func (d *dump) messageName(shard store.Shard, key, rec []byte) error {
	seq, _, err := cutUint64(rec)
	if err != nil {
		return err
	}
	there, err := d.there(messageKey(nil, shard, seq))
	if err == nil && !there {
		err = fmt.Errorf("the key %q of message %d of shard %d, which is gone: %w", key[4:], seq, shard, store.ErrDamaged)
	}
	return err
}

func (d *dump) queue(key, rec []byte) error {
	var q store.Queued
	rest, err := texts(key, 1, &q.Tenant, &q.Activity)
	if err := exactly(key, rest, 28, err); err != nil {
		return err
	}
	q.At, q.Job, q.Body = readTime(rest), readJobKey(rest[8:]), rec
	d.pages.Queue = append(d.pages.Queue, q)
	return d.pages.Added(len(rec))
}

func (d *dump) index(key, rec []byte) error {
	var i store.Index
	rest, err := texts(key, 1, &i.Tenant, &i.Index, &i.Value)
	if err := exactly(key, rest, 24, err); err != nil {
		return err
	}
	i.Start, i.ID, i.Body = ^readTime(rest), store.ID(rest[8:]), rec
	d.pages.Index = append(d.pages.Index, i)
	return d.pages.Added(len(rec))
}

func (d *dump) lease(key, rec []byte) error {
	k, err := tail(key, 1, 2)
	if err != nil {
		return err
	}
	l, err := readLease(store.Shard(binary.BigEndian.Uint16(k)), rec)
	if err != nil {
		return err
	}
	d.pages.Leases = append(d.pages.Leases, l)
	return d.pages.Added(len(l.Body))
}
