package embedded

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/store"
	"github.com/cockroachdb/pebble/v2/vfs"
)

var update = flag.Bool("update", false, "write the fixture of what this version writes anew")

// fixtures are folders as released versions wrote them, the last as this one does.
var fixtures = []string{
	"format1",          // 64 shards, whose executions share files; no list of the logs beside the manifest's sum
	"format1-8-shards", // each shard's executions in files of their own
}

// TestFixtures opens each of them and holds what it reads to the text beside it: all
// keys and records, and then every noun by its read.
func TestFixtures(t *testing.T) {
	if *update {
		writeFixture(t, "testdata/"+fixtures[len(fixtures)-1])
	}
	for i, name := range fixtures {
		fixture := "testdata/" + name
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(fixture)); err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if i == len(fixtures)-1 && (s.Identity().Format != format || s.Identity().Shards != Options{}.withDefaults().Shards) {
			t.Errorf("%s is not what this version writes: %+v", fixture, s.Identity())
		}
		want, err := os.ReadFile(fixture + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		if got := s.text(t); got != string(want) {
			t.Errorf("%s reads\n%s\nwant\n%s", fixture, got, want)
		}
		if err := s.Commit(t.Context(), turns(2, 4)); err != nil {
			t.Errorf("%s does not go on: %v", fixture, err)
		}
	}
}

// text is all keys and records of the store, but for how often it was opened.
func (s *Store) text(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	err := scan(s.db, nil, nil, func(key, rec []byte) (bool, error) {
		if !bytes.Equal(key, metaKey(nil, ownOpens)) {
			fmt.Fprintf(&all, "%q %q\n", key, rec)
		}
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	show := func(v any, err error) { fmt.Fprintln(&all, v, err) }
	id := s.Identity()
	fmt.Fprintln(&all, id.Format, id.Store, id.Shards, id.RestoreEpoch, len(id.TokenKey))
	show(s.Docs(ctx, tenant(1), "machine", "", 9))
	show(s.Name(ctx, starts(1, 0).Names[0].NameKey))
	show(s.Load(ctx, idOf(2, 1)))
	show(s.Undos(ctx, idOf(2, 1), 0, 9))
	show(s.Events(ctx, idOf(2, 1), 0, false, 9))
	show(s.Index(ctx, store.IndexQuery{Tenant: tenant(1), Index: "status", Value: "RUNNING", Limit: 9}))
	show(s.Jobs(ctx, 1, store.Never, nil, 9))
	show(s.Messages(ctx, 3, 9))
	show(s.Queue(ctx, tenant(3), "a", 9))
	show(s.Leases(ctx))
	return all.String()
}

// writeFixture makes a folder with data in tables and in the log.
func writeFixture(t *testing.T, dir string) {
	disk := vfs.NewCrashableMem()
	o := smallOptions(disk)
	o.Clock = func() int64 { return 1_700_000_000_000 }
	o.Entropy = bytes.NewReader(bytes.Repeat([]byte("backstep"), 5))
	s, err := Open(testDir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for n := range 4 {
		for _, b := range []*store.Batch{starts(1, n), turns(2, n), mailbox(3, n), fenced(4, n), documents(1, n), documents(5, n)} {
			small(b)
			if err := s.Commit(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		if n == 2 {
			if err := s.db.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	copyOut(t, disk.CrashClone(vfs.CrashCloneCfg{}), testDir, dir)
	again, err := Open(testDir, Options{FS: disk.CrashClone(vfs.CrashCloneCfg{})})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := os.WriteFile(dir+".txt", []byte(again.text(t)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// small cuts long bodies, so that the fixture can be read.
func small(b *store.Batch) {
	for i := range b.Docs {
		b.Docs[i].Body = b.Docs[i].Body[:10]
	}
	for i := range b.Definitions {
		b.Definitions[i].Body = b.Definitions[i].Body[:10]
	}
	for i := range b.Executions {
		b.Executions[i].Body = b.Executions[i].Body[:10]
		b.Executions[i].Start = b.Executions[i].Start[:min(10, len(b.Executions[i].Start))]
	}
	for i := range b.Payloads {
		b.Payloads[i].Body = b.Payloads[i].Body[:10]
	}
}

// copyOut writes a folder of a disk in memory to the file system.
func copyOut(t *testing.T, disk vfs.FS, from, to string) {
	t.Helper()
	names, err := disk.List(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		path := disk.PathJoin(from, name)
		if info, err := disk.Stat(path); err != nil {
			t.Fatal(err)
		} else if info.IsDir() {
			copyOut(t, disk, path, filepath.Join(to, name))
			continue
		}
		f, err := disk.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		if err := os.WriteFile(filepath.Join(to, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
