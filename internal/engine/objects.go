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
		m.Output = paged(page)
	}
	e.deliver(er, m)
}

// paged is a page as a map run takes it.
func paged(page integration.ItemPage) value.Text {
	sources := make([]value.Value, len(page.Sources))
	for i, s := range page.Sources {
		sources[i] = value.NewArray([]value.Value{value.NewInt(int64(s.End)), value.NewString(s.URI)})
	}
	return value.NewObject(
		value.Member{Name: "Items", Value: page.Items},
		value.Member{Name: "Sources", Value: value.NewArray(sources)},
		value.Member{Name: "Cursor", Value: value.NewString(page.Cursor)},
		value.Member{Name: "Over", Value: value.NewBool(page.Over)},
	).Text()
}

// readTries is how often a page is read anew before its reading has failed.
const readTries = 6

// reading is what a job reads; nil where it is over.
func (e *Engine) reading(k store.JobKey) (*integration.ItemRequest, error) {
	s, r, err := e.awake(k.ID)
	if err != nil {
		return nil, err
	}
	defer s.release(r)
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
	w, err := e.results(er.key)
	switch {
	case err != nil:
		e.postpone(er, err)
		return
	case w == nil:
		return
	}
	ctx, ok := e.dispatcher.underway(er, e.ctx)
	if !ok {
		return
	}
	err = e.write(ctx, w)
	er.cancel()
	m := machine.Message{Kind: machine.JobFailed, Job: machine.JobID(er.key.Number)}
	var failed *integration.Error
	switch final := errors.As(err, &failed); {
	case err == nil:
		m = w.Message()
	case !final && er.tries < readTries:
		e.postpone(er, err)
		return
	default:
		name, cause := "States.ResultWriterFailed", err.Error()
		if final {
			cause = failed.Cause
		}
		m.Failure = &machine.Failure{Error: &name, Cause: &cause}
	}
	e.deliver(er, m)
}

// written is what a job writes: see [machine.Execution.Results].
type written interface {
	Next() (bucket, key, body string, more bool)
	Reading() (source value.Value, cursor string, wanted bool)
	Read(page value.Text)
	Message() machine.Message
}

// results is what a job writes; nil where the job is over.
func (e *Engine) results(k store.JobKey) (written, error) {
	s, r, err := e.awake(k.ID)
	if err != nil {
		return nil, err
	}
	defer s.release(r)
	if w := r.x.Results(r.program, e.cfg.Quotas, machine.JobID(k.Number)); w != nil {
		return w, nil
	}
	return nil, nil
}

// write writes file by file, and reads the items that files need.
func (e *Engine) write(ctx context.Context, w written) error {
	if e.cfg.Objects == nil {
		return integration.NewError("States.ResultWriterFailed", "Results can't be written here", integration.EffectNone)
	}
	for {
		bucket, key, body, more := w.Next()
		source, cursor, reads := w.Reading()
		switch {
		case more:
			if err := e.cfg.Objects.Put(ctx, integration.Object{Bucket: bucket, Key: key}, []byte(body)); err != nil {
				return err
			}
		case !reads:
			return nil
		default:
			page, err := readPage(ctx, e.cfg.Items, integration.ItemRequest{Source: source, Cursor: cursor})
			var failed *integration.Error
			switch {
			case err == nil:
				w.Read(paged(page))
			case errors.As(err, &failed):
				w.Read(value.Text{}) // what can't be read was never to begin
			default:
				return err
			}
		}
	}
}
