package postgres

import (
	"context"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Metrics are what the store tells of its sessions to whoever watches over it. They
// count since it was opened.
type Metrics struct {
	Sessions int    // there are now, but for those that commit
	Busy     int    // of them, that are at work
	Opened   uint64 // so far: the first ones, and those in the place of others
	Lost     uint64 // that broke, as they do when the server stops or fails over
}

// Metrics asks the server nothing.
func (s *Store) Metrics() Metrics {
	stat := s.pool.Stat()
	return Metrics{
		Sessions: int(stat.TotalConns()), Busy: int(stat.AcquiredConns()), Opened: s.sessions.opened.Load(), Lost: s.sessions.lost.Load(),
	}
}

// sessions counts what becomes of sessions.
type sessions struct{ opened, lost atomic.Uint64 }

// watch has the pool tell what becomes of its sessions.
func (s *sessions) watch(config *pgxpool.Config) {
	ready := config.AfterConnect
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		err := ready(ctx, conn)
		if err == nil {
			s.opened.Add(1)
		}
		return err
	}
	config.BeforeClose = func(conn *pgx.Conn) {
		if conn.IsClosed() {
			s.lost.Add(1)
		}
	}
}
