// Command payments is the payment service: "debit" charges an order, "credit"
// gives the money back. Run by a host of the Lambda Runtime API.
package main

import (
	"context"
	"database/sql"
	"errors"

	"github.com/backstep/backstep/examples/order/shop"
)

const (
	schema = `CREATE TABLE IF NOT EXISTS payments (
	transaction_id TEXT PRIMARY KEY, order_id TEXT NOT NULL, type TEXT NOT NULL, cents INTEGER NOT NULL, date TEXT NOT NULL)`
	merchant = "merch1"
)

// ErrProcessPayment is what a Catch names when a charge failed.
type ErrProcessPayment struct{ orderID string }

func (e ErrProcessPayment) Error() string {
	return "Unable to process payment for order " + e.orderID
}

// ErrProcessRefund is what a Catch names when a refund failed.
type ErrProcessRefund struct{ orderID string }

func (e ErrProcessRefund) Error() string { return "Unable to process refund for order " + e.orderID }

type service struct{ db *sql.DB }

func main() {
	shop.Run(schema, func(db *sql.DB) map[string]any {
		s := service{db}
		return map[string]any{"debit": s.debit, "credit": s.credit}
	})
}

// debit charges what the order costs.
func (s service) debit(ctx context.Context, o shop.Order) (shop.Order, error) {
	p, err := s.book(ctx, o.ID, "Debit", o.Cents())
	if err != nil {
		return o, err
	}
	if o.Fails("2") {
		return o, ErrProcessPayment{o.ID}
	}
	o.Payment = p
	return o, nil
}

// credit gives back what was charged. Where nothing was charged there is
// nothing to give back, and that is well.
func (s service) credit(ctx context.Context, o shop.Order) (shop.Order, error) {
	var cents int64
	err := s.db.QueryRowContext(ctx, `SELECT cents FROM payments WHERE order_id = ? AND type = 'Debit'`, o.ID).Scan(&cents)
	if errors.Is(err, sql.ErrNoRows) {
		return o, nil
	}
	if err != nil {
		return o, err
	}
	p, err := s.book(ctx, o.ID, "Credit", -cents)
	if err != nil {
		return o, err
	}
	if o.Fails("22") {
		return o, ErrProcessRefund{o.ID}
	}
	o.Payment = p
	return o, nil
}

// book writes a transaction; the same one again changes nothing.
func (s service) book(ctx context.Context, orderID, kind string, cents int64) (*shop.Payment, error) {
	p := &shop.Payment{
		Merchant: merchant, Amount: float64(cents) / 100, Transaction: shop.TransactionID(orderID, kind),
		Date: shop.Now(), OrderID: orderID, Type: kind,
	}
	_, err := s.db.ExecContext(ctx, `INSERT OR IGNORE INTO payments (transaction_id, order_id, type, cents, date) VALUES (?, ?, ?, ?, ?)`,
		p.Transaction, p.OrderID, p.Type, cents, p.Date)
	return p, err
}
