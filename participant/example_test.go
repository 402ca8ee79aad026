package participant_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os/signal"
	"syscall"
	"time"

	"github.com/backstep/backstep/client"
	"github.com/backstep/backstep/participant"
)

var db *sql.DB // the service's own database

// Read what comes with a call by HTTP.
func ExampleCallFromRequest() {
	r := httptest.NewRequest(http.MethodPost, "/refund", nil)
	r.Header.Set("Idempotency-Key", "aatqdip3ag7izp2s3pv4nqc62m-1:compensate")
	r.Header.Set("Backstep-Operation", "compensate")
	r.Header.Set("Backstep-Forward-Key", "aatqdip3ag7izp2s3pv4nqc62m-1")
	r.Header.Set("Backstep-State", "Charge")

	call, err := participant.CallFromRequest(r)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(call.Operation, call.State, call.Step())
	// Output: compensate Charge aatqdip3ag7izp2s3pv4nqc62m-1
}

// What is not a call of Backstep's says why.
func ExampleCallFromAttributes() {
	_, err := participant.CallFromAttributes(map[string]string{"Idempotency-Key": "order 17", "Backstep-Operation": "forward"})
	fmt.Println(errors.Is(err, participant.ErrCall))
	fmt.Println(err)
	// Output:
	// true
	// not a call of Backstep: Idempotency-Key: "order 17" is not of the form STEP, STEP:compensate or STEP:confirm, with STEP of 1 to 64 characters of A-Z a-z 0-9 _ -
}

// A service by HTTP: the handler works in the barrier's transaction and knows nothing
// of repeats.
func ExampleBarrier_Wrap() {
	ctx := context.Background()
	if err := participant.CreateTables(ctx, db, participant.PostgreSQL); err != nil {
		log.Fatal(err)
	}
	barrier := participant.NewBarrier(db, participant.PostgreSQL)
	charge := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var order struct {
			Customer string
			Cents    int64
		}
		if err := json.NewDecoder(r.Body).Decode(&order); err != nil {
			http.Error(w, "the order is no JSON", http.StatusBadRequest) // refused for good
			return
		}
		tx := participant.TxFrom(r.Context())
		result, err := tx.ExecContext(r.Context(), `UPDATE accounts SET cents = cents - $1 WHERE customer = $2 AND cents >= $1`, order.Cents, order.Customer)
		if err != nil {
			http.Error(w, "not now", http.StatusServiceUnavailable) // rolled back; the repeat tries anew
			return
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			http.Error(w, "not enough money", http.StatusConflict) // rolled back, and said again to every repeat
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"charged":true}`)
	})
	http.Handle("POST /charge", barrier.Wrap(charge))
	log.Fatal(http.ListenAndServe("127.0.0.1:9000", nil))
}

// A function, or whoever reads messages: the call comes as a map, and the answer is
// the caller's to send.
func ExampleBarrier_Do() {
	ctx := context.Background()
	barrier := participant.NewBarrier(db, participant.SQLite)
	custom := map[string]string{ // of the function's client context
		"Idempotency-Key": "aatqdip3ag7izp2s3pv4nqc62m-1", "Backstep-Operation": "forward",
	}
	call, err := participant.CallFromAttributes(custom)
	if err != nil {
		log.Fatal(err)
	}
	answer, err := barrier.Do(ctx, call, func(ctx context.Context, tx *sql.Tx) (participant.Answer, error) {
		result, err := tx.ExecContext(ctx, `UPDATE stock SET free = free - 1 WHERE item = ? AND free > 0`, "mug")
		if err != nil {
			return participant.Answer{}, err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return participant.Answer{Refused: true, Body: []byte("OutOfStock")}, err
		}
		return participant.Answer{Body: []byte(`{"reserved":true}`)}, nil
	})
	switch {
	case errors.Is(err, participant.ErrHanging):
		fmt.Println("refused: the step has been undone")
	case err != nil:
		fmt.Println("nobody knows; the call is sent again:", err)
	case answer.Refused:
		fmt.Printf("refused: %s\n", answer.Body)
	default:
		fmt.Printf("%s\n", answer.Body)
	}
}

// In the transaction that takes an order, record that its saga is to be started.
func ExampleOutbox() {
	ctx := context.Background()
	outbox := participant.NewOutbox(db, participant.MySQL)
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, `INSERT INTO orders (id, cents) VALUES (?, ?)`, "order-17", 1200); err != nil {
		log.Fatal(err)
	}
	err = outbox.Record(ctx, tx, "order-17", participant.StartExecution{
		StateMachineArn: "arn:aws:states:us-east-1:123456789012:stateMachine:Order",
		Name:            "order-17", // makes it one execution, however often it is sent
		Input:           `{"order":"order-17","cents":1200}`,
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		log.Fatal(err)
	}
}

// Send what the outbox keeps until the process is asked to stop.
func ExampleRelay() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	backstep, err := client.New(client.Config{Endpoint: "http://127.0.0.1:8083"})
	if err != nil {
		log.Fatal(err)
	}
	relay := &participant.Relay{Outbox: participant.NewOutbox(db, participant.PostgreSQL), Send: backstep.Send}
	if err := relay.Run(ctx); err != nil {
		log.Fatal(err)
	}
}

// Take away what nobody asks for any more, once a day.
func ExampleBarrier_Purge() {
	barrier := participant.NewBarrier(db, participant.PostgreSQL)
	const age = 180 * 24 * time.Hour // longer than any execution runs and its history is kept
	for {
		n, err := barrier.Purge(context.Background(), age, participant.MaxPurge)
		if err != nil {
			log.Fatal(err)
		}
		if n < participant.MaxPurge {
			break
		}
	}
}
