package embedded

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"

	"github.com/backstep/backstep/internal/store"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// The names in a data folder. The marker is one line: it says what the folder
// is before anything else in it is touched.
const (
	markerName = "BACKSTEP"
	tempSuffix = ".new"
	lockName   = "LOCK"
	dataName   = "pebble"
)

// format is the number of this program's store format.
const format = 1

// folder is a data folder that this process holds.
type folder struct {
	fs     vfs.FS
	dir    string
	lock   io.Closer
	making bool // not finished by who made it: nothing in it was ever acknowledged
	fill   bool // it is made to be filled

	readOnly bool
	id       string // of the store in it, if not making
}

// open takes hold of the folder, or refuses it before anything is written.
func (f *folder) open() error {
	if err := f.judge(); err != nil {
		return err
	}
	if f.making && f.readOnly {
		return fmt.Errorf("data folder %q holds no store", f.dir)
	}
	if err := makeDir(f.fs, f.dir); err != nil {
		return fmt.Errorf("make data folder %q: %w", f.dir, err)
	}
	if err := f.take(); err != nil {
		return err
	}
	if err := f.prepare(); err != nil {
		return errors.Join(err, f.unlock())
	}
	return nil
}

// take locks the folder against every other process.
func (f *folder) take() error {
	lock, err := f.fs.Lock(f.path(lockName))
	var path *fs.PathError
	switch {
	case errors.As(err, &path):
		return fmt.Errorf("lock data folder %q: %w", f.dir, err)
	case err != nil:
		return fmt.Errorf("data folder %q is %w (%v): stop that process or choose another folder", f.dir, store.ErrInUse, err)
	}
	f.lock = lock
	return nil
}

func (f *folder) path(name string) string { return f.fs.PathJoin(f.dir, name) }

func (f *folder) data() string { return f.path(dataName) }

// judge reads what the folder is; nothing is written.
func (f *folder) judge() error {
	names, err := f.fs.List(f.dir)
	if errors.Is(err, fs.ErrNotExist) {
		f.making = true
		return nil
	} else if err != nil {
		return fmt.Errorf("read data folder %q: %w", f.dir, err)
	}
	for _, name := range names {
		if name == markerName {
			return f.readMarker()
		}
	}
	for _, name := range names {
		if name != markerName+tempSuffix && name != lockName && name != "lost+found" {
			return fmt.Errorf("data folder %q is %w, it holds %q: choose an empty folder or one that backstep has made",
				f.dir, store.ErrForeign, name)
		}
	}
	f.making = true
	return nil
}

// readMarker understands "backstep store, format 1, making", "… filling" and "… id ID".
func (f *folder) readMarker() error {
	text, err := readFile(f.fs, f.path(markerName))
	if err != nil {
		return fmt.Errorf("read data folder %q: %w", f.dir, err)
	}
	var number int
	var what string
	if _, err := fmt.Sscanf(text, "backstep store, format %d, %s", &number, &what); err != nil {
		return fmt.Errorf("data folder %q is %w, its file %s says %.60q: choose another folder", f.dir, store.ErrForeign, markerName, text)
	}
	if number > format {
		return fmt.Errorf("data folder %q was %w: its format is %d, this version knows %d; use the version that wrote it",
			f.dir, store.ErrNewer, number, format)
	}
	switch f.making = what == "making"; {
	case what == "filling":
		return fmt.Errorf("data folder %q is %w: the copy or restore into it was interrupted; remove the folder and begin again", f.dir, store.ErrIncomplete)
	case !f.making && f.fill:
		return fmt.Errorf("data folder %q is %w, it holds a store: choose a folder that is not there, or an empty one", f.dir, store.ErrOccupied)
	case !f.making:
		f.id = strings.TrimSpace(text[strings.LastIndexByte(text, ' '):])
		if _, err := store.ParseID(f.id); err != nil {
			return f.damaged("its file %s says %.60q", markerName, text)
		}
	}
	return nil
}

// prepare judges again what nobody else can change now, and clears away what an
// unfinished making has left.
func (f *folder) prepare() error {
	if err := f.judge(); err != nil {
		return err
	}
	if !f.making {
		if _, err := f.fs.Stat(f.data()); err != nil {
			return f.damaged("its %s is gone (%v)", dataName, err)
		}
		return f.checkManifest()
	}
	state := "making"
	if f.fill {
		state = "filling"
	}
	if err := f.writeMarker(state); err != nil {
		return fmt.Errorf("make data folder %q: %w", f.dir, err)
	}
	if !f.fill { // what an unfinished making has left is gone on with
		return nil
	}
	if err := f.fs.RemoveAll(f.data()); err != nil {
		return fmt.Errorf("make data folder %q: %w", f.dir, err)
	}
	return nil
}

// refused says why the store in the folder does not open. What is not there, or not as it
// must be, is a damage; what the system refuses (no right, no room, a disk that fails) is
// not.
func (f *folder) refused(err error) error {
	var system syscall.Errno
	switch refused := errors.As(err, &system) && !errors.Is(err, fs.ErrNotExist); {
	case errors.Is(err, store.ErrNewer), f.making, refused && !errors.Is(err, store.ErrDamaged):
		return fmt.Errorf("open data folder %q: %w", f.dir, err)
	}
	cause, _, _ := strings.Cut(err.Error(), "\n")
	return f.damaged("%s", strings.TrimSuffix(cause, ": "+store.ErrDamaged.Error()))
}

// made says that the store in the folder is complete.
func (f *folder) made(id store.ID) error {
	if err := f.writeMarker("id " + id.String()); err != nil {
		return err
	}
	f.making, f.id = false, id.String()
	return nil
}

func (f *folder) writeMarker(what string) error {
	return writeWhole(f.fs, f.dir, markerName, fmt.Sprintf("backstep store, format %d, %s\n", format, what))
}

func (f *folder) unlock() error { return f.lock.Close() }

// makeDir makes a folder and those above it, durably.
func makeDir(fsys vfs.FS, dir string) error {
	if _, err := fsys.Stat(dir); err == nil {
		return nil
	}
	parent := fsys.PathDir(dir)
	if parent != dir {
		if err := makeDir(fsys, parent); err != nil {
			return err
		}
	}
	if err := fsys.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDir(fsys, parent)
}

func syncDir(fsys vfs.FS, dir string) error {
	d, err := fsys.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// writeWhole replaces a file of one short line as a whole, durably.
func writeWhole(fsys vfs.FS, dir, name, text string) error {
	temp := fsys.PathJoin(dir, name+tempSuffix)
	file, err := fsys.Create(temp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = io.WriteString(file, text)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := fsys.Rename(temp, fsys.PathJoin(dir, name)); err != nil {
		return err
	}
	return syncDir(fsys, dir)
}

// readFile reads a file of one short line.
func readFile(fsys vfs.FS, name string) (string, error) {
	file, err := fsys.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, 1<<10))
	return string(text), err
}
