package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/backstep/backstep/api"
)

// trait says what is special about an operation on its way.
type trait int

const (
	once  trait = iota // a second call may have a second effect, or another answer
	again              // a second call has no further effect
)

// Limits of calls.
const (
	maxAnswer = 64 << 20
	firstWait = 50 * time.Millisecond
	lastWait  = 2 * time.Second
)

// call asks the server for one operation, more than once where that is safe.
func call[Out any](ctx context.Context, c *Client, target string, t trait, patience time.Duration, in any) (*Out, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("%s: encode: %w", target, err)
	}
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout+patience)
		defer cancel()
	}
	for attempt := 1; ; attempt++ {
		answer, err := c.send(ctx, target, body)
		if err == nil {
			out := new(Out)
			if err := json.Unmarshal(answer, out); err != nil {
				return nil, fmt.Errorf("%s: the answer of %s is not in the protocol: %w", target, c.endpoint.Host, err)
			}
			return out, nil
		}
		if attempt >= c.attempts || !mayRepeat(err, t) || !sleep(ctx, wait(attempt)) {
			return nil, err
		}
	}
}

// mayRepeat tells whether a call that failed can be made anew: it had no effect, or a second one has the same.
func mayRepeat(err error, t trait) bool {
	var refused *api.Error
	if errors.As(err, &refused) {
		return refused.Code == api.CodeThrottling || t == again && refused.Status >= 500
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var operation *net.OpError
	unsent := errors.As(err, &operation) && operation.Op == "dial"
	return unsent || t == again
}

// wait is how long to wait after so many attempts: doubling, with full jitter.
func wait(attempt int) time.Duration {
	longest := min(firstWait<<min(attempt-1, 10), lastWait)
	return rand.N(longest) + time.Millisecond
}

// sleep waits, and tells whether it was to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// send makes one request and gives the body of a good answer.
func (c *Client) send(ctx context.Context, target string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint.String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", target, err)
	}
	r.Header["Content-Type"] = []string{"application/x-amz-json-1.0"}
	r.Header["X-Amz-Target"] = []string{target}
	if c.credentials.HasKeys() {
		sum := sha256.Sum256(body)
		if err := c.signer.SignHTTP(ctx, c.credentials, r, hex.EncodeToString(sum[:]), "states", c.region, time.Now()); err != nil {
			return nil, fmt.Errorf("%s: sign: %w", target, err)
		}
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", target, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: read the answer: %w", target, err)
	case len(text) > maxAnswer:
		return nil, fmt.Errorf("%s: the answer has more than %d bytes", target, maxAnswer)
	case answer.StatusCode == http.StatusOK:
		return text, nil
	}
	return nil, c.failure(target, answer, text)
}

// failure makes of a bad answer the error that it tells.
func (c *Client) failure(target string, answer *http.Response, text []byte) error {
	var body struct {
		Type         string `json:"__type"`
		Message      string `json:"message"`
		Message2     string `json:"Message"`
		Reason       string `json:"reason"`
		ResourceName string `json:"resourceName"`
	}
	if err := json.Unmarshal(text, &body); err != nil || body.Type == "" {
		return fmt.Errorf("%s: %s answers %s, which is not in the protocol", target, c.endpoint.Host, answer.Status)
	}
	code := body.Type[strings.LastIndexByte(body.Type, '#')+1:]
	return &api.Error{
		Code: code, Message: first(body.Message, body.Message2), Reason: body.Reason, ResourceName: body.ResourceName,
		Status: answer.StatusCode, RequestID: answer.Header.Get("X-Amzn-Requestid"),
	}
}
