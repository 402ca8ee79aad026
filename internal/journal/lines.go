package journal

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
)

// Lines writes log events a line each.
type Lines struct{ to io.Writer }

// NewLines writes to a stream such as standard output.
func NewLines(to io.Writer) *Lines { return &Lines{to} }

// Write writes all or, where the stream fails, says that none is written.
func (l *Lines) Write(_ context.Context, events []LogEvent) (int, error) {
	if _, err := io.WriteString(l.to, lines(events)); err != nil {
		return 0, fmt.Errorf("write log events: %w", err)
	}
	return len(events), nil
}

func lines(events []LogEvent) string {
	var b strings.Builder
	for _, e := range events {
		b.WriteString(e.Text)
		b.WriteByte('\n')
	}
	return b.String()
}

// File appends log events to a file, a line each. A file that was moved away,
// as those who rotate logs do, is begun anew.
type File struct {
	path string
	file *os.File
}

// OpenFile opens or makes the file; it is for its owner alone.
func OpenFile(path string) (*File, error) {
	f := &File{path: path}
	return f, f.open()
}

func (f *File) open() error {
	file, err := os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("log events: %w", err)
	}
	f.file = file
	return nil
}

// Write appends all or, where the disk fails, says that none is written.
func (f *File) Write(ctx context.Context, events []LogEvent) (int, error) {
	if err := f.follow(); err != nil {
		return 0, err
	}
	return NewLines(f.file).Write(ctx, events)
}

// follow opens the path again where another file, or none, is there by now.
func (f *File) follow() error {
	there, err := os.Stat(f.path)
	if err == nil {
		ours, unread := f.file.Stat()
		if unread == nil && os.SameFile(there, ours) {
			return nil
		}
	}
	f.file.Close()
	return f.open()
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }
