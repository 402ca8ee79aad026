package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/backstep/backstep/internal/store"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// primary refuses a server that follows another one, beside what asked refuses: what
// it shows may be older than what was acknowledged. Of several servers that are named
// the next one is tried.
func primary(asked pgconn.ValidateConnectFunc) pgconn.ValidateConnectFunc {
	return func(ctx context.Context, conn *pgconn.PgConn) error {
		if asked != nil {
			if err := asked(ctx, conn); err != nil {
				return err
			}
		}
		return pgconn.ValidateConnectTargetSessionAttrsPrimary(ctx, conn)
	}
}

// safe refuses a session in which a commit is acknowledged before it is on disk, or
// before the standby has it that is waited for; it returns when all that the session
// can see is there to stay.
func safe(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	var synchronous, fsync, standbys string
	if err := conn.QueryRow(ctx, "SELECT current_setting('synchronous_commit'), current_setting('fsync'), current_setting('synchronous_standby_names')").
		Scan(&synchronous, &fsync, &standbys); err != nil {
		return err
	}
	switch {
	case synchronous == "off":
		return fmt.Errorf("%w: synchronous_commit is off; set it to on for this role and database", store.ErrUnsafe)
	case fsync == "off":
		return fmt.Errorf("%w: fsync is off; set it to on for this server", store.ErrUnsafe)
	case synchronous == "local" && standbys != "":
		return fmt.Errorf("%w: synchronous_commit is local, and the standbys %q are not waited for; set it to on for this role and database", store.ErrUnsafe, standbys)
	}
	return seal(ctx, conn)
}

// errUnsealed: what can be seen may be lost with the server.
var errUnsealed = errors.New("what was committed last may not have reached the synchronous standby")

// seal returns when the standby that commits wait for has all that the session can see.
// A commit that is under way when the server crashes, or whose session is ended or
// cancelled while it waits for the standby, is done, can be seen, and is lost if the
// standby takes over: what is read of it must not be acknowledged. One more commit,
// of a message to nobody, waits for all that were before it. Where there is no standby
// to wait for, or nothing may be written, there is nothing to do.
// (PostgreSQL's documentation, "Synchronous Replication"; pg_logical_emit_message.)
func seal(ctx context.Context, conn *pgx.Conn) error {
	delete(conn.PgConn().CustomData(), cutOff)
	_, err := conn.Exec(ctx, `SELECT CASE WHEN current_setting('synchronous_standby_names') <> '' AND NOT pg_is_in_recovery()
		AND current_setting('transaction_read_only') = 'off' THEN pg_logical_emit_message(true, 'backstep', '') END`)
	if err == nil && unsealed(conn.PgConn()) {
		err = errUnsealed
	}
	return err
}

// cutOff is what is noted of a connection whose commit did not wait for the standby.
const cutOff = "cut off from the standby"

// noteUnsealed hears the server say that a commit no longer waits for the standby: a
// warning beside what is else a success.
func noteUnsealed(conn *pgconn.PgConn, n *pgconn.Notice) {
	if n.Routine == "SyncRepWaitForLSN" {
		conn.CustomData()[cutOff] = true
	}
}

// unsealed reports whether a commit of the session did not wait for the standby.
func unsealed(conn *pgconn.PgConn) bool {
	_, is := conn.CustomData()[cutOff]
	return is
}
