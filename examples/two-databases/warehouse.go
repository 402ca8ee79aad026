package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver

	"github.com/backstep/backstep/examples/service"
	"github.com/backstep/backstep/participant"
)

// warehouse is a database whose changes go in two phases. The name of a prepared
// transaction is the id of the saga's step: so each call finds what an earlier one has
// left, also after the process, or the database, has died in between.
type warehouse struct {
	db      *sql.DB
	barrier *participant.Barrier
}

// A shelf has room for so many pieces: the database itself refuses more, and fewer than
// none.
const schema = `
CREATE TABLE shelves (article TEXT PRIMARY KEY, pieces BIGINT NOT NULL, room BIGINT NOT NULL, CHECK (pieces BETWEEN 0 AND room));
INSERT INTO shelves SELECT a, 50, 100 FROM unnest(ARRAY['mug', 'bowl', 'vase', 'plate']) a`

// open opens a database. Nobody waits long for a row there: a transaction that is
// prepared holds its rows until it is decided about.
func open(ctx context.Context, dsn string) (*warehouse, error) {
	db, err := sql.Open("pgx", dsn+" lock_timeout=1000")
	if err != nil {
		return nil, err
	}
	w := &warehouse{db: db, barrier: participant.NewBarrier(db, participant.PostgreSQL)}
	return w, w.make(ctx)
}

// make makes the tables where they are not there. It must not try where they are: IF
// NOT EXISTS takes locks first, which a transaction that is prepared holds.
func (w *warehouse) make(ctx context.Context) error {
	var there bool
	if err := w.db.QueryRowContext(ctx, `SELECT to_regclass('shelves') IS NOT NULL`).Scan(&there); err != nil || there {
		return err
	}
	if err := participant.CreateTables(ctx, w.db, participant.PostgreSQL); err != nil {
		return err
	}
	_, err := w.db.ExecContext(ctx, schema)
	return err
}

// change is so many pieces of an article more, or fewer.
type change struct {
	Article string `json:"article"`
	Pieces  int64  `json:"pieces"`
}

// prepare is Try. The barrier notes the call in the very transaction that is prepared:
// both are committed or rolled back later, by the same statement.
func (w *warehouse) prepare(ctx context.Context, call participant.Call, body []byte) (participant.Answer, error) {
	var c change
	if err := json.Unmarshal(body, &c); err != nil {
		return refused("BadRequest", err.Error()), nil
	}
	before, err := w.isPrepared(ctx, call.Step())
	if err != nil || before {
		return done, err
	}
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return participant.Answer{}, err
	}
	defer tx.Rollback() // once it is prepared, there is nothing of it left here to roll back
	answer, err := w.barrier.Within(ctx, tx, call, func(ctx context.Context) (participant.Answer, error) {
		return move(ctx, tx, c)
	})
	if err != nil || answer.Repeated {
		return answer, err
	}
	if answer.Refused { // the barrier keeps the refusal, and nothing else was written
		return answer, tx.Commit()
	}
	_, err = tx.ExecContext(ctx, "PREPARE TRANSACTION "+quoted(call.Step()), pgx.QueryExecModeSimpleProtocol)
	return answer, err
}

// move is what is done in the transaction.
func move(ctx context.Context, tx *sql.Tx, c change) (participant.Answer, error) {
	known, err := service.Change(ctx, tx, `UPDATE shelves SET pieces = pieces + $1 WHERE article = $2`, c.Pieces, c.Article)
	switch {
	case code(err) == checkViolation:
		return refused("ShelfRefuses", fmt.Sprintf("there are too few of %s, or no room for more", c.Article)), nil
	case err == nil && !known:
		return refused("NoSuchArticle", c.Article), nil
	}
	return done, err
}

// commit is Confirm. Where the transaction is not there (any more), the barrier knows
// whether it was committed: its own row of the step was part of it.
func (w *warehouse) commit(ctx context.Context, call participant.Call, _ []byte) (participant.Answer, error) {
	if err := w.end(ctx, "COMMIT PREPARED", call.Step()); err != nil {
		return participant.Answer{}, err
	}
	return w.barrier.Do(ctx, call, func(context.Context, *sql.Tx) (participant.Answer, error) { return done, nil })
}

// rollback is Cancel. Where nothing was prepared, the barrier notes that the step is
// undone, and refuses to prepare it later. A call that is still at it has the
// barrier's row: then this one waits in vain, fails, and comes again.
func (w *warehouse) rollback(ctx context.Context, call participant.Call, _ []byte) (participant.Answer, error) {
	if err := w.end(ctx, "ROLLBACK PREPARED", call.Step()); err != nil {
		return participant.Answer{}, err
	}
	return w.barrier.Do(ctx, call, func(context.Context, *sql.Tx) (participant.Answer, error) {
		return participant.Answer{}, fmt.Errorf("step %s was committed, and can't be rolled back", call.Step())
	})
}

// end ends a prepared transaction, if it is there.
func (w *warehouse) end(ctx context.Context, how, step string) error {
	_, err := w.db.ExecContext(ctx, how+" "+quoted(step), pgx.QueryExecModeSimpleProtocol)
	if code(err) == undefinedObject {
		return nil
	}
	return err
}

func (w *warehouse) isPrepared(ctx context.Context, step string) (yes bool, err error) {
	err = w.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT FROM pg_prepared_xacts WHERE gid = $1 AND database = current_database())`, step).Scan(&yes)
	return yes, err
}

// quoted is a step id as a literal: statements about prepared transactions take no
// parameters. The barrier has seen to it that it has letters, digits, _ and - alone.
func quoted(step string) string { return "'" + step + "'" }

// What PostgreSQL says by its codes.
const (
	checkViolation  = "23514"
	undefinedObject = "42704"
)

func code(err error) string {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return said.Code
	}
	return ""
}

var done = participant.Answer{Status: http.StatusOK, ContentType: "application/json", Body: []byte(`{}`)}

// refused is a function's own error.
func refused(name, cause string) participant.Answer {
	body, err := json.Marshal(map[string]string{"errorType": name, "errorMessage": cause})
	if err != nil {
		panic(err) // two texts are JSON
	}
	return participant.Answer{Refused: true, Status: http.StatusOK, ContentType: "application/json", Body: body}
}

// serve serves a call as a function with a URL. What neither went well nor was refused
// is answered by 503: nobody knows, and the call comes again.
func (w *warehouse) serve(do func(context.Context, participant.Call, []byte) (participant.Answer, error)) http.HandlerFunc {
	return func(to http.ResponseWriter, r *http.Request) {
		call, err := participant.CallFromRequest(r)
		if err != nil {
			http.Error(to, err.Error(), http.StatusBadRequest)
			return
		}
		var body json.RawMessage
		if err := json.NewDecoder(http.MaxBytesReader(to, r.Body, participant.MaxRequest)).Decode(&body); err != nil {
			http.Error(to, err.Error(), http.StatusBadRequest)
			return
		}
		answer, err := do(r.Context(), call, body)
		switch {
		case errors.Is(err, participant.ErrHanging), errors.Is(err, participant.ErrNothingToConfirm):
			http.Error(to, err.Error(), http.StatusConflict)
			return
		case err != nil:
			log.Print(err)
			http.Error(to, "nobody knows: send it again", http.StatusServiceUnavailable)
			return
		}
		if answer.Refused {
			to.Header().Set("X-Amz-Function-Error", "Unhandled")
		}
		to.Header().Set("Content-Type", answer.ContentType)
		to.WriteHeader(answer.Status)
		to.Write(answer.Body) // whoever has gone hears it from the repeat
	}
}
