package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// backup writes a backup.
type backup struct {
	File  string `arg:"" help:"The file to write; - is standard output."`
	Force bool   `help:"Replace a file that is there."`
}

// Help is the long help of backup.
func (backup) Help() string {
	return `The server goes on meanwhile: what is written is all that it kept at one moment.
The file is checked as it comes, written as FILE.part, synced, and renamed. It holds
all inputs and outputs, and the key of task tokens: keep it as you keep those. The
server is told, and shows when the last one was taken.

Examples:
  backstep backup backstep-2026-11-30.backup
  backstep backup - | ssh elsewhere 'cat > backstep.backup'`
}

// BackupInfo is what stands in a backup beside its rows.
type BackupInfo struct {
	Store      string    `json:"store"`
	Taken      time.Time `json:"taken"`
	Version    string    `json:"version"`
	Rows       int       `json:"rows"`
	Executions int       `json:"executions"`
	SHA256     string    `json:"sha256"`
	Sums       []NounSum `json:"sums"`

	// Of a store that was restored: its restore epoch, and how many tasks and calls are
	// handed out again.
	RestoreEpoch uint32 `json:"restoreEpoch,omitempty"`
	Reoffered    int    `json:"reoffered,omitempty"`
}

// Run writes the backup.
func (v *backup) Run(s *session) error {
	if _, err := s.service(); err != nil { // the flags are checked there
		return err
	}
	shown := s.meter()
	write := func(to io.Writer) (*BackupInfo, error) {
		info, err := s.Keeper.Backup(s.ctx, s.Endpoint, s.region(), to, func(rows int) { shown.show("%d rows", rows) })
		shown.clear()
		return info, err
	}
	if v.File == "-" {
		info, err := write(s.Stdout)
		if err == nil {
			v.tell(s, info)
		}
		return err
	}
	if err := vacant(v.File, v.Force); err != nil {
		return err
	}
	info, err := writeSynced(v.File, write)
	if err != nil {
		return err
	}
	v.tell(s, info)
	if s.JSON {
		return s.printJSON(info)
	}
	fmt.Fprintf(s.Stdout, "%s: %d executions, %d rows of store %s, as of %s\n", v.File, info.Executions, info.Rows, info.Store, info.Taken.Local().Format("2006-01-02 15:04:05"))
	return nil
}

// tell tells the server that the backup is kept. It is one whether the server hears
// of it or not.
func (v *backup) tell(s *session, info *BackupInfo) {
	if err := s.Keeper.Kept(s.ctx, s.Endpoint, s.region(), info.Taken); err != nil {
		fmt.Fprintf(s.Stderr, "backstep: the backup is whole, but its server, which shows the age of the last one, did not hear of it: %s\n", oneLine(err))
	}
}

// vacant refuses a file that is there already, unless it may be replaced.
func vacant(name string, force bool) error {
	info, err := os.Lstat(name)
	switch {
	case err != nil:
		return nil
	case info.IsDir():
		return usagef("%s is a folder; name a file in it", name)
	case !force:
		return usagef("%s is there already; --force replaces it", name)
	}
	return nil
}

// writeSynced writes a file under another name, and gives it its own when it is whole
// and durable. That nothing can be written there is a UsageError.
func writeSynced[Info any](name string, write func(io.Writer) (*Info, error)) (*Info, error) {
	part := name + ".part"
	f, err := openAlone(part)
	if err != nil {
		return nil, &UsageError{err}
	}
	defer f.Close() // from then on another one may write it
	to := &output{to: f}
	info, err := write(to)
	if to.err != nil {
		err = onDisk(to.err)
	}
	if err == nil {
		err = onDisk(f.Sync())
	}
	if err == nil {
		err = onDisk(os.Rename(part, name))
	}
	if err != nil {
		os.Remove(part)
		return nil, err
	}
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return nil, &UsageError{err}
	}
	return info, onDisk(errors.Join(dir.Sync(), dir.Close()))
}

// openAlone opens a file to write it anew, as long as no other process does. What one
// has left that is gone is written over.
func openAlone(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	busy := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil
	own, err := f.Stat()
	if there, gone := os.Stat(name); gone != nil || err == nil && !os.SameFile(own, there) {
		busy = true // it has got its own name meanwhile
	}
	switch {
	case err != nil:
	case busy:
		err = fmt.Errorf("another process writes %s; wait for its end, or name another file", name)
	case own.Size() > 0:
		err = f.Truncate(0)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// onDisk is an error of the place where somebody wants something written, or nil.
func onDisk(err error) error {
	if err == nil {
		return nil
	}
	return &UsageError{err}
}
