package cli

import (
	"context"
	"io"
	"strings"
	"time"
)

// Keeper keeps what stores hold. Progress hears how many rows there are so far; back
// says that they are being read back.
type Keeper interface {
	// Fsck looks at a store. Each fault is told as it is found, and how far it is. It
	// gives how many there are of what was looked at; an error says why the store could
	// not be read to its end.
	Fsck(ctx context.Context, at Place, fault func(Fault), progress func(executions, events int)) (map[string]int, error)
	// Copy fills a store with what another one holds.
	Copy(ctx context.Context, from, to Place, progress func(rows int, back bool)) ([]NounSum, error)
	// Backup has the server at an endpoint write a backup. Its error says that what was
	// written is none.
	Backup(ctx context.Context, endpoint, region string, to io.Writer, progress func(rows int)) (*BackupInfo, error)
	// Kept tells the server that its backup, which was taken at that time, is kept.
	Kept(ctx context.Context, endpoint, region string, taken time.Time) error
	// Restore makes a store of a backup, or where file is "" has one in PostgreSQL know
	// that it was restored.
	Restore(ctx context.Context, file string, to Place, progress func(rows int, back bool)) (*BackupInfo, error)
}

// Place is where a store lies: a data folder or a PostgreSQL database.
type Place struct {
	Data     string `help:"A data folder." type:"path" xor:"store" placeholder:"DIR"`
	Postgres string `help:"A PostgreSQL database." xor:"store" placeholder:"DSN"`
}

// isDSN reports whether a text names a PostgreSQL database and no folder.
func isDSN(text string) bool {
	return strings.Contains(text, "://") || strings.Contains(text, "dbname=") || strings.Contains(text, "host=")
}

// placeOf is the place that a text names.
func placeOf(text string) Place {
	if isDSN(text) {
		return Place{Postgres: text}
	}
	return Place{Data: text}
}

// String is the place for people, without what is secret in it.
func (p Place) String() string {
	if p.Postgres != "" {
		return "PostgreSQL"
	}
	return p.Data
}
