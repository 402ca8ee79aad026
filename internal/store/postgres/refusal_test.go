package postgres

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/postgres/pgtest"
	"github.com/jackc/pgx/v5"
)

// TestRefusals: what may not be opened is refused in one line that says why, and
// nothing is changed there.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name, before string
		made         bool // a store was made first
		want         error
		says         string
	}{
		{"foreign tables", "CREATE SCHEMA SCHEMA_NAME; CREATE TABLE SCHEMA_NAME.invoices (n int)", false, store.ErrForeign, `holds the table "invoices": choose an empty schema`},
		{"newer", "UPDATE SCHEMA_NAME.backstep SET value = '\\x00000003' WHERE name = 'format'", true, store.ErrNewer, "its format is 3, this version knows 2"},
		{"no format", "DELETE FROM SCHEMA_NAME.backstep WHERE name = 'format'", true, store.ErrDamaged, `record "format"`},
		{"being filled", "INSERT INTO SCHEMA_NAME.backstep VALUES ('filling', '')", true, store.ErrIncomplete, "drop the schema and begin again"},
		{"no key", "DELETE FROM SCHEMA_NAME.backstep WHERE name = 'token key'", true, store.ErrDamaged, `record "token key"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			place := newSchema(t)
			if c.made {
				place.store(t).Close()
			}
			place.exec(t, c.before)
			before := place.tables(t)
			s, err := Open(t.Context(), place.dsn, Options{Schema: place.name})
			if err == nil {
				s.Close()
				t.Fatal("it opens")
			}
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), place.name) || strings.Contains(err.Error(), "\n") {
				t.Error(err)
			}
			if after := place.tables(t); after != before {
				t.Errorf("the tables were %s and are %s", before, after)
			}
		})
	}
}

func (s *schema) tables(t *testing.T) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var all string
	if err := conn.QueryRow(t.Context(), "SELECT coalesce(string_agg(tablename, ' ' ORDER BY tablename), '') FROM pg_tables WHERE schemaname = $1", s.name).Scan(&all); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestUnsafe: a server that acknowledges before it has synced is refused.
func TestUnsafe(t *testing.T) {
	place := newSchema(t)
	_, err := Open(t.Context(), place.dsn+" synchronous_commit=off", Options{Schema: place.name})
	if !errors.Is(err, store.ErrUnsafe) || !strings.Contains(err.Error(), "synchronous_commit is off") {
		t.Fatal(err)
	}
}

// TestStandby: a server that follows another one is refused, but where who reads alone
// asks for one.
func TestStandby(t *testing.T) {
	pgtest.DSN(t) // skips where there is no server
	cluster, err := pgtest.Start()
	if errors.Is(err, pgtest.ErrMissing) {
		t.Skipf("SKIPPED, a private server is made a standby: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	defer cluster.Stop()
	place := &schema{dsn: cluster.DSN(), name: "followed"}
	s := place.store(t)
	defer s.Close()
	if err := s.Commit(t.Context(), payload(1, 1)); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Follow(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Payloads(t.Context(), store.ID{15: 1}, []uint32{1}); err == nil {
		t.Error("what may be older than what was acknowledged is shown")
	}
	for asked, o := range map[string]Options{"": {}, " target_session_attrs=any": {ReadOnly: true}, " target_session_attrs=prefer-standby": {}} {
		o.Schema = place.name
		if opened, err := Open(t.Context(), place.dsn+asked, o); err == nil {
			opened.Close()
			t.Errorf("%q, read only %v: it opens", asked, o.ReadOnly)
		} else if !strings.Contains(err.Error(), "standby") {
			t.Error(err)
		}
	}
	reader, err := Open(t.Context(), place.dsn+" target_session_attrs=standby", Options{Schema: place.name, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if !holds(t, reader, 1, 1) {
		t.Error("what was committed is not there")
	}
	primary := newSchema(t)
	host, rest, _ := strings.Cut(primary.dsn, " ")
	if !strings.HasPrefix(host, "host=/") {
		t.Skip("SKIPPED, the server is not named by its socket: it is not named beside a standby")
	}
	both, err := Open(t.Context(), "host="+filepath.Dir(cluster.Socket())+","+strings.TrimPrefix(host, "host=")+" "+rest, Options{Schema: primary.name})
	if err != nil {
		t.Fatal(err)
	}
	defer both.Close()
	if err := both.Commit(t.Context(), payload(1, 2)); err != nil || !holds(t, both, 1, 2) {
		t.Errorf("of a standby and a primary: %v", err)
	}
}

// TestUnreachable: a server that is not there is an error, in good time.
func TestUnreachable(t *testing.T) {
	for _, dsn := range []string{"host=" + t.TempDir() + " user=postgres", "::not a dsn"} {
		if _, err := Open(t.Context(), dsn, Options{}); err == nil {
			t.Errorf("%s: it opens", dsn)
		}
	}
}

// TestMadeOnce: of many that open a schema at once one makes it, and all see the
// same store.
func TestMadeOnce(t *testing.T) {
	place := newSchema(t)
	type made struct {
		s   *Store
		err error
	}
	all := make(chan made)
	for range 8 {
		go func() {
			s, err := Open(context.Background(), place.dsn, Options{Schema: place.name, Shards: 8, MaxConns: 2})
			all <- made{s, err}
		}()
	}
	var first store.Identity
	for range 8 {
		m := <-all
		if m.err != nil {
			t.Error(m.err)
			continue
		}
		defer m.s.Close()
		id := m.s.Identity()
		if first.TokenKey == nil {
			first = id
		}
		if id.Store != first.Store || !bytes.Equal(id.TokenKey, first.TokenKey) || id.Shards != 8 {
			t.Errorf("%+v beside %+v", id, first)
		}
	}
}

// TestEmptySchema: who may not make a schema is given one.
func TestEmptySchema(t *testing.T) {
	place := newSchema(t)
	place.exec(t, "CREATE SCHEMA SCHEMA_NAME")
	s := place.store(t)
	defer s.Close()
	if _, err := s.Now(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestMake: a store that was made to be filled is refused until it is filled, and
// none is made where one is.
func TestMake(t *testing.T) {
	place := newSchema(t)
	id := store.Identity{Store: store.NewID(0, 1, [8]byte{1}), Shards: 4, TokenKey: make([]byte, 32), RestoreEpoch: 2}
	made, err := Make(t.Context(), place.dsn, id, Options{Schema: place.name})
	if err != nil {
		t.Fatal(err)
	}
	defer made.Close()
	if _, err := Open(t.Context(), place.dsn, Options{Schema: place.name}); !errors.Is(err, store.ErrIncomplete) {
		t.Errorf("opened before it is filled: %v", err)
	}
	for _, look := range []bool{true, false} {
		if told, err := Migrate(t.Context(), place.dsn, Options{Schema: place.name}, look); !errors.Is(err, store.ErrIncomplete) {
			t.Errorf("migrated before it is filled, only looked at %v: %+v, %v", look, told, err)
		}
	}
	if err := made.Filled(t.Context()); err != nil {
		t.Fatal(err)
	}
	place.store(t).Close()
	if _, err := Make(t.Context(), place.dsn, id, Options{Schema: place.name}); !errors.Is(err, store.ErrOccupied) {
		t.Errorf("made where one is: %v", err)
	}
}
