package service

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// The bounds of one step of a deletion, and how long it rests between steps.
const (
	deletionPage  = 100
	deletionPages = 100
	deletionRest  = time.Second
)

// finishDeletion stops the executions of a machine that is marked as deleted, so
// many pages of them, and takes the machine away once none is left. What is left,
// and what ends only when its sagas are undone, is for [Service.Run].
func (s *Service) finishDeletion(ctx context.Context, m *machineDoc, pages int) error {
	q := store.IndexQuery{Tenant: s.tenant, Index: engine.IndexStatus, Value: engine.StatusValue(m.Name, machine.Running), Limit: deletionPage}
	for range pages {
		running, err := s.Store.Index(ctx, q)
		if err != nil {
			return err
		}
		for _, row := range running {
			_, err := s.Engine.Stop(ctx, row.ID, machine.Failure{})
			var bound *engine.SagaError
			switch {
			case err == nil, errors.Is(err, engine.ErrNotFound), errors.Is(err, engine.ErrQuarantined), errors.As(err, &bound):
			default:
				return nil // not now: the mark stays, and Run comes again
			}
		}
		if len(running) < deletionPage {
			break
		}
		q.After = &running[deletionPage-1].IndexKey
	}
	q.After, q.Limit = nil, 1
	if left, err := s.Store.Index(ctx, q); err != nil || len(left) > 0 {
		return err
	}
	if more, err := s.dropOwned(ctx, m); more || err != nil {
		return err
	}
	err := s.Store.Commit(ctx, &store.Batch{
		ExpectDocs: []store.ExpectDoc{{DocKey: s.machineKey(m.Name), Rev: m.rev}},
		DropDocs:   []store.DocKey{s.machineKey(m.Name)},
		Docs:       []store.Doc{{DocKey: s.remainsKey(m.Name), Rev: 1}}, // its executions are kept as long as others
	})
	if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrUnknown) {
		return nil
	}
	return err
}

// dropOwned takes a page of a machine's versions and aliases away, and says
// whether there may be more.
func (s *Service) dropOwned(ctx context.Context, m *machineDoc) (more bool, err error) {
	b := store.Batch{ExpectDocs: []store.ExpectDoc{{DocKey: s.machineKey(m.Name), Rev: m.rev}}}
	for _, kind := range [...]string{kindAlias, kindVersion} {
		docs, err := s.Catalog.owned(ctx, s.tenant, kind, m.Name, "", deletionPage)
		if err != nil {
			return false, err
		}
		more = more || len(docs) == deletionPage
		for _, doc := range docs {
			b.DropDocs = append(b.DropDocs, doc.DocKey)
		}
	}
	if len(b.DropDocs) == 0 {
		return false, nil
	}
	err = s.Store.Commit(ctx, &b)
	if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrUnknown) {
		return true, nil
	}
	return more, err
}

// Run finishes deletions, and takes executions away that are kept no longer,
// until ctx ends.
func (s *Service) Run(ctx context.Context) {
	var retiring retirement
	var deleting, retirements obstacle
	for {
		err := contained(func() error { return s.deletions(ctx) })
		if deleting.isNew(err) && ctx.Err() == nil {
			s.Log.Warn("deletions of state machines are held up", "cause", err)
		}
		for range retireSteps {
			more, began := false, time.Now()
			err := contained(func() (err error) {
				more, err = s.retire(ctx, &retiring)
				return err
			})
			if retirements.isNew(err) && ctx.Err() == nil {
				s.Log.Warn("executions that are kept no longer can't be taken away", "cause", err)
			}
			if !more || err != nil {
				break
			}
			sleep(ctx, retirePace*time.Since(began))
		}
		if sleep(ctx, deletionRest); ctx.Err() != nil {
			return
		}
	}
}

// obstacle is what was last in the way of something that is tried again and again: the
// log is told once, and again when it is another.
type obstacle struct{ text string }

// isNew reports whether an error is not the one of before. Nil is none.
func (o *obstacle) isNew(err error) bool {
	was := o.text
	if o.text = ""; err != nil {
		o.text = err.Error()
	}
	return err != nil && o.text != was
}

// contained makes an error of a panic: what is wrong with one thing must not end
// the process, and end it again after each restart.
func contained(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return do()
}

// deletions takes one step of every deletion that is under way. One that can't be
// taken holds up no other; its error is that of the first.
func (s *Service) deletions(ctx context.Context) (failed error) {
	after := ""
	for {
		docs, err := s.Store.Docs(ctx, s.tenant, kindMachine, after, deletionPage)
		if err != nil {
			return err
		}
		for _, doc := range docs {
			m, err := decodeMachine(doc)
			if err == nil && m.Deleting {
				err = s.finishDeletion(ctx, m, deletionPages)
			}
			if err != nil && failed == nil {
				failed = fmt.Errorf("state machine %q: %w", doc.Name, err)
			}
		}
		if len(docs) < deletionPage {
			return failed
		}
		after = docs[len(docs)-1].Name
	}
}

// sleep waits so long, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
