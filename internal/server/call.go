package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/backstep/backstep/api"
)

const contentType = "application/x-amz-json-1.0"

// route is an operation, ready to be called.
type route struct {
	api.Operation
	constraints constraints
	polls       bool    // answers early when the server is about to stop
	bucket      *bucket // nil: it may be called as often as anybody likes
}

// newRoutes are the routes of all operations, whose payloads may be as long as the API says or maxPayload does.
func newRoutes(maxPayload int64) map[string]*route {
	routes := make(map[string]*route, len(api.Operations))
	for _, o := range api.Operations {
		routes[o.Target] = &route{
			Operation:   o,
			constraints: constraintsOf(o.Input).lift(maxPayload),
			polls:       o.Name == "GetActivityTask" || o.Name == "WaitExecution",
		}
	}
	return routes
}

// name is that of the operation, "" where nobody knows it.
func (rt *route) name() string {
	if rt == nil {
		return ""
	}
	return rt.Name
}

// serveCall answers one call of the API.
func (s *Server) serveCall(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	id := newRequestID()
	rt, err := s.route(r)
	var out any
	if err == nil {
		out, err = s.admit(w, r, rt, id)
	}
	var failure *api.Error
	if err != nil {
		failure = s.explain(err, rt.name(), id)
	}
	failure = s.answer(w, id, out, failure)
	s.metrics.observe(rt, failure, time.Since(began))
}

// route finds the operation that a request names.
func (s *Server) route(r *http.Request) (*route, error) {
	targets := r.Header["X-Amz-Target"]
	switch len(targets) {
	case 0:
		return nil, api.Errorf(api.CodeUnknownOperation, "The header X-Amz-Target is missing.")
	case 1:
	default:
		return nil, api.Errorf(api.CodeUnknownOperation, "The header X-Amz-Target is there more than once.")
	}
	if rt := s.routes[targets[0]]; rt != nil {
		return rt, nil
	}
	return nil, api.Errorf(api.CodeUnknownOperation, "The operation %.100q is unknown.", targets[0])
}

// admit takes the call in if there is room for it, for as long as it lasts. It has its place once its body has come: whoever sends that slowly keeps
// nobody's. What is refused costs no more than its reading.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, rt *route, id string) (any, error) {
	if err := checkContentType(r); err != nil {
		return nil, err
	}
	body := buffers.Get().(*bytes.Buffer)
	defer func() { release(body) }()
	leave, err := s.readBody(w, r, body)
	defer leave()
	if err != nil {
		return nil, err
	}
	room := s.calls
	if rt.Long() {
		room = s.polls
	}
	select {
	case room <- struct{}{}:
		defer func() { <-room }()
	default:
		return nil, api.Errorf(api.CodeThrottling, "Rate exceeded: %d calls are under way.", cap(room))
	}
	in, err := s.readInput(r, rt, body.Bytes())
	if err != nil {
		return nil, err
	}
	if err := rt.bucket.take(); err != nil {
		return nil, err
	}
	return s.perform(r.Context(), rt, in, id)
}

func checkContentType(r *http.Request) error {
	given, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(given), contentType) {
		return api.Errorf(api.CodeUnknownOperation, "The content type must be %s.", contentType)
	}
	return nil
}

// readInput checks who sent a request, and decodes it. What is decoded does not share the body's bytes.
func (s *Server) readInput(r *http.Request, rt *route, body []byte) (any, error) {
	if s.verifier != nil {
		if err := s.verifier.check(r, body); err != nil {
			return nil, err
		}
	}
	return decode(rt, body)
}

// perform asks the service. A panic in it is an error like any other that nobody foresaw.
func (s *Server) perform(ctx context.Context, rt *route, in any, id string) (out any, err error) {
	defer func() {
		if p := recover(); p != nil {
			out, err = nil, fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	if rt.polls {
		return s.poll(ctx, rt, in)
	}
	return rt.Call(ctx, s.service, in)
}

// poll is a call that ends early when the server is about to stop: with no task, or with the execution as it stands.
func (s *Server) poll(ctx context.Context, rt *route, in any) (any, error) {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.draining, cancel)()
	out, err := rt.Call(waiting, s.service, in)
	if err == nil || ctx.Err() != nil || s.draining.Err() == nil || !errors.Is(err, context.Canceled) {
		return out, err
	}
	if wait, ok := in.(*api.WaitExecutionInput); ok {
		wait.TimeoutSeconds = new(int32)
		return rt.Call(ctx, s.service, wait)
	}
	return &api.GetActivityTaskOutput{}, nil
}

// explain makes of any error one that a caller may see. What nobody foresaw is logged under the request's id; while the server takes no work, as on
// a full disk, it is no fault of the server's.
func (s *Server) explain(err error, operation, id string) *api.Error {
	var known *api.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return api.Errorf(api.CodeServiceUnavailable, "The call was broken off.")
	}
	s.log.Error("call failed", "operation", operation, "id", id, "error", err)
	if s.readiness() != nil {
		return api.Errorf(api.CodeServiceUnavailable, "The server does not take work right now. Try again.")
	}
	return api.Errorf(api.CodeInternalFailure, "Something went wrong that should not. The server's log says more under %s.", id)
}

// failureBody is an error as it travels.
type failureBody struct {
	Type         string `json:"__type"`
	Message      string `json:"message"`
	Reason       string `json:"reason,omitzero"`
	ResourceName string `json:"resourceName,omitzero"`
}

// answer writes an output, or a failure, in one piece, and returns the failure that was told.
func (s *Server) answer(w http.ResponseWriter, id string, out any, failure *api.Error) *api.Error {
	body := buffers.Get().(*bytes.Buffer)
	defer release(body)
	if failure == nil {
		if err := encode(body, out); err != nil {
			s.log.Error("answer can't be encoded", "id", id, "error", err)
			failure = api.Errorf(api.CodeInternalFailure, "The answer can't be told. The server's log says more under %s.", id)
		}
	}
	status := http.StatusOK
	header := w.Header()
	if failure != nil {
		body.Reset()
		_ = encode(body, &failureBody{failure.Code, failure.Message, failure.Reason, failure.ResourceName})
		status = failure.HTTPStatus()
		header["X-Amzn-Errortype"] = []string{failure.Code}
	}
	header["Content-Type"] = []string{contentType}
	header["Content-Length"] = []string{strconv.Itoa(body.Len())}
	header["X-Amzn-Requestid"] = []string{id}
	header["Cache-Control"] = []string{"no-store"}
	header["X-Content-Type-Options"] = []string{"nosniff"}
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(writeTimeout))
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
	_ = control.SetWriteDeadline(time.Time{})
	return failure
}

// refuse answers a request that is no call.
func (s *Server) refuse(w http.ResponseWriter, failure *api.Error) {
	s.answer(w, newRequestID(), nil, failure)
}

func encode(body *bytes.Buffer, v any) error {
	return json.MarshalWrite(body, v, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
}

// buffers are for bodies, in and out.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// release gives a buffer back, unless it has grown so large that keeping it would be a waste.
func release(b *bytes.Buffer) {
	if b.Cap() <= largeBody {
		b.Reset()
		buffers.Put(b)
	}
}

// newRequestID is a random UUID.
func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	var id [36]byte
	hex.Encode(id[:8], b[:4])
	hex.Encode(id[9:13], b[4:6])
	hex.Encode(id[14:18], b[6:8])
	hex.Encode(id[19:23], b[8:10])
	hex.Encode(id[24:], b[10:])
	id[8], id[13], id[18], id[23] = '-', '-', '-', '-'
	return string(id[:])
}
