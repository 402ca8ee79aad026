package main

import (
	"context"
	"database/sql"
	"net/http"

	"github.com/backstep/backstep/examples/service"
)

const ordersSchema = `CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, cents INTEGER NOT NULL, status TEXT NOT NULL)`

func serveOrders(mux *http.ServeMux, s *service.Service) {
	service.Handle(mux, s.Barrier, "/orders/save", saveOrder)
	service.Handle(mux, s.Barrier, "/orders/cancel", cancelOrder)
	service.Handle(mux, s.Barrier, "/orders/complete", completeOrder)
}

// saveOrder notes the order. It is PENDING until the saga is over: whoever looks at it
// meanwhile knows that nothing is certain yet.
func saveOrder(ctx context.Context, tx *sql.Tx, o Order) (any, error) {
	if o.ID == "" || o.Cents() <= 0 {
		return nil, service.Refusal{Name: "BadOrder", Cause: "an order has an id and costs something"}
	}
	isNew, err := service.Change(ctx, tx, `INSERT INTO orders VALUES (?, ?, 'PENDING') ON CONFLICT DO NOTHING`, o.ID, o.Cents())
	if err == nil && !isNew {
		err = service.Refusal{Name: "OrderExists", Cause: "there is an order " + o.ID}
	}
	return done, err
}

// cancelOrder keeps the order, so that the customer can be told of it.
func cancelOrder(ctx context.Context, tx *sql.Tx, undo service.Undo[Order]) (any, error) {
	_, err := service.Change(ctx, tx, `UPDATE orders SET status = 'CANCELLED' WHERE id = ?`, undo.Input.ID)
	return done, err
}

func completeOrder(ctx context.Context, tx *sql.Tx, o Order) (any, error) {
	_, err := service.Change(ctx, tx, `UPDATE orders SET status = 'COMPLETE' WHERE id = ?`, o.ID)
	return done, err
}
