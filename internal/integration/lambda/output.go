package lambda

import (
	"bytes"
	"encoding/base64"
	"log/slog"
	"sync"
	"time"
)

// output takes what a process prints: line by line to the log, and its last
// bytes to whoever asked for the tail of an invocation's log.
type output struct {
	log  *slog.Logger
	mu   sync.Mutex
	line []byte
	tail []byte
}

// Bounds of what is kept, in bytes, and of the wait for an invocation's last
// words. A longer line is logged in pieces.
const (
	maxLine = 8 << 10
	maxTail = 4 << 10

	tailWait = 20 * time.Millisecond
)

func newOutput(log *slog.Logger) *output { return &output{log: log} }

// Write takes some of a process's output. It never fails.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.keep(p)
	for rest := p; len(rest) > 0; {
		n := min(len(rest), maxLine-len(o.line))
		end := bytes.IndexByte(rest[:n], '\n')
		if end >= 0 {
			n = end
		}
		o.line = append(o.line, rest[:n]...)
		rest = rest[n:]
		if end >= 0 {
			rest = rest[1:]
		}
		if end >= 0 || len(o.line) == maxLine {
			o.emit()
		}
	}
	return len(p), nil
}

func (o *output) keep(p []byte) {
	o.tail = append(o.tail, p[max(0, len(p)-maxTail):]...)
	if over := len(o.tail) - maxTail; over > 0 {
		o.tail = append(o.tail[:0], o.tail[over:]...)
	}
}

func (o *output) emit() {
	if line := bytes.TrimRight(o.line, "\r"); len(line) > 0 {
		o.log.Info("function output", "line", string(line))
	}
	o.line = o.line[:0]
}

// flush logs a line that was never ended.
func (o *output) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.emit()
}

// mark begins the tail of a new invocation.
func (o *output) mark() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tail = o.tail[:0]
}

// tailOf is the invocation's tail so far, in base64.
func (o *output) tailOf() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return base64.StdEncoding.EncodeToString(o.tail)
}
