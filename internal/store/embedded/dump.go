package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sort"

	"github.com/backstep/backstep/internal/store"
	"github.com/cockroachdb/pebble/v2"
)

// dump is one going through all that the store held at one moment.
type dump struct {
	ctx     context.Context
	moment  *pebble.Snapshot
	pages   store.Pages
	damaged func(error) error
	ended   error // why it ends: who visits, or hears of damages, has said so

	start   []byte // of the execution whose body comes next
	startOf store.ID
}

// Dump implements store.Store. What the store keeps beside the nouns, the timers
// of jobs and the keys of messages, is held to them.
func (s *Store) Dump(ctx context.Context, visit func(*store.Batch) error, damaged func(error) error) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	defer s.life.RUnlock()
	d := &dump{ctx: ctx, moment: s.db.NewSnapshot(), damaged: damaged}
	d.pages.Visit = func(b *store.Batch) error {
		d.ended = visit(b)
		return d.ended
	}
	defer d.moment.Close()
	if !s.horizon.wait() {
		return s.Err()
	}
	for _, t := range []struct {
		table byte
		row   func(key, rec []byte) error
	}{
		{tableDoc, d.doc}, {tableDefinition, d.definition}, {tableName, d.name}, {tableExecution, d.execution}, {tableTimer, d.timer},
		{tableMessage, d.message}, {tableQueue, d.queue}, {tableIndex, d.index}, {tableLease, d.lease}, {tableMeta, none},
	} {
		if err := d.table([]byte{t.table}, []byte{t.table + 1}, t.row); err != nil {
			return err
		}
	}
	if err := d.loneStart(); err != nil {
		return err
	}
	if err := d.strays(); err != nil {
		return err
	}
	return d.pages.End()
}

func none([]byte, []byte) error { return nil }

// tell says that something is damaged.
func (d *dump) tell(err error) error {
	if d.damaged != nil {
		err = d.damaged(err)
	}
	d.ended = err
	return err
}

// told is what becomes of a row's error: a damage is told, all else ends the dump.
func (d *dump) told(err error) error {
	if d.ended == nil && errors.Is(err, store.ErrDamaged) {
		return d.tell(err)
	}
	return err
}

// table goes through the records from lower to before upper. Behind a block that
// can't be read it goes on where the next one can.
func (d *dump) table(lower, upper []byte, row func(key, rec []byte) error) error {
	it, err := d.moment.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return err
	}
	err = d.through(it, bytes.Clone(lower), upper, row)
	return errors.Join(err, ignoreDamage(it.Close()))
}

func (d *dump) through(it *pebble.Iterator, at, upper []byte, row func(key, rec []byte) error) error {
	for valid := it.SeekGE(at); ; valid = it.Next() {
		if valid {
			at = append(at[:0], it.Key()...)
			if err := d.record(it, row); err != nil {
				return err
			}
			continue
		}
		unread := it.Error()
		switch {
		case unread == nil:
			return nil
		case !pebble.IsCorruptionError(unread):
			return unread
		}
		if err := d.tell(unreadable("behind the key", at, unread)); err != nil {
			return err
		}
		if valid = seekBeyond(it, at); !valid {
			return nil
		}
		at = append(at[:0], it.Key()...)
		if err := d.record(it, row); err != nil {
			return err
		}
	}
}

// keyDepth is to how many bytes the first key behind a damaged block is looked for; what
// shares as many with it is passed over.
const keyDepth = 64

// seekBeyond finds the next key behind at that can be read, byte by byte: of each the
// last one at which the block is met. false where there is no such key.
func seekBeyond(it *pebble.Iterator, at []byte) bool {
	it.SeekGE(at)                            // the first seek after a failure may fail for that alone
	key, within := bytes.Clone(at[:1]), true // as far as it is that of at
	for len(key) < keyDepth {
		within = within && len(key) < len(at)
		least := 0
		if within {
			least = int(at[len(key)])
		}
		beyond := least + sort.Search(256-least, func(i int) bool {
			return (i > 0 || !within) && (it.SeekGE(append(key, byte(least+i))) || it.Error() == nil)
		})
		if beyond == 0 {
			return it.SeekGE(append(key, 0))
		}
		key = append(key, byte(beyond-1))
		within = within && beyond-1 == least
	}
	return it.SeekGE(after(key))
}

// ignoreDamage passes over what was told already.
func ignoreDamage(err error) error {
	if pebble.IsCorruptionError(err) {
		return nil
	}
	return err
}

func (d *dump) record(it *pebble.Iterator, row func(key, rec []byte) error) error {
	if err := d.ctx.Err(); err != nil {
		return err
	}
	value, err := it.ValueAndErr()
	if err != nil {
		if pebble.IsCorruptionError(err) {
			return d.tell(unreadable("the record", it.Key(), err))
		}
		return err
	}
	rec, err := record(it.Key(), bytes.Clone(value))
	if err == nil {
		err = row(it.Key(), rec)
	}
	return d.told(err)
}

// strays are records under keys that no table has.
func (d *dump) strays() error {
	lower := []byte{0}
	for _, table := range []byte{tableQueue, tableDoc, tableIndex, tableLease, tableMeta, tableName, tableMessage, tableDefinition, tableTimer, tableExecution, 0xff} {
		err := d.table(lower, []byte{table}, func(key, _ []byte) error { return damagedKey(key) })
		if err != nil {
			return err
		}
		lower = []byte{table + 1}
	}
	return nil
}

// unreadable is a damage that the engine found.
func unreadable(what string, key []byte, err error) error {
	return fmt.Errorf("%s %q: %w", what, key, damage(err))
}

func damagedKey(key []byte) error { return fmt.Errorf("the key %q: %w", key, store.ErrDamaged) }
