package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/backstep/backstep/internal/store"
)

// IndexNotices lists what somebody of [Config].Notices is still to be told of:
// the value is his name, and a row says that its execution opened holds, or was
// quarantined, at the row's start. It is written in the commit that does so, and
// stays until [Engine.Noticed].
const IndexNotices = "notices"

// notice adds to the commit of an execution's turn that people are to be told.
func (e *Engine) notice(b *store.Batch, r *resident, at int64) {
	s := &r.x.Start
	for _, who := range e.cfg.Notices {
		b.Index = append(b.Index, store.Index{IndexKey: store.IndexKey{
			Tenant: Tenant(s.Account, s.Region), Index: IndexNotices, Value: who, Start: at, ID: r.id,
		}})
	}
}

// Owns reports whether an execution is this node's, so that no other one tells
// of it.
func (e *Engine) Owns(id store.ID) bool {
	s := e.shardOf(id)
	return s != nil && s.epoch.Load() != 0
}

// Noticed takes a row of [IndexNotices] away, now that those were told of who
// are to be told: of the execution's holds up to that number. It stays where
// more of them were opened within the same millisecond. ErrNotReady: the
// execution is another node's.
func (e *Engine) Noticed(ctx context.Context, row store.IndexKey, told uint32) error {
	s := e.shardOf(row.ID)
	if s == nil {
		return ErrNotFound
	}
	r := s.hold(row.ID) // who opens a hold holds it, too
	defer s.release(r)
	err := e.awaken(s, r)
	if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrQuarantined) {
		return err
	}
	if r.x != nil {
		for _, f := range r.x.Frames {
			if f.Hold != nil && f.Hold.Since == row.Start && f.Hold.Number > told {
				return nil
			}
		}
	}
	err = e.underLease(ctx, s, s.epoch.Load(), &store.Batch{DropIndex: []store.IndexKey{row}})
	if errors.Is(err, ErrNotReady) {
		return ErrNotReady
	}
	if err != nil {
		return fmt.Errorf("notice of execution %s: %w", row.ID, err)
	}
	return nil
}
