package embedded

import (
	"context"
	"strings"
	"syscall"
	"testing"

	"github.com/backstep/backstep/internal/store"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// What is written, synced and merged is counted, and so is the room that is left.
func TestMetrics(t *testing.T) {
	disk := &full{FS: vfs.NewMem()}
	disk.left.Store(300 << 20)
	s, err := Open(testDir, Options{FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	before := s.Metrics()
	if before.Free != 300<<20 || before.Disk != 1<<30 || before.Failed != 0 {
		t.Errorf("at first: %+v", before)
	}
	body := []byte(strings.Repeat("x", 1000))
	put := func() {
		for n := range 100 {
			b := numbered(1, n)
			b.Docs = append(b.Docs, store.Doc{DocKey: store.DocKey{Tenant: "t", Kind: "metrics", Name: string(rune('a' + n))}, Rev: 1, Body: body})
			if err := s.Commit(context.Background(), b); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.db.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	put()
	after := s.Metrics()
	syncs := uint64(0)
	for i := range after.Syncs {
		syncs += after.Syncs[i] - before.Syncs[i]
	}
	if syncs < 100 || after.SyncTime <= before.SyncTime {
		t.Errorf("%d syncs of the log took %v", syncs, after.SyncTime-before.SyncTime)
	}
	if after.Logged < before.Logged+100_000 || after.Flush <= before.Flush || after.OnDisk == 0 {
		t.Errorf("after 100 KB: %+v", after)
	}
	put() // over what is there
	if err := s.db.Compact(context.Background(), []byte{0}, []byte{0xff}, false); err != nil {
		t.Fatal(err)
	}
	if now := s.Metrics(); now.Merged <= after.Merged {
		t.Errorf("merged: %+v", now)
	}
}

// A store says why it can't be written to, before somebody tries.
func TestWritable(t *testing.T) {
	fault := &failing{call: "sync", suffix: ".log", err: syscall.EIO}
	disk := &full{FS: &tapped{FS: vfs.NewMem(), before: fault.before}}
	disk.left.Store(300 << 20)
	s, err := Open(testDir, Options{FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Writable(); err != nil {
		t.Error(err)
	}
	disk.left.Store(1 << 20)
	if err := s.Writable(); err == nil || !strings.Contains(err.Error(), "is full: 1 MiB are left") {
		t.Errorf("of a full disk: %v", err)
	}
	disk.left.Store(300 << 20)
	if err := s.Writable(); err != nil {
		t.Error(err)
	}
	fault.n.Store(1)
	if err := s.Commit(context.Background(), numbered(1, 1)); err == nil {
		t.Fatal("a sync failed, and the commit was acknowledged")
	}
	if err := s.Writable(); err == nil || !strings.Contains(err.Error(), "disk failed") {
		t.Errorf("of a disk that failed: %v", err)
	}
	if m := s.Metrics(); m.Failed == 0 || m.Disk != 0 {
		t.Errorf("of a disk that failed: %+v", m)
	}
	healthy, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := healthy.Close(); err != nil || healthy.Writable() == nil || healthy.Metrics().Disk != 0 {
		t.Errorf("closed: %v, %v", err, healthy.Writable())
	}
}
