package main

import (
	"context"
	"database/sql"
	"net/http"

	"github.com/backstep/backstep/examples/service"
)

const stockSchema = `
CREATE TABLE IF NOT EXISTS stock (article TEXT PRIMARY KEY, free INTEGER NOT NULL CHECK (free >= 0));
CREATE TABLE IF NOT EXISTS reserved (order_id TEXT NOT NULL, article TEXT NOT NULL, quantity INTEGER NOT NULL);
INSERT INTO stock VALUES ('mug', 50), ('bowl', 50), ('vase', 1) ON CONFLICT DO NOTHING;`

func serveStock(mux *http.ServeMux, s *service.Service) {
	service.Handle(mux, s.Barrier, "/stock/reserve", reserveStock)
	service.Handle(mux, s.Barrier, "/stock/release", releaseStock)
}

// reserveStock sets all lines aside, or none: what was set aside before the line that
// is refused is rolled back with the refusal.
func reserveStock(ctx context.Context, tx *sql.Tx, o Order) (any, error) {
	for _, l := range o.Lines {
		taken, err := service.Change(ctx, tx, `UPDATE stock SET free = free - ?1 WHERE article = ?2 AND free >= ?1 AND ?1 > 0`, l.Quantity, l.Article)
		if err != nil {
			return nil, err
		}
		if !taken {
			return nil, service.Refusal{Name: "OutOfStock", Cause: "too few of " + l.Article}
		}
		if _, err := service.Change(ctx, tx, `INSERT INTO reserved VALUES (?, ?, ?)`, o.ID, l.Article, l.Quantity); err != nil {
			return nil, err
		}
	}
	return done, nil
}

func releaseStock(ctx context.Context, tx *sql.Tx, undo service.Undo[Order]) (any, error) {
	_, err := service.Change(ctx, tx, `UPDATE stock SET free = free + (SELECT SUM(quantity) FROM reserved r WHERE order_id = ?1 AND r.article = stock.article)
		WHERE article IN (SELECT article FROM reserved WHERE order_id = ?1)`, undo.Input.ID)
	if err != nil {
		return nil, err
	}
	_, err = service.Change(ctx, tx, `DELETE FROM reserved WHERE order_id = ?`, undo.Input.ID)
	return done, err
}
