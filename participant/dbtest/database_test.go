package dbtest

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/backstep/backstep/internal/store/postgres/pgtest"
	"github.com/backstep/backstep/participant"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(childVariable); role != "" {
		child(role)
		return
	}
	code := pgtest.Run(m)
	if sharedMariaDB.server != nil {
		sharedMariaDB.server.stop()
	}
	os.Exit(code)
}

// database is a service's own: with the tables of the barrier and the outbox, and a
// ledger of its own in which nothing keeps a line from being written twice.
type database struct {
	*sql.DB
	dialect participant.Dialect
	driver  string
	dsn     string
}

const ledger = `CREATE TABLE ledger (step VARCHAR(100) NOT NULL, operation VARCHAR(10) NOT NULL, amount INTEGER NOT NULL)`

var databases atomic.Int64

// each runs a test against each of the databases, in a database that is its own.
func each(t *testing.T, test func(t *testing.T, d *database)) {
	for _, dialect := range []participant.Dialect{participant.PostgreSQL, participant.MySQL, participant.SQLite} {
		t.Run(dialect.String(), func(t *testing.T) {
			t.Parallel()
			test(t, newDatabase(t, dialect))
		})
	}
}

// newDatabase makes a database with all tables.
func newDatabase(t testing.TB, dialect participant.Dialect) *database {
	t.Helper()
	d := emptyDatabase(t, dialect)
	if err := participant.CreateTables(t.Context(), d.DB, dialect); err != nil {
		t.Fatal(err)
	}
	d.exec(t, ledger)
	return d
}

func emptyDatabase(t testing.TB, dialect participant.Dialect) *database {
	t.Helper()
	name := fmt.Sprintf("t%d", databases.Add(1))
	d := &database{dialect: dialect}
	switch dialect {
	case participant.PostgreSQL:
		dsn := pgtest.DSN(t)
		administer(t, "pgx", dsn, "DROP SCHEMA IF EXISTS "+name+" CASCADE", "CREATE SCHEMA "+name)
		d.driver, d.dsn = "pgx", dsn+" search_path="+name
	case participant.MySQL:
		dsn := mysqlDSN(t)
		administer(t, "mysql", dsn, "DROP DATABASE IF EXISTS "+name, "CREATE DATABASE "+name)
		d.driver, d.dsn = "mysql", dsn+name
	case participant.SQLite:
		file := filepath.Join(t.TempDir(), name)
		d.driver, d.dsn = "sqlite", "file:"+file+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)"
	}
	d.DB = open(t, d.driver, d.dsn)
	return d
}

func open(t testing.TB, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(40)
	db.SetMaxIdleConns(40)
	t.Cleanup(func() { db.Close() })
	return db
}

func administer(t testing.TB, driver, dsn string, statements ...string) {
	t.Helper()
	db := open(t, driver, dsn)
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// bind writes parameters as the database has them.
func (d *database) bind(query string) string {
	if d.dialect == participant.PostgreSQL {
		for i := 1; strings.Contains(query, "?"); i++ {
			query = strings.Replace(query, "?", "$"+strconv.Itoa(i), 1)
		}
	}
	return query
}

func (d *database) exec(t testing.TB, query string, args ...any) {
	t.Helper()
	if _, err := d.Exec(d.bind(query), args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// number is the one number that a query gives.
func (d *database) number(t testing.TB, query string, args ...any) int {
	t.Helper()
	var n sql.NullInt64
	if err := d.QueryRow(d.bind(query), args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return int(n.Int64)
}

// lines are how often an operation of a step stands in the ledger.
func (d *database) lines(t testing.TB, step string, o participant.Operation) int {
	t.Helper()
	return d.number(t, "SELECT COUNT(*) FROM ledger WHERE step = ? AND operation = ?", step, string(o))
}

// balance is what a step has taken and not given back.
func (d *database) balance(t testing.TB, step string) int {
	t.Helper()
	return d.number(t, "SELECT SUM(amount) FROM ledger WHERE step = ?", step)
}
