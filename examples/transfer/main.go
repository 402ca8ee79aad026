// Command transfer is two banks, each with a database file of its own: one that money
// is taken from, and one that it is paid into.
//
// Read main.go, then giro.go and savings.go.
package main

import (
	"context"
	"flag"
	"log"
	"net/http"

	"github.com/backstep/backstep/examples/service"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9010", "where the banks listen")
	data := flag.String("data", "data", "folder of their database files")
	flag.Parse()
	handler, err := banks(context.Background(), *data)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe(*listen, handler))
}

// banks serves both.
func banks(ctx context.Context, folder string) (http.Handler, error) {
	mux := http.NewServeMux()
	giro, err := service.Open(ctx, folder, "giro", giroSchema)
	if err != nil {
		return nil, err
	}
	serveGiro(mux, giro)
	savings, err := service.Open(ctx, folder, "savings", savingsSchema)
	if err != nil {
		return nil, err
	}
	serveSavings(mux, savings)
	return mux, nil
}

// Transfer is what the saga begins with. Its id names it in the books of both banks.
type Transfer struct {
	ID    string `json:"transfer"`
	From  string `json:"from"`
	To    string `json:"to"`
	Cents int64  `json:"cents"`
}

// done is the answer of a call that has nothing to tell.
var done = struct{}{}
