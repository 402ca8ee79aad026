package main

import (
	"context"
	"database/sql"
	"net/http"

	"github.com/backstep/backstep/examples/service"
)

const courierSchema = `CREATE TABLE IF NOT EXISTS parcels (order_id TEXT PRIMARY KEY, address TEXT NOT NULL, cancelled INTEGER NOT NULL)`

func serveCourier(mux *http.ServeMux, s *service.Service) {
	service.Handle(mux, s.Barrier, "/courier/book", bookCourier)
	service.Handle(mux, s.Barrier, "/courier/cancel", cancelCourier)
}

func bookCourier(ctx context.Context, tx *sql.Tx, o Order) (any, error) {
	if o.Address == "" {
		return nil, service.Refusal{Name: "NoSuchAddress", Cause: "the order tells no address"}
	}
	_, err := service.Change(ctx, tx, `INSERT INTO parcels VALUES (?, ?, 0)`, o.ID, o.Address)
	return map[string]string{"tracking": "parcel-" + o.ID}, err
}

// cancelCourier knows the parcel by its order. The tracking number stands in the result
// of bookCourier, which nobody has when its answer was lost.
func cancelCourier(ctx context.Context, tx *sql.Tx, undo service.Undo[Order]) (any, error) {
	_, err := service.Change(ctx, tx, `UPDATE parcels SET cancelled = 1 WHERE order_id = ?`, undo.Input.ID)
	return done, err
}
