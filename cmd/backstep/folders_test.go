package main

import (
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/cli"
)

// The program that makes a folder of its format anew, and the folder's name.
var (
	folderBy   = flag.String("folder.by", "", "the program to make a folder of testdata/folders with")
	folderName = flag.String("folder.name", "", "its name")
)

// inhabitants are what is to be known of a folder of testdata/folders: the executions
// that go on in it, and the tokens that were handed out.
type inhabitants struct {
	Animals []string
	Tokens  []string
}

// TestMakeFolder makes a folder with an older program, whose server dies while
// executions wait in every way that it knows.
func TestMakeFolder(t *testing.T) {
	if *folderBy == "" {
		t.Skip("makes a folder of testdata where -folder.by names a program")
	}
	program = *folderBy
	z := newZoo(t)
	n := serveChild(t, "functions:\n  Zoo: {url: \""+z.url+"\"}\n")
	k := newWarden(t, n, z)
	k.fill()
	about, err := json.Marshal(inhabitants{k.animals, []string{z.lastToken(), k.taken}})
	k.must(err)
	n.kill(t)
	to := filepath.Join("testdata/folders", *folderName)
	k.must(os.RemoveAll(to))
	k.must(os.CopyFS(filepath.Join(to, "data"), os.DirFS(n.data)))
	k.must(os.WriteFile(filepath.Join(to, "about.json"), append(about, '\n'), 0o644))
}

// TestFolders: the folders that earlier versions have left are sound, and their
// executions end as they must.
func TestFolders(t *testing.T) {
	folders, _ := filepath.Glob("testdata/folders/*/about.json")
	if len(folders) == 0 {
		t.Fatal("no folders")
	}
	for _, about := range folders {
		t.Run(filepath.Base(filepath.Dir(about)), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(about)
			if err != nil {
				t.Fatal(err)
			}
			var in inhabitants
			if err := json.Unmarshal(text, &in); err != nil {
				t.Fatal(err)
			}
			data := filepath.Join(t.TempDir(), "data")
			if err := os.CopyFS(data, os.DirFS(filepath.Join(filepath.Dir(about), "data"))); err != nil {
				t.Fatal(err)
			}
			well(t, "fsck", "--data", data)
			z := newZoo(t)
			k := newWarden(t, serveFrom(t, data, z.configuration()), z)
			k.animals = in.Animals
			k.empty(in.Tokens...)
		})
	}
}

// TestNewerFolder: a folder of a newer format is refused by all that opens folders, at
// once, with both formats and the way back, and stays as it is.
func TestNewerFolder(t *testing.T) {
	t.Parallel()
	z := newZoo(t)
	n := serveChild(t, z.configuration())
	n.stop(t)
	marker := filepath.Join(n.data, "BACKSTEP")
	text, err := os.ReadFile(marker)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(marker, []byte(strings.Replace(string(text), "format 1", "format 9", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	other := serveChild(t, z.configuration())
	other.stop(t)
	before := hashOf(t, n.data)
	for _, args := range [][]string{
		{"serve", "--listen", "127.0.0.1:0", "--data", n.data}, {"fsck", "--data", n.data},
		{"copy", "--from", n.data, "--to", filepath.Join(t.TempDir(), "to")}, {"copy", "--from", other.data, "--to", n.data},
	} {
		began := time.Now()
		out, code := ran(t, args...)
		if code != cli.ExitUsage || !strings.Contains(out, "its format is 9, this version knows 1; use the version that wrote it") {
			t.Errorf("%v: exit %d, %s", args, code, out)
		}
		t.Logf("%s is refused after %v", args[0], time.Since(began))
	}
	if after := hashOf(t, n.data); after != before {
		t.Errorf("the folder has changed")
	}
}

// hashOf is a hash of all that a folder holds.
func hashOf(t *testing.T, dir string) string {
	t.Helper()
	h := sha256.New()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		fmt.Fprintf(h, "%s %x\n", path, sha256.Sum256(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}
