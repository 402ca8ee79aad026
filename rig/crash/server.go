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
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// server is the process under test. It comes back on the same address and the
// same data folder each time. Its methods belong to one goroutine.
type server struct {
	program string
	listen  string
	dir     string   // configuration and log
	store   []string // flags that say where the data are
	command func(ctx context.Context, program string, args ...string) *exec.Cmd
	cmd     *exec.Cmd
	end     atomic.Int64  // when the process ended, UTC microseconds
	exited  chan struct{} // closed when the process has ended
	spawned time.Time
}

// newServer is a server on a data folder, on this host.
func newServer(program, dir, data, participants string, functions []string) (*server, error) {
	if err := writeConfig(dir, participants, functions, ""); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	return &server{
		program: program, listen: l.Addr().String(), dir: dir, store: []string{"--data", data},
		command: exec.CommandContext,
	}, nil
}

// writeConfig writes the configuration: every function is a URL of the
// participants.
func writeConfig(dir, participants string, functions []string, more string) error {
	text := strings.Builder{}
	text.WriteString(more + "functions:\n")
	for _, name := range functions {
		fmt.Fprintf(&text, "  %s: {url: %q, concurrency: 256}\n", name, participants+"/"+name)
	}
	return os.WriteFile(filepath.Join(dir, "backstep.yaml"), []byte(text.String()), 0o600)
}

func (s *server) endpoint() string { return "http://" + s.listen }

func (s *server) logFile() string { return filepath.Join(s.dir, "server.log") }

// spawn starts the process and does not wait for it.
func (s *server) spawn() error {
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd = s.command(context.Background(), s.program, append([]string{
		"serve", "--listen", s.listen, "--config", filepath.Join(s.dir, "backstep.yaml"),
		"--region", region, "--account", account, "--log-level", "warn",
	}, s.store...)...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.spawned = time.Now()
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		cmd.Wait()
		s.end.Store(time.Now().UnixMicro())
		close(exited)
	}(s.cmd, s.exited)
	return nil
}

// errEnded says that the server ended although nobody killed it.
var errEnded = errors.New("the server ended by itself")

// readyMost bounds the wait for a server that does not get ready.
const readyMost = 60 * time.Second

// awaitReady waits until starts are taken, and tells how long that took since
// the process was started.
func (s *server) awaitReady(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, readyMost)
	defer cancel()
	asker := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		if ready(ctx, asker, s.endpoint()+"/readyz") {
			return time.Since(s.spawned), nil
		}
		select {
		case <-s.exited:
			return 0, s.ended()
		case <-ctx.Done():
			return 0, fmt.Errorf("the server was not ready within %s: %w", readyMost, ctx.Err())
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func ready(ctx context.Context, asker *http.Client, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := asker.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// ended is errEnded with the last line of the server's log.
func (s *server) ended() error {
	text, _ := os.ReadFile(s.logFile())
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return fmt.Errorf("%w (%s): %s", errEnded, s.cmd.ProcessState, lines[len(lines)-1])
}

func (s *server) alive() bool {
	select {
	case <-s.exited:
		return false
	default:
		return true
	}
}

func (s *server) endedAt() time.Time { return time.UnixMicro(s.end.Load()) }

// pause lets the process stand still for a while; everything in flight stays so.
func (s *server) pause(d time.Duration) {
	s.stand()
	time.Sleep(d)
}

// stand lets the process stand still, until it is killed or goOn.
func (s *server) stand() { s.cmd.Process.Signal(syscall.SIGSTOP) }

func (s *server) goOn() { s.cmd.Process.Signal(syscall.SIGCONT) }

// kill ends the process without a warning. It is an error if it had ended
// before.
func (s *server) kill() error {
	if !s.alive() {
		return s.ended()
	}
	s.cmd.Process.Kill()
	<-s.exited
	return nil
}

// stop lets the server drain, and wants it to end well.
func (s *server) stop() error {
	s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(readyMost):
		s.cmd.Process.Kill()
		<-s.exited
		return errors.New("the server did not end after SIGTERM")
	}
	if !s.cmd.ProcessState.Success() {
		return s.ended()
	}
	return nil
}
