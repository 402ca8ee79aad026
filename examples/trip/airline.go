package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"

	"github.com/backstep/backstep/examples/service"
)

const airlineSchema = `
CREATE TABLE IF NOT EXISTS flights (flight TEXT PRIMARY KEY, seats INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS seats (flight TEXT NOT NULL, seat INTEGER NOT NULL, trip TEXT NOT NULL, traveller TEXT NOT NULL, PRIMARY KEY (flight, seat));
INSERT INTO flights VALUES ('BS 101', 200), ('BS 7', 3) ON CONFLICT DO NOTHING;`

func serveAirline(mux *http.ServeMux, s *service.Service) {
	service.Handle(mux, s.Barrier, "/airline/book", bookSeat)
	service.Handle(mux, s.Barrier, "/airline/cancel", cancelSeat)
}

// Seat is one traveller's, as the Map's ItemSelector makes it.
type Seat struct {
	Trip      string `json:"trip"`
	Flight    string `json:"flight"`
	Traveller string `json:"traveller"`
}

// bookSeat takes the first seat that is free.
func bookSeat(ctx context.Context, tx *sql.Tx, s Seat) (any, error) {
	var size, seat int64
	err := tx.QueryRowContext(ctx, `
		SELECT seats, (SELECT MIN(n) FROM (SELECT 1 AS n UNION SELECT seat + 1 FROM seats WHERE flight = ?1) WHERE n NOT IN (SELECT seat FROM seats WHERE flight = ?1))
		FROM flights WHERE flight = ?1`, s.Flight).Scan(&size, &seat)
	if err == sql.ErrNoRows || err == nil && seat > size {
		return nil, service.Refusal{Name: "NoSeat", Cause: fmt.Sprintf("flight %s has no seat for %s", s.Flight, s.Traveller)}
	}
	if err != nil {
		return nil, err
	}
	_, err = service.Change(ctx, tx, `INSERT INTO seats VALUES (?, ?, ?, ?)`, s.Flight, seat, s.Trip, s.Traveller)
	return map[string]int64{"seat": seat}, err
}

func cancelSeat(ctx context.Context, tx *sql.Tx, undo service.Undo[Seat]) (any, error) {
	_, err := service.Change(ctx, tx, `DELETE FROM seats WHERE trip = ? AND traveller = ?`, undo.Input.Trip, undo.Input.Traveller)
	return done, err
}
