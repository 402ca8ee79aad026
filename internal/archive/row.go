package archive

import (
	"encoding/binary"

	"github.com/backstep/backstep/internal/store"
)

// A row is its fields one after the other: texts and bodies behind their length as a
// uvarint, numbers as uvarints, those that may be negative as varints, ids and hashes
// as they are. A start that is missing is a 0, else its length and one.

// eachRow visits the rows of a page, noun by noun; put appends the row.
func eachRow(b *store.Batch, visit func(n noun, put func([]byte) []byte)) {
	each(b.Docs, documents, visit, func(w []byte, d *store.Doc) []byte {
		return body(binary.AppendUvarint(texts(w, d.Tenant, d.Kind, d.Name), d.Rev), d.Body)
	})
	each(b.Definitions, definitions, visit, func(w []byte, d *store.Definition) []byte { return body(append(w, d.Hash[:]...), d.Body) })
	each(b.Names, names, visit, func(w []byte, n *store.Name) []byte {
		return append(texts(binary.AppendUvarint(w, uint64(n.Shard)), n.Tenant, n.Machine, n.Name), n.ID[:]...)
	})
	each(b.Executions, executions, visit, func(w []byte, x *store.Execution) []byte {
		w = append(w, x.ID[:]...)
		if x.Start == nil {
			return body(append(w, 0), x.Body)
		}
		w = binary.AppendUvarint(w, uint64(len(x.Start))+1)
		return body(append(w, x.Start...), x.Body)
	})
	each(b.Frames, frames, visit, func(w []byte, f *store.Frame) []byte { return numbered(w, &f.ID, f.Number, f.Body) })
	each(b.Jobs, jobs, visit, func(w []byte, j *store.Job) []byte {
		return body(binary.AppendVarint(binary.AppendUvarint(append(w, j.ID[:]...), uint64(j.Number)), j.Due), j.Body)
	})
	each(b.Undos, undos, visit, func(w []byte, u *store.Undo) []byte { return numbered(w, &u.ID, u.Number, u.Body) })
	each(b.Events, events, visit, func(w []byte, e *store.Events) []byte {
		return body(binary.AppendVarint(append(w, e.ID[:]...), e.First), e.Body)
	})
	each(b.Payloads, payloads, visit, func(w []byte, p *store.Payload) []byte { return numbered(w, &p.ID, p.Number, p.Body) })
	each(b.Messages, messages, visit, func(w []byte, m *store.Message) []byte { // its number is the store's own
		return body(body(binary.AppendUvarint(w, uint64(m.Shard)), m.Key), m.Body)
	})
	each(b.Queue, queued, visit, func(w []byte, q *store.Queued) []byte {
		w = binary.AppendVarint(texts(w, q.Tenant, q.Activity), q.At)
		return numbered(w, &q.Job.ID, q.Job.Number, q.Body)
	})
	each(b.Index, listed, visit, func(w []byte, i *store.Index) []byte {
		w = binary.AppendVarint(texts(w, i.Tenant, i.Index, i.Value), i.Start)
		return body(append(w, i.ID[:]...), i.Body)
	})
	each(b.Leases, leases, visit, func(w []byte, l *store.Lease) []byte {
		w = binary.AppendUvarint(binary.AppendUvarint(w, uint64(l.Shard)), l.Epoch)
		return body(binary.AppendVarint(texts(w, l.Node), l.Expires), l.Body)
	})
}

func each[R any](rows []R, n noun, visit func(noun, func([]byte) []byte), put func([]byte, *R) []byte) {
	for i := range rows {
		visit(n, func(w []byte) []byte { return put(w, &rows[i]) })
	}
}

func texts(w []byte, all ...string) []byte {
	for _, s := range all {
		w = append(binary.AppendUvarint(w, uint64(len(s))), s...)
	}
	return w
}

func body(w, b []byte) []byte { return append(binary.AppendUvarint(w, uint64(len(b))), b...) }

func numbered(w []byte, id *store.ID, number uint32, b []byte) []byte {
	return body(binary.AppendUvarint(append(w, id[:]...), uint64(number)), b)
}

// reader reads a row from its front. After the first fault it gives zeros.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.bad, r.rest = true, nil
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) number() uint64 {
	n, width := binary.Uvarint(r.rest)
	if width <= 0 {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[width:]
	return n
}

func (r *reader) signed() int64 {
	n, width := binary.Varint(r.rest)
	if width <= 0 {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[width:]
	return n
}

func (r *reader) body() []byte { return r.take(r.number()) }

func (r *reader) text() string { return string(r.body()) }

func (r *reader) id() (id store.ID) {
	copy(id[:], r.take(uint64(len(id))))
	return id
}

// add adds the next row of a noun to a page.
func (r *reader) add(n noun, b *store.Batch) {
	switch n {
	case documents:
		b.Docs = append(b.Docs, store.Doc{DocKey: store.DocKey{Tenant: r.text(), Kind: r.text(), Name: r.text()}, Rev: r.number(), Body: r.body()})
	case definitions:
		d := store.Definition{}
		copy(d.Hash[:], r.take(uint64(len(d.Hash))))
		d.Body = r.body()
		b.Definitions = append(b.Definitions, d)
	case names:
		k := store.NameKey{Shard: store.Shard(r.number()), Tenant: r.text(), Machine: r.text(), Name: r.text()}
		b.Names = append(b.Names, store.Name{NameKey: k, ID: r.id()})
	case executions:
		x := store.Execution{ID: r.id()}
		if length := r.number(); length > 0 {
			x.Start = r.take(length - 1)
		}
		x.Body = r.body()
		b.Executions = append(b.Executions, x)
	case frames:
		b.Frames = append(b.Frames, store.Frame{ID: r.id(), Number: uint32(r.number()), Body: r.body()})
	case jobs:
		b.Jobs = append(b.Jobs, store.Job{JobKey: store.JobKey{ID: r.id(), Number: uint32(r.number())}, Due: r.signed(), Body: r.body()})
	case undos:
		b.Undos = append(b.Undos, store.Undo{ID: r.id(), Number: uint32(r.number()), Body: r.body()})
	case events:
		b.Events = append(b.Events, store.Events{ID: r.id(), First: r.signed(), Body: r.body()})
	case payloads:
		b.Payloads = append(b.Payloads, store.Payload{ID: r.id(), Number: uint32(r.number()), Body: r.body()})
	default:
		r.addListed(n, b)
	}
}

// addListed is add of what stands behind the executions.
func (r *reader) addListed(n noun, b *store.Batch) {
	switch n {
	case messages:
		b.Messages = append(b.Messages, store.Message{Shard: store.Shard(r.number()), Key: r.body(), Body: r.body()})
	case queued:
		k := store.QueuedKey{Tenant: r.text(), Activity: r.text(), At: r.signed(), Job: store.JobKey{ID: r.id(), Number: uint32(r.number())}}
		b.Queue = append(b.Queue, store.Queued{QueuedKey: k, Body: r.body()})
	case listed:
		k := store.IndexKey{Tenant: r.text(), Index: r.text(), Value: r.text(), Start: r.signed(), ID: r.id()}
		b.Index = append(b.Index, store.Index{IndexKey: k, Body: r.body()})
	case leases:
		b.Leases = append(b.Leases, store.Lease{Shard: store.Shard(r.number()), Epoch: r.number(), Node: r.text(), Expires: r.signed(), Body: r.body()})
	}
}
