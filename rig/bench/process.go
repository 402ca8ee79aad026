package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// process is a child of ours.
type process struct {
	cmd *exec.Cmd
	url string
}

func (p *process) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.cmd.Wait()
}

func isDSN(data string) bool { return strings.Contains(data, "://") }

// serve starts the server with one function by URL, one of sixteen hosted
// programs, and one that fails. data is a folder within dir, or a database.
func (b *bench) serve(ctx context.Context, dir, binary, data string) (endpoint string, p *process, err error) {
	config := filepath.Join(dir, "backstep.yaml")
	text := fmt.Sprintf("functions:\n  BenchURL: {url: %q, concurrency: 256}\n  BenchFailing: {url: %q, concurrency: 256}\n"+
		"  BenchHosted: {command: [%q, -role, program], concurrency: 16}\nhttp: {allow: [127.0.0.0/8]}\n",
		b.functions, b.functions+failing, b.self)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return "", nil, err
	}
	listen, err := freeAddress()
	if err != nil {
		return "", nil, err
	}
	args := []string{"serve", "--listen", listen, "--config", config, "--log-level", "warn"}
	if isDSN(data) {
		args = append(args, "--postgres", data)
	} else {
		args = append(args, "--data", filepath.Join(dir, data))
	}
	return start(ctx, listen, binary, args...)
}

// serveLeast starts the least that a server of sagas can be.
func (b *bench) serveLeast(ctx context.Context, dir string) (endpoint string, p *process, err error) {
	listen, err := freeAddress()
	if err != nil {
		return "", nil, err
	}
	return start(ctx, listen, b.self, "-role", "bare", "-listen", listen, "-dir", filepath.Join(dir, "least"),
		"-function", b.functions, "-steps", fmt.Sprint(b.steps))
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// start starts a server and waits until it is ready.
func start(ctx context.Context, listen, program string, args ...string) (endpoint string, p *process, err error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("%w: build it first: make build", err)
	}
	p = &process{cmd: cmd}
	endpoint = "http://" + listen
	for range 500 {
		if resp, err := http.Get(endpoint + "/readyz"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return endpoint, p, nil
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	p.stop()
	return "", nil, fmt.Errorf("%s was not ready within 10 s", program)
}
