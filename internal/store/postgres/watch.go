package postgres

import (
	"context"
	"strconv"
	"time"

	"github.com/backstep/backstep/internal/store"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// watchHints is how many hints wait for a listener; what comes beyond is lost.
const watchHints = 256

// watchIdle is how long nothing is heard until the server is asked whether it is there:
// one that has gone without a word would be listened to for as long as TCP keeps it.
const watchIdle = 5 * time.Second

// watchAgain is how long a watch that lost its connection waits for the next.
const watchAgain = time.Second

// Watch listens on a connection of its own, from before it returns where that can
// be had, and makes a new one when it is lost.
func (s *Store) Watch(ctx context.Context) <-chan store.Hint {
	hints := make(chan store.Hint, watchHints)
	ctx, cancel := context.WithCancel(ctx)
	forget := context.AfterFunc(s.life, cancel)
	if s.life.Err() != nil || ctx.Err() != nil {
		forget()
		cancel()
		close(hints)
		return hints
	}
	conn, err := s.listen(ctx)
	s.watches.Go(func() {
		defer forget()
		defer cancel()
		defer close(hints)
		for ctx.Err() == nil {
			if err == nil {
				err = hear(ctx, conn, hints)
			}
			s.options.Logger.Debug("watch is interrupted", "cause", err)
			select {
			case <-time.After(watchAgain):
				conn, err = s.listen(ctx)
			case <-ctx.Done():
			}
		}
		if conn != nil {
			conn.Close(context.WithoutCancel(ctx))
		}
	})
	return hints
}

// listen is bounded in time: whoever watches waits for the first one.
func (s *Store) listen(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{s.channel}.Sanitize()); err != nil {
		conn.Close(ctx)
		return nil, err
	}
	return conn, nil
}

// hear passes notifications on until the connection is lost.
func hear(ctx context.Context, conn *pgx.Conn, hints chan<- store.Hint) error {
	for {
		n, err := next(ctx, conn)
		if err != nil {
			return err
		}
		if n == nil {
			continue
		}
		shard, err := strconv.ParseUint(n.Payload, 10, 16)
		if err != nil {
			continue
		}
		select {
		case hints <- store.Hint{Shard: store.Shard(shard)}:
		default:
		}
	}
}

// next is the next notification, or nil where the server says that there is none.
func next(ctx context.Context, conn *pgx.Conn) (*pgconn.Notification, error) {
	waiting, cancel := context.WithTimeout(ctx, watchIdle)
	defer cancel()
	n, err := conn.WaitForNotification(waiting)
	if err == nil || waiting.Err() == nil || ctx.Err() != nil {
		return n, err
	}
	asking, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	return nil, conn.Ping(asking)
}
