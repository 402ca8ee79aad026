// Package postgres is the store that several nodes share: a schema of a
// PostgreSQL database. It knows tables and bytes; what a row means it refuses to
// know.
//
// All batches that wait at a moment are committed in one transaction that is sent
// in one round trip: it first holds what the batches expect, then checks, then
// writes. That rests on READ COMMITTED, whatever the database's default is: what is
// checked must be what there is when the locks are held.
//
// Read postgres.go (the store and its life), migrate.go (what may be opened, and
// how it is made); commit.go, claims.go and line.go (how batches come together),
// committer.go (what becomes of them), session.go (the connection they are sent
// over, and what if it is lost), safe.go (what a server must promise), fold.go, write.go, statements.go and array.go (what
// is sent); read.go, dump.go with dump_lists.go (all of it), restored.go, watch.go,
// metrics.go.
package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/backstep/backstep/internal/store"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Options say how a database is opened. The zero value will do.
type Options struct {
	Schema     string       // where the tables lie; "backstep" if empty
	Shards     uint16       // of a store that is made anew; 64 if 0
	MaxConns   int32        // connections at once that read; 16 if 0
	Committers int          // connections at once that commit; 2 if 0
	Entropy    io.Reader    // for a new store's id and key; the system's if nil
	Logger     *slog.Logger // for what goes wrong beneath; none if nil
	ReadOnly   bool         // nothing is written: there must be a store of this format; on a standby where target_session_attrs asks for one
}

func (o Options) withDefaults() Options {
	if o.Schema == "" {
		o.Schema = "backstep"
	}
	if o.Shards == 0 {
		o.Shards = 64
	}
	if o.MaxConns == 0 {
		o.MaxConns = 16
	}
	if o.Committers == 0 {
		o.Committers = 2
	}
	if o.Entropy == nil {
		o.Entropy = rand.Reader
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Store is an open schema; it is a [store.Store]. Several processes may have it
// open at once.
type Store struct {
	options  Options
	pool     *pgxpool.Pool
	identity store.Identity
	channel  string // of the notifications
	sessions sessions
	filling  *store.Identity
	line     *line // to the committers
	ghosts   ghosts

	life    context.Context // ends when the store closes
	end     context.CancelFunc
	watches sync.WaitGroup
	commits sync.WaitGroup
}

var _ store.Store = (*Store)(nil)

// What the server is told of every session: how long to wait at most. For a lock that is
// a little longer than until it looks for those who wait for one another
// (deadlock_timeout, a second by itself), of whom it ends one, which is tried again.
const (
	lockTimeout      = "1300ms"
	statementTimeout = "30s"
)

// Open opens the store in a schema, and makes one where there is none. It
// refuses with [store.ErrForeign], [store.ErrNewer], [store.ErrIncomplete] or
// [store.ErrUnsafe].
func Open(ctx context.Context, dsn string, o Options) (*Store, error) {
	return open(ctx, dsn, o, nil)
}

// Make makes a store with that identity, but for its format, in a schema that is
// not there or has no tables: else it refuses with [store.ErrOccupied]. It is to be
// filled, and refused by Open until [Store.Filled].
func Make(ctx context.Context, dsn string, id store.Identity, o Options) (*Store, error) {
	return open(ctx, dsn, o, &id)
}

// open opens a store, or makes one to be filled where it is given an identity.
func open(ctx context.Context, dsn string, o Options, filling *store.Identity) (*Store, error) {
	s, err := prepare(ctx, dsn, o)
	if err != nil {
		return nil, err
	}
	s.filling = filling
	if _, err := s.migrate(ctx); err != nil {
		s.pool.Close()
		return nil, fmt.Errorf("open schema %q of PostgreSQL: %w", s.options.Schema, err)
	}
	s.channel = "backstep_" + s.identity.Store.String()
	for range s.options.Committers {
		c := &committer{store: s, fold: fold{channel: s.channel}}
		s.commits.Go(c.run)
	}
	return s, nil
}

// prepare makes a store that has looked at nothing yet.
func prepare(ctx context.Context, dsn string, o Options) (*Store, error) {
	o = o.withDefaults()
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL: %w", err)
	}
	config.MaxConns = o.MaxConns
	config.ConnConfig.RuntimeParams["search_path"] = pgx.Identifier{o.Schema}.Sanitize()
	config.ConnConfig.RuntimeParams["application_name"] = "backstep"
	config.ConnConfig.RuntimeParams["lock_timeout"] = lockTimeout
	config.ConnConfig.RuntimeParams["statement_timeout"] = statementTimeout
	config.ConnConfig.RuntimeParams["default_transaction_isolation"] = "read committed"
	if o.ReadOnly {
		config.ConnConfig.RuntimeParams["default_transaction_read_only"] = "on"
	}
	if asked := config.ConnConfig.ValidateConnect; asked == nil || !o.ReadOnly {
		config.ConnConfig.ValidateConnect = primary(asked)
	}
	config.ConnConfig.RuntimeParams["client_min_messages"] = "warning"
	config.ConnConfig.OnNotice = noteUnsealed
	config.AfterConnect = safe
	s := &Store{options: o, line: newLine(), ghosts: ghosts{single: make(chan struct{}, 1)}}
	s.sessions.watch(config)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL: %w", err)
	}
	s.pool = pool
	s.life, s.end = context.WithCancel(context.WithoutCancel(ctx))
	return s, nil
}

// Identity is what the store was given when it was made.
func (s *Store) Identity() store.Identity {
	id := s.identity
	id.TokenKey = append([]byte(nil), id.TokenKey...)
	return id
}

// Now is the server's clock.
func (s *Store) Now(ctx context.Context) (int64, error) {
	var now int64
	ctx, done, err := s.reading(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	err = s.pool.QueryRow(ctx, "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint").Scan(&now)
	return now, err
}

// Close waits for the calls under way and closes all connections.
func (s *Store) Close() error {
	s.line.close()
	s.commits.Wait()
	s.end()
	s.watches.Wait()
	s.pool.Close()
	return nil
}

var errNoRows = pgx.ErrNoRows

// missing is ErrNotFound where a query of one row finds none.
func missing(err error, format string, args ...any) error {
	if errors.Is(err, errNoRows) {
		return fmt.Errorf(format+": %w", append(args, store.ErrNotFound)...)
	}
	return err
}
