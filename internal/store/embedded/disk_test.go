package embedded

import (
	"io"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// tapped is a disk that asks before every call that changes it. Of a write it
// also tells what is about to be written where, if writing is set.
type tapped struct {
	vfs.FS
	before  func(call, name string) error
	writing func(name string, p []byte, at int64)
}

func (t *tapped) Unwrap() vfs.FS { return t.FS }

func (t *tapped) file(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &tappedFile{File: f, name: name, disk: t}, nil
}

func (t *tapped) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := t.before("create", name); err != nil {
		return nil, err
	}
	f, err := t.FS.Create(name, c)
	return t.file(name, f, err)
}

func (t *tapped) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	if err := t.before("open", name); err != nil {
		return nil, err
	}
	f, err := t.FS.OpenReadWrite(name, c, o...)
	return t.file(name, f, err)
}

func (t *tapped) OpenDir(name string) (vfs.File, error) {
	f, err := t.FS.OpenDir(name)
	return t.file(name, f, err)
}

// ReuseForWrite is done in two calls: in one MemFS takes the lock twice that a
// clone waits for in between.
func (t *tapped) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := t.Rename(old, name); err != nil {
		return nil, err
	}
	return t.OpenReadWrite(name, c)
}

func (t *tapped) Link(old, name string) error {
	if err := t.before("link", name); err != nil {
		return err
	}
	return t.FS.Link(old, name)
}

func (t *tapped) Remove(name string) error {
	if err := t.before("remove", name); err != nil {
		return err
	}
	return t.FS.Remove(name)
}

func (t *tapped) RemoveAll(name string) error {
	if err := t.before("remove", name); err != nil {
		return err
	}
	return t.FS.RemoveAll(name)
}

func (t *tapped) Rename(old, name string) error {
	if err := t.before("rename", name); err != nil {
		return err
	}
	return t.FS.Rename(old, name)
}

func (t *tapped) MkdirAll(dir string, perm os.FileMode) error {
	if err := t.before("mkdir", dir); err != nil {
		return err
	}
	return t.FS.MkdirAll(dir, perm)
}

func (t *tapped) Lock(name string) (io.Closer, error) {
	if err := t.before("lock", name); err != nil {
		return nil, err
	}
	return t.FS.Lock(name)
}

type tappedFile struct {
	vfs.File
	name string
	disk *tapped
	at   int64 // of the next write; one goroutine writes a file
}

func (f *tappedFile) Write(p []byte) (int, error) {
	if err := f.disk.before("write", f.name); err != nil {
		return 0, err
	}
	if f.disk.writing != nil {
		f.disk.writing(f.name, p, f.at)
	}
	n, err := f.File.Write(p)
	f.at += int64(n)
	return n, err
}

func (f *tappedFile) WriteAt(p []byte, at int64) (int, error) {
	if err := f.disk.before("write", f.name); err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, at)
}

func (f *tappedFile) Sync() error {
	if err := f.disk.before("sync", f.name); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *tappedFile) SyncData() error {
	if err := f.disk.before("sync", f.name); err != nil {
		return err
	}
	return f.File.SyncData()
}

func (f *tappedFile) SyncTo(length int64) (bool, error) {
	if err := f.disk.before("sync", f.name); err != nil {
		return false, err
	}
	return f.File.SyncTo(length)
}
