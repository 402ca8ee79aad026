package main

import (
	"context"
	"database/sql"
	"net/http"

	"github.com/backstep/backstep/examples/service"
)

const budgetSchema = `
CREATE TABLE IF NOT EXISTS budgets (team TEXT PRIMARY KEY, free INTEGER NOT NULL CHECK (free >= 0));
CREATE TABLE IF NOT EXISTS reserved (purchase TEXT PRIMARY KEY, team TEXT NOT NULL, cents INTEGER NOT NULL);
INSERT INTO budgets VALUES ('kitchen', 100000) ON CONFLICT DO NOTHING;`

func serveBudget(mux *http.ServeMux, s *service.Service) {
	service.Handle(mux, s.Barrier, "/budget/reserve", reserveBudget)
	service.Handle(mux, s.Barrier, "/budget/release", releaseBudget)
}

func reserveBudget(ctx context.Context, tx *sql.Tx, p Purchase) (any, error) {
	reserved, err := service.Change(ctx, tx, `UPDATE budgets SET free = free - ?1 WHERE team = ?2 AND free >= ?1 AND ?1 > 0`, p.Cents, p.Team)
	if err != nil {
		return nil, err
	}
	if !reserved {
		return nil, service.Refusal{Name: "OverBudget", Cause: p.Team + " has not that much left"}
	}
	_, err = service.Change(ctx, tx, `INSERT INTO reserved VALUES (?, ?, ?)`, p.ID, p.Team, p.Cents)
	return done, err
}

func releaseBudget(ctx context.Context, tx *sql.Tx, undo service.Undo[Purchase]) (any, error) {
	_, err := service.Change(ctx, tx, `UPDATE budgets SET free = free + r.cents FROM reserved r WHERE r.purchase = ? AND r.team = budgets.team`, undo.Input.ID)
	if err != nil {
		return nil, err
	}
	_, err = service.Change(ctx, tx, `DELETE FROM reserved WHERE purchase = ?`, undo.Input.ID)
	return done, err
}
