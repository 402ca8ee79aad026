package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// session is a connection that commits. It holds a lock of its own number for as
// long as its process at the server lives: so who lost it can tell whether what
// was sent last may still be done.
type session struct {
	conn     *pgconn.PgConn
	number   int64
	prepared map[*statement]*pgconn.StatementDescription
	slow     bool // it has slowTime for a statement
	used     time.Time
}

// What a committing session is told beyond the others. Its statements are planned
// once, and each walks an array and looks each element up by an index: a plan
// made while a table is empty must serve it when it is large.
var committing = map[string]string{
	"plan_cache_mode":   "force_generic_plan",
	"enable_seqscan":    "off",
	"enable_hashjoin":   "off",
	"enable_mergejoin":  "off",
	"jit":               "off",
	"statement_timeout": milliseconds(flightTime),
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// connect makes a session. Its connection is the only one that it ever makes:
// pgx would make another to cancel what is under way when a time is up, and a
// COMMIT that is cancelled while it waits for a standby can be seen, and lost.
func (s *Store) connect(ctx context.Context) (*session, error) {
	config := s.pool.Config().ConnConfig
	for name, value := range committing {
		config.RuntimeParams[name] = value
	}
	var made atomic.Bool
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		if made.Load() {
			return nil, errors.New("nothing is cancelled")
		}
		return dial(ctx, network, address)
	}
	whole, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	if err := safe(ctx, whole); err != nil {
		whole.Close(ctx)
		return nil, err
	}
	made.Store(true)
	n := &session{conn: whole.PgConn(), number: rand.Int64(), used: time.Now(), prepared: map[*statement]*pgconn.StatementDescription{}}
	if _, err := whole.Exec(ctx, "SELECT pg_advisory_lock($1)", n.number); err != nil {
		whole.Close(ctx)
		return nil, err
	}
	return n, nil
}

// lives reports whether a session that was not used for a while is still there:
// what is sent over one that is not would be unknown.
func (n *session) lives(ctx context.Context) bool {
	if time.Since(n.used) < time.Second {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	return n.conn.Ping(ctx) == nil
}

// prepare prepares the statements that are used for the first time.
func (n *session) prepare(ctx context.Context, used []use, slow bool) error {
	if slow != n.slow {
		limit := flightTime
		if slow {
			limit = slowTime
		}
		if err := n.conn.Exec(ctx, "SET statement_timeout = "+milliseconds(limit)).Close(); err != nil {
			return err
		}
		n.slow = slow
	}
	for _, u := range used {
		st := u.statement
		if n.prepared[st] != nil {
			continue
		}
		description, err := n.conn.Prepare(ctx, st.name, st.sql, nil)
		if err != nil {
			return fmt.Errorf("prepare %q: %w", st.name, err)
		}
		n.prepared[st] = description
	}
	return nil
}

// ghosts are sessions that were lost while they committed, and are not known to
// have ended: their last commit may still be done. While there are some nothing
// is read and nothing committed, because what is read could change behind the
// reader's back.
type ghosts struct {
	any    atomic.Bool
	mu     sync.Mutex
	lost   []ghost
	single chan struct{} // one looks at a time
}

// ghost is what is known of a session that was lost.
type ghost struct {
	number int64
	pid    uint32
}

var errGhost = errors.New("a commit that this node sent before may still be under way")

// bury returns when the session has ended at the server; where that can't be
// known in time it is left among the ghosts.
func (s *Store) bury(n *session) {
	s.ghosts.mu.Lock()
	s.ghosts.lost = append(s.ghosts.lost, ghost{n.number, n.conn.PID()})
	s.ghosts.any.Store(true)
	s.ghosts.mu.Unlock()
	if err := s.rest(s.life); err != nil {
		s.options.Logger.Warn("a lost commit may still be under way", "cause", err)
	}
}

// rest returns when there are no ghosts, or why that can't be known.
func (s *Store) rest(ctx context.Context) error {
	if !s.ghosts.any.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, buryTime)
	defer cancel()
	select {
	case s.ghosts.single <- struct{}{}:
		defer func() { <-s.ghosts.single }()
	case <-ctx.Done():
		return errGhost
	}
	for {
		s.ghosts.mu.Lock()
		lost := append([]ghost(nil), s.ghosts.lost...)
		s.ghosts.any.Store(len(lost) > 0)
		s.ghosts.mu.Unlock()
		if len(lost) == 0 {
			return nil
		}
		gone, err := s.gone(ctx, lost[0])
		if err != nil {
			return fmt.Errorf("%w: %w", errGhost, err)
		}
		if gone {
			s.ghosts.mu.Lock()
			s.ghosts.lost = s.ghosts.lost[1:]
			s.ghosts.mu.Unlock()
			continue
		}
		select {
		case <-time.After(5*time.Millisecond + rand.N(10*time.Millisecond)):
		case <-ctx.Done():
			return errGhost
		}
	}
}

// gone reports whether a session has ended, and what it committed is there to stay:
// whether its lock is free, and the standby has what there is. One that waits for us
// to send more is ended; one that works is not, since a COMMIT that is interrupted
// while it waits for a standby can be seen, and lost.
func (s *Store) gone(ctx context.Context, g ghost) (gone bool, err error) {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Release()
	if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock($1)", g.number).Scan(&gone); err != nil {
		return false, err
	}
	if gone {
		err := seal(ctx, conn.Conn())
		return err == nil, err
	}
	_, err = conn.Exec(ctx, `SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a
		JOIN pg_locks l ON l.pid = a.pid AND l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
			AND (l.classid::bigint << 32 | l.objid::bigint) = $1
		WHERE a.pid = $2 AND a.wait_event = 'ClientRead'`, g.number, int32(g.pid))
	return false, err
}
