package integration

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// Client sends requests out of the house: no proxy of the environment, no
// redirect followed, nothing decompressed, answers read to a bound. It may be
// used by many at once.
type Client struct {
	transport   *http.Transport
	connections connections // of plain HTTP
}

// Bounds of an exchange, for whatever the other side does.
const (
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second
	idleTimeout      = 90 * time.Second
	maxHeaderBytes   = 64 << 10
	bufferSize       = 4 << 10
)

// ClientConfig is what a [Client] may be told.
type ClientConfig struct {
	// Dial opens connections; nil dials anywhere.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// PerHost is the number of idle connections kept to one host; 0 means 16.
	PerHost int
	// Roots are the certificates trusted; nil means the system's.
	Roots *x509.CertPool
}

// NewClient is a client with a pool of connections of its own.
func NewClient(c ClientConfig) *Client {
	if c.Dial == nil {
		c.Dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	if c.PerHost == 0 {
		c.PerHost = 16
	}
	transport := &http.Transport{
		DialContext:            c.Dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.Roots},
		TLSHandshakeTimeout:    handshakeTimeout,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    c.PerHost,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		ReadBufferSize:         bufferSize,
		WriteBufferSize:        bufferSize,
	}
	return &Client{transport, connections{dial: c.Dial, most: c.PerHost, idle: map[string][]*connection{}}}
}

// Close lets go of the connections that nobody uses.
func (c *Client) Close() {
	c.transport.CloseIdleConnections()
	c.connections.drop(time.Now())
}

// Answer is what came back. Cut tells that the body went on after the bound,
// Resent that the request went out more than once: a connection that was kept
// broke before a byte of the answer came, and the request could be replayed.
type Answer struct {
	Status int
	Reason string // the status line's text: "Not Found"
	Header http.Header
	Body   []byte
	Cut    bool
	Resent bool
}

// Exchange is what was sent and what came back, for who watches.
type Exchange struct {
	Request *http.Request
	Body    string   // that was sent
	Secrets []string // names of the headers that credentials stand in
	Answer  *Answer  // nil: none came
}

// Effect is what is known of the effect of a request that was answered with
// its status, where that tells of a failure: none for 4xx but 408, unless it
// was sent twice.
func (a *Answer) Effect() Effect {
	if a.Status >= 400 && a.Status < 500 && a.Status != http.StatusRequestTimeout && !a.Resent {
		return EffectNone
	}
	return EffectUnknown
}

// SendError is an exchange without a whole answer.
type SendError struct {
	Sent bool // the request, or part of it, may have reached the other side
	Err  error
}

// Error tells what happened without the request's URL, which may hold secrets.
func (e *SendError) Error() string { return e.Err.Error() }

// Unwrap is what happened: the context's error where it ended the exchange.
func (e *SendError) Unwrap() error { return e.Err }

// Effect is what is known of the effect of a request without an answer.
func (e *SendError) Effect() Effect {
	if e.Sent {
		return EffectUnknown
	}
	return EffectNone
}

// Exchange sends a request and reads its answer, at most limit bytes of the
// body. The request's context ends it, and its [Meter] hears of it. The error is a
// *[SendError]. The request is not to be used again.
func (c *Client) Exchange(r *http.Request, limit int) (*Answer, error) {
	m := MeterOf(r.Context())
	a, err := c.exchange(r, limit, m)
	if err == nil {
		m.Found(isWell(a.Status))
	} else if !errors.Is(err, context.Canceled) {
		m.Found(false)
	}
	return a, err
}

func (c *Client) exchange(r *http.Request, limit int, m Meter) (*Answer, error) {
	if u := r.URL.User; u != nil && r.Header.Get("Authorization") == "" {
		password, _ := u.Password()
		r.SetBasicAuth(u.Username(), password)
	}
	if isOrdinary(r) {
		return c.connections.exchange(r, limit, m)
	}
	return c.transported(r, limit, m)
}

// transported is an exchange by the transport.
func (c *Client) transported(r *http.Request, limit int, m Meter) (*Answer, error) {
	var sends atomic.Int32
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sends.Add(1) }}
	response, err := c.transport.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	if err != nil {
		return nil, &SendError{Sent: sends.Load() > 0, Err: plain(r.Context(), err)}
	}
	defer response.Body.Close()
	body, err := readAll(r.Context(), response, limit+1, m)
	if err != nil {
		return nil, &SendError{Sent: true, Err: plain(r.Context(), err)}
	}
	a := newAnswer(response, body, limit)
	a.Resent = sends.Load() > 1
	return a, nil
}

// newAnswer is an answer whose body was read to its end, or beyond the limit.
func newAnswer(r *http.Response, body []byte, limit int) *Answer {
	a := &Answer{Status: r.StatusCode, Reason: reason(r), Header: r.Header, Body: body}
	if len(body) > limit {
		a.Body, a.Cut = body[:limit], true
	}
	return a
}

// readAll reads a body to its end, or its first max bytes. What is beyond a free
// share it asks for at once, so that nobody waits for more while it keeps some.
func readAll(ctx context.Context, r *http.Response, max int, m Meter) ([]byte, error) {
	length := r.ContentLength
	if length >= 0 && length < FreeAnswer || max <= FreeAnswer {
		return read(r.Body, length, max)
	}
	if length > 0 {
		if err := m.Room(ctx, int(min(length, int64(max)))-FreeAnswer); err != nil {
			return nil, err
		}
		return read(r.Body, length, max)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, FreeAnswer))
	if err != nil || len(body) < FreeAnswer {
		return body, err
	}
	if err := m.Room(ctx, max-FreeAnswer); err != nil {
		return nil, err
	}
	rest, err := io.ReadAll(io.LimitReader(r.Body, int64(max-FreeAnswer)))
	return append(body, rest...), err
}

// read reads a body of a length, -1 where none is told, or its first max bytes.
func read(body io.Reader, length int64, max int) ([]byte, error) {
	if length < 0 {
		return io.ReadAll(io.LimitReader(body, int64(max)))
	}
	text := make([]byte, min(length, int64(max)))
	_, err := io.ReadFull(body, text)
	return text, err
}

// plain is the context's error where that ended the exchange. An answer in plain
// HTTP to a request that was encrypted is said to be one.
func plain(ctx context.Context, err error) error {
	if ended := ctx.Err(); ended != nil {
		return ended
	}
	var record tls.RecordHeaderError
	if errors.As(err, &record) && string(record.RecordHeader[:]) == "HTTP/" {
		return http.ErrSchemeMismatch
	}
	return err
}

func reason(r *http.Response) string {
	if len(r.Status) > 4 {
		return r.Status[4:]
	}
	return http.StatusText(r.StatusCode)
}
