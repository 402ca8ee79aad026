package integration

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

// script is a server that says what it was told to for each request, by connection.
type script struct {
	net.Listener
	mu       sync.Mutex
	requests []string // as they came
	conns    []net.Conn
}

// newScript serves each connection by serve, which takes the requests with next.
func newScript(t *testing.T, serve func(n int, c net.Conn, next func() bool)) *script {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &script{Listener: l}
	t.Cleanup(func() { l.Close() })
	go func() {
		for n := 1; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, c)
			s.mu.Unlock()
			go func() {
				defer c.Close()
				in := bufio.NewReader(c)
				serve(n, c, func() bool { return s.next(in) })
			}()
		}
	}()
	return s
}

// next takes a request as it comes.
func (s *script) next(in *bufio.Reader) bool {
	var came strings.Builder
	r, err := http.ReadRequest(bufio.NewReader(io.TeeReader(byByte{in}, &came)))
	if err == nil {
		_, err = io.Copy(&came, r.Body)
	}
	if err != nil {
		return false
	}
	s.mu.Lock()
	s.requests = append(s.requests, came.String())
	s.mu.Unlock()
	return true
}

// byByte gives a byte at a time, so that nobody reads beyond what he asks for.
type byByte struct{ io.Reader }

func (b byByte) Read(p []byte) (int, error) { return b.Reader.Read(p[:min(1, len(p))]) }

func (s *script) url() string { return "http://" + s.Addr().String() + "/book?key=canary" }

func (s *script) seen() (requests, connections int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests), len(s.conns)
}

const fine = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// exchange makes one, with a key or without.
func exchange(t *testing.T, c *Client, url, key string) (*Answer, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r := request(t, ctx, url)
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	return c.Exchange(r, 100)
}

// Whatever comes over a connection of ours is taken as the transport takes it, and
// what goes out is the same.
func TestConnectionsDoAsTheTransportDoes(t *testing.T) {
	const limit = 100
	long := strings.Repeat("x", 2*limit)
	for name, says := range map[string]string{
		"fine":                   fine,
		"no words":               "HTTP/1.1 204 No Content\r\n\r\n",
		"to its end":             "HTTP/1.1 200 OK\r\n\r\nas long as it lasts",
		"HTTP/1.0":               "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"chunked":                "HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\nTrailer: X-After\r\n\r\n2\r\nok\r\n0\r\nX-After: 1\r\n\r\n",
		"chunks break off":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
		"chunks of no size":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n",
		"closing":                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
		"too long":               fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(long), long),
		"shorter than told":      "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok",
		"longer than told":       fine + "and more",
		"two lengths":            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
		"words before it":        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + fine,
		"refused":                "HTTP/1.1 409 Not so\r\nX-Amzn-Errortype: Conflict\r\nX-Amzn-Errortype: Again\r\nContent-Length: 2\r\n\r\nno",
		"no reason":              "HTTP/1.1 500\r\nContent-Length: 0\r\n\r\n",
		"no HTTP":                "SSH-2.0-x\r\n\r\n",
		"no status":              "HTTP/1.1 OK\r\n\r\n",
		"no header":              "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
		"headers break off":      "HTTP/1.1 200 OK\r\nContent-",
		"headers go on and on":   "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-More: "+long+"\r\n", maxHeaderBytes/len(long)) + "\r\n",
		"goes on before it":      strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", maxHeaderBytes/20) + fine,
		"headers as long as may": "HTTP/1.1 200 OK\r\nX-More: " + strings.Repeat("x", maxHeaderBytes/2) + "\r\nContent-Length: 2\r\n\r\nok",
		"nothing":                "",
	} {
		t.Run(name, func(t *testing.T) {
			server := newScript(t, func(_ int, c net.Conn, next func() bool) {
				if next() {
					io.WriteString(c, says)
					c.(*net.TCPConn).CloseWrite()
					io.Copy(io.Discard, c)
				}
			})
			client := NewClient(ClientConfig{})
			defer client.Close()
			ask := func(by func(*http.Request, int, Meter) (*Answer, error)) (*Answer, error) {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				r := request(t, ctx, server.url())
				r.Header.Set("X-Told", "1")
				return by(r, limit, unmetered{})
			}
			want, failed := ask(client.transported)
			got, err := ask(client.connections.exchange)
			if !reflect.DeepEqual(got, want) || (err == nil) != (failed == nil) {
				t.Errorf("got %+v, %v, want %+v, %v", got, err, want, failed)
			}
			var ours, theirs *SendError
			if errors.As(err, &ours) && errors.As(failed, &theirs) && (ours.Sent != theirs.Sent || strings.Contains(err.Error(), "canary")) {
				t.Errorf("got %v, sent %v, want %v, sent %v", ours, ours.Sent, theirs, theirs.Sent)
			}
			if len(server.requests) != 2 || server.requests[0] != server.requests[1] {
				t.Errorf("sent %q", server.requests)
			}
		})
	}
}

// One connection serves exchange after exchange, as long as each leaves it as it was.
func TestConnectionsAreKept(t *testing.T) {
	for answer, want := range map[string]int{
		fine: 1,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n": 1,
		"HTTP/1.1 100 Continue\r\n\r\n" + fine:                                      1,
		"HTTP/1.1 101 Switching Protocols\r\n\r\n":                                  3,
		"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok":       3,
		fine + "x": 3,
		"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" + strings.Repeat("x", 101): 3,
	} {
		server := newScript(t, func(_ int, c net.Conn, next func() bool) {
			for next() {
				io.WriteString(c, answer)
			}
		})
		client := NewClient(ClientConfig{})
		for range 3 {
			if a, err := exchange(t, client, server.url(), ""); err != nil || a.Resent {
				t.Errorf("%q: %+v, %v", answer, a, err)
			}
		}
		if _, n := server.seen(); n != want {
			t.Errorf("%q: %d connections, want %d", answer, n, want)
		}
		client.Close()
	}
}

// What a service says or does between two requests, its end among it, is no answer to
// the second, which is sent once.
func TestConnectionsHearNothingUnasked(t *testing.T) {
	for name, does := range map[string]func(net.Conn){
		"closes":   func(c net.Conn) { c.Close() },
		"resets":   func(c net.Conn) { c.(*net.TCPConn).SetLinger(0); c.Close() },
		"says 408": func(c net.Conn) { io.WriteString(c, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n") },
		"answers":  func(c net.Conn) { io.WriteString(c, strings.Replace(fine, "ok", "no", 1)) },
	} {
		for _, key := range []string{"", "aaaa-3"} {
			done := make(chan struct{})
			server := newScript(t, func(n int, c net.Conn, next func() bool) {
				next()
				io.WriteString(c, fine)
				if n == 1 {
					time.Sleep(20 * time.Millisecond) // else it is heard with the answer
					does(c)
					time.Sleep(20 * time.Millisecond)
					close(done)
				}
				next()
			})
			client := NewClient(ClientConfig{})
			if _, err := exchange(t, client, server.url(), key); err != nil {
				t.Fatal(err)
			}
			<-done
			a, err := exchange(t, client, server.url(), key)
			if err != nil || string(a.Body) != "ok" || a.Resent {
				t.Errorf("%s: %+v, %v", name, a, err)
			}
			if requests, connections := server.seen(); requests != 2 || connections != 2 {
				t.Errorf("%s: %d requests by %d connections", name, requests, connections)
			}
			client.Close()
		}
	}
}

// A connection that breaks under a request: that is sent again only if it was an old
// one, nothing of the answer came, and the request has a key.
func TestConnectionsSendTwiceWhatMayBeHeardTwice(t *testing.T) {
	for _, test := range []struct {
		name     string
		before   int // exchanges over the connection that went well
		key      string
		part     string // of the answer, that comes
		resent   bool
		requests int
	}{
		{"an old one", 1, "aaaa-3", "", true, 3},
		{"an old one, no key", 1, "", "", false, 2},
		{"an old one, in the midst of the answer", 1, "aaaa-3", "HTTP/1.1 2", false, 2},
		{"a new one", 0, "aaaa-3", "", false, 1},
	} {
		server := newScript(t, func(n int, c net.Conn, next func() bool) {
			for range test.before {
				next()
				io.WriteString(c, fine)
			}
			if next(); n == 1 {
				io.WriteString(c, test.part)
			} else {
				io.WriteString(c, fine)
			}
		})
		client := NewClient(ClientConfig{})
		for range test.before {
			if _, err := exchange(t, client, server.url(), test.key); err != nil {
				t.Fatal(err)
			}
		}
		a, err := exchange(t, client, server.url(), test.key)
		var failed *SendError
		switch {
		case test.resent && (err != nil || !a.Resent || string(a.Body) != "ok"):
			t.Errorf("%s: %+v, %v", test.name, a, err)
		case !test.resent && (!errors.As(err, &failed) || failed.Effect() != EffectUnknown):
			t.Errorf("%s: %+v, %v", test.name, a, err)
		}
		if requests, _ := server.seen(); requests != test.requests {
			t.Errorf("%s: %d requests", test.name, requests)
		}
		client.Close()
	}
}

// Who answers a request that he does not read on is heard, however long it is.
func TestConnectionsHearWhoReadsNothing(t *testing.T) {
	for _, size := range []int{10, atOnce - 1000, atOnce, 8 << 20} {
		server := newScript(t, func(_ int, c net.Conn, next func() bool) {
			c.Read(make([]byte, 1))
			io.WriteString(c, "HTTP/1.1 413 Too much\r\nContent-Length: 2\r\n\r\nno")
			time.Sleep(time.Second)
		})
		client := NewClient(ClientConfig{})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.url(), strings.NewReader(strings.Repeat("x", size)))
		if err != nil {
			t.Fatal(err)
		}
		if a, err := client.Exchange(r, 100); err != nil || a.Status != http.StatusRequestEntityTooLarge || string(a.Body) != "no" {
			t.Errorf("%d bytes: %+v, %v", size, a, err)
		}
		cancel()
		client.Close()
	}
}

// A call whose context has ended sends nothing, and one that it ends leaves no
// connection behind.
func TestConnectionsEndWithTheirContext(t *testing.T) {
	arrived, gone := make(chan struct{}), make(chan struct{})
	server := newScript(t, func(n int, c net.Conn, next func() bool) {
		for n == 1 && next() {
			io.WriteString(c, fine)
		}
		if n > 1 && next() {
			close(arrived)
			io.Copy(io.Discard, c)
			close(gone)
		}
	})
	client := NewClient(ClientConfig{})
	defer client.Close()
	if _, err := exchange(t, client, server.url(), ""); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var failed *SendError
	_, err := client.Exchange(request(t, ctx, server.url()), 100)
	if requests, _ := server.seen(); !errors.Is(err, context.Canceled) || !errors.As(err, &failed) || failed.Sent || requests != 1 {
		t.Errorf("got %v after %d requests", err, requests)
	}
	ctx, cancel = context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	if _, err := client.Exchange(request(t, ctx, server.url()), 100); !errors.Is(err, context.Canceled) || !errors.As(err, &failed) || !failed.Sent {
		t.Errorf("got %v", err)
	}
	<-gone
}

// Connections that nobody uses are closed after a while, and no more are kept than
// they may be.
func TestConnectionsAreLetGo(t *testing.T) {
	const most, calls = 2, 4
	var all sync.WaitGroup
	all.Add(calls)
	ended := make(chan struct{}, calls)
	server := newScript(t, func(_ int, c net.Conn, next func() bool) {
		next()
		all.Done()
		all.Wait()
		io.WriteString(c, fine)
		next()
		ended <- struct{}{}
	})
	client := NewClient(ClientConfig{PerHost: most})
	var asking sync.WaitGroup
	for range calls {
		asking.Go(func() {
			if _, err := exchange(t, client, server.url(), ""); err != nil {
				t.Error(err)
			}
		})
	}
	asking.Wait()
	for range calls - most {
		<-ended
	}
	client.connections.drop(time.Now().Add(-time.Minute))
	if n := len(client.connections.idle[server.Addr().String()]); n != most {
		t.Errorf("%d are kept, want %d", n, most)
	}
	client.connections.drop(time.Now())
	for range most {
		<-ended
	}
	if n := len(client.connections.idle); n != 0 {
		t.Errorf("%d hosts are remembered", n)
	}
}

// What the system can't be asked about is used once.
func TestConnectionsOfAnotherKindAreNotKept(t *testing.T) {
	dialled := 0
	client := NewClient(ClientConfig{Dial: func(context.Context, string, string) (net.Conn, error) {
		dialled++
		here, there := net.Pipe()
		go func() {
			http.ReadRequest(bufio.NewReader(there))
			io.WriteString(there, fine)
		}()
		return here, nil
	}})
	for range 2 {
		if _, err := exchange(t, client, "http://elsewhere/", ""); err != nil {
			t.Fatal(err)
		}
	}
	if dialled != 2 {
		t.Errorf("dialled %d times", dialled)
	}
}

// A request goes over a connection of ours only if nothing about it is unusual.
func TestConnectionsAreForOrdinaryRequests(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"":                         func(*http.Request) {},
		"encrypted":                func(r *http.Request) { r.URL.Scheme = "https" },
		"without a host":           func(r *http.Request) { r.URL.Host = ":80" },
		"a host beyond ASCII":      func(r *http.Request) { r.URL.Host = "bücher.example" },
		"a tunnel":                 func(r *http.Request) { r.Method = http.MethodConnect },
		"of no known length":       func(r *http.Request) { r.ContentLength = -1 },
		"long":                     func(r *http.Request) { r.ContentLength = atOnce + 1 },
		"not to be sent twice":     func(r *http.Request) { r.GetBody = nil },
		"with a last word":         func(r *http.Request) { r.Trailer = http.Header{"X-After": {"1"}} },
		"closing":                  func(r *http.Request) { r.Close = true },
		"a name with a space":      func(r *http.Request) { r.Header["X Y"] = []string{"1"} },
		"a value with a line feed": func(r *http.Request) { r.Header["X"] = []string{"1\nY: 2"} },
		"long headers":             func(r *http.Request) { r.Header["X"] = []string{strings.Repeat("x", atOnce)} },
	} {
		r := request(t, t.Context(), "http://127.0.0.1/")
		r.Header.Set("Content-Type", "application/json")
		if change(r); isOrdinary(r) != (name == "") {
			t.Errorf("%q: %v", name, isOrdinary(r))
		}
	}
}
