package server

import (
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Opening answers at a listener until the server behind it is there: its process is
// alive, and not ready; calls wait for the server, which answers them, or are refused
// so that clients try again. A store may take a while to open: its schema is brought
// up to date, its log is read.
type Opening struct {
	listener *lent
	http     *http.Server
	served   chan struct{}
	open     chan struct{} // closed by Done
	server   http.Handler  // from then on; nil: none came of it
}

// OpenAt begins to answer, at so many connections at once. The listener is the caller's
// again once Done has returned.
func OpenAt(l net.Listener, most int) *Opening {
	o := &Opening{listener: &lent{Listener: l}, served: make(chan struct{}), open: make(chan struct{})}
	open := newConnections(most)
	o.http = &http.Server{Handler: http.HandlerFunc(o.answer), ReadHeaderTimeout: headerTimeout, MaxHeaderBytes: maxHeader, ConnState: open.note}
	go func() {
		defer close(o.served)
		_ = o.http.Serve(&limited{o.listener, open}) // it ends by Done, or leaves connections to wait in the listener's line
	}()
	return o
}

// openingReason is why a server is not ready that is about to open.
const openingReason = "the server is being opened: its store is read, and brought up to date"

func (o *Opening) answer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close") // the next request is for the server itself
	w.Header().Set("Cache-Control", "no-store")
	switch r.URL.Path {
	case "/healthz":
		_, _ = io.WriteString(w, "ok\n")
	case "/readyz":
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, openingReason+"\n")
	default:
		o.wait(w, r)
	}
}

// wait has a call answered by the server once it is there.
func (o *Opening) wait(w http.ResponseWriter, r *http.Request) {
	timer := time.NewTimer(openingPatience)
	defer timer.Stop()
	select {
	case <-o.open:
	case <-timer.C:
	case <-r.Context().Done():
	}
	select {
	case <-o.open:
		if o.server != nil {
			o.server.ServeHTTP(w, r)
			return
		}
	default:
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, `{"__type":"ServiceUnavailable","message":"The server is being opened. Try again."}`)
}

// openingPatience is how long a call waits for the server.
const openingPatience = 10 * time.Second

// Done ends it: what waits is answered by the server, nil where none came of it, and
// nothing more is taken.
func (o *Opening) Done(server http.Handler) {
	o.server = server
	close(o.open)
	o.listener.back.Store(true)
	_ = o.listener.deadline(time.Unix(1, 0))
	<-o.served
	_ = o.listener.deadline(time.Time{})
}

// lent is a listener that who serves it does not close, and that can be taken back.
type lent struct {
	net.Listener
	back atomic.Bool
}

// Accept takes no connection once the listener was taken back.
func (l *lent) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil && l.back.Load() {
		return nil, http.ErrServerClosed
	}
	return c, err
}

// Close leaves it open.
func (l *lent) Close() error { return nil }

// deadline ends an Accept that waits, or lets Accepts wait again.
func (l *lent) deadline(at time.Time) error {
	if d, can := l.Listener.(interface{ SetDeadline(time.Time) error }); can {
		return d.SetDeadline(at)
	}
	return nil
}
