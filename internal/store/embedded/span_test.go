package embedded

import (
	"bytes"
	"context"
	"fmt"
	"slices"
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

// TestHeavyLists: no file spans two lists into which most rows come, and one that has
// few shares its file with others.
func TestHeavyLists(t *testing.T) {
	s := open(t, vfs.NewMem())
	row := func(index, value string, n int) store.Index {
		return store.Index{IndexKey: store.IndexKey{Tenant: "t", Index: index, Value: value, Start: int64(n), ID: store.NewID(0, int64(n), [8]byte{})}, Body: []byte("body")}
	}
	put := func(from, to int) {
		for n := from; n < to; n++ {
			b := &store.Batch{Index: []store.Index{row("attribute", fmt.Sprint("order=", n), n), row("machine", "M", n), row("status", "M:SUCCEEDED", n)}}
			if err := s.Commit(context.Background(), b); err != nil {
				t.Fatal(err)
			}
		}
	}
	const enough = sampleEvery * mostSamples
	for _, part := range [][2]int{{0, enough}, {enough, enough + 100}} {
		put(part[0], part[1])
		if err := s.db.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	tables, err := s.db.SSTables()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]int{}
	for _, f := range slices.Concat(tables...) {
		first, last := f.Smallest.UserKey, f.Largest.UserKey
		if first[0] != tableIndex {
			continue
		}
		list := string(bytes.SplitN(first, []byte{0}, 3)[1])
		if list != string(bytes.SplitN(last, []byte{0}, 3)[1]) {
			t.Errorf("a file from %q to %q", first, last)
		}
		files[list]++
	}
	if files["attribute"] < 1 || files["attribute"] > 2 || files["machine"] == 0 || files["status"] == 0 {
		t.Errorf("files by list: %v", files)
	}
}

// TestHeavyEnds: where a file of the index table ends.
func TestHeavyEnds(t *testing.T) {
	var h heavy
	if end := h.end([]byte("ia")); string(end) != "j" {
		t.Errorf("without heavy lists it ends at %q", end)
	}
	place := string(make([]byte, placeLength))
	for n := range sampleEvery * mostSamples {
		h.note([]byte([...]string{"ib\x00", "id\x00", fmt.Sprint("ic", n, "\x00")}[n/sampleEvery%3] + place))
	}
	for start, want := range map[string]string{"ia": "ib\x00", "ib\x00first": "ib\x01", "ic": "id\x00", "id\x00": "id\x01", "ie": "j"} {
		if end := h.end([]byte(start)); string(end) != want {
			t.Errorf("from %q to %q, not %q", start, end, want)
		}
	}
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
