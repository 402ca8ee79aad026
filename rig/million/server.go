package main

import (
	"context"
	"os"
	"path/filepath"
	"syscall"

	"github.com/backstep/backstep/client"
	"github.com/backstep/backstep/rig/process"
)

// server is the process that is measured. It comes back on the same address and
// the same data. It belongs to one goroutine.
type server struct {
	*client.Client
	process              *process.Process // nil: it is down
	program, dir, listen string
	more                 []string // arguments

	cpu  float64 // seconds of the processes that have ended
	peak int     // MiB, the most of any of them
}

// newServer starts a server whose bucket is a folder beneath dir.
func newServer(ctx context.Context, program, dir string, more ...string) (*server, error) {
	listen, err := process.Address()
	if err != nil {
		return nil, err
	}
	s := &server{program: program, dir: dir, listen: listen, more: more}
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
func (s *server) start(ctx context.Context) (err error) {
	args := append([]string{"serve", "--listen", s.listen, "--data", s.data(), "--config", s.config(), "--log-level", "warn"}, s.more...)
	s.process, err = process.Start(ctx, s.listen, s.program, args...)
	return err
}

// end ends the process by that signal, and takes note of what it took.
func (s *server) end(by syscall.Signal) {
	if s.process == nil {
		return
	}
	s.peak = max(s.peak, s.most())
	s.process.End(by)
	s.cpu += s.process.CPU()
	s.process = nil
}

// most is the most memory that the process has had so far, in MiB.
func (s *server) most() int {
	_, most := s.process.Memory()
	return int(most)
}
