package participant

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// Dialect is a database's way to speak SQL.
type Dialect uint8

// The dialects.
const (
	PostgreSQL Dialect = iota + 1 // 10 and later
	MySQL                         // MySQL 8 and later, MariaDB 10.6 and later; tables of InnoDB
	SQLite                        // 3.24 and later
)

var dialectNames = map[Dialect]string{PostgreSQL: "postgresql", MySQL: "mysql", SQLite: "sqlite"}

// String is the dialect's name.
func (d Dialect) String() string { return dialectNames[d] }

// Tx is a transaction of the service: an [*sql.Tx], or what has its place in the
// library that the service uses.
type Tx interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

//go:embed schema
var schemas embed.FS

// Schema is the SQL that makes the tables of the barrier and the outbox where
// they are not there yet: statements that end with a semicolon and a line break.
// It is for services whose tables are made by a tool of their own, which has also to
// add the columns that came later, as [CreateTables] does.
func Schema(d Dialect) string {
	text, err := schemas.ReadFile("schema/" + d.known().String() + ".sql")
	if err != nil {
		panic(err) // it is embedded
	}
	return string(text)
}

// known is the dialect, which must be one: no other speaks SQL.
func (d Dialect) known() Dialect {
	if dialectNames[d] == "" {
		panic(fmt.Sprintf("participant: there is no dialect %d", d))
	}
	return d
}

// later are the columns of the barrier's table that came later, with their types. They
// are NULL in rows of before, and of a service that does not know them.
var later = [][2]string{{"state", "VARCHAR(1000)"}, {"subject", "VARCHAR(64)"}}

// CreateTables makes the tables of the barrier and the outbox where they are not
// there yet, and adds the columns that they lack. Several processes may do it at once.
func CreateTables(ctx context.Context, db *sql.DB, d Dialect) error {
	for statement := range strings.SplitSeq(Schema(d), ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		err := again(ctx, func() error {
			_, err := db.ExecContext(ctx, statement)
			return err
		})
		if err != nil {
			return fmt.Errorf("create the tables of %s: %w", d, err)
		}
	}
	for _, column := range later {
		if err := addColumn(ctx, db, column[0], column[1]); err != nil {
			return fmt.Errorf("create the tables of %s: add the column %s to backstep_barrier: %w", d, column[0], err)
		}
	}
	return nil
}

// addColumn adds a column to the barrier's table. It looks first: to alter a table waits
// for all who use it, and has all who come wait.
func addColumn(ctx context.Context, db *sql.DB, name, kind string) error {
	return again(ctx, func() error {
		if hasColumn(ctx, db, name) {
			return nil
		}
		_, err := db.ExecContext(ctx, "ALTER TABLE backstep_barrier ADD COLUMN "+name+" "+kind)
		if err != nil && hasColumn(ctx, db, name) {
			return nil // somebody else was first
		}
		return err
	})
}

func hasColumn(ctx context.Context, db *sql.DB, name string) bool {
	rows, err := db.QueryContext(ctx, "SELECT "+name+" FROM backstep_barrier WHERE 1 = 0")
	if err != nil {
		return false
	}
	defer rows.Close()
	rows.Next()
	return rows.Err() == nil
}

// bind writes a statement's parameters, "?", as the database has them.
func (d Dialect) bind(statement string) string {
	if d != PostgreSQL {
		return statement
	}
	var out strings.Builder
	for i, part := range strings.Split(statement, "?") {
		if i > 0 {
			out.WriteString("$" + strconv.Itoa(i))
		}
		out.WriteString(part)
	}
	return out.String()
}

// onConflict begins what becomes of a row that is there already.
func (d Dialect) onConflict(columns string) string {
	if d == MySQL {
		return " ON DUPLICATE KEY UPDATE "
	}
	return " ON CONFLICT (" + columns + ") DO UPDATE SET "
}

// lockFree ends a query that locks the rows it finds, and passes over those that
// somebody else has locked. SQLite has one writer, who needs no such lock.
func (d Dialect) lockFree() string {
	if d == SQLite {
		return ""
	}
	return " FOR UPDATE SKIP LOCKED"
}

// options are those of our transactions. READ COMMITTED is what all of this needs:
// each statement sees what was committed before it, and MySQL locks no gaps.
func (d Dialect) options() *sql.TxOptions {
	if d == SQLite {
		return nil
	}
	return &sql.TxOptions{Isolation: sql.LevelReadCommitted}
}

// write does something in a transaction that writes. SQLite's becomes the writer at
// once: one that reads first would fail where somebody else writes meanwhile.
func (d Dialect) write(ctx context.Context, db *sql.DB, do func(tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, d.options())
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if d == SQLite {
		if _, err := tx.ExecContext(ctx, "DELETE FROM backstep_barrier WHERE step = ''"); err != nil {
			return err
		}
	}
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// list is n parameters: "?, ?, ?".
func list(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

// now is the time as the tables have it: whole milliseconds since 1970 in UTC, so
// that no time zone of a session, a driver or a server has a part in it.
func now() int64 { return time.Now().UnixMilli() }

// attempts are how often something is tried that contends with others.
const attempts = 8

// again does what may lose against others who do the same at the same moment,
// until it doesn't. It must be safe to do again.
func again(ctx context.Context, do func() error) error {
	for attempt := 1; ; attempt++ {
		err := do()
		if err == nil || attempt == attempts || !isContention(err) {
			return err
		}
		if !sleep(ctx, rand.N(time.Duration(attempt)*20*time.Millisecond)) {
			return err
		}
	}
}

// contention is how the databases say that a transaction lost against another
// one, as the texts of their drivers' errors have it.
var contention = []string{
	"40001",                   // PostgreSQL's serialization failure, MySQL's deadlock
	"40P01",                   // PostgreSQL: deadlock
	"23505", "42710", "42P07", // PostgreSQL: somebody else made the table at the same moment
	"Error 1020", // MariaDB: the record has changed
	"SQLITE_BUSY", "database is locked", "database table is locked",
}

// isContention reports whether another try may go well. An error that it does not
// know as such is told to the caller, who has a repeat to make in any case.
func isContention(err error) bool {
	for _, sign := range contention {
		if strings.Contains(err.Error(), sign) {
			return true
		}
	}
	return false
}

// sleep waits, and reports whether it was to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
