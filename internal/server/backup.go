package server

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/backstep/backstep/api"
)

// backupPath is where a backup is asked for, by a POST without a body, and keptPath where who has kept one says so: by a POST of the moment that
// its head tells, in milliseconds since 1970.
const (
	backupPath = "/backup"
	keptPath   = "/backup/kept"
)

// serveBackup streams a backup to whoever may call the API. What breaks off on the way ends the connection: who reads it sees that its end is
// missing. One is made at a time.
func (s *Server) serveBackup(w http.ResponseWriter, r *http.Request) {
	if !s.mayPost(w, r, nil) {
		return
	}
	if !s.backing.TryLock() {
		s.refuse(w, api.Errorf(api.CodeThrottling, "Another backup is being made."))
		return
	}
	defer s.backing.Unlock()
	ctx, stop := context.WithCancel(r.Context())
	defer stop()
	defer context.AfterFunc(s.draining, stop)()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Cache-Control", "no-store")
	to := &patient{ResponseWriter: w, control: http.NewResponseController(w)}
	err := s.backup(ctx, to)
	switch {
	case err == nil:
		_ = to.control.SetWriteDeadline(time.Time{})
	case !to.began:
		id := newRequestID()
		s.answer(w, id, nil, s.explain(err, "backup", id))
	default:
		s.log.Error("a backup broke off", "error", err)
		panic(http.ErrAbortHandler)
	}
}

// serveKept hears that a backup is kept.
func (s *Server) serveKept(w http.ResponseWriter, r *http.Request) {
	var body bytes.Buffer
	leave, err := s.readBody(w, r, &body)
	defer leave()
	if err != nil {
		s.refuse(w, s.explain(err, "backup", ""))
		return
	}
	if !s.mayPost(w, r, body.Bytes()) {
		return
	}
	taken, err := strconv.ParseInt(body.String(), 10, 64)
	if err != nil || taken <= 0 {
		s.refuse(w, api.Validation("The body must be the moment of the backup, in milliseconds since 1970."))
		return
	}
	taken = min(taken, time.Now().UnixMilli())
	for last := s.kept.Load(); taken > last && !s.kept.CompareAndSwap(last, taken); last = s.kept.Load() {
	}
	s.answer(w, newRequestID(), struct{}{}, nil)
}

// mayPost refuses a request beside the API, whose body is given, that is no POST of somebody who may call the API.
func (s *Server) mayPost(w http.ResponseWriter, r *http.Request, body []byte) bool {
	var err error
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		err = &api.Error{Code: api.CodeUnknownOperation, Message: "A backup is asked for by POST.", Status: http.StatusMethodNotAllowed}
	} else if s.verifier != nil {
		err = s.verifier.check(r, body)
	}
	if err != nil {
		s.refuse(w, s.explain(err, "backup", ""))
	}
	return err == nil
}

// patient gives each write the time of an answer.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
	began   bool
}

// Write writes within the time of an answer.
func (p *patient) Write(b []byte) (int, error) {
	p.began = true
	_ = p.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	return p.ResponseWriter.Write(b)
}
