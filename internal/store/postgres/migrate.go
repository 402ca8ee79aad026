package postgres

import (
	"context"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/backstep/backstep/internal/store"
	"github.com/jackc/pgx/v5"
)

//go:embed migrations/*.sql
var migrations embed.FS

// format is the number of the newest migration: that of this program's store
// format.
const format = 2

// Migrated is at which format a store was, 0 where there is none, and is.
type Migrated struct {
	Was, Is int
	Newest  int // that this version knows
}

// Migrate brings the store in a schema up to date, or makes it, as Open does; or
// it only looks. It refuses what Open refuses.
func Migrate(ctx context.Context, dsn string, o Options, look bool) (Migrated, error) {
	s, err := prepare(ctx, dsn, o)
	if err != nil {
		return Migrated{}, err
	}
	defer s.pool.Close()
	m := Migrated{Newest: format}
	if look {
		err = s.alone(ctx, func(tx pgx.Tx) error {
			m.Was, err = s.readable(ctx, tx)
			m.Is = m.Was
			if err == nil && m.Was > 0 {
				err = s.complete(ctx, tx)
			}
			return err
		})
	} else {
		m.Was, err = s.migrate(ctx)
		m.Is = format
	}
	if err != nil {
		return Migrated{}, fmt.Errorf("schema %q of PostgreSQL: %w", s.options.Schema, err)
	}
	return m, nil
}

// alone runs a transaction that one process at a time is in, for as long as that
// takes.
func (s *Store) alone(ctx context.Context, do func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = 0"); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = 0"); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended('backstep migration ' || $1, 0))", s.options.Schema); err != nil {
			return err
		}
		return do(tx)
	})
}

// readable is the format of what lies in the schema, if this version can read it.
func (s *Store) readable(ctx context.Context, tx pgx.Tx) (int, error) {
	at, err := s.version(ctx, tx)
	if err == nil && at > format {
		err = fmt.Errorf("%w: its format is %d, this version knows %d; use the version that wrote it", store.ErrNewer, at, format)
	}
	return at, err
}

// migrate makes the schema or brings it up to date, in one transaction; what it
// refuses stays as it is. It returns the format that was there.
func (s *Store) migrate(ctx context.Context) (was int, err error) {
	err = s.alone(ctx, func(tx pgx.Tx) error {
		at, err := s.readable(ctx, tx)
		if err != nil {
			return err
		}
		was = at
		switch {
		case s.options.ReadOnly && at == 0:
			return errors.New("it holds no store")
		case s.options.ReadOnly && at < format:
			return fmt.Errorf("its format is %d, this version knows %d: backstep migrate brings it up to date", at, format)
		case at == 0:
			if err := s.make(ctx, tx); err != nil {
				return err
			}
		case s.filling != nil:
			return fmt.Errorf("%w, it holds a store: choose another database, or drop the schema if nothing in it is needed", store.ErrOccupied)
		default:
			if err := s.complete(ctx, tx); err != nil {
				return err
			}
		}
		if err := s.climb(ctx, tx, at); err != nil {
			return err
		}
		return s.readIdentity(ctx, tx)
	})
	return was, err
}

// version is the format of what lies in the schema, 0 where nothing does.
func (s *Store) version(ctx context.Context, tx pgx.Tx) (int, error) {
	var tables []string
	rows, err := tx.Query(ctx, "SELECT tablename::text FROM pg_tables WHERE schemaname = $1 ORDER BY tablename = 'backstep' DESC, tablename", s.options.Schema)
	if err == nil {
		tables, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	switch {
	case err != nil:
		return 0, err
	case len(tables) == 0:
		return 0, nil
	case tables[0] != "backstep":
		return 0, fmt.Errorf("%w, it holds the table %q: choose an empty schema or the one that backstep has made", store.ErrForeign, tables[0])
	}
	number, err := s.own(ctx, tx, ownFormat, 4)
	if err != nil {
		return 0, err
	}
	return int(binary.BigEndian.Uint32(number)), nil
}

// climb runs the migrations above a format, each once.
func (s *Store) climb(ctx context.Context, tx pgx.Tx, from int) error {
	for number := from + 1; number <= format; number++ {
		sql, err := migrations.ReadFile(fmt.Sprintf("migrations/%04d.sql", number))
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, string(sql)); err != nil {
			return fmt.Errorf("migration %d: %w", number, err)
		}
		if err := s.setOwn(ctx, tx, ownFormat, binary.BigEndian.AppendUint32(nil, uint32(number))); err != nil {
			return err
		}
	}
	return nil
}

// What the store keeps of itself, by name.
const (
	ownFormat  = "format"        // 4 bytes
	ownID      = "store"         // id
	ownShards  = "shards"        // 2 bytes
	ownKey     = "token key"     // 32 bytes
	ownRestore = "restore epoch" // 4 bytes
	ownFilling = "filling"       // nothing; there until the store is complete
)

// draw makes a new store's identity.
func (s *Store) draw() (store.Identity, error) {
	if s.filling != nil {
		return *s.filling, nil
	}
	var random [8 + 32]byte
	if _, err := io.ReadFull(s.options.Entropy, random[:]); err != nil {
		return store.Identity{}, fmt.Errorf("draw an id: %w", err)
	}
	return store.Identity{
		Store: store.NewID(0, time.Now().UnixMilli(), [8]byte(random[:8])), Shards: s.options.Shards, TokenKey: random[8:],
	}, nil
}

// make gives a new store its identity.
func (s *Store) make(ctx context.Context, tx pgx.Tx) error {
	id, err := s.draw()
	if err != nil {
		return err
	}
	schema := pgx.Identifier{s.options.Schema}.Sanitize()
	var there bool // who may not make schemas may use one
	if err := tx.QueryRow(ctx, "SELECT to_regnamespace($1) IS NOT NULL", schema).Scan(&there); err != nil {
		return err
	}
	if !there {
		if _, err := tx.Exec(ctx, "CREATE SCHEMA "+schema); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, `CREATE TABLE backstep (name text COLLATE "C" PRIMARY KEY, value bytea NOT NULL)`); err != nil {
		return err
	}
	if s.filling != nil {
		if err := s.setOwn(ctx, tx, ownFilling, []byte{}); err != nil {
			return err
		}
	}
	return errors.Join(
		s.setOwn(ctx, tx, ownID, id.Store[:]),
		s.setOwn(ctx, tx, ownShards, binary.BigEndian.AppendUint16(nil, id.Shards)),
		s.setOwn(ctx, tx, ownKey, id.TokenKey),
		s.setOwn(ctx, tx, ownRestore, binary.BigEndian.AppendUint32(nil, id.RestoreEpoch)),
	)
}

// complete refuses a store that is still being filled.
func (s *Store) complete(ctx context.Context, tx pgx.Tx) error {
	var filling bool
	err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM backstep WHERE name = $1)", ownFilling).Scan(&filling)
	if err == nil && filling {
		err = fmt.Errorf("%w: the copy or restore into it is under way or was interrupted; if it was, drop the schema and begin again", store.ErrIncomplete)
	}
	return err
}

// Filled says that a store that was made to be filled is complete.
func (s *Store) Filled(ctx context.Context) error {
	_, err := s.pool.Exec(ctx, "DELETE FROM backstep WHERE name = $1", ownFilling)
	return err
}

func (s *Store) setOwn(ctx context.Context, tx pgx.Tx, name string, value []byte) error {
	_, err := tx.Exec(ctx, "INSERT INTO backstep VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, value)
	return err
}

// own reads one of the store's own records, all of which have been there since it
// was made.
func (s *Store) own(ctx context.Context, tx pgx.Tx, name string, length int) ([]byte, error) {
	var value []byte
	err := tx.QueryRow(ctx, "SELECT value FROM backstep WHERE name = $1", name).Scan(&value)
	if errors.Is(err, errNoRows) || err == nil && len(value) != length {
		return nil, fmt.Errorf("its record %q is %x: %w", name, value, store.ErrDamaged)
	}
	return value, err
}

func (s *Store) readIdentity(ctx context.Context, tx pgx.Tx) error {
	var err error
	read := func(name string, length int) []byte {
		value, failed := s.own(ctx, tx, name, length)
		if failed != nil {
			err = errors.Join(err, failed)
			return make([]byte, length)
		}
		return value
	}
	s.identity = store.Identity{
		Format:       format,
		Store:        store.ID(read(ownID, 16)),
		Shards:       binary.BigEndian.Uint16(read(ownShards, 2)),
		TokenKey:     read(ownKey, 32),
		RestoreEpoch: binary.BigEndian.Uint32(read(ownRestore, 4)),
	}
	return err
}
