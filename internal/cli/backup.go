package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
all inputs and outputs, and the key of task tokens: keep it as you keep those.

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
		_, err := write(s.Stdout)
		return err
	}
	if _, err := os.Lstat(v.File); err == nil && !v.Force {
		return usagef("%s is there already; --force replaces it", v.File)
	}
	info, err := writeSynced(v.File, write)
	if err != nil {
		return err
	}
	if s.JSON {
		return s.printJSON(info)
	}
	fmt.Fprintf(s.Stdout, "%s: %d executions, %d rows of store %s, as of %s\n", v.File, info.Executions, info.Rows, info.Store, info.Taken.Local().Format("2006-01-02 15:04:05"))
	return nil
}

// writeSynced writes a file under another name, and gives it its own when it is whole
// and durable.
func writeSynced[Info any](name string, write func(io.Writer) (*Info, error)) (info *Info, err error) {
	part := name + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, &UsageError{err}
	}
	defer func() {
		if err != nil {
			os.Remove(part)
		}
	}()
	info, err = write(f)
	if err == nil {
		err = onDisk(f.Sync())
	}
	if err = errors.Join(err, onDisk(f.Close())); err != nil {
		return nil, err
	}
	if err := os.Rename(part, name); err != nil {
		return nil, &UsageError{err}
	}
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return nil, &UsageError{err}
	}
	return info, onDisk(errors.Join(dir.Sync(), dir.Close()))
}

// onDisk is an error of the place where somebody wants something written, or nil.
func onDisk(err error) error {
	if err == nil {
		return nil
	}
	return &UsageError{err}
}
