package engine

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// SagaPart is Saga with a part of the log: its steps from a number on, at most so
// many, and besides them, wherever they stand, those that something is called about
// now, and all sagas. Next is the number from which on steps are left out, 0 where
// none is. It reads no more rows than it gives, but for a few.
func (e *Engine) SagaPart(ctx context.Context, id store.ID, from uint32, most int) (s *Saga, next uint32, err error) {
	for tries := 1; ; tries++ {
		if s, err = e.Holding(ctx, id); err != nil {
			return nil, 0, err
		}
		if s.Log, next, err = e.part(ctx, id, s, from, most); err != nil {
			return nil, 0, err
		}
		_, now, err := e.Execution(ctx, id)
		if err != nil {
			return nil, 0, err
		}
		if tries == maxTries || now.LastJob == s.Head.LastJob && now.LastEvent == s.Head.LastEvent {
			return s, next, nil
		}
	}
}

// part reads the rows of a part of an execution's saga log, by number.
func (e *Engine) part(ctx context.Context, id store.ID, s *Saga, from uint32, most int) (log []*machine.Undo, next uint32, err error) {
	if s.Head.Sagas == 0 {
		return nil, 0, nil
	}
	steps := 0
	err = e.walkLog(ctx, id, from, s.Head.Entries, most, func(row *machine.Undo) bool {
		if row.IsStep() {
			if steps == most {
				next = row.Number
				return false
			}
			steps++
		}
		log = append(log, row)
		return true
	})
	if err != nil {
		return nil, 0, err
	}
	var called []uint32
	for _, f := range s.Frames {
		if f.Body != nil && (f.Body.Row < from || next > 0 && f.Body.Row >= next) {
			called = append(called, f.Body.Row)
		}
	}
	besides, err := e.rowsOf(ctx, id, called)
	if err != nil {
		return nil, 0, err
	}
	log = append(log, besides...)
	slices.SortFunc(log, func(a, b *machine.Undo) int { return cmp.Compare(a.Number, b.Number) })
	err = e.walkLog(ctx, id, s.Head.Entries+1, math.MaxUint32, int(s.Head.Sagas), func(row *machine.Undo) bool {
		log = append(log, row)
		return true
	})
	return log, next, err
}

// rowsOf reads rows of a saga log, those near each other at once.
func (e *Engine) rowsOf(ctx context.Context, id store.ID, numbers []uint32) (rows []*machine.Undo, err error) {
	slices.Sort(numbers)
	for numbers = slices.Compact(numbers); len(numbers) > 0 && err == nil; {
		n := 1
		for n < len(numbers) && numbers[n]-numbers[n-1] <= rowsAtOnce {
			n++
		}
		near := numbers[:n]
		err = e.walkLog(ctx, id, near[0], near[n-1], int(near[n-1]-near[0]), func(row *machine.Undo) bool {
			if _, wanted := slices.BinarySearch(near, row.Number); wanted {
				rows = append(rows, row)
			}
			return true
		})
		numbers = numbers[n:]
	}
	return rows, err
}

// walkLog shows the rows of a saga log from a number to another one, in that order,
// until it is enough. Expected is how many rows are likely to be looked at before one
// that ends it.
func (e *Engine) walkLog(ctx context.Context, id store.ID, from, to uint32, expected int, show func(*machine.Undo) bool) error {
	var bad error
	err := e.walkRows(ctx, id, from, to, expected, func(row *store.Undo) bool {
		u, err := machine.Decode[machine.Undo](row.Body)
		if err != nil {
			bad = fmt.Errorf("row %d of the saga log of execution %s: %w", row.Number, id, err)
			return false
		}
		return show(u)
	})
	return cmp.Or(err, bad)
}

// walkRows is walkLog of rows as they are stored.
func (e *Engine) walkRows(ctx context.Context, id store.ID, from, to uint32, expected int, show func(*store.Undo) bool) error {
	for at := from; at <= to; {
		limit := min(expected+1, e.cfg.Limits.Page)
		page, err := e.cfg.Store.Undos(ctx, id, at, limit)
		if err != nil {
			return fmt.Errorf("saga log of execution %s: %w", id, err)
		}
		for i := range page {
			if page[i].Number > to || !show(&page[i]) {
				return nil
			}
		}
		if len(page) < limit || page[len(page)-1].Number == math.MaxUint32 {
			return nil
		}
		at = page[len(page)-1].Number + 1
	}
	return nil
}
