package lambda

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// spoken is a program that says nothing itself, so that the test speaks to its
// Runtime API in its place, and a call that it is to answer.
type spoken struct {
	t       *testing.T
	handler *Handler
	address string
	answer  chan string
}

func speak(t *testing.T, payload, trace string) *spoken {
	h := hosted(t, "mute", Function{Concurrency: 1})
	s := &spoken{t: t, handler: h, answer: make(chan string, 1)}
	s.call(payload, trace)
	eventually(t, "the program has a port", func() bool { s.address = addressOf(h); return s.address != "" })
	return s
}

// call calls the function.
func (s *spoken) call(payload, trace string) {
	go func() {
		call := task(payload)
		call.Trace = trace
		text, err := s.handler.Call(s.t.Context(), call)
		s.answer <- fmt.Sprint(text.String(), err)
	}()
}

// connection is one of the program's.
type connection struct {
	net.Conn
	in *bufio.Reader
	t  *testing.T
}

func (s *spoken) dial() *connection {
	s.t.Helper()
	c, err := net.Dial("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return &connection{Conn: c, in: bufio.NewReader(c), t: s.t}
}

func (c *connection) say(text string) { io.WriteString(c, strings.ReplaceAll(text, "\n", "\r\n")) }

func (c *connection) ask() {
	c.say("GET /2018-06-01/runtime/invocation/next HTTP/1.1\nHost: x\n\n")
}

func (c *connection) respond(id, headers, body string) {
	c.say(fmt.Sprintf("POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\nHost: x\nContent-Length: %d\n%s\n%s", id, len(body), headers, body))
}

func (c *connection) hear() (*http.Response, string) {
	c.t.Helper()
	r, err := http.ReadResponse(c.in, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return r, string(body)
}

func (c *connection) expectClosed() {
	c.t.Helper()
	if rest, err := io.ReadAll(c.in); err != nil || len(rest) > 0 {
		c.t.Errorf("not closed: %q, %v", rest, err)
	}
}

// Who asks twice, or speaks before he was answered, gets nothing; who hangs up
// while he waits takes no work with him.
func TestLineSpeaksTooSoon(t *testing.T) {
	h := hosted(t, "mute", Function{Concurrency: 1})
	f := h.functions["Book"].(*fleet)
	f.mu.Lock()
	f.waiting = append(f.waiting, &turn{in: &invocation{}, result: make(chan *outcome, 1)})
	f.grow()
	f.waiting = nil // so that a process is there, and no work
	f.mu.Unlock()
	s := &spoken{t: t}
	eventually(t, "the program has a port", func() bool { s.address = addressOf(h); return s.address != "" })
	idle := func() bool { f.mu.Lock(); defer f.mu.Unlock(); return len(f.idle) == 1 }

	hasty := s.dial()
	hasty.ask()
	eventually(t, "it is idle", idle)
	second := s.dial()
	second.ask()
	if r, body := second.hear(); r.StatusCode != http.StatusForbidden || !strings.Contains(body, "InvalidStateTransition") {
		t.Errorf("second: got %d %s", r.StatusCode, body)
	}
	hasty.respond("x", "", "1")
	hasty.expectClosed()

	gone := s.dial()
	gone.ask()
	eventually(t, "it is idle", idle)
	gone.Close()
	eventually(t, "it is not idle", func() bool { return !idle() })

	answer := make(chan string)
	go func() {
		text, err := h.Call(t.Context(), task(`{}`))
		answer <- fmt.Sprint(text.String(), err)
	}()
	second.ask()
	r, _ := second.hear()
	second.respond(r.Header.Get("Lambda-Runtime-Aws-Request-Id"), "", `"here"`)
	if r, _ := second.hear(); r.StatusCode != http.StatusAccepted {
		t.Errorf("got %d", r.StatusCode)
	}
	if got := <-answer; got != `"here"<nil>` {
		t.Errorf("got %s", got)
	}
}

// Nothing that a caller gives adds a header, and curl's way to send much works.
// TestLineAsksAgain: in the same words, in these by halves, in others, and for
// what is refused.
func TestLineAsksAgain(t *testing.T) {
	const next = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\nHost: x\n"
	s := speak(t, `"0"`, "")
	c := s.dial()
	for i, asks := range [][]string{{next + "\n"}, {next + "\n"}, {next, "\n"}, {next + "User-Agent: y\n\n"}, {next + "\n"}, {next + "Expect: 100-continue\n\n"}, {next + "\n"}} {
		if i > 0 {
			s.call(fmt.Sprintf("\"%d\"", i), "")
		}
		for _, part := range asks {
			c.say(part)
			time.Sleep(time.Millisecond)
		}
		if i == 5 {
			if r, _ := c.hear(); r.StatusCode != http.StatusContinue {
				t.Errorf("told to go on by %s", r.Status)
			}
		}
		r, body := c.hear()
		if body != fmt.Sprintf("\"%d\"", i) {
			t.Fatalf("invocation %d is %s", i, body)
		}
		c.respond(r.Header.Get("Lambda-Runtime-Aws-Request-Id"), "", body)
		c.hear()
		if got := <-s.answer; !strings.Contains(got, body) {
			t.Errorf("invocation %d gives %s", i, got)
		}
	}
	c.say(next + "Origin: http://a.page\n\n")
	if r, _ := c.hear(); r.StatusCode != http.StatusForbidden {
		t.Errorf("a page is answered by %s", r.Status)
	}
	c.say(next + "\n" + next + "\n")
	c.expectClosed()
}

func TestLineHeaders(t *testing.T) {
	s := speak(t, `{}`, "Root=1\r\nEvil: yes")
	c := s.dial()
	c.ask()
	r, _ := c.hear()
	if got := r.Header.Get("Lambda-Runtime-Trace-Id"); got != "Root=1  Evil: yes" || r.Header.Get("Evil") != "" {
		t.Errorf("trace %q, headers %v", got, r.Header)
	}
	c.say("POST /2018-06-01/runtime/invocation/" + r.Header.Get("Lambda-Runtime-Aws-Request-Id") +
		"/response HTTP/1.1\nHost: x\nExpect: 100-continue\nConnection: close\nContent-Length: 2\n\n")
	if line, _ := c.in.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
		t.Errorf("got %q", line)
	}
	c.in.ReadString('\n')
	c.say(`{}`)
	if r, _ := c.hear(); r.StatusCode != http.StatusAccepted {
		t.Errorf("got %d", r.StatusCode)
	}
	c.expectClosed()
	if got := <-s.answer; got != "{}<nil>" {
		t.Errorf("got %s", got)
	}
}

func TestLineBounds(t *testing.T) {
	s := speak(t, `{}`, "")
	for name, text := range map[string]string{
		"no request":     "hello\n\n",
		"a head too big": "GET / HTTP/1.1\nHost: x\nX: " + strings.Repeat("x", 2*maxHead) + "\n\n",
	} {
		c := s.dial()
		c.say(text)
		if rest, _ := io.ReadAll(c.in); len(rest) > 0 {
			t.Errorf("%s: got %q", name, rest)
		}
	}
	c := s.dial()
	c.say("PUT /2018-06-01/runtime/invocation/next HTTP/1.1\nHost: x\n\n")
	if r, body := c.hear(); r.StatusCode != http.StatusNotFound || !strings.Contains(body, "NoSuchOperation") {
		t.Errorf("got %d %s", r.StatusCode, body)
	}
	var all []*connection
	for range maxLines {
		all = append(all, s.dial())
	}
	last := all[maxLines-1]
	last.expectClosed()
}

// What runtimes say with every invocation is read without the library's reader;
// whatever could mean something else is not.
func TestPlain(t *testing.T) {
	const ask, answer = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n", "POST /2018-06-01/runtime/invocation/r-1/response HTTP/1.1\r\n"
	for said, want := range map[string]request{
		ask + "\r\n": {length: 0},
		ask + "host: x\r\nUSER-AGENT: Go-http-client/1.1\r\nAccept-Encoding: gzip\r\n\r\nmore": {},
		ask + "Content-Length: 0\r\n\r\n":                                      {},
		answer + "Host: x\r\nContent-Length: 2\r\nContent-Type: a/b\r\n\r\n{}": {answers: "r-1", length: 2},
		answer + "Content-Length: 0\r\n\r\n":                                   {answers: "r-1"},
	} {
		got, size, ok := plain([]byte(said))
		if head := strings.Index(said, "\r\n\r\n") + 4; !ok || got.answers != want.answers || size != head || got.answers != "" && got.length != want.length {
			t.Errorf("%q: got %+v, %d bytes, %v", said, got, size, ok)
		}
	}
	for _, said := range []string{
		"", ask, ask + "Host: x\r\n",
		ask + "Content-Length: 1\r\n\r\n",
		ask + "Origin: http://x\r\n\r\n",
		ask + "Sec-Fetch-Site: none\r\n\r\n",
		ask + "Connection: close\r\n\r\n",
		ask + "Host: x\nOrigin: http://x\r\n\r\n",
		ask + "Host: x\r\n folded\r\n\r\n",
		ask + "Host : x\r\n\r\n",
		strings.Replace(ask, "1.1", "1.0", 1) + "\r\n",
		strings.Replace(ask, "next", "next?x", 1) + "\r\n",
		answer + "\r\n",
		answer + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
		answer + "Content-Length: +1\r\n\r\n",
		answer + "Content-Length: 262145\r\n\r\n",
		answer + "Content-Length: 99999999999999999999\r\n\r\n",
		answer + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		answer + "Content-Length: 1\r\nExpect: 100-continue\r\n\r\n",
		answer + "Content-Length: 1\r\nTrailer: X\r\n\r\n",
		strings.Replace(answer, "r-1", "", 1) + "Content-Length: 1\r\n\r\n",
		strings.Replace(answer, "r-1", "a/b", 1) + "Content-Length: 1\r\n\r\n",
		strings.Replace(answer, "r-1", "a%2Fb", 1) + "Content-Length: 1\r\n\r\n",
		strings.Replace(answer, "response", "error", 1) + "Content-Length: 1\r\n\r\n",
	} {
		if got, _, ok := plain([]byte(said)); ok {
			t.Errorf("%q is taken for %+v", said, got)
		}
	}
}
