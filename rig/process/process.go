// Package process runs a server that is measured as a process of its own: it starts
// it, waits until it takes calls, ends it, and reads what the system tells of it. Of
// what the server does it knows /readyz alone.
//
// Read process.go, then figures.go.
package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Process is a server that was started. End belongs to one goroutine; its figures may
// be read by many.
type Process struct {
	Ready time.Duration // from its start until it took calls
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has
}

// Address is a free one on loopback.
func Address() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// readyMost bounds the wait for a server that does not get ready.
const readyMost = 2 * time.Minute

// Start starts a program that serves at an address, and waits until it takes calls.
// What it prints as errors is printed as ours. One that does not get ready is ended.
func Start(ctx context.Context, address, program string, args ...string) (*Process, error) {
	p := &Process{cmd: exec.Command(program, args...), ended: make(chan struct{})}
	p.cmd.Stderr = os.Stderr
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w: build it first: make build", err)
	}
	go func() {
		defer close(p.ended)
		p.cmd.Wait()
	}()
	if err := p.await(ctx, "http://"+address+"/readyz"); err != nil {
		p.End(syscall.SIGKILL)
		return nil, fmt.Errorf("%s: %w", program, err)
	}
	p.Ready = time.Since(began)
	return p, nil
}

func (p *Process) await(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyMost, fmt.Errorf("it is not ready within %s", readyMost))
	defer cancel()
	for {
		if takesCalls(ctx, url) {
			return nil
		}
		select {
		case <-p.ended:
			return errors.New("it ended before it was ready: " + p.cmd.ProcessState.String())
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func takesCalls(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// End ends the process by that signal, and returns when it has ended. One that has
// ended already stays so.
func (p *Process) End(by syscall.Signal) {
	p.cmd.Process.Signal(by)
	<-p.ended
}
