package host

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestPair: what was committed on the primary is on the standby when that takes
// its place, and hosts hear one another or not, as is wanted.
func TestPair(t *testing.T) {
	if err := Missing(); err != nil {
		t.Skipf("SKIPPED, hosts and their database are not tested: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	n, err := Open(fmt.Sprint("test", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	var hosts []*Host
	for _, name := range []string{"a", "b", "c"} {
		h, err := n.Add(name)
		if err != nil {
			t.Fatal(err)
		}
		hosts = append(hosts, h)
	}
	dir, err := os.MkdirTemp("", "backstep-pair-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	p, err := OpenPair(ctx, dir, hosts[0], hosts[1])
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	client := hosts[2]
	ask := func(statement string) (string, error) {
		bounded, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		out, err := client.Command(bounded, filepath.Join(p.bin, "psql"), "-qAt", "-d", p.DSN("postgres"), "-c", statement).CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	want := func(statement, answer string) {
		t.Helper()
		if said, err := ask(statement); err != nil || said != answer {
			t.Fatalf("%s: %q, %v", statement, said, err)
		}
	}
	want("CREATE TABLE kept AS SELECT generate_series(1, 100) n; SELECT count(*) FROM kept", "100")
	want("SELECT sync_state FROM pg_stat_replication", "sync")
	if err := p.Failover(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(p.standby.dir, "postmaster.pid")); err == nil {
		t.Error("the number of a process that is gone is left, and whoever has it next would be killed")
	}
	want("INSERT INTO kept VALUES (101); SELECT count(*) FROM kept", "101")
	if err := p.Rejoin(ctx); err != nil {
		t.Fatal(err)
	}
	if said, err := ask("INSERT INTO nothing VALUES (1)"); err == nil {
		t.Fatalf("nothing is there: %s", said)
	}
	if said, err := p.Ask(ctx, "postgres", "SELECT 'kept', count(*) FROM kept"); said != "kept|101" || err != nil {
		t.Errorf("asked by itself: %q, %v", said, err)
	}
	if n, err := p.Errors("42P01"); n != 1 || err != nil {
		t.Errorf("the logs tell of %d errors, %v", n, err)
	}
	if err := p.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	want("SELECT count(*) FROM kept", "101")
	for what, fault := range map[string]func() error{
		"cut": p.Primary().Cut, "deaf": func() error { return p.Primary().Deaf(client) }, "lossy": func() error { return p.Primary().Lossy(99) },
	} {
		if err := fault(); err != nil {
			t.Fatal(err)
		}
		if said, err := ask("SELECT 1"); err == nil {
			t.Errorf("%s: the primary said %s", what, said)
		}
		if err := p.Primary().Mend(); err != nil {
			t.Fatal(err)
		}
		want("SELECT 1", "1")
	}
}
