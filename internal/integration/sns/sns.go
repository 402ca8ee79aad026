// Package sns does the tasks that publish: sns:publish, to a webhook or to the
// log by configuration, or to a topic of an SNS endpoint.
//
// It refuses to know who reads a message, and never sends one twice of its own
// accord: what is sent again carries the same message id and idempotency key.
//
// Read sns.go (the handler), message.go (what is published), then webhook.go
// and endpoint.go (where it goes).
package sns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// Config is what a handler is made of.
type Config struct {
	Topics    map[string]Topic // by ARN, or by name
	Endpoint  string           // URL of an SNS endpoint for all other topics; "" for none
	Signer    Signer           // of requests to the endpoint; nil: unsigned
	StrictAWS bool             // receivers are told nothing that AWS does not tell
	Logger    *slog.Logger     // nil: slog.Default()
	Now       func() time.Time // of the timestamps in messages; nil: the clock
}

// Topic is where a topic's messages go: to a webhook, or, without one, to the
// log.
type Topic struct{ Webhook string }

// Signer signs a request of that body for an AWS service.
type Signer interface {
	Sign(r *http.Request, body []byte, service string) error
}

// Handler publishes messages. It may be used by many at once.
type Handler struct {
	topics   map[string]Topic
	endpoint string
	signer   Signer
	strict   bool
	log      *slog.Logger
	now      func() time.Time
	client   *integration.Client
}

// poolSize is the number of connections kept to one webhook, or to the endpoint.
const poolSize = 64

// New is a handler of the topics configured.
func New(c Config) *Handler {
	h := &Handler{
		topics: c.Topics, endpoint: c.Endpoint, signer: c.Signer, strict: c.StrictAWS, log: c.Logger, now: c.Now,
		client: integration.NewClient(integration.ClientConfig{PerHost: poolSize}),
	}
	if h.log == nil {
		h.log = slog.Default()
	}
	if h.now == nil {
		h.now = time.Now
	}
	return h
}

// Close lets go of the connections kept.
func (h *Handler) Close() { h.client.Close() }

// Call publishes a message and answers with its id.
func (h *Handler) Call(ctx context.Context, t integration.Task) (value.Text, error) {
	m, err := read(t)
	if err != nil {
		return value.Text{}, err
	}
	topic, known := h.topics[m.target]
	if !known {
		topic, known = h.topics[m.target[strings.LastIndexByte(m.target, ':')+1:]]
	}
	var receipt *receipt
	switch {
	case !known && h.endpoint != "":
		receipt, err = h.publish(ctx, m)
	case !known:
		err = refuse(http.StatusNotFound, "NotFound", "Topic does not exist", integration.NewRequestID(), integration.EffectNone)
	case topic.Webhook != "":
		receipt, err = h.post(ctx, m, topic.Webhook)
	default:
		receipt = h.note(m)
	}
	if err != nil {
		return value.Text{}, failure(m, err)
	}
	return receipt.result(), nil
}

// note publishes a message to the log.
func (h *Handler) note(m *message) *receipt {
	h.log.Info("message published", "topic", m.target, "message_id", m.id, "subject", m.subject, "message", m.text)
	return m.received()
}

// receipt is what the publisher is told.
type receipt struct {
	messageID string
	sequence  string // of a FIFO topic, else ""
	meta      integration.Metadata
}

func (r *receipt) result() value.Text {
	b := value.NewBuilder(4)
	b.Set("MessageId", value.NewString(r.messageID))
	r.meta.Set(b)
	if r.sequence != "" {
		b.Set("SequenceNumber", value.NewString(r.sequence))
	}
	return b.Object().Text()
}

// failure is an error as the caller is told it: a failure, or the context's
// error where that ended the call.
func failure(m *message, err error) error {
	var failed *integration.Error
	if errors.As(err, &failed) {
		return failed
	}
	var unsent *integration.SendError
	if !errors.As(err, &unsent) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("topic %s: %w", m.target, err)
	}
	return integration.NewError("SNS.SdkClientException", "Unable to execute HTTP request: "+unsent.Error(), unsent.Effect())
}

// refuse is a failure of the Publish operation. Errors that SNS has no name
// for are its general one.
func refuse(status int, code, message, id string, effect integration.Effect) *integration.Error {
	name, known := names[code]
	if !known {
		name = "AmazonSNSException"
	}
	cause := integration.ServiceError{Service: "AmazonSNS", Status: status, Code: code, Message: message, RequestID: id}.Cause()
	return integration.NewError("SNS."+name, cause, effect)
}

// names are the errors of Publish by their codes.
var names = map[string]string{
	"AuthorizationError":          "AuthorizationErrorException",
	"EndpointDisabled":            "EndpointDisabledException",
	"InternalError":               "InternalErrorException",
	"InvalidParameter":            "InvalidParameterException",
	"ParameterValueInvalid":       "InvalidParameterValueException",
	"InvalidSecurity":             "InvalidSecurityException",
	"KMSAccessDenied":             "KMSAccessDeniedException",
	"KMSDisabled":                 "KMSDisabledException",
	"KMSInvalidState":             "KMSInvalidStateException",
	"KMSNotFound":                 "KMSNotFoundException",
	"KMSOptInRequired":            "KMSOptInRequiredException",
	"KMSThrottling":               "KMSThrottlingException",
	"NotFound":                    "NotFoundException",
	"PlatformApplicationDisabled": "PlatformApplicationDisabledException",
	"Throttled":                   "ThrottledException",
	"ValidationException":         "ValidationException",
}
