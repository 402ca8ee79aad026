package sns

import (
	"bytes"
	"context"
	"net/http"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// maxReply is what of a webhook's answer is read; nothing of it is used.
const maxReply = 64 << 10

// post publishes a message to a webhook, as SNS notifies over HTTP. The webhook
// has the message once it has answered 2xx.
func (h *Handler) post(ctx context.Context, m *message, webhook string) (*receipt, error) {
	body := h.notification(m)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, webhook, bytes.NewReader(body))
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "InvalidParameter", "Invalid parameter: the webhook's address", integration.NewRequestID(), integration.EffectNone)
	}
	request.Header.Set("Content-Type", "text/plain; charset=UTF-8")
	request.Header.Set("X-Amz-Sns-Message-Type", "Notification")
	request.Header.Set("X-Amz-Sns-Message-Id", m.id)
	request.Header.Set("X-Amz-Sns-Topic-Arn", m.target)
	if !h.strict {
		m.task.SetHeaders(request.Header)
	}
	answer, err := h.client.Exchange(request, maxReply)
	if err != nil {
		return nil, err
	}
	if answer.Status < 200 || answer.Status > 299 {
		return nil, refuse(answer.Status, webhookCode(answer.Status), "The webhook answered "+http.StatusText(answer.Status), integration.NewRequestID(), answer.Effect())
	}
	return m.received(), nil
}

// webhookCode is SNS's code for what a webhook's status tells.
func webhookCode(status int) string {
	switch {
	case status == http.StatusTooManyRequests:
		return "Throttled"
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return "AuthorizationError"
	case status == http.StatusNotFound, status == http.StatusGone:
		return "NotFound"
	case status >= 500:
		return "InternalError"
	}
	return http.StatusText(status)
}

// notification is a message as SNS words it for a subscriber.
func (h *Handler) notification(m *message) []byte {
	b := value.NewBuilder(7)
	set := func(name, v string) { b.Set(name, value.NewString(v)) }
	set("Type", "Notification")
	set("MessageId", m.id)
	set("TopicArn", m.target)
	if m.subject != "" {
		set("Subject", m.subject)
	}
	set("Message", m.text)
	set("Timestamp", h.now().UTC().Format("2006-01-02T15:04:05.000Z"))
	if len(m.attributes) > 0 {
		all := value.NewBuilder(len(m.attributes))
		for _, a := range m.attributes {
			all.Set(a.name, value.NewObject(
				value.Member{Name: "Type", Value: value.NewString(a.kind)},
				value.Member{Name: "Value", Value: value.NewString(a.value)}))
		}
		b.Set("MessageAttributes", all.Object())
	}
	return b.Object().Append(nil)
}
