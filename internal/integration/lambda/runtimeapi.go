package lambda

import (
	"context"
	"encoding/base64"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// The Lambda Runtime API, version 2018-06-01, as one process sees it.

// Bounds of what a process may send.
const (
	maxResponse = 6 << 20 // bytes of a response that are read and, past MaxResult, dropped
	maxInit     = 32 << 10
	requestRoot = "/2018-06-01/runtime"
)

// serve answers the process on its own listener.
func (p *process) serve(l net.Listener) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+requestRoot+"/invocation/next", p.next)
	mux.HandleFunc("POST "+requestRoot+"/invocation/{id}/response", p.response)
	mux.HandleFunc("POST "+requestRoot+"/invocation/{id}/error", p.failure)
	mux.HandleFunc("POST "+requestRoot+"/init/error", p.initFailure)
	server := &http.Server{
		Handler:           programsOnly(mux),
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(p.fleet.log.Handler(), slog.LevelDebug),
	}
	go server.Serve(l)
	return server
}

// programsOnly refuses what a browser sends: no page takes an invocation away
// from a program, or answers for it.
func programsOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
			refuse(w, http.StatusForbidden, "NotForBrowsers")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// drain lets answers that the process has sent before its end arrive.
func drain(s *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.Shutdown(ctx)
}

// next gives the process an invocation, as soon as there is one.
func (p *process) next(w http.ResponseWriter, r *http.Request) {
	if !p.fleet.ready(p) {
		refuse(w, http.StatusForbidden, "InvalidStateTransition")
		return
	}
	select {
	case t := <-p.work:
		here := r.Context().Err() == nil
		p.fleet.taken(p, here)
		if here {
			p.hand(w, t)
		}
	case <-r.Context().Done():
		p.fleet.taken(p, false)
	}
}

// hand writes an invocation to the process.
func (p *process) hand(w http.ResponseWriter, t *turn) {
	p.output.mark()
	deadline, wanted := p.fleet.clock(p, t)
	if !wanted {
		return
	}
	p.tailed.Store(t.in.logTail)
	in, h := t.in, w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Lambda-Runtime-Aws-Request-Id", in.id)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(deadline.UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", in.function.invoked())
	if in.task.Trace != "" {
		h.Set("Lambda-Runtime-Trace-Id", in.task.Trace)
	}
	if client := in.clientContext(p.fleet.strict); client != "" {
		h.Set("Lambda-Runtime-Client-Context", client)
	}
	io.WriteString(w, in.payload)
}

// catchUp lets what the process printed before its answer arrive, where
// somebody asked for it: it comes by another way.
func (p *process) catchUp() {
	if p.tailed.Load() {
		time.Sleep(tailWait)
	}
}

// response takes an invocation's payload. A process may tell after it has begun
// its payload that the function failed: then that stands in the trailer.
func (p *process) response(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, integration.MaxResult+1))
	if err != nil {
		refuse(w, http.StatusBadRequest, "TruncatedResponse")
		return
	}
	out := &outcome{status: http.StatusOK, payload: string(body), cut: len(body) > integration.MaxResult}
	dropped, _ := io.Copy(io.Discard, io.LimitReader(r.Body, maxResponse))
	if r.Trailer.Get("Lambda-Runtime-Function-Error-Type") != "" {
		told, _ := base64.StdEncoding.DecodeString(r.Trailer.Get("Lambda-Runtime-Function-Error-Body"))
		out = &outcome{status: http.StatusOK, payload: string(told), failed: true}
	}
	p.catchUp()
	switch {
	case !p.fleet.settle(p, r.PathValue("id"), out):
		refuse(w, http.StatusBadRequest, "InvalidRequestID")
	case dropped == maxResponse:
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge")
	default:
		accept(w)
	}
}

// failure takes an invocation's error.
func (p *process) failure(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, integration.MaxResult+1))
	if err != nil {
		refuse(w, http.StatusBadRequest, "TruncatedResponse")
		return
	}
	out := &outcome{status: http.StatusOK, payload: string(body), failed: true, cut: len(body) > integration.MaxResult}
	p.catchUp()
	if !p.fleet.settle(p, r.PathValue("id"), out) {
		refuse(w, http.StatusBadRequest, "InvalidRequestID")
		return
	}
	accept(w)
}

// initFailure takes the error of a process that can't begin.
func (p *process) initFailure(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, maxInit))
	p.initial.set(string(body))
	accept(w)
}

// initError is what a process reported of its start.
type initError struct {
	mu   sync.Mutex
	body string
}

func (e *initError) set(body string) { e.mu.Lock(); e.body = body; e.mu.Unlock() }

func (e *initError) get() string { e.mu.Lock(); defer e.mu.Unlock(); return e.body }

func accept(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	io.WriteString(w, `{"status":"OK"}`)
}

func refuse(w http.ResponseWriter, status int, errorType string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	body := value.NewObject(
		value.Member{Name: "errorMessage", Value: value.NewString(http.StatusText(status))},
		value.Member{Name: "errorType", Value: value.NewString(errorType)})
	w.Write(body.Append(nil))
}
