package server_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/server"
)

const (
	shopToken  = "the-token-of-the-shop"
	shopSecond = "the-next-token-of-the-shop"
	deskSecret = "the-secret-of-the-help-desk"
	output     = `{"order":{"id":"1001","secret":"canary","lines":[{"sku":"a"},2]},"tracking":{"no":7,"at":1.50},"total":12.90,"note":"canary"}`
)

// statuses are executions that run, ended well and failed, of any machine; every other name is unknown.
func statuses(asked *[]*api.DescribeExecutionInput) *fake {
	f := newFake()
	f.describe = func(_ context.Context, in *api.DescribeExecutionInput) (*api.DescribeExecutionOutput, error) {
		*asked = append(*asked, in)
		out := &api.DescribeExecutionOutput{ExecutionArn: in.ExecutionArn, Status: api.ExecutionStatusRunning}
		text := output
		switch name := in.ExecutionArn[strings.LastIndexByte(in.ExecutionArn, ':')+1:]; name {
		case "runs":
			return out, nil
		case "failed":
			cause := "canary"
			out.Status, out.Error, out.Cause = api.ExecutionStatusFailed, &cause, &cause
			return out, nil
		case "list":
			text = `["canary"]`
		case "shallow":
			text = `{"order":7,"tracking":null,"tracking":"again"}`
		case "done", "größe (1)":
		case "down":
			return nil, api.Errorf(api.CodeServiceUnavailable, "canary")
		case "broken":
			return nil, errors.New("canary")
		case "panics":
			panic("canary")
		default:
			return nil, api.ExecutionDoesNotExist(in.ExecutionArn)
		}
		out.Status = api.ExecutionStatusSucceeded
		if in.IncludedData != api.IncludedDataMetadataOnly {
			out.Output = &text
		}
		return out, nil
	}
	return f
}

func statusConfig(f *fake) server.Config {
	return server.Config{Service: f, Region: "us-east-1", Account: "123456789012", Status: []server.StatusRule{
		{Machines: []string{"Order", "Ship*"}, Tokens: []string{shopToken, shopSecond}, Output: []string{"order.id", "tracking", "order.lines", "tracking.no", "gone"}, RetryAfter: 1500 * time.Millisecond},
		{Machines: []string{"*"}, Header: "x-desk-key", Secret: deskSecret},
		{Machines: []string{"Refund"}, Tokens: []string{shopToken}, Output: []string{"total"}},
	}}
}

// check asks at a path of the status, and gives the answer.
func check(t *testing.T, url, path string, headers ...string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url+"/status/"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return send(t, r)
}

func TestStatus(t *testing.T) {
	var asked []*api.DescribeExecutionInput
	_, url := open(t, statusConfig(statuses(&asked)))
	shop, second, desk := []string{"Authorization", "Bearer " + shopToken}, []string{"Authorization", "bearer  " + shopSecond}, []string{"X-Desk-Key", deskSecret}
	for _, c := range []struct {
		path    string
		headers []string
		status  int
		body    string
		wait    string
	}{
		{"Order/runs", shop, 202, `{"status":"RUNNING"}`, "2"},
		{"Order/runs", second, 202, `{"status":"RUNNING"}`, "2"},
		{"Order/runs", desk, 202, `{"status":"RUNNING"}`, "5"},
		{"Order/done", shop, 200, `{"status":"SUCCEEDED","output":{"order":{"id":"1001","lines":[{"sku":"a"},2]},"tracking":{"no":7,"at":1.50}}}`, ""},
		{"Shipping-2/done", shop, 200, `{"status":"SUCCEEDED","output":{"order":{"id":"1001","lines":[{"sku":"a"},2]},"tracking":{"no":7,"at":1.50}}}`, ""},
		{"Refund/done", shop, 200, `{"status":"SUCCEEDED","output":{"total":12.90}}`, ""},
		{"Order/list", shop, 200, `{"status":"SUCCEEDED"}`, ""},
		{"Order/shallow", shop, 200, `{"status":"SUCCEEDED","output":{"tracking":null,"tracking":"again"}}`, ""},
		{"Order/failed", shop, 200, `{"status":"FAILED"}`, ""},
		{"Order/done", desk, 200, `{"status":"SUCCEEDED"}`, ""},
		{"Order/gr%C3%B6%C3%9Fe%20(1)", shop, 404, `{"message":"There is no such execution."}`, ""}, // no name has a blank
		{"Anything/failed", desk, 200, `{"status":"FAILED"}`, ""},
		{"Order/down", shop, 503, `{"message":"Too many ask. Ask again later."}`, "1"},
	} {
		status, header, body := check(t, url, c.path, c.headers...)
		if status != c.status || body != c.body+"\n" || header.Get("Retry-After") != c.wait {
			t.Errorf("%s %v: %d %s, Retry-After %q", c.path, c.headers, status, body, header.Get("Retry-After"))
		}
		if header.Get("Cache-Control") != "no-store" || header.Get("Content-Type") != "application/json" || header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", c.path, header)
		}
	}
	for _, in := range asked {
		if plain := in.ExecutionArn == "arn:aws:states:us-east-1:123456789012:execution:Anything:failed"; plain && in.IncludedData != api.IncludedDataMetadataOnly {
			t.Errorf("asked for %+v, and nothing of it is shown", in)
		}
	}
	if first := asked[0]; first.ExecutionArn != "arn:aws:states:us-east-1:123456789012:execution:Order:runs" {
		t.Errorf("asked for %s", first.ExecutionArn)
	}
}

// Who is not let in learns nothing, and who is learns nothing of what its rules are not of.
func TestStatusTellsNothingElse(t *testing.T) {
	var asked []*api.DescribeExecutionInput
	_, url := open(t, statusConfig(statuses(&asked)))
	for _, headers := range [][]string{
		nil, {"Authorization", "Bearer " + shopToken + "x"}, {"Authorization", "Bearer"}, {"Authorization", "Bearer "}, {"Authorization", "Basic " + shopToken},
		{"Authorization", shopToken}, {"X-Desk-Key", ""}, {"X-Desk-Key", "wrong"}, {"X-Desk-Key", shopToken}, {"Authorization", "Bearer " + deskSecret},
		{"Authorization", "Bearer " + shopToken, "Authorization", "Bearer " + shopSecond}, {"X-Desk-Key", deskSecret, "X-Desk-Key", deskSecret},
	} {
		status, header, body := check(t, url, "Order/done", headers...)
		if status != 401 || header.Get("WWW-Authenticate") != "Bearer" || header.Get("Cache-Control") != "no-store" || strings.Contains(body, "Order") {
			t.Errorf("%v: %d %s %v", headers, status, body, header)
		}
	}
	if len(asked) > 0 {
		t.Errorf("the service was asked %v", asked)
	}
	shop := []string{"Authorization", "Bearer " + shopToken}
	_, want, wanted := check(t, url, "Order/unknown", shop...)
	asked = nil
	for _, path := range []string{"Payroll/done", "Payroll/unknown", "order/done", "Shi/done", "", "Order", "Order/", "/done", "Order/done/", "Order/done/more", "Order%2Fdone",
		"Order:done/done", "Order/do:ne", "Order/..%2Fdone", "Order%2FLabel/done", "Ship*/done", "Order/%00", "Order/%FF", "Order/" + strings.Repeat("x", 81), "Order/%3Cscript%3E"} {
		status, header, body := check(t, url, path, shop...)
		header.Set("Date", want.Get("Date"))
		if status != 404 || body != wanted || len(header) != len(want) {
			t.Errorf("%q: %d %s %v, want %s %v", path, status, body, header, wanted, want)
		}
	}
	if len(asked) > 0 {
		t.Errorf("the service was asked %v", asked)
	}
}

// The API's keys let nobody in here, and a token here is no key of the API.
func TestStatusIsApartFromKeys(t *testing.T) {
	var asked []*api.DescribeExecutionInput
	c := statusConfig(statuses(&asked))
	c.Keys = map[string]string{"AKIDEXAMPLE": "secret"}
	_, url := open(t, c)
	if status, _, body := check(t, url, "Order/runs", "Authorization", "Bearer "+shopToken); status != 202 {
		t.Errorf("with a token: %d %s", status, body)
	}
	r := newCall(url, "AWSStepFunctions.DescribeExecution", `{"executionArn":"`+executionArn+`"}`)
	r.Header.Set("Authorization", "Bearer "+shopToken)
	if status, _, body := send(t, r); status != 403 {
		t.Errorf("the API with a token: %d %s", status, body)
	}
	foreign, _ := http.NewRequest(http.MethodGet, url+"/status/Order/runs", nil)
	foreign.Header.Set("Authorization", "Bearer "+shopToken)
	foreign.Host = "evil.example.com"
	if status, _, body := send(t, foreign); status != 403 {
		t.Errorf("under a foreign name: %d %s", status, body)
	}
}

// Without a rule there is no status, and it is asked for by GET or HEAD alone.
func TestStatusIsOffByItself(t *testing.T) {
	var asked []*api.DescribeExecutionInput
	_, url := open(t, server.Config{Service: statuses(&asked)})
	if status, _, body := check(t, url, "Order/done"); status != 404 || !strings.Contains(body, "UnknownOperationException") || len(asked) > 0 {
		t.Errorf("%d %s", status, body)
	}
	_, url = open(t, statusConfig(statuses(&asked)))
	for method, want := range map[string]int{http.MethodHead: 200, http.MethodPost: 405, http.MethodDelete: 405, http.MethodPut: 405} {
		r, _ := http.NewRequest(method, url+"/status/Order/done", nil)
		r.Header.Set("Authorization", "Bearer "+shopToken)
		status, header, body := send(t, r)
		if status != want || want == 405 && header.Get("Allow") != "GET, HEAD" || method == http.MethodHead && body != "" {
			t.Errorf("%s: %d %s %v", method, status, body, header)
		}
	}
}

// What goes wrong within is told to nobody but the log.
func TestStatusHidesFaults(t *testing.T) {
	var asked []*api.DescribeExecutionInput
	var log syncBuffer
	c := statusConfig(statuses(&asked))
	c.Log = slog.New(slog.NewTextHandler(&log, nil))
	_, url := open(t, c)
	for _, name := range []string{"broken", "panics"} {
		status, header, body := check(t, url, "Order/"+name, "Authorization", "Bearer "+shopToken)
		id := header.Get("x-amzn-RequestId")
		if status != 500 || strings.Contains(body, "canary") || len(id) != 36 || !strings.Contains(log.String(), id) {
			t.Errorf("%s: %d %s %v\n%s", name, status, body, header, log.String())
		}
	}
	if strings.Contains(log.String(), shopToken) {
		t.Errorf("a token is in the log: %s", log.String())
	}
}

// Each rule is asked as often as its rate lets it be; strangers, however many,
// keep nobody else away.
func TestStatusRates(t *testing.T) {
	var now atomic.Int64
	var asked []*api.DescribeExecutionInput
	c := statusConfig(statuses(&asked))
	c.Now = func() time.Time { return time.UnixMilli(now.Load()) }
	c.Status[0].Rate = server.Rate{PerSecond: 2, Burst: 3}
	_, url := open(t, c)
	ask := func(n int, headers ...string) (got []int) {
		for range n {
			status, header, _ := check(t, url, "Order/runs", headers...)
			if status == 429 && header.Get("Retry-After") != "1" {
				t.Errorf("429 with %v", header)
			}
			got = append(got, status)
		}
		return slices.Compact(got)
	}
	if got := ask(100); !slices.Equal(got, []int{401, 429}) {
		t.Errorf("strangers: %v", got)
	}
	if got := ask(4, "Authorization", "Bearer "+shopToken); !slices.Equal(got, []int{202, 429}) || len(asked) != 3 {
		t.Errorf("the shop: %v, and %d questions", got, len(asked))
	}
	if got := ask(4, "X-Desk-Key", deskSecret); !slices.Equal(got, []int{202}) {
		t.Errorf("the help desk: %v", got)
	}
	now.Add(500)
	if got := ask(2, "Authorization", "Bearer "+shopSecond); !slices.Equal(got, []int{202, 429}) {
		t.Errorf("the shop half a second later: %v", got)
	}
	_, _, metrics := send(t, mustGet(t, url+"/metrics"))
	for _, want := range []string{`backstep_status_checks_total{code="202"} 8`, `backstep_status_checks_total{code="401"} 50`, `backstep_status_checks_total{code="429"} 52`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s in\n%s", want, metrics)
		}
	}
}

func mustGet(t *testing.T, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A rule that lets nobody in, or anybody, is refused.
func TestBadStatusRules(t *testing.T) {
	good := server.StatusRule{Machines: []string{"Order"}, Tokens: []string{shopToken}}
	for what, change := range map[string]func(*server.Config){
		"the region":           func(c *server.Config) { c.Account = "" },
		"of no state machine":  func(c *server.Config) { c.Status[0].Machines = nil },
		"no pattern of names":  func(c *server.Config) { c.Status[0].Machines = []string{"["} },
		"lets nobody in":       func(c *server.Config) { c.Status[0].Tokens = nil },
		"a token is empty":     func(c *server.Config) { c.Status[0].Tokens = []string{""} },
		"belong together":      func(c *server.Config) { c.Status[0].Header = "X-Key" },
		"let no call through":  func(c *server.Config) { c.Status[0].Rate = server.Rate{PerSecond: 1} },
		"and its secret belon": func(c *server.Config) { c.Status[0].Secret = "secret" },
	} {
		c := server.Config{Service: newFake(), Region: "us-east-1", Account: "123456789012", Status: []server.StatusRule{good}}
		change(&c)
		if _, err := server.New(c); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
