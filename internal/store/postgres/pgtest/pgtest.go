// Package pgtest runs PostgreSQL for tests: a private cluster in a temporary
// folder, on a socket of its own, shared by a test binary. It knows Debian's
// packages and no table.
//
// Read pgtest.go, then proxy.go (what can spoil the way to it).
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// DSNVariable names a server to use instead of a private cluster.
const DSNVariable = "BACKSTEP_POSTGRES"

var shared struct {
	sync.Once
	cluster *Cluster
	err     error
}

// Run runs a binary's tests and ends the cluster that they shared; TestMain calls
// it.
func Run(m *testing.M) int {
	code := m.Run()
	if shared.cluster != nil {
		shared.cluster.Stop()
	}
	return code
}

// DSN is how to reach the cluster that the test binary shares, which the first
// call starts. Where PostgreSQL is not installed the test is skipped.
func DSN(t testing.TB) string {
	t.Helper()
	if dsn := os.Getenv(DSNVariable); dsn != "" {
		return dsn
	}
	shared.Do(func() { shared.cluster, shared.err = Start() })
	if errors.Is(shared.err, ErrMissing) {
		t.Skipf("SKIPPED, nothing of PostgreSQL is tested: %v", shared.err)
	} else if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.cluster.DSN()
}

// ErrMissing: there is no PostgreSQL here.
var ErrMissing = errors.New("PostgreSQL is not installed: apt-get install postgresql, or set " + DSNVariable)

// Cluster is a running server.
type Cluster struct {
	bin, dir string
	owner    *syscall.Credential // nil: who runs the tests
	server   *exec.Cmd
	ended    chan struct{}
}

// Start makes a cluster and starts it. Its data are synced as in production.
func Start() (*Cluster, error) {
	c := &Cluster{}
	var err error
	if c.bin, err = find(); err != nil {
		return nil, err
	}
	if c.dir, err = os.MkdirTemp("", "backstep-postgres"); err != nil {
		return nil, err
	}
	if err := c.make(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(c.dir))
	}
	if err := c.start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(c.dir))
	}
	return c, nil
}

// find is the folder of the newest installed programs.
func find() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		path, err := exec.LookPath("initdb")
		if err != nil {
			return "", ErrMissing
		}
		return filepath.Dir(path), nil
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(strings.Split(path, "/")[4])
		return n
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(newest), nil
}

// make makes the data. PostgreSQL refuses to run as root, so that root lends it
// another user.
func (c *Cluster) make() error {
	if os.Geteuid() == 0 {
		if err := c.lend(); err != nil {
			return err
		}
	}
	out, err := c.command("initdb", "--pgdata", c.data(), "--username", "postgres", "--auth", "trust",
		"--encoding", "UTF8", "--locale", "C", "--no-sync").CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

func (c *Cluster) lend() error {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return err
		}
		c.owner = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return os.Chown(c.dir, int(uid), int(gid))
	}
	return errors.New("no user postgres or nobody to run PostgreSQL as")
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

func (c *Cluster) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.bin, name), args...)
	cmd.Dir = c.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.owner, Pdeathsig: syscall.SIGQUIT}
	return cmd
}

// start starts the server and waits until it answers. The server ends with the
// thread that started it, and so with the test binary.
func (c *Cluster) start() error {
	log, err := os.OpenFile(filepath.Join(c.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	c.server = c.command("postgres", "-D", c.data(), "-k", c.dir, "-c", "listen_addresses=", "-c", "max_connections=200")
	c.server.Stdout, c.server.Stderr = log, log
	started := make(chan error)
	c.ended = make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer close(c.ended)
		defer log.Close()
		err := c.server.Start()
		started <- err
		if err == nil {
			_ = c.server.Wait() // how it ends is the tests' doing
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	return c.await()
}

func (c *Cluster) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, c.DSN())
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-c.ended:
			log, _ := os.ReadFile(filepath.Join(c.dir, "log"))
			return fmt.Errorf("PostgreSQL does not start: %s", log)
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// DSN is how to reach the server as its superuser.
func (c *Cluster) DSN() string {
	return fmt.Sprintf("host=%s user=postgres dbname=postgres sslmode=disable", c.dir)
}

// Socket is the server's unix socket.
func (c *Cluster) Socket() string { return filepath.Join(c.dir, ".s.PGSQL.5432") }

// Restart ends the server at once, as a crash does, and starts it again.
func (c *Cluster) Restart() error {
	if err := c.server.Process.Signal(syscall.SIGQUIT); err != nil {
		return err
	}
	<-c.ended
	return c.start()
}

// Follow ends the server at once and starts it as a standby, which follows nobody:
// it shows what it has, and takes no write.
func (c *Cluster) Follow() error {
	if err := os.WriteFile(filepath.Join(c.data(), "standby.signal"), nil, 0o644); err != nil {
		return err
	}
	return c.Restart()
}

// Stop ends the server and takes its data away.
func (c *Cluster) Stop() {
	_ = c.server.Process.Signal(syscall.SIGQUIT) // it may have ended
	<-c.ended
	os.RemoveAll(c.dir)
}
