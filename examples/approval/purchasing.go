package main

import (
	"context"
	"database/sql"
	"net/http"

	"github.com/backstep/backstep/examples/service"
)

const purchasingSchema = `CREATE TABLE IF NOT EXISTS orders (purchase TEXT PRIMARY KEY, cents INTEGER NOT NULL, approved_by TEXT NOT NULL)`

func servePurchasing(mux *http.ServeMux, s *service.Service) {
	service.Handle(mux, s.Barrier, "/purchasing/order", placeOrder)
}

// approved is a purchase with the name of who is responsible for it.
type approved struct {
	Purchase
	By string `json:"approved_by"`
}

func placeOrder(ctx context.Context, tx *sql.Tx, p approved) (any, error) {
	_, err := service.Change(ctx, tx, `INSERT INTO orders VALUES (?, ?, ?)`, p.ID, p.Cents, p.By)
	return done, err
}
