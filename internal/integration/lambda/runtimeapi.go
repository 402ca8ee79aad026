package lambda

import (
	"encoding/base64"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// The Lambda Runtime API, version 2018-06-01, as one process sees it.

// Bounds of what a process may send, in bytes.
const (
	maxResponse = 6 << 20 // of a response that are read and, past MaxResult, dropped
	maxInit     = 32 << 10
	requestRoot = "/2018-06-01/runtime/"
)

// answer answers a request on a line. It reports whether the line goes on.
func (l *line) answer(r *http.Request) bool {
	if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
		// No page takes an invocation away from a program, or answers for it.
		return l.refuse(http.StatusForbidden, "NotForBrowsers")
	}
	path, _ := strings.CutPrefix(r.URL.Path, requestRoot)
	noun, id, verb := path, "", ""
	if part := strings.Split(path, "/"); len(part) == 3 {
		noun, id, verb = part[0], part[1], part[2]
	}
	switch r.Method + " " + noun + " " + verb {
	case "GET invocation/next ":
		return l.next()
	case "POST init/error ":
		return l.initFailure(r)
	case "POST invocation response":
		return l.response(r, id)
	case "POST invocation error":
		return l.failure(r, id)
	}
	return l.refuse(http.StatusNotFound, "NoSuchOperation")
}

// next gives the process an invocation, now or as soon as there is one.
func (l *line) next() bool {
	t, ok := l.process.fleet.ready(l.process, l)
	if !ok {
		return l.refuse(http.StatusForbidden, "InvalidStateTransition")
	}
	if t != nil {
		l.hand(t)
	}
	return true
}

// hand gives an invocation to the process that asked on this line. Where it
// can't be told, another process is, or the invocation waits again.
func (l *line) hand(t *turn) {
	for l != nil {
		p := l.process
		p.output.mark()
		p.tailed.Store(t.in.logTail)
		deadline, wanted := p.fleet.clock(p, t)
		if !wanted {
			l.conn.Close() // the process asks in vain, and is about to end
			return
		}
		if l.invocation(t.in, deadline) {
			p.fleet.told(p, t)
			return
		}
		l = p.fleet.untold(p, t)
	}
}

// response takes an invocation's payload. A process may tell after it has begun
// its payload that the function failed: then that stands in the trailer.
func (l *line) response(r *http.Request, id string) bool {
	body, err := readUpTo(r, integration.MaxResult+1)
	if err != nil {
		return l.refuse(http.StatusBadRequest, "TruncatedResponse")
	}
	out := &outcome{status: http.StatusOK, payload: string(body), cut: len(body) > integration.MaxResult}
	dropped, _ := io.Copy(io.Discard, io.LimitReader(r.Body, maxResponse))
	if r.Trailer.Get("Lambda-Runtime-Function-Error-Type") != "" {
		told, _ := base64.StdEncoding.DecodeString(r.Trailer.Get("Lambda-Runtime-Function-Error-Body"))
		out = &outcome{status: http.StatusOK, payload: string(told), failed: true}
	}
	if dropped == maxResponse && l.settle(id, out) {
		l.refuse(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge")
		return false // the rest of it is not read
	}
	return l.conclude(id, out)
}

// failure takes an invocation's error.
func (l *line) failure(r *http.Request, id string) bool {
	body, err := readUpTo(r, integration.MaxResult+1)
	if err != nil {
		return l.refuse(http.StatusBadRequest, "TruncatedResponse")
	}
	return l.conclude(id, &outcome{status: http.StatusOK, payload: string(body), failed: true, cut: len(body) > integration.MaxResult})
}

// conclude settles an invocation and tells the process so.
func (l *line) conclude(id string, out *outcome) bool {
	if !l.settle(id, out) {
		return l.refuse(http.StatusBadRequest, "InvalidRequestID")
	}
	return l.accept()
}

// settle answers the invocation of that request. Where somebody asked for what
// the process printed, that, which comes by another way, is let arrive.
func (l *line) settle(id string, out *outcome) bool {
	if l.process.tailed.Load() {
		time.Sleep(tailWait)
	}
	return l.process.fleet.settle(l.process, id, out)
}

// initFailure takes the error of a process that can't begin.
func (l *line) initFailure(r *http.Request) bool {
	body, _ := readUpTo(r, maxInit)
	l.process.initial.Store(string(body))
	return l.accept()
}

func readUpTo(r *http.Request, most int64) ([]byte, error) {
	if n := r.ContentLength; n >= 0 && n < most {
		body := make([]byte, n)
		_, err := io.ReadFull(r.Body, body)
		return body, err
	}
	return io.ReadAll(io.LimitReader(r.Body, most))
}

func (l *line) accept() bool { return l.write(http.StatusAccepted, nil, `{"status":"OK"}`) }

func (l *line) refuse(status int, errorType string) bool {
	body := value.NewObject(
		value.Member{Name: "errorMessage", Value: value.NewString(http.StatusText(status))},
		value.Member{Name: "errorType", Value: value.NewString(errorType)})
	return l.write(status, nil, body.Text().String())
}

// invocation writes an invocation, to be answered until deadline.
func (l *line) invocation(in *invocation, deadline time.Time) bool {
	h := []header{
		{"Lambda-Runtime-Aws-Request-Id", in.id},
		{"Lambda-Runtime-Deadline-Ms", strconv.FormatInt(deadline.UnixMilli(), 10)},
		{"Lambda-Runtime-Invoked-Function-Arn", in.function.invoked()},
		{"Lambda-Runtime-Trace-Id", in.task.Trace},
		{"Lambda-Runtime-Client-Context", in.clientContext(l.process.fleet.strict)},
	}
	return l.write(http.StatusOK, h, in.payload)
}
