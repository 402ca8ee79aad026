package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/backstep/backstep/internal/audit"
	"github.com/backstep/backstep/internal/cli"
	"github.com/backstep/backstep/internal/service"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/embedded"
	"github.com/backstep/backstep/internal/store/postgres"
)

// openToRead opens a store of which nothing is changed.
func openToRead(ctx context.Context, at cli.Place) (store.Store, error) {
	var s store.Store
	var err error
	if at.Postgres != "" {
		s, err = postgres.Open(ctx, at.Postgres, postgres.Options{ReadOnly: true, MaxConns: 4})
	} else {
		s, err = embedded.Open(at.Data, embedded.Options{ReadOnly: true, Logger: slog.New(slog.DiscardHandler)})
	}
	if err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	return s, nil
}

// Fsck looks at a store.
func (keeper) Fsck(ctx context.Context, at cli.Place, fault func(cli.Fault), progress func(executions, events int)) (map[string]int, error) {
	s, err := openToRead(ctx, at)
	if err != nil {
		return nil, err
	}
	var c audit.Counts
	look := func(ctx context.Context) (err error) {
		c, err = audit.Run(ctx, audit.Config{
			Store: s, Doc: service.Definitions,
			Report:   func(f audit.Finding) { fault(cli.Fault(f)) },
			Progress: func(c audit.Counts) { progress(c.Executions, c.Events) },
		})
		return err
	}
	if shared, ok := s.(*postgres.Store); ok {
		err = shared.Moment(ctx, look) // nodes may go on meanwhile
	} else {
		err = look(ctx)
	}
	return map[string]int{
		"documents": c.Documents, "definitions": c.Definitions, "executions": c.Executions, "running": c.Running, "quarantined": c.Quarantined, "locks": c.Locks,
		"events": c.Events, "payloads": c.Payloads, "jobs": c.Jobs, "messages": c.Messages, "queued": c.Queued, "listed": c.Listed,
	}, errors.Join(err, s.Close())
}
