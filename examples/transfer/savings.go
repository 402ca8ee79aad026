package main

import (
	"context"
	"database/sql"
	"net/http"

	"github.com/backstep/backstep/examples/service"
)

// What is announced is not yet part of what an account has. A credit is TRIED, then
// BOOKED or DROPPED.
const savingsSchema = `
CREATE TABLE IF NOT EXISTS accounts (owner TEXT PRIMARY KEY, cents INTEGER NOT NULL CHECK (cents >= 0), announced INTEGER NOT NULL CHECK (announced >= 0));
CREATE TABLE IF NOT EXISTS credits (transfer TEXT PRIMARY KEY, owner TEXT NOT NULL, cents INTEGER NOT NULL, state TEXT NOT NULL);
INSERT INTO accounts VALUES ('ann', 0, 0), ('bob', 5000, 0) ON CONFLICT DO NOTHING;`

func serveSavings(mux *http.ServeMux, s *service.Service) {
	service.Handle(mux, s.Barrier, "/savings/credit/try", announceCredit)
	service.Handle(mux, s.Barrier, "/savings/credit/confirm", bookCredit)
	service.Handle(mux, s.Barrier, "/savings/credit/cancel", dropCredit)
	mux.HandleFunc("GET /savings/accounts", func(w http.ResponseWriter, r *http.Request) {
		type account struct {
			Cents, Announced int64
		}
		answerAccounts(w, r, s, `SELECT owner, cents, announced FROM accounts`, func(cents, announced int64) any {
			return account{cents, announced}
		})
	})
}

func announceCredit(ctx context.Context, tx *sql.Tx, t Transfer) (any, error) {
	announced, err := service.Change(ctx, tx, `UPDATE accounts SET announced = announced + ? WHERE owner = ?`, t.Cents, t.To)
	if err != nil {
		return nil, err
	}
	if !announced {
		return nil, service.Refusal{Name: "NoSuchAccount", Cause: t.To + " has no account here"}
	}
	_, err = service.Change(ctx, tx, `INSERT INTO credits VALUES (?, ?, ?, 'TRIED')`, t.ID, t.To, t.Cents)
	return done, err
}

func bookCredit(ctx context.Context, tx *sql.Tx, try service.Undo[Transfer]) (any, error) {
	t := try.Input
	_, err := service.Change(ctx, tx, `UPDATE accounts SET cents = cents + ?1, announced = announced - ?1 WHERE owner = ?2`, t.Cents, t.To)
	if err != nil {
		return nil, err
	}
	_, err = service.Change(ctx, tx, `UPDATE credits SET state = 'BOOKED' WHERE transfer = ?`, t.ID)
	return done, err
}

func dropCredit(ctx context.Context, tx *sql.Tx, try service.Undo[Transfer]) (any, error) {
	t := try.Input
	_, err := service.Change(ctx, tx, `UPDATE accounts SET announced = announced - ? WHERE owner = ?`, t.Cents, t.To)
	if err != nil {
		return nil, err
	}
	_, err = service.Change(ctx, tx, `UPDATE credits SET state = 'DROPPED' WHERE transfer = ?`, t.ID)
	return done, err
}

// answerAccounts shows a bank's accounts, each as show has it.
func answerAccounts(w http.ResponseWriter, r *http.Request, s *service.Service, query string, show func(a, b int64) any) {
	rows, err := s.DB.QueryContext(r.Context(), query)
	if err != nil {
		service.Answer(w, nil, err)
		return
	}
	defer rows.Close()
	accounts := map[string]any{}
	for rows.Next() {
		var owner string
		var a, b int64
		if err := rows.Scan(&owner, &a, &b); err != nil {
			service.Answer(w, nil, err)
			return
		}
		accounts[owner] = show(a, b)
	}
	service.Answer(w, accounts, rows.Err())
}
