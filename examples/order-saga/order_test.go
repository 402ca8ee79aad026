package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/backstep/backstep/examples/exampletest"
	"github.com/backstep/backstep/examples/service"
)

func TestMain(m *testing.M) { os.Exit(exampletest.Run(m)) }

func TestReadme(t *testing.T) { exampletest.ReadMe(t) }

func TestProven(t *testing.T) { exampletest.Proven(t, "order.asl.json") }

// TestShorter holds what the README says: in plain ASL an order without a courier takes
// several times as much.
func TestShorter(t *testing.T) {
	count := func(file string) (lines, catches int) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(text), "\n"), strings.Count(string(text), `"Catch"`)
	}
	lines, catches := count("order.asl.json")
	plain, wired := count("../order/order.asl.json")
	if 4*lines > plain || catches > 0 || wired == 0 {
		t.Errorf("%d lines with %d Catch, and %d with %d in plain ASL", lines, catches, plain, wired)
	}
}

// shop is the server, the services, and their books.
type shop struct {
	*exampletest.Stage
	wire  *exampletest.Wire
	books map[string]*service.Service
}

func open(t *testing.T) *shop {
	t.Helper()
	folder := t.TempDir()
	handler, err := services(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{wire: exampletest.Lay(t, handler), books: map[string]*service.Service{}}
	for _, name := range []string{"orders", "payments", "stock", "courier", "mail"} {
		if s.books[name], err = service.Open(t.Context(), folder, name, ""); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.books[name].DB.Close() })
	}
	s.Stage = exampletest.Open(t, s.wire.Address)
	s.Create(t, "OrderSaga", "order.asl.json")
	return s
}

func order(id, card, address, article string) Order {
	return Order{ID: id, Card: card, Address: address, Lines: []Line{{Article: "mug", Quantity: 2, Cents: 700}, {Article: article, Quantity: 1, Cents: 1999}}}
}

// holds compares what one service's books say.
func (s *shop) holds(t *testing.T, book, query, want string) {
	t.Helper()
	if got := exampletest.Row(t, s.books[book].DB, query); got != want {
		t.Errorf("%s: %s gives %s, want %s", book, query, got, want)
	}
}

// nothingLeft: of all orders that were undone nothing has stayed with anybody.
func (s *shop) nothingLeft(t *testing.T) {
	t.Helper()
	s.holds(t, "payments", "SELECT cents FROM cards WHERE number = 'ann'", "100000")
	s.holds(t, "stock", "SELECT SUM(free), (SELECT COUNT(*) FROM reserved) FROM stock", "101 0")
	s.holds(t, "courier", "SELECT COUNT(*) FROM parcels WHERE NOT cancelled", "0")
	s.holds(t, "mail", "SELECT COUNT(*) FROM mails", "0")
}

func (s *shop) ends(t *testing.T, o Order, want, saga string, log ...string) {
	t.Helper()
	if got := s.Run(t, "OrderSaga", o.ID, o); got != want {
		t.Errorf("order %s ended %s, want %s", o.ID, got, want)
	}
	status, rows := s.Saga(t, "OrderSaga:"+o.ID)
	if status != saga || log != nil && !slices.Equal(rows, log) {
		t.Errorf("order %s: saga %s\n%s\nwant %s\n%s", o.ID, status, strings.Join(rows, "\n"), saga, strings.Join(log, "\n"))
	}
}

func TestOrderGoesWell(t *testing.T) {
	s := open(t)
	s.ends(t, order("o-1", "ann", "Elm Street 1", "bowl"), "SUCCEEDED", "COMPLETED")
	s.holds(t, "orders", "SELECT status, cents FROM orders", "COMPLETE 3399")
	s.holds(t, "payments", "SELECT cents FROM cards WHERE number = 'ann'", "96601")
	s.holds(t, "mail", "SELECT COUNT(*) FROM mails", "1")
	s.ends(t, order("o-1b", "bob", "Elm Street 1", "bowl"), "FAILED CardDeclined", "ABORTED",
		"Save forward SUCCEEDED", "Charge forward FAILED", "Save compensate COMPENSATED")
	s.holds(t, "orders", "SELECT status FROM orders WHERE id = 'o-1b'", "CANCELLED")
}

func TestWhatFailsLeavesNothingBehind(t *testing.T) {
	s := open(t)
	s.ends(t, order("o-2", "bob", "Elm Street 1", "bowl"), "FAILED CardDeclined", "ABORTED")
	s.ends(t, order("o-3", "ann", "Elm Street 1", "plate"), "FAILED OutOfStock", "ABORTED",
		"Save forward SUCCEEDED", "Charge forward SUCCEEDED", "Reserve forward FAILED", "Charge compensate COMPENSATED", "Save compensate COMPENSATED")
	s.ends(t, order("o-4", "ann", "", "vase"), "FAILED NoSuchAddress", "ABORTED")
	s.holds(t, "orders", "SELECT COUNT(*) FROM orders WHERE status != 'CANCELLED'", "0")
	s.nothingLeft(t)
}

// An answer that is lost is asked for again, with the same key: the parcel is booked once.
func TestLostAnswerIsAskedForAgain(t *testing.T) {
	s := open(t)
	s.wire.Lose("/courier/book", 1)
	s.ends(t, order("o-5", "ann", "Elm Street 1", "bowl"), "SUCCEEDED", "COMPLETED")
	s.holds(t, "courier", "SELECT COUNT(*), SUM(cancelled) FROM parcels", "1 0")
	if n := s.wire.Calls("/courier/book"); n != 2 {
		t.Errorf("the courier was called %d times", n)
	}
}

// The courier has booked the parcel, and nobody ever hears: the step's outcome is
// unknown, and it is undone nevertheless.
func TestTimedOutAfterItsEffect(t *testing.T) {
	s := open(t)
	s.wire.Lose("/courier/book", 2)
	s.ends(t, order("o-6", "ann", "Elm Street 1", "vase"), "FAILED States.Timeout", "ABORTED",
		"Save forward SUCCEEDED", "Charge forward SUCCEEDED", "Reserve forward SUCCEEDED", "Ship forward UNKNOWN",
		"Ship compensate COMPENSATED", "Reserve compensate COMPENSATED", "Charge compensate COMPENSATED", "Save compensate COMPENSATED")
	s.holds(t, "courier", "SELECT COUNT(*), SUM(cancelled) FROM parcels", "1 1")
	s.nothingLeft(t)
}

// The card takes nothing back: the refund waits for a person, and nothing that comes
// before it is forgotten.
func TestRefundThatFailsIsHeld(t *testing.T) {
	s := open(t)
	for _, name := range []string{"o-7", "o-8"} {
		o := order(name, "eve-once", "", "vase")
		if _, err := s.books["payments"].DB.Exec("UPDATE cards SET closed = 0 WHERE number = 'eve-once'"); err != nil {
			t.Fatal(err)
		}
		s.Start(t, "OrderSaga", name, o)
		s.Held(t, "OrderSaga", name)
	}
	status, log := s.Saga(t, "OrderSaga:o-7")
	if status != "ON_HOLD" || slices.Contains(log, "Save compensate COMPENSATED") || !slices.Contains(log, "Reserve compensate COMPENSATED") {
		t.Errorf("%s %q", status, log)
	}

	// One is paid back by another way, by a function of the shop.
	s.Do(t, "hold", "resolve", "OrderSaga:o-7", s.Held(t, "OrderSaga", "o-7"), "--reason", "her card is closed, she has told her account",
		"--alternate", "arn:aws:lambda:us-east-1:123456789012:function:RefundByTransfer")
	if end := s.End(t, "OrderSaga", "o-7"); end != "FAILED NoSuchAddress" {
		t.Error(end)
	}
	s.holds(t, "payments", "SELECT refunded FROM charges WHERE order_id = 'o-7'", "transfer")

	// For the other one the bank opens the card again.
	if _, err := s.books["payments"].DB.Exec("UPDATE cards SET closed = 0 WHERE number = 'eve-once'"); err != nil {
		t.Fatal(err)
	}
	s.Do(t, "hold", "resolve", "OrderSaga:o-8", s.Held(t, "OrderSaga", "o-8"), "--reason", "the card is open again", "--retry")
	if end := s.End(t, "OrderSaga", "o-8"); end != "FAILED NoSuchAddress" {
		t.Error(end)
	}
	s.holds(t, "payments", "SELECT refunded FROM charges WHERE order_id = 'o-8'", "card")
	s.holds(t, "payments", "SELECT cents FROM cards WHERE number = 'eve-once'", "96601") // o-7's came by transfer
	for _, name := range []string{"o-7", "o-8"} {
		if status, _ := s.Saga(t, "OrderSaga:"+name); status != "ABORTED" {
			t.Errorf("%s: %s", name, status)
		}
	}
	s.nothingLeft(t)
}

// A server that dies in the middle undoes what it has to when it is there again.
func TestServerDiesWhileItUndoes(t *testing.T) {
	s := open(t)
	s.wire.Lose("/payments/refund", 1)
	s.Start(t, "OrderSaga", "o-9", order("o-9", "ann", "", "vase"))
	exampletest.Await(t, "the refund", func() bool { return s.wire.Calls("/payments/refund") == 1 })
	s.Crash(t)
	if end := s.End(t, "OrderSaga", "o-9"); end != "FAILED NoSuchAddress" {
		t.Error(end)
	}
	s.holds(t, "orders", "SELECT status FROM orders", "CANCELLED")
	s.nothingLeft(t)
}
