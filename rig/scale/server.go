package main

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/backstep/backstep/client"
	"github.com/backstep/backstep/rig/process"
)

// server is a process under measurement, over its own data folder. It comes back on the
// same address. It belongs to one goroutine, but for its calls.
type server struct {
	*client.Client
	*process.Process
	program, dir, listen string
}

// serve starts a server over the data in a folder, with a configuration.
func serve(ctx context.Context, program, dir, configuration string) (*server, error) {
	listen, err := process.Address()
	if err != nil {
		return nil, err
	}
	s := &server{program: program, dir: dir, listen: listen}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	s.Client, err = client.New(client.Config{Endpoint: "http://" + s.listen, Region: "us-east-1"})
	if err != nil {
		return nil, err
	}
	return s, s.start(ctx, configuration)
}

// start starts the process, and waits until it takes starts.
func (s *server) start(ctx context.Context, configuration string) error {
	file := filepath.Join(s.dir, "backstep.yaml")
	if err := os.WriteFile(file, []byte(configuration), 0o600); err != nil {
		return err
	}
	p, err := process.Start(ctx, s.listen, s.program, "serve", "--listen", s.listen, "--data", s.data(), "--config", file, "--log-level", "warn")
	if err != nil {
		return err
	}
	s.Process = p
	return nil
}

func (s *server) data() string { return filepath.Join(s.dir, "data") }

// quiet waits until the server does nothing any more: less than two hundredths of
// a processor for three seconds, after at most so long.
func (s *server) quiet(ctx context.Context, most time.Duration) {
	began, calm := time.Now(), 0
	for last := s.CPU(); calm < 3 && time.Since(began) < most && ctx.Err() == nil; {
		pause(ctx, time.Second)
		now := s.CPU()
		if calm++; now-last > 0.02 {
			calm = 0
		}
		last = now
	}
}

// pause waits so long, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
