// Command order-saga is the five services of the order saga: orders, payments, stock,
// courier and mail, each with a database file of its own. They are one program so that
// the example is quickly started; nothing but HTTP lies between them and the saga.
//
// Read main.go, then orders.go, payments.go, stock.go, courier.go, mail.go.
package main

import (
	"context"
	"flag"
	"log"
	"net/http"

	"github.com/backstep/backstep/examples/service"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9010", "where the services listen")
	data := flag.String("data", "data", "folder of their database files")
	flag.Parse()
	handler, err := services(context.Background(), *data)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe(*listen, handler))
}

// services serves all five.
func services(ctx context.Context, folder string) (http.Handler, error) {
	mux := http.NewServeMux()
	for name, of := range map[string]struct {
		schema string
		serve  func(*http.ServeMux, *service.Service)
	}{
		"orders":   {ordersSchema, serveOrders},
		"payments": {paymentsSchema, servePayments},
		"stock":    {stockSchema, serveStock},
		"courier":  {courierSchema, serveCourier},
		"mail":     {mailSchema, serveMail},
	} {
		s, err := service.Open(ctx, folder, name, of.schema)
		if err != nil {
			return nil, err
		}
		of.serve(mux, s)
	}
	return mux, nil
}

// Order is what the saga begins with, and what each of its calls brings.
type Order struct {
	ID      string `json:"order_id"`
	Card    string `json:"card"`
	Address string `json:"address"`
	Lines   []Line `json:"lines"`
}

// Line is so many pieces of an article, at a price for each.
type Line struct {
	Article  string `json:"article"`
	Quantity int64  `json:"quantity"`
	Cents    int64  `json:"cents"`
}

// Cents is what the order costs.
func (o Order) Cents() int64 {
	var sum int64
	for _, l := range o.Lines {
		sum += l.Quantity * l.Cents
	}
	return sum
}

// done is the answer of a call that has nothing to tell.
var done = struct{}{}
