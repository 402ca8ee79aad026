package journal

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLines(t *testing.T) {
	var b strings.Builder
	n, err := NewLines(&b).Write(context.Background(), []LogEvent{{Text: "1"}, {Text: "2"}})
	if n != 2 || err != nil || b.String() != "1\n2\n" {
		t.Errorf("%d, %v, %q", n, err, b.String())
	}
	unwritable, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer end.Close()
	defer unwritable.Close()
	if n, err := NewLines(unwritable).Write(context.Background(), []LogEvent{{Text: "1"}}); n != 0 || err == nil {
		t.Errorf("a stream that can't be written took %d", n)
	}
}

// A file that is moved away is begun anew.
func TestFileFollowsItsName(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	f, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { f.Close() }()
	write := func(text string) {
		t.Helper()
		if n, err := f.Write(context.Background(), []LogEvent{{Text: text}}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	write("1")
	write("2")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write("3")
	for name, want := range map[string]string{path + ".1": "1\n2\n", path: "3\n"} {
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s has %q, %v", name, got, err)
		}
	}
	if _, err := OpenFile(filepath.Join(dir, "none", "log")); err == nil {
		t.Error("a file in a folder that is not there was opened")
	}
}
