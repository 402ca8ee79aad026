package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/backstep/backstep/internal/store"
	"github.com/jackc/pgx/v5/pgconn"
)

// How long things may take: all together five seconds, of which 1.3 are for a lock
// that somebody else holds (lockTimeout).
const (
	lineTime   = 2 * time.Second         // until a batch that was not sent is given up
	flightTime = 2500 * time.Millisecond // until an answer is given up
	buryTime   = 500 * time.Millisecond  // for the end of a session that was lost
	askTime    = 500 * time.Millisecond  // until one that was not used for a while says that it is there
	slowTime   = 30 * time.Second        // instead of flightTime for what drops executions, which may have very many rows
)

// foldTries is how often batches are tried together that the server took back
// itself, or that never reached it, if that takes no longer than flightTime; after
// that each is tried alone.
const foldTries = 5

// committer commits what waits, over one session, until the line is closed.
type committer struct {
	store   *Store
	session *session
	fold    fold
}

func (c *committer) run() {
	for {
		batches := c.store.line.next()
		if batches == nil {
			break
		}
		again := c.commit(batches)
		c.store.line.done(batches, again)
	}
	if c.session != nil {
		c.session.conn.Close(context.WithoutCancel(c.store.life))
	}
}

// commit tells each batch what became of it, and returns those that are to be
// tried alone. Each round tells at least one, or is one of so many tries.
func (c *committer) commit(batches []*waiting) (alone []*waiting) {
	left, begun := slices.Clone(batches), time.Now()
	c.fold.rewrites = false
	for try := 1; ; try++ {
		left = slices.DeleteFunc(left, func(w *waiting) bool {
			err := w.left.Err()
			if err != nil {
				w.told <- err
			}
			return err != nil
		})
		if len(left) == 0 {
			return nil
		}
		err := c.try(left)
		var no *refusal
		switch {
		case errors.As(err, &no):
			left = c.refuse(left, no)
			continue
		case err == nil || errors.Is(err, store.ErrUnknown) || errors.Is(err, errUnreached):
			return tell(left, err)
		case errors.Is(err, errAgain) && try < foldTries && time.Since(begun) < flightTime:
			c.store.options.Logger.Debug("commit is tried again", "batches", len(left), "cause", err)
			time.Sleep(rand.N(time.Duration(try) * 10 * time.Millisecond))
			continue
		case errors.Is(err, errThere) && !c.fold.rewrites:
			c.fold.rewrites = true
			continue
		case len(left) == 1:
			return tell(left, err)
		}
		return apart(left, err)
	}
}

func tell(batches []*waiting, err error) (none []*waiting) {
	for _, w := range batches {
		w.told <- err
	}
	return nil
}

// apart are the batches of a fold that the server refused, each to be tried
// alone; such as have waited long are not.
func apart(batches []*waiting, err error) (alone []*waiting) {
	for _, w := range batches {
		if time.Since(w.since) > lineTime {
			w.told <- err
			continue
		}
		w.alone = true
		alone = append(alone, w)
	}
	return alone
}

// refuse tells those whose expectations do not hold, and returns the others.
func (c *committer) refuse(batches []*waiting, no *refusal) (rest []*waiting) {
	for i, w := range batches {
		if what, is := no.of[i]; is {
			w.told <- fmt.Errorf("%s: %w", what, no.is)
		} else {
			rest = append(rest, w)
		}
	}
	return rest
}

// refusal is the server's word that expectations do not hold, in terms of the
// fold's batches.
type refusal struct {
	is error // ErrConflict, ErrFenced
	of map[int]string
}

func (r *refusal) Error() string { return fmt.Sprintf("%d batches: %v", len(r.of), r.is) }

// What a try may end with beside a refusal, an unknown outcome and other errors of
// the server, after all of which but the unknown one nothing was changed.
var (
	errAgain     = errors.New("to be tried again")
	errUnreached = errors.New("PostgreSQL is not reached")
	errThere     = errors.New("a row is there already")
)

// try sends the batches once, in one transaction and one round trip: the
// statements end at one Sync, which makes them a transaction that the first
// error takes back.
func (c *committer) try(batches []*waiting) error {
	limit, slow := flightTime, len(batches[0].batch.DropExecutions) > 0
	if slow {
		limit = slowTime
	}
	ctx, cancel := context.WithTimeout(c.store.life, limit)
	defer cancel()
	if err := c.store.rest(ctx); err != nil {
		return fmt.Errorf("commit: %w: %w", errUnreached, err)
	}
	if c.session != nil && !c.session.lives(ctx) {
		c.lose(ctx)
	}
	if c.session == nil {
		var err error
		if c.session, err = c.store.connect(ctx); err != nil {
			return fmt.Errorf("commit: %w: %w", errUnreached, err)
		}
		c.store.sessions.opened.Add(1)
	}
	c.fold.gather(batches)
	if len(c.fold.uses) == 0 {
		return nil
	}
	if err := c.session.prepare(ctx, c.fold.uses, slow); err != nil {
		return c.judge(ctx, err, false)
	}
	c.session.used = time.Now()
	err := c.session.conn.ExecBatch(ctx, c.fold.statements(c.session)).Close()
	if err == nil && unsealed(c.session.conn) {
		err = errUnsealed
	}
	return c.judge(ctx, err, true)
}

// judge tells what became of a fold. An error that the server names, short of
// ending the session, took the transaction back; what was not sent was not done;
// of all else nobody knows, and that session is at its end.
func (c *committer) judge(ctx context.Context, err error, sent bool) error {
	err = outcome(err, sent)
	switch {
	case errors.Is(err, store.ErrUnknown):
		c.store.bury(c.lose(ctx))
	case c.session.conn.IsClosed():
		c.lose(ctx)
	}
	if told, is := serverError(err); is && (told.Code == codeConflict || told.Code == codeFenced) {
		if no := c.fold.refused(told); no != nil {
			return no
		}
	}
	return err
}

// lose ends the session, if it has not ended, and gives what is known of it.
func (c *committer) lose(ctx context.Context) *session {
	lost := c.session
	c.session = nil
	c.store.sessions.lost.Add(1)
	lost.conn.Close(ctx)
	return lost
}

// serverError is the error that the server named, where the session goes on.
func serverError(err error) (*pgconn.PgError, bool) {
	var told *pgconn.PgError
	is := errors.As(err, &told) && (told.SeverityUnlocalized == "ERROR" || told.SeverityUnlocalized == "")
	return told, is
}

func outcome(err error, sent bool) error {
	if err == nil {
		return nil
	}
	told, is := serverError(err)
	switch {
	case is && (told.Code == "40001" || told.Code == "40P01"): // serialization failure, deadlock
		return fmt.Errorf("commit: %w: %w", errAgain, err)
	case is && told.Code == "23505": // unique violation
		return fmt.Errorf("commit: %w: %w", errThere, err)
	case is && !strings.HasPrefix(told.Code, "08"): // which a pooler in between says of a server that it has lost
		return fmt.Errorf("commit: %w", err)
	case !sent || pgconn.SafeToRetry(err):
		return fmt.Errorf("commit: %w: %w", errAgain, err)
	}
	return fmt.Errorf("commit: %w: %w", store.ErrUnknown, err)
}

// The codes with which the function refuse ends a transaction.
const (
	codeConflict = "BS001"
	codeFenced   = "BS002"
)
