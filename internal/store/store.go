// Package store is the contract of durability: a few nouns, one write, four
// errors. It keeps bytes under keys and knows no rule of the language: what a
// store must sort or filter by is a field, the rest is a Body.
//
// Everything changes by [Store.Commit] of one [Batch], which is whole or
// absent. Package storetest holds every promise made here as a test; embedded
// and postgres keep them on disk.
//
// Read store.go (the interface), noun.go (what is kept), batch.go (how it
// changes), check.go (the limits), dump.go (how all of it leaves, and comes),
// refusal.go (why a store may refuse to open).
package store

import (
	"context"
	"errors"
)

// The errors that callers may branch on, by errors.Is. Any other error means
// that the store could not do its work and that nothing was changed.
var (
	// ErrNotFound: there is no such row.
	ErrNotFound = errors.New("not found")
	// ErrConflict: an expectation of the batch did not hold; nothing changed.
	ErrConflict = errors.New("conflict")
	// ErrFenced: the shard's lease has another epoch by now; nothing changed.
	ErrFenced = errors.New("fenced")
	// ErrUnknown: the batch may or may not have been committed. The caller
	// reads again before it acts; it never commits the same thing blindly.
	ErrUnknown = errors.New("outcome unknown")
)

// Store keeps all that must outlive a process. Its methods may be called by
// many at once. What they return belongs to the caller, but a Body may be
// shared and must not be changed.
//
// A read that begins after a Commit returned nil sees that Commit. What a read
// or an ErrConflict has shown survives the loss of power: nobody outside hears
// of what may still vanish. Each read is of one moment; a limit below 1 reads
// nothing.
type Store interface {
	// Commit makes all changes of the batch, or none of them. It returns nil
	// only when they survive the loss of power. The errors are ErrConflict,
	// ErrFenced, ErrUnknown and others, which mean that nothing was changed.
	// How many batches share one sync is the store's own matter; a batch never
	// fails because of its neighbour. The batch is the caller's again when
	// Commit has returned. A context that ends before the commit is under way
	// changes nothing; one that ends later may leave it unknown.
	Commit(ctx context.Context, b *Batch) error

	// Identity is what the store was given when it was made.
	Identity() Identity
	// Now is the store's own clock in UTC milliseconds: the one that leases of
	// other nodes are judged by.
	Now(ctx context.Context) (int64, error)

	// Doc is one document, ErrNotFound where there is none.
	Doc(ctx context.Context, k DocKey) (Doc, error)
	// Docs are the documents of one kind whose names come after `after` in the
	// order of bytes, at most limit.
	Docs(ctx context.Context, tenant, kind, after string, limit int) ([]Doc, error)
	// Definition is the text under that hash, or ErrNotFound.
	Definition(ctx context.Context, hash Hash) ([]byte, error)
	// Name is the execution that has that name, or ErrNotFound.
	Name(ctx context.Context, k NameKey) (ID, error)
	// Execution is one execution's row, or ErrNotFound.
	Execution(ctx context.Context, id ID) (Execution, error)
	// Load is all that a turn needs of one execution, or ErrNotFound.
	Load(ctx context.Context, id ID) (Loaded, error)
	// Undos are an execution's undo rows by number, from `from` on, at most limit.
	Undos(ctx context.Context, id ID, from uint32, limit int) ([]Undo, error)
	// Events are groups of an execution's events in order: those that hold or
	// follow event `from`, at most limit groups; backwards those that hold or
	// precede it, the last first. The group that holds an event is the last
	// whose First is not above it.
	Events(ctx context.Context, id ID, from int64, backwards bool, limit int) ([]Events, error)
	// Payloads are the payloads of those numbers, in the order asked. One that
	// is missing is ErrNotFound.
	Payloads(ctx context.Context, id ID, numbers []uint32) ([][]byte, error)
	// Index is a page of an index, the newest Start first, equal ones by ID.
	Index(ctx context.Context, q IndexQuery) ([]Index, error)

	// Jobs are a shard's jobs that are due at or before `due`, in the order of
	// due, execution and number, after the job `after` (nil: from the first),
	// at most limit. Up to [Never] these are all of them.
	Jobs(ctx context.Context, shard Shard, due int64, after *Job, limit int) ([]Job, error)
	// Messages are a shard's waiting messages in order of arrival, at most limit.
	Messages(ctx context.Context, shard Shard, limit int) ([]Message, error)
	// Queue are an activity's waiting tasks, the oldest first, at most limit.
	Queue(ctx context.Context, tenant, activity string, limit int) ([]Queued, error)
	// Leases are the leases of all shards that ever had one.
	Leases(ctx context.Context) ([]Lease, error)

	// Dump visits all that the store holds, as of one moment, in pages that can be
	// committed one after the other into an empty store: documents, definitions and
	// names; executions by id, each followed by its frames, jobs, undos, events and
	// payloads; messages in order of arrival, shard by shard; queues; indexes;
	// leases. Every store has the same order, that of the keys, whatever the size of
	// its pages. A page is the visitor's until it returns; what the visitor may keep
	// are bodies. An error of the visitor ends the dump and is its own.
	//
	// A record that can't be read, or that the store's own records beside it do not
	// agree with, is told to damaged and passed over, until that returns an error;
	// where damaged is nil the first one ends the dump. Commits go on meanwhile.
	Dump(ctx context.Context, visit func(*Batch) error, damaged func(error) error) error

	// Watch tells of shards that another node left something in. A hint may be
	// lost or come twice; truth is in the reads. The channel is closed when ctx
	// ends or the store closes.
	Watch(ctx context.Context) <-chan Hint

	// Close gives back all that the store holds. No commit is lost by it; every
	// later call is an error.
	Close() error
}
