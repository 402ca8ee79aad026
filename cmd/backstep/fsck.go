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

// fsck looks at a store.
func fsck(ctx context.Context, at cli.Place, fault func(cli.Fault), progress func(cli.FsckCounts)) (cli.FsckCounts, error) {
	s, err := openToRead(ctx, at)
	if err != nil {
		return cli.FsckCounts{}, err
	}
	counts, err := audit.Run(ctx, audit.Config{
		Store: s, Doc: service.Definitions,
		Report:   func(f audit.Finding) { fault(cli.Fault(f)) },
		Progress: func(c audit.Counts) { progress(looked(c)) },
	})
	return looked(counts), errors.Join(err, s.Close())
}

func looked(c audit.Counts) cli.FsckCounts {
	return cli.FsckCounts{
		Documents: c.Documents, Definitions: c.Definitions, Executions: c.Executions, Running: c.Running, Quarantined: c.Quarantined, Locks: c.Locks,
		Events: c.Events, Payloads: c.Payloads, Jobs: c.Jobs, Messages: c.Messages, Queued: c.Queued, Listed: c.Listed,
	}
}
