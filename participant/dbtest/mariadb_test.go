package dbtest

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// mysqlVariable names a server to use instead of a private one, as the driver does:
// "root@tcp(127.0.0.1:3306)/". It must let databases be made.
const mysqlVariable = "BACKSTEP_MYSQL"

// errNoMariaDB: there is no MariaDB here.
var errNoMariaDB = errors.New("MariaDB is not installed: apt-get install mariadb-server, or set " + mysqlVariable)

// mariadb is a running server on a socket in a folder of its own, shared by the test
// binary.
type mariadb struct {
	dir    string
	owner  *syscall.Credential // nil: who runs the tests
	server *exec.Cmd
	ended  chan struct{}
}

var sharedMariaDB struct {
	sync.Once
	server *mariadb
	err    error
}

// mysqlDSN is how to reach a server, up to the name of a database. Where there is
// none the test is skipped.
func mysqlDSN(t testing.TB) string {
	t.Helper()
	if dsn := os.Getenv(mysqlVariable); dsn != "" {
		return dsn
	}
	sharedMariaDB.Do(func() { sharedMariaDB.server, sharedMariaDB.err = startMariaDB() })
	if errors.Is(sharedMariaDB.err, errNoMariaDB) {
		t.Skipf("SKIPPED, nothing of MySQL and MariaDB is tested: %v", sharedMariaDB.err)
	} else if sharedMariaDB.err != nil {
		t.Fatal(sharedMariaDB.err)
	}
	return sharedMariaDB.server.dsn()
}

func startMariaDB() (*mariadb, error) {
	for _, program := range []string{"mariadbd", "mariadb-install-db"} {
		if _, err := find(program); err != nil {
			return nil, errNoMariaDB
		}
	}
	dir, err := os.MkdirTemp("", "backstep-mariadb")
	if err != nil {
		return nil, err
	}
	m := &mariadb{dir: dir}
	if err := errors.Join(m.lend(), m.make()); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := m.start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return m, nil
}

// find is the path of a program, which Debian keeps where only root looks.
func find(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/" + program)
}

// lend gives the folder to another user where root runs the tests.
func (m *mariadb) lend() error {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, name := range []string{"mysql", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		m.owner = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return os.Chown(m.dir, int(uid), int(gid))
	}
	return errors.New("no user mysql or nobody to run MariaDB as")
}

func (m *mariadb) command(program string, args ...string) (*exec.Cmd, error) {
	path, err := find(program)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, append([]string{"--no-defaults"}, args...)...)
	cmd.Dir = m.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: m.owner, Pdeathsig: syscall.SIGKILL}
	return cmd, nil
}

func (m *mariadb) data() string   { return filepath.Join(m.dir, "data") }
func (m *mariadb) socket() string { return filepath.Join(m.dir, "socket") }
func (m *mariadb) dsn() string    { return "root@unix(" + m.socket() + ")/" }

func (m *mariadb) make() error {
	cmd, err := m.command("mariadb-install-db", "--datadir="+m.data(), "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")
	if err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mariadb-install-db: %w\n%s", err, out)
	}
	return nil
}

// start starts the server and waits until it answers. The server ends with the thread
// that started it, and so with the test binary.
func (m *mariadb) start() (err error) {
	m.server, err = m.command("mariadbd", "--datadir="+m.data(), "--socket="+m.socket(), "--pid-file="+filepath.Join(m.dir, "pid"),
		"--log-error="+filepath.Join(m.dir, "log"), "--skip-networking", "--max-connections=200", "--innodb-buffer-pool-size=64M",
		"--innodb-log-file-size=32M", "--innodb-flush-log-at-trx-commit=2")
	if err != nil {
		return err
	}
	started := make(chan error)
	m.ended = make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer close(m.ended)
		err := m.server.Start()
		started <- err
		if err == nil {
			_ = m.server.Wait() // how it ends is the tests' doing
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	return m.await()
}

func (m *mariadb) await() error {
	db, err := sql.Open("mysql", m.dsn())
	if err != nil {
		return err
	}
	defer db.Close()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		err := db.Ping()
		if err == nil {
			return nil
		}
		select {
		case <-m.ended:
			log, _ := os.ReadFile(filepath.Join(m.dir, "log"))
			return fmt.Errorf("MariaDB does not start: %s", log)
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("MariaDB does not answer: %w", err)
		}
	}
}

// stop ends the server and takes its data away.
func (m *mariadb) stop() {
	_ = m.server.Process.Kill() // it may have ended
	<-m.ended
	os.RemoveAll(m.dir)
}
