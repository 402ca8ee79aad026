package main

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/backstep/backstep/internal/cli"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/postgres"
)

// migrate brings a PostgreSQL store up to date, or only looks at it.
func migrate(ctx context.Context, dsn string, look bool) (was, is, newest int, err error) {
	m, err := postgres.Migrate(ctx, dsn, postgres.Options{}, look)
	if misread := (*pgconn.ParseConfigError)(nil); errors.As(err, &misread) {
		return 0, 0, 0, &cli.UsageError{Err: err}
	}
	for _, unusable := range []error{store.ErrForeign, store.ErrNewer, store.ErrDamaged, store.ErrIncomplete, store.ErrUnsafe} {
		if errors.Is(err, unusable) {
			return 0, 0, 0, &cli.UsageError{Err: err}
		}
	}
	return m.Was, m.Is, m.Newest, err
}
