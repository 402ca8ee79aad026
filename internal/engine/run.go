package engine

import (
	"context"

	"github.com/backstep/backstep/internal/store"
)

// Ready reports whether starts are taken.
func (e *Engine) Ready() bool { return false }

// Run turns the engine until ctx ends or the store fails for good, which is its
// error. It is called once.
func (e *Engine) Run(ctx context.Context) error { return ErrNotReady }

// Drain stops taking starts, lets the calls in flight end until ctx does, ends
// long polls and gives the leases back. Calls that did not end are made again
// by whoever takes the shards next.
func (e *Engine) Drain(ctx context.Context) error { return nil }

// Turn takes what other nodes left in a shard's inbox.
func (e *Engine) Turn(shard store.Shard) error { return nil }

// Fire does what is due at now, UTC milliseconds.
func (e *Engine) Fire(now int64) {}

// Next is when Fire has something to do at the latest, UTC milliseconds.
func (e *Engine) Next() int64 { return 0 }

// Renew takes and renews leases at now, UTC milliseconds.
func (e *Engine) Renew(now int64) {}
