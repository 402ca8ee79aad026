package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/client"
)

// hook is a webhook of holds, and the one of a topic.
type hook struct {
	url string

	mu     sync.Mutex
	away   bool
	heard  []string // what was posted, in words
	topics []string // what was published
}

func openHook(t *testing.T) *hook {
	h := new(hook)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /hook", h.post)
	mux.HandleFunc("POST /topic", h.publish)
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	h.url = web.URL
	return h
}

func (h *hook) configuration() string {
	return "topics: {Alarms: {webhook: \"" + h.url + "/topic\"}}\nnotifications: {every: 1s, link: \"https://console.example.com\", topic: Alarms, webhook: {url: \"" +
		h.url + "/hook\", secret: canary}}\n"
}

func (h *hook) post(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var n struct {
		StateMachine string
		Error        string
		Count        int
		Holds        []struct{ ExecutionArn, HoldID, StateName, Operation, Runbook string }
		Link         string
	}
	mac := hmac.New(sha256.New, []byte("canary"))
	mac.Write([]byte(r.Header.Get("Backstep-Timestamp") + "." + string(body)))
	signed := "v1=" + hex.EncodeToString(mac.Sum(nil))
	h.mu.Lock()
	defer h.mu.Unlock()
	switch err := json.Unmarshal(body, &n); {
	case h.away:
		w.WriteHeader(http.StatusServiceUnavailable)
	case err != nil || r.Header.Get("Backstep-Signature") != signed || len(n.Holds) == 0:
		w.WriteHeader(http.StatusBadRequest)
	default:
		first := n.Holds[0]
		h.heard = append(h.heard, strings.Join([]string{n.StateMachine, n.Error, first.ExecutionArn, first.HoldID, first.StateName, first.Operation, first.Runbook, n.Link}, " "))
	}
}

func (h *hook) publish(w http.ResponseWriter, r *http.Request) {
	var n struct{ Subject string }
	body, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := json.Unmarshal(body, &n); err != nil {
		w.WriteHeader(http.StatusBadRequest)
	}
	h.topics = append(h.topics, n.Subject)
}

func (h *hook) sees(yes func() bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return yes()
}

// People are told of a hold although nobody could be told before the server was
// killed; what they decide goes on, and is told nobody else.
func TestHolds(t *testing.T) {
	t.Parallel()
	d, h := openDesk(t), openHook(t)
	h.away = true
	n := serveChild(t, d.configuration()+h.configuration())
	s := &sdk{newClient(n, "any", "any"), context.Background(), d}
	x := s.start(t, s.create(t, "saga", "saga", types.StateMachineTypeStandard), "held", `{"order": "bad"}`)
	await(t, "the webhook to be tried", func() bool { return strings.Contains(n.said.String(), "people can't be told") })
	await(t, "the topic to be told", func() bool { return h.sees(func() bool { return len(h.topics) == 1 }) })
	n.ended.Do(func() {
		n.asked.Do(func() {})
		n.process.Process.Kill()
		n.process.Wait()
	})
	if said := n.said.String(); !strings.Contains(said, "people can't be told") || !strings.Contains(said, "503") || strings.Contains(said, "canary") {
		t.Errorf("it said\n%s", said)
	}
	h.sees(func() bool { h.away = false; return true })
	n = serveFrom(t, n.data, d.configuration()+h.configuration())
	await(t, "the webhook to be told", func() bool { return h.sees(func() bool { return len(h.heard) > 0 }) })
	want := "saga OrderRefused " + *x + " 1 Book compensate https://wiki.example.com/orders https://console.example.com/holds?error=OrderRefused&machine=saga"
	if !slices.Equal(h.heard, []string{want}) || h.topics[0] != "1 hold waits for you: saga: OrderRefused" {
		t.Errorf("told were %q and %q", h.heard, h.topics)
	}
	c, err := client.New(client.Config{Endpoint: n.url})
	if err != nil {
		t.Fatal(err)
	}
	onHold := `backstep_executions_on_hold{machine="saga"} 1`
	if text := metrics(t, n); !strings.Contains(text, onHold) || !strings.Contains(text, "backstep_executions_quarantined 0") {
		t.Error("the metrics do not tell of the hold")
	}
	one := "1"
	_, err = c.ResolveHold(t.Context(), &api.ResolveHoldInput{ExecutionArn: *x, HoldId: &one, Verb: api.HoldVerbDone, Operator: "Ada", Reason: "cancelled by phone"})
	if err != nil {
		t.Fatal(err)
	}
	s.Client = newClient(n, "any", "any")
	if out := s.ended(t, x); out.Status != types.ExecutionStatusFailed {
		t.Errorf("it ended as %v", out.Status)
	}
	text := metrics(t, n)
	if strings.Contains(text, onHold) {
		t.Error("the metrics tell of a hold that is over")
	}
	if !strings.Contains(text, `backstep_hold_notices_total{channel="webhook",result="told"} 1`) {
		t.Error("the metrics do not tell of the message")
	}
	n.stop(t)
	if len(h.heard) != 1 {
		t.Errorf("told were %q", h.heard)
	}
}

// metrics are those of a server, as text.
func metrics(t *testing.T, n *node) string {
	t.Helper()
	answer, err := http.Get(n.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Strictly, a saga is refused, as by a server that is AWS and nothing more.
func TestStrictValidate(t *testing.T) {
	text := []byte(definition(t, "saga"))
	if findings := validate(text, false, false); len(findings) > 0 {
		t.Errorf("found were %+v", findings)
	}
	if findings := validate(text, false, true); len(findings) == 0 || !strings.Contains(findings[0].Message, "Saga") {
		t.Errorf("strictly, found were %+v", findings)
	}
}
