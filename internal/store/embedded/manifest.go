package embedded

import (
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"strings"

	"github.com/backstep/backstep/internal/store"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Pebble's manifest says which tables and logs are the store, one record for
// every change. A damaged record reads like its end: what came after would be
// forgotten, and its tables taken away as nobody's. So every sync of a manifest
// is followed by that of a sum of it, and a manifest that is less than its sum
// is refused. Logs and tables that a record makes superfluous are only taken
// away after both.
const sumName = "MANIFEST.sum"

// manifest is a manifest that is being written.
type manifest struct {
	name   string
	length int64
	sum    hash.Hash32
}

// newManifest is nil for a file that is no manifest.
func newManifest(name string) *manifest {
	if !strings.HasPrefix(name, "MANIFEST-") {
		return nil
	}
	return &manifest{name: name, sum: crc32.New(crc32.MakeTable(crc32.Castagnoli))}
}

func (m *manifest) write(p []byte) {
	m.length += int64(len(p))
	m.sum.Write(p)
}

// save replaces the sum on disk. A crash before leaves the sum of an earlier
// state of the same manifest, or of the one before.
func (m *manifest) save(fsys vfs.FS, dir string) error {
	return writeWhole(fsys, dir, sumName, fmt.Sprintf("%s %d %08x\n", m.name, m.length, m.sum.Sum32()))
}

// checkManifest holds the manifest to its sum.
func (f *folder) checkManifest() error {
	text, err := readFile(f.fs, f.path(sumName))
	if err != nil {
		return f.damaged("its %s can't be read (%v)", sumName, err)
	}
	var name string
	var length int64
	var sum uint32
	if _, err := fmt.Sscanf(text, "%s %d %x\n", &name, &length, &sum); err != nil {
		return f.damaged("its %s says %.60q", sumName, text)
	}
	file, err := f.fs.Open(f.fs.PathJoin(f.data(), name))
	if err != nil {
		return f.damaged("its %s can't be read (%v)", name, err)
	}
	defer file.Close()
	m := newManifest(name)
	if n, err := io.Copy(m.sum, io.LimitReader(file, length)); err != nil || n != length || m.sum.Sum32() != sum {
		return f.damaged("its %s is not what was written", name)
	}
	return nil
}

func (f *folder) damaged(format string, args ...any) error {
	return fmt.Errorf("data folder %q is %w, %s: restore it from a backup", f.dir, store.ErrDamaged, fmt.Sprintf(format, args...))
}
