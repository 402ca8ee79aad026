package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// desk is a disk that was mounted, and who tells it what to do.
type desk struct {
	t   *testing.T
	dir string
	in  io.Writer
	out *bufio.Scanner
}

func mountForTest(t *testing.T) *desk {
	t.Helper()
	fuse, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil || os.Geteuid() != 0 {
		t.Skip("nothing can be mounted here: ", err)
	}
	fuse.Close()
	in, commands := io.Pipe()
	answers, out := io.Pipe()
	d := &desk{t, t.TempDir(), commands, bufio.NewScanner(answers)}
	ended := make(chan error, 1)
	go func() { ended <- serve(d.dir, in, out) }()
	t.Cleanup(func() {
		commands.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	d.hear("mounted")
	return d
}

func (d *desk) hear(want string) {
	d.t.Helper()
	if !d.out.Scan() || !strings.HasPrefix(d.out.Text(), want) {
		d.t.Fatalf("it says %q, not %q", d.out.Text(), want)
	}
}

func (d *desk) tell(command, want string) {
	d.t.Helper()
	fmt.Fprintln(d.in, command)
	d.hear(want)
}

func (d *desk) path(name string) string { return filepath.Join(d.dir, name) }

func (d *desk) read(name string) string {
	text, err := os.ReadFile(d.path(name))
	if errors.Is(err, os.ErrNotExist) {
		return "none"
	} else if err != nil {
		d.t.Fatal(err)
	}
	return string(text)
}

func (d *desk) sync(name string) error {
	f, err := os.Open(d.path(name))
	if err != nil {
		d.t.Fatal(err)
	}
	return errors.Join(f.Sync(), f.Close())
}

func (d *desk) must(errs ...error) {
	d.t.Helper()
	if err := errors.Join(errs...); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) write(name, text string) error { return os.WriteFile(d.path(name), []byte(text), 0o600) }

// TestWhatIsSyncedStays, in files and in folders; all else is as it was at the last
// sync.
func TestWhatIsSyncedStays(t *testing.T) {
	d := mountForTest(t)
	long := strings.Repeat("0123456789abcdef", 1000)
	d.must(d.write("a", long), d.write("b", "b"), d.write("c", "c"), d.sync("a"), d.sync("b"), d.sync("."), d.write("named", "not synced"), d.sync("."))
	f, err := os.OpenFile(d.path("a"), os.O_RDWR, 0)
	d.must(err)
	_, err = f.WriteAt([]byte("over"), 5000)
	d.must(err)
	_, err = f.WriteAt([]byte("beyond"), int64(len(long)))
	d.must(err, f.Close(), d.write("unnamed", "synced"), d.sync("unnamed"), os.Rename(d.path("b"), d.path("renamed")), os.Remove(d.path("c")))
	d.tell("drop 100", "lost pages 0 names 0")
	if text := d.read("a"); text[5000:5004] != "over" || !strings.HasSuffix(text, "beyond") || d.read("renamed") != "b" || d.read("unnamed") != "synced" {
		t.Fatal("what is kept is not there")
	}
	// what a loss of power kept is durable; so all is written once more
	d.must(d.write("a", "short"), os.Truncate(d.path("a"), 3), os.Rename(d.path("renamed"), d.path("b")), d.write("new", "new"), d.sync("new"))
	d.tell("drop 0", "lost pages")
	if text := d.read("a"); len(text) != len(long)+6 || text[5000:5004] != "over" {
		t.Errorf("a has %d bytes", len(text))
	}
	for name, want := range map[string]string{"b": "none", "renamed": "b", "new": "none", "named": "not synced", "c": "none"} {
		if got := d.read(name); got != want {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
}

// TestWriters: one that syncs before it says so never loses a line, one that does
// not is caught.
func TestWriters(t *testing.T) {
	d := mountForTest(t)
	for _, syncs := range []bool{true, false} {
		lost := 0
		for n := range 20 {
			name := fmt.Sprint(syncs, n)
			f, err := os.Create(d.path(name))
			d.must(err, d.sync("."))
			said := 0
			for range 50 {
				_, err := f.WriteString("a line\n")
				d.must(err)
				if syncs {
					d.must(f.Sync())
				}
				said++
			}
			d.must(f.Close())
			d.tell("drop 0", "lost")
			if strings.Count(d.read(name), "\n") < said {
				lost++
			}
		}
		if syncs && lost > 0 || !syncs && lost < 20 {
			t.Errorf("syncs %v: %d of 20 have lost lines", syncs, lost)
		}
	}
}

// TestFailedSync: it fails once, and what it should have kept is nowhere, though the
// next sync says that it is.
func TestFailedSync(t *testing.T) {
	d := mountForTest(t)
	d.must(d.write("a", "a"), d.sync("a"), d.sync("."), d.write("a", "other"))
	d.tell("fail 1", "done")
	if err := d.sync("a"); !errors.Is(err, syscall.EIO) {
		t.Fatalf("the sync ends with %v", err)
	}
	d.must(d.sync("a"))
	d.tell("drop 0", "lost")
	if got := d.read("a"); got != "a" {
		t.Errorf("after the loss there is %q", got)
	}
}

// TestFullDisk: there is as much room as was said.
func TestFullDisk(t *testing.T) {
	d := mountForTest(t)
	d.must(d.write("a", "a"))
	d.tell("room 10000", "done")
	d.must(d.write("b", strings.Repeat("b", 9000)))
	if err := d.write("c", strings.Repeat("c", 9000)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("on a full disk a write ends with %v", err)
	}
	var usage syscall.Statfs_t
	d.must(syscall.Statfs(d.dir, &usage))
	if left := int64(usage.Bavail) * usage.Bsize; left > 1000 {
		t.Errorf("%d bytes are left", left)
	}
	d.must(os.Remove(d.path("b")), d.write("c", strings.Repeat("c", 9000)))
	d.tell("room -1", "done")
	d.must(d.write("d", strings.Repeat("d", 9000)))
}
