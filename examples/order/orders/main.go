// Command orders is the order service: "new" saves an order, "update" sets a
// saved order to pending. Run by a host of the Lambda Runtime API.
package main

import (
	"context"
	"database/sql"
	"encoding/json"

	"github.com/backstep/backstep/examples/order/shop"
)

const schema = `CREATE TABLE IF NOT EXISTS orders (order_id TEXT PRIMARY KEY, status TEXT NOT NULL, body TEXT NOT NULL)`

// ErrProcessOrder is what a Catch names when an order could not be saved.
type ErrProcessOrder struct{ orderID string }

func (e ErrProcessOrder) Error() string { return "Unable to process order " + e.orderID }

// ErrUpdateOrderStatus is what a Catch names when an order could not be updated.
type ErrUpdateOrderStatus struct{ orderID string }

func (e ErrUpdateOrderStatus) Error() string {
	return "Unable to update order status for " + e.orderID
}

type service struct{ db *sql.DB }

func main() {
	shop.Run(schema, func(db *sql.DB) map[string]any {
		s := service{db}
		return map[string]any{"new": s.create, "update": s.update}
	})
}

// create saves a new order.
func (s service) create(ctx context.Context, o shop.Order) (shop.Order, error) {
	o.Status = "New"
	if err := s.save(ctx, o); err != nil {
		return o, err
	}
	if o.Fails("1") {
		return o, ErrProcessOrder{o.ID}
	}
	return o, nil
}

// update sets the order to pending: somebody will look at it. It answers what
// it was given.
func (s service) update(ctx context.Context, given shop.Order) (shop.Order, error) {
	var body string
	if err := s.db.QueryRowContext(ctx, `SELECT body FROM orders WHERE order_id = ?`, given.ID).Scan(&body); err != nil {
		return given, err
	}
	var saved shop.Order
	if err := json.Unmarshal([]byte(body), &saved); err != nil {
		return given, err
	}
	saved.Status = "Pending"
	if err := s.save(ctx, saved); err != nil {
		return given, err
	}
	if given.Fails("11") {
		return given, ErrUpdateOrderStatus{given.ID}
	}
	return given, nil
}

func (s service) save(ctx context.Context, o shop.Order) error {
	body, err := json.Marshal(o)
	if err != nil {
		return err
	}
	_, err = s.db.ExecContext(ctx, `INSERT OR REPLACE INTO orders (order_id, status, body) VALUES (?, ?, ?)`, o.ID, o.Status, string(body))
	return err
}
