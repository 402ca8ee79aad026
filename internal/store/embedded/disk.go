package embedded

import (
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// disk is the file system as Pebble sees it. It adds three things.
//
// The first write or sync that fails is told to failed before Pebble hears of
// it: what Pebble then does may be to end the process. From then on nothing is
// written: a folder whose sync has failed must not lose old names for new ones.
//
// The first sync of a new file is also the sync of its name. POSIX promises no
// order between the names in a folder: without this the marker of a new
// manifest may survive a loss of power, and the manifest not. Nor is what a
// manifest says safe from damage: see manifest.go.
type disk struct {
	vfs.FS
	sums   *sums
	failed func(error)
	dead   func() error // why nothing is written any more: a call has failed
	syncs  *syncTimes   // of the log
}

func (d *disk) Unwrap() vfs.FS { return d.FS }

func (d *disk) told(err error) error {
	if err != nil {
		d.syncs.failed.Add(1)
		d.failed(err)
	}
	return err
}

func (d *disk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := d.dead(); err != nil {
		return nil, err
	}
	f, err := d.FS.Create(name, category)
	return d.made(f, name, err)
}

func (d *disk) ReuseForWrite(old, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := d.dead(); err != nil {
		return nil, err
	}
	if err := d.told(d.forget(old)); err != nil {
		return nil, err
	}
	f, err := d.FS.ReuseForWrite(old, name, category)
	return d.made(f, name, err)
}

func (d *disk) made(f vfs.File, name string, err error) (vfs.File, error) {
	if d.told(err) != nil {
		return nil, err
	}
	return &newFile{File: f, disk: d, dir: d.PathDir(name), base: d.PathBase(name), manifest: newManifest(d.PathBase(name)), log: isLog(name)}, nil
}

func (d *disk) OpenDir(name string) (vfs.File, error) {
	f, err := d.FS.OpenDir(name)
	if d.told(err) != nil {
		return nil, err
	}
	named := &newFile{File: f, disk: d}
	named.named.Store(true)
	return named, nil
}

// Remove takes a file away: a log not before it is off the list, a marker not before
// the name of the next one is durable. Pebble syncs both at once, and a loss of power
// before may take the old one and keep the new one from being.
func (d *disk) Remove(name string) error {
	if err := d.dead(); err != nil {
		return err
	}
	if err := d.told(d.forget(name)); err != nil {
		return err
	}
	if strings.HasPrefix(d.PathBase(name), "marker.") {
		if err := d.told(syncDir(d.FS, d.PathDir(name))); err != nil {
			return err
		}
	}
	return d.FS.Remove(name)
}

func (d *disk) forget(name string) error {
	if isLog(name) {
		return d.sums.forget(d.PathBase(name))
	}
	return nil
}

func (d *disk) Rename(old, name string) error {
	if err := d.dead(); err != nil {
		return err
	}
	return d.told(d.FS.Rename(old, name))
}

// newFile is a file that is written; its name may not be durable yet.
type newFile struct {
	vfs.File
	disk     *disk
	dir      string
	base     string // its name in it
	named    atomic.Bool
	manifest *manifest // what was written of one, else nil
	log      bool      // its syncs are timed
}

func (f *newFile) Write(p []byte) (int, error) {
	if err := f.disk.dead(); err != nil {
		return 0, err
	}
	if f.manifest != nil {
		f.manifest.write(p)
	}
	n, err := f.File.Write(p)
	return n, f.disk.told(err)
}

func (f *newFile) Sync() error { return f.sync(f.File.Sync) }

func (f *newFile) SyncData() error { return f.sync(f.File.SyncData) }

func (f *newFile) sync(data func() error) error {
	if err := f.disk.dead(); err != nil {
		return err
	}
	return f.disk.told(f.synced(f.timed(data)))
}

// timed takes the time of the log's syncs.
func (f *newFile) timed(sync func() error) error {
	if !f.log {
		return sync()
	}
	return f.disk.syncs.sync(sync)
}

// synced follows the sync of the data.
func (f *newFile) synced(err error) error {
	if err == nil {
		err = f.syncName()
	}
	if err == nil && f.manifest != nil {
		err = f.disk.sums.synced(f.manifest)
	}
	return err
}

func (f *newFile) SyncTo(length int64) (bool, error) {
	if err := f.disk.dead(); err != nil {
		return false, err
	}
	full, err := f.File.SyncTo(length)
	return full, f.disk.told(err)
}

func (f *newFile) syncName() error {
	if f.named.Load() {
		return nil
	}
	if err := syncDir(f.disk.FS, f.dir); err != nil {
		return err
	}
	f.named.Store(true)
	if isLog(f.base) {
		return f.disk.sums.has(f.base)
	}
	return nil
}
