// Package fiend is a service over HTTP that does whatever a service must not do, each
// in a mode that the request's path names. Those who call services are held against
// it. It knows nothing of who calls.
package fiend

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Mode is one way to misbehave.
type Mode struct {
	Name string
	What string
	do   func(c *call)
}

// Modes are all there are. Each gets a request that was read to its end, but for
// those that read none.
var Modes = []Mode{
	{"never", "takes the request and never answers", (*call).hang},
	{"drip", "answers one byte a second", (*call).drip},
	{"stuck", "stops in the midst of its body", func(c *call) { c.say("200 OK", "Content-Length: 1000", `{"a":`); c.hang() }},
	{"reset", "resets the connection in the midst of its body", func(c *call) { c.say("200 OK", "Content-Length: 1000", `{"a":`); c.reset() }},
	{"half-close", "closes its side without an answer", func(c *call) { _ = c.conn.(*net.TCPConn).CloseWrite(); c.hang() }},
	{"continue", "says 100 Continue for ever", func(c *call) { c.repeat("HTTP/1.1 100 Continue\r\n\r\n") }},
	{"endless-body", "sends a body without an end", func(c *call) {
		c.say("200 OK", "Content-Type: application/json", `"`)
		c.repeat(strings.Repeat("x", 16<<10))
	}},
	{"endless-head", "sends headers without an end", func(c *call) {
		c.write("HTTP/1.1 200 OK\r\n")
		c.repeat("X-More: " + strings.Repeat("x", 1000) + "\r\n")
	}},
	{"gzip-bomb", "sends a compressed body that is a thousand times as long unpacked", (*call).bomb},
	{"redirect", "redirects to itself", func(c *call) { c.say("302 Found", "Location: /redirect\r\nContent-Length: 0", "") }},
	{"too-long", "announces more bytes than it sends", func(c *call) { c.say("200 OK", "Content-Length: 1000", `{"a":1}`) }},
	{"too-short", "announces fewer bytes than it sends", func(c *call) {
		c.say("200 OK", "Content-Type: application/json\r\nContent-Length: 7", `{"a":1}{"b":2}`)
	}},
	{"busy", "says 429 with a Retry-After of an hour", func(c *call) { c.say("429 Too Many Requests", "Retry-After: 3600\r\nContent-Length: 0", "") }},
	{"failing", "says 503", func(c *call) { c.say("503 Service Unavailable", "Content-Length: 0", "") }},
	{"early-close", "closes the connection as soon as the request has begun", (*call).reset},
	{"garbage", "answers what is no HTTP", func(c *call) { c.write("\x00\x01SSH-2.0-no such thing\r\n\r\n") }},
	{"huge", "announces ten GiB and sends them", func(c *call) {
		c.say("200 OK", "Content-Type: application/json\r\nContent-Length: 10737418240", `"`)
		c.repeat(strings.Repeat("x", 16<<10))
	}},
	{"tls-stall", "takes the connection and never shakes hands", nil},
}

// Well is the path of a good answer, {"ok":true}, and Troubled of one that is good
// but while the service is down.
const (
	Well     = "/well"
	Troubled = "/troubled"
)

// Server is a fiend that listens. It may be called by many at once.
type Server struct {
	listener net.Listener
	silent   net.Listener // never says a word
	closing  chan struct{}
	open     sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool

	Calls atomic.Int64 // requests that came
	Hung  atomic.Int64 // of them, those of a mode that are under way

	Trouble atomic.Int64 // those of the troubled service
	sent    sync.Map     // by mode, *atomic.Int64: bytes that the other side took
	down    atomic.Bool
}

// Listen is a fiend on loopback, on a port of the system's choice.
func Listen() (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		l.Close()
		return nil, err
	}
	s := &Server{listener: l, silent: silent, closing: make(chan struct{}), conns: map[net.Conn]bool{}}
	s.open.Go(func() { s.accept(l, s.serve) })
	s.open.Go(func() { s.accept(silent, func(net.Conn) { <-s.closing }) })
	return s, nil
}

// URL is where a mode is met.
func (s *Server) URL(mode string) string {
	if mode == "tls-stall" {
		return "https://" + s.silent.Addr().String() + "/"
	}
	return "http://" + s.listener.Addr().String() + "/" + strings.TrimPrefix(mode, "/")
}

// Down lets the troubled service answer 503, or be good again.
func (s *Server) Down(down bool) { s.down.Store(down) }

// Sent is how many bytes were taken in a mode so far.
func (s *Server) Sent(mode string) int64 {
	if n, met := s.sent.Load(mode); met {
		return n.(*atomic.Int64).Load()
	}
	return 0
}

// Close ends all calls, and returns when they have.
func (s *Server) Close() {
	close(s.closing)
	s.listener.Close()
	s.silent.Close()
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.open.Wait()
}

func (s *Server) accept(l net.Listener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[c] = true
		s.mu.Unlock()
		s.open.Go(func() {
			defer func() {
				c.Close()
				s.mu.Lock()
				delete(s.conns, c)
				s.mu.Unlock()
			}()
			serve(c)
		})
	}
}

// serve answers the requests of a connection: good ones as they come, of the others
// the first.
func (s *Server) serve(c net.Conn) {
	in := bufio.NewReaderSize(c, 4<<10)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		s.Calls.Add(1)
		name := strings.Trim(r.URL.Path, "/")
		if name == "early-close" {
			(&call{server: s, conn: c}).reset()
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		one := s.call(name, c)
		switch "/" + name {
		case Troubled:
			s.Trouble.Add(1)
			if s.down.Load() {
				if !one.say("503 Service Unavailable", "Content-Length: 0", "") {
					return
				}
				continue
			}
			fallthrough
		case Well:
			if !one.well() {
				return
			}
			continue
		}
		for _, m := range Modes {
			if m.Name == name && m.do != nil {
				s.Hung.Add(1)
				m.do(one)
				s.Hung.Add(-1)
			}
		}
		return
	}
}

func (s *Server) call(mode string, c net.Conn) *call {
	n, _ := s.sent.LoadOrStore(mode, new(atomic.Int64))
	return &call{server: s, conn: c, sent: n.(*atomic.Int64)}
}

// call is one request that is being mistreated.
type call struct {
	server *Server
	conn   net.Conn
	sent   *atomic.Int64
}

func (c *call) write(text string) bool {
	n, err := io.WriteString(c.conn, text)
	if c.sent != nil {
		c.sent.Add(int64(n))
	}
	return err == nil
}

func (c *call) say(status, headers, body string) bool {
	return c.write("HTTP/1.1 " + status + "\r\n" + headers + "\r\n\r\n" + body)
}

func (c *call) well() bool {
	const body = `{"ok":true}`
	return c.say("200 OK", fmt.Sprintf("Content-Type: application/json\r\nContent-Length: %d", len(body)), body)
}

// hang waits until the other side goes away.
func (c *call) hang() {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = io.Copy(io.Discard, c.conn)
	}()
	select {
	case <-gone:
	case <-c.server.closing:
	}
}

func (c *call) reset() {
	_ = c.conn.(*net.TCPConn).SetLinger(0)
	c.conn.Close()
}

func (c *call) repeat(text string) {
	for c.write(text) {
	}
}

func (c *call) drip() {
	const answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
	for i := 0; ; i++ {
		letter := "x"
		if i < len(answer) {
			letter = answer[i : i+1]
		}
		if !c.write(letter) {
			return
		}
		select {
		case <-c.server.closing:
			return
		case <-time.After(time.Second):
		}
	}
}
