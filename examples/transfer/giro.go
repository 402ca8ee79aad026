package main

import (
	"context"
	"database/sql"
	"net/http"

	"github.com/backstep/backstep/examples/service"
)

// What is reserved is part of what an account has, and nobody else can take it: the
// owner sees both. A debit is TRIED, then TAKEN or RELEASED.
const giroSchema = `
CREATE TABLE IF NOT EXISTS accounts (
	owner TEXT PRIMARY KEY, cents INTEGER NOT NULL CHECK (cents >= 0), reserved INTEGER NOT NULL CHECK (reserved BETWEEN 0 AND cents));
CREATE TABLE IF NOT EXISTS debits (transfer TEXT PRIMARY KEY, owner TEXT NOT NULL, cents INTEGER NOT NULL, state TEXT NOT NULL);
INSERT INTO accounts VALUES ('ann', 100000, 0), ('bob', 20000, 0) ON CONFLICT DO NOTHING;`

func serveGiro(mux *http.ServeMux, s *service.Service) {
	service.Handle(mux, s.Barrier, "/giro/debit/try", reserveDebit)
	service.Handle(mux, s.Barrier, "/giro/debit/confirm", takeDebit)
	service.Handle(mux, s.Barrier, "/giro/debit/cancel", releaseDebit)
	mux.HandleFunc("GET /giro/accounts", func(w http.ResponseWriter, r *http.Request) {
		type account struct {
			Cents, Reserved, Available int64
		}
		answerAccounts(w, r, s, `SELECT owner, cents, reserved FROM accounts`, func(cents, reserved int64) any {
			return account{cents, reserved, cents - reserved}
		})
	})
}

// reserveDebit refuses here and now what can't be done: once it has said yes, Confirm
// can't fail for want of money.
func reserveDebit(ctx context.Context, tx *sql.Tx, t Transfer) (any, error) {
	reserved, err := service.Change(ctx, tx, `UPDATE accounts SET reserved = reserved + ?1 WHERE owner = ?2 AND cents - reserved >= ?1 AND ?1 > 0`, t.Cents, t.From)
	if err != nil {
		return nil, err
	}
	if !reserved {
		return nil, service.Refusal{Name: "TooLittleMoney", Cause: t.From + " has not that much, or has reserved it"}
	}
	_, err = service.Change(ctx, tx, `INSERT INTO debits VALUES (?, ?, ?, 'TRIED')`, t.ID, t.From, t.Cents)
	return done, err
}

func takeDebit(ctx context.Context, tx *sql.Tx, try service.Undo[Transfer]) (any, error) {
	t := try.Input
	_, err := service.Change(ctx, tx, `UPDATE accounts SET cents = cents - ?1, reserved = reserved - ?1 WHERE owner = ?2`, t.Cents, t.From)
	if err != nil {
		return nil, err
	}
	_, err = service.Change(ctx, tx, `UPDATE debits SET state = 'TAKEN' WHERE transfer = ?`, t.ID)
	return done, err
}

func releaseDebit(ctx context.Context, tx *sql.Tx, try service.Undo[Transfer]) (any, error) {
	t := try.Input
	_, err := service.Change(ctx, tx, `UPDATE accounts SET reserved = reserved - ? WHERE owner = ?`, t.Cents, t.From)
	if err != nil {
		return nil, err
	}
	_, err = service.Change(ctx, tx, `UPDATE debits SET state = 'RELEASED' WHERE transfer = ?`, t.ID)
	return done, err
}
