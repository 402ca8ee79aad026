package lambda

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strconv"

	"github.com/backstep/backstep/internal/integration"
)

// Two requests come with each invocation: one asks for it, one brings its
// payload. In the form that runtimes give them they are read here; whatever is
// said otherwise, the standard library's reader reads.

// request is what a process says: something else where http has it, the payload
// of an invocation where that is named, else it asks for an invocation.
type request struct {
	http    *http.Request
	answers string // the invocation's id
	length  int    // of the payload that follows, in bytes
}

// read reads a request, or its head where a payload follows.
func (l *line) read() (request, error) {
	l.in.Peek(1)
	said, _ := l.in.Peek(l.in.Buffered())
	if r, size, ok := plain(said); ok {
		_, err := l.in.Discard(size)
		return r, err
	}
	r, err := http.ReadRequest(l.in)
	return request{http: r}, err
}

var (
	lineEnd = []byte("\r\n")
	asksFor = []byte("GET " + requestRoot + "invocation/next HTTP/1.1")
	brings  = []byte("POST " + requestRoot + "invocation/")
	answers = []byte("/response HTTP/1.1")
)

// plain reads the head of one of the two, of so many bytes.
func plain(said []byte) (r request, size int, ok bool) {
	end := bytes.Index(said, []byte("\r\n\r\n"))
	if end < 0 {
		return r, 0, false
	}
	first, fields, _ := bytes.Cut(said[:end], lineEnd)
	length, ok := plainFields(fields)
	if !ok {
		return r, 0, false
	}
	size = end + 2*len(lineEnd)
	if bytes.Equal(first, asksFor) {
		return r, size, length <= 0
	}
	id, begins := bytes.CutPrefix(first, brings)
	id, ends := bytes.CutSuffix(id, answers)
	r = request{answers: string(id), length: length}
	return r, size, begins && ends && len(id) > 0 && !bytes.ContainsAny(id, " /%?") &&
		length >= 0 && length <= integration.MaxResult
}

// plainFields reads the fields of a head that say no more of the request than
// its length, -1 where none is told.
func plainFields(fields []byte) (length int, ok bool) {
	length = -1
	for len(fields) > 0 {
		var field []byte
		field, fields, _ = bytes.Cut(fields, lineEnd)
		name, v, _ := bytes.Cut(field, []byte(": "))
		switch {
		case bytes.ContainsAny(field, "\r\n"):
			return 0, false
		case bytes.EqualFold(name, []byte("Content-Length")):
			n, err := strconv.ParseUint(string(v), 10, 31)
			if err != nil || length >= 0 {
				return 0, false
			}
			length = int(n)
		case bytes.EqualFold(name, []byte("Host")), bytes.EqualFold(name, []byte("User-Agent")),
			bytes.EqualFold(name, []byte("Content-Type")), bytes.EqualFold(name, []byte("Accept-Encoding")):
		default:
			return 0, false
		}
	}
	return length, true
}

// payload takes the payload that follows the head of such a request.
func (l *line) payload(r request) bool {
	body := slices.Grow(l.body[:0], r.length)[:r.length]
	if _, err := io.ReadFull(l.in, body); err != nil {
		return l.refuse(http.StatusBadRequest, "TruncatedResponse")
	}
	if l.body = body; r.length > maxHead {
		l.body = nil
	}
	return l.conclude(r.answers, &outcome{status: http.StatusOK, payload: string(body)})
}
