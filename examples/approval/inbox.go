package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/backstep/backstep/examples/service"
	"github.com/backstep/backstep/participant"
)

// A request is OPEN, then APPROVED, REJECTED or WITHDRAWN. Who has its token may decide
// about it, so that nobody is shown that.
const inboxSchema = `
CREATE TABLE IF NOT EXISTS requests (
	purchase TEXT PRIMARY KEY, what TEXT NOT NULL, cents INTEGER NOT NULL, token TEXT NOT NULL, state TEXT NOT NULL, decided_by TEXT NOT NULL)`

// inbox is what people look into. What they decide it tells Backstep by an outbox: the
// decision and the message are one commit, and the relay sends the message after it.
type inbox struct {
	*service.Service
	outbox *participant.Outbox
}

func serveInbox(mux *http.ServeMux, s *service.Service) *inbox {
	i := &inbox{s, participant.NewOutbox(s.DB, participant.SQLite)}
	service.Handle(mux, s.Barrier, "/inbox/ask", ask)
	service.Handle(mux, s.Barrier, "/inbox/withdraw", withdraw)
	mux.HandleFunc("GET /inbox", i.list)
	mux.HandleFunc("POST /inbox/{purchase}/approve", i.decide("APPROVED"))
	mux.HandleFunc("POST /inbox/{purchase}/reject", i.decide("REJECTED"))
	return i
}

// question is what the saga asks.
type question struct {
	Purchase Purchase `json:"purchase"`
	Token    string   `json:"token"`
}

// ask puts a request into the inbox. It answers at once, and the saga waits for the
// token.
func ask(ctx context.Context, tx *sql.Tx, q question) (any, error) {
	_, err := service.Change(ctx, tx, `INSERT INTO requests VALUES (?, ?, ?, ?, 'OPEN', '')`, q.Purchase.ID, q.Purchase.What, q.Purchase.Cents, q.Token)
	return done, err
}

// withdraw takes a request back, whatever was decided about it meanwhile: the saga has
// gone another way.
func withdraw(ctx context.Context, tx *sql.Tx, undo service.Undo[Purchase]) (any, error) {
	_, err := service.Change(ctx, tx, `UPDATE requests SET state = 'WITHDRAWN' WHERE purchase = ?`, undo.Input.ID)
	return done, err
}

// decide notes a decision about an open request, and the message that tells of it.
func (i *inbox) decide(state string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		purchase, by := r.PathValue("purchase"), r.FormValue("by")
		if by == "" {
			http.Error(w, "by whom?", http.StatusBadRequest)
			return
		}
		switch err := i.note(r.Context(), purchase, state, by); {
		case errors.Is(err, sql.ErrNoRows):
			http.Error(w, "there is no open request "+purchase+": it is decided, or was withdrawn", http.StatusConflict)
		default:
			service.Answer(w, map[string]string{"purchase": purchase, "state": state}, err)
		}
	}
}

func (i *inbox) note(ctx context.Context, purchase, state, by string) error {
	tx, err := i.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var token string
	err = tx.QueryRowContext(ctx, `UPDATE requests SET state = ?, decided_by = ? WHERE purchase = ? AND state = 'OPEN' RETURNING token`, state, by, purchase).Scan(&token)
	if err != nil {
		return err
	}
	output, err := json.Marshal(map[string]string{"by": by})
	if err != nil {
		return err
	}
	var message participant.Message = participant.TaskSuccess{TaskToken: token, Output: string(output)}
	if state == "REJECTED" {
		message = participant.TaskFailure{TaskToken: token, Error: "Rejected", Cause: "by " + by}
	}
	if err := i.outbox.Record(ctx, tx, purchase, message); err != nil {
		return err
	}
	return tx.Commit()
}

// list shows the requests, and what Backstep did not take: decisions that came too late.
func (i *inbox) list(w http.ResponseWriter, r *http.Request) {
	type request struct {
		Purchase  string
		What      string
		Cents     int64
		State     string
		DecidedBy string `json:",omitempty"`
		Refused   string `json:",omitempty"`
	}
	parked, err := i.outbox.Parked(r.Context(), 100)
	if err != nil {
		service.Answer(w, nil, err)
		return
	}
	refused := map[string]string{}
	for _, letter := range parked {
		refused[letter.Lane] = letter.Error
	}
	rows, err := i.DB.QueryContext(r.Context(), `SELECT purchase, what, cents, state, decided_by FROM requests ORDER BY purchase`)
	if err != nil {
		service.Answer(w, nil, err)
		return
	}
	defer rows.Close()
	all := []request{}
	for rows.Next() {
		var q request
		if err := rows.Scan(&q.Purchase, &q.What, &q.Cents, &q.State, &q.DecidedBy); err != nil {
			service.Answer(w, nil, err)
			return
		}
		q.Refused = refused[q.Purchase]
		all = append(all, q)
	}
	service.Answer(w, all, rows.Err())
}
