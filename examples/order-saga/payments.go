package main

import (
	"context"
	"database/sql"
	"errors"
	"net/http"

	"github.com/backstep/backstep/examples/service"
)

// A card for a single payment is closed by it: what was charged can't be put back on
// it, and somebody has to find another way.
const paymentsSchema = `
CREATE TABLE IF NOT EXISTS cards (number TEXT PRIMARY KEY, cents INTEGER NOT NULL CHECK (cents >= 0), single INTEGER NOT NULL, closed INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS charges (order_id TEXT PRIMARY KEY, card TEXT NOT NULL, cents INTEGER NOT NULL, refunded TEXT NOT NULL);
INSERT INTO cards VALUES ('ann', 100000, 0, 0), ('bob', 1000, 0, 0), ('eve-once', 100000, 1, 0) ON CONFLICT DO NOTHING;`

func servePayments(mux *http.ServeMux, s *service.Service) {
	service.Handle(mux, s.Barrier, "/payments/charge", chargeCard)
	service.Handle(mux, s.Barrier, "/payments/refund", refundCard)
	service.Handle(mux, s.Barrier, "/payments/transfer", refundByTransfer)
}

func chargeCard(ctx context.Context, tx *sql.Tx, o Order) (any, error) {
	charged, err := service.Change(ctx, tx, `UPDATE cards SET cents = cents - ?1, closed = single WHERE number = ?2 AND cents >= ?1 AND NOT closed`, o.Cents(), o.Card)
	if err != nil {
		return nil, err
	}
	if !charged {
		return nil, service.Refusal{Name: "CardDeclined", Cause: "the card is closed, or has too little on it"}
	}
	_, err = service.Change(ctx, tx, `INSERT INTO charges VALUES (?, ?, ?, '')`, o.ID, o.Card, o.Cents())
	return map[string]int64{"charged": o.Cents()}, err
}

// refundCard puts back on the card what was charged for the order. How much that was
// stands in the service's own books.
func refundCard(ctx context.Context, tx *sql.Tx, undo service.Undo[Order]) (any, error) {
	c, err := refund(ctx, tx, undo.Input.ID, "card")
	if err != nil {
		return nil, err
	}
	refunded, err := service.Change(ctx, tx, `UPDATE cards SET cents = cents + ? WHERE number = ? AND NOT closed`, c.cents, c.card)
	if err == nil && !refunded {
		err = service.Refusal{Name: "CardClosed", Cause: "nothing can be put back on card " + c.card}
	}
	return done, err
}

// refundByTransfer pays back from the shop's bank account. No definition names it: it
// is what an operator lets the saga do whose refund is held.
func refundByTransfer(ctx context.Context, tx *sql.Tx, undo service.Undo[Order]) (any, error) {
	_, err := refund(ctx, tx, undo.Input.ID, "transfer")
	return done, err
}

type charge struct {
	card  string
	cents int64
}

// refund notes by what way an order's charge is given back.
func refund(ctx context.Context, tx *sql.Tx, orderID, way string) (c charge, err error) {
	err = tx.QueryRowContext(ctx, `UPDATE charges SET refunded = ? WHERE order_id = ? AND refunded = '' RETURNING card, cents`, way, orderID).Scan(&c.card, &c.cents)
	if errors.Is(err, sql.ErrNoRows) {
		err = service.Refusal{Name: "NothingCharged", Cause: "order " + orderID + " has no charge, or has it back"}
	}
	return c, err
}
