package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// failing is a disk whose n-th call of a kind on a kind of file fails, and every
// later one on that file.
type failing struct {
	call, suffix string
	n            atomic.Int64
	err          error
	file         atomic.Value // the file that failed
	later        atomic.Int64 // calls of syncs on it since
}

func (f *failing) before(call, name string) error {
	if name == f.file.Load() {
		if call == "sync" {
			f.later.Add(1)
		}
		return f.err
	}
	if call == f.call && strings.HasSuffix(name, f.suffix) && f.n.Add(-1) == 0 {
		f.file.Store(name)
		return f.err
	}
	return nil
}

// TestStopsAtTheFirstFailure: after a failed write or sync nothing is
// acknowledged, nothing is answered, the failed file is not synced again, and
// what was acknowledged before is on the disk.
func TestStopsAtTheFirstFailure(t *testing.T) {
	for _, c := range []struct {
		call, suffix string
		err          error
	}{
		{"sync", ".log", syscall.EIO}, {"write", ".log", syscall.EIO}, {"write", ".log", syscall.ENOSPC},
		{"write", ".sst", syscall.ENOSPC}, {"create", ".sst", syscall.EIO}, {"sync", ".sst", syscall.EIO},
	} {
		for _, n := range []int64{1, 2, 5, 20} {
			t.Run(fmt.Sprintf("%s %d of %s, %v", c.call, n, c.suffix, c.err), func(t *testing.T) {
				t.Parallel()
				fault := &failing{call: c.call, suffix: c.suffix, err: c.err}
				stopsAt(t, fault, n)
			})
		}
	}
}

func stopsAt(t *testing.T, fault *failing, n int64) {
	disk := vfs.NewCrashableMem()
	fatal := make(chan error, 2)
	o := smallOptions(&tapped{FS: disk, before: fault.before})
	if fault.suffix == ".log" {
		o.MemTable = 0 // so large that no log follows the failed one: see below
	}
	o.OnFatal = func(cause error) { fatal <- cause }
	s, err := Open(testDir, o)
	if err != nil {
		t.Fatal(err)
	}
	fault.n.Store(n) // from now on
	var acked [4]atomic.Int64
	for c := range acked {
		go func() { // may wait in Pebble for ever: see Store
			for n := 0; ; n++ {
				switch err := s.Commit(context.Background(), numbered(store.Shard(c), n)); {
				case err == nil:
					acked[c].Add(1)
				case errors.Is(err, store.ErrUnknown) || s.Err() != nil:
					return
				default:
					t.Errorf("commit: %v", err)
					return
				}
			}
		}()
	}
	select {
	case cause := <-fatal:
		if !errors.Is(cause, fault.err) && !strings.Contains(cause.Error(), fault.err.Error()) {
			t.Errorf("stopped by %v", cause)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("nobody is told that the store has stopped")
	}
	for _, call := range storetest.Calls() {
		if err := call.Do(context.Background(), s, &store.Batch{}); err == nil && !call.Endless {
			t.Errorf("%s of a stopped store: no error", call.Method)
		}
	}
	if fault.later.Load() > 0 && fault.suffix == ".log" {
		t.Errorf("%d syncs of the log after it failed", fault.later.Load())
	}
	var before [4]int64
	for c := range acked {
		before[c] = acked[c].Load()
	}
	acknowledged(t, disk.CrashClone(vfs.CrashCloneCfg{}), before)
}

// TestEndsWhereNoLogCanBeMade: Pebble ends the process when it can't end a log or
// make the next; whoever is told of fatal failures hears of it before.
func TestEndsWhereNoLogCanBeMade(t *testing.T) {
	if os.Getenv("BACKSTEP_TEST_NO_LOG") != "" {
		fault := &failing{call: "create", suffix: ".log", err: syscall.ENOSPC}
		o := smallOptions(&tapped{FS: vfs.NewCrashableMem(), before: fault.before})
		o.OnFatal = func(cause error) { fmt.Println("told of", cause) }
		s, err := Open(testDir, o)
		if err != nil {
			t.Fatal(err)
		}
		fault.n.Store(1)
		for n := 0; s.Commit(t.Context(), numbered(0, n)) == nil; n++ {
		}
		return
	}
	child := exec.Command(os.Args[0], "-test.run=^TestEndsWhereNoLogCanBeMade$")
	child.Env = append(os.Environ(), "BACKSTEP_TEST_NO_LOG=1")
	out, err := child.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "told of "+syscall.ENOSPC.Error()) {
		t.Fatalf("%v\n%s", err, out)
	}
}

// TestNothingIsWrittenOnceItFailed: after the first failure no call reaches the disk
// that would change it.
func TestNothingIsWrittenOnceItFailed(t *testing.T) {
	under := &tapped{FS: vfs.NewMem(), before: func(string, string) error { return nil }}
	var dead error
	d := &disk{under, &sums{fs: under, logs: map[string]bool{"1.log": true}, manifest: "MANIFEST-000001 0 00000000\n"},
		func(error) {}, func() error { return dead }, &syncTimes{}}
	made := func(name string) vfs.File {
		f, err := d.Create(name, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	made("1.log")
	f := made("2.sst")
	dead = syscall.EIO
	under.before = func(call, name string) error {
		t.Errorf("%s of %s", call, name)
		return nil
	}
	for name, call := range map[string]func() error{
		"Create":        func() error { _, err := d.Create("3.log", vfs.WriteCategoryUnspecified); return err },
		"ReuseForWrite": func() error { _, err := d.ReuseForWrite("1.log", "4.log", vfs.WriteCategoryUnspecified); return err },
		"Remove":        func() error { return d.Remove("1.log") },
		"Rename":        func() error { return d.Rename("2.sst", "5.sst") },
		"Write":         func() error { _, err := f.Write([]byte("x")); return err },
		"Sync":          f.Sync,
		"SyncData":      f.SyncData,
		"SyncTo":        func() error { _, err := f.SyncTo(1); return err },
	} {
		if err := call(); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func numbered(shard store.Shard, n int) *store.Batch {
	return &store.Batch{Payloads: []store.Payload{{ID: idOf(shard, 0), Number: uint32(n), Body: textOf(n, 3000)}}}
}

func acknowledged(t *testing.T, disk vfs.FS, acked [4]int64) {
	t.Helper()
	s := open(t, disk)
	for c := range acked {
		for n := range acked[c] {
			if _, err := s.Payloads(t.Context(), idOf(store.Shard(c), 0), []uint32{uint32(n)}); err != nil {
				t.Fatalf("acknowledged by %d: %v", c, err)
			}
		}
	}
}

// TestOpenOnFailingDisk: where even opening fails, Open says so, wherever it is.
func TestOpenOnFailingDisk(t *testing.T) {
	for n := int64(1); ; n++ {
		var calls atomic.Int64
		disk := &tapped{FS: vfs.NewCrashableMem(), before: func(string, string) error {
			if calls.Add(1) >= n {
				return syscall.EIO
			}
			return nil
		}}
		s, err := Open(testDir, Options{FS: disk})
		if err == nil {
			s.Close()
			if n < 20 {
				t.Fatalf("open makes only %d calls", n)
			}
			return
		}
		if !strings.Contains(err.Error(), syscall.EIO.Error()) {
			t.Fatalf("call %d fails: %v", n, err)
		}
	}
}

// TestOpenEndsWhereTheDiskFailsOnce: one call that fails while a store recovers from a
// crash ends its opening by an error, or is told to whoever is told of fatal failures,
// or Pebble ends the process; nobody waits for ever. Each is a process of its own.
func TestOpenEndsWhereTheDiskFailsOnce(t *testing.T) {
	if n, err := strconv.ParseInt(os.Getenv("BACKSTEP_TEST_FAILING_CALL"), 10, 64); err == nil {
		fmt.Println("outcome:", opensWithFailingCall(t, n))
		return
	}
	for n := 1; ; n += crashStep {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestOpenEndsWhereTheDiskFailsOnce$")
		child.Env = append(os.Environ(), fmt.Sprint("BACKSTEP_TEST_FAILING_CALL=", n))
		out, err := child.CombinedOutput()
		hung := ctx.Err() != nil
		cancel()
		switch _, outcome, _ := strings.Cut(string(out), "outcome: "); {
		case strings.HasPrefix(outcome, "nothing failed"):
			if n < 40 {
				t.Fatalf("open makes only %d calls", n)
			}
			return
		case strings.Contains(string(out), "taken for a damage"), hung, err == nil && outcome == "", err != nil && !strings.Contains(string(out), syscall.EIO.Error()):
			t.Fatalf("call %d fails: %v\n%s", n, err, out)
		}
	}
}

// opensWithFailingCall opens a store that crashed, while the n-th call to the disk fails.
func opensWithFailingCall(t *testing.T, n int64) string {
	disk, _ := written(t)
	var calls atomic.Int64
	var failed atomic.Bool
	o := smallOptions(&tapped{FS: disk.CrashClone(vfs.CrashCloneCfg{}), before: func(call, _ string) error {
		if calls.Add(1) != n || call == "remove" { // what is not removed takes room, and no more
			return nil
		}
		failed.Store(true)
		return syscall.EIO
	}})
	told := make(chan error, 2)
	o.OnFatal = func(cause error) { told <- cause }
	s, err := Open(testDir, o)
	switch {
	case errors.Is(err, store.ErrDamaged):
		t.Fatalf("a disk that fails is taken for a damage: %v", err)
	case err != nil && failed.Load():
		return err.Error()
	case err != nil:
		t.Fatal(err)
	case !failed.Load() && calls.Load() < n:
		return "nothing failed"
	case failed.Load():
		return "told of " + (<-told).Error()
	}
	s.Close()
	return "it was not to fail"
}

// TestNothingIsShownBeforeItIsDurable: a read that would see a commit waits for
// its sync, and so does a refusal that rests on one.
func TestNothingIsShownBeforeItIsDurable(t *testing.T) {
	var armed atomic.Bool
	syncing, release := make(chan struct{}), make(chan struct{})
	disk := vfs.NewCrashableMem()
	s := open(t, &tapped{FS: disk, before: func(call, name string) error {
		if call == "sync" && strings.HasSuffix(name, ".log") && armed.CompareAndSwap(true, false) {
			close(syncing)
			<-release
		}
		return nil
	}})
	key := store.DocKey{Tenant: "t", Kind: "k", Name: "n"}
	first := &store.Batch{ExpectDocs: []store.ExpectDoc{{DocKey: key}}, Docs: []store.Doc{{DocKey: key, Rev: 1}}}
	ends := make(chan string, 3)
	armed.Store(true)
	go func() { ends <- fmt.Sprint("commit ", s.Commit(context.Background(), first)) }()
	<-syncing
	if _, closer, err := s.db.Get(docKey(nil, key)); err != nil {
		t.Fatalf("the commit is not even visible: %v", err)
	} else {
		closer.Close()
	}
	go func() {
		d, err := s.Doc(context.Background(), key)
		ends <- fmt.Sprint("read ", d.Rev, err)
	}()
	go func() {
		err := s.Commit(context.Background(), first)
		ends <- fmt.Sprint("second ", errors.Is(err, store.ErrConflict))
	}()
	select {
	case end := <-ends:
		t.Fatalf("before the sync: %s", end)
	case <-time.After(50 * time.Millisecond):
	}
	lost := open(t, disk.CrashClone(vfs.CrashCloneCfg{}))
	if _, err := lost.Doc(t.Context(), key); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("a loss of power at this moment leaves the document: %v", err)
	}
	close(release)
	got := map[string]bool{<-ends: true, <-ends: true, <-ends: true}
	for _, want := range []string{"commit <nil>", "read 1 <nil>", "second true"} {
		if !got[want] {
			t.Errorf("no %q in %v", want, got)
		}
	}
}

// full is a disk that says how much room it has.
type full struct {
	vfs.FS
	left atomic.Uint64
}

func (f *full) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: f.left.Load(), TotalBytes: 1 << 30}, nil
}

// TestFullDiskRefuses: commits are refused before the disk is full, reads go on,
// and commits pass again when there is room.
func TestFullDiskRefuses(t *testing.T) {
	disk := &full{FS: vfs.NewCrashableMem()}
	disk.left.Store(100 << 20)
	s := open(t, disk)
	large := func(n int) *store.Batch {
		return &store.Batch{Payloads: []store.Payload{{ID: idOf(1, 0), Number: uint32(n), Body: textOf(n, 300<<10)}}}
	}
	if err := s.Commit(t.Context(), large(0)); err != nil {
		t.Fatal(err)
	}
	disk.left.Store(50 << 20)
	for n := 1; n < 4; n++ {
		err := s.Commit(t.Context(), large(n))
		if err == nil || errors.Is(err, store.ErrUnknown) || !strings.Contains(err.Error(), "full") {
			t.Fatalf("commit %d: %v", n, err)
		}
	}
	if _, err := s.Payloads(t.Context(), idOf(1, 0), []uint32{0}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Payloads(t.Context(), idOf(1, 0), []uint32{1}); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("what was refused is there: %v", err)
	}
	disk.left.Store(100 << 20)
	if err := s.Commit(t.Context(), large(1)); err != nil {
		t.Fatal(err)
	}
}

// TestOneMarkerIsAlwaysDurable: no marker of Pebble's is taken away before the name of
// the next one is synced: a loss of power may keep the one change and not the other.
func TestOneMarkerIsAlwaysDurable(t *testing.T) {
	var mu sync.Mutex
	unsynced, removed := 0, 0
	disk := &tapped{FS: vfs.NewCrashableMem(), before: func(call, name string) error {
		mu.Lock()
		defer mu.Unlock()
		switch marker := strings.Contains(name, "/marker."); {
		case call == "create" && marker:
			unsynced++
		case call == "sync" && strings.HasSuffix(name, "/"+dataName):
			unsynced = 0
		case call == "remove" && marker:
			if removed++; unsynced > 0 {
				t.Errorf("%s is removed, and the name of the next one is not synced", name)
			}
		}
		return nil
	}}
	for n := range 3 {
		s, err := Open(testDir, smallOptions(disk))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Commit(t.Context(), starts(1, n)), s.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if removed == 0 {
		t.Fatal("no marker was removed")
	}
}

// TestAnOlderMarkerTakesNothingAway: a folder whose own marker is as it was while the
// store was made is gone on with, and not made anew.
func TestAnOlderMarkerTakesNothingAway(t *testing.T) {
	disk := vfs.NewCrashableMem()
	s := open(t, disk)
	id := s.Identity().Store
	if err := errors.Join(s.Commit(t.Context(), starts(1, 1)), s.Close()); err != nil {
		t.Fatal(err)
	}
	if err := writeWhole(disk, testDir, markerName, fmt.Sprintf("backstep store, format %d, making\n", format)); err != nil {
		t.Fatal(err)
	}
	s = open(t, disk)
	if _, err := s.Load(t.Context(), idOf(1, 1)); err != nil || s.Identity().Store != id {
		t.Fatalf("%v, and it is store %v, not %v", err, s.Identity().Store, id)
	}
}
