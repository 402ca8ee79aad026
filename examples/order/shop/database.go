package shop

import (
	"database/sql"
	"fmt"
	"os"
	"time"

	_ "modernc.org/sqlite" // registers Driver
)

// Driver is the name of the SQL driver of the services' database files.
const Driver = "sqlite"

// Open opens the service's own database file, named by $DATABASE, and makes
// its table. Several processes may have it open; each write waits its turn and
// is on disk when it returns.
func Open(schema string) (*sql.DB, error) {
	path := os.Getenv("DATABASE")
	if path == "" {
		return nil, fmt.Errorf("DATABASE names no file")
	}
	db, err := sql.Open(Driver, "file:"+path+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	if _, err := db.Exec(schema); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return db, nil
}

// Now is the time as transactions note it.
func Now() string { return time.Now().UTC().Format(time.RFC3339) }
