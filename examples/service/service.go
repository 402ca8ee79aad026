// Package service is what the examples' services have in common: a database file of
// its own for each, a barrier before each call, and answers as a function with a URL
// gives them. It knows nothing of what the services do.
//
// Read service.go.
package service

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver of the database files

	"github.com/backstep/backstep/participant"
)

// Service is one service: its own database, and the barrier in it.
type Service struct {
	DB      *sql.DB
	Barrier *participant.Barrier
}

// Open opens a service's database file, makes its tables and those of the barrier, and
// lets the service have the rows that it starts with.
func Open(ctx context.Context, folder, name, schema string) (*Service, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(folder, name+".db")
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	if err := participant.CreateTables(ctx, db, participant.SQLite); err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Service{DB: db, Barrier: participant.NewBarrier(db, participant.SQLite)}, nil
}

// Undo is what a Compensate or a Confirm without Arguments is sent: what its step was
// given, and what it answered. The result is not there where nobody knows whether the
// step was done: so an undo goes by names that the step was given.
type Undo[In any] struct {
	Input  In               `json:"input"`
	Result *json.RawMessage `json:"result"`
}

// Refusal is a service's no: the name is the error's in the state machine. Nothing was
// done, and of a forward call nothing ever will be.
type Refusal struct{ Name, Cause string }

func (r Refusal) Error() string { return r.Name + ": " + r.Cause }

// Handle serves a call by its path. All that it does, it does through the transaction
// that it is given, in which the barrier has noted the call: what it returns is
// committed and answered, a [Refusal] is rolled back and answered as the function's own
// error, any other error is rolled back and the call comes again.
func Handle[In any](mux *http.ServeMux, b *participant.Barrier, path string, do func(context.Context, *sql.Tx, In) (any, error)) {
	mux.Handle("POST "+path, b.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in In
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			Answer(w, nil, Refusal{"BadRequest", err.Error()})
			return
		}
		out, err := do(r.Context(), participant.TxFrom(r.Context()), in)
		Answer(w, out, err)
	})))
}

// Answer answers as a function with a URL does.
func Answer(w http.ResponseWriter, out any, err error) {
	var no Refusal
	switch {
	case errors.As(err, &no):
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		out = map[string]string{"errorType": no.Name, "errorMessage": no.Cause}
	case err != nil:
		log.Print(err)
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(out); err != nil {
		log.Print(err) // the caller has gone, and will ask again
	}
}

// Change writes, and says whether that changed a row: a condition in the statement
// itself is what keeps two calls at once from taking the same thing.
func Change(ctx context.Context, tx *sql.Tx, statement string, args ...any) (bool, error) {
	result, err := tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}
