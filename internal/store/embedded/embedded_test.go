package embedded

import (
	"testing"

	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/cockroachdb/pebble/v2/vfs"
)

const testDir = "/var/lib/backstep"

// forgetful is a place on a disk that forgets what was not synced.
type forgetful struct{ fs *vfs.MemFS }

func (d *forgetful) Open(t *testing.T) store.Store { return open(t, d.fs) }
func (d *forgetful) Crash(*testing.T)              { d.fs = d.fs.CrashClone(vfs.CrashCloneCfg{}) }
func (d *forgetful) Shared() bool                  { return false }
func (d *forgetful) Make(t *testing.T, id store.Identity) store.Filling {
	return filling(t, testDir, id, Options{FS: d.fs})
}

func filling(t *testing.T, dir string, id store.Identity, o Options) store.Filling {
	s, err := Make(dir, id, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// folderPlace is a place in a real folder, where a crash is a Close: a process
// that dies does not take the system's memory of its writes along.
type folderPlace struct {
	dir  string
	open *Store
}

func (f *folderPlace) Open(t *testing.T) store.Store {
	s, err := Open(f.dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	f.open = s
	return s
}

func (f *folderPlace) Crash(t *testing.T) {
	if err := f.open.Close(); err != nil {
		t.Fatal(err)
	}
}

func (f *folderPlace) Make(t *testing.T, id store.Identity) store.Filling {
	return filling(t, f.dir, id, Options{})
}

func (f *folderPlace) Shared() bool { return false }

func open(t testing.TB, fs vfs.FS) *Store {
	t.Helper()
	s, err := Open(testDir, Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestContractOnForgetfulDisk(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Place { return &forgetful{vfs.NewCrashableMem()} })
}

func TestContractInFolder(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Place { return &folderPlace{dir: t.TempDir()} })
}
