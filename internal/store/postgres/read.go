package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/backstep/backstep/internal/store"
	"github.com/jackc/pgx/v5"
)

// valid reports whether texts can be part of a key; what can't be is not there.
func valid(texts ...string) bool {
	for _, t := range texts {
		if !store.ValidText(t) {
			return false
		}
	}
	return true
}

// readTime is how long a read may take, with its wait for a connection.
const readTime = 4500 * time.Millisecond

// reading begins a read: when no commit of ours may still change what is read
// without our knowledge.
func (s *Store) reading(ctx context.Context) (_ context.Context, done func(), err error) {
	ctx, done = context.WithTimeout(ctx, readTime)
	if err := s.rest(ctx); err != nil {
		done()
		return nil, nil, err
	}
	return ctx, done, nil
}

// row reads one row, or ErrNotFound.
func (s *Store) row(ctx context.Context, what any, sql string, args []any, into ...any) error {
	ctx, done, err := s.reading(ctx)
	if err != nil {
		return err
	}
	defer done()
	return missing(s.at(ctx).QueryRow(ctx, sql, args...).Scan(into...), "%v", what)
}

// list reads the rows of a query.
func list[T any](ctx context.Context, s *Store, sql string, args []any, row func(pgx.CollectableRow) (T, error)) ([]T, error) {
	ctx, done, err := s.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	rows, err := s.at(ctx).Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	all, err := pgx.CollectRows(rows, row)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all, nil
}

// Doc implements store.Store.
func (s *Store) Doc(ctx context.Context, k store.DocKey) (store.Doc, error) {
	if err := ctx.Err(); err != nil {
		return store.Doc{}, err
	}
	if !valid(k.Tenant, k.Kind, k.Name) {
		return store.Doc{}, fmt.Errorf("document %.40q: %w", k.Name, store.ErrNotFound)
	}
	d := store.Doc{DocKey: k}
	err := s.row(ctx, k, "SELECT rev, body FROM documents WHERE tenant = $1 AND kind = $2 AND name = $3",
		[]any{k.Tenant, k.Kind, k.Name}, &d.Rev, &d.Body)
	return d, err
}

// Docs implements store.Store.
func (s *Store) Docs(ctx context.Context, tenant, kind, after string, limit int) ([]store.Doc, error) {
	if limit < 1 || !valid(tenant, kind, after) {
		return nil, ctx.Err()
	}
	return list(ctx, s, `SELECT name, rev, body FROM documents WHERE tenant = $1 AND kind = $2 AND name > $3 ORDER BY name LIMIT $4`,
		[]any{tenant, kind, after, limit}, func(r pgx.CollectableRow) (store.Doc, error) {
			d := store.Doc{DocKey: store.DocKey{Tenant: tenant, Kind: kind}}
			err := r.Scan(&d.Name, &d.Rev, &d.Body)
			return d, err
		})
}

// Definition implements store.Store.
func (s *Store) Definition(ctx context.Context, hash store.Hash) ([]byte, error) {
	var text []byte
	err := s.row(ctx, fmt.Sprintf("definition %x", hash), "SELECT body FROM definitions WHERE hash = $1", []any{hash[:]}, &text)
	return text, err
}

// Name implements store.Store.
func (s *Store) Name(ctx context.Context, k store.NameKey) (store.ID, error) {
	if err := ctx.Err(); err != nil {
		return store.ID{}, err
	}
	if !valid(k.Tenant, k.Machine, k.Name) {
		return store.ID{}, fmt.Errorf("name %.40q: %w", k.Name, store.ErrNotFound)
	}
	var x store.ID
	err := s.row(ctx, k, "SELECT id FROM names WHERE shard = $1 AND tenant = $2 AND machine = $3 AND name = $4",
		[]any{int32(k.Shard), k.Tenant, k.Machine, k.Name}, (*idScanner)(&x))
	return x, err
}

// Execution implements store.Store.
func (s *Store) Execution(ctx context.Context, x store.ID) (store.Execution, error) {
	e := store.Execution{ID: x}
	if err := s.row(ctx, x, "SELECT start, body FROM executions WHERE id = $1", []any{x[:]}, &e.Start, &e.Body); err != nil {
		return store.Execution{}, err
	}
	return e, nil
}

// Load implements store.Store: one statement, and so one moment.
func (s *Store) Load(ctx context.Context, x store.ID) (store.Loaded, error) {
	ctx, done, err := s.reading(ctx)
	if err != nil {
		return store.Loaded{}, err
	}
	defer done()
	rows, err := s.at(ctx).Query(ctx, `
		SELECT 0 AS kind, 0::bigint AS number, 0::bigint, start, body FROM executions WHERE id = $1
		UNION ALL SELECT 1, number, 0, NULL, body FROM frames WHERE id = $1
		UNION ALL SELECT 2, number, due, NULL, body FROM jobs WHERE id = $1
		ORDER BY kind, number`, x[:])
	if err != nil {
		return store.Loaded{}, err
	}
	var l store.Loaded
	var kind int32
	var number, due int64
	var start, text []byte
	_, err = pgx.ForEachRow(rows, []any{&kind, &number, &due, &start, &text}, func() error {
		switch kind {
		case 0:
			l.Execution = store.Execution{ID: x, Start: start, Body: text}
		case 1:
			l.Frames = append(l.Frames, store.Frame{ID: x, Number: uint32(number), Body: text})
		default:
			l.Jobs = append(l.Jobs, store.Job{JobKey: store.JobKey{ID: x, Number: uint32(number)}, Due: due, Body: text})
		}
		start, text = nil, nil
		return nil
	})
	if err == nil && l.Execution.ID.IsZero() {
		err = fmt.Errorf("execution %v: %w", x, store.ErrNotFound)
	}
	if err != nil {
		return store.Loaded{}, err
	}
	return l, nil
}

// Undos implements store.Store.
func (s *Store) Undos(ctx context.Context, x store.ID, from uint32, limit int) ([]store.Undo, error) {
	if limit < 1 {
		return nil, ctx.Err()
	}
	return list(ctx, s, "SELECT number, body FROM undos WHERE id = $1 AND number >= $2 ORDER BY number LIMIT $3",
		[]any{x[:], int64(from), limit}, func(r pgx.CollectableRow) (store.Undo, error) {
			u := store.Undo{ID: x}
			err := r.Scan(&u.Number, &u.Body)
			return u, err
		})
}

// Events implements store.Store.
func (s *Store) Events(ctx context.Context, x store.ID, from int64, backwards bool, limit int) ([]store.Events, error) {
	if limit < 1 {
		return nil, ctx.Err()
	}
	sql := `SELECT first, body FROM events WHERE id = $1 AND first >=
		coalesce((SELECT max(first) FROM events WHERE id = $1 AND first <= $2), $2) ORDER BY first LIMIT $3`
	if backwards {
		sql = "SELECT first, body FROM events WHERE id = $1 AND first <= $2 ORDER BY first DESC LIMIT $3"
	}
	return list(ctx, s, sql, []any{x[:], from, limit}, func(r pgx.CollectableRow) (store.Events, error) {
		e := store.Events{ID: x}
		err := r.Scan(&e.First, &e.Body)
		return e, err
	})
}

// Payloads implements store.Store.
func (s *Store) Payloads(ctx context.Context, x store.ID, numbers []uint32) ([][]byte, error) {
	ctx, done, err := s.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	asked := make([]int64, len(numbers))
	for i, n := range numbers {
		asked[i] = int64(n)
	}
	rows, err := s.at(ctx).Query(ctx, "SELECT number, body FROM payloads WHERE id = $1 AND number = ANY($2)", x[:], asked)
	if err != nil {
		return nil, err
	}
	found := map[int64][]byte{}
	var number int64
	var text []byte
	if _, err := pgx.ForEachRow(rows, []any{&number, &text}, func() error {
		found[number], text = text, nil
		return nil
	}); err != nil {
		return nil, err
	}
	all := make([][]byte, len(asked))
	for i, n := range asked {
		text, there := found[n]
		if !there {
			return nil, fmt.Errorf("payload %v/%d: %w", x, n, store.ErrNotFound)
		}
		all[i] = text
	}
	return all, nil
}

// Index implements store.Store.
func (s *Store) Index(ctx context.Context, q store.IndexQuery) ([]store.Index, error) {
	if q.Limit < 1 || !valid(q.Tenant, q.Index) || !store.ValidValue(q.Value) {
		return nil, ctx.Err()
	}
	sql := "SELECT start, id, body FROM lists WHERE tenant = $1 AND list = $2 AND value = $3 ORDER BY start DESC, id LIMIT $4"
	args := []any{q.Tenant, q.Index, q.Value, q.Limit}
	if q.After != nil {
		sql = `SELECT start, id, body FROM lists WHERE tenant = $1 AND list = $2 AND value = $3
			AND start <= $5 AND (start < $5 OR id > $6) ORDER BY start DESC, id LIMIT $4`
		args = append(args, q.After.Start, q.After.ID[:])
	}
	return list(ctx, s, sql, args, func(r pgx.CollectableRow) (store.Index, error) {
		i := store.Index{IndexKey: store.IndexKey{Tenant: q.Tenant, Index: q.Index, Value: q.Value}}
		err := r.Scan(&i.Start, (*idScanner)(&i.ID), &i.Body)
		return i, err
	})
}

// Jobs implements store.Store.
func (s *Store) Jobs(ctx context.Context, shard store.Shard, due int64, after *store.Job, limit int) ([]store.Job, error) {
	if limit < 1 {
		return nil, ctx.Err()
	}
	sql := "SELECT due, id, number, body FROM jobs WHERE shard = $1 AND due <= $2 ORDER BY due, id, number LIMIT $3"
	args := []any{int32(shard), due, limit}
	if after != nil {
		sql = `SELECT due, id, number, body FROM jobs WHERE shard = $1 AND due <= $2
			AND (due, id, number) > ($4, $5, $6) ORDER BY due, id, number LIMIT $3`
		args = append(args, after.Due, after.ID[:], int64(after.Number))
	}
	return list(ctx, s, sql, args, func(r pgx.CollectableRow) (store.Job, error) {
		var j store.Job
		err := r.Scan(&j.Due, (*idScanner)(&j.ID), &j.Number, &j.Body)
		return j, err
	})
}

// Messages implements store.Store.
func (s *Store) Messages(ctx context.Context, shard store.Shard, limit int) ([]store.Message, error) {
	if limit < 1 {
		return nil, ctx.Err()
	}
	return list(ctx, s, "SELECT seq, key, body FROM messages WHERE shard = $1 ORDER BY seq LIMIT $2",
		[]any{int32(shard), limit}, func(r pgx.CollectableRow) (store.Message, error) {
			m := store.Message{Shard: shard}
			err := r.Scan(&m.Seq, &m.Key, &m.Body)
			return m, err
		})
}

// Queue implements store.Store.
func (s *Store) Queue(ctx context.Context, tenant, activity string, limit int) ([]store.Queued, error) {
	if limit < 1 || !valid(tenant, activity) {
		return nil, ctx.Err()
	}
	return list(ctx, s, `SELECT at, id, number, body FROM queue WHERE tenant = $1 AND activity = $2 ORDER BY at, id, number LIMIT $3`,
		[]any{tenant, activity, limit}, func(r pgx.CollectableRow) (store.Queued, error) {
			q := store.Queued{QueuedKey: store.QueuedKey{Tenant: tenant, Activity: activity}}
			err := r.Scan(&q.At, (*idScanner)(&q.Job.ID), &q.Job.Number, &q.Body)
			return q, err
		})
}

// Leases implements store.Store.
func (s *Store) Leases(ctx context.Context) ([]store.Lease, error) {
	return list(ctx, s, "SELECT shard, epoch, node, expires, body FROM leases ORDER BY shard", nil, func(r pgx.CollectableRow) (store.Lease, error) {
		var l store.Lease
		err := r.Scan(&l.Shard, &l.Epoch, &l.Node, &l.Expires, &l.Body)
		return l, err
	})
}

// idScanner reads an id.
type idScanner store.ID

func (x *idScanner) ScanBytes(b []byte) error {
	if len(b) != len(x) {
		return fmt.Errorf("an id of %d bytes: %w", len(b), store.ErrDamaged)
	}
	copy(x[:], b)
	return nil
}
