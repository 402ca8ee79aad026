package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Pair is a PostgreSQL and its synchronous standby, each on a host of its own: a
// commit is acknowledged when both have it on disk. Its methods belong to one
// goroutine.
type Pair struct {
	bin     string
	primary *server
	standby *server
	owner   *syscall.Credential
}

// server is one PostgreSQL.
type server struct {
	host *Host
	dir  string // of its data
}

func (s *server) log() string { return s.dir + ".log" }

// socket is the folder of its socket; within the data it would be copied along.
func (s *server) socket() string { return s.dir + ".run" }

// port is PostgreSQL's own.
const port = "5432"

// OpenPair makes and starts both in dir, which a user other than root must be
// able to reach.
func OpenPair(ctx context.Context, dir string, first, second *Host) (*Pair, error) {
	p := &Pair{primary: &server{first, filepath.Join(dir, first.Name)}, standby: &server{second, filepath.Join(dir, second.Name)}}
	var err error
	if p.bin, err = programs(); err != nil {
		return nil, err
	}
	if err := p.lend(dir); err != nil {
		return nil, err
	}
	if err := p.run(ctx, first, "initdb", "-D", p.primary.dir, "-U", "backstep", "-A", "trust"); err != nil {
		return nil, err
	}
	rules := "local all all trust\nhost all all 10.99.0.0/24 trust\nhost replication all 10.99.0.0/24 trust\n"
	if err := os.WriteFile(filepath.Join(p.primary.dir, "pg_hba.conf"), []byte(rules), 0o600); err != nil {
		return nil, err
	}
	if err := p.start(ctx, p.primary); err != nil {
		return nil, err
	}
	return p, p.Rejoin(ctx)
}

// programs is the folder of PostgreSQL's newest programs.
func programs() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", errors.New("PostgreSQL is not installed: apt-get install postgresql")
	}
	number := func(path string) int {
		n, _ := strconv.Atoi(strings.Split(path, "/")[4])
		return n
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return number(a) - number(b) })), nil
}

// lend gives the folder to the user as whom PostgreSQL runs.
func (p *Pair) lend(dir string) error {
	u, err := user.Lookup("postgres")
	if err != nil {
		return err
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	p.owner = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(dir, uid, gid)
}

// DSN leads to a database of whichever of the two takes writes.
func (p *Pair) DSN(database string) string {
	return fmt.Sprintf("postgres://backstep@%s:%s,%s:%s/%s?target_session_attrs=read-write&connect_timeout=2",
		p.primary.host.Address, port, p.standby.host.Address, port, database)
}

// Create makes a database.
func (p *Pair) Create(ctx context.Context, database string) error {
	return p.sql(ctx, fmt.Sprintf("CREATE DATABASE %q", database))
}

// Primary is the host of the one that takes writes.
func (p *Pair) Primary() *Host { return p.primary.host }

// Restart ends the primary as a crash would, and starts it again.
func (p *Pair) Restart(ctx context.Context) error {
	if err := p.kill(p.primary); err != nil {
		return err
	}
	return p.start(ctx, p.primary)
}

// Failover kills the primary and promotes the standby, which takes writes from
// then on by itself: there is no second one until Rejoin.
func (p *Pair) Failover(ctx context.Context) error {
	if err := p.kill(p.primary); err != nil {
		return err
	}
	if err := p.run(ctx, p.standby.host, "pg_ctl", "-D", p.standby.dir, "-w", "promote"); err != nil {
		return err
	}
	p.primary, p.standby = p.standby, p.primary
	return p.waitFor(ctx, "")
}

// Rejoin makes the other one a copy of the primary and its synchronous standby.
func (p *Pair) Rejoin(ctx context.Context) error {
	if err := errors.Join(p.kill(p.standby), os.RemoveAll(p.standby.dir)); err != nil {
		return err
	}
	from := fmt.Sprintf("host=%s port=%s user=backstep application_name=standby", p.primary.host.Address, port)
	if err := p.run(ctx, p.standby.host, "pg_basebackup", "-d", from, "-D", p.standby.dir, "-R", "-X", "stream", "-c", "fast"); err != nil {
		return err
	}
	if err := p.start(ctx, p.standby); err != nil {
		return err
	}
	return p.waitFor(ctx, "standby")
}

// waitFor has commits of the primary wait for who goes by that name; for nobody
// where it is empty.
func (p *Pair) waitFor(ctx context.Context, name string) error {
	if err := p.sql(ctx, fmt.Sprintf("ALTER SYSTEM SET synchronous_standby_names = '%s'", name)); err != nil {
		return err
	}
	return p.sql(ctx, "SELECT pg_reload_conf()")
}

// Disconnect ends every session of the primary's.
func (p *Pair) Disconnect(ctx context.Context) error {
	return p.sql(ctx, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")
}

// Errors is how many statements the two have refused with a code of five
// characters, as their logs tell.
func (p *Pair) Errors(code string) (n int64, err error) {
	for _, s := range [...]*server{p.primary, p.standby} {
		text, err := os.ReadFile(s.log())
		if err != nil {
			return 0, err
		}
		n += int64(strings.Count(string(text), code+":ERROR:"))
	}
	return n, nil
}

// Ask runs statements in a database of the primary's, in one transaction, and gives
// what they answer: a row a line, its columns parted by "|".
func (p *Pair) Ask(ctx context.Context, database, statements string) (string, error) {
	return p.said(ctx, p.primary.host, "psql", "-h", p.primary.socket(), "-p", port, "-U", "backstep", "-qAt", "-d", database, "-c", statements)
}

// sql runs a statement at the primary.
func (p *Pair) sql(ctx context.Context, statement string) error {
	_, err := p.Ask(ctx, "postgres", statement)
	return err
}

// start starts a server and waits until it takes connections.
func (p *Pair) start(ctx context.Context, s *server) error {
	if err := errors.Join(os.MkdirAll(s.socket(), 0o755), os.Chown(s.socket(), int(p.owner.Uid), int(p.owner.Gid))); err != nil {
		return err
	}
	options := fmt.Sprintf("-c listen_addresses=%s -p %s -k %s -c hot_standby=on -c max_connections=200 -c wal_sender_timeout=5s -c log_line_prefix=%%e:", s.host.Address, port, s.socket())
	return p.run(ctx, s.host, "pg_ctl", "-D", s.dir, "-w", "-t", "60", "-l", s.log(), "-o", options, "start")
}

// kill ends a server's processes at once, if it runs. It leaves no note of which they
// were: the number may be another process's by the next time.
func (p *Pair) kill(s *server) error {
	note := filepath.Join(s.dir, "postmaster.pid")
	text, err := os.ReadFile(note)
	if err != nil {
		return nil // it does not run
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		return fmt.Errorf("postmaster.pid of %s: %w", s.host.Name, err)
	}
	syscall.Kill(pid, syscall.SIGKILL)
	for range 1000 { // its children go when they see that it is gone
		if left, _ := exec.Command("pgrep", "-g", first).Output(); len(left) == 0 && syscall.Kill(pid, 0) != nil {
			return os.Remove(note)
		}
		exec.Command("pkill", "-KILL", "-g", first).Run()
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("PostgreSQL on %s does not end", s.host.Name)
}

// run runs one of PostgreSQL's programs on a host, as its own user.
func (p *Pair) run(ctx context.Context, on *Host, program string, args ...string) error {
	_, err := p.said(ctx, on, program, args...)
	return err
}

// said is run, and what the program said.
func (p *Pair) said(ctx context.Context, on *Host, program string, args ...string) (string, error) {
	cmd := on.Command(ctx, "setpriv", append([]string{
		"--reuid", fmt.Sprint(p.owner.Uid), "--regid", fmt.Sprint(p.owner.Gid), "--clear-groups", "--", filepath.Join(p.bin, program),
	}, args...)...)
	cmd.Dir = "/"
	log, err := os.CreateTemp("", "backstep-postgres-*.out") // a pipe would stay open with the server
	if err != nil {
		return "", err
	}
	defer os.Remove(log.Name())
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	err = cmd.Run()
	said, _ := os.ReadFile(log.Name())
	text := strings.TrimSpace(string(said))
	if err != nil {
		return "", fmt.Errorf("%s on %s: %w: %s", program, on.Name, err, text)
	}
	return text, nil
}

// Close ends both.
func (p *Pair) Close() error { return errors.Join(p.kill(p.primary), p.kill(p.standby)) }
