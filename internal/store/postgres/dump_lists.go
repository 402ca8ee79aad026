package postgres

import (
	"github.com/backstep/backstep/internal/store"
	"github.com/jackc/pgx/v5"
)

func (d *dump) docs() error {
	return each(d, "documents", "SELECT tenant, kind, name, rev, body FROM documents ORDER BY 1, 2, 3",
		func(r pgx.CollectableRow) (v raw[store.Doc], bytes int, err error) {
			err = r.Scan(&v.row.Tenant, &v.row.Kind, &v.row.Name, &v.number, &v.row.Body)
			return v, len(v.row.Body), err
		}, func(v raw[store.Doc]) error {
			if v.number < 0 {
				return d.tell("document %q of %s at revision %d can't be read", v.row.Name, v.row.Tenant, v.number)
			}
			v.row.Rev = uint64(v.number)
			d.pages.Docs = append(d.pages.Docs, v.row)
			return d.pages.Added(len(v.row.Body))
		})
}

func (d *dump) definitions() error {
	return each(d, "definitions", "SELECT hash, body FROM definitions ORDER BY 1",
		func(r pgx.CollectableRow) (v part, bytes int, err error) {
			err = r.Scan(&v.start, &v.body)
			return v, len(v.body), err
		}, func(v part) error {
			if len(v.start) != len(store.Hash{}) {
				return d.tell("a definition under %x", v.start)
			}
			d.pages.Definitions = append(d.pages.Definitions, store.Definition{Hash: store.Hash(v.start), Body: v.body})
			return d.pages.Added(len(v.body))
		})
}

// raw is a row whose numbers and id are as they stand there, and may be none.
type raw[T any] struct {
	row    T
	shard  int32
	number int64 // that must not be below 0
	id     []byte
}

func (d *dump) names() error {
	return each(d, "names", "SELECT shard, tenant, machine, name, id FROM names ORDER BY 1, 2, 3, 4",
		func(r pgx.CollectableRow) (v raw[store.Name], bytes int, err error) {
			err = r.Scan(&v.shard, &v.row.Tenant, &v.row.Machine, &v.row.Name, &v.id)
			return v, 0, err
		}, func(v raw[store.Name]) error {
			var ok bool
			if v.row.ID, ok = idOf(v.id); !ok || !isShard(v.shard) {
				return d.tell("name %q of %q of %s in shard %d, with the id %x, can't be read", v.row.Name, v.row.Machine, v.row.Tenant, v.shard, v.id)
			}
			v.row.Shard = store.Shard(v.shard)
			d.pages.Names = append(d.pages.Names, v.row)
			return d.pages.Added(0)
		})
}

func (d *dump) messages() error {
	return each(d, "messages", "SELECT shard, seq, key, body FROM messages ORDER BY 1, 2",
		func(r pgx.CollectableRow) (v raw[store.Message], bytes int, err error) {
			err = r.Scan(&v.shard, &v.number, &v.row.Key, &v.row.Body)
			return v, len(v.row.Body), err
		}, func(v raw[store.Message]) error {
			if v.number < 0 || !isShard(v.shard) {
				return d.tell("message %d of shard %d can't be read", v.number, v.shard)
			}
			v.row.Shard, v.row.Seq = store.Shard(v.shard), uint64(v.number)
			d.pages.Messages = append(d.pages.Messages, v.row)
			return d.pages.Added(len(v.row.Body))
		})
}

func (d *dump) queue() error {
	return each(d, "queue", "SELECT tenant, activity, at, id, number, body FROM queue ORDER BY 1, 2, 3, 4, 5",
		func(r pgx.CollectableRow) (v raw[store.Queued], bytes int, err error) {
			err = r.Scan(&v.row.Tenant, &v.row.Activity, &v.row.At, &v.id, &v.number, &v.row.Body)
			return v, len(v.row.Body), err
		}, func(v raw[store.Queued]) error {
			var ok bool
			if v.row.Job.ID, ok = idOf(v.id); !ok || !isNumber(v.number) {
				return d.tell("task of job %d of the id %x in queue %q of %s can't be read", v.number, v.id, v.row.Activity, v.row.Tenant)
			}
			v.row.Job.Number = uint32(v.number)
			d.pages.Queue = append(d.pages.Queue, v.row)
			return d.pages.Added(len(v.row.Body))
		})
}

func (d *dump) index() error {
	return each(d, "lists", "SELECT tenant, list, value, start, id, body FROM lists ORDER BY tenant, list, value, start DESC, id",
		func(r pgx.CollectableRow) (v raw[store.Index], bytes int, err error) {
			err = r.Scan(&v.row.Tenant, &v.row.Index, &v.row.Value, &v.row.Start, &v.id, &v.row.Body)
			return v, len(v.row.Body), err
		}, func(v raw[store.Index]) error {
			var ok bool
			if v.row.ID, ok = idOf(v.id); !ok {
				return d.tell("row of the id %x in list %q of %s, value %q, can't be read", v.id, v.row.Index, v.row.Tenant, v.row.Value)
			}
			d.pages.Index = append(d.pages.Index, v.row)
			return d.pages.Added(len(v.row.Body))
		})
}

func (d *dump) leases() error {
	return each(d, "leases", "SELECT shard, epoch, node, expires, body FROM leases ORDER BY 1",
		func(r pgx.CollectableRow) (v raw[store.Lease], bytes int, err error) {
			err = r.Scan(&v.shard, &v.number, &v.row.Node, &v.row.Expires, &v.row.Body)
			return v, len(v.row.Body), err
		}, func(v raw[store.Lease]) error {
			if v.number < 0 || !isShard(v.shard) {
				return d.tell("lease %d with the epoch %d can't be read", v.shard, v.number)
			}
			v.row.Shard, v.row.Epoch = store.Shard(v.shard), uint64(v.number)
			d.pages.Leases = append(d.pages.Leases, v.row)
			return d.pages.Added(len(v.row.Body))
		})
}
