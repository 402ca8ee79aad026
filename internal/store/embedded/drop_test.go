package embedded

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/backstep/backstep/internal/store"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestDropMany: of executions that are taken away together, those that stand side by
// side go by one deletion, which takes nobody along who stands between.
func TestDropMany(t *testing.T) {
	ctx := context.Background()
	s := open(t, vfs.NewMem())
	id := func(n int) store.ID { return store.NewID(1, int64(1000+n), [8]byte{}) }
	for n := range 30 {
		b := &store.Batch{
			Executions: []store.Execution{{ID: id(n), Start: []byte("start"), Body: []byte("body")}},
			Payloads:   []store.Payload{{ID: id(n), Number: 1, Body: []byte("{}")}},
		}
		if err := s.Commit(ctx, b); err != nil {
			t.Fatal(err)
		}
	}
	deletions := 0
	apply := s.apply
	s.apply = func(b *pebble.Batch) error {
		for r := b.Reader(); ; {
			kind, _, _, more, err := r.Next()
			if err != nil || !more {
				return errors.Join(err, apply(b))
			}
			if kind == pebble.InternalKeyKindRangeDelete {
				deletions++
			}
		}
	}
	kept := []int{0, 7, 8, 20}
	b := &store.Batch{DropExecutions: []store.ID{id(99)}} // one that is not there
	for n := 29; n >= 0; n-- {
		if !slices.Contains(kept, n) {
			b.DropExecutions = append(b.DropExecutions, id(n))
		}
	}
	named := bytes.Clone(b.DropExecutions[0][:])
	if err := s.Commit(ctx, b); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(named, b.DropExecutions[0][:]) {
		t.Error("the caller's batch was changed")
	}
	if deletions != 4 { // 1-6, 9-19, 21-29, 99
		t.Errorf("%d deletions", deletions)
	}
	for n := range 30 {
		_, err := s.Load(ctx, id(n))
		_, read := s.Payloads(ctx, id(n), []uint32{1})
		if is := slices.Contains(kept, n); is != (err == nil) || is != (read == nil) {
			t.Errorf("%d: %v, %v", n, err, read)
		}
	}
	// Who writes in the same batch is not swallowed.
	both := &store.Batch{DropExecutions: []store.ID{id(7), id(20)}, Executions: []store.Execution{{ID: id(15), Start: []byte("s"), Body: []byte("b")}}}
	if err := s.Commit(ctx, both); err != nil {
		t.Fatal(err)
	}
	for n, there := range map[int]bool{7: false, 8: true, 15: true, 20: false} {
		if _, err := s.Load(ctx, id(n)); (err == nil) != there {
			t.Errorf("%d: %v", n, err)
		}
	}
}
