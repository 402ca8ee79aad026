package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/backstep/backstep/api"
)

// backupPath is where a backup is asked for, by a POST without a body.
const backupPath = "/backup"

// serveBackup streams a backup to whoever may call the API. What breaks off on the way ends the connection: who reads it sees that its end is
// missing. One is made at a time.
func (s *Server) serveBackup(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		s.refuse(w, &api.Error{Code: api.CodeUnknownOperation, Message: "A backup is asked for by POST.", Status: http.StatusMethodNotAllowed})
		return
	case s.verifier != nil:
		if err := s.verifier.check(r, nil); err != nil {
			var refused *api.Error
			errors.As(err, &refused)
			s.refuse(w, refused)
			return
		}
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
	if err := s.backup(ctx, &patient{w, http.NewResponseController(w)}); err != nil {
		s.log.Error("a backup failed", "error", err)
		panic(http.ErrAbortHandler)
	}
}

// patient gives each write the time of an answer.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
}

// Write writes within the time of an answer.
func (p *patient) Write(b []byte) (int, error) {
	_ = p.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	return p.ResponseWriter.Write(b)
}
