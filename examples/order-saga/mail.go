package main

import (
	"context"
	"database/sql"
	"net/http"

	"github.com/backstep/backstep/examples/service"
)

// The mails stand in a table from which a mailer would send them.
const mailSchema = `CREATE TABLE IF NOT EXISTS mails (order_id TEXT NOT NULL, text TEXT NOT NULL)`

func serveMail(mux *http.ServeMux, s *service.Service) {
	service.Handle(mux, s.Barrier, "/mail/send", mailCustomer)
}

func mailCustomer(ctx context.Context, tx *sql.Tx, o Order) (any, error) {
	_, err := service.Change(ctx, tx, `INSERT INTO mails VALUES (?, 'Your order is on its way.')`, o.ID)
	return done, err
}
