package storetest

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/backstep/backstep/internal/store"
)

// Faulty is a store that fails on purpose: before every call it asks its Plan.
type Faulty struct {
	inner store.Store
	plan  Plan
}

var _ store.Store = (*Faulty)(nil)

// Plan decides the fault of a call by its method's name and, for Commit, its
// batch, which is nil for all others. It is called by as many at once as the
// store is.
type Plan func(method string, b *store.Batch) Fault

// Fault is what happens to one call. The zero value is none.
type Fault struct {
	Wait func() // called first: latency, or a place to be stopped at
	Err  error  // what the caller is told, if not nil; a Watch hears no hint instead
	Done bool   // the call is made nevertheless, and its answer lost
}

// NewFaulty puts faults before a store.
func NewFaulty(inner store.Store, plan Plan) *Faulty { return &Faulty{inner, plan} }

// ErrPlain stands for every error that callers may not branch on.
var ErrPlain = errors.New("the disk is on fire")

// Named is a fault and what to call it.
type Named struct {
	Name  string
	Fault Fault
}

// Faults are the faults that a method can have: of Commit every error of the
// contract and the unknown outcome in both ways, of a read an error. Identity
// has none.
func Faults(method string) []Named {
	switch method {
	case "Identity":
		return nil
	case "Commit":
		return []Named{
			{"plain", Fault{Err: ErrPlain}},
			{"conflict", Fault{Err: store.ErrConflict}},
			{"fenced", Fault{Err: store.ErrFenced}},
			{"unknown, not done", Fault{Err: store.ErrUnknown}},
			{"unknown, done", Fault{Err: store.ErrUnknown, Done: true}},
		}
	}
	return []Named{{"plain, not done", Fault{Err: ErrPlain}}, {"plain, done", Fault{Err: ErrPlain, Done: true}}}
}

// Nth is the plan in which the n-th call of a method (1 is the first) has that
// fault, and no other call has one.
func Nth(method string, n int64, f Fault) Plan {
	var calls atomic.Int64
	return func(called string, _ *store.Batch) Fault {
		if called == method && calls.Add(1) == n {
			return f
		}
		return Fault{}
	}
}

// fault asks the plan and lets the caller wait.
func (f *Faulty) fault(method string, b *store.Batch) Fault {
	fault := f.plan(method, b)
	if fault.Wait != nil {
		fault.Wait()
	}
	return fault
}

// faulty makes one read under its fault.
func faulty[T any](f *Faulty, method string, read func() (T, error)) (T, error) {
	var none T
	fault := f.fault(method, nil)
	if fault.Err == nil {
		return read()
	}
	if fault.Done {
		_, _ = read()
	}
	return none, fault.Err
}

// Commit implements store.Store.
func (f *Faulty) Commit(ctx context.Context, b *store.Batch) error {
	fault := f.fault("Commit", b)
	if fault.Err == nil {
		return f.inner.Commit(ctx, b)
	}
	if fault.Done {
		if err := f.inner.Commit(ctx, b); err != nil {
			return err // what has not happened can't be unknown
		}
	}
	return fault.Err
}

// Identity implements store.Store; it has latency at most.
func (f *Faulty) Identity() store.Identity {
	f.fault("Identity", nil)
	return f.inner.Identity()
}

// Watch implements store.Store; its fault is to hear nothing.
func (f *Faulty) Watch(ctx context.Context) <-chan store.Hint {
	if f.fault("Watch", nil).Err == nil {
		return f.inner.Watch(ctx)
	}
	silence := make(chan store.Hint)
	context.AfterFunc(ctx, func() { close(silence) })
	return silence
}

// Close implements store.Store.
func (f *Faulty) Close() error {
	fault := f.fault("Close", nil)
	if fault.Err != nil && !fault.Done {
		return fault.Err
	}
	return errors.Join(f.inner.Close(), fault.Err)
}

// Now implements store.Store.
func (f *Faulty) Now(ctx context.Context) (int64, error) {
	return faulty(f, "Now", func() (int64, error) { return f.inner.Now(ctx) })
}

// Doc implements store.Store.
func (f *Faulty) Doc(ctx context.Context, k store.DocKey) (store.Doc, error) {
	return faulty(f, "Doc", func() (store.Doc, error) { return f.inner.Doc(ctx, k) })
}

// Docs implements store.Store.
func (f *Faulty) Docs(ctx context.Context, tenant, kind, after string, limit int) ([]store.Doc, error) {
	return faulty(f, "Docs", func() ([]store.Doc, error) { return f.inner.Docs(ctx, tenant, kind, after, limit) })
}

// Definition implements store.Store.
func (f *Faulty) Definition(ctx context.Context, hash store.Hash) ([]byte, error) {
	return faulty(f, "Definition", func() ([]byte, error) { return f.inner.Definition(ctx, hash) })
}

// Name implements store.Store.
func (f *Faulty) Name(ctx context.Context, k store.NameKey) (store.ID, error) {
	return faulty(f, "Name", func() (store.ID, error) { return f.inner.Name(ctx, k) })
}

// Execution implements store.Store.
func (f *Faulty) Execution(ctx context.Context, id store.ID) (store.Execution, error) {
	return faulty(f, "Execution", func() (store.Execution, error) { return f.inner.Execution(ctx, id) })
}

// Load implements store.Store.
func (f *Faulty) Load(ctx context.Context, id store.ID) (store.Loaded, error) {
	return faulty(f, "Load", func() (store.Loaded, error) { return f.inner.Load(ctx, id) })
}

// Undos implements store.Store.
func (f *Faulty) Undos(ctx context.Context, id store.ID, from uint32, limit int) ([]store.Undo, error) {
	return faulty(f, "Undos", func() ([]store.Undo, error) { return f.inner.Undos(ctx, id, from, limit) })
}

// Events implements store.Store.
func (f *Faulty) Events(ctx context.Context, id store.ID, from int64, backwards bool, limit int) ([]store.Events, error) {
	return faulty(f, "Events", func() ([]store.Events, error) { return f.inner.Events(ctx, id, from, backwards, limit) })
}

// Payloads implements store.Store.
func (f *Faulty) Payloads(ctx context.Context, id store.ID, numbers []uint32) ([][]byte, error) {
	return faulty(f, "Payloads", func() ([][]byte, error) { return f.inner.Payloads(ctx, id, numbers) })
}

// Index implements store.Store.
func (f *Faulty) Index(ctx context.Context, q store.IndexQuery) ([]store.Index, error) {
	return faulty(f, "Index", func() ([]store.Index, error) { return f.inner.Index(ctx, q) })
}

// Jobs implements store.Store.
func (f *Faulty) Jobs(ctx context.Context, shard store.Shard, due int64, after *store.Job, limit int) ([]store.Job, error) {
	return faulty(f, "Jobs", func() ([]store.Job, error) { return f.inner.Jobs(ctx, shard, due, after, limit) })
}

// Messages implements store.Store.
func (f *Faulty) Messages(ctx context.Context, shard store.Shard, limit int) ([]store.Message, error) {
	return faulty(f, "Messages", func() ([]store.Message, error) { return f.inner.Messages(ctx, shard, limit) })
}

// Queue implements store.Store.
func (f *Faulty) Queue(ctx context.Context, tenant, activity string, limit int) ([]store.Queued, error) {
	return faulty(f, "Queue", func() ([]store.Queued, error) { return f.inner.Queue(ctx, tenant, activity, limit) })
}

// Dump implements store.Store.
func (f *Faulty) Dump(ctx context.Context, visit func(*store.Batch) error, damaged func(error) error) error {
	_, err := faulty(f, "Dump", func() (struct{}, error) { return struct{}{}, f.inner.Dump(ctx, visit, damaged) })
	return err
}

// Leases implements store.Store.
func (f *Faulty) Leases(ctx context.Context) ([]store.Lease, error) {
	return faulty(f, "Leases", func() ([]store.Lease, error) { return f.inner.Leases(ctx) })
}
