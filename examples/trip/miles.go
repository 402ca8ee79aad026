package main

import (
	"context"
	"database/sql"
	"net/http"

	"github.com/backstep/backstep/examples/service"
)

const milesSchema = `
CREATE TABLE IF NOT EXISTS accounts (customer TEXT PRIMARY KEY, miles INTEGER NOT NULL CHECK (miles >= 0));
CREATE TABLE IF NOT EXISTS taken (trip TEXT PRIMARY KEY, customer TEXT NOT NULL, miles INTEGER NOT NULL);
INSERT INTO accounts VALUES ('ann', 1000), ('bob', 5000) ON CONFLICT DO NOTHING;`

func serveMiles(mux *http.ServeMux, s *service.Service) {
	service.Handle(mux, s.Barrier, "/miles/take", takeMiles)
	service.Handle(mux, s.Barrier, "/miles/give-back", giveMilesBack)
}

func takeMiles(ctx context.Context, tx *sql.Tx, t Trip) (any, error) {
	taken, err := service.Change(ctx, tx, `UPDATE accounts SET miles = miles - ?1 WHERE customer = ?2 AND miles >= ?1 AND ?1 >= 0`, t.Miles, t.Customer)
	if err != nil {
		return nil, err
	}
	if !taken {
		return nil, service.Refusal{Name: "TooFewMiles", Cause: t.Customer + " has too few miles"}
	}
	_, err = service.Change(ctx, tx, `INSERT INTO taken VALUES (?, ?, ?)`, t.ID, t.Customer, t.Miles)
	return done, err
}

func giveMilesBack(ctx context.Context, tx *sql.Tx, undo service.Undo[Trip]) (any, error) {
	_, err := service.Change(ctx, tx, `UPDATE accounts SET miles = accounts.miles + t.miles FROM taken t WHERE t.trip = ? AND t.customer = accounts.customer`, undo.Input.ID)
	if err != nil {
		return nil, err
	}
	_, err = service.Change(ctx, tx, `DELETE FROM taken WHERE trip = ?`, undo.Input.ID)
	return done, err
}
