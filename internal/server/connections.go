package server

import (
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// connections bounds those that are open. One that comes when all are takes the place of one that asks for nothing; where all ask for something, it is
// told so and closed.
type connections struct {
	most int64
	open atomic.Int64

	mu   sync.Mutex
	idle map[net.Conn]struct{} // kept once half of all are open
	kept atomic.Int64          // how many idle has
}

func newConnections(most int) *connections {
	return &connections{most: int64(most), idle: make(map[net.Conn]struct{})}
}

// crowded is what a connection is told that there is no place for.
const crowded = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: " + contentType + "\r\nX-Amzn-Errortype: ServiceUnavailable\r\n" +
	"Retry-After: 1\r\nConnection: close\r\nContent-Length: 76\r\n\r\n" +
	`{"__type":"ServiceUnavailable","message":"Too many connections are open.  "}`

// limited is a listener whose connections are counted.
type limited struct {
	net.Listener
	of *connections
}

// Accept waits for a connection that has a place.
func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.of.open.Add(1) <= l.of.most || l.of.makePlace() {
			return &counted{Conn: c, of: l.of}, nil
		}
		l.of.open.Add(-1)
		_ = c.SetDeadline(time.Now().Add(time.Second))
		_, _ = io.WriteString(c, crowded) // into the socket's buffer: it waits for nobody
		_ = c.Close()
	}
}

// makePlace closes a connection that asks for nothing.
func (k *connections) makePlace() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for c := range k.idle {
		delete(k.idle, c)
		k.kept.Add(-1)
		_ = c.Close()
		return true
	}
	return false
}

// note follows a connection's states.
func (k *connections) note(c net.Conn, state http.ConnState) {
	if state == http.StateIdle && 2*k.open.Load() > k.most {
		k.mu.Lock()
		k.idle[c] = struct{}{}
		k.kept.Store(int64(len(k.idle)))
		k.mu.Unlock()
	} else if state != http.StateIdle && k.kept.Load() > 0 {
		k.mu.Lock()
		delete(k.idle, c)
		k.kept.Store(int64(len(k.idle)))
		k.mu.Unlock()
	}
}

// counted is a connection that gives its place back when it is closed.
type counted struct {
	net.Conn
	of   *connections
	once sync.Once
}

// Close closes the connection.
func (c *counted) Close() error {
	c.once.Do(func() { c.of.open.Add(-1) })
	return c.Conn.Close()
}
