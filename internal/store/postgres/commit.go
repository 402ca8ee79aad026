package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/backstep/backstep/internal/store"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The codes with which the function refuse ends a transaction.
const (
	codeConflict = "BS001"
	codeFenced   = "BS002"
)

// commitTries is how often a commit is tried that the server took back itself,
// or that never reached it.
const commitTries = 5

// Commit makes the batch's changes in one transaction and one round trip: the
// statements end at one Sync, which makes them a transaction that the first
// error takes back.
func (s *Store) Commit(ctx context.Context, b *store.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := b.Check(); err != nil {
		return err
	}
	for try := 1; ; try++ {
		again, err := s.try(ctx, b)
		if err == nil || !again || try == commitTries {
			return err
		}
		s.options.Logger.Debug("commit is tried again", "cause", err)
		select {
		case <-time.After(rand.N(time.Duration(try) * 10 * time.Millisecond)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// try sends the batch once. again says that nothing was changed, and that the
// same may succeed now; its expectations are checked anew then.
func (s *Store) try(ctx context.Context, b *store.Batch) (again bool, err error) {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return false, fmt.Errorf("commit: %w", err)
	}
	defer conn.Release()
	w := write{Batch: &pgx.Batch{}}
	w.all(b, s.channel)
	if w.Len() == 0 {
		return false, nil
	}
	return outcome(conn.SendBatch(ctx, w.Batch).Close())
}

// outcome tells what became of a batch. An error that the server names, short of
// ending the session, took the transaction back; a batch that was not sent was
// not done; of all else nobody knows.
func outcome(err error) (again bool, _ error) {
	if err == nil {
		return false, nil
	}
	var told *pgconn.PgError
	if !errors.As(err, &told) || told.SeverityUnlocalized != "ERROR" && told.SeverityUnlocalized != "" {
		if pgconn.SafeToRetry(err) {
			return true, fmt.Errorf("commit: %w", err)
		}
		return false, fmt.Errorf("commit: %w: %w", store.ErrUnknown, err)
	}
	switch told.Code {
	case codeConflict:
		return false, fmt.Errorf("%s: %w", told.Message, store.ErrConflict)
	case codeFenced:
		return false, fmt.Errorf("%s: %w", told.Message, store.ErrFenced)
	case "40001", "40P01": // serialization failure, deadlock
		return true, fmt.Errorf("commit: %w", err)
	}
	return false, fmt.Errorf("commit: %w", err)
}
