package main

import (
	"context"
	"errors"
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

// server is a process under measurement, over its own data folder. It belongs to
// one goroutine, but for its calls.
type server struct {
	*client.Client
	program, dir, listen string
	cmd                  *exec.Cmd
	ended                chan struct{} // closed when the process has ended
	ready                time.Duration // from the start of the process until it took starts
}

// serve starts a server over the data in a folder, with a configuration.
func serve(ctx context.Context, program, dir, configuration string) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{program: program, dir: dir, listen: l.Addr().String()}
	if err := l.Close(); err != nil {
		return nil, err
	}
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
	s.cmd = exec.Command(s.program, "serve", "--listen", s.listen, "--data", s.data(), "--config", file, "--log-level", "warn")
	s.cmd.Stderr = os.Stderr
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("%w: build it first: make build", err)
	}
	ended := make(chan struct{})
	s.ended = ended
	go func() {
		defer close(ended)
		s.cmd.Wait()
	}()
	for time.Since(began) < 2*time.Minute && ctx.Err() == nil {
		if answer, err := http.Get("http://" + s.listen + "/readyz"); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				s.ready = time.Since(began)
				return nil
			}
		}
		select {
		case <-ended:
			return fmt.Errorf("%s ended before it was ready: %v", s.program, s.cmd.ProcessState)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return errors.Join(ctx.Err(), fmt.Errorf("%s was not ready within 2 minutes", s.program))
}

func (s *server) data() string { return filepath.Join(s.dir, "data") }

// end ends the process by that signal.
func (s *server) end(by syscall.Signal) {
	s.cmd.Process.Signal(by)
	<-s.ended
}

// cpu is the processor time that the process has taken, in seconds.
func (s *server) cpu() float64 {
	stat := s.proc("stat")
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100
}

// written is how many bytes the process has given to file systems so far.
func (s *server) written() float64 { return s.figure("io", "write_bytes:") }

// resident is the memory of the process in MiB, and the most that it ever was.
func (s *server) resident() (now, most float64) {
	return s.figure("status", "VmRSS:") / 1024, s.figure("status", "VmHWM:") / 1024
}

// figure is the number behind a name in a file of /proc/PID.
func (s *server) figure(file, name string) float64 {
	for line := range strings.Lines(s.proc(file)) {
		if rest, is := strings.CutPrefix(line, name); is {
			n, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return n
		}
	}
	return 0
}

func (s *server) proc(file string) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", s.cmd.Process.Pid, file))
	if err != nil {
		return ") "
	}
	return string(text)
}

// quiet waits until the server does nothing any more: less than two hundredths of
// a processor for three seconds, after at most so long.
func (s *server) quiet(ctx context.Context, most time.Duration) {
	began, calm := time.Now(), 0
	for last := s.cpu(); calm < 3 && time.Since(began) < most && ctx.Err() == nil; {
		pause(ctx, time.Second)
		now := s.cpu()
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

// size is the sum of the files in a folder, in bytes.
func size(dir string) (bytes int64) {
	filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil
	})
	return bytes
}
