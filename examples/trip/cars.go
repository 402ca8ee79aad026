package main

import (
	"context"
	"database/sql"
	"net/http"

	"github.com/backstep/backstep/examples/service"
)

const carsSchema = `
CREATE TABLE IF NOT EXISTS cars (plate TEXT PRIMARY KEY, class TEXT NOT NULL, trip TEXT);
INSERT INTO cars VALUES ('S 1', 'small', NULL), ('S 2', 'small', NULL), ('L 1', 'large', NULL) ON CONFLICT DO NOTHING;`

func serveCars(mux *http.ServeMux, s *service.Service) {
	service.Handle(mux, s.Barrier, "/cars/rent", rentCar)
	service.Handle(mux, s.Barrier, "/cars/cancel", cancelCar)
}

func rentCar(ctx context.Context, tx *sql.Tx, t Trip) (any, error) {
	var plate string
	err := tx.QueryRowContext(ctx, `UPDATE cars SET trip = ? WHERE plate = (SELECT MIN(plate) FROM cars WHERE class = ? AND trip IS NULL) RETURNING plate`,
		t.ID, t.Car).Scan(&plate)
	if err == sql.ErrNoRows {
		return nil, service.Refusal{Name: "NoCar", Cause: "there is no " + t.Car + " car"}
	}
	return map[string]string{"car": plate}, err
}

func cancelCar(ctx context.Context, tx *sql.Tx, undo service.Undo[Trip]) (any, error) {
	_, err := service.Change(ctx, tx, `UPDATE cars SET trip = NULL WHERE trip = ?`, undo.Input.ID)
	return done, err
}
