package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/backstep/backstep/internal/store"
)

var errLate = errors.New("commit: PostgreSQL does not keep up, nothing was sent to it")

// Commit lets the batch wait for a committer, which takes all that wait into one
// transaction. A batch that is under way when ctx ends is told what becomes of it
// nevertheless, within seconds.
func (s *Store) Commit(ctx context.Context, b *store.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := b.Check(); err != nil {
		return err
	}
	w := newWaiting(ctx, b)
	if err := s.line.join(w); err != nil {
		return err
	}
	late := time.NewTimer(lineTime)
	defer late.Stop()
	select {
	case err := <-w.told:
		return err
	case <-late.C:
		if s.line.leave(w) {
			return errLate
		}
	case <-ctx.Done():
		if s.line.leave(w) {
			return ctx.Err()
		}
	}
	return <-w.told
}
