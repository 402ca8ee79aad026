package integration

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func request(t *testing.T, ctx context.Context, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestExchangeTellsWhetherAnythingWasSent(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	silent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _, _ := w.(http.Hijacker).Hijack()
		c.Close()
	}))
	defer silent.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	refused := errors.New("not there")
	for what, test := range map[string]struct {
		config ClientConfig
		url    string
		effect Effect
		says   string
	}{
		"nobody listens":    {url: closed.URL, effect: EffectNone, says: "connection refused"},
		"no such host":      {url: "http://no.such.host.invalid/", effect: EffectNone, says: "no.such.host.invalid"},
		"not dialled":       {config: ClientConfig{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, refused }}, url: silent.URL, effect: EffectNone, says: "not there"},
		"no answer":         {url: silent.URL, effect: EffectUnknown, says: "EOF"},
		"no TLS over there": {url: strings.Replace(silent.URL, "http", "https", 1), effect: EffectNone},
		"plain HTTP there":  {url: strings.Replace(plain.URL, "http", "https", 1), effect: EffectNone, says: "server gave HTTP response to HTTPS client"},
	} {
		c := NewClient(test.config)
		_, err := c.Exchange(request(t, t.Context(), test.url+"?key=canary"), 100)
		var failed *SendError
		if !errors.As(err, &failed) || failed.Effect() != test.effect || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: got %v", what, err)
		}
		c.Close()
	}
}

// TestExchangeKnowsWhoAsks: a name and a password within a URL are sent as such.
func TestExchangeKnowsWhoAsks(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, password, _ := r.BasicAuth()
		io.WriteString(w, name+" "+password)
	}))
	defer server.Close()
	c := NewClient(ClientConfig{})
	defer c.Close()
	a, err := c.Exchange(request(t, t.Context(), strings.Replace(server.URL, "://", "://shop:secret@", 1)), 100)
	if err != nil || string(a.Body) != "shop secret" {
		t.Errorf("got %v, %v", a, err)
	}
}

func TestExchangeEndsWithItsContext(t *testing.T) {
	arrived := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		close(arrived)
		<-r.Context().Done()
	}))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err := NewClient(ClientConfig{}).Exchange(request(t, ctx, server.URL), 100)
	var failed *SendError
	if !errors.Is(err, context.Canceled) || !errors.As(err, &failed) || !failed.Sent {
		t.Errorf("got %v", err)
	}
}

func TestExchangeReadsToItsBound(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/chunked" {
			w.(http.Flusher).Flush()
		}
		io.WriteString(w, "0123456789")
	}))
	defer server.Close()
	for _, path := range []string{"/", "/chunked"} {
		for limit, cut := range map[int]bool{9: true, 10: false, 11: false} {
			a, err := NewClient(ClientConfig{}).Exchange(request(t, t.Context(), server.URL+path), limit)
			if err != nil || a.Cut != cut || string(a.Body) != "0123456789"[:min(limit, 10)] {
				t.Errorf("%s, %d bytes: got %+v, %v", path, limit, a, err)
			}
		}
	}
}

// A connection that was kept and broke: the request goes out again, by its key,
// and what the answer refuses may have been done the first time.
func TestExchangeTellsOfSendingTwice(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var connections atomic.Int32
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			first := connections.Add(1) == 1
			go func() {
				defer c.Close()
				buffer := make([]byte, 4096)
				c.Read(buffer)
				io.WriteString(c, "HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n")
				c.Read(buffer)
				if !first {
					io.WriteString(c, "HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n")
				}
			}()
		}
	}()
	client := NewClient(ClientConfig{})
	for _, want := range []struct {
		resent bool
		effect Effect
	}{{false, EffectNone}, {true, EffectUnknown}} {
		r := request(t, t.Context(), "http://"+l.Addr().String())
		r.Header.Set("Idempotency-Key", "aaaa-3")
		a, err := client.Exchange(r, 100)
		if err != nil || a.Resent != want.resent || a.Effect() != want.effect {
			t.Fatalf("got %+v, %v, want %+v", a, err, want)
		}
	}
}

func TestExchangeFollowsNothingAndUnpacksNothing(t *testing.T) {
	var encoding string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		encoding = r.Header.Get("Accept-Encoding")
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	defer server.Close()
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	a, err := NewClient(ClientConfig{}).Exchange(request(t, t.Context(), server.URL), 1000)
	if err != nil || a.Status != http.StatusFound || a.Reason != "Found" || encoding != "" || a.Effect() != EffectUnknown {
		t.Errorf("got %+v, %v, asked for %q", a, err, encoding)
	}
}

// Many calls that hang do not hold up others, and cost little memory each.
func TestHungCallsHoldNobodyUp(t *testing.T) {
	hung := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	defer hung.Close()
	quick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	defer quick.Close()
	client := NewClient(ClientConfig{PerHost: 64})
	ctx, cancel := context.WithCancel(t.Context())
	const calls = 200
	ended := make(chan error, calls)
	for range calls {
		go func() {
			_, err := client.Exchange(request(t, ctx, hung.URL), 100)
			ended <- err
		}()
	}
	began := time.Now()
	for range 50 {
		if _, err := client.Exchange(request(t, t.Context(), quick.URL), 100); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("50 quick calls took %v", took)
	}
	cancel()
	for range calls {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Fatalf("a hung call ended with %v", err)
		}
	}
}

// reckoner is a meter that gives no room where it has none.
type reckoner struct {
	asked []int
	well  []bool
	none  bool
}

func (r *reckoner) Room(ctx context.Context, bytes int) error {
	if r.asked = append(r.asked, bytes); r.none {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func (r *reckoner) Found(well bool) { r.well = append(r.well, well) }

// A long answer asks for room once, before it is read; whether the other side was
// well is told of every exchange that was not broken off here.
func TestExchangeIsMetered(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/endless":
			for {
				if _, err := io.WriteString(w, strings.Repeat("x", 4096)); err != nil {
					return
				}
			}
		case "/long":
			w.Header().Set("Content-Length", "100000")
			io.WriteString(w, strings.Repeat("x", 100_000))
		case "/failing":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/busy":
			w.WriteHeader(http.StatusTooManyRequests)
		case "/missing":
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer server.Close()
	const limit = 200_000
	for path, want := range map[string]struct {
		asked int
		well  bool
	}{
		"/": {0, true}, "/missing": {0, true}, "/failing": {0, false}, "/busy": {0, false},
		"/long": {100_000 - FreeAnswer, true}, "/endless": {limit + 1 - FreeAnswer, true},
	} {
		var m reckoner
		_, err := NewClient(ClientConfig{}).Exchange(request(t, WithMeter(t.Context(), &m), server.URL+path), limit)
		if err != nil || len(m.well) != 1 || m.well[0] != want.well || want.asked == 0 && len(m.asked) > 0 || want.asked > 0 && (len(m.asked) != 1 || m.asked[0] != want.asked) {
			t.Errorf("%s: %v, asked %v, well %v", path, err, m.asked, m.well)
		}
	}
	var short reckoner
	if a, err := NewClient(ClientConfig{}).Exchange(request(t, WithMeter(t.Context(), &short), server.URL+"/long"), 100); err != nil || !a.Cut || len(short.asked) > 0 {
		t.Errorf("of a long answer the first 100 bytes: %v, asked %v", err, short.asked)
	}
	m := reckoner{none: true}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := NewClient(ClientConfig{}).Exchange(request(t, WithMeter(ctx, &m), server.URL+"/long"), limit); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without room: %v", err)
	}
}
