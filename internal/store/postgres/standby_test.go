package postgres

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/postgres/pgtest"
)

// led is a server of a test's own whose commits wait for a synchronous standby where
// the test says so.
type led struct {
	*pgtest.Cluster
	schema
}

func newLed(t *testing.T) *led {
	t.Helper()
	pgtest.DSN(t) // skips where there is no server
	cluster, err := pgtest.Start()
	if errors.Is(err, pgtest.ErrMissing) {
		t.Skipf("SKIPPED, a private server waits for a standby: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Stop)
	return &led{cluster, schema{dsn: cluster.DSN(), name: "led"}}
}

// follow has commits wait for the standby of that name, or for none where it is empty.
func (l *led) follow(t *testing.T, name string) {
	t.Helper()
	l.exec(t, fmt.Sprintf("ALTER SYSTEM SET synchronous_standby_names = '%s'", name))
	l.exec(t, "SELECT pg_reload_conf()")
	for now := "?"; now != name; {
		l.ask(t, "SELECT current_setting('synchronous_standby_names')", &now)
	}
}

// waits returns when a commit waits for the standby: the process that does.
func (l *led) waits(t *testing.T) (pid int) {
	t.Helper()
	for begun := time.Now(); pid == 0; {
		l.ask(t, "SELECT coalesce((SELECT pid FROM pg_stat_activity WHERE application_name = 'backstep' AND wait_event = 'SyncRep' LIMIT 1), 0)", &pid)
		if time.Since(begun) > time.Minute {
			t.Fatal("no commit waits for the standby")
		}
	}
	return pid
}

// TestWhatNoStandbyHas: a commit whose wait for the standby was cut off can be seen, and
// is lost with the server: it is neither acknowledged nor shown until the standby has it.
func TestWhatNoStandbyHas(t *testing.T) {
	for name, cut := range map[string]func(t *testing.T, l *led, pid int){
		"ended":     func(t *testing.T, l *led, pid int) { l.exec(t, fmt.Sprintf("SELECT pg_terminate_backend(%d)", pid)) },
		"cancelled": func(t *testing.T, l *led, pid int) { l.exec(t, fmt.Sprintf("SELECT pg_cancel_backend(%d)", pid)) },
		"crashed": func(t *testing.T, l *led, _ int) {
			if err := l.Restart(); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLed(t)
			s, err := Open(t.Context(), l.dsn, Options{Schema: l.name, Committers: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.Commit(t.Context(), payload(1, 1)); err != nil { // a session, and one that reads
				t.Fatal(err)
			}
			holds(t, s, 1, 1)
			l.follow(t, "nobody")
			told := make(chan error)
			go func() { told <- s.Commit(context.WithoutCancel(t.Context()), payload(1, 2)) }()
			cut(t, l, l.waits(t))
			if err := <-told; !errors.Is(err, store.ErrUnknown) {
				t.Errorf("the commit: %v", err)
			}
			var there int
			l.ask(t, "SELECT count(*) FROM led.payloads", &there)
			if there != 2 {
				t.Fatalf("%d payloads can be seen: that is not what is tested", there)
			}
			if _, err := s.Payloads(t.Context(), store.ID{15: 1}, []uint32{2}); err == nil || errors.Is(err, store.ErrNotFound) {
				t.Errorf("what no standby has is read: %v", err)
			}
			if other, err := Open(t.Context(), l.dsn, Options{Schema: l.name}); err == nil {
				defer other.Close()
				if _, err := other.Payloads(t.Context(), store.ID{15: 1}, []uint32{2}); err == nil {
					t.Error("what no standby has is read by another node")
				}
			}
			l.follow(t, "")
			if !holds(t, s, 1, 2) {
				t.Error("what the standby has is not read")
			}
			if err := s.Commit(t.Context(), payload(1, 3)); err != nil {
				t.Errorf("the next commit: %v", err)
			}
		})
	}
}

// TestUnsafeBesideStandby: a server whose standby is not waited for is refused.
func TestUnsafeBesideStandby(t *testing.T) {
	l := newLed(t)
	l.store(t).Close()
	if s, err := Open(t.Context(), l.dsn+" synchronous_commit=local", Options{Schema: l.name}); err != nil {
		t.Errorf("without standbys: %v", err)
	} else {
		s.Close()
	}
	l.follow(t, "nobody")
	if s, err := Open(t.Context(), l.dsn+" synchronous_commit=local", Options{Schema: l.name}); !errors.Is(err, store.ErrUnsafe) {
		t.Errorf("beside one: %v", err)
		s.Close()
	}
}
