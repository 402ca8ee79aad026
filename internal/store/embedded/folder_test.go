package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/store"
)

// TestRefusals: what may not be opened is refused in one line that says why and
// what to do, and nothing is written there.
func TestRefusals(t *testing.T) {
	const id = "aaaaaaaaaaaaaaaaaaaaaaaaaa"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  error
		says  string
	}{
		{"foreign file", map[string]string{"letters.txt": "dear"}, store.ErrForeign, `holds "letters.txt": choose an empty folder`},
		{"foreign folder", map[string]string{"base/1/2": ""}, store.ErrForeign, `holds "base"`},
		{"Pebble without a marker", map[string]string{"pebble/CURRENT": ""}, store.ErrForeign, `holds "pebble"`},
		{"foreign marker", map[string]string{"BACKSTEP": "a photo"}, store.ErrForeign, `says "a photo"`},
		{"empty marker", map[string]string{"BACKSTEP": ""}, store.ErrForeign, `says ""`},
		{"newer", map[string]string{"BACKSTEP": "backstep store, format 2, id " + id + "\n", "pebble/x": ""}, store.ErrNewer, "its format is 2, this version knows 1"},
		{"newer, of another shape", map[string]string{"BACKSTEP": "backstep store, format 17, in seven volumes\n"}, store.ErrNewer, "format is 17"},
		{"newer, being made", map[string]string{"BACKSTEP": "backstep store, format 2, making\n"}, store.ErrNewer, "use the version that wrote it"},
		{"no id", map[string]string{"BACKSTEP": "backstep store, format 1, id xyz\n"}, store.ErrDamaged, "restore it from a backup"},
		{"no data", map[string]string{"BACKSTEP": "backstep store, format 1, id " + id + "\n"}, store.ErrDamaged, "its pebble is gone"},
		{"no sum", map[string]string{"BACKSTEP": "backstep store, format 1, id " + id + "\n", "pebble/LOCK": ""}, store.ErrDamaged, "its MANIFEST.sum can't be read"},
		{"no manifest", map[string]string{"BACKSTEP": "backstep store, format 1, id " + id + "\n", "MANIFEST.sum": "MANIFEST-000001 9 00000000\n", "pebble/LOCK": ""}, store.ErrDamaged, "its MANIFEST-000001 can't be read"},
		{"the sum of another file", map[string]string{"BACKSTEP": "backstep store, format 1, id " + id + "\n", "MANIFEST.sum": "LOCK 0 00000000\n", "pebble/LOCK": ""}, store.ErrDamaged, `its MANIFEST.sum says "LOCK 0`},
		{"nothing in it", map[string]string{"BACKSTEP": "backstep store, format 1, id " + id + "\n", "MANIFEST.sum": "MANIFEST-000001 0 00000000\n", "pebble/MANIFEST-000001": ""}, store.ErrDamaged, "does not exist"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range c.files {
				path := filepath.Join(dir, name)
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			before := tree(t, dir)
			s, err := Open(dir, Options{})
			if err == nil {
				s.Close()
				t.Fatal("it opens")
			}
			if c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), dir) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v", err)
			}
			if after := tree(t, dir); after != before {
				t.Errorf("the folder was\n%sand is\n%s", before, after)
			}
		})
	}
}

// TestWhatIsGoneIsADamage: a folder of which Pebble misses a file, or that has another
// size, is damaged, and who opens it hears what to do; what the system refuses is not.
func TestWhatIsGoneIsADamage(t *testing.T) {
	for name, harm := range map[string]struct {
		files string
		do    func(path string) error
		says  string
	}{
		"a table is gone":      {"*.sst", os.Remove, "000"},
		"a table is cut":       {"*.sst", func(path string) error { return os.Truncate(path, 9) }, "000"},
		"no manifest is named": {"marker.manifest.*", os.Remove, "does not exist"},
		"no format is named":   {"marker.format-version.*", os.Remove, "not pristine"},
		"options are altered":  {"OPTIONS-*", func(path string) error { return os.WriteFile(path, []byte("c\n"), 0o600) }, "key=value"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s, err := Open(dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(s.Commit(t.Context(), starts(1, 1)), s.Close()); err != nil {
				t.Fatal(err)
			}
			paths, _ := filepath.Glob(filepath.Join(dir, dataName, harm.files))
			if len(paths) == 0 {
				t.Fatal("no such file")
			}
			if err := harm.do(paths[0]); err != nil {
				t.Fatal(err)
			}
			for _, readOnly := range []bool{true, false} {
				s, err := Open(dir, Options{ReadOnly: readOnly})
				if err == nil {
					s.Close()
					t.Fatal("it opens")
				}
				if !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), harm.says) || !strings.HasSuffix(err.Error(), ": restore it from a backup") ||
					!strings.Contains(err.Error(), dir) || strings.Contains(err.Error(), "\n") {
					t.Errorf("%v", err)
				}
			}
		})
	}
}

// tree is all that a folder holds, but for empty lock files.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() == lockName {
			return err
		}
		if d.IsDir() {
			fmt.Fprintln(&all, path)
			return nil
		}
		text, err := os.ReadFile(path)
		fmt.Fprintf(&all, "%s %x\n", path, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// TestInUse: a second process, and a second opening, are sent away at once.
func TestInUse(t *testing.T) {
	if dir := os.Getenv("BACKSTEP_TEST_IN_USE"); dir != "" {
		_, err := Open(dir, Options{})
		fmt.Println("refused:", errors.Is(err, store.ErrInUse), err)
		return
	}
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	before := tree(t, dir)
	if _, err := Open(dir, Options{}); !errors.Is(err, store.ErrInUse) {
		t.Errorf("a second opening: %v", err)
	}
	child := exec.Command(os.Args[0], "-test.run=^TestInUse$")
	child.Env = append(os.Environ(), "BACKSTEP_TEST_IN_USE="+dir)
	out, err := child.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "refused: true data folder") {
		t.Errorf("a second process: %v\n%s", err, out)
	}
	if after := tree(t, dir); after != before {
		t.Errorf("the folder was\n%sand is\n%s", before, after)
	}
	if err := s.Commit(t.Context(), starts(1, 1)); err != nil {
		t.Errorf("the first one afterwards: %v", err)
	}
}

// TestForeignStore: the data of another store under this one's marker is refused.
func TestForeignStore(t *testing.T) {
	var dirs [2]string
	for i := range dirs {
		dirs[i] = t.TempDir()
		s, err := Open(dirs[i], Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	marker, err := os.ReadFile(filepath.Join(dirs[0], markerName))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dirs[1], markerName), marker, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dirs[1], Options{}); !errors.Is(err, store.ErrDamaged) {
		t.Fatal(err)
	}
}

// TestMakesFolders: a folder that is not there is made, with those above it.
func TestMakesFolders(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	s, err := Open(dir, Options{Shards: 8, Entropy: bytes.NewReader(bytes.Repeat([]byte{7}, 40))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if id := s.Identity(); id.Shards != 8 || !bytes.Equal(id.TokenKey, bytes.Repeat([]byte{7}, 32)) {
		t.Errorf("%+v", id)
	}
	if _, err := Open(filepath.Join(dir, markerName, "x"), Options{}); err == nil {
		t.Error("a folder in a file is made")
	}
}
