package postgres

import (
	"context"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/store"
)

// oldest makes the schema as the first version did, with a row in it.
func (s *schema) oldest(t *testing.T) {
	t.Helper()
	s.store(t).Close()
	s.exec(t, `DO $$ DECLARE t text; BEGIN FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'SCHEMA_NAME' LOOP
			EXECUTE format('ALTER TABLE SCHEMA_NAME.%I RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_cost_delay)', t);
		END LOOP; END $$;
		INSERT INTO SCHEMA_NAME.payloads VALUES ('\x0000000000000000000000000000000a', 1, 'old');
		UPDATE SCHEMA_NAME.backstep SET value = '\x00000001' WHERE name = 'format'`)
}

// TestMigrated: a schema of the first format is brought up to date when it is
// opened, or before that; what is in it stays.
func TestMigrated(t *testing.T) {
	place := newSchema(t)
	place.oldest(t)
	told, err := Migrate(t.Context(), place.dsn, Options{Schema: place.name}, true)
	if err != nil || told.Was != 1 || told.Is != 1 || told.Newest != format || place.format(t) != 1 {
		t.Fatalf("looked at: %+v, %v, it is at %d", told, err, place.format(t))
	}
	if told, err = Migrate(t.Context(), place.dsn, Options{Schema: place.name}, false); err != nil || told.Was != 1 || told.Is != format || place.format(t) != format {
		t.Fatalf("migrated: %+v, %v, it is at %d", told, err, place.format(t))
	}
	if told, err = Migrate(t.Context(), place.dsn, Options{Schema: place.name}, false); err != nil || told.Was != format || told.Is != format {
		t.Fatalf("migrated again: %+v, %v", told, err)
	}
	s := place.store(t)
	defer s.Close()
	if bodies, err := s.Payloads(t.Context(), store.ID{15: 10}, []uint32{1}); err != nil || string(bodies[0]) != "old" {
		t.Errorf("the row that was there: %q, %v", bodies, err)
	}
}

// TestMigrationInterrupted: a migration that does not get through leaves what was
// there, and is done by the next who opens.
func TestMigrationInterrupted(t *testing.T) {
	place := newSchema(t)
	place.oldest(t)
	place.exec(t, `ALTER TABLE SCHEMA_NAME.queue RENAME TO queue_away`) // the last table of the second migration
	if s, err := Open(t.Context(), place.dsn, Options{Schema: place.name}); err == nil {
		s.Close()
		t.Fatal("it opens")
	} else if !strings.Contains(err.Error(), "migration 2") {
		t.Error(err)
	}
	var options int
	place.ask(t, "SELECT count(*) FROM pg_class c WHERE relnamespace = '"+place.name+"'::regnamespace AND reloptions IS NOT NULL", &options)
	if place.format(t) != 1 || options != 0 {
		t.Errorf("it is at %d, and %d tables are changed", place.format(t), options)
	}
	place.exec(t, `ALTER TABLE SCHEMA_NAME.queue_away RENAME TO queue`)
	s, err := Open(context.Background(), place.dsn, Options{Schema: place.name})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if place.format(t) != format || s.Identity().Format != format {
		t.Errorf("it is at %d", place.format(t))
	}
}

// TestMigrateNothing: where there is no store, to look at it makes none.
func TestMigrateNothing(t *testing.T) {
	place := newSchema(t)
	told, err := Migrate(t.Context(), place.dsn, Options{Schema: place.name}, true)
	if err != nil || told.Was != 0 || told.Is != 0 || place.tables(t) != "" {
		t.Fatalf("looked at: %+v, %v, %s", told, err, place.tables(t))
	}
	if told, err = Migrate(t.Context(), place.dsn, Options{Schema: place.name}, false); err != nil || told.Was != 0 || told.Is != format {
		t.Fatalf("made: %+v, %v", told, err)
	}
	if told, err = Migrate(t.Context(), place.dsn, Options{Schema: place.name}, true); err != nil || told.Is != format {
		t.Fatalf("looked at again: %+v, %v", told, err)
	}
}

func (s *schema) format(t *testing.T) (n int) {
	t.Helper()
	s.ask(t, "SELECT ('x' || encode(value, 'hex'))::bit(32)::int FROM "+s.name+".backstep WHERE name = 'format'", &n)
	return n
}
