package store

import (
	"bytes"
	"testing"
)

func TestIDs(t *testing.T) {
	id := NewID(513, 1_700_000_000_123, [8]byte{1, 2, 3, 4, 5, 6, 7, 8})
	if id.Shard() != 513 || id.Start() != 1_700_000_000_123 || id.IsZero() || !(ID{}).IsZero() {
		t.Errorf("%v: shard %d, start %d", id, id.Shard(), id.Start())
	}
	if again, err := ParseID(id.String()); again != id || err != nil || len(id.String()) != 26 {
		t.Errorf("%v reads as %v, %v", id, again, err)
	}
	later := NewID(513, 1_700_000_000_124, [8]byte{})
	if bytes.Compare(id[:], later[:]) >= 0 || id.String() >= later.String() {
		t.Errorf("%v is not before %v", id, later)
	}
	if high := NewID(65535, -1, [8]byte{}); high.Shard() != 65535 || high.Start() != 1<<48-1 {
		t.Errorf("shard %d, start %d", high.Shard(), high.Start())
	}
}

// TestParseID: one id has one text, and nothing else is one.
func TestParseID(t *testing.T) {
	for _, s := range []string{"", "a", "aaaaaaaaaaaaaaaaaaaaaaaaaaa", "AAAAAAAAAAAAAAAAAAAAAAAAAA", "aaaaaaaaaaaaaaaaaaaaaaaaab",
		"aaaaaaaaaaaaaaaaaaaaaaaa\naa", "aaaaaaaaaaaaaaaaaaaaaaaaa1", "aaaaaaaaaaaaaaaaaaaaaaaaa="} {
		if id, err := ParseID(s); err == nil {
			t.Errorf("%q reads as %v", s, id)
		}
	}
}
