package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/backstep/backstep/client"
	"github.com/backstep/backstep/internal/archive"
	"github.com/backstep/backstep/internal/cli"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/embedded"
	"github.com/backstep/backstep/internal/store/postgres"
)

// keeper keeps what stores hold.
type keeper struct{}

// makeStore makes a store that is to be filled.
func makeStore(ctx context.Context, at cli.Place, id store.Identity) (store.Filling, error) {
	var s store.Filling
	var err error
	if at.Postgres != "" {
		s, err = postgres.Make(ctx, at.Postgres, id, postgres.Options{})
	} else {
		s, err = embedded.Make(at.Data, id, embedded.Options{})
	}
	if err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	return s, nil
}

// Copy fills a store with what another one holds.
func (keeper) Copy(ctx context.Context, from, to cli.Place, progress func(rows int, back bool)) ([]cli.NounSum, error) {
	source, err := openToRead(ctx, from)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	if err := idle(ctx, source); err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	target, err := makeStore(ctx, to, source.Identity())
	if err != nil {
		return nil, err
	}
	sums, err := archive.Copy(ctx, source, &copied{target, source}, progress)
	if err = errors.Join(err, target.Close()); err != nil {
		return nil, filling(to, err)
	}
	return nounSums(sums.List()), nil
}

// copied is a store that is complete once its source is still idle: what a node has
// done there meanwhile is not in it, and both would go on with the same executions.
type copied struct {
	store.Filling
	source store.Store
}

// Filled says that the store is complete.
func (c *copied) Filled(ctx context.Context) error {
	if err := idle(ctx, c.source); err != nil {
		return &cli.UsageError{Err: fmt.Errorf("the source has moved on meanwhile, and the copy stays incomplete: %w", err)}
	}
	return c.Filling.Filled(ctx)
}

// filling is an error in filling a store: one of a folder is of its disk, and not of a
// server that was not reached.
func filling(at cli.Place, err error) error {
	if err == nil || at.Data == "" {
		return err
	}
	return &cli.UsageError{Err: err}
}

// idle refuses a store that a node works on.
func idle(ctx context.Context, s store.Store) error {
	if _, folder := s.(*embedded.Store); folder {
		return nil // it is locked
	}
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	leases, err := s.Leases(ctx)
	for _, l := range leases {
		if l.Expires > now {
			return fmt.Errorf("the database is %w: node %s holds shard %d; stop it, or wait until its lease has run out", store.ErrInUse, l.Node, l.Shard)
		}
	}
	return err
}

func nounSums(sums []archive.Sum) []cli.NounSum {
	list := make([]cli.NounSum, len(sums))
	for i, sum := range sums {
		list[i] = cli.NounSum(sum)
	}
	return list
}

// Backup has the server at an endpoint write a backup, and checks it as it comes.
func (keeper) Backup(ctx context.Context, endpoint, region string, to io.Writer, progress func(rows int)) (*cli.BackupInfo, error) {
	c, err := client.New(client.Config{Endpoint: endpoint, Region: region})
	if err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	stream, err := c.Backup(ctx)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	rows := 0
	f, err := archive.Read(ctx, io.TeeReader(stream, to), func(b *store.Batch) error {
		rows += archive.Rows(b)
		progress(rows)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("the backup did not come whole, and the server's log may say why: %w", err)
	}
	return infoOf(f), nil
}

// Kept tells the server at an endpoint that its backup is kept.
func (keeper) Kept(ctx context.Context, endpoint, region string, taken time.Time) error {
	c, err := client.New(client.Config{Endpoint: endpoint, Region: region})
	if err != nil {
		return err
	}
	return c.BackupKept(ctx, taken)
}

func infoOf(f *archive.File) *cli.BackupInfo {
	info := &cli.BackupInfo{Store: f.Store, Taken: time.UnixMilli(f.Taken).UTC(), Version: f.Version, Rows: f.Rows, SHA256: f.SHA256, Sums: nounSums(f.Sums)}
	for _, sum := range info.Sums {
		if sum.Noun == "executions" {
			info.Executions = sum.Rows
		}
	}
	return info
}

// Restore makes a store of a backup.
func (keeper) Restore(ctx context.Context, file string, to cli.Place, progress func(rows int, back bool)) (*cli.BackupInfo, error) {
	if file == "" {
		return restored(ctx, to)
	}
	from, err := os.Open(file)
	if err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	defer from.Close()
	f, err := archive.Read(ctx, from, nil)
	if err != nil {
		return nil, &cli.UsageError{Err: fmt.Errorf("%s: %w", file, err)}
	}
	id, err := f.Identity()
	if err != nil {
		return nil, &cli.UsageError{Err: fmt.Errorf("%s: %w", file, err)}
	}
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	id.RestoreEpoch++
	target, err := makeStore(ctx, to, id)
	if err != nil {
		return nil, err
	}
	done := infoOf(f)
	done.RestoreEpoch = id.RestoreEpoch
	if err = archive.Restore(ctx, from, target, progress); err == nil {
		done.Reoffered, err = engine.Reoffer(ctx, target, reofferPage)
	}
	if err == nil {
		err = target.Filled(ctx)
	}
	return done, filling(to, errors.Join(err, target.Close()))
}

const reofferPage = 256

// restored has a store in PostgreSQL, which was restored by other means, know it. Where
// there is none it makes none: another database was meant.
func restored(ctx context.Context, at cli.Place) (*cli.BackupInfo, error) {
	m, err := postgres.Migrate(ctx, at.Postgres, postgres.Options{}, true)
	if err == nil && m.Was == 0 {
		err = errors.New("the database holds no store: is it the one that was restored?")
	}
	if err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	s, err := postgres.Open(ctx, at.Postgres, postgres.Options{})
	if err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	if err := idle(ctx, s); err != nil {
		return nil, errors.Join(&cli.UsageError{Err: err}, s.Close())
	}
	done := &cli.BackupInfo{}
	if done.RestoreEpoch, err = s.Restored(ctx); err == nil {
		done.Reoffered, err = engine.Reoffer(ctx, s, reofferPage)
	}
	return done, errors.Join(err, s.Close())
}
