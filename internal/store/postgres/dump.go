package postgres

import (
	"bytes"
	"context"
	"fmt"

	"github.com/backstep/backstep/internal/store"
	"github.com/jackc/pgx/v5"
)

// dump is one going through all tables, in one transaction that sees one moment.
type dump struct {
	ctx     context.Context
	tx      pgx.Tx
	pages   store.Pages
	damaged func(error) error
}

// momentKey is under what a context carries the transaction of [Store.Moment].
type momentKey struct{ store *Store }

// Moment calls f with a context by which all reads, and dumps, see the store as it stands
// now, whatever is committed meanwhile. f reads by one goroutine alone: they all go over
// one connection.
func (s *Store) Moment(ctx context.Context, f func(ctx context.Context) error) error {
	if ctx.Value(momentKey{s}) != nil {
		return f(ctx)
	}
	if err := s.rest(ctx); err != nil {
		return err
	}
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = 0"); err != nil {
			return err
		}
		return f(context.WithValue(ctx, momentKey{s}, tx))
	})
}

// asker is what a query goes to.
type asker interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// at is what is asked as of the moment that the context is of, or else as of now.
func (s *Store) at(ctx context.Context) asker {
	if tx, of := ctx.Value(momentKey{s}).(pgx.Tx); of {
		return tx
	}
	return s.pool
}

// Dump implements store.Store. What the server itself can't read ends it, whatever
// damaged says: the server then takes no further statement.
func (s *Store) Dump(ctx context.Context, visit func(*store.Batch) error, damaged func(error) error) error {
	var own error // of the rows, or of who visits them
	err := s.Moment(ctx, func(ctx context.Context) error {
		tx := ctx.Value(momentKey{s}).(pgx.Tx)
		d := &dump{ctx, tx, store.Pages{Visit: visit}, damaged}
		for _, part := range []func() error{d.docs, d.definitions, d.names, d.executions, d.messages, d.queue, d.index, d.leases, d.pages.End} {
			if own = part(); own != nil {
				return own
			}
		}
		_, err := tx.Exec(ctx, "CLOSE ALL") // for the next dump of this moment
		return err
	})
	if err != nil && own == nil {
		return fmt.Errorf("dump: %w", err)
	}
	return err
}

// tell says that something is damaged.
func (d *dump) tell(format string, args ...any) error {
	err := fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), store.ErrDamaged)
	if d.damaged == nil {
		return err
	}
	return d.damaged(err)
}

// A cursor fetches so many rows at once, and fewer where they are large.
const (
	mostFetched  = 1024
	fetchedBytes = 4 << 20
)

// cursor reads the rows of a query, in pages of bounded size.
type cursor[T any] struct {
	d     *dump
	name  string
	row   func(pgx.CollectableRow) (row T, bytes int, err error)
	fetch int // rows of the next page
	page  []T
	ended bool
}

func declare[T any](d *dump, name, sql string, row func(pgx.CollectableRow) (T, int, error)) (*cursor[T], error) {
	_, err := d.tx.Exec(d.ctx, "DECLARE dump_"+name+" NO SCROLL CURSOR FOR "+sql)
	return &cursor[T]{d: d, name: name, row: row, fetch: 32}, err
}

// head is the next row, nil behind the last.
func (c *cursor[T]) head() (*T, error) {
	if len(c.page) > 0 {
		return &c.page[0], nil
	}
	if c.ended {
		return nil, nil
	}
	rows, err := c.d.tx.Query(c.d.ctx, fmt.Sprintf("FETCH %d FROM dump_%s", c.fetch, c.name))
	if err != nil {
		return nil, fmt.Errorf("dump of %s: %w", c.name, err)
	}
	size := 1
	c.page, err = pgx.AppendRows(c.page[:0:0], rows, func(r pgx.CollectableRow) (T, error) {
		row, n, err := c.row(r)
		size += n
		return row, err
	})
	if err != nil {
		return nil, fmt.Errorf("dump of %s: %w", c.name, err)
	}
	c.ended = len(c.page) < c.fetch
	c.fetch = max(1, min(mostFetched, 2*c.fetch, c.fetch*fetchedBytes/size))
	if len(c.page) == 0 {
		return nil, nil
	}
	return &c.page[0], nil
}

func (c *cursor[T]) next() { c.page = c.page[1:] }

// each goes through the rows of a query.
func each[T any](d *dump, name, sql string, row func(pgx.CollectableRow) (T, int, error), visit func(T) error) error {
	c, err := declare(d, name, sql, row)
	if err != nil {
		return fmt.Errorf("dump of %s: %w", name, err)
	}
	for {
		head, err := c.head()
		if err != nil || head == nil {
			return err
		}
		if err := visit(*head); err != nil {
			return err
		}
		c.next()
	}
}

// part is one of an execution's rows, of whatever table, as it stands there.
type part struct {
	id          []byte
	number, due int64
	shard       int32
	start, body []byte
}

func scanPart(r pgx.CollectableRow) (p part, bytes int, err error) {
	err = r.Scan(&p.id, &p.number, &p.due, &p.shard, &p.start, &p.body)
	return p, len(p.start) + len(p.body), err
}

// executions goes through the tables of executions side by side, so that the rows
// of one stand together.
func (d *dump) executions() error {
	tables := []struct {
		name, columns string
		add           func(store.ID, *part)
	}{
		{"executions", "0::bigint, 0::bigint, 0, start", d.addExecution},
		{"frames", "number, 0::bigint, 0, NULL::bytea", d.addFrame},
		{"jobs", "number, due, shard, NULL::bytea", d.addJob},
		{"undos", "number, 0::bigint, 0, NULL::bytea", d.addUndo},
		{"events", "first, 0::bigint, 0, NULL::bytea", d.addEvents},
		{"payloads", "number, 0::bigint, 0, NULL::bytea", d.addPayload},
	}
	cursors := make([]*cursor[part], len(tables))
	for i, t := range tables {
		var err error
		if cursors[i], err = declare(d, t.name, "SELECT id, "+t.columns+", body FROM "+t.name+" ORDER BY 1, 2", scanPart); err != nil {
			return fmt.Errorf("dump of %s: %w", t.name, err)
		}
	}
	for {
		first, err := firstOf(cursors)
		if err != nil || first == nil {
			return err
		}
		for i, c := range cursors {
			for {
				p, err := c.head()
				if err != nil {
					return err
				}
				if p == nil || !bytes.Equal(p.id, first) {
					break
				}
				if err := d.part(tables[i].name, tables[i].add, p); err != nil {
					return err
				}
				c.next()
			}
		}
	}
}

// part takes one of an execution's rows.
func (d *dump) part(table string, add func(store.ID, *part), p *part) error {
	id, ok := idOf(p.id)
	if !ok || table != "events" && !isNumber(p.number) {
		return d.tell("row %d of %s of the id %x can't be read", p.number, table, p.id)
	}
	if table == "jobs" && p.shard != int32(id.Shard()) {
		if err := d.tell("job %d of %v lies in shard %d", p.number, id, p.shard); err != nil {
			return err
		}
	}
	add(id, p)
	return d.pages.Added(len(p.start) + len(p.body))
}

// idOf is an id as it stands in a row.
func idOf(b []byte) (id store.ID, ok bool) {
	if len(b) != len(id) {
		return id, false
	}
	return store.ID(b), true
}

// isNumber reports whether a number of 32 bits without a sign is one, which stands as one
// of 64 with a sign.
func isNumber(n int64) bool { return n == int64(uint32(n)) }

func isShard(n int32) bool { return n == int32(store.Shard(n)) }

// firstOf is the first id that any of the cursors stands at, nil behind the last.
func firstOf(cursors []*cursor[part]) (first []byte, err error) {
	for _, c := range cursors {
		p, err := c.head()
		if err != nil {
			return nil, err
		}
		if p != nil && (first == nil || bytes.Compare(p.id, first) < 0) {
			first = p.id
		}
	}
	return first, nil
}

func (d *dump) addExecution(id store.ID, p *part) {
	d.pages.Executions = append(d.pages.Executions, store.Execution{ID: id, Start: p.start, Body: p.body})
}

func (d *dump) addFrame(id store.ID, p *part) {
	d.pages.Frames = append(d.pages.Frames, store.Frame{ID: id, Number: uint32(p.number), Body: p.body})
}

func (d *dump) addJob(id store.ID, p *part) {
	k := store.JobKey{ID: id, Number: uint32(p.number)}
	d.pages.Jobs = append(d.pages.Jobs, store.Job{JobKey: k, Due: p.due, Body: p.body})
}

func (d *dump) addUndo(id store.ID, p *part) {
	d.pages.Undos = append(d.pages.Undos, store.Undo{ID: id, Number: uint32(p.number), Body: p.body})
}

func (d *dump) addEvents(id store.ID, p *part) {
	d.pages.Events = append(d.pages.Events, store.Events{ID: id, First: p.number, Body: p.body})
}

func (d *dump) addPayload(id store.ID, p *part) {
	d.pages.Payloads = append(d.pages.Payloads, store.Payload{ID: id, Number: uint32(p.number), Body: p.body})
}
