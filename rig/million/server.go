package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/backstep/backstep/client"
)

// server is the process that is measured. It comes back on the same address and
// the same data. It belongs to one goroutine.
type server struct {
	*client.Client
	program, dir, listen string
	more                 []string // arguments
	cmd                  *exec.Cmd

	cpu  float64 // seconds of the processes that have ended
	peak int     // MiB, the most of any of them
}

// newServer starts a server whose bucket is a folder beneath dir.
func newServer(ctx context.Context, program, dir string, more ...string) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{program: program, dir: dir, listen: l.Addr().String(), more: more}
	if err := l.Close(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.bucket(), 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(s.config(), []byte("buckets:\n  "+bucketName+": {folder: bucket}\n"), 0o600); err != nil {
		return nil, err
	}
	s.Client, err = client.New(client.Config{Endpoint: "http://" + s.listen, Region: "us-east-1"})
	if err != nil {
		return nil, err
	}
	return s, s.start(ctx)
}

const bucketName = "items"

func (s *server) bucket() string { return filepath.Join(s.dir, "bucket") }
func (s *server) config() string { return filepath.Join(s.dir, "backstep.yaml") }
func (s *server) data() string   { return filepath.Join(s.dir, "data") }

// start starts the process and waits until it takes starts.
func (s *server) start(ctx context.Context) error {
	args := append([]string{"serve", "--listen", s.listen, "--data", s.data(), "--config", s.config(), "--log-level", "warn"}, s.more...)
	s.cmd = exec.Command(s.program, args...)
	s.cmd.Stderr = os.Stderr
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("%w: build it first: make build", err)
	}
	for range 1500 {
		if answer, err := http.Get("http://" + s.listen + "/readyz"); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("%s was not ready within 30 s", s.program)
}

// end ends the process by that signal, and takes note of what it took.
func (s *server) end(by syscall.Signal) {
	if s.cmd == nil || s.cmd.ProcessState != nil {
		return
	}
	s.peak = max(s.peak, s.resident())
	s.cmd.Process.Signal(by)
	s.cmd.Wait()
	state := s.cmd.ProcessState
	s.cpu += state.UserTime().Seconds() + state.SystemTime().Seconds()
}

// resident is the most memory that the process has had so far, in MiB.
func (s *server) resident() int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, is := strings.CutPrefix(line, "VmHWM:"); is {
			kib, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			return kib >> 10
		}
	}
	return 0
}

// used is the processor time of this process and of all others, in seconds
// since the machine began.
func used() float64 {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	all, _, _ := strings.Cut(string(stat), "\n")
	total := 0.0
	for i, field := range strings.Fields(all)[1:] {
		if ticks, err := strconv.ParseFloat(field, 64); err == nil && i != 3 && i != 4 && i < 8 {
			total += ticks / 100
		}
	}
	return total
}

// folderMiB is the size of a folder.
func folderMiB(dir string) int {
	bytes := int64(0)
	filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil
	})
	return int(bytes >> 20)
}
