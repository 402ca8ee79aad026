// Package archive takes all that a store holds along: from one store into another,
// or into a file and back. What it takes it counts and hashes, noun by noun, in an
// order that every store has, so that two stores that hold the same have the same
// sums. It knows the contract of stores, and no row's meaning.
//
// Read archive.go (copy), sums.go, row.go (a row as bytes, decided for good), write.go
// and read.go (a file).
package archive

import (
	"context"
	"fmt"

	"github.com/backstep/backstep/internal/store"
)

// Copy fills a store with all that another one holds as of one moment, and reads it
// back: its sums are the same, or that is the error. Progress, if not nil, hears how
// many rows there are so far; back says that they are being read back. The store is
// complete when Copy returns nil.
func Copy(ctx context.Context, from store.Store, to store.Filling, progress func(rows int, back bool)) (*Sums, error) {
	sums := NewSums()
	err := from.Dump(ctx, func(b *store.Batch) error {
		tell(progress, sums.Add(b), false)
		return to.Commit(ctx, b)
	}, nil)
	if err != nil {
		return nil, fmt.Errorf("copy: %w", err)
	}
	if err := holds(ctx, to, sums, progress); err != nil {
		return nil, err
	}
	return sums, to.Filled(ctx)
}

// holds reads a store and holds it to sums.
func holds(ctx context.Context, s store.Store, want *Sums, progress func(rows int, back bool)) error {
	got, err := SumsOf(ctx, s, func(rows int) { tell(progress, rows, true) })
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	for i, sum := range want.List() {
		if read := got.List()[i]; read != sum {
			return fmt.Errorf("read back: %s are %d (%s), %d (%s) were written: %w", sum.Noun, read.Rows, read.SHA256, sum.Rows, sum.SHA256, store.ErrDamaged)
		}
	}
	return nil
}

func tell(progress func(int, bool), rows int, back bool) {
	if progress != nil {
		progress(rows, back)
	}
}
