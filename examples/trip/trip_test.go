package main

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/backstep/backstep/examples/exampletest"
	"github.com/backstep/backstep/examples/service"
)

func TestMain(m *testing.M) { os.Exit(exampletest.Run(m)) }

func TestReadme(t *testing.T) { exampletest.ReadMe(t) }

func TestProven(t *testing.T) { exampletest.Proven(t, "trip.asl.json") }

// agency is the server, the services, and their books.
type agency struct {
	*exampletest.Stage
	wire  *exampletest.Wire
	books map[string]*service.Service
}

func open(t *testing.T) *agency {
	t.Helper()
	folder := t.TempDir()
	handler, err := services(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	a := &agency{wire: exampletest.Lay(t, handler), books: map[string]*service.Service{}}
	for _, name := range []string{"miles", "airline", "hotel", "cars"} {
		if a.books[name], err = service.Open(t.Context(), folder, name, ""); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { a.books[name].DB.Close() })
	}
	a.Stage = exampletest.Open(t, a.wire.Address)
	a.Create(t, "Trip", "trip.asl.json")
	return a
}

// booked is what a trip has everywhere: miles, seats, rooms, cars.
func (a *agency) booked(t *testing.T, trip string) string {
	t.Helper()
	count := func(book, query string) string { return exampletest.Row(t, a.books[book].DB, query, trip) }
	return fmt.Sprintf("%s miles, %s seats, %s rooms, %s cars", count("miles", "SELECT COALESCE(SUM(miles), 0) FROM taken WHERE trip = ?"),
		count("airline", "SELECT COUNT(*) FROM seats WHERE trip = ?"), count("hotel", "SELECT COUNT(*) FROM rooms WHERE trip = ?"),
		count("cars", "SELECT COUNT(*) FROM cars WHERE trip = ?"))
}

func (a *agency) ends(t *testing.T, trip Trip, want, saga, booked string) {
	t.Helper()
	if got := a.Run(t, "Trip", trip.ID, trip); got != want {
		t.Errorf("trip %s ended %s, want %s", trip.ID, got, want)
	}
	if status, log := a.Saga(t, "Trip:"+trip.ID); status != saga {
		t.Errorf("trip %s: %s %q", trip.ID, status, log)
	}
	if got := a.booked(t, trip.ID); got != booked {
		t.Errorf("trip %s has %s, want %s", trip.ID, got, booked)
	}
}

func trip(id, flight, hotel, car string, travellers ...string) Trip {
	return Trip{ID: id, Customer: "ann", Miles: 700, Flight: flight, Travellers: travellers, Hotel: hotel, Car: car}
}

const nothing = "0 miles, 0 seats, 0 rooms, 0 cars"

func TestAllOfItOrNothing(t *testing.T) {
	a := open(t)
	// Four travellers, and a flight of three seats: those of the others are given back, and so are room and car.
	a.ends(t, trip("t-1", "BS 7", "Astoria", "small", "ann", "bob", "cid", "dot"), "FAILED NoSeat", "ABORTED", nothing)
	a.ends(t, trip("t-2", "BS 7", "Grand", "small", "ann", "bob"), "FAILED NoRoom", "ABORTED", nothing)
	a.ends(t, trip("t-3", "BS 7", "Astoria", "boat", "ann", "bob"), "FAILED NoCar", "ABORTED", nothing)
	if miles := exampletest.Row(t, a.books["miles"].DB, "SELECT miles FROM accounts WHERE customer = 'ann'"); miles != "1000" {
		t.Errorf("ann has %s miles", miles)
	}
	a.ends(t, trip("t-4", "BS 7", "Ritz", "large", "ann", "bob", "cid"), "SUCCEEDED", "COMPLETED", "700 miles, 3 seats, 1 rooms, 1 cars")
	a.ends(t, trip("t-5", "BS 101", "Astoria", "small", "ann"), "FAILED TooFewMiles", "ABORTED", nothing)
}

// The car is refused while the hotel still works at its room: what is under way is
// awaited, then undone.
func TestWhatIsUnderWayIsUndone(t *testing.T) {
	a := open(t)
	release := a.wire.Hold("/hotel/book")
	a.Start(t, "Trip", "t-6", trip("t-6", "BS 101", "Ritz", "boat", "ann"))
	exampletest.Await(t, "the undo to begin", func() bool { return a.wire.Calls("/airline/cancel") == 1 && a.wire.Calls("/hotel/book") == 1 })
	if n := a.wire.Calls("/hotel/cancel"); n != 0 {
		t.Error("the room was cancelled before anybody knew of it")
	}
	release()
	if end := a.End(t, "Trip", "t-6"); end != "FAILED NoCar" {
		t.Error(end)
	}
	if got := a.booked(t, "t-6"); got != nothing || a.wire.Calls("/hotel/cancel") != 1 {
		t.Errorf("%s, %d cancellations of the room", got, a.wire.Calls("/hotel/cancel"))
	}
}

// Of two trips of one customer the second waits until the first is over, undo and all:
// it never sees miles that are taken and then given back.
func TestOneTripAtATime(t *testing.T) {
	a := open(t)
	release := a.wire.Hold("/cars/rent")
	a.Start(t, "Trip", "t-7", trip("t-7", "BS 101", "Astoria", "boat", "ann"))
	exampletest.Await(t, "the first trip's car", func() bool { return a.wire.Calls("/cars/rent") == 1 })
	a.Start(t, "Trip", "t-8", trip("t-8", "BS 101", "Astoria", "small", "ann"))
	other := trip("t-9", "BS 101", "Ritz", "small", "bob")
	other.Customer = "bob"
	a.Start(t, "Trip", "t-9", other)
	exampletest.Await(t, "the other customer's car", func() bool { return a.wire.Calls("/cars/rent") == 2 })
	time.Sleep(200 * time.Millisecond)
	if n := a.wire.Calls("/miles/take"); n != 2 {
		t.Errorf("miles were taken %d times, though the first trip has the lock", n)
	}
	release()
	for name, want := range map[string]string{"t-7": "FAILED NoCar", "t-8": "SUCCEEDED", "t-9": "SUCCEEDED"} {
		if end := a.End(t, "Trip", name); end != want {
			t.Errorf("%s: %s, want %s", name, end, want)
		}
	}
	if log := a.booked(t, "t-8"); log != "700 miles, 1 seats, 1 rooms, 1 cars" {
		t.Error(log)
	}
}

// A server that dies while all is under way finds out what was booked, and goes on.
func TestServerDies(t *testing.T) {
	a := open(t)
	a.wire.Lose("/airline/book", 1)
	a.wire.Lose("/cars/rent", 1)
	a.Start(t, "Trip", "t-10", trip("t-10", "BS 7", "Ritz", "large", "ann", "bob"))
	exampletest.Await(t, "calls that nobody answers", func() bool { return a.wire.Calls("/airline/book") == 2 && a.wire.Calls("/cars/rent") == 1 })
	a.Crash(t)
	if end := a.End(t, "Trip", "t-10"); end != "SUCCEEDED" {
		t.Error(end)
	}
	if got := a.booked(t, "t-10"); got != "700 miles, 2 seats, 1 rooms, 1 cars" {
		t.Error(got)
	}
	_, log := a.Saga(t, "Trip:t-10")
	if slices.Contains(log, "Miles compensate COMPENSATED") {
		t.Error(log)
	}
}
