package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/backstep/backstep/internal/integration"
)

// Webhook posts status changes to an address, each as EventBridge would hand it
// to a target. The webhook has a change once it has answered 2xx; it may hear of
// one twice, with the same id.
type Webhook struct {
	url, source string
	client      *integration.Client
	newID       func() string
	pause       time.Duration // before the second try
}

// NewWebhook is a destination that posts events of a source; newID draws their
// ids.
func NewWebhook(url, source string, client *integration.Client, newID func() string) *Webhook {
	return &Webhook{url: url, source: source, client: client, newID: newID, pause: firstPause}
}

// event is the envelope of an event.
type event struct {
	Version    string          `json:"version"`
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Time       string          `json:"time"`
	Region     string          `json:"region"`
	Resources  []string        `json:"resources"`
	Detail     json.RawMessage `json:"detail"`
}

// Write posts the changes one after another. The error is that of the last
// that was not taken.
func (w *Webhook) Write(ctx context.Context, changes []StatusChange) (written int, err error) {
	for _, c := range changes {
		body, failed := json.Marshal(event{
			"0", w.newID(), DetailType, w.source, c.Account, timeOf(c.At), c.Region, []string{c.Execution}, json.RawMessage(c.Detail),
		})
		if failed == nil {
			failed = insist(ctx, w.pause, passes, func() error { return w.post(ctx, body) })
		}
		if failed != nil {
			err = failed
			continue
		}
		written++
	}
	return written, err
}

func (w *Webhook) post(ctx context.Context, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return errors.New("the webhook's address is not valid")
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := w.client.Exchange(request, maxReply)
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	if answer.Status < 200 || answer.Status > 299 {
		return &refusal{status: answer.Status, code: "the webhook answered", message: answer.Reason}
	}
	return nil
}
