package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/backstep/backstep/internal/cli"
	"github.com/backstep/backstep/internal/store/postgres/pgtest"
)

// TestMigrateMisread: what is no DSN is wrong use, not a database that was not reached.
func TestMigrateMisread(t *testing.T) {
	var out, errs bytes.Buffer
	code := cli.Run(t.Context(), []string{"migrate", "--postgres", "over there"}, cli.Tools{Stdout: &out, Stderr: &errs, Migrate: migrate})
	if code != cli.ExitUsage || !strings.Contains(errs.String(), "cannot parse") {
		t.Errorf("exit %d, %s", code, errs.String())
	}
}

// TestMigrate: what the verb says and ends with, of a database that has nothing,
// is up to date, is behind, was written by a newer version, and is not there.
func TestMigrate(t *testing.T) {
	cluster, err := pgtest.Start()
	if errors.Is(err, pgtest.ErrMissing) {
		t.Skipf("SKIPPED, nothing is migrated: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop := func() {
		if !stopped {
			stopped = true
			cluster.Stop()
		}
	}
	defer stop()
	conn, err := pgx.Connect(t.Context(), cluster.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	format := func(n string) func() {
		return func() {
			if _, err := conn.Exec(t.Context(), "UPDATE backstep.backstep SET value = decode($1, 'hex') WHERE name = 'format'", n); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		before func()
		args   string
		code   int
		says   string
	}{
		{nil, "--check", 1, "there is no store yet; this version makes one of format 2"},
		{nil, "", 0, "made, format 2"},
		{nil, "", 0, "up to date, format 2"},
		{nil, "--check", 0, "up to date, format 2"},
		{format("00000001"), "--check", 1, "format 1; this version brings it to 2"},
		{nil, "--check --json", 1, `"is": 1`},
		{nil, "", 0, "format 1 was brought to 2"},
		{format("00000009"), "--check", 2, "written by a newer version"},
		{nil, "", 2, "its format is 9"},
		{stop, "", 3, "schema"},
	} {
		if c.before != nil {
			c.before()
		}
		var out, errs bytes.Buffer
		code := cli.Run(t.Context(), append([]string{"migrate", "--postgres", cluster.DSN()}, strings.Fields(c.args)...), cli.Tools{Stdout: &out, Stderr: &errs, Migrate: migrate})
		if said := out.String() + errs.String(); code != c.code || !strings.Contains(said, c.says) {
			t.Errorf("migrate %s: exit %d, %q, want %d, %q", c.args, code, said, c.code, c.says)
		}
	}
}
