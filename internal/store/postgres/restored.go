package postgres

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/backstep/backstep/internal/store"
	"github.com/jackc/pgx/v5"
)

// Restored notes that the database was restored from a backup of its own: the restore
// epoch is one higher, and so are all leases' epochs beyond those that any node had.
// It gives the new epoch, which is this store's from then on. Others that are open by
// now do not know it: nobody else must have the database open.
func (s *Store) Restored(ctx context.Context) (uint32, error) {
	var epoch uint32
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT FROM backstep WHERE name = $1 FOR UPDATE", ownRestore); err != nil {
			return err
		}
		value, err := s.own(ctx, tx, ownRestore, 4)
		if err != nil {
			return err
		}
		epoch = binary.BigEndian.Uint32(value) + 1
		if err := s.setOwn(ctx, tx, ownRestore, binary.BigEndian.AppendUint32(nil, epoch)); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE leases SET epoch = epoch + $1, expires = 0", int64(store.RestoredEpochs))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("note the restore: %w", err)
	}
	s.identity.RestoreEpoch = epoch
	return epoch, nil
}
