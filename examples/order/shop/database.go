package shop

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"modernc.org/sqlite"
)

// Driver is the name of the SQL driver of the services' database files; it comes
// with the import of its package.
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
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		_, err := db.Exec(schema)
		if err == nil {
			return db, nil
		}
		if !isBusy(err) || time.Since(began) > 10*time.Second {
			db.Close()
			return nil, fmt.Errorf("open %s: %w", path, err)
		}
	}
}

// isBusy says that another process has the database at this moment. SQLite does
// not wait for it where both want to begin its write-ahead log.
func isBusy(err error) bool {
	const busy = 5 // SQLITE_BUSY; its variants stand in the higher bits
	var refused *sqlite.Error
	return errors.As(err, &refused) && refused.Code()&0xFF == busy
}

// Now is the time as transactions note it.
func Now() string { return time.Now().UTC().Format(time.RFC3339) }
