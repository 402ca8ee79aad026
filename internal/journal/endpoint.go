package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/backstep/backstep/internal/integration"
)

// Signer signs requests to AWS.
type Signer interface {
	Sign(r *http.Request, body []byte, service string) error
}

// Endpoint is a server of one of AWS's services that speaks JSON 1.1.
type Endpoint struct {
	URL    string
	Signer Signer
	Client *integration.Client

	pause time.Duration // before the second try; 0: firstPause
}

// Bounds of one call.
const (
	callTimeout = 10 * time.Second
	maxReply    = 1 << 20
)

// refusal is what a service answers instead of doing what it was asked.
type refusal struct {
	status        int
	code, message string
}

func (r *refusal) Error() string { return r.code + ": " + r.message }

func (e *Endpoint) firstPause() time.Duration {
	if e.pause == 0 {
		return firstPause
	}
	return e.pause
}

// call asks for an operation ("Logs_20140328.PutLogEvents") of a service
// ("logs"), again where that may help. The error is a *refusal, or tells why
// there is no answer.
func (e *Endpoint) call(ctx context.Context, service, operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	return insist(ctx, e.firstPause(), passes, func() error { return e.once(ctx, service, operation, body, out) })
}

func (e *Endpoint) once(ctx context.Context, service, operation string, body []byte, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(e.URL, "/")+"/", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s: the endpoint's address is not valid", operation)
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set("X-Amz-Target", operation)
	if e.Signer != nil {
		if err := e.Signer.Sign(request, body, service); err != nil {
			return fmt.Errorf("%s: %w", operation, err)
		}
	}
	answer, err := e.Client.Exchange(request, maxReply)
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	if answer.Status != http.StatusOK {
		return refused(answer)
	}
	if out == nil || len(answer.Body) == 0 {
		return nil
	}
	if err := json.Unmarshal(answer.Body, out); err != nil {
		return fmt.Errorf("%s: the answer can't be read: %w", operation, err)
	}
	return nil
}

// refused reads a refusal. A service may put its namespace before the code and
// an address behind it.
func refused(answer *integration.Answer) *refusal {
	var told struct {
		Type    string `json:"__type"`
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	_ = json.Unmarshal(answer.Body, &told) // what can't be read tells nothing: the status does
	if told.Type == "" {
		told.Type = told.Code
	}
	if told.Type == "" {
		told.Type = http.StatusText(answer.Status)
	}
	code, _, _ := strings.Cut(told.Type[strings.LastIndexByte(told.Type, '#')+1:], ":")
	return &refusal{status: answer.Status, code: code, message: told.Message}
}

// passes reports whether a failure may be over soon.
func passes(err error) bool {
	var r *refusal
	if errors.As(err, &r) {
		return r.status >= 500 || r.status == http.StatusTooManyRequests || passing(r.code)
	}
	var unsent *integration.SendError
	return errors.As(err, &unsent)
}

// passing reports whether a code is one of a service that has too much to do.
func passing(code string) bool {
	return strings.HasPrefix(code, "Throttling") || code == "ServiceUnavailableException" || code == "InternalFailure" ||
		code == "InternalException" || code == "OperationAbortedException" || code == "LimitExceededException"
}

func isRefusal(err error, code string) bool {
	var r *refusal
	return errors.As(err, &r) && r.code == code
}
