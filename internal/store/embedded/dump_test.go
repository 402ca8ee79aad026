package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/store"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestFillingInterrupted: a store that was made to be filled, and was not, is
// refused by everybody, and stays as it is.
func TestFillingInterrupted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	id := store.Identity{Store: idOf(0, 9), Shards: 4, TokenKey: make([]byte, 32), RestoreEpoch: 2}
	s, err := Make(dir, id, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Commit(t.Context(), starts(1, 1)), s.Close()); err != nil {
		t.Fatal(err)
	}
	before := tree(t, dir)
	for range 2 {
		_, opened := Open(dir, Options{})
		_, made := Make(dir, id, Options{})
		if !errors.Is(opened, store.ErrIncomplete) || !errors.Is(made, store.ErrIncomplete) || !strings.Contains(opened.Error(), "begin again") {
			t.Errorf("opened: %v; made: %v", opened, made)
		}
	}
	if after := tree(t, dir); after != before {
		t.Errorf("the folder was\n%sand is\n%s", before, after)
	}
}

// TestMakeInNobodysPlace: a store is made to be filled where nothing is.
func TestMakeInNobodysPlace(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before := tree(t, dir)
	if _, err := Make(dir, s.Identity(), Options{}); !errors.Is(err, store.ErrOccupied) {
		t.Errorf("%v", err)
	}
	if after := tree(t, dir); after != before {
		t.Errorf("the folder was\n%sand is\n%s", before, after)
	}
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "letters.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Make(foreign, s.Identity(), Options{}); !errors.Is(err, store.ErrForeign) {
		t.Errorf("%v", err)
	}
}

// TestDumpTellsDamage: each record that can't be read, or is not what others say
// of it, is told with its place, and the others are visited all the same.
func TestDumpTellsDamage(t *testing.T) {
	_, s := written(t)
	if err := s.Commit(t.Context(), mailbox(3, 1)); err != nil {
		t.Fatal(err)
	}
	jobs, err := s.Jobs(t.Context(), 1, store.Never, nil, 4)
	if err != nil || len(jobs) != 4 {
		t.Fatal(jobs, err)
	}
	messages, err := s.Messages(t.Context(), 3, 1)
	if err != nil || len(messages) != 1 {
		t.Fatal(messages, err)
	}
	rows := dumped(t, s, nil)
	gone := store.JobKey{ID: jobs[2].ID, Number: 77}
	for _, c := range []struct {
		name  string
		plant func() error
		says  string
		rows  int // fewer than there were
	}{
		{"a timer is gone", func() error { return s.db.Delete(timerKey(nil, jobs[0].JobKey, jobs[0].Due), pebble.Sync) }, "its timer is gone", 0},
		{"a timer of nothing", func() error { return s.db.Set(timerKey(nil, gone, 5), []byte{encoding}, pebble.Sync) }, "a timer of job 77", 0},
		{"a timer of another time", func() error { return s.db.Set(timerKey(nil, jobs[1].JobKey, 5), []byte{encoding}, pebble.Sync) }, "at 5, which is due at", 0},
		{"a key of no message", func() error {
			return s.db.Set(messageNameKey(nil, 3, []byte("k")), append([]byte{encoding}, make([]byte, 8)...), pebble.Sync)
		}, "message 0 of shard 3", 0},
		{"a message without its key", func() error { return s.db.Delete(messageNameKey(nil, 3, messages[0].Key), pebble.Sync) }, "its key is gone", 0},
		{"another encoding", func() error { return s.db.Set(kindKey(nil, jobs[3].ID, kindBody), []byte{9, 9}, pebble.Sync) }, "begins with 0909", 1},
		{"a stray key", func() error { return s.db.Set([]byte("zebra"), []byte{encoding}, pebble.Sync) }, `the key "zebra"`, 0},
		{"a start without a body, the last of its table", func() error {
			return s.db.Set(kindKey(nil, idOf(9, 9), kindStart), []byte{encoding}, pebble.Sync)
		}, "has a start and no row", 0},
		{"a short key", func() error { return s.db.Set([]byte("x12"), []byte{encoding}, pebble.Sync) }, `the key "x12"`, 0},
	} {
		was := len(dumped(t, s, func(error) error { return nil }))
		if err := c.plant(); err != nil {
			t.Fatal(err)
		}
		var said []string
		left := dumped(t, s, func(err error) error {
			if !errors.Is(err, store.ErrDamaged) {
				t.Errorf("%s: %v is no damage", c.name, err)
			}
			said = append(said, err.Error())
			return nil
		})
		if !strings.Contains(strings.Join(said, "\n"), c.says) || was-len(left) != c.rows {
			t.Errorf("%s: %d rows of %d, said\n%s", c.name, len(left), was, strings.Join(said, "\n"))
		}
	}
	if err := s.Dump(t.Context(), func(*store.Batch) error { return nil }, nil); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("%v", err)
	}
	told := 0
	if err := s.Dump(t.Context(), func(*store.Batch) error { return nil }, func(err error) error {
		if told++; told == 1 { // of a timer that is gone, in the midst of its job
			return err
		}
		return nil
	}); !errors.Is(err, store.ErrDamaged) || told != 1 {
		t.Errorf("%v after %d damages, the first was to end it", err, told)
	}
	if len(rows) < executions {
		t.Errorf("%d rows", len(rows))
	}
}

// dumped are the bodies of a dump's rows.
func dumped(t *testing.T, s *Store, damaged func(error) error) (rows []string) {
	t.Helper()
	err := s.Dump(t.Context(), func(b *store.Batch) error {
		for _, x := range b.Executions {
			rows = append(rows, string(x.Body))
		}
		for _, j := range b.Jobs {
			rows = append(rows, string(j.Body))
		}
		for _, p := range b.Payloads {
			rows = append(rows, string(p.Body))
		}
		for _, m := range b.Messages {
			rows = append(rows, string(m.Body))
		}
		return nil
	}, damaged)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestDumpGoesOnBehindABadBlock: of a table with a damaged block it tells where,
// and visits what stands in the others.
func TestDumpGoesOnBehindABadBlock(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 2000 {
		if err := s.Commit(t.Context(), starts(1, n)); err != nil {
			t.Fatal(err)
		}
	}
	all := len(dumped(t, s, nil))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	tables, _ := filepath.Glob(filepath.Join(dir, dataName, "*.sst"))
	var largest string
	var text []byte
	for _, table := range tables {
		if read, err := os.ReadFile(table); err == nil && len(read) > len(text) {
			largest, text = table, read
		}
	}
	text[len(text)/3] ^= 16
	if err := os.WriteFile(largest, text, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err = Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var said []string
	left := len(dumped(t, s, func(err error) error { said = append(said, err.Error()); return nil }))
	if len(said) == 0 || !strings.Contains(strings.Join(said, "\n"), filepath.Base(largest)[:6]) && !bytes.Contains([]byte(said[0]), []byte("checksum")) {
		t.Errorf("said %q", said)
	}
	if left >= all || left < all*9/10 {
		t.Errorf("%d rows of %d are left", left, all)
	}
	t.Logf("%d rows of %d; %q", left, all, said)
}

// TestDumpGoesOnWithinATenant: behind a damaged block the rows whose keys begin alike
// are visited, too.
func TestDumpGoesOnWithinATenant(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	const docs = 3000
	var b store.Batch
	for n := range docs {
		key := store.DocKey{Tenant: "123456789012/us-east-1", Kind: "machine", Name: fmt.Sprintf("machine-%04d", n)}
		b.Docs = append(b.Docs, store.Doc{DocKey: key, Rev: 1, Body: fmt.Appendf(nil, "body of %d", n)})
	}
	if err := errors.Join(s.Commit(t.Context(), &b), s.Close()); err != nil {
		t.Fatal(err)
	}
	tables, _ := filepath.Glob(filepath.Join(dir, dataName, "*.sst"))
	for _, table := range tables {
		text, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte("machine-")) {
			text[len(text)/3] ^= 16
			if err := os.WriteFile(table, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if s, err = Open(dir, Options{}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	seen, told := 0, 0
	if err := s.Dump(t.Context(), func(b *store.Batch) error { seen += len(b.Docs); return nil }, func(error) error { told++; return nil }); err != nil {
		t.Fatal(err)
	}
	if told == 0 || seen == docs || seen < docs*9/10 {
		t.Errorf("%d damages, %d documents of %d are visited", told, seen, docs)
	}
	t.Logf("%d of %d", seen, docs)
}

// TestReadsOfABadBlock: a read that meets a damaged block is damaged; none gives
// something else instead.
func TestReadsOfABadBlock(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	x, noise := idOf(1, 1), rand.NewChaCha8([32]byte{1})
	const rows, broken = 200, 150
	var body []byte
	for n := range rows {
		text := make([]byte, 3000) // about as long as a block, and not to be compressed
		noise.Read(text)
		if n == broken {
			body = text
		}
		b := &store.Batch{Events: []store.Events{{ID: x, First: int64(n), Body: text}}, Executions: []store.Execution{{ID: x, Body: []byte("x")}}}
		if err := s.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	tables, _ := filepath.Glob(filepath.Join(dir, dataName, "*.sst"))
	altered := 0
	for _, table := range tables {
		text, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		if at := bytes.Index(text, body); at >= 0 {
			altered++
			text[at+len(body)/2] ^= 16
			if err := os.WriteFile(table, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if altered == 0 {
		t.Fatal("the body stands in no table")
	}
	if s, err = Open(dir, Options{}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, backwards := range []bool{false, true} {
		for from := range int64(rows) {
			got, err := s.Events(t.Context(), x, from, backwards, 1)
			switch {
			case err != nil && !errors.Is(err, store.ErrDamaged), err != nil && strings.Contains(err.Error(), "\n"):
				t.Errorf("from %d, backwards %v: %v", from, backwards, err)
			case err == nil && (len(got) != 1 || got[0].First != from):
				t.Errorf("from %d, backwards %v: %d groups, the first of them at %d", from, backwards, len(got), got[0].First)
			case from == broken && err == nil:
				t.Errorf("backwards %v: what is damaged is read", backwards)
			}
		}
	}
	if _, err := s.Load(t.Context(), x); err != nil {
		t.Errorf("what stands in another block: %v", err)
	}
}

// TestCloseBesideADump: who visits a dump may call the store while somebody closes it,
// and is refused; the dump goes on to its end, and then the store closes.
func TestCloseBesideADump(t *testing.T) {
	_, s := written(t)
	closed, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		pages := 0
		ended <- s.Dump(context.Background(), func(*store.Batch) error {
			if pages++; pages > 1 {
				return nil
			}
			go func() { closed <- s.Close() }()
			for s.life.TryRLock() { // until it waits for us
				s.life.RUnlock()
			}
			if err := s.Commit(context.Background(), starts(1, 99)); !errors.Is(err, errClosed) {
				return fmt.Errorf("a commit beside it: %w", err)
			}
			s.Metrics()
			return nil
		}, nil)
	}()
	for _, end := range []chan error{ended, closed} {
		select {
		case err := <-end:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(time.Minute):
			t.Fatal("each waits for the other")
		}
	}
}

// TestReadOnly: a folder that is opened for reading alone stays as it is, byte for
// byte, with all that it holds, in tables and in the log.
func TestReadOnly(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "none"), Options{ReadOnly: true}); err == nil || !strings.Contains(err.Error(), "holds no store") {
		t.Errorf("nothing is opened: %v", err)
	}
	disk, s := written(t)
	dir := t.TempDir()
	copyOut(t, disk.CrashClone(vfs.CrashCloneCfg{}), testDir, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before := tree(t, dir)
	s, err := Open(dir, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if rows := dumped(t, s, nil); len(rows) < executions {
		t.Errorf("%d rows", len(rows))
	}
	if err := s.Commit(t.Context(), starts(1, 99)); err == nil {
		t.Error("it takes a commit")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if after := tree(t, dir); after != before {
		t.Error("the folder has changed")
	}
}
