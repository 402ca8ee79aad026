package participant

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Bounds of a purge.
const (
	MinRetention = 24 * time.Hour // a younger row is never taken away
	MaxPurge     = 1000           // steps, or messages, of one purge
)

// Purge takes away all rows of steps of which nobody was answered anew for so long,
// at least [MinRetention], and tells how many steps that were: limit of them at most,
// 1 to [MaxPurge], so that no purge holds locks for long. Whoever wants more gone
// calls it until it tells less than the limit. It passes over steps that are in use.
//
// A barrier knows nothing of what it has purged. A forward call that comes again is
// done again; an undo finds nothing to undo, and is answered as done. So the age must
// be above all that Backstep may still want: the longest that an execution takes,
// holds that wait for a person included, and the time for which its history is kept,
// during which it may be undone by CompensateExecution.
func (b *Barrier) Purge(ctx context.Context, age time.Duration, limit int) (steps int, err error) {
	if err := checkPurge(age, limit); err != nil {
		return 0, fmt.Errorf("purge of the barrier: %w", err)
	}
	return purge[string](ctx, b.db, b.dialect, b.sql.old, "DELETE FROM backstep_barrier WHERE step IN", now()-age.Milliseconds(), limit)
}

func checkPurge(age time.Duration, limit int) error {
	if age < MinRetention {
		return fmt.Errorf("an age of %s is below %s", age, MinRetention)
	}
	if limit < 1 || limit > MaxPurge {
		return fmt.Errorf("a limit of %d is not from 1 to %d", limit, MaxPurge)
	}
	return nil
}

// purge finds rows by a query for what they are named by, locks them, and deletes
// what has these names.
func purge[Name any](ctx context.Context, db *sql.DB, d Dialect, find, remove string, before int64, limit int) (n int, err error) {
	err = d.write(ctx, db, func(tx *sql.Tx) error {
		names, err := column[Name](ctx, tx, find, before, limit)
		if n = len(names); err != nil || n == 0 {
			return err
		}
		_, err = tx.ExecContext(ctx, d.bind(remove+" ("+list(n)+")"), names...)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("purge: %w", err)
	}
	return n, nil
}

// column is the one column of what a query finds.
func column[Value any](ctx context.Context, tx *sql.Tx, query string, args ...any) ([]any, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var values []any
	for rows.Next() {
		var v Value
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, rows.Err()
}
