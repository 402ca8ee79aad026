package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// pgbenchClients is by how many clients PostgreSQL's own benchmark is run.
const pgbenchClients = 16

var tps = regexp.MustCompile(`(?m)^tps = ([0-9.]+)`)

// measurePostgres is how many transactions of `pgbench -N` a second the database
// makes durable: an update, a select and an insert each.
func measurePostgres(ctx context.Context, dsn string) (float64, error) {
	program, err := pgbench()
	if err != nil {
		return 0, err
	}
	run := func(args ...string) ([]byte, error) {
		cmd := exec.CommandContext(ctx, program, append(args, dsn)...)
		out, err := cmd.Output()
		if failed, ok := err.(*exec.ExitError); ok {
			return out, fmt.Errorf("pgbench: %w: %s", err, failed.Stderr)
		}
		return out, err
	}
	if _, err := run("-i", "-s", "10", "-q"); err != nil {
		return 0, err
	}
	out, err := run("-N", "-c", strconv.Itoa(pgbenchClients), "-j", "2", "-T", "8")
	if err != nil {
		return 0, err
	}
	found := tps.FindSubmatch(out)
	if found == nil {
		return 0, fmt.Errorf("pgbench says nothing of tps: %s", out)
	}
	return strconv.ParseFloat(string(found[1]), 64)
}

// pgbench is where the program is: in the path, or where Debian has it.
func pgbench() (string, error) {
	if path, err := exec.LookPath("pgbench"); err == nil {
		return path, nil
	}
	all, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pgbench")
	if len(all) == 0 {
		return "", fmt.Errorf("pgbench: %w: apt-get install postgresql", os.ErrNotExist)
	}
	return slices.Max(all), nil
}
