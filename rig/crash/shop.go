package main

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// operations are what the shop does, each a function of the server.
var operations = []string{"reserve", "release", "debit", "refund", "ship", "notify"}

// What a call came to.
const (
	done     = "done"     // the effect is there, by this call or an earlier one of its key
	nothing  = "nothing"  // an undo with nothing to undo
	refused  = "refused"  // the shop says no, for this key for good
	notNow   = "not now"  // 503, nothing happened
	cutOff   = "cut off"  // the effect is there, the answer was lost
	unsteady = "unsteady" // an undo that fails this time, nothing happened
)

// Row is one call that reached the shop.
type Row struct {
	Key       string `json:"key"`
	Execution string `json:"execution"`
	State     string `json:"state"`
	Operation string `json:"operation"`
	Order     Order  `json:"order"`
	Outcome   string `json:"outcome"`
	Moved     int    `json:"moved"` // the effect of this very call: an amount, or pieces
}

// Shop is all participants of the order sagas: it answers the server's calls,
// with faults, and keeps the ledger. One key has one effect, and a refusal is
// for good: what a key's first decision was, every later call hears.
type Shop struct {
	url    string
	flight atomic.Int64 // calls under way
	calm   atomic.Bool  // no more faults
	carry  func(order Order, token string)
	file   *os.File

	mu      sync.Mutex
	chance  *rand.Rand
	rows    []Row
	decided map[string]string // by key: done, nothing or refused
	paid    map[string]int    // by order id
	stock   map[string]int    // pieces set aside, by order id
}

// openShop listens on a port of its own. What is shipped is carried by carry,
// which must not block.
func openShop(ledger string, seed uint64, carry func(Order, string)) (*Shop, error) {
	file, err := os.OpenFile(ledger, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Shop{
		url: "http://" + l.Addr().String(), carry: carry, file: file,
		chance:  rand.New(rand.NewPCG(seed, 1)),
		decided: map[string]string{}, paid: map[string]int{}, stock: map[string]int{},
	}
	go http.Serve(l, s)
	return s, nil
}

// ServeHTTP answers one call.
func (s *Shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.flight.Add(1)
	defer s.flight.Add(-1)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the server died while it spoke: nothing has been asked
	}
	row := Row{
		Key: r.Header.Get("Idempotency-Key"), Execution: r.Header.Get("Backstep-Execution"), State: r.Header.Get("Backstep-State"),
		Operation: strings.TrimPrefix(r.URL.Path, "/"),
	}
	token, err := row.read(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	linger := s.decide(&row)
	if token != "" && (row.Outcome == done || row.Outcome == cutOff) {
		s.carry(row.Order, token)
	}
	time.Sleep(linger)
	answer(w, row)
}

// read takes the order, and the token where there is one, from the payload.
func (r *Row) read(body []byte) (token string, err error) {
	if r.Operation != "ship" {
		return "", json.Unmarshal(body, &r.Order)
	}
	var parcel struct {
		Order Order
		Token string
	}
	err = json.Unmarshal(body, &parcel)
	r.Order = parcel.Order
	return parcel.Token, err
}

// decide says what becomes of a call, writes it down, and tells how long the
// answer takes.
func (s *Shop) decide(r *Row) (linger time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	faulty := func(percent int) bool { return s.chance.IntN(100) < percent && !s.calm.Load() }
	linger = time.Duration(s.chance.IntN(4000)) * time.Microsecond
	if faulty(5) {
		linger = 50 * time.Millisecond
	}
	undo := r.Operation == "release" || r.Operation == "refund"
	known, decided := s.decided[r.Key]
	switch {
	case faulty(10):
		r.Outcome = notNow
	case decided:
		r.Outcome = known
	case faulty(10) && undo:
		r.Outcome = unsteady
	case !undo && faulty(10):
		r.Outcome = refused
		s.decided[r.Key] = refused
	default:
		r.Outcome, r.Moved = s.move(r)
		s.decided[r.Key] = r.Outcome
	}
	if r.Outcome == done && faulty(5) {
		r.Outcome = cutOff
	}
	s.write(*r)
	return linger
}

// move does what a key asks for the first time.
func (s *Shop) move(r *Row) (outcome string, moved int) {
	account, change := s.paid, r.Order.Amount
	if r.Operation == "reserve" || r.Operation == "release" {
		account, change = s.stock, 1
	}
	switch r.Operation {
	case "ship", "notify":
		return done, 0
	case "refund", "release":
		if account[r.Order.ID] == 0 {
			return nothing, 0
		}
		change = -account[r.Order.ID]
	}
	account[r.Order.ID] += change
	return done, change
}

// write adds a row to the ledger.
func (s *Shop) write(r Row) {
	s.rows = append(s.rows, r)
	text, err := json.Marshal(r)
	if err == nil {
		_, err = s.file.Write(append(text, '\n'))
	}
	if err != nil {
		panic("the ledger can't be written: " + err.Error())
	}
}

// answer tells the server what a call came to.
func answer(w http.ResponseWriter, r Row) {
	switch r.Outcome {
	case notNow:
		http.Error(w, `{"Message": "not now"}`, http.StatusServiceUnavailable)
		return
	case cutOff:
		panic(http.ErrAbortHandler)
	case refused:
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		io.WriteString(w, `{"errorType": "ShopRefused", "errorMessage": "no"}`)
		return
	case unsteady:
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		io.WriteString(w, `{"errorType": "ShopUnsteady", "errorMessage": "not this time"}`)
		return
	}
	io.WriteString(w, `{"outcome": "`+r.Outcome+`"}`)
}

// Ledger is what has been written down so far.
func (s *Shop) Ledger() []Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows[:len(s.rows):len(s.rows)]
}
