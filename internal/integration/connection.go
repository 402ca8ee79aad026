package integration

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// In plain HTTP, who asks writes the request and reads the answer himself, by the
// standard library's writer and reader. Its transport has two goroutines for each
// connection, and what is handed on between all three takes a third more of the
// processor. What is encrypted, long or unusual is the transport's.

// connections are those kept to who speaks plain HTTP.
type connections struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)
	most int // kept to one host

	mu     sync.Mutex
	idle   map[string][]*connection // by address; the last was used last
	sweeps bool                     // a sweep is to come
}

// connection is one of them. One exchange at a time goes over it.
type connection struct {
	net.Conn
	raw  syscall.RawConn // nil: the system is not to be asked about it, and it is not kept
	in   *bufio.Reader   // by Read
	left int64           // bytes that may still come
	was  bool            // it was kept from an earlier exchange …
	at   time.Time       // … which ended then

	sent, heard bool // of the exchange: some of the request went out, some of the answer came
	peeked      [1]byte
}

// exchange sends a request and reads its answer. One that went out over a connection
// that was kept, and broke before a word of the answer came, goes out once more
// where it may be heard twice.
func (c *connections) exchange(r *http.Request, limit int, m Meter) (*Answer, error) {
	ctx, sent := r.Context(), false
	for again := false; ; again = true {
		one, err := c.take(ctx, r, again)
		if err != nil {
			return nil, &SendError{Sent: sent, Err: plain(ctx, err)}
		}
		a, err := c.over(one, r, limit, m)
		if err == nil {
			a.Resent = sent
			return a, nil
		}
		sent = sent || one.sent
		if !one.was || one.heard || one.sent && !isRepeatable(r) || ctx.Err() != nil {
			return nil, &SendError{Sent: sent, Err: plain(ctx, err)}
		}
		if r.GetBody != nil {
			r.Body, _ = r.GetBody() // a text in memory
		}
	}
}

// isRepeatable reports whether a request may be heard twice, as the transport
// judges it: by its method, or by a key that it has.
func isRepeatable(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return r.Header.Get("Idempotency-Key") != "" || r.Header.Get("X-Idempotency-Key") != ""
}

// over makes an exchange over one connection, and keeps it if it can be used again.
func (c *connections) over(one *connection, r *http.Request, limit int, m Meter) (*Answer, error) {
	ctx := r.Context()
	if err := ctx.Err(); err != nil {
		one.Close()
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { one.SetDeadline(time.Unix(1, 0)) })
	a, clean, err := one.exchange(r, limit, m)
	if !stop() || !clean {
		one.Close()
		return a, err
	}
	c.keep(addressOf(r), one)
	return a, err
}

// exchange is clean where the connection stands as it did before.
func (one *connection) exchange(r *http.Request, limit int, m Meter) (a *Answer, clean bool, err error) {
	if err := one.send(r); err != nil {
		return nil, false, err
	}
	response, err := one.response(r)
	if err != nil {
		return nil, false, err
	}
	body, err := readAll(r.Context(), response, limit+1, m)
	if err != nil {
		return nil, false, err
	}
	a = newAnswer(response, body, limit)
	return a, !a.Cut && !response.Close && response.StatusCode > 199 && one.in.Buffered() == 0, nil
}

// texts are the memory that requests are written in.
var texts = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// send sends a request at once.
func (one *connection) send(r *http.Request) error {
	text := texts.Get().(*bytes.Buffer)
	defer texts.Put(text)
	text.Reset()
	if err := r.Write(text); err != nil {
		return err
	}
	n, err := one.Write(text.Bytes())
	one.sent = n > 0
	return err
}

// response reads an answer's head. Words before it ("100 Continue") are passed over,
// and count towards its bound.
func (one *connection) response(r *http.Request) (*http.Response, error) {
	one.left = maxHeaderBytes
	if _, err := one.in.Peek(1); err != nil {
		return nil, err
	}
	one.heard = true
	for {
		response, err := http.ReadResponse(one.in, r)
		switch {
		case err != nil && one.left <= 0:
			return nil, errLongHead
		case err != nil:
			return nil, err
		case response.StatusCode > 199 || response.StatusCode == http.StatusSwitchingProtocols:
			one.left = math.MaxInt64
			return response, nil
		}
	}
}

var errLongHead = fmt.Errorf("the headers of the answer exceed %d bytes", maxHeaderBytes)

// Read reads what may still come.
func (one *connection) Read(p []byte) (int, error) {
	if one.left <= 0 {
		return 0, errLongHead
	}
	n, err := one.Conn.Read(p[:min(int64(len(p)), one.left)])
	one.left -= int64(n)
	return n, err
}

// isQuiet reports whether nothing has come since the last answer, neither a word
// nor the end: what comes unasked is no answer to what is asked next.
func (one *connection) isQuiet() bool {
	var came error
	err := one.raw.Read(func(socket uintptr) bool {
		_, _, came = syscall.Recvfrom(int(socket), one.peeked[:], syscall.MSG_PEEK)
		return true
	})
	return err == nil && errors.Is(came, syscall.EAGAIN)
}

// take is a connection for a request: one that was kept, or a new one.
func (c *connections) take(ctx context.Context, r *http.Request, fresh bool) (*connection, error) {
	address := addressOf(r)
	for !fresh {
		one := c.last(address)
		if one == nil {
			break
		}
		if one.isQuiet() {
			one.was, one.sent, one.heard = true, false, false
			return one, nil
		}
		one.Close()
	}
	conn, err := c.dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	one := &connection{Conn: conn}
	one.in = bufio.NewReaderSize(one, bufferSize)
	if socket, is := conn.(syscall.Conn); is {
		one.raw, _ = socket.SyscallConn()
	}
	return one, nil
}

// last takes the connection that was used last; nil: there is none.
func (c *connections) last(address string) *connection {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.idle[address]
	if len(all) == 0 {
		return nil
	}
	one := all[len(all)-1]
	all[len(all)-1] = nil
	if c.idle[address] = all[:len(all)-1]; len(all) == 1 {
		delete(c.idle, address)
	}
	return one
}

// keep keeps a connection for another exchange, if there is room.
func (c *connections) keep(address string, one *connection) {
	one.at = time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if one.raw == nil || len(c.idle[address]) >= c.most {
		one.Close()
		return
	}
	c.idle[address] = append(c.idle[address], one)
	if !c.sweeps {
		c.sweeps = true
		time.AfterFunc(idleTimeout, func() { c.drop(time.Now().Add(-idleTimeout)) })
	}
}

// drop closes the connections that nobody has used since then.
func (c *connections) drop(since time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for address, all := range c.idle {
		n := 0
		for n < len(all) && !all[n].at.After(since) {
			all[n].Close()
			n++
		}
		if all = append([]*connection(nil), all[n:]...); len(all) > 0 {
			c.idle[address] = all
		} else {
			delete(c.idle, address)
		}
	}
	if c.sweeps = len(c.idle) > 0; c.sweeps {
		time.AfterFunc(idleTimeout, func() { c.drop(time.Now().Add(-idleTimeout)) })
	}
}

// addressOf is where a request goes.
func addressOf(r *http.Request) string {
	port := r.URL.Port()
	if port == "" {
		port = "80"
	}
	return net.JoinHostPort(r.URL.Hostname(), port)
}

// atOnce is about how many bytes a request may have that is written before anything
// of its answer is read: what the system takes of it although the other side reads
// nothing, so that who answers before he has read it is heard.
const atOnce = 16 << 10

// isOrdinary reports whether a request goes by a connection of ours: it is plain HTTP,
// is sent at once, and can be sent again; its host and headers have ordinary
// characters alone. What becomes of others the transport knows.
func isOrdinary(r *http.Request) bool {
	if r.URL.Scheme != "http" || r.URL.Hostname() == "" || r.Method == http.MethodConnect || r.Close || len(r.Trailer) > 0 ||
		r.ContentLength < 0 || r.Body != nil && r.GetBody == nil {
		return false
	}
	size := r.ContentLength + int64(len(r.URL.RawQuery)+len(r.URL.Path))
	for _, b := range []byte(r.URL.Host) {
		if b >= 0x80 {
			return false
		}
	}
	for name, values := range r.Header {
		for _, b := range []byte(name) {
			if b != '-' && b != '_' && (b < '0' || b > '9') && (b|0x20 < 'a' || b|0x20 > 'z') {
				return false
			}
		}
		for _, v := range values {
			size += int64(len(name) + len(v))
			for _, b := range []byte(v) {
				if b < ' ' || b == 0x7F {
					return false
				}
			}
		}
	}
	return size <= atOnce
}
