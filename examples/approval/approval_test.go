package main

import (
	"database/sql"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/examples/exampletest"
	"github.com/backstep/backstep/participant"
)

func TestMain(m *testing.M) { os.Exit(exampletest.Run(m)) }

func TestReadme(t *testing.T) { exampletest.ReadMe(t) }

func TestProven(t *testing.T) { exampletest.Proven(t, "purchase.asl.json") }

// office is the server, the services, and their books.
type office struct {
	*exampletest.Stage
	wire   *exampletest.Wire
	folder string
	inbox  *inbox
	relay  *participant.Relay
}

func open(t *testing.T) *office {
	t.Helper()
	o := &office{folder: t.TempDir()}
	handler, inbox, err := services(t.Context(), o.folder)
	if err != nil {
		t.Fatal(err)
	}
	o.inbox, o.wire = inbox, exampletest.Lay(t, handler)
	o.Stage = exampletest.Open(t, o.wire.Address)
	o.relay = &participant.Relay{Outbox: inbox.outbox, Send: o.Client.Send}
	o.Create(t, "Purchase", "purchase.asl.json")
	return o
}

// send sends what the inbox has to tell.
func (o *office) send(t *testing.T) {
	t.Helper()
	if n, err := o.relay.Pass(t.Context()); err != nil || n == 0 {
		t.Errorf("%d messages were sent, %v", n, err)
	}
}

// decide is what a person does, and the answer that he gets.
func (o *office) decide(t *testing.T, purchase, what string) (status int, said string) {
	t.Helper()
	answer, err := http.Post("http://"+o.wire.Address+"/inbox/"+purchase+"/"+what+"?by=ada", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// asked waits until a request is in the inbox, and gives its token.
func (o *office) asked(t *testing.T, purchase string) (token string) {
	t.Helper()
	exampletest.Await(t, "the request", func() bool {
		return o.inbox.DB.QueryRow(`SELECT token FROM requests WHERE purchase = ?`, purchase).Scan(&token) == nil
	})
	return token
}

func (o *office) books(t *testing.T) string {
	t.Helper()
	var told []string
	for name, query := range map[string]string{"budget": "SELECT free FROM budgets", "purchasing": "SELECT COUNT(*) FROM orders"} {
		db, err := sql.Open("sqlite", filepath.Join(o.folder, name+".db"))
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, name+" "+exampletest.Row(t, db, query))
		db.Close()
	}
	slices.Sort(told)
	return strings.Join(told, ", ")
}

func (o *office) ended(t *testing.T, purchase, want, saga, books string, log ...string) {
	t.Helper()
	if end := o.End(t, "Purchase", purchase); end != want {
		t.Errorf("%s ended %s, want %s", purchase, end, want)
	}
	if status, rows := o.Saga(t, "Purchase:"+purchase); status != saga || !slices.Equal(rows, log) {
		t.Errorf("%s: %s %q", purchase, status, rows)
	}
	if got := o.books(t); got != books {
		t.Errorf("%s: %s, want %s", purchase, got, books)
	}
}

func purchase(id string, seconds int64) Purchase {
	return Purchase{ID: id, Team: "kitchen", What: "an espresso machine", Cents: 89900, AnswerWithinSeconds: seconds}
}

func TestApproved(t *testing.T) {
	o := open(t)
	o.Start(t, "Purchase", "p-1", purchase("p-1", 600))
	o.asked(t, "p-1")
	if books := o.books(t); books != "budget 10100, purchasing 0" {
		t.Error(books)
	}
	o.Crash(t) // the saga waits on, and the token is as good as before
	if status, said := o.decide(t, "p-1", "approve"); status != http.StatusOK {
		t.Error(status, said)
	}
	o.send(t)
	o.ended(t, "p-1", "SUCCEEDED", "COMPLETED", "budget 10100, purchasing 1",
		"Budget forward SUCCEEDED", "Ask forward SUCCEEDED", "Order forward SUCCEEDED")
	if status, said := o.decide(t, "p-1", "reject"); status != http.StatusConflict {
		t.Error("decided twice:", status, said)
	}
}

// A person's no is the task's own error: the step is FAILED and owes nothing, the
// budget is released.
func TestRejected(t *testing.T) {
	o := open(t)
	o.Start(t, "Purchase", "p-2", purchase("p-2", 600))
	o.asked(t, "p-2")
	o.decide(t, "p-2", "reject")
	o.send(t)
	o.ended(t, "p-2", "FAILED Rejected", "ABORTED", "budget 100000, purchasing 0",
		"Budget forward SUCCEEDED", "Ask forward FAILED", "Budget compensate COMPENSATED")
	if n := o.wire.Calls("/inbox/withdraw"); n != 0 {
		t.Error("a request that was rejected was withdrawn")
	}
}

// Nobody answers in time: the request is withdrawn, and the budget released.
func TestNobodyAnswers(t *testing.T) {
	o := open(t)
	o.Start(t, "Purchase", "p-3", purchase("p-3", 1))
	o.ended(t, "p-3", "FAILED States.Timeout", "ABORTED", "budget 100000, purchasing 0",
		"Budget forward SUCCEEDED", "Ask forward UNKNOWN", "Ask compensate COMPENSATED", "Budget compensate COMPENSATED")
	if status, said := o.decide(t, "p-3", "approve"); status != http.StatusConflict || !strings.Contains(said, "withdrawn") {
		t.Error(status, said)
	}
}

// Somebody approves in time, as he sees it, and Backstep hears of it too late: the
// approval is refused, it buys nothing, and the inbox tells why.
func TestApprovedTooLate(t *testing.T) {
	o := open(t)
	o.Start(t, "Purchase", "p-4", purchase("p-4", 4))
	token := o.asked(t, "p-4")
	if status, said := o.decide(t, "p-4", "approve"); status != http.StatusOK {
		t.Fatal(status, said)
	}
	log := []string{"Budget forward SUCCEEDED", "Ask forward UNKNOWN", "Ask compensate COMPENSATED", "Budget compensate COMPENSATED"}
	o.ended(t, "p-4", "FAILED States.Timeout", "ABORTED", "budget 100000, purchasing 0", log...)
	o.send(t)
	output := `{"by": "ada"}`
	_, err := o.Client.SendTaskSuccess(t.Context(), &api.SendTaskSuccessInput{TaskToken: token, Output: output})
	if api.CodeOf(err) != "TaskTimedOut" {
		t.Errorf("a late approval was answered by %v", err)
	}
	answer, err := http.Get("http://" + o.wire.Address + "/inbox")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	list, err := io.ReadAll(answer.Body)
	if err != nil || !strings.Contains(string(list), `"State":"WITHDRAWN"`) || !strings.Contains(string(list), "TaskTimedOut") || strings.Contains(string(list), token) {
		t.Errorf("the inbox shows %s, %v", list, err)
	}
	o.ended(t, "p-4", "FAILED States.Timeout", "ABORTED", "budget 100000, purchasing 0", log...)
}
