// Command inventory is the inventory service: "reserve" sets an order's items
// aside, "release" puts them back. Run by a host of the Lambda Runtime API.
package main

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/backstep/backstep/examples/order/shop"
)

const schema = `CREATE TABLE IF NOT EXISTS inventory (
	transaction_id TEXT PRIMARY KEY, order_id TEXT NOT NULL, type TEXT NOT NULL, items TEXT NOT NULL, date TEXT NOT NULL)`

// ErrReserveInventory is what a Catch names when items could not be set aside.
type ErrReserveInventory struct{ orderID string }

func (e ErrReserveInventory) Error() string {
	return "Unable to update newInvTrans for order " + e.orderID
}

// ErrReleaseInventory is what a Catch names when items could not be put back.
type ErrReleaseInventory struct{ orderID string }

func (e ErrReleaseInventory) Error() string {
	return "Unable to release inventory for order " + e.orderID
}

type service struct{ db *sql.DB }

func main() {
	shop.Run(schema, func(db *sql.DB) map[string]any {
		s := service{db}
		return map[string]any{"reserve": s.reserve, "release": s.release}
	})
}

// reserve sets the order's items aside.
func (s service) reserve(ctx context.Context, o shop.Order) (shop.Order, error) {
	inv, err := s.book(ctx, o.ID, "Reserve", o.ItemIDs())
	if err != nil {
		return o, err
	}
	if o.Fails("3") {
		return o, ErrReserveInventory{o.ID}
	}
	o.Inventory = inv
	return o, nil
}

// release puts back what was set aside; where nothing was, that is well.
func (s service) release(ctx context.Context, o shop.Order) (shop.Order, error) {
	var items string
	err := s.db.QueryRowContext(ctx, `SELECT items FROM inventory WHERE order_id = ? AND type = 'Reserve'`, o.ID).Scan(&items)
	if errors.Is(err, sql.ErrNoRows) {
		return o, nil
	}
	if err != nil {
		return o, err
	}
	inv, err := s.book(ctx, o.ID, "Release", strings.Split(items, ","))
	if err != nil {
		return o, err
	}
	if o.Fails("33") {
		return o, ErrReleaseInventory{o.ID}
	}
	o.Inventory = inv
	return o, nil
}

// book writes a transaction; the same one again changes nothing.
func (s service) book(ctx context.Context, orderID, kind string, items []string) (*shop.Inventory, error) {
	inv := &shop.Inventory{
		Transaction: shop.TransactionID(orderID, kind), Date: shop.Now(), OrderID: orderID, Items: items, Type: kind,
	}
	_, err := s.db.ExecContext(ctx, `INSERT OR IGNORE INTO inventory (transaction_id, order_id, type, items, date) VALUES (?, ?, ?, ?, ?)`,
		inv.Transaction, inv.OrderID, inv.Type, strings.Join(items, ","), inv.Date)
	return inv, err
}
