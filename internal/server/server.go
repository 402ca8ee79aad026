// Package server is the protocol over HTTP: AWS JSON 1.0 at POST /, with authentication, limits, health and metrics.
//
// It takes an [api.Service] and knows nothing of how that does its work: no rule of an operation is decided here. What it refuses before the
// service is asked is the form of a request (decode.go, constraint.go), who may send it (origin.go, signature.go), how often (throttle.go), and
// how many may be under way at once, in calls, bytes (room.go) and connections (connections.go). Beside the API it can tell somebody else where an execution stands (status.go).
//
// Read server.go first, then call.go, decode.go, constraint.go, origin.go, signature.go, throttle.go, room.go, connections.go, metrics.go, status.go
// with shown.go, backup.go, and opening.go (what is answered before there is a server).
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/backstep/backstep/api"
)

// Config is all that a server is made of.
type Config struct {
	Service api.Service       // does the work; required
	Keys    map[string]string // secret by access key id; without any, no signature is asked for and only loopback may be listened at
	Region  string            // region of signatures and ARNs; required where there are keys or a Status
	Hosts   []string          // names besides those of loopback under which the server is reached; "*.example.com" takes all below

	Ready   func() error                                  // whether starts are taken, and if not, why; nil: always
	Metrics prometheus.Gatherer                           // shown at /metrics besides the server's own; may be nil
	Console http.Handler                                  // gets what is not the API's; may be nil
	Backup  func(ctx context.Context, to io.Writer) error // writes a backup to whoever POSTs /backup; nil: there are no such paths
	Log     *slog.Logger                                  // nil: nothing is logged
	Now     func() time.Time                              // the clock that signatures and rates are held against; nil: time.Now

	MaxCalls int // calls under way at once, 1,024 where 0; beyond it ThrottlingException
	MaxPolls int // calls that wait for something at once, 10,000 where 0; beyond it ThrottlingException

	MaxBodies      int64 // bytes of the requests under way, 64 MiB where 0; beyond it ThrottlingException
	MaxConnections int   // connections open at once, 12,000 where 0; beyond it idle ones are closed, and where there are none 503

	Rates      map[string]Rate // by operation's name; beyond it ThrottlingException, and nothing is done
	MaxPayload int             // characters of an input or output, where more than the API's 262,144

	Account string       // in the ARNs of executions; required where there is a Status
	Status  []StatusRule // who may ask GET /status/MACHINE/NAME; none: there is no such path
}

// What is not for configuration.
const (
	maxHeader     = 64 << 10
	headerTimeout = 5 * time.Second
	bodyTimeout   = 30 * time.Second
	writeTimeout  = 60 * time.Second
	idleTimeout   = 2 * time.Minute
)

// Server answers the API. It is an [http.Handler], and its own listener loop by Serve and Drain.
type Server struct {
	service  api.Service
	routes   map[string]*route // by X-Amz-Target
	verifier *verifier         // nil: no signature is asked for
	hosts    []string
	sites    *http.CrossOriginProtection
	ready    func() error
	console  http.Handler
	backup   func(context.Context, io.Writer) error
	backing  sync.Mutex
	kept     atomic.Int64 // when the last backup was taken of which somebody said that it is kept, UTC ms
	status   *statusDesk  // nil: nobody may ask
	log      *slog.Logger
	metrics  *metrics

	calls, polls chan struct{} // a place for each call under way
	bodies       byteRoom
	connections  *connections

	http     *http.Server
	leaving  atomic.Bool     // calls are to go elsewhere from now on
	draining context.Context // done when the server is about to stop
	drain    context.CancelFunc
}

// New makes a server. It fails where the configuration can't be right.
func New(c Config) (*Server, error) {
	if c.Service == nil {
		return nil, errors.New("server: no service")
	}
	if len(c.Keys) > 0 && c.Region == "" {
		return nil, errors.New("server: keys need a region")
	}
	s := &Server{
		service: c.Service,
		routes:  newRoutes(int64(c.MaxPayload)),
		hosts:   c.Hosts,
		sites:   http.NewCrossOriginProtection(),
		ready:   c.Ready,
		console: c.Console,
		backup:  c.Backup,
		log:     c.Log,
		calls:   make(chan struct{}, positive(c.MaxCalls, 1024)),
		polls:   make(chan struct{}, positive(c.MaxPolls, 10_000)),
		bodies:  byteRoom{most: c.MaxBodies},

		connections: newConnections(positive(c.MaxConnections, 12_000)),
	}
	if s.bodies.most <= 0 {
		s.bodies.most = 64 << 20
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.ready == nil {
		s.ready = func() error { return nil }
	}
	now := c.Now
	if now == nil {
		now = time.Now
	}
	if len(c.Keys) > 0 {
		s.verifier = newVerifier(c.Keys, c.Region, now)
	}
	if err := throttle(s.routes, c.Rates, now); err != nil {
		return nil, err
	}
	var err error
	if s.status, err = newStatusDesk(s, c, now); err != nil {
		return nil, err
	}
	s.metrics = newMetrics(s, c.Metrics)
	s.draining, s.drain = context.WithCancel(context.Background())
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ConnState:         s.connections.note,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	return s, nil
}

func positive(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}

// Serve answers what comes to the listener until Drain, and returns nil then. It refuses a listener that is not on loopback when the server has
// no keys. It closes the listener.
func (s *Server) Serve(l net.Listener) error {
	if err := CheckAddress(l.Addr().String(), s.verifier != nil); err != nil {
		_ = l.Close()
		return err
	}
	if err := s.http.Serve(&limited{l, s.connections}); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	}
	return nil
}

// Leave tells whoever hands calls to several servers that this one is about to stop,
// and takes calls as before until notice is over or ctx ends: /readyz says no, and a
// connection ends with its next answer. So nobody sends a call over one that Drain
// closes at that moment, which may or may not have had its effect.
func (s *Server) Leave(ctx context.Context, notice time.Duration) {
	s.leaving.Store(true)
	select {
	case <-time.After(notice):
	case <-ctx.Done():
	}
}

// Drain ends the server without failing anyone: /readyz says no, calls that wait for something are answered as things stand, no new connection
// is taken, and Drain returns when the last call has been answered. When ctx ends first, what is left is cut off and its error returned.
func (s *Server) Drain(ctx context.Context) error {
	s.leaving.Store(true)
	s.drain()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("drain: %w", err), s.http.Close())
	}
	return err
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.leaving.Load() {
		w.Header().Set("Connection", "close")
	}
	switch r.URL.Path {
	case "/healthz":
		s.answerHealth(w, nil)
		return
	case "/readyz":
		s.answerHealth(w, s.readiness())
		return
	}
	if err := s.checkOrigin(r); err != nil {
		s.refuse(w, err)
		return
	}
	switch {
	case r.URL.Path == "/" && r.Method == http.MethodPost:
		s.serveCall(w, r)
	case r.URL.Path == "/metrics":
		s.serveMetrics(w, r)
	case s.backup != nil && r.URL.Path == backupPath:
		s.serveBackup(w, r)
	case s.backup != nil && r.URL.Path == keptPath:
		s.serveKept(w, r)
	case s.status != nil && strings.HasPrefix(r.URL.Path, statusPath):
		s.status.ServeHTTP(w, r)
	case s.console != nil:
		s.console.ServeHTTP(w, r)
	default:
		w.Header().Set("Allow", http.MethodPost)
		s.refuse(w, &api.Error{Code: api.CodeUnknownOperation, Message: "The API is called by POST /.", Status: http.StatusNotFound})
	}
}

// readiness is why no starts are taken, or nil.
func (s *Server) readiness() error {
	if s.leaving.Load() {
		return errors.New("the server is about to stop")
	}
	return s.ready()
}

// answerHealth answers a probe: 200, or 503 and why.
func (s *Server) answerHealth(w http.ResponseWriter, why error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if why != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, why.Error()+"\n")
		return
	}
	_, _ = io.WriteString(w, "ok\n")
}
