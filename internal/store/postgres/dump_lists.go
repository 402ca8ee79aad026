package postgres

import (
	"github.com/backstep/backstep/internal/store"
	"github.com/jackc/pgx/v5"
)

func (d *dump) docs() error {
	return each(d, "documents", "SELECT tenant, kind, name, rev, body FROM documents ORDER BY 1, 2, 3",
		func(r pgx.CollectableRow) (v store.Doc, bytes int, err error) {
			err = r.Scan(&v.Tenant, &v.Kind, &v.Name, &v.Rev, &v.Body)
			return v, len(v.Body), err
		}, func(v store.Doc) error {
			d.pages.Docs = append(d.pages.Docs, v)
			return d.pages.Added(len(v.Body))
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

func (d *dump) names() error {
	return each(d, "names", "SELECT shard, tenant, machine, name, id FROM names ORDER BY 1, 2, 3, 4",
		func(r pgx.CollectableRow) (v store.Name, bytes int, err error) {
			err = r.Scan(&v.Shard, &v.Tenant, &v.Machine, &v.Name, (*idScanner)(&v.ID))
			return v, 0, err
		}, func(v store.Name) error {
			d.pages.Names = append(d.pages.Names, v)
			return d.pages.Added(0)
		})
}

func (d *dump) messages() error {
	return each(d, "messages", "SELECT shard, seq, key, body FROM messages ORDER BY 1, 2",
		func(r pgx.CollectableRow) (v store.Message, bytes int, err error) {
			err = r.Scan(&v.Shard, &v.Seq, &v.Key, &v.Body)
			return v, len(v.Body), err
		}, func(v store.Message) error {
			d.pages.Messages = append(d.pages.Messages, v)
			return d.pages.Added(len(v.Body))
		})
}

func (d *dump) queue() error {
	return each(d, "queue", "SELECT tenant, activity, at, id, number, body FROM queue ORDER BY 1, 2, 3, 4, 5",
		func(r pgx.CollectableRow) (v store.Queued, bytes int, err error) {
			err = r.Scan(&v.Tenant, &v.Activity, &v.At, (*idScanner)(&v.Job.ID), &v.Job.Number, &v.Body)
			return v, len(v.Body), err
		}, func(v store.Queued) error {
			d.pages.Queue = append(d.pages.Queue, v)
			return d.pages.Added(len(v.Body))
		})
}

func (d *dump) index() error {
	return each(d, "lists", "SELECT tenant, list, value, start, id, body FROM lists ORDER BY tenant, list, value, start DESC, id",
		func(r pgx.CollectableRow) (v store.Index, bytes int, err error) {
			err = r.Scan(&v.Tenant, &v.Index, &v.Value, &v.Start, (*idScanner)(&v.ID), &v.Body)
			return v, len(v.Body), err
		}, func(v store.Index) error {
			d.pages.Index = append(d.pages.Index, v)
			return d.pages.Added(len(v.Body))
		})
}

func (d *dump) leases() error {
	return each(d, "leases", "SELECT shard, epoch, node, expires, body FROM leases ORDER BY 1",
		func(r pgx.CollectableRow) (v store.Lease, bytes int, err error) {
			err = r.Scan(&v.Shard, &v.Epoch, &v.Node, &v.Expires, &v.Body)
			return v, len(v.Body), err
		}, func(v store.Lease) error {
			d.pages.Leases = append(d.pages.Leases, v)
			return d.pages.Added(len(v.Body))
		})
}
