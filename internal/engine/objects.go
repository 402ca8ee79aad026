package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// A map run reads its items and writes its results by jobs. Both may be done
// twice, after a crash: what is read is read again from the same cursor, what is
// written has the same text under the same key.

// readItems reads the next page of a map run's items.
func (e *Engine) readItems(er *errand) {
	request, err := e.reading(er.key)
	switch {
	case err != nil:
		e.postpone(er, err)
		return
	case request == nil:
		return
	}
	ctx, ok := e.dispatcher.underway(er, e.ctx)
	if !ok {
		return
	}
	page, err := readPage(ctx, e.cfg.Items, *request)
	er.cancel()
	m := machine.Message{Kind: machine.JobSucceeded, Job: machine.JobID(er.key.Number)}
	var failed *integration.Error
	switch {
	case errors.As(err, &failed):
		name := "States.ItemReaderFailed"
		m.Kind, m.Failure = machine.JobFailed, &machine.Failure{Error: &name, Cause: &failed.Cause}
	case err != nil && er.tries < readTries:
		e.postpone(er, err)
		return
	case err != nil:
		name, cause := "States.ItemReaderFailed", err.Error()
		m.Kind, m.Failure = machine.JobFailed, &machine.Failure{Error: &name, Cause: &cause}
	default:
		m.Output = value.NewObject(
			value.Member{Name: "Items", Value: page.Items},
			value.Member{Name: "Cursor", Value: value.NewString(page.Cursor)},
			value.Member{Name: "Over", Value: value.NewBool(page.Over)},
		).Text()
	}
	e.deliver(er, m)
}

// readTries is how often a page is read anew before its reading has failed.
const readTries = 6

// reading is what a job reads; nil where it is over.
func (e *Engine) reading(k store.JobKey) (*integration.ItemRequest, error) {
	s := e.shardOf(k.ID)
	r := s.hold(k.ID)
	defer s.release(r)
	if err := e.awaken(s, r); err != nil {
		return nil, err
	}
	source, cursor, ok := r.x.Reading(machine.JobID(k.Number))
	if !ok {
		return nil, nil
	}
	return &integration.ItemRequest{Source: source, Cursor: cursor}, nil
}

// readPage calls the reader. One that panics has failed.
func readPage(ctx context.Context, r integration.ItemReader, request integration.ItemRequest) (page integration.ItemPage, err error) {
	if r == nil {
		return page, integration.NewError("States.ItemReaderFailed", "Items can't be read here", integration.EffectNone)
	}
	defer func() {
		if p := recover(); p != nil {
			err = integration.NewError("States.ItemReaderFailed", fmt.Sprint("the reader panicked: ", p), integration.EffectNone)
		}
	}()
	return r.Read(ctx, request)
}

// writeResults writes the files of a map run's job.
func (e *Engine) writeResults(er *errand) {
	write, m, err := e.results(er.key)
	switch {
	case err != nil:
		e.postpone(er, err)
		return
	case write == nil:
		return
	}
	ctx, ok := e.dispatcher.underway(er, e.ctx)
	if !ok {
		return
	}
	err = write(ctx)
	er.cancel()
	var failed *integration.Error
	switch final := errors.As(err, &failed); {
	case err == nil:
	case !final && er.tries < readTries:
		e.postpone(er, err)
		return
	default:
		name, cause := "States.ResultWriterFailed", err.Error()
		if final {
			cause = failed.Cause
		}
		m = machine.Message{Kind: machine.JobFailed, Job: m.Job, Failure: &machine.Failure{Error: &name, Cause: &cause}}
	}
	e.deliver(er, m)
}

// results is what a job writes, and what is said when that is done; nil where
// the job is over.
func (e *Engine) results(k store.JobKey) (func(context.Context) error, machine.Message, error) {
	s := e.shardOf(k.ID)
	r := s.hold(k.ID)
	defer s.release(r)
	if err := e.awaken(s, r); err != nil {
		return nil, machine.Message{}, err
	}
	files, done, open := r.x.Results(machine.JobID(k.Number))
	if !open {
		return nil, done, nil
	}
	return func(ctx context.Context) error {
		if e.cfg.Objects == nil {
			return integration.NewError("States.ResultWriterFailed", "Results can't be written here", integration.EffectNone)
		}
		for _, f := range files {
			if err := e.cfg.Objects.Put(ctx, integration.Object{Bucket: f.Bucket, Key: f.Key}, []byte(f.Body)); err != nil {
				return err
			}
		}
		return nil
	}, done, nil
}
