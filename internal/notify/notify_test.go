package notify

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
)

var now = time.Date(2027, 1, 15, 8, 0, 0, 0, time.UTC)

func notice() *Notice {
	return &Notice{
		ID: "n-1", At: now, Machine: "Order", ARN: "arn:aws:states:us-east-1:123456789012:stateMachine:Order", Error: "BankDown", Count: 12,
		Link: "https://console.example.com/holds?error=BankDown&machine=Order", Command: "backstep hold list Order --error BankDown",
		First: []Hold{
			{
				Execution: "arn:aws:states:us-east-1:123456789012:execution:Order:1001", Name: "Order:1001", Number: "1", State: "Charge", Operation: "compensate", Error: "BankDown",
				Cause: "line\r\n.\r\nSubject: forged" + strings.Repeat("ü", 400), Since: now.Add(-time.Minute), Runbook: "https://wiki.example.com/charge",
			},
			{Execution: "arn:aws:states:us-east-1:123456789012:execution:Order:1002", Name: "Order:1002", Number: "quarantined", Operation: "quarantined", Cause: "broken", Since: now},
		},
	}
}

func TestWords(t *testing.T) {
	n := notice()
	if got := n.subject(); got != "12 holds wait for you: Order: BankDown" {
		t.Errorf("the subject is %s", got)
	}
	want := "12 holds wait for you: Order: BankDown\n\nOrder:1001, hold 1: Charge compensate, since 2027-01-15T07:59:00Z\n" +
		"  BankDown: line  .  Subject: forged" + strings.Repeat("ü", 276) + "…\n  https://wiki.example.com/charge\n\n" +
		"Order:1002, hold quarantined, since 2027-01-15T08:00:00Z\n  broken\n\nand 10 more\n\n" +
		"backstep hold list Order --error BankDown\nhttps://console.example.com/holds?error=BankDown&machine=Order\n"
	if got := n.text(); got != want {
		t.Errorf("the text is\n%s\nnot\n%s", got, want)
	}
	n.Count, n.Error, n.Link = 1, "", ""
	n.First = n.First[:1]
	if got := n.subject(); got != "1 hold waits for you: Order" {
		t.Errorf("the subject is %s", got)
	}
	if got := n.text(); strings.Contains(got, "more") || !strings.HasSuffix(got, "BankDown\n") {
		t.Errorf("the text is\n%s", got)
	}
	n.Machine = "A\r\nBcc: all@example.com"
	if strings.ContainsAny(n.subject(), "\r\n") {
		t.Errorf("the subject is %q", n.subject())
	}
}

func TestWebhook(t *testing.T) {
	status := http.StatusNoContent
	var got *http.Request
	var body []byte
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(status)
	}))
	defer web.Close()
	client := integration.NewClient(integration.ClientConfig{})
	defer client.Close()
	w := &Webhook{URL: web.URL + "/hook?key=canary", Secret: "secret", Client: client, Now: func() time.Time { return now }}
	if err := w.Tell(t.Context(), notice()); err != nil {
		t.Fatal(err)
	}
	at := got.Header.Get("Backstep-Timestamp")
	if at != "1800000000" || got.Header.Get("Backstep-Signature") != "v1="+sign("secret", at, body) || got.Header.Get("Idempotency-Key") != "n-1" ||
		got.Header.Get("Content-Type") != "application/json" || got.Method != http.MethodPost {
		t.Errorf("it was sent with %v", got.Header)
	}
	// as in RFC 4231's second case
	if sign("Jefe", "what do ya want for nothing?", nil) == sign("Jefe", "what do ya want for nothing", []byte("?")) {
		t.Error("the signature does not tell where the timestamp ends")
	}
	var p posted
	if err := json.Unmarshal(body, &p); err != nil || p.Count != 12 || len(p.Holds) != 2 || p.Holds[0].HoldID != "1" || p.Holds[0].Since != "2027-01-15T07:59:00Z" ||
		p.StateMachine != "Order" || p.Error != "BankDown" || p.Type != "backstep.holds" || p.ID != "n-1" || !strings.Contains(p.Text, "Order:1001") || p.Command == "" {
		t.Errorf("%+v, %v", p, err)
	}
	for _, status = range []int{http.StatusFound, http.StatusBadRequest, http.StatusInternalServerError} {
		if err := w.Tell(t.Context(), notice()); err == nil || strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), http.StatusText(status)) {
			t.Errorf("%d: %v", status, err)
		}
	}
	w.Secret, status = "", http.StatusOK
	if err := w.Tell(t.Context(), notice()); err != nil || got.Header.Get("Backstep-Signature") != "" || got.Header.Get("Backstep-Timestamp") != "" {
		t.Errorf("unsigned: %v, %v", got.Header, err)
	}
	web.Close()
	if err := w.Tell(t.Context(), notice()); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("nobody is there: %v", err)
	}
	w.URL = "http://a b/"
	if err := w.Tell(t.Context(), notice()); err == nil || strings.Contains(err.Error(), "a b") {
		t.Errorf("no address: %v", err)
	}
}

func TestTopic(t *testing.T) {
	failed := errors.New("no such topic")
	var subject, text string
	topic := Topic{Topic: "Alarms", Publish: func(_ context.Context, topic, id, s, body string) error {
		subject, text = s, body
		if topic != "Alarms" || id != "n-1" {
			return failed
		}
		return nil
	}}
	n := notice()
	n.Machine = "Bestellung-ü-" + strings.Repeat("x", 100)
	if err := topic.Tell(t.Context(), n); err != nil || len(subject) != 100 || !strings.HasPrefix(subject, "12 holds wait for you: Bestellung-?-x") || text != n.text() {
		t.Errorf("published were %q and %q, %v", subject, text, err)
	}
	topic.Topic = "Others"
	if err := topic.Tell(t.Context(), n); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
}
