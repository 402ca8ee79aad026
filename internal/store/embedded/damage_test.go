package embedded

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/store"
	"github.com/cockroachdb/pebble/v2/vfs"
)

const executions = 60

// written is a disk with some executions on it, part of them in tables.
func written(t *testing.T) (*vfs.MemFS, *Store) {
	t.Helper()
	disk := vfs.NewCrashableMem()
	s, err := Open(testDir, smallOptions(disk))
	if err != nil {
		t.Fatal(err)
	}
	for n := range executions {
		if err := s.Commit(t.Context(), starts(1, n)); err != nil {
			t.Fatal(err)
		}
		if n == executions/2 {
			if err := s.db.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return disk, s
}

// TestDamageIsFound flips bits in, cuts and clears every file of a store that was
// closed: what is then read is right or an error, never something else.
func TestDamageIsFound(t *testing.T) {
	disk, s := written(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	damageAll(t, disk, executions, flipped, shortened, cleared)
}

// TestDamageOfALogIsFound flips bits after a crash. A damage to the last record
// of the log can't be told from a torn write, one to any other can.
func TestDamageOfALogIsFound(t *testing.T) {
	disk, s := written(t)
	crashed := disk.CrashClone(vfs.CrashCloneCfg{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	damageAll(t, crashed, executions-1, flipped)
}

// damageAll damages each file in every way, many times.
func damageAll(t *testing.T, disk *vfs.MemFS, executions int, ways ...func(*rand.Rand, []byte) ([]byte, string)) {
	rng := rand.New(rand.NewPCG(1, 1))
	found, harmless := 0, 0
	for _, dir := range []string{testDir, testDir + "/" + dataName} {
		names, err := disk.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			for n := range 30 {
				broken := disk.CrashClone(vfs.CrashCloneCfg{})
				what := damage(t, broken, dir+"/"+name, rng, ways[n%len(ways)])
				if what == "" {
					continue
				}
				wrong, seen := readsWrong(t, broken, executions)
				if wrong != "" {
					t.Errorf("%s/%s, %s: %s", dir, name, what, wrong)
				}
				if seen {
					found++
				} else {
					harmless++
				}
			}
		}
	}
	t.Logf("%d found, %d harmless", found, harmless)
	if found < 50 {
		t.Errorf("only %d damages found", found)
	}
}

func flipped(rng *rand.Rand, text []byte) ([]byte, string) {
	at := rng.IntN(len(text))
	text[at] ^= 1 << rng.IntN(8)
	return text, fmt.Sprintf("a bit at %d of %d flipped", at, len(text))
}

func shortened(rng *rand.Rand, text []byte) ([]byte, string) {
	at := rng.IntN(len(text))
	return text[:at], fmt.Sprintf("cut at %d of %d", at, len(text))
}

func cleared(rng *rand.Rand, text []byte) ([]byte, string) {
	at := rng.IntN(len(text))
	clear(text[at:min(at+512, len(text))])
	return text, fmt.Sprintf("cleared at %d of %d", at, len(text))
}

// damage alters one file and says how, or nothing where it can't.
func damage(t *testing.T, disk *vfs.MemFS, path string, rng *rand.Rand, way func(*rand.Rand, []byte) ([]byte, string)) string {
	t.Helper()
	f, err := disk.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil || len(text) == 0 {
		return ""
	}
	text, what := way(rng, text)
	out, err := disk.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(out.Sync(), out.Close()); err != nil {
		t.Fatal(err)
	}
	return what
}

// readsWrong reads all and tells what is wrong without an error, and whether
// there was an error at all.
func readsWrong(t *testing.T, disk vfs.FS, executions int) (wrong string, seen bool) {
	s, err := Open(testDir, smallOptions(disk))
	if err != nil {
		return "", true
	}
	defer s.Close()
	for n := range executions {
		want := starts(1, n)
		l, err := s.Load(t.Context(), idOf(1, n))
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Sprintf("execution %d is gone", n), seen
		} else if err != nil {
			seen = true
			continue
		}
		if string(l.Execution.Body) != string(want.Executions[0].Body) || len(l.Jobs) != 1 || string(l.Jobs[0].Body) != string(want.Jobs[0].Body) {
			return fmt.Sprintf("execution %d is altered", n), seen
		}
		p, err := s.Payloads(t.Context(), idOf(1, n), []uint32{0})
		if err == nil && string(p[0]) != string(want.Payloads[0].Body) || errors.Is(err, store.ErrNotFound) {
			return fmt.Sprintf("payload %d: %v", n, err), seen
		}
		seen = seen || err != nil
	}
	return "", seen
}

// TestTornLog cuts the log at every byte of its last record: all before it is
// there, and the record whole or not at all.
func TestTornLog(t *testing.T) {
	disk := vfs.NewCrashableMem()
	s := open(t, disk)
	for n := range 3 {
		if err := s.Commit(t.Context(), starts(1, n)); err != nil {
			t.Fatal(err)
		}
	}
	path, before := logOf(t, disk)
	if err := s.Commit(t.Context(), starts(1, 3)); err != nil {
		t.Fatal(err)
	}
	_, all := logOf(t, disk)
	for end := len(before); end <= len(all); end += 1 + end%3 {
		torn := disk.CrashClone(vfs.CrashCloneCfg{})
		f, err := torn.Create(path, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(append([]byte(nil), all[:end]...)); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			t.Fatal(err)
		}
		s, err := Open(testDir, smallOptions(torn))
		if err != nil {
			t.Fatalf("cut at %d of %d: %v", end, len(all), err)
		}
		for n := range 4 {
			_, err := s.Load(t.Context(), idOf(1, n))
			if there := end == len(all) || n < 3; there != (err == nil) {
				t.Fatalf("cut at %d of %d: execution %d: %v", end, len(all), n, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// logOf is the path and text of the log that is being written.
func logOf(t *testing.T, disk *vfs.MemFS) (path string, text []byte) {
	t.Helper()
	names, err := disk.List(testDir + "/" + dataName)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".log") && name > path {
			path = name
		}
	}
	path = testDir + "/" + dataName + "/" + path
	f, err := disk.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if text, err = io.ReadAll(f); err != nil {
		t.Fatal(err)
	}
	return path, text
}
