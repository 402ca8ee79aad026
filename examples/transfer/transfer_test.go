package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/backstep/backstep/examples/exampletest"
	"github.com/backstep/backstep/examples/service"
)

func TestMain(m *testing.M) { os.Exit(exampletest.Run(m)) }

func TestReadme(t *testing.T) { exampletest.ReadMe(t) }

func TestProven(t *testing.T) { exampletest.Proven(t, "transfer.asl.json") }

// total is what is in the accounts of both banks, at their opening and ever after.
const total = 100000 + 20000 + 0 + 5000

// clearing is the server, the two banks, and their books.
type clearing struct {
	*exampletest.Stage
	wire          *exampletest.Wire
	giro, savings *service.Service
}

func open(t *testing.T) *clearing {
	t.Helper()
	folder := t.TempDir()
	handler, err := banks(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	c := &clearing{wire: exampletest.Lay(t, handler)}
	for name, at := range map[string]**service.Service{"giro": &c.giro, "savings": &c.savings} {
		s, err := service.Open(t.Context(), folder, name, "")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.DB.Close() })
		*at = s
	}
	c.Stage = exampletest.Open(t, c.wire.Address)
	c.Create(t, "Transfer", "transfer.asl.json")
	return c
}

// accounts are a bank's, as it shows them.
func (c *clearing) accounts(t *testing.T, bank string) map[string]map[string]int64 {
	t.Helper()
	answer, err := http.Get("http://" + c.wire.Address + "/" + bank + "/accounts")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var all map[string]map[string]int64
	if err := json.NewDecoder(answer.Body).Decode(&all); err != nil {
		t.Fatal(err)
	}
	return all
}

// addsUp holds the books against themselves and each other, at any moment: each account
// has what it was opened with and what was booked; what is reserved and announced
// is what was tried; and no money is there before it was taken elsewhere.
func (c *clearing) addsUp(ctx context.Context) error {
	var opened, credited, debited, wrong int64
	err := c.savings.DB.QueryRowContext(ctx, `SELECT
		(SELECT SUM(cents) FROM accounts) - 5000,
		(SELECT COALESCE(SUM(cents), 0) FROM credits WHERE state = 'BOOKED'),
		(SELECT SUM(announced) FROM accounts) - (SELECT COALESCE(SUM(cents), 0) FROM credits WHERE state = 'TRIED')`).Scan(&opened, &credited, &wrong)
	if err != nil || opened != credited || wrong != 0 {
		return fmt.Errorf("savings: %d more than at the opening, %d were booked, %d announced and not tried, %v", opened, credited, wrong, err)
	}
	err = c.giro.DB.QueryRowContext(ctx, `SELECT
		120000 - (SELECT SUM(cents) FROM accounts),
		(SELECT COALESCE(SUM(cents), 0) FROM debits WHERE state = 'TAKEN'),
		(SELECT SUM(reserved) FROM accounts) - (SELECT COALESCE(SUM(cents), 0) FROM debits WHERE state = 'TRIED')`).Scan(&opened, &debited, &wrong)
	if err != nil || opened != debited || wrong != 0 {
		return fmt.Errorf("giro: %d less than at the opening, %d were taken, %d reserved and not tried, %v", opened, debited, wrong, err)
	}
	if credited > debited {
		return fmt.Errorf("%d were booked, and only %d taken", credited, debited)
	}
	return nil
}

// settled: nothing is under way any more, and all the money is there.
func (c *clearing) settled(t *testing.T) {
	t.Helper()
	if err := c.addsUp(t.Context()); err != nil {
		t.Error(err)
	}
	var sum int64
	for _, bank := range []string{"giro", "savings"} {
		for owner, a := range c.accounts(t, bank) {
			sum += a["Cents"]
			if a["Reserved"] != 0 || a["Announced"] != 0 {
				t.Errorf("%s at %s: %v", owner, bank, a)
			}
		}
	}
	if sum != total {
		t.Errorf("there are %d cents, and were %d", sum, total)
	}
}

func TestConfirmed(t *testing.T) {
	c := open(t)
	if end := c.Run(t, "Transfer", "t-1", Transfer{"t-1", "ann", "bob", 30000}); end != "SUCCEEDED" {
		t.Error(end)
	}
	want := []string{"Debit forward SUCCEEDED", "Credit forward SUCCEEDED", "Debit confirm CONFIRMED", "Credit confirm CONFIRMED"}
	if status, log := c.Saga(t, "Transfer:t-1"); status != "COMPLETED" || !slices.Equal(log, want) {
		t.Errorf("%s %q", status, log)
	}
	if ann, bob := c.accounts(t, "giro")["ann"], c.accounts(t, "savings")["bob"]; ann["Cents"] != 70000 || bob["Cents"] != 35000 {
		t.Errorf("%v, %v", ann, bob)
	}
	c.settled(t)
}

func TestCancelled(t *testing.T) {
	c := open(t)
	for name, tr := range map[string]struct {
		Transfer
		end string
	}{
		"t-2": {Transfer{"t-2", "bob", "ann", 20001}, "FAILED TooLittleMoney"},
		"t-3": {Transfer{"t-3", "ann", "eve", 500}, "FAILED NoSuchAccount"},
	} {
		if end := c.Run(t, "Transfer", name, tr.Transfer); end != tr.end {
			t.Errorf("%s: %s", name, end)
		}
		if status, log := c.Saga(t, "Transfer:"+name); status != "ABORTED" {
			t.Errorf("%s: %s %q", name, status, log)
		}
	}
	c.settled(t)
	if got := exampletest.Row(t, c.giro.DB, "SELECT state FROM debits"); got != "RELEASED" {
		t.Errorf("the debit is %s", got)
	}
}

// Between Try and Confirm the money is reserved: it is shown, and nobody else gets it.
func TestReservedMoneyIsShown(t *testing.T) {
	c := open(t)
	release := c.wire.Hold("/savings/credit/try")
	c.Start(t, "Transfer", "t-4", Transfer{"t-4", "bob", "ann", 15000})
	exampletest.Await(t, "the credit", func() bool { return c.wire.Calls("/savings/credit/try") == 1 })
	if bob := c.accounts(t, "giro")["bob"]; bob["Cents"] != 20000 || bob["Reserved"] != 15000 || bob["Available"] != 5000 {
		t.Error(bob)
	}
	if end := c.Run(t, "Transfer", "t-5", Transfer{"t-5", "bob", "ann", 5001}); end != "FAILED TooLittleMoney" {
		t.Error(end)
	}
	release()
	if end := c.End(t, "Transfer", "t-4"); end != "SUCCEEDED" {
		t.Error(end)
	}
	c.settled(t)
}

// Many transfers at once, of an account that has not enough for all, while answers are
// lost and the server is killed: the books add up all the time.
func TestAddsUpWhateverHappens(t *testing.T) {
	c := open(t)
	ctx, stop := context.WithCancel(t.Context())
	watched := make(chan error, 1)
	looks := 0
	go func() {
		for ; ctx.Err() == nil; looks++ {
			if err := c.addsUp(t.Context()); err != nil {
				watched <- err
				return
			}
			time.Sleep(2 * time.Millisecond)
		}
		watched <- nil
	}()
	for _, path := range []string{"/giro/debit/try", "/giro/debit/confirm", "/savings/credit/try", "/savings/credit/confirm"} {
		c.wire.Lose(path, 2)
	}
	const transfers = 40
	for i := range transfers {
		name := fmt.Sprintf("m-%d", i)
		from, to := "bob", "ann"
		if i%4 == 0 {
			to = "nobody"
		}
		c.Start(t, "Transfer", name, Transfer{name, from, to, 900})
		if i == transfers/2 {
			c.Crash(t)
		}
	}
	ends := map[string]int{}
	for i := range transfers {
		ends[c.End(t, "Transfer", fmt.Sprintf("m-%d", i))]++
	}
	stop()
	if err := <-watched; err != nil {
		t.Error(err)
	}
	c.settled(t)
	if booked := exampletest.Row(t, c.savings.DB, "SELECT COUNT(*) FROM credits WHERE state = 'BOOKED'"); booked != fmt.Sprint(ends["SUCCEEDED"]) || ends["SUCCEEDED"] == 0 || looks < 10 {
		t.Errorf("%s credits were booked; the transfers ended %v; the books were looked at %d times", booked, ends, looks)
	}
}
