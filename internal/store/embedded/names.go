package embedded

import (
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// named is a disk on which the first sync of a new file is also the sync of its
// name. POSIX promises no order between the names in a folder: without this the
// marker of a new manifest may survive a loss of power, and the manifest not.
type named struct{ vfs.FS }

func (n named) Unwrap() vfs.FS { return n.FS }

func (n named) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := n.FS.Create(name, category)
	if err != nil {
		return nil, err
	}
	return &newFile{File: f, fs: n.FS, dir: n.PathDir(name)}, nil
}

func (n named) ReuseForWrite(old, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := n.FS.ReuseForWrite(old, name, category)
	if err != nil {
		return nil, err
	}
	return &newFile{File: f, fs: n.FS, dir: n.PathDir(name)}, nil
}

// newFile is a file whose name may not be durable yet.
type newFile struct {
	vfs.File
	fs      vfs.FS
	dir     string
	durable atomic.Bool
}

func (f *newFile) Sync() error { return f.syncName(f.File.Sync()) }

func (f *newFile) SyncData() error { return f.syncName(f.File.SyncData()) }

// syncName follows the sync of the data.
func (f *newFile) syncName(synced error) error {
	if synced != nil || f.durable.Load() {
		return synced
	}
	if err := syncDir(f.fs, f.dir); err != nil {
		return err
	}
	f.durable.Store(true)
	return nil
}
