package main

import (
	"context"
	"database/sql"
	"net/http"

	"github.com/backstep/backstep/examples/service"
)

const hotelSchema = `
CREATE TABLE IF NOT EXISTS rooms (room TEXT PRIMARY KEY, hotel TEXT NOT NULL, trip TEXT);
INSERT INTO rooms VALUES ('A 1', 'Astoria', NULL), ('A 2', 'Astoria', NULL), ('R 1', 'Ritz', NULL) ON CONFLICT DO NOTHING;`

func serveHotel(mux *http.ServeMux, s *service.Service) {
	service.Handle(mux, s.Barrier, "/hotel/book", bookRoom)
	service.Handle(mux, s.Barrier, "/hotel/cancel", cancelRoom)
}

func bookRoom(ctx context.Context, tx *sql.Tx, t Trip) (any, error) {
	var room string
	err := tx.QueryRowContext(ctx, `UPDATE rooms SET trip = ? WHERE room = (SELECT MIN(room) FROM rooms WHERE hotel = ? AND trip IS NULL) RETURNING room`,
		t.ID, t.Hotel).Scan(&room)
	if err == sql.ErrNoRows {
		return nil, service.Refusal{Name: "NoRoom", Cause: "hotel " + t.Hotel + " has no room"}
	}
	return map[string]string{"room": room}, err
}

func cancelRoom(ctx context.Context, tx *sql.Tx, undo service.Undo[Trip]) (any, error) {
	_, err := service.Change(ctx, tx, `UPDATE rooms SET trip = NULL WHERE trip = ?`, undo.Input.ID)
	return done, err
}
