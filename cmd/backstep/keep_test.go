package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/cli"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/postgres"
	"github.com/backstep/backstep/internal/store/postgres/pgtest"
	"github.com/jackc/pgx/v5"
)

// ran is what the program prints, and its exit code.
func ran(t *testing.T, args ...string) (string, int) {
	t.Helper()
	c, said := command(t, nil, args...)
	out, err := c.Output()
	if err != nil && c.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out) + said.String(), c.ProcessState.ExitCode()
}

// does well runs the program, which must end with 0.
func well(t *testing.T, args ...string) string {
	t.Helper()
	out, code := ran(t, args...)
	if code != cli.ExitYes {
		t.Fatalf("backstep %s: exit %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// kill ends the server as the loss of its machine does.
func (n *node) kill(t *testing.T) {
	t.Helper()
	n.asked.Do(func() {})
	n.ended.Do(func() {
		if err := n.process.Process.Signal(syscall.SIGKILL); err != nil {
			t.Error(err)
		}
		n.process.Wait()
	})
}

// TestBackup: of a server with executions that wait in every way a backup is made
// while it runs; restored elsewhere it is sound, refuses the tokens of before, and
// all its executions end as they must.
func TestBackup(t *testing.T) {
	t.Parallel()
	z := newZoo(t)
	n := serveChild(t, z.configuration())
	k := newWarden(t, n, z)
	k.fill()
	before := k.histories()
	file := filepath.Join(t.TempDir(), "zoo.backup")
	if out := well(t, "backup", file, "--endpoint", n.url); !strings.Contains(out, "executions") {
		t.Errorf("backup says %q", out)
	}
	if out, code := ran(t, "backup", file, "--endpoint", n.url); code != cli.ExitUsage || !strings.Contains(out, "is there already") {
		t.Errorf("a second backup into the same file: exit %d, %s", code, out)
	}
	if left, _ := filepath.Glob(filepath.Dir(file) + "/*.part"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	_, err := k.StartExecution(t.Context(), &api.StartExecutionInput{StateMachineArn: machineARN("Flight"), Name: text("newer")})
	k.must(err)
	old := []string{z.lastToken(), k.taken}
	n.kill(t)

	data := filepath.Join(t.TempDir(), "restored")
	out := well(t, "restore", file, "--data", data)
	if !strings.Contains(out, "Reconcile with your participants") || !strings.Contains(out, "Restore epoch 1") || !strings.Contains(out, "2 tasks and calls are handed out again") {
		t.Errorf("restore says %s", out)
	}
	if out, code := ran(t, "restore", file, "--data", data); code != cli.ExitUsage || !strings.Contains(out, "not empty") {
		t.Errorf("restored over what is there: exit %d, %s", code, out)
	}
	well(t, "fsck", "--data", data)
	again := newWarden(t, serveFrom(t, data, z.configuration()), z)
	again.animals = k.animals
	for _, token := range old {
		_, err := again.SendTaskSuccess(t.Context(), &api.SendTaskSuccessInput{TaskToken: token, Output: "{}"})
		if api.CodeOf(err) != api.CodeTaskTimedOut {
			t.Errorf("a token of before the restore: %v", err)
		}
	}
	for line := range strings.Lines(before) {
		if line = strings.TrimSuffix(line, "]\n"); !strings.Contains(again.histories(), line) {
			t.Errorf("the history began with\n%s\nand is\n%s", line, again.histories())
		}
	}
	again.empty()
	if _, err := again.DescribeExecution(t.Context(), &api.DescribeExecutionInput{ExecutionArn: "arn:aws:states:us-east-1:123456789012:execution:Flight:newer"}); api.CodeOf(err) != api.CodeExecutionDoesNotExist {
		t.Errorf("an execution that is newer than the backup: %v", err)
	}
}

// TestBackupsThatAreNone: what is cut, altered or of a newer version is refused, with
// what is wrong, and nothing is made of it.
func TestBackupsThatAreNone(t *testing.T) {
	t.Parallel()
	z := newZoo(t)
	n := serveChild(t, z.configuration())
	newWarden(t, n, z).fill()
	dir := t.TempDir()
	file := filepath.Join(dir, "whole")
	well(t, "backup", file, "--endpoint", n.url)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text []byte
		says string
	}{
		"cut":        {whole[:len(whole)/2], "damaged at byte"},
		"without":    {whole[:len(whole)-40], "it ends before its end"},
		"altered":    {append(append([]byte{}, whole[:len(whole)/2]...), append([]byte{whole[len(whole)/2] ^ 4}, whole[len(whole)/2+1:]...)...), "checksum"},
		"longer":     {append(append([]byte{}, whole...), 'x'), "something stands behind its end"},
		"newer":      {[]byte("backstep backup, format 7\n"), "its format is 7, this version knows 1"},
		"a letter":   {[]byte("dear"), "no backup"},
		"no at all":  {nil, "no backup"},
		"first line": {[]byte("backstep backup, format 1\n"), "it ends before its end"},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), c.text, 0o600); err != nil {
			t.Fatal(err)
		}
		data := filepath.Join(dir, name+".data")
		out, code := ran(t, "restore", filepath.Join(dir, name), "--data", data)
		if code != cli.ExitUsage || !strings.Contains(out, c.says) {
			t.Errorf("%s: exit %d, %s", name, code, out)
		}
		if _, err := os.Stat(data); err == nil {
			t.Errorf("%s: a folder was made", name)
		}
	}
}

// TestRestoreOnAFullDisk: it is the folder that is wrong, and no server that was not
// reached.
func TestRestoreOnAFullDisk(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=32m"); err != nil {
		t.Skipf("no small disk can be mounted, so nothing is known of a full one: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(disk, 0) })
	z := newZoo(t)
	n := serveChild(t, z.configuration())
	newWarden(t, n, z).fill()
	file := filepath.Join(t.TempDir(), "zoo.backup")
	well(t, "backup", file, "--endpoint", n.url)
	n.stop(t)
	for _, args := range [][]string{{"restore", file, "--data", filepath.Join(disk, "a")}, {"copy", "--from", n.data, "--to", filepath.Join(disk, "b")}} {
		if out, code := ran(t, args...); code != cli.ExitUsage || !strings.Contains(out, "is full") {
			t.Errorf("%v: exit %d, %s", args, code, out)
		}
	}
}

// TestCopy: all goes from a folder to PostgreSQL and back, with the same sums, and
// the executions go on wherever they are.
func TestCopy(t *testing.T) {
	t.Parallel()
	cluster, err := pgtest.Start()
	if err != nil {
		t.Skipf("SKIPPED, nothing is copied to PostgreSQL: %v", err)
	}
	defer cluster.Stop()
	z := newZoo(t)
	n := serveChild(t, z.configuration())
	k := newWarden(t, n, z)
	k.fill()
	histories := k.histories()
	back := filepath.Join(t.TempDir(), "back")
	if out, code := ran(t, "copy", "--from", n.data, "--to", back); code != cli.ExitUsage || !strings.Contains(out, "in use by another process") {
		t.Errorf("copied from a folder in use: exit %d, %s", code, out)
	}
	n.kill(t)
	there := well(t, "copy", "--json", "--from", n.data, "--to", cluster.DSN())
	if out, code := ran(t, "copy", "--from", n.data, "--to", cluster.DSN()); code != cli.ExitUsage || !strings.Contains(out, "not empty") {
		t.Errorf("copied to where something is: exit %d, %s", code, out)
	}
	well(t, "fsck", "--postgres", cluster.DSN())
	var returned string
	await(t, "the leases of before to run out", func() bool {
		out, code := ran(t, "copy", "--json", "--from", cluster.DSN(), "--to", back)
		if code != cli.ExitYes && !strings.Contains(out, "holds shard") {
			t.Fatalf("exit %d, %s", code, out)
		}
		returned = out
		return code == cli.ExitYes
	})
	if returned != there {
		t.Errorf("there\n%s\nand back\n%s", there, returned)
	}
	var sums []cli.NounSum
	if err := json.Unmarshal([]byte(there), &sums); err != nil || len(sums) != 13 || sums[3].Rows < len(k.animals) {
		t.Errorf("sums %v, %v", sums, err)
	}
	well(t, "fsck", "--data", back)
	again := newWarden(t, serveFrom(t, back, z.configuration()), z)
	again.animals = k.animals
	for line := range strings.Lines(histories) {
		if line = strings.TrimSuffix(line, "]\n"); !strings.Contains(again.histories(), line) {
			t.Errorf("the history began with\n%s\nand is\n%s", line, again.histories())
		}
	}
	again.empty(z.lastToken(), k.taken)
}

// TestRestoredPostgres: a database that was restored by its own means, and is told so
// once more after a first time that broke off: tokens of before are refused, and all
// that was handed out under them is handed out anew and ends as it must.
func TestRestoredPostgres(t *testing.T) {
	t.Parallel()
	cluster, err := pgtest.Start()
	if err != nil {
		t.Skipf("SKIPPED, nothing is restored in PostgreSQL: %v", err)
	}
	defer cluster.Stop()
	z := newZoo(t)
	n := serveOn(t, "--postgres", cluster.DSN(), z.configuration())
	k := newWarden(t, n, z)
	k.fill()
	old := []string{z.lastToken(), k.taken}
	n.kill(t)
	half, err := postgres.Open(t.Context(), cluster.DSN(), postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := half.Restored(t.Context()); err != nil {
		t.Fatal(err)
	}
	half.Close()
	if out := well(t, "restore", "--postgres", cluster.DSN()); !strings.Contains(out, "Restore epoch 2") || !strings.Contains(out, "2 tasks and calls are handed out again") {
		t.Errorf("restore says %s", out)
	}
	again := newWarden(t, serveOn(t, "--postgres", cluster.DSN(), z.configuration()), z)
	again.animals = k.animals
	for _, token := range old {
		_, err := again.SendTaskSuccess(t.Context(), &api.SendTaskSuccessInput{TaskToken: token, Output: "{}"})
		if api.CodeOf(err) != api.CodeTaskTimedOut {
			t.Errorf("a token of before the restore: %v", err)
		}
	}
	again.empty()
}

// TestNothingWasRestored: a database without a store is not the one that was restored,
// and stays as it is.
func TestNothingWasRestored(t *testing.T) {
	t.Parallel()
	cluster, err := pgtest.Start()
	if err != nil {
		t.Skipf("SKIPPED, nothing is restored in PostgreSQL: %v", err)
	}
	defer cluster.Stop()
	if out, code := ran(t, "restore", "--postgres", cluster.DSN()); code != cli.ExitUsage || !strings.Contains(out, "holds no store") {
		t.Errorf("exit %d, %s", code, out)
	}
	if out, code := ran(t, "migrate", "--postgres", cluster.DSN(), "--check"); code != cli.ExitNo || !strings.Contains(out, "there is no store yet") {
		t.Errorf("exit %d, %s", code, out)
	}
	well(t, "migrate", "--postgres", cluster.DSN())
	if out := well(t, "restore", "--postgres", cluster.DSN()); !strings.Contains(out, "Restore epoch 1") {
		t.Errorf("restore says %s", out)
	}
}

// TestFsckOfWhatMovesOn: what nodes do to a database while fsck reads it is no fault of
// it: all that it looks at is as of one moment.
func TestFsckOfWhatMovesOn(t *testing.T) {
	t.Parallel()
	cluster, err := pgtest.Start()
	if err != nil {
		t.Skipf("SKIPPED, no database is looked at: %v", err)
	}
	defer cluster.Stop()
	z := newZoo(t)
	n := serveOn(t, "--postgres", cluster.DSN(), z.configuration())
	newWarden(t, n, z).fill()
	n.kill(t)
	conn, err := pgx.Connect(t.Context(), cluster.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	gone := false
	counts, err := keeper{}.Fsck(t.Context(), cli.Place{Postgres: cluster.DSN()}, func(f cli.Fault) { t.Errorf("%+v", f) }, func(executions, _ int) {
		if gone {
			return
		}
		gone = true
		for _, table := range []string{"lists", "queue", "names", "executions", "frames", "jobs", "undos", "events", "payloads", "definitions"} {
			if _, err := conn.Exec(t.Context(), "DELETE FROM backstep."+table); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil || counts["executions"] < 2 || !gone {
		t.Errorf("%v, %v", counts, err)
	}
}

// TestCopyOfWhatMovesOn: where a node begins to work on the source while it is copied,
// the copy is refused: both would go on with the same executions.
func TestCopyOfWhatMovesOn(t *testing.T) {
	t.Parallel()
	cluster, err := pgtest.Start()
	if err != nil {
		t.Skipf("SKIPPED, nothing is copied from PostgreSQL: %v", err)
	}
	defer cluster.Stop()
	source, err := postgres.Open(t.Context(), cluster.DSN(), postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	if err := source.Commit(t.Context(), &store.Batch{Definitions: []store.Definition{{Hash: store.Hash{1}, Body: []byte("x")}}}); err != nil {
		t.Fatal(err)
	}
	from, to := cli.Place{Postgres: cluster.DSN()}, cli.Place{Data: filepath.Join(t.TempDir(), "to")}
	begun := false
	_, err = keeper{}.Copy(t.Context(), from, to, func(int, bool) {
		if begun {
			return
		}
		begun = true
		now, err := source.Now(t.Context())
		if err == nil {
			err = source.Commit(t.Context(), &store.Batch{Leases: []store.Lease{{Shard: 0, Epoch: 1, Node: "early", Expires: now + 60_000}}})
		}
		if err != nil {
			t.Error(err)
		}
	})
	if !begun || err == nil || !strings.Contains(err.Error(), "node early holds shard 0") {
		t.Errorf("copied while a node works on the source: %v", err)
	}
	if out, code := ran(t, "serve", "--listen", "127.0.0.1:0", "--data", to.Data); code != cli.ExitUsage || !strings.Contains(out, "is incomplete") {
		t.Errorf("a server takes the copy: exit %d, %s", code, out)
	}
}

// TestCopyInterrupted: what a copy has left in the midst is refused by whoever opens it.
func TestCopyInterrupted(t *testing.T) {
	t.Parallel()
	z := newZoo(t)
	n := serveChild(t, z.configuration())
	newWarden(t, n, z).fill()
	file := filepath.Join(t.TempDir(), "zoo.backup")
	well(t, "backup", file, "--endpoint", n.url)
	n.stop(t)
	to := filepath.Join(t.TempDir(), "to")
	c, _ := command(t, nil, "copy", "--from", n.data, "--to", to)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "the copy to begin", func() bool {
		_, err := os.Stat(filepath.Join(to, "pebble"))
		return err == nil || c.ProcessState != nil
	})
	c.Process.Kill()
	c.Wait()
	marker, err := os.ReadFile(filepath.Join(to, "BACKSTEP"))
	if err != nil || !strings.Contains(string(marker), "filling") {
		t.Skipf("SKIPPED, the copy was faster than its end: %s, %v", marker, err)
	}
	for _, args := range [][]string{{"serve", "--listen", "127.0.0.1:0", "--data", to}, {"fsck", "--data", to}, {"copy", "--from", n.data, "--to", to}, {"restore", file, "--data", to}} {
		if out, code := ran(t, args...); code != cli.ExitUsage || !strings.Contains(out, "incomplete") || !strings.Contains(out, "remove the folder and begin again") {
			t.Errorf("%v: exit %d, %s", args, code, out)
		}
	}
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	well(t, "copy", "--from", n.data, "--to", to)
}

// TestFsckNamesDamage: a flipped bit in a data folder is found, and told with its place.
func TestFsckNamesDamage(t *testing.T) {
	t.Parallel()
	z := newZoo(t)
	n := serveChild(t, z.configuration())
	newWarden(t, n, z).fill()
	n.stop(t)
	well(t, "fsck", "--data", n.data)
	tables, _ := filepath.Glob(filepath.Join(n.data, "pebble", "*.sst"))
	if len(tables) == 0 {
		t.Fatal("no tables")
	}
	table := tables[0]
	for _, other := range tables {
		if a, _ := os.Stat(other); a != nil {
			if b, _ := os.Stat(table); a.Size() > b.Size() {
				table = other
			}
		}
	}
	text, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/3] ^= 1
	if err := os.WriteFile(table, text, 0o600); err != nil {
		t.Fatal(err)
	}
	out, code := ran(t, "fsck", "--data", n.data)
	if code == cli.ExitYes || !strings.Contains(out, "damaged") && !strings.Contains(out, "checksum") {
		t.Errorf("exit %d, %s", code, out)
	}
}
