package participant

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
)

// MaxRequest is how many bytes the body of a request has at most: four times what
// Backstep sends.
const MaxRequest = 4 * 262144

// HeaderRepeated stands in an answer that was given before, with the value "true".
const HeaderRepeated = "Backstep-Repeated"

// headerFunctionError makes a failure of the function of what Lambda's Invoke answers,
// whatever its status.
const headerFunctionError = "X-Amz-Function-Error"

// Wrap puts the barrier before a handler: for each call it runs in a transaction, which
// it gets by [TxFrom], and which is committed before its answer goes out. What it answers
// decides:
//
//	2xx            the effect took place: committed and kept; a repeat gets the same
//	4xx            refused: rolled back, and of a forward call kept; see [Effect]. So is
//	               a 2xx with X-Amz-Function-Error, of a function that has a URL
//	408, 425, 429  not now: rolled back and not kept; a repeat tries anew
//	any other      failed: rolled back and not kept; a repeat tries anew
//
// A forward call that may go well with the next try is not refused, but answered by a
// 429 or a 503.
//
// Kept are the status, the Content-Type and the body; other headers go out with the
// first answer alone. A body has at most [MaxBody] bytes; with a larger one the
// effect is rolled back.
//
// Queries are answered by the barrier itself, and so is what it refuses: 400 for what
// is no call, 409 for [ErrHanging] and [ErrNothingToConfirm], 413 for a request over
// [MaxRequest], 422 for [ErrKeyReused]; the effect has not taken place then. 500 says that nobody knows: the
// call must be sent again. The answers are JSON with "error" and "cause".
//
// The request's body is read to its end before the transaction begins. The handler
// must not keep the transaction, and what it does elsewhere isn't rolled back with it.
// Authentication and routing belong in front of the barrier.
func (b *Barrier) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := CallFromRequest(r)
		if err != nil {
			b.refuse(w, r, c, err)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxRequest))
		if err != nil {
			b.refuse(w, r, c, fmt.Errorf("read the request: %w", err))
			return
		}
		if b.Subject != nil {
			c.Subject = b.Subject(r, body)
		}
		if c.Operation == Query {
			b.serveQuery(w, r, c)
			return
		}
		b.serve(w, r, c, body, next)
	})
}

// serve has a handler do a call behind the barrier.
func (b *Barrier) serve(w http.ResponseWriter, r *http.Request, c Call, body []byte, next http.Handler) {
	said := &recorder{header: http.Header{}}
	answer, err := b.Do(r.Context(), c, func(ctx context.Context, tx *sql.Tx) (Answer, error) {
		inside := r.WithContext(context.WithValue(ctx, scopeKey{}, scope{tx, c}))
		inside.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(said, inside)
		return said.answer()
	})
	if errors.Is(err, errNotKept) {
		answer, err = said.asIs(), nil
	}
	if err != nil {
		b.refuse(w, r, c, err)
		return
	}
	maps.Copy(w.Header(), said.header) // of a handler that ran
	send(w, answer)
}

// serveQuery tells what became of a step.
func (b *Barrier) serveQuery(w http.ResponseWriter, r *http.Request, c Call) {
	fate, err := b.Query(r.Context(), c)
	if err != nil {
		b.refuse(w, r, c, err)
		return
	}
	sendJSON(w, http.StatusOK, fate)
}

// refuse answers a call that was not done.
func (b *Barrier) refuse(w http.ResponseWriter, r *http.Request, c Call, err error) {
	var tooLarge *http.MaxBytesError
	status, name := http.StatusInternalServerError, "Barrier.Failed"
	switch {
	case errors.Is(err, ErrCall):
		status, name = http.StatusBadRequest, "Barrier.BadCall"
	case errors.Is(err, ErrHanging):
		status, name = http.StatusConflict, "Barrier.Hanging"
	case errors.Is(err, ErrKeyReused):
		status, name = http.StatusUnprocessableEntity, "Barrier.KeyReused"
	case errors.Is(err, ErrNothingToConfirm):
		status, name = http.StatusConflict, "Barrier.NothingToConfirm"
	case errors.As(err, &tooLarge):
		status, name = http.StatusRequestEntityTooLarge, "Barrier.TooLarge"
	}
	cause := err.Error()
	if status == http.StatusInternalServerError {
		cause = "whether the call had its effect is not known: send it again" // what the database says is for the log
	}
	if b.Log != nil {
		b.Log.WarnContext(r.Context(), "a call was not done", "key", c.Key, "operation", c.Operation, "state", c.State, "execution", c.Execution, "error", err)
	}
	sendJSON(w, status, map[string]string{"error": name, "cause": cause})
}

func sendJSON(w http.ResponseWriter, status int, what any) {
	body, err := json.Marshal(what)
	if err != nil {
		status, body = http.StatusInternalServerError, nil
	}
	send(w, Answer{Status: status, ContentType: "application/json", Body: body})
}

func send(w http.ResponseWriter, a Answer) {
	if a.Repeated {
		w.Header().Set(HeaderRepeated, "true")
	}
	if a.ContentType != "" {
		w.Header().Set("Content-Type", a.ContentType)
	}
	if a.Refused && a.Status < 300 {
		w.Header().Set(headerFunctionError, "Unhandled")
	}
	w.WriteHeader(a.Status)
	w.Write(a.Body) // whoever has gone hears it from the repeat
}

type scopeKey struct{}

// scope is what a handler finds in its context.
type scope struct {
	tx   *sql.Tx
	call Call
}

// TxFrom is the transaction in which a handler behind [Barrier.Wrap] does its work,
// found in its request's context. Without a barrier it panics: the work would have
// nothing to protect it.
func TxFrom(ctx context.Context) *sql.Tx { return scopeOf(ctx).tx }

// CallFrom is the call that a handler behind [Barrier.Wrap] does, found in its
// request's context. Without a barrier it panics.
func CallFrom(ctx context.Context) Call { return scopeOf(ctx).call }

func scopeOf(ctx context.Context) scope {
	s, ok := ctx.Value(scopeKey{}).(scope)
	if !ok {
		panic("participant: the context is not that of a request behind Barrier.Wrap")
	}
	return s
}

var errBodyTooLarge = fmt.Errorf("%w: a body of more than %d bytes", ErrTooLarge, MaxBody)

// errNotKept: the handler's answer goes out as it is, and its effect is rolled back.
var errNotKept = errors.New("the handler's answer is not kept")

// recorder holds back what a handler says until its effect has been committed.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer // MaxBody at most
	more   bool         // there would be more
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= 200 {
		r.status = status
	}
}

func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	if len(p) > MaxBody-r.body.Len() {
		r.more = true
		return 0, errBodyTooLarge
	}
	return r.body.Write(p)
}

// answer is what the handler said, for the barrier.
func (r *recorder) answer() (Answer, error) {
	a := r.asIs()
	switch {
	case r.more:
		return Answer{}, errBodyTooLarge
	case a.Status >= 200 && a.Status < 300:
		a.Refused = r.header.Get(headerFunctionError) != ""
		return a, nil
	case a.Status >= 400 && a.Status < 500 && a.Status != http.StatusRequestTimeout &&
		a.Status != http.StatusTooEarly && a.Status != http.StatusTooManyRequests:
		a.Refused = true
		return a, nil
	}
	return Answer{}, errNotKept
}

// asIs is what the handler said.
func (r *recorder) asIs() Answer {
	a := Answer{Status: r.status, ContentType: r.header.Get("Content-Type"), Body: r.body.Bytes()}
	if a.Status == 0 {
		a.Status = http.StatusOK
	}
	if a.ContentType == "" && len(a.Body) > 0 {
		a.ContentType = http.DetectContentType(a.Body) // as net/http does, so that a repeat has the same
	}
	return a
}
