// Command approval is the services of a purchase that a person approves: a budget, an
// inbox for those who are asked, and purchasing, each with a database file of its own.
//
// Read main.go, then budget.go, inbox.go and purchasing.go.
package main

import (
	"context"
	"flag"
	"log"
	"net/http"

	"github.com/backstep/backstep/client"
	"github.com/backstep/backstep/examples/service"
	"github.com/backstep/backstep/participant"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9010", "where the services listen")
	data := flag.String("data", "data", "folder of their database files")
	endpoint := flag.String("backstep", client.DefaultEndpoint, "where Backstep is told what people have decided")
	flag.Parse()
	ctx := context.Background()
	handler, inbox, err := services(ctx, *data)
	if err != nil {
		log.Fatal(err)
	}
	backstep, err := client.New(client.Config{Endpoint: *endpoint})
	if err != nil {
		log.Fatal(err)
	}
	relay := &participant.Relay{Outbox: inbox.outbox, Send: backstep.Send}
	go func() { log.Fatal(relay.Run(ctx)) }()
	log.Fatal(http.ListenAndServe(*listen, handler))
}

// services serves all three, and gives the one that has something to tell Backstep.
func services(ctx context.Context, folder string) (http.Handler, *inbox, error) {
	mux := http.NewServeMux()
	budget, err := service.Open(ctx, folder, "budget", budgetSchema)
	if err != nil {
		return nil, nil, err
	}
	serveBudget(mux, budget)
	purchasing, err := service.Open(ctx, folder, "purchasing", purchasingSchema)
	if err != nil {
		return nil, nil, err
	}
	servePurchasing(mux, purchasing)
	people, err := service.Open(ctx, folder, "inbox", inboxSchema)
	if err != nil {
		return nil, nil, err
	}
	return mux, serveInbox(mux, people), nil
}

// Purchase is what the saga begins with.
type Purchase struct {
	ID                  string `json:"purchase"`
	Team                string `json:"team"`
	What                string `json:"what"`
	Cents               int64  `json:"cents"`
	AnswerWithinSeconds int64  `json:"answer_within_seconds"`
}

// done is the answer of a call that has nothing to tell.
var done = struct{}{}
