// Command trip is the four services that a trip is booked with: miles, an airline, a
// hotel and a car rental, each with a database file of its own.
//
// Read main.go, then miles.go, airline.go, hotel.go and cars.go.
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

// services serves all four.
func services(ctx context.Context, folder string) (http.Handler, error) {
	mux := http.NewServeMux()
	for name, of := range map[string]struct {
		schema string
		serve  func(*http.ServeMux, *service.Service)
	}{
		"miles":   {milesSchema, serveMiles},
		"airline": {airlineSchema, serveAirline},
		"hotel":   {hotelSchema, serveHotel},
		"cars":    {carsSchema, serveCars},
	} {
		s, err := service.Open(ctx, folder, name, of.schema)
		if err != nil {
			return nil, err
		}
		of.serve(mux, s)
	}
	return mux, nil
}

// Trip is what the saga begins with. Its id names what was booked for it everywhere.
type Trip struct {
	ID         string   `json:"trip"`
	Customer   string   `json:"customer"`
	Miles      int64    `json:"miles"`
	Flight     string   `json:"flight"`
	Travellers []string `json:"travellers"`
	Hotel      string   `json:"hotel"`
	Car        string   `json:"car"`
}

// done is the answer of a call that has nothing to tell.
var done = struct{}{}
