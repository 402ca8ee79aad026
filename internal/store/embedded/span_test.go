package embedded

import (
	"bytes"
	"context"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/backstep/backstep/internal/store"
)

// TestFilesOfTheirOwn: no file of Pebble's spans two tables, or the executions of two
// shards, once a new store has flushed and merged them.
func TestFilesOfTheirOwn(t *testing.T) {
	s := open(t, vfs.NewMem())
	shards := store.Shard(s.Identity().Shards)
	for n := range 40 {
		for shard := range shards {
			if err := s.Commit(context.Background(), starts(shard, n)); err != nil {
				t.Fatal(err)
			}
		}
		if n%10 == 9 {
			if err := s.db.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	look := func() (files int) {
		tables, err := s.db.SSTables()
		if err != nil {
			t.Fatal(err)
		}
		for _, level := range tables {
			for _, f := range level {
				first, last := f.Smallest.UserKey, f.Largest.UserKey
				if files++; first[0] != last[0] || first[0] == tableExecution && !bytes.Equal(first[:3], last[:3]) {
					t.Errorf("a file from %q to %q", first, last)
				}
			}
		}
		return files
	}
	if files := look(); files < int(shards) {
		t.Errorf("%d files of %d shards", files, shards)
	}
	if err := s.db.Compact(context.Background(), []byte("a"), []byte("z"), false); err != nil {
		t.Fatal(err)
	}
	look()
}

// TestSpans: where each file ends, by the key that it begins with.
func TestSpans(t *testing.T) {
	divided, whole := new(Store), new(Store)
	divided.divided.Store(true)
	for _, c := range []struct {
		s          *Store
		start, end string
	}{
		{divided, "", ""}, {divided, "i\x01", "j"}, {divided, "x", ""}, {divided, "x\x00\x02rest", "x\x00\x03"}, {divided, "x\x00\xff", "x\x01\x00"},
		{divided, "x\xff\xff", ""}, {divided, "y", ""}, {whole, "t", "u"}, {whole, "x\x00\x02", ""},
	} {
		if _, end, err := c.s.span([]byte(c.start)); string(end) != c.end || err != nil {
			t.Errorf("from %q to %q, not %q: %v", c.start, end, c.end, err)
		}
	}
}
