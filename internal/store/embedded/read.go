package embedded

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/backstep/backstep/internal/store"
	"github.com/cockroachdb/pebble/v2"
)

// durable makes one read and gives it out when all that it may have seen is
// durable.
func durable[T any](s *Store, ctx context.Context, read func() (T, error)) (T, error) {
	var none T
	if err := s.usable(ctx); err != nil {
		return none, err
	}
	defer s.life.RUnlock()
	v, err := read()
	if !s.horizon.wait() {
		return none, s.Err()
	}
	if err != nil {
		return none, err
	}
	return v, nil
}

// readRow reads one record, which read may keep.
func readRow[T any](r pebble.Reader, key []byte, read func(rec []byte) (T, error)) (T, error) {
	var none T
	value, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return none, fmt.Errorf("%c %x: %w", key[0], key[1:], store.ErrNotFound)
	} else if err != nil {
		return none, fmt.Errorf("read %c %x: %w", key[0], key[1:], damage(err))
	}
	value = bytes.Clone(value)
	closer.Close()
	rec, err := record(key, value)
	if err != nil {
		return none, err
	}
	return read(rec)
}

// damage makes of what the engine finds altered a damage of the store's, in one line.
func damage(err error) error {
	if !pebble.IsCorruptionError(err) {
		return err
	}
	cause, _, _ := strings.Cut(err.Error(), "\n")
	return fmt.Errorf("%w: %s", store.ErrDamaged, cause)
}

// scan reads the records from lower to before upper until row says stop or
// fails. Keys are lent to row, records given.
func scan(r pebble.Reader, lower, upper []byte, row func(key, rec []byte) (more bool, err error)) error {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return err
	}
	for valid := it.First(); valid; valid = it.Next() {
		more, err := take(it, row)
		if err != nil || !more {
			return errors.Join(err, it.Close())
		}
	}
	return cmp.Or(damage(it.Error()), damage(it.Close()))
}

func take(it *pebble.Iterator, row func(key, rec []byte) (more bool, err error)) (bool, error) {
	value, err := it.ValueAndErr()
	if err != nil {
		return false, damage(err)
	}
	rec, err := record(it.Key(), bytes.Clone(value))
	if err != nil {
		return false, err
	}
	return row(it.Key(), rec)
}

// list collects at most limit rows from lower to before upper.
func list[T any](r pebble.Reader, lower, upper []byte, limit int, row func(key, rec []byte) (T, error)) ([]T, error) {
	if limit < 1 {
		return nil, nil
	}
	var all []T
	err := scan(r, lower, upper, func(key, rec []byte) (bool, error) {
		v, err := row(key, rec)
		all = append(all, v)
		return len(all) < limit, err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// Doc implements store.Store.
func (s *Store) Doc(ctx context.Context, k store.DocKey) (store.Doc, error) {
	return durable(s, ctx, func() (store.Doc, error) {
		return readRow(s.db, docKey(nil, k), func(rec []byte) (store.Doc, error) { return readDoc(k, rec) })
	})
}

// Docs implements store.Store.
func (s *Store) Docs(ctx context.Context, tenant, kind, behind string, limit int) ([]store.Doc, error) {
	return durable(s, ctx, func() ([]store.Doc, error) {
		prefix := docsPrefix(nil, tenant, kind)
		start := after(docKey(nil, store.DocKey{Tenant: tenant, Kind: kind, Name: behind}))
		return list(s.db, start, after(bytes.Clone(prefix)), limit, func(key, rec []byte) (store.Doc, error) {
			name := string(key[len(prefix) : len(key)-1])
			return readDoc(store.DocKey{Tenant: tenant, Kind: kind, Name: name}, rec)
		})
	})
}

// Definition implements store.Store.
func (s *Store) Definition(ctx context.Context, hash store.Hash) ([]byte, error) {
	return durable(s, ctx, func() ([]byte, error) { return readRow(s.db, definitionKey(nil, hash), body) })
}

func body(rec []byte) ([]byte, error) { return rec, nil }

// Name implements store.Store.
func (s *Store) Name(ctx context.Context, k store.NameKey) (store.ID, error) {
	return durable(s, ctx, func() (store.ID, error) { return readRow(s.db, nameKey(nil, k), readName) })
}

// Execution implements store.Store.
func (s *Store) Execution(ctx context.Context, id store.ID) (store.Execution, error) {
	return durable(s, ctx, func() (store.Execution, error) {
		l, err := s.loadUpTo(id, kindFrame)
		return l.Execution, err
	})
}

// Load implements store.Store.
func (s *Store) Load(ctx context.Context, id store.ID) (store.Loaded, error) {
	return durable(s, ctx, func() (store.Loaded, error) { return s.loadUpTo(id, kindLoaded) })
}

// loadUpTo reads an execution's rows of the kinds below end, in one short scan.
func (s *Store) loadUpTo(id store.ID, end byte) (store.Loaded, error) {
	var l store.Loaded
	there := false
	err := scan(s.db, executionKey(nil, id), kindKey(nil, id, end), func(key, rec []byte) (bool, error) {
		switch key[17] {
		case kindStart:
			l.Execution.Start = rec
		case kindBody:
			there, l.Execution.ID, l.Execution.Body = true, id, rec
		case kindFrame:
			number, err := rowNumber(key)
			l.Frames = append(l.Frames, store.Frame{ID: id, Number: number, Body: rec})
			return true, err
		case kindJob:
			number, err := rowNumber(key)
			if err != nil {
				return false, err
			}
			j, err := readJob(store.JobKey{ID: id, Number: number}, rec)
			l.Jobs = append(l.Jobs, j)
			return true, err
		}
		return true, nil
	})
	if err == nil && !there {
		err = fmt.Errorf("execution %v: %w", id, store.ErrNotFound)
	}
	return l, err
}

// rowNumber reads the number at the end of an execution's row's key.
func rowNumber(key []byte) (uint32, error) {
	k, err := tail(key, 18, 4)
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint32(k), nil
}

// Undos implements store.Store.
func (s *Store) Undos(ctx context.Context, id store.ID, from uint32, limit int) ([]store.Undo, error) {
	return durable(s, ctx, func() ([]store.Undo, error) {
		lower, upper := rowKey(nil, id, kindUndo, from), kindKey(nil, id, kindUndo+1)
		return list(s.db, lower, upper, limit, func(key, rec []byte) (store.Undo, error) {
			number, err := rowNumber(key)
			return store.Undo{ID: id, Number: number, Body: rec}, err
		})
	})
}

// Events implements store.Store.
func (s *Store) Events(ctx context.Context, id store.ID, from int64, backwards bool, limit int) ([]store.Events, error) {
	return durable(s, ctx, func() ([]store.Events, error) { return s.events(id, from, backwards, limit) })
}

func (s *Store) events(id store.ID, from int64, backwards bool, limit int) ([]store.Events, error) {
	if limit < 1 {
		return nil, nil
	}
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: kindKey(nil, id, kindEvents), UpperBound: kindKey(nil, id, kindEvents+1)})
	if err != nil {
		return nil, err
	}
	move := it.Next
	valid := from < math.MaxInt64 && it.SeekLT(eventsKey(nil, id, from+1)) || from == math.MaxInt64 && it.Last()
	if backwards {
		move = it.Prev
	} else if !valid && it.Error() == nil {
		valid = it.First()
	}
	var all []store.Events
	for ; valid && len(all) < limit; valid = move() {
		if _, err := take(it, func(key, rec []byte) (bool, error) {
			first, err := tail(key, 18, 8)
			if err != nil {
				return false, err
			}
			all = append(all, store.Events{ID: id, First: readTime(first), Body: rec})
			return true, nil
		}); err != nil {
			return nil, errors.Join(err, it.Close())
		}
	}
	return all, cmp.Or(damage(it.Error()), damage(it.Close()))
}

// Payloads implements store.Store.
func (s *Store) Payloads(ctx context.Context, id store.ID, numbers []uint32) ([][]byte, error) {
	return durable(s, ctx, func() ([][]byte, error) {
		moment := s.db.NewSnapshot()
		defer moment.Close()
		all := make([][]byte, len(numbers))
		var key []byte
		for i, n := range numbers {
			var err error
			key = rowKey(key[:0], id, kindPayload, n)
			if all[i], err = readRow(moment, key, body); err != nil {
				return nil, err
			}
		}
		return all, nil
	})
}

// Index implements store.Store.
func (s *Store) Index(ctx context.Context, q store.IndexQuery) ([]store.Index, error) {
	return durable(s, ctx, func() ([]store.Index, error) {
		prefix := indexPrefix(nil, q.Tenant, q.Index, q.Value)
		lower := prefix
		if q.After != nil {
			lower = after(append(appendTime(bytes.Clone(prefix), ^q.After.Start), q.After.ID[:]...))
		}
		return list(s.db, lower, after(bytes.Clone(prefix)), q.Limit, func(key, rec []byte) (store.Index, error) {
			k, err := tail(key, len(prefix), placeLength)
			if err != nil {
				return store.Index{}, err
			}
			row := store.IndexKey{Tenant: q.Tenant, Index: q.Index, Value: q.Value, Start: ^readTime(k), ID: store.ID(k[8:])}
			return store.Index{IndexKey: row, Body: rec}, nil
		})
	})
}

// Jobs implements store.Store. A timer whose job is gone is passed over.
func (s *Store) Jobs(ctx context.Context, shard store.Shard, due int64, behind *store.Job, limit int) ([]store.Job, error) {
	return durable(s, ctx, func() ([]store.Job, error) {
		if limit < 1 {
			return nil, nil
		}
		moment := s.db.NewSnapshot()
		defer moment.Close()
		prefix := timersPrefix(nil, shard)
		lower, upper := prefix, after(appendTime(bytes.Clone(prefix), due))
		if behind != nil {
			lower = after(appendNumber(append(appendTime(bytes.Clone(prefix), behind.Due), behind.ID[:]...), behind.Number))
		}
		var all []store.Job
		err := scan(moment, lower, upper, func(key, _ []byte) (bool, error) {
			k, err := tail(key, len(prefix), 28)
			if err != nil {
				return false, err
			}
			at, name := readTime(k), readJobKey(k[8:])
			j, err := readRow(moment, rowKey(nil, name.ID, kindJob, name.Number), func(rec []byte) (store.Job, error) { return readJob(name, rec) })
			if errors.Is(err, store.ErrNotFound) {
				return true, nil
			}
			if err == nil && j.Due == at {
				all = append(all, j)
			}
			return len(all) < limit, err
		})
		return all, err
	})
}

// Messages implements store.Store.
func (s *Store) Messages(ctx context.Context, shard store.Shard, limit int) ([]store.Message, error) {
	return durable(s, ctx, func() ([]store.Message, error) {
		prefix := messagesPrefix(nil, shard, partSequence)
		return list(s.db, prefix, messagesPrefix(nil, shard, partKey), limit, func(key, rec []byte) (store.Message, error) {
			seq, err := tail(key, len(prefix), 8)
			if err != nil {
				return store.Message{}, err
			}
			return readMessage(shard, binary.BigEndian.Uint64(seq), rec)
		})
	})
}

// Queue implements store.Store.
func (s *Store) Queue(ctx context.Context, tenant, activity string, limit int) ([]store.Queued, error) {
	return durable(s, ctx, func() ([]store.Queued, error) {
		prefix := queuePrefix(nil, tenant, activity)
		return list(s.db, prefix, after(bytes.Clone(prefix)), limit, func(key, rec []byte) (store.Queued, error) {
			k, err := tail(key, len(prefix), 28)
			if err != nil {
				return store.Queued{}, err
			}
			name := store.QueuedKey{Tenant: tenant, Activity: activity, At: readTime(k), Job: readJobKey(k[8:])}
			return store.Queued{QueuedKey: name, Body: rec}, nil
		})
	})
}
