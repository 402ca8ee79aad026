// Command two-databases is two warehouses, each over a PostgreSQL database of its own,
// whose changes are prepared transactions. Both must have max_prepared_transactions
// greater than 0.
//
// Read main.go, then warehouse.go.
package main

import (
	"context"
	"flag"
	"log"
	"net/http"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9010", "where the warehouses listen")
	west := flag.String("west", "dbname=west", "the database of the one")
	east := flag.String("east", "dbname=east", "the database of the other")
	flag.Parse()
	mux := http.NewServeMux()
	for name, dsn := range map[string]string{"west": *west, "east": *east} {
		w, err := open(context.Background(), dsn)
		if err != nil {
			log.Fatalf("%s: %v", name, err)
		}
		mux.HandleFunc("POST /"+name+"/prepare", w.serve(w.prepare))
		mux.HandleFunc("POST /"+name+"/commit", w.serve(w.commit))
		mux.HandleFunc("POST /"+name+"/rollback", w.serve(w.rollback))
	}
	log.Fatal(http.ListenAndServe(*listen, mux))
}
