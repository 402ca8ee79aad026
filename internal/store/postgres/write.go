package postgres

import (
	"cmp"
	"encoding/binary"
	"hash/fnv"
	"maps"
	"slices"

	"github.com/backstep/backstep/internal/store"
	"github.com/jackc/pgx/v5"
)

// write is a batch on its way into statements: locks, expectations, changes.
// Each statement takes all rows of its noun as arrays, so that their number is
// small and their texts are always the same.
type write struct{ *pgx.Batch }

func (w write) all(b *store.Batch, channel string) {
	w.locks(b)
	w.expectations(b)
	w.documents(b)
	w.executions(b)
	w.rows(b)
	w.jobs(b)
	w.lists(b)
	w.messages(b, channel)
}

// queue adds a statement unless it has no rows.
func queue[T any](w write, rows []T, sql string, columns ...any) {
	if len(rows) > 0 {
		w.Queue(sql, columns...)
	}
}

// column is one field of all rows.
func column[T, V any](rows []T, field func(*T) V) []V {
	values := make([]V, len(rows))
	for i := range rows {
		values[i] = field(&rows[i])
	}
	return values
}

// body is a body as a column that is never null.
func body(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func id(x *store.ID) []byte { return x[:] }

// locks takes the locks of every key that the batch expects or that others may
// expect, in one order for all.
func (w write) locks(b *store.Batch) {
	held := map[int64]bool{} // to whether it is shared
	if b.Fence != nil {
		held[leaseLock(b.Fence.Shard)] = true
	}
	for i := range b.ExpectLeases {
		held[leaseLock(b.ExpectLeases[i].Shard)] = true
	}
	for i := range b.Leases {
		held[leaseLock(b.Leases[i].Shard)] = false
	}
	documentLocks(held, b)
	jobLocks(held, b)
	if len(held) == 0 {
		return
	}
	keys := slices.Sorted(maps.Keys(held))
	w.Queue("SELECT hold($1, $2)", keys, column(keys, func(k *int64) bool { return held[*k] }))
}

func documentLocks(held map[int64]bool, b *store.Batch) {
	for i := range b.ExpectDocs {
		held[docLock(&b.ExpectDocs[i].DocKey)] = false
	}
	for i := range b.Docs {
		held[docLock(&b.Docs[i].DocKey)] = false
	}
	for i := range b.DropDocs {
		held[docLock(&b.DropDocs[i])] = false
	}
	for i := range b.ExpectNames {
		held[nameLock(&b.ExpectNames[i])] = false
	}
	for i := range b.Names {
		held[nameLock(&b.Names[i].NameKey)] = false
	}
	for i := range b.DropNames {
		held[nameLock(&b.DropNames[i])] = false
	}
}

func jobLocks(held map[int64]bool, b *store.Batch) {
	for i := range b.ExpectJobs {
		held[jobLock(&b.ExpectJobs[i])] = false
	}
	for i := range b.ExpectStood {
		held[jobLock(&b.ExpectStood[i].JobKey)] = false
	}
	for i := range b.Jobs {
		held[jobLock(&b.Jobs[i].JobKey)] = false
	}
	for i := range b.DropJobs {
		held[jobLock(&b.DropJobs[i].JobKey)] = false
	}
	for i := range b.ExpectQueued {
		held[jobLock(&b.ExpectQueued[i].Job)] = false
	}
	for i := range b.Queue {
		held[jobLock(&b.Queue[i].Job)] = false
	}
	for i := range b.DropQueue {
		held[jobLock(&b.DropQueue[i].Job)] = false
	}
}

// lock is the number of a lock: a hash, which may also be another key's.
func lock(parts ...string) int64 {
	h := fnv.New64a()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return int64(h.Sum64())
}

func docLock(k *store.DocKey) int64 { return lock("doc", k.Tenant, k.Kind, k.Name) }

func nameLock(k *store.NameKey) int64 { return lock("name", k.Tenant, k.Machine, k.Name) }

// jobLock is that of all jobs of an execution.
func jobLock(k *store.JobKey) int64 { return lock("job", string(k.ID[:])) }

func leaseLock(s store.Shard) int64 {
	return lock("lease", string(binary.BigEndian.AppendUint16(nil, uint16(s))))
}

// expectations end the transaction where they do not hold, the fence first.
func (w write) expectations(b *store.Batch) {
	if b.Fence != nil {
		w.Queue(`SELECT refuse('`+codeFenced+`', 'shard ' || $1::integer || ' is not at epoch ' || $2::bigint)
			WHERE NOT EXISTS (SELECT FROM leases WHERE shard = $1 AND epoch = $2)`, int32(b.Fence.Shard), int64(b.Fence.Epoch))
	}
	queue(w, b.ExpectDocs, `SELECT refuse('`+codeConflict+`', 'document "' || e.name || '" is at another rev')
		FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) e(tenant, kind, name, rev)
		LEFT JOIN documents d ON d.tenant = e.tenant AND d.kind = e.kind AND d.name = e.name
		WHERE coalesce(d.rev, 0) <> e.rev`,
		column(b.ExpectDocs, func(e *store.ExpectDoc) string { return e.Tenant }),
		column(b.ExpectDocs, func(e *store.ExpectDoc) string { return e.Kind }),
		column(b.ExpectDocs, func(e *store.ExpectDoc) string { return e.Name }),
		column(b.ExpectDocs, func(e *store.ExpectDoc) int64 { return int64(e.Rev) }))
	queue(w, b.ExpectNames, `SELECT refuse('`+codeConflict+`', 'name "' || n.name || '" is taken')
		FROM unnest($1::integer[], $2::text[], $3::text[], $4::text[]) e(shard, tenant, machine, name)
		JOIN names n ON n.shard = e.shard AND n.tenant = e.tenant AND n.machine = e.machine AND n.name = e.name`,
		nameColumns(b.ExpectNames)...)
	queue(w, b.ExpectJobs, `SELECT refuse('`+codeConflict+`', 'job ' || e.number || ' is gone')
		FROM unnest($1::bytea[], $2::bigint[]) e(id, number)
		WHERE NOT EXISTS (SELECT FROM jobs j WHERE j.id = e.id AND j.number = e.number)`,
		column(b.ExpectJobs, func(k *store.JobKey) []byte { return id(&k.ID) }),
		column(b.ExpectJobs, func(k *store.JobKey) int64 { return int64(k.Number) }))
	queue(w, b.ExpectStood, `SELECT refuse('`+codeConflict+`', 'job ' || e.number || ' is gone or was moved')
		FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bytea[]) e(id, number, due, body)
		WHERE NOT EXISTS (SELECT FROM jobs j WHERE j.id = e.id AND j.number = e.number AND j.due = e.due AND j.body = e.body)`,
		column(b.ExpectStood, func(j *store.Job) []byte { return id(&j.ID) }),
		column(b.ExpectStood, func(j *store.Job) int64 { return int64(j.Number) }),
		column(b.ExpectStood, func(j *store.Job) int64 { return j.Due }),
		column(b.ExpectStood, func(j *store.Job) []byte { return body(j.Body) }))
	queue(w, b.ExpectQueued, `SELECT refuse('`+codeConflict+`', 'task ' || e.number || ' is no longer queued')
		FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[], $5::bigint[]) e(tenant, activity, at, id, number)
		WHERE NOT EXISTS (SELECT FROM queue q WHERE q.tenant = e.tenant AND q.activity = e.activity
			AND q.at = e.at AND q.id = e.id AND q.number = e.number)`, queueColumns(b.ExpectQueued)...)
	queue(w, b.ExpectLeases, `SELECT refuse('`+codeConflict+`', 'lease ' || e.shard || ' is not at epoch ' || e.epoch)
		FROM unnest($1::integer[], $2::bigint[]) e(shard, epoch)
		LEFT JOIN leases l ON l.shard = e.shard
		WHERE coalesce(l.epoch, 0) <> e.epoch`,
		column(b.ExpectLeases, func(e *store.ExpectLease) int32 { return int32(e.Shard) }),
		column(b.ExpectLeases, func(e *store.ExpectLease) int64 { return int64(e.Epoch) }))
}

func docColumns(keys []store.DocKey) []any {
	return []any{
		column(keys, func(k *store.DocKey) string { return k.Tenant }),
		column(keys, func(k *store.DocKey) string { return k.Kind }),
		column(keys, func(k *store.DocKey) string { return k.Name }),
	}
}

func nameColumns(keys []store.NameKey) []any {
	return []any{
		column(keys, func(k *store.NameKey) int32 { return int32(k.Shard) }),
		column(keys, func(k *store.NameKey) string { return k.Tenant }),
		column(keys, func(k *store.NameKey) string { return k.Machine }),
		column(keys, func(k *store.NameKey) string { return k.Name }),
	}
}

func queueColumns(keys []store.QueuedKey) []any {
	return []any{
		column(keys, func(k *store.QueuedKey) string { return k.Tenant }),
		column(keys, func(k *store.QueuedKey) string { return k.Activity }),
		column(keys, func(k *store.QueuedKey) int64 { return k.At }),
		column(keys, func(k *store.QueuedKey) []byte { return id(&k.Job.ID) }),
		column(keys, func(k *store.QueuedKey) int64 { return int64(k.Job.Number) }),
	}
}

func indexColumns(keys []store.IndexKey) []any {
	return []any{
		column(keys, func(k *store.IndexKey) string { return k.Tenant }),
		column(keys, func(k *store.IndexKey) string { return k.Index }),
		column(keys, func(k *store.IndexKey) string { return k.Value }),
		column(keys, func(k *store.IndexKey) int64 { return k.Start }),
		column(keys, func(k *store.IndexKey) []byte { return id(&k.ID) }),
	}
}

func (w write) documents(b *store.Batch) {
	queue(w, b.DropDocs, `DELETE FROM documents d USING unnest($1::text[], $2::text[], $3::text[]) e(tenant, kind, name)
		WHERE d.tenant = e.tenant AND d.kind = e.kind AND d.name = e.name`, docColumns(b.DropDocs)...)
	keys := column(b.Docs, func(d *store.Doc) store.DocKey { return d.DocKey })
	queue(w, b.Docs, `INSERT INTO documents SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bytea[])
		ON CONFLICT (tenant, kind, name) DO UPDATE SET rev = excluded.rev, body = excluded.body`,
		append(docColumns(keys),
			column(b.Docs, func(d *store.Doc) int64 { return int64(d.Rev) }),
			column(b.Docs, func(d *store.Doc) []byte { return body(d.Body) }))...)
	queue(w, b.Definitions, `INSERT INTO definitions SELECT * FROM unnest($1::bytea[], $2::bytea[]) e(hash, body)
		ORDER BY hash ON CONFLICT (hash) DO NOTHING`,
		column(b.Definitions, func(d *store.Definition) []byte { return d.Hash[:] }),
		column(b.Definitions, func(d *store.Definition) []byte { return body(d.Body) }))
	queue(w, b.DropNames, `DELETE FROM names n USING unnest($1::integer[], $2::text[], $3::text[], $4::text[]) e(shard, tenant, machine, name)
		WHERE n.shard = e.shard AND n.tenant = e.tenant AND n.machine = e.machine AND n.name = e.name`, nameColumns(b.DropNames)...)
	taken := column(b.Names, func(n *store.Name) store.NameKey { return n.NameKey })
	queue(w, b.Names, `INSERT INTO names SELECT * FROM unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::bytea[])
		ON CONFLICT (shard, tenant, machine, name) DO UPDATE SET id = excluded.id`,
		append(nameColumns(taken), column(b.Names, func(n *store.Name) []byte { return id(&n.ID) }))...)
}

func (w write) executions(b *store.Batch) {
	if len(b.DropExecutions) > 0 {
		gone := column(b.DropExecutions, id)
		for _, table := range []string{"executions", "frames", "jobs", "undos", "events", "payloads"} {
			w.Queue("DELETE FROM "+table+" WHERE id = ANY($1)", gone)
		}
	}
	queue(w, b.Executions, `INSERT INTO executions SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bytea[]) e(id, start, body)
		ORDER BY id ON CONFLICT (id) DO UPDATE SET start = coalesce(excluded.start, executions.start), body = excluded.body`,
		column(b.Executions, func(e *store.Execution) []byte { return id(&e.ID) }),
		column(b.Executions, func(e *store.Execution) []byte { return e.Start }),
		column(b.Executions, func(e *store.Execution) []byte { return body(e.Body) }))
}

func (w write) rows(b *store.Batch) {
	queue(w, b.DropFrames, dropRows("frames"),
		column(b.DropFrames, func(k *store.FrameKey) []byte { return id(&k.ID) }),
		column(b.DropFrames, func(k *store.FrameKey) int64 { return int64(k.Number) }))
	queue(w, b.Frames, putRows("frames", "number"),
		column(b.Frames, func(f *store.Frame) []byte { return id(&f.ID) }),
		column(b.Frames, func(f *store.Frame) int64 { return int64(f.Number) }),
		column(b.Frames, func(f *store.Frame) []byte { return body(f.Body) }))
	queue(w, b.DropUndos, dropRows("undos"),
		column(b.DropUndos, func(k *store.UndoKey) []byte { return id(&k.ID) }),
		column(b.DropUndos, func(k *store.UndoKey) int64 { return int64(k.Number) }))
	queue(w, b.Undos, putRows("undos", "number"),
		column(b.Undos, func(u *store.Undo) []byte { return id(&u.ID) }),
		column(b.Undos, func(u *store.Undo) int64 { return int64(u.Number) }),
		column(b.Undos, func(u *store.Undo) []byte { return body(u.Body) }))
	queue(w, b.Events, putRows("events", "first"),
		column(b.Events, func(e *store.Events) []byte { return id(&e.ID) }),
		column(b.Events, func(e *store.Events) int64 { return e.First }),
		column(b.Events, func(e *store.Events) []byte { return body(e.Body) }))
	queue(w, b.Payloads, putRows("payloads", "number"),
		column(b.Payloads, func(p *store.Payload) []byte { return id(&p.ID) }),
		column(b.Payloads, func(p *store.Payload) int64 { return int64(p.Number) }),
		column(b.Payloads, func(p *store.Payload) []byte { return body(p.Body) }))
}

// putRows and dropRows are the statements of a table of an execution's rows. Rows
// are put in the order of their keys, so that two commits don't wait for one
// another.
func putRows(table, number string) string {
	return `INSERT INTO ` + table + ` SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bytea[])
		ORDER BY 1, 2 ON CONFLICT (id, ` + number + `) DO UPDATE SET body = excluded.body`
}

func dropRows(table string) string {
	return `DELETE FROM ` + table + ` r USING unnest($1::bytea[], $2::bigint[]) e(id, number)
		WHERE r.id = e.id AND r.number = e.number`
}

// jobs are their own timers here, so that those moved need nothing.
func (w write) jobs(b *store.Batch) {
	queue(w, b.DropJobs, dropRows("jobs"),
		column(b.DropJobs, func(j *store.Job) []byte { return id(&j.ID) }),
		column(b.DropJobs, func(j *store.Job) int64 { return int64(j.Number) }))
	queue(w, b.Jobs, `INSERT INTO jobs SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::integer[], $4::bigint[], $5::bytea[])
		ON CONFLICT (id, number) DO UPDATE SET due = excluded.due, body = excluded.body`,
		column(b.Jobs, func(j *store.Job) []byte { return id(&j.ID) }),
		column(b.Jobs, func(j *store.Job) int64 { return int64(j.Number) }),
		column(b.Jobs, func(j *store.Job) int32 { return int32(j.ID.Shard()) }),
		column(b.Jobs, func(j *store.Job) int64 { return j.Due }),
		column(b.Jobs, func(j *store.Job) []byte { return body(j.Body) }))
}

func (w write) lists(b *store.Batch) {
	queue(w, b.DropQueue, `DELETE FROM queue q
		USING unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[], $5::bigint[]) e(tenant, activity, at, id, number)
		WHERE q.tenant = e.tenant AND q.activity = e.activity AND q.at = e.at AND q.id = e.id AND q.number = e.number`,
		queueColumns(b.DropQueue)...)
	waiting := column(b.Queue, func(q *store.Queued) store.QueuedKey { return q.QueuedKey })
	queue(w, b.Queue, `INSERT INTO queue SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[], $5::bigint[], $6::bytea[])
		ON CONFLICT (tenant, activity, at, id, number) DO UPDATE SET body = excluded.body`,
		append(queueColumns(waiting), column(b.Queue, func(q *store.Queued) []byte { return body(q.Body) }))...)
	queue(w, b.DropIndex, `DELETE FROM lists l
		USING unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bytea[]) e(tenant, list, value, start, id)
		WHERE l.tenant = e.tenant AND l.list = e.list AND l.value = e.value AND l.start = e.start AND l.id = e.id`,
		indexColumns(b.DropIndex)...)
	listed := column(b.Index, func(i *store.Index) store.IndexKey { return i.IndexKey })
	queue(w, b.Index, `INSERT INTO lists SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bytea[], $6::bytea[])
		ORDER BY 1, 2, 3, 4, 5 ON CONFLICT (tenant, list, value, start, id) DO UPDATE SET body = excluded.body`,
		append(indexColumns(listed), column(b.Index, func(i *store.Index) []byte { return body(i.Body) }))...)
	queue(w, b.Leases, `INSERT INTO leases SELECT * FROM unnest($1::integer[], $2::bigint[], $3::text[], $4::bigint[], $5::bytea[])
		ON CONFLICT (shard) DO UPDATE SET epoch = excluded.epoch, node = excluded.node, expires = excluded.expires, body = excluded.body`,
		column(b.Leases, func(l *store.Lease) int32 { return int32(l.Shard) }),
		column(b.Leases, func(l *store.Lease) int64 { return int64(l.Epoch) }),
		column(b.Leases, func(l *store.Lease) string { return l.Node }),
		column(b.Leases, func(l *store.Lease) int64 { return l.Expires }),
		column(b.Leases, func(l *store.Lease) []byte { return body(l.Body) }))
}

// messages are numbered in the order of the batch. A commit that leaves some
// tells who listens: only such a commit, because all that notify queue up for
// one lock of the database.
func (w write) messages(b *store.Batch, channel string) {
	queue(w, b.DropMessages, `DELETE FROM messages m USING unnest($1::integer[], $2::bigint[]) e(shard, seq)
		WHERE m.shard = e.shard AND m.seq = e.seq`,
		column(b.DropMessages, func(k *store.MessageKey) int32 { return int32(k.Shard) }),
		column(b.DropMessages, func(k *store.MessageKey) int64 { return int64(k.Seq) }))
	queue(w, b.Messages, `INSERT INTO messages (shard, key, body)
		SELECT shard, key, body FROM unnest($1::integer[], $2::bytea[], $3::bytea[]) WITH ORDINALITY e(shard, key, body, at)
		ORDER BY at ON CONFLICT (shard, key) DO NOTHING`,
		column(b.Messages, func(m *store.Message) int32 { return int32(m.Shard) }),
		column(b.Messages, func(m *store.Message) []byte { return m.Key }),
		column(b.Messages, func(m *store.Message) []byte { return body(m.Body) }))
	shards := column(b.Messages, func(m *store.Message) int32 { return int32(m.Shard) })
	slices.SortFunc(shards, cmp.Compare[int32])
	queue(w, b.Messages, `SELECT pg_notify($1, shard::text) FROM unnest($2::integer[]) shard`, channel, slices.Compact(shards))
}
