package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/backstep/backstep/internal/store"
	"github.com/cockroachdb/pebble/v2"
)

// What the store keeps of itself, by name.
const (
	ownFormat  = "format"        // uvarint
	ownID      = "store"         // id
	ownShards  = "shards"        // uvarint
	ownKey     = "token key"     // 32 bytes
	ownRestore = "restore epoch" // uvarint
	ownOpens   = "opens"         // uvarint: how often it was opened
)

// draw gives a new store its identity.
func (s *Store) draw() error {
	var random [8 + 32]byte
	if _, err := io.ReadFull(s.options.Entropy, random[:]); err != nil {
		return fmt.Errorf("draw an id: %w", err)
	}
	s.identity = store.Identity{
		Store: store.NewID(0, s.options.Clock(), [8]byte(random[:8])), Shards: s.options.Shards, TokenKey: random[8:],
	}
	return nil
}

// make writes a new store's identity, then says that the folder is complete,
// unless it is to be filled.
func (s *Store) make() error {
	if !s.folder.fill {
		id, err := readRow(s.db, metaKey(nil, ownID), readName)
		if err == nil { // all is there but for the last word, or the marker is an older copy
			return s.folder.made(id)
		} else if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err := s.draw(); err != nil {
			return err
		}
	}
	id := s.identity
	batch := s.db.NewBatch()
	defer batch.Close()
	for _, own := range []struct {
		name  string
		value []byte
	}{
		{ownFormat, binary.AppendUvarint(nil, format)},
		{ownID, id.Store[:]},
		{ownShards, binary.AppendUvarint(nil, uint64(id.Shards))},
		{ownKey, id.TokenKey},
		{ownRestore, binary.AppendUvarint(nil, uint64(id.RestoreEpoch))},
		{ownOpens, binary.AppendUvarint(nil, 0)},
	} {
		if err := batch.Set(metaKey(nil, own.name), append([]byte{encoding}, own.value...), nil); err != nil {
			return err
		}
	}
	if err := batch.Commit(pebble.Sync); err != nil {
		return err
	}
	if s.folder.fill {
		s.folder.id = id.Store.String()
		return nil
	}
	return s.folder.made(id.Store)
}

// readIdentity reads what make wrote.
func (s *Store) readIdentity() error {
	number, err := s.ownNumber(ownFormat)
	if err != nil {
		return err
	}
	if number > format {
		return fmt.Errorf("%w: its format is %d, this version knows %d; use the version that wrote it", store.ErrNewer, number, format)
	}
	shards, err := s.ownNumber(ownShards)
	if err != nil {
		return err
	}
	restore, err := s.ownNumber(ownRestore)
	if err != nil {
		return err
	}
	id, err := s.ownBytes(ownID, 16)
	if err != nil {
		return err
	}
	key, err := s.ownBytes(ownKey, 32)
	if err != nil {
		return err
	}
	s.identity = store.Identity{
		Format: uint32(number), Store: store.ID(id), Shards: uint16(shards), TokenKey: key, RestoreEpoch: uint32(restore),
	}
	return nil
}

// own reads one of the store's own records. All have been there since it was
// made.
func (s *Store) own(name string) ([]byte, error) {
	rec, err := readRow(s.db, metaKey(nil, name), body)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("its record %q is gone: %w", name, store.ErrDamaged)
	}
	return rec, err
}

func (s *Store) ownBytes(name string, length int) ([]byte, error) {
	rec, err := s.own(name)
	if err != nil {
		return nil, err
	}
	value, _, err := cut(rec, length)
	return value, err
}

func (s *Store) ownNumber(name string) (uint64, error) {
	rec, err := s.own(name)
	if err != nil {
		return 0, err
	}
	v, _, err := cutUvarint(rec)
	return v, err
}

// countOpen counts this opening. Messages are numbered within it, so that no
// number is given twice, whatever was dropped before.
func (s *Store) countOpen() error {
	opens, err := s.ownNumber(ownOpens)
	if err != nil {
		return err
	}
	opens++
	s.lastSeq.Store(opens << 40)
	return s.db.Set(metaKey(nil, ownOpens), binary.AppendUvarint([]byte{encoding}, opens), pebble.Sync)
}

// loadLeases reads the lease table into memory.
func (s *Store) loadLeases() error {
	s.leases.rows = map[store.Shard]store.Lease{}
	return scan(s.db, []byte{tableLease}, []byte{tableLease + 1}, func(key, rec []byte) (bool, error) {
		k, err := tail(key, 1, 2)
		if err != nil {
			return false, err
		}
		shard := store.Shard(binary.BigEndian.Uint16(k))
		row, err := readLease(shard, rec)
		s.leases.rows[shard] = row
		return true, err
	})
}
