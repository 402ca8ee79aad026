// Package httptask does the tasks that call an HTTP service: http:invoke. It
// calls only what the configuration allows, judged on the address that is
// dialled, so that neither a definition nor a name server can turn it on the
// machines around it.
//
// It refuses to follow redirects, to use a proxy of the environment, and to
// unpack what comes compressed.
//
// Read http.go (the handler), request.go and encode.go (what is sent),
// connection.go (credentials), guard.go (what may be called), answer.go.
package httptask

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// Config is what a handler is made of.
type Config struct {
	// Allow is what may be called: "host:port", with "http://" before it to take
	// plain HTTP as well, or a CIDR. Without entries nothing may be.
	Allow       []string
	Connections map[string]Connection // by ARN, or by name
	StrictAWS   bool                  // services are told nothing that AWS does not tell
	Region      string
	Timeout     time.Duration  // of a call; 0 means 60 s, as on AWS
	Roots       *x509.CertPool // nil: the system's
	Resolver    *net.Resolver  // nil: the system's
}

const defaultTimeout = 60 * time.Second

// poolSize is the number of connections kept to one host.
const poolSize = 64

// Handler calls services. It may be used by many at once.
type Handler struct {
	connections   map[string]Connection
	guard         *guard
	plain, secure *integration.Client
	strict        bool
	region        string
	timeout       time.Duration
}

// New is a handler that calls what the configuration allows. The error tells
// which entry of the configuration can't be read.
func New(c Config) (*Handler, error) {
	g, err := newGuard(c.Allow, c.Resolver)
	if err != nil {
		return nil, err
	}
	for name, connection := range c.Connections {
		if err := connection.check(); err != nil {
			return nil, fmt.Errorf("connection %s: %w", name, err)
		}
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	client := func(plain bool) *integration.Client {
		return integration.NewClient(integration.ClientConfig{Dial: g.dialer(plain), PerHost: poolSize, Roots: c.Roots})
	}
	return &Handler{
		connections: c.Connections, guard: g, plain: client(true), secure: client(false),
		strict: c.StrictAWS, region: c.Region, timeout: c.Timeout,
	}, nil
}

// Close lets go of the connections kept.
func (h *Handler) Close() {
	h.plain.Close()
	h.secure.Close()
}

// Call calls a service and answers with its headers, body and status.
func (h *Handler) Call(ctx context.Context, t integration.Task) (value.Text, error) {
	request, err := h.read(t)
	if err != nil {
		return value.Text{}, err
	}
	inner, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	client := h.secure
	if request.URL.Scheme == "http" {
		client = h.plain
	}
	answer, err := client.Exchange(request.WithContext(inner), integration.MaxResult)
	if t.Watch != nil {
		t.Watch(h.exchange(t, request, answer))
	}
	if err != nil {
		return value.Text{}, h.failure(ctx, request.URL.Host, err)
	}
	return result(t, answer)
}

// Target is the connection's name, or where there is none the host and its port.
func (h *Handler) Target(action, resource string, request value.Text) string {
	var endpoint, arn string
	for name, text := range request.Members() {
		switch name {
		case "ApiEndpoint":
			endpoint = text.Decode().AsString()
		case "InvocationConfig", "Authentication":
			arn = text.Member("ConnectionArn").Decode().AsString()
		}
	}
	if arn != "" {
		return connectionName(arn)
	}
	if u, err := url.Parse(endpoint); err == nil {
		return u.Host
	}
	return ""
}

// exchange is what was sent and what came back.
func (h *Handler) exchange(t integration.Task, r *http.Request, a *integration.Answer) integration.Exchange {
	x := integration.Exchange{Request: r, Secrets: []string{"Authorization"}, Answer: a}
	arn := connectionARN(t.Request.Decode())
	for _, name := range []string{arn, connectionName(arn)} {
		if c, known := h.connections[name]; known && c.Header != "" {
			x.Secrets = append(x.Secrets, c.Header)
		}
	}
	if body, err := r.GetBody(); err == nil {
		sent, _ := io.ReadAll(body) // of a text in memory
		x.Body = string(sent)
	}
	return x
}

// failure is an exchange without an answer as the caller is told it.
func (h *Handler) failure(ctx context.Context, host string, err error) error {
	var b *blocked
	if errors.As(err, &b) {
		return b.failure()
	}
	if ctx.Err() != nil {
		return fmt.Errorf("http service %s: %w", host, ctx.Err())
	}
	var failed *integration.SendError
	errors.As(err, &failed)
	cause := "Unable to execute HTTP request to " + host + ": " + failed.Error()
	if errors.Is(err, context.DeadlineExceeded) {
		cause = fmt.Sprintf("The call to %s did not end within %v", host, h.timeout)
	}
	return integration.NewError("States.Http.Socket", cause, failed.Effect())
}
