package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// childServer is a server of our own, in a process of its own, so that it can be
// killed. Its methods belong to one goroutine.
type childServer struct {
	program string
	listen  string
	log     string // file of its standard error
	args    []string
	env     []string
	cmd     *exec.Cmd
	exited  chan error
}

// newChildServer takes another port where the one asked for is in use.
func newChildServer(program, listen, log string, args []string, env ...string) (*childServer, error) {
	if l, err := net.Listen("tcp", listen); err == nil {
		l.Close()
	} else {
		host, _, splitErr := net.SplitHostPort(listen)
		if splitErr != nil {
			return nil, usagef("--listen: %v", splitErr)
		}
		l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			return nil, usagef("--listen: %v", err)
		}
		listen = l.Addr().String()
		l.Close()
	}
	return &childServer{program: program, listen: listen, log: log, args: args, env: env}, nil
}

func (c *childServer) endpoint() string { return "http://" + c.listen }

func (c *childServer) pid() int { return c.cmd.Process.Pid }

// startTimeout is how long a server may take until it takes starts.
const startTimeout = 30 * time.Second

// start starts the process, in a group of its own, and returns when it takes
// starts.
func (c *childServer) start(ctx context.Context) error {
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	c.cmd = exec.Command(c.program, append([]string{"serve", "--listen", c.listen}, c.args...)...)
	c.cmd.Env = append(os.Environ(), c.env...)
	c.cmd.Stdout, c.cmd.Stderr = log, log
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.cmd.Start(); err != nil {
		return err
	}
	c.exited = make(chan error, 1)
	go func(cmd *exec.Cmd, exited chan error) { exited <- cmd.Wait() }(c.cmd, c.exited)
	if err := c.awaitReady(ctx); err != nil {
		c.stop()
		return err
	}
	return nil
}

func (c *childServer) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.endpoint()+"/readyz", nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-c.exited:
			c.exited <- nil // for stop
			return errors.New("the server ended at once: " + c.lastLine())
		case <-ctx.Done():
			return fmt.Errorf("the server was not ready in time; its log is %s: %w", c.log, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// lastLine is the last line of the server's log: what it ended with.
func (c *childServer) lastLine() string {
	text, _ := os.ReadFile(c.log)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}

// kill ends the process without a warning.
func (c *childServer) kill() {
	c.cmd.Process.Kill()
	<-c.exited
}

// stop lets the server drain, and kills it when that takes too long.
func (c *childServer) stop() {
	c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.exited:
	case <-time.After(startTimeout):
		c.kill()
	}
}
