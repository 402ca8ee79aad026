package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/backstep/backstep/internal/integration"
)

// Webhook posts notices to an address as JSON. Where it has a secret, receivers
// know by a signature that a notice is ours: Backstep-Signature is v1= and the
// HMAC-SHA256, in hex, of the text of Backstep-Timestamp, a dot and the body.
type Webhook struct {
	URL    string
	Secret string // "": unsigned
	Client *integration.Client
	Now    func() time.Time
}

// Bounds of one post.
const (
	postTime = 10 * time.Second
	maxReply = 64 << 10
)

// posted is a notice as a webhook gets it.
type posted struct {
	Type            string       `json:"type"`
	ID              string       `json:"id"`
	Time            string       `json:"time"`
	StateMachine    string       `json:"stateMachine"`
	StateMachineARN string       `json:"stateMachineArn"`
	Error           string       `json:"error,omitempty"`
	Count           int          `json:"count"`
	Holds           []postedHold `json:"holds"`
	Link            string       `json:"link,omitempty"`
	Command         string       `json:"command"`
	Text            string       `json:"text"`
}

type postedHold struct {
	ExecutionARN string `json:"executionArn"`
	HoldID       string `json:"holdId"`
	StateName    string `json:"stateName,omitempty"`
	Operation    string `json:"operation"`
	Error        string `json:"error,omitempty"`
	Cause        string `json:"cause,omitempty"`
	Since        string `json:"since"`
	Runbook      string `json:"runbook,omitempty"`
	Link         string `json:"link,omitempty"`
}

// Tell posts a notice. The webhook has it once it has answered 2xx.
func (w *Webhook) Tell(ctx context.Context, n *Notice) error {
	body, err := json.Marshal(n.posted())
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, postTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return errors.New("the webhook's address is not valid")
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", n.ID)
	if w.Secret != "" {
		at := strconv.FormatInt(w.Now().Unix(), 10)
		request.Header.Set("Backstep-Timestamp", at)
		request.Header.Set("Backstep-Signature", "v1="+sign(w.Secret, at, body))
	}
	answer, err := w.Client.Exchange(request, maxReply)
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	if answer.Status < 200 || answer.Status > 299 {
		return fmt.Errorf("the webhook answered %d %s", answer.Status, answer.Reason)
	}
	return nil
}

func sign(secret, at string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(at + "."))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

func (n *Notice) posted() *posted {
	p := &posted{
		Type: "backstep.holds", ID: n.ID, Time: n.At.UTC().Format(time.RFC3339), StateMachine: n.Machine, StateMachineARN: n.ARN, Error: n.Error,
		Count: n.Count, Link: n.Link, Command: n.Command, Text: n.text(),
	}
	for i := range n.First {
		h := &n.First[i]
		p.Holds = append(p.Holds, postedHold{
			h.Execution, h.Number, h.State, h.Operation, h.Error, clip(h.Cause, maxCause), h.Since.UTC().Format(time.RFC3339), h.Runbook, h.Link,
		})
	}
	return p
}
