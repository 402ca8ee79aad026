package embedded

import (
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/backstep/backstep/internal/store"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Pebble's manifest says which tables and logs are the store, one record for
// every change. A damaged record reads like its end: what came after would be
// forgotten, and its tables taken away as nobody's. So every sync of a manifest
// is followed by that of a sum of it, and a manifest that is less than its sum
// is refused. Logs and tables that a record makes superfluous are only taken
// away after both.
//
// Nor would Pebble miss a log that is gone, with all commits in it. So the logs
// that there are stand beneath the sum: from when a log's name is durable until
// it is about to be taken away.
const sumName = "MANIFEST.sum"

// sums is the file of the sum and the logs, as it is kept.
type sums struct {
	fs  vfs.FS
	dir string

	mu       sync.Mutex
	manifest string // the line of the manifest as it was synced last; "" before the first
	logs     map[string]bool
}

// has says that a log is there, and its name durable.
func (s *sums) has(log string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.logs[log] {
		return nil
	}
	s.logs[log] = true
	return s.save()
}

// forget says that a file will not be there any more.
func (s *sums) forget(log string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.logs[log] {
		return nil
	}
	delete(s.logs, log)
	return s.save()
}

// synced says that a manifest is durable as it was written. A crash before leaves the
// sum of an earlier state of the same manifest, or of the one before.
func (s *sums) synced(m *manifest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.manifest = fmt.Sprintf("%s %d %08x\n", m.name, m.length, m.sum.Sum32())
	return s.save()
}

func (s *sums) save() error {
	if s.manifest == "" {
		return nil
	}
	logs := strings.Join(slices.Sorted(maps.Keys(s.logs)), " ")
	return writeWhole(s.fs, s.dir, sumName, s.manifest+"logs "+logs+"\n")
}

// manifest is a manifest that is being written.
type manifest struct {
	name   string
	length int64
	sum    hash.Hash32
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// newManifest is nil for a file that is no manifest.
func newManifest(name string) *manifest {
	if !strings.HasPrefix(name, "MANIFEST-") {
		return nil
	}
	return &manifest{name: name, sum: crc32.New(castagnoli)}
}

func (m *manifest) write(p []byte) {
	m.length += int64(len(p))
	m.sum.Write(p)
}

func isLog(name string) bool { return strings.HasSuffix(name, ".log") }

// sums are those of the folder as it is, before it is opened.
func (f *folder) sums() (*sums, error) {
	s := &sums{fs: f.fs, dir: f.dir, logs: map[string]bool{}}
	if f.making {
		return s, nil
	}
	text, err := readFile(f.fs, f.path(sumName))
	if err != nil {
		return nil, err
	}
	line, _, _ := strings.Cut(text, "\n")
	s.manifest = line + "\n"
	names, err := f.fs.List(f.data())
	for _, name := range names {
		if isLog(name) {
			s.logs[name] = true
		}
	}
	return s, err
}

// checkManifest holds the manifest to its sum, and the logs to their list. Folders
// of before there was a list have none.
func (f *folder) checkManifest() error {
	text, err := readFile(f.fs, f.path(sumName))
	if err != nil {
		return f.damaged("its %s can't be read (%v)", sumName, err)
	}
	line, rest, _ := strings.Cut(text, "\n")
	var name string
	var length int64
	var sum uint32
	_, err = fmt.Sscanf(line, "%s %d %x", &name, &length, &sum)
	m := newManifest(name)
	if err != nil || m == nil {
		return f.damaged("its %s says %.60q", sumName, text)
	}
	file, err := f.fs.Open(f.fs.PathJoin(f.data(), name))
	if err != nil {
		return f.damaged("its %s can't be read (%v)", name, err)
	}
	defer file.Close()
	if n, err := io.Copy(m.sum, io.LimitReader(file, length)); err != nil || n != length || m.sum.Sum32() != sum {
		return f.damaged("its %s is not what was written", name)
	}
	logs, listed := strings.CutPrefix(strings.TrimSuffix(rest, "\n"), "logs ")
	if rest != "" && !listed && rest != "logs\n" {
		return f.damaged("its %s says %.60q", sumName, text)
	}
	names := strings.Fields(logs)
	for _, log := range names {
		if _, err := f.fs.Stat(f.fs.PathJoin(f.data(), log)); err != nil {
			return f.damaged("its %s is gone (%v)", log, err)
		}
	}
	return f.checkLog(names)
}

func (f *folder) damaged(format string, args ...any) error {
	return fmt.Errorf("data folder %q is %w, %s: restore it from a backup", f.dir, store.ErrDamaged, fmt.Sprintf(format, args...))
}
