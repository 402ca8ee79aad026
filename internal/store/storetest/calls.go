package storetest

import (
	"context"
	"math"

	"github.com/backstep/backstep/internal/store"
)

// Call is one method of [store.Store], to be called without knowing it.
type Call struct {
	Method  string
	Endless bool // it has no error to give: Identity, Watch, Close
	Do      func(ctx context.Context, s store.Store, b *store.Batch) error
}

// Calls are all methods of [store.Store], Close last. Commit commits the batch
// given, the reads ask for something.
func Calls() []Call {
	return []Call{
		{"Commit", false, func(ctx context.Context, s store.Store, b *store.Batch) error { return s.Commit(ctx, b) }},
		{"Identity", true, func(_ context.Context, s store.Store, _ *store.Batch) error { s.Identity(); return nil }},
		{"Now", false, func(ctx context.Context, s store.Store, _ *store.Batch) error { return answered(s.Now(ctx)) }},
		{"Doc", false, func(ctx context.Context, s store.Store, _ *store.Batch) error {
			return answered(s.Doc(ctx, docKey("1")))
		}},
		{"Docs", false, func(ctx context.Context, s store.Store, _ *store.Batch) error {
			return answered(s.Docs(ctx, "t", "machine", "", 1))
		}},
		{"Definition", false, func(ctx context.Context, s store.Store, _ *store.Batch) error {
			return answered(s.Definition(ctx, store.Hash{1}))
		}},
		{"Name", false, func(ctx context.Context, s store.Store, _ *store.Batch) error {
			return answered(s.Name(ctx, store.NameKey{Shard: 1, Tenant: "t", Machine: "m", Name: "1"}))
		}},
		{"Execution", false, func(ctx context.Context, s store.Store, _ *store.Batch) error {
			return answered(s.Execution(ctx, id(1, 1, 1)))
		}},
		{"Load", false, func(ctx context.Context, s store.Store, _ *store.Batch) error {
			return answered(s.Load(ctx, id(1, 1, 1)))
		}},
		{"Undos", false, func(ctx context.Context, s store.Store, _ *store.Batch) error {
			return answered(s.Undos(ctx, id(1, 1, 1), 0, 1))
		}},
		{"Events", false, func(ctx context.Context, s store.Store, _ *store.Batch) error {
			return answered(s.Events(ctx, id(1, 1, 1), math.MaxInt64, true, 1))
		}},
		{"Payloads", false, func(ctx context.Context, s store.Store, _ *store.Batch) error {
			return answered(s.Payloads(ctx, id(1, 1, 1), []uint32{math.MaxUint32}))
		}},
		{"Index", false, func(ctx context.Context, s store.Store, _ *store.Batch) error {
			return answered(s.Index(ctx, store.IndexQuery{Tenant: "t", Index: "status", Value: "v", Limit: 1}))
		}},
		{"Jobs", false, func(ctx context.Context, s store.Store, _ *store.Batch) error {
			return answered(s.Jobs(ctx, 1, store.Never, nil, 1))
		}},
		{"Messages", false, func(ctx context.Context, s store.Store, _ *store.Batch) error { return answered(s.Messages(ctx, 1, 1)) }},
		{"Queue", false, func(ctx context.Context, s store.Store, _ *store.Batch) error {
			return answered(s.Queue(ctx, "t", "a", 1))
		}},
		{"Leases", false, func(ctx context.Context, s store.Store, _ *store.Batch) error { return answered(s.Leases(ctx)) }},
		{"Dump", false, func(ctx context.Context, s store.Store, _ *store.Batch) error {
			return s.Dump(ctx, func(*store.Batch) error { return nil }, nil)
		}},
		{"Watch", true, func(ctx context.Context, s store.Store, _ *store.Batch) error { s.Watch(ctx); return nil }},
		{"Close", true, func(_ context.Context, s store.Store, _ *store.Batch) error { return s.Close() }},
	}
}

// answered is the error of a read.
func answered[T any](_ T, err error) error { return err }
