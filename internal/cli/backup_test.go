package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/cli"
)

// keeper is one that a test writes.
type keeper struct {
	cli.Keeper
	backup  func(to io.Writer) error
	restore func(context.Context) error
	told    []time.Time // when those were taken that are kept
	deaf    error       // of the server that is told
	faults  int
	unread  error // why the store could not be read to its end
}

var taken = time.Date(2026, 11, 30, 2, 0, 0, 0, time.UTC)

func (k *keeper) Backup(_ context.Context, _, _ string, to io.Writer, _ func(int)) (*cli.BackupInfo, error) {
	if err := k.backup(to); err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	return &cli.BackupInfo{Taken: taken}, nil
}

func (k *keeper) Kept(_ context.Context, _, _ string, at time.Time) error {
	k.told = append(k.told, at)
	return k.deaf
}

func (k *keeper) Restore(ctx context.Context, _ string, _ cli.Place, _ func(int, bool)) (*cli.BackupInfo, error) {
	return nil, k.restore(ctx)
}

func (k *keeper) Fsck(_ context.Context, _ cli.Place, fault func(cli.Fault), _ func(int, int)) (map[string]int, error) {
	for range k.faults {
		fault(cli.Fault{Place: "a place", What: "is wrong"})
	}
	return map[string]int{}, k.unread
}

// keep runs a command over a keeper.
func keep(ctx context.Context, k *keeper, command string) (out, said string, code int) {
	var stdout, stderr bytes.Buffer
	code = cli.Run(ctx, strings.Fields(command), cli.Tools{
		Stdout: &stdout, Stderr: &stderr, Keeper: k, Connect: func(string, string) (api.Service, error) { return nil, nil },
	})
	return stdout.String(), stderr.String(), code
}

func whole(to io.Writer) error { _, err := io.WriteString(to, "whole"); return err }

// TestBackupIsTold: the server hears of a backup that is kept, and of no other; that
// it does not hear makes none of it.
func TestBackupIsTold(t *testing.T) {
	t.Chdir(t.TempDir())
	k := &keeper{backup: whole}
	if out, said, code := keep(t.Context(), k, "backup a"); code != cli.ExitYes || said != "" || !strings.HasPrefix(out, "a: ") || len(k.told) != 1 || !k.told[0].Equal(taken) {
		t.Errorf("exit %d, %s%s, told %v", code, out, said, k.told)
	}
	if out, _, code := keep(t.Context(), k, "backup -"); code != cli.ExitYes || out != "whole" || len(k.told) != 2 {
		t.Errorf("exit %d, %s, told %v", code, out, k.told)
	}
	k.deaf = errors.New("gone")
	if out, said, code := keep(t.Context(), k, "backup b"); code != cli.ExitYes || !strings.HasPrefix(out, "b: ") || !strings.Contains(said, "the backup is whole") || strings.Count(said, "\n") != 1 {
		t.Errorf("exit %d, %s%s", code, out, said)
	}
	k.told, k.backup = nil, func(to io.Writer) error { whole(to); return errors.New("it broke off") }
	for _, command := range []string{"backup c", "backup -"} {
		if _, said, code := keep(t.Context(), k, command); code != cli.ExitRefused || len(k.told) != 0 {
			t.Errorf("%s: exit %d, %s, told %v", command, code, said, k.told)
		}
	}
	if _, err := os.Lstat("c"); err == nil {
		t.Error("half a backup has its name")
	}
}

// TestBackupOnAFullDisk: it is the place that is wrong, not the server.
func TestBackupOnAFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("nothing is known here of a full disk: ", err)
	}
	t.Chdir(t.TempDir())
	if err := os.Symlink("/dev/full", "a.part"); err != nil {
		t.Fatal(err)
	}
	k := &keeper{backup: whole}
	if _, said, code := keep(t.Context(), k, "backup a"); code != cli.ExitUsage || !strings.Contains(said, "no space left on device") || len(k.told) != 0 {
		t.Errorf("exit %d, %s", code, said)
	}
	if left, err := os.ReadDir("."); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// TestTwoWriteOneFile: while a file is being written, nobody else begins it; what a
// process that is gone has left is written over.
func TestTwoWriteOneFile(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("a.part", []byte("what is left of an earlier one, which is longer"), 0o600); err != nil {
		t.Fatal(err)
	}
	second := &keeper{backup: whole}
	first := &keeper{backup: func(to io.Writer) error {
		io.WriteString(to, "the ")
		if _, said, code := keep(t.Context(), second, "backup a"); code != cli.ExitUsage || !strings.Contains(said, "another process writes a.part") {
			t.Errorf("a second one: exit %d, %s", code, said)
		}
		_, err := io.WriteString(to, "first")
		return err
	}}
	if _, said, code := keep(t.Context(), first, "backup a"); code != cli.ExitYes {
		t.Errorf("exit %d, %s", code, said)
	}
	if text, err := os.ReadFile("a"); err != nil || string(text) != "the first" {
		t.Errorf("it holds %q, %v", text, err)
	}
	if _, said, code := keep(t.Context(), second, "backup --force a"); code != cli.ExitYes {
		t.Errorf("afterwards: exit %d, %s", code, said)
	}
	if left, err := os.ReadDir("."); err != nil || len(left) != 1 {
		t.Errorf("left %v, %v", left, err)
	}
}

// TestBackupIntoAFolder is refused before anything is asked for.
func TestBackupIntoAFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	k := &keeper{backup: func(io.Writer) error { t.Error("it was asked for"); return nil }}
	if _, said, code := keep(t.Context(), k, "backup --force ."); code != cli.ExitUsage || !strings.Contains(said, "is a folder") {
		t.Errorf("exit %d, %s", code, said)
	}
}

// TestInterruptedIsNoMisuse: whoever presses Ctrl-C has used nothing wrongly,
// whatever was in hand.
func TestInterruptedIsNoMisuse(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	k := &keeper{restore: func(ctx context.Context) error {
		cancel()
		return &cli.UsageError{Err: fmt.Errorf("open: %w", ctx.Err())}
	}}
	if _, said, code := keep(ctx, k, "restore a --data b"); code != cli.ExitRefused || said != "backstep: interrupted\n" {
		t.Errorf("exit %d, %s", code, said)
	}
}

// TestFsckTellsWhatItFound: also of a store that could not be read to its end.
func TestFsckTellsWhatItFound(t *testing.T) {
	k := &keeper{faults: 3, unread: errors.New("the disk is gone")}
	out, said, code := keep(t.Context(), k, "fsck --data a --json")
	var told struct{ Faults []cli.Fault }
	if err := json.Unmarshal([]byte(out), &told); err != nil || len(told.Faults) != 3 || code == cli.ExitYes || !strings.Contains(said, "the disk is gone") {
		t.Errorf("exit %d, %s%s, %v", code, out, said, err)
	}
	k.unread = nil
	if out, _, code := keep(t.Context(), k, "fsck --data a"); code != cli.ExitNo || !strings.Contains(out, "3 things are wrong") {
		t.Errorf("exit %d, %s", code, out)
	}
}
