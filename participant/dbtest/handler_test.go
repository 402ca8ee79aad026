package dbtest

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/backstep/backstep/participant"
)

// service is a handler behind a barrier: its ledger has a line for each of its runs,
// and it answers what the test wants.
type service struct {
	*httptest.Server
	barrier *participant.Barrier
	runs    atomic.Int32
	handle  atomic.Pointer[http.HandlerFunc] // nil: 201 and the request's body
	log     safeBuffer
}

// answers has the service answer by a function, nil for what it does by itself.
func (s *service) answers(handle http.HandlerFunc) {
	if handle == nil {
		s.handle.Store(nil)
		return
	}
	s.handle.Store(&handle)
}

func serve(t *testing.T, d *database) *service {
	s := &service{}
	b := participant.NewBarrier(d.DB, d.dialect)
	s.barrier = b
	b.Log = slog.New(slog.NewTextHandler(&s.log, nil))
	s.Server = httptest.NewServer(b.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.runs.Add(1)
		if err := d.write(r.Context(), participant.TxFrom(r.Context()), participant.CallFrom(r.Context())); err != nil {
			t.Error(err)
		}
		if handle := s.handle.Load(); handle != nil {
			(*handle)(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-First", "yes")
		w.WriteHeader(http.StatusCreated)
		w.Write(body)
	})))
	t.Cleanup(s.Close)
	return s
}

// reply is what came back.
type reply struct {
	status   int
	kind     string
	body     string
	repeated bool
	first    string // the header that is not kept
	failed   string // the header of a function that fails
}

func (s *service) send(t *testing.T, c participant.Call, body string) reply {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, s.URL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		participant.HeaderKey: c.Key, participant.HeaderOperation: string(c.Operation), participant.HeaderForwardKey: c.ForwardKey, participant.HeaderAttempt: "1",
		participant.HeaderState: url.PathEscape(c.State),
	} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return reply{}
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	return reply{answer.StatusCode, answer.Header.Get("Content-Type"), string(text), answer.Header.Get(participant.HeaderRepeated) == "true", answer.Header.Get("X-First"), answer.Header.Get("X-Amz-Function-Error")}
}

func TestAHandlerBehindTheBarrier(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := serve(t, d)
		want := reply{201, "application/json", `{"n":1}`, false, "yes", ""}
		if got := s.send(t, forward("s-1"), `{"n":1}`); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		want.repeated, want.first = true, ""
		if got := s.send(t, forward("s-1"), `{"n":2}`); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		if got := s.send(t, query("s-1"), ``); got.status != 200 || got.body != `{"Outcome":"SUCCEEDED","Output":{"n":1}}` {
			t.Errorf("the query gets %+v", got)
		}
		if got := s.send(t, compensate("s-1"), `{"n":3}`); got.status != 201 || got.body != `{"n":3}` {
			t.Errorf("the undo gets %+v", got)
		}
		if got := s.send(t, query("s-2"), ``); got.status != 200 || got.body != `{"Outcome":"FAILED"}` {
			t.Errorf("the query of what never was gets %+v", got)
		}
		if got := s.send(t, forward("s-2"), ``); got.status != 409 || !strings.Contains(got.body, `"Barrier.Hanging"`) {
			t.Errorf("the call after its query gets %+v", got)
		}
		if got := s.send(t, confirm("s-3"), ``); got.status != 409 || !strings.Contains(got.body, `"Barrier.NothingToConfirm"`) {
			t.Errorf("the confirm of nothing gets %+v", got)
		}
		if got := s.send(t, compensate("s-3"), ``); got.status != 200 || got.body != `{}` {
			t.Errorf("the undo of nothing gets %+v", got)
		}
		if n := s.runs.Load(); n != 2 || d.number(t, "SELECT COUNT(*) FROM ledger") != 2 {
			t.Errorf("the handler ran %d times", n)
		}
	})
}

func TestWhatAHandlerAnswersDecides(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := serve(t, d)
		for status, fate := range map[int]string{
			200: "kept", 204: "kept", 299: "kept",
			400: "refused", 404: "refused", 409: "refused", 422: "refused", 499: "refused",
			302: "tried anew", 408: "tried anew", 425: "tried anew", 429: "tried anew", 500: "tried anew", 503: "tried anew",
		} {
			step := fmt.Sprintf("s-%d", status)
			s.answers(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(status)
				w.WriteHeader(599) // too late to say
				if status != 204 {
					fmt.Fprintf(w, "run %d", status)
				}
			})
			s.runs.Store(0)
			first, again := s.send(t, forward(step), ""), s.send(t, forward(step), "")
			if first.status != status || again.status != status || first.body != again.body || first.kind != again.kind {
				t.Errorf("%d: first %+v, again %+v", status, first, again)
			}
			runs, lines := 1, 0
			if fate == "tried anew" {
				runs = 2
			}
			if fate == "kept" {
				lines = 1
			}
			if n := int(s.runs.Load()); n != runs || again.repeated != (runs == 1) {
				t.Errorf("%d: %d runs, want %d; %+v", status, n, runs, again)
			}
			if n := d.lines(t, step, participant.Forward); n != lines {
				t.Errorf("%d: %d lines, want %d", status, n, lines)
			}
		}
	})
}

// A function that has a URL tells of its failure by a header.
func TestAFunctionThatFails(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := serve(t, d)
		s.answers(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
			fmt.Fprint(w, `{"errorType":"OutOfStock"}`)
		})
		first, again := s.send(t, forward("s-1"), ""), s.send(t, forward("s-1"), "")
		if first.failed != "Unhandled" || again.failed != "Unhandled" || first.body != again.body || !again.repeated || d.lines(t, "s-1", participant.Forward) != 0 {
			t.Errorf("first %+v, again %+v", first, again)
		}
	})
}

func TestAHandlerThatBreaks(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := serve(t, d)
		for name, broken := range map[string]http.HandlerFunc{
			"panics":    func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			"too large": func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, participant.MaxBody+1)) },
			"in two parts": func(w http.ResponseWriter, r *http.Request) {
				w.Write(make([]byte, participant.MaxBody))
				if _, err := w.Write([]byte("x")); err == nil {
					t.Error("what is not kept is taken")
				}
			},
		} {
			s.answers(broken)
			step := strings.ReplaceAll(name, " ", "-")
			if got := s.send(t, forward(step), ""); got.status != 0 && got.status != 500 {
				t.Errorf("%s: %+v", name, got)
			}
			s.answers(nil)
			if got := s.send(t, forward(step), "1"); got.status != 201 || d.lines(t, step, participant.Forward) != 1 {
				t.Errorf("%s: after it %+v", name, got)
			}
		}
	})
}

func TestWhatTheBarrierRefuses(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := serve(t, d)
		for _, bad := range []participant.Call{
			{}, {Operation: participant.Forward}, {Key: "s-1"}, {Key: "s 1", Operation: participant.Forward},
			{Key: "s-1:compensate", Operation: participant.Compensate}, {Operation: participant.Query},
		} {
			got := s.send(t, bad, "1")
			var said struct{ Error, Cause string }
			if err := json.Unmarshal([]byte(got.body), &said); err != nil || got.status != 400 || said.Error != "Barrier.BadCall" || said.Cause == "" {
				t.Errorf("%+v: %+v", bad, got)
			}
		}
		if got := s.send(t, forward("s-1"), strings.Repeat("x", participant.MaxRequest+1)); got.status != 413 {
			t.Errorf("too large a request: %+v", got)
		}
		d.exec(t, "DROP TABLE backstep_barrier")
		got := s.send(t, forward("s-1"), "1")
		if got.status != 500 || strings.Contains(got.body, "backstep_barrier") || !strings.Contains(s.log.String(), "backstep_barrier") {
			t.Errorf("without its table: %+v, logged: %s", got, s.log.String())
		}
		if got := s.send(t, query("s-1"), ""); got.status != 500 {
			t.Errorf("a query without the table: %+v", got)
		}
		if n := s.runs.Load(); n != 0 {
			t.Errorf("the handler ran %d times", n)
		}
	})
}

// The subject of a request is the service's to say, and not what changes with each send.
func TestARequestForSomethingElse(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := serve(t, d)
		s.barrier.Subject = func(_ *http.Request, body []byte) string {
			var order struct{ Order string }
			if err := json.Unmarshal(body, &order); err != nil {
				t.Error(err)
			}
			return order.Order
		}
		first := `{"order":"17","at":1}`
		if got := s.send(t, forward("s-1"), first); got.status != 201 {
			t.Errorf("%+v", got)
		}
		if got := s.send(t, forward("s-1"), `{"order":"17","at":2}`); got.status != 201 || got.body != first || !got.repeated {
			t.Errorf("sent again: %+v", got)
		}
		another := forward("s-1")
		another.State = "Cancel"
		for _, got := range []reply{
			s.send(t, forward("s-1"), `{"order":"18","at":1}`), s.send(t, compensate("s-1"), `{"order":"18"}`), s.send(t, query("s-1"), `{"order":"18"}`), s.send(t, another, first),
		} {
			if got.status != 422 || !strings.Contains(got.body, `"Barrier.KeyReused"`) || got.repeated {
				t.Errorf("for something else: %+v", got)
			}
		}
		if n := s.runs.Load(); n != 1 || !strings.Contains(s.log.String(), "the key was used for something else") {
			t.Errorf("%d runs, logged: %s", n, s.log.String())
		}
	})
}

func TestManyRequestsOfOneKey(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := serve(t, d)
		var all sync.WaitGroup
		replies := make([]reply, callers)
		for i := range replies {
			all.Go(func() { replies[i] = s.send(t, forward("s-1"), fmt.Sprint(i)) })
		}
		all.Wait()
		for _, r := range replies {
			if r.status != 201 || r.body != replies[0].body {
				t.Errorf("%+v beside %+v", r, replies[0])
			}
		}
		if n := s.runs.Load(); n != 1 || d.lines(t, "s-1", participant.Forward) != 1 {
			t.Errorf("%d runs", n)
		}
	})
}
