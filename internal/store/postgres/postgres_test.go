package postgres

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/postgres/pgtest"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// schema is a place of a schema's own. Its crash cuts all its connections.
type schema struct {
	dsn, name string
	open      []*Store
}

var schemas atomic.Int64

func newSchema(t testing.TB) *schema {
	dsn := pgtest.DSN(t)
	s := &schema{dsn: dsn, name: fmt.Sprintf("test_%d_%d", os.Getpid(), schemas.Add(1))}
	t.Cleanup(func() { s.exec(t, "DROP SCHEMA IF EXISTS "+s.name+" CASCADE") })
	return s
}

func (s *schema) exec(t testing.TB, sql string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, s.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, strings.ReplaceAll(sql, "SCHEMA_NAME", s.name)); err != nil {
		t.Fatal(err)
	}
}

func (s *schema) Open(t *testing.T) store.Store { return s.store(t) }

func (s *schema) store(t testing.TB) *Store {
	t.Helper()
	opened, err := Open(context.Background(), s.dsn, Options{Schema: s.name})
	if err != nil {
		t.Fatal(err)
	}
	s.open = append(s.open, opened)
	return opened
}

func (s *schema) Crash(t *testing.T) {
	s.exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'backstep'")
	for _, opened := range s.open {
		opened.Close()
	}
	s.open = nil
}

func (s *schema) Make(t *testing.T, id store.Identity) store.Filling {
	made, err := Make(t.Context(), s.dsn, id, Options{Schema: s.name})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func (s *schema) Shared() bool { return true }

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Place { return newSchema(t) })
}

// ask reads one row.
func (s *schema) ask(t testing.TB, sql string, into ...any) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), s.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(context.Background(), sql).Scan(into...); err != nil {
		t.Fatal(err)
	}
}
