package server

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// opened is a listener at which a server is being opened.
func opened(t *testing.T) (o *Opening, l net.Listener, get func(path string) (int, string)) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return OpenAt(l, 4), l, func(path string) (int, string) {
		t.Helper()
		answer, err := http.Get("http://" + l.Addr().String() + path)
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		return answer.StatusCode, string(body)
	}
}

// TestOpening holds that a server which is being opened is alive and not ready, and that a call which comes too early is answered by it
// once it is there.
func TestOpening(t *testing.T) {
	o, l, get := opened(t)
	if code, body := get("/healthz"); code != 200 || body != "ok\n" {
		t.Errorf("alive: %d %q", code, body)
	}
	if code, body := get("/readyz"); code != 503 || body != openingReason+"\n" {
		t.Errorf("ready: %d %q", code, body)
	}
	early := make(chan string)
	arrived := make(chan struct{})
	o.http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		o.answer(w, r)
	})
	go func() {
		_, body := get("/early")
		early <- body
	}()
	<-arrived
	server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "the server at "+r.URL.Path) })
	o.Done(server)
	if body := <-early; body != "the server at /early" {
		t.Errorf("a call that came too early: %q", body)
	}
	later := &http.Server{Handler: server}
	go func() { _ = later.Serve(l) }()
	defer later.Close()
	for range 20 {
		if code, body := get("/readyz"); code != 200 || body != "the server at /readyz" {
			t.Fatalf("afterwards: %d %q", code, body)
		}
	}
}

// TestOpeningFails holds that calls are refused so that they are tried again where no server comes.
func TestOpeningFails(t *testing.T) {
	o, _, get := opened(t)
	arrived := make(chan struct{})
	o.http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		o.answer(w, r)
	})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if code, body := get("/"); code != 503 || !strings.Contains(body, `"ServiceUnavailable"`) {
			t.Errorf("%d %q", code, body)
		}
	}()
	<-arrived
	o.Done(nil)
	<-ended
}

// TestOpeningIsBounded holds that those who wait for the server are no more than it takes itself: who comes then hears so at once.
func TestOpeningIsBounded(t *testing.T) {
	o, l, _ := opened(t)
	arrived := make(chan struct{}, 4)
	o.http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		o.answer(w, r)
	})
	for range 4 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		<-arrived
	}
	more, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer more.Close()
	_ = more.SetDeadline(time.Now().Add(10 * time.Second))
	if told, err := io.ReadAll(more); err != nil || !strings.Contains(string(told), "503") || !strings.Contains(string(told), "Too many connections") {
		t.Errorf("one more: %q, %v", told, err)
	}
	o.Done(nil)
}
