package httptask

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
)

// forbidden is a listener on all addresses of the machine that nobody may
// reach: its port, and how many came.
func forbidden(t *testing.T) (port string, came *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	came = new(atomic.Int32)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			came.Add(1)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close() })
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), came
}

// names is a name server on loopback: each question for a name is answered
// with the next of its address lists, the last one for ever.
type names struct {
	mu      sync.Mutex
	answers map[string][][]string
	asked   map[string]int
}

func (n *names) resolver(t *testing.T) *net.Resolver {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	n.mu.Lock()
	n.asked = make(map[string]int)
	n.mu.Unlock()
	go func() {
		buffer := make([]byte, 512)
		for {
			size, from, err := c.ReadFrom(buffer)
			if err != nil {
				return
			}
			c.WriteTo(n.answer(buffer[:size]), from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", c.LocalAddr().String())
	}}
}

// answer is the answer to a question for one name's addresses.
func (n *names) answer(question []byte) []byte {
	var labels []string
	i := 12
	for question[i] != 0 {
		labels = append(labels, string(question[i+1:i+1+int(question[i])]))
		i += 1 + int(question[i])
	}
	kind := binary.BigEndian.Uint16(question[i+1:])
	n.mu.Lock()
	name := strings.Join(labels, ".")
	lists := n.answers[name]
	var list []string
	if kind == 1 && len(lists) > 0 {
		list = lists[min(n.asked[name], len(lists)-1)]
		n.asked[name]++
	}
	n.mu.Unlock()
	message := append([]byte{question[0], question[1], 0x81, 0x80, 0, 1, 0, byte(len(list)), 0, 0, 0, 0}, question[12:i+5]...)
	if lists == nil {
		message[3] |= 3 // no such name
	}
	for _, ip := range list {
		addr := netip.MustParseAddr(ip).As4()
		message = append(message, 0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		message = append(message, addr[:]...)
	}
	return message
}

// What leads to the machine itself, to the machines around it or to a cloud's
// metadata is not dialled: no packet comes.
func TestNothingIsSent(t *testing.T) {
	port, came := forbidden(t)
	dns := &names{answers: map[string][][]string{
		"rebind.example.com": {{"127.0.0.1"}},
		"mixed.example.com":  {{"127.0.0.1", "10.255.255.1", "169.254.169.254"}},
		"public.example.com": {{"127.0.0.1"}},
		"foo.localhost":      {{"127.0.0.1"}},
		"127.0.0.1.nip.io":   {{"127.0.0.1"}},
	}}
	lists := map[string][]string{
		"nothing is allowed":   nil,
		"all that is public":   {"0.0.0.0/0", "::/0"},
		"a name, and its port": {"public.example.com:" + port, "http://public.example.com:" + port, "rebind.example.com:" + port, "mixed.example.com:" + port},
		"another port":         {"127.0.0.1:1", "localhost:1", "[::1]:1"},
		"another net":          {"10.0.0.0/8", "fc00::/7"},
	}
	urls := []string{
		"http://127.0.0.1:P/", "https://127.0.0.1:P/", "http://127.1:P/", "http://2130706433:P/", "http://0x7f000001:P/", "http://0x7f.1:P/", "http://0177.0.0.1:P/", "http://127.0.0.1.:P/",
		"http://[::1]:P/", "http://[::ffff:127.0.0.1]:P/", "http://[::ffff:7f00:1]:P/", "http://[::127.0.0.1]:P/", "http://[::]:P/", "http://0.0.0.0:P/", "http://[::1%25lo]:P/",
		"http://localhost:P/", "http://localhost.:P/", "http://LOCALHOST:P/", "http://foo.localhost:P/", "http://127.0.0.1.nip.io:P/",
		"http://rebind.example.com:P/", "https://rebind.example.com:P/", "http://mixed.example.com:P/", "http://public.example.com:P/",
		"https://public.example.com@127.0.0.1:P/", "https://public.example.com#@127.0.0.1:P/", `https://127.0.0.1:P\\@public.example.com/`,
		"https://127.0.0.1%2F@public.example.com:P/", "https://public.example.com:P@127.0.0.1/", "https://127.0.0.1:P//public.example.com/", "https:127.0.0.1:P", "//127.0.0.1:P/", "https:///127.0.0.1:P/",
		`https://127.0.0.1:P\t/`, `https://public.example.com:P/\r\nHost:x`, "https://ⓛocalhost:P/", "https://ｌocalhost:P/", "https://localhost%00.example.com:P/", "https://:P/", "https://localhost:P:P/",
		"https://localhost:99999/", "https://localhost:0/",
		"file:///etc/passwd", "gopher://127.0.0.1:P/", "unix:///var/run/docker.sock", "http+unix://%2Fvar%2Frun%2Fdocker.sock/", "ftp://127.0.0.1:P/", "javascript:1",
	}
	for what, allow := range lists {
		h := handler(t, Config{Allow: allow, Resolver: dns.resolver(t)})
		for _, url := range urls {
			_, err := h.Call(t.Context(), get(strings.ReplaceAll(url, "P", port)))
			f := failed(t, err)
			if f.Name != "States.Http.ConnectionBlocked" && f.Name != "States.Runtime" && f.Name != "States.Http.Socket" || f.Effect != integration.EffectNone {
				t.Errorf("%s, %s: got %+v", what, url, f)
			}
		}
	}
	if n := came.Load(); n > 0 {
		t.Errorf("%d connections came", n)
	}
}

// The first answer of the name server is public, the next ones are not: what
// counts is what is dialled.
func TestRebinding(t *testing.T) {
	port, came := forbidden(t)
	dns := &names{answers: map[string][][]string{"rebind.example.com": {{"192.0.2.1"}, {"127.0.0.1"}}}}
	h := handler(t, Config{Allow: []string{"http://rebind.example.com:" + port}, Resolver: dns.resolver(t)})
	for range 3 {
		_, err := h.Call(t.Context(), get("http://rebind.example.com:"+port))
		if f := failed(t, err); f.Name != "States.Http.ConnectionBlocked" || !strings.Contains(f.Cause, "which is not a public address") || f.Effect != integration.EffectNone {
			t.Errorf("got %+v", f)
		}
	}
	if came.Load() > 0 {
		t.Error("a connection came")
	}
}

func TestRedirectsAndProxiesAreNotTaken(t *testing.T) {
	port, came := forbidden(t)
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:"+port)
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:"+port)
	for _, to := range []string{"http://127.0.0.1:" + port, "https://127.0.0.1:" + port, "file:///etc/passwd", "gopher://127.0.0.1:" + port} {
		h, url := service(t, Config{Allow: []string{"127.0.0.1:" + port}}, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
		})
		_, err := h.Call(t.Context(), get(url))
		if f := failed(t, err); f.Name != "States.Http.StatusCode.307" {
			t.Errorf("%s: got %+v", to, f)
		}
	}
	if came.Load() > 0 {
		t.Error("a connection came")
	}
}

func TestJudge(t *testing.T) {
	tests := []struct {
		allow string
		host  string // of the URL
		to    string
		plain bool
		want  bool
	}{
		{"api.example.com:443", "api.example.com", "93.184.215.14:443", false, true},
		{"https://api.example.com:443", "api.example.com", "[2606:2800::1]:443", false, true},
		{"api.example.com:443", "api.example.com", "93.184.215.14:443", true, false},
		{"http://api.example.com:80", "api.example.com", "93.184.215.14:80", true, true},
		{"api.example.com:443", "api.example.com", "93.184.215.14:8443", false, false},
		{"api.example.com:443", "other.example.com", "93.184.215.14:443", false, false},
		{"api.example.com:443", "api.example.com", "10.0.0.1:443", false, false},
		{"api.example.com:443 10.0.0.0/24", "api.example.com", "10.0.0.1:443", false, true},
		{"API.Example.com.:443", "api.example.com", "93.184.215.14:443", false, true},
		{"localhost:8080", "localhost", "127.0.0.1:8080", true, true},
		{"localhost:8080", "localhost", "[::1]:8080", true, true},
		{"localhost:8080", "localhost", "10.0.0.1:8080", true, false},
		{"localhost:8080", "other", "127.0.0.1:8080", true, false},
		{"127.0.0.1:8080", "other", "127.0.0.1:8080", true, true},
		{"127.0.0.1:8080", "other", "[::ffff:127.0.0.1]:8080", true, true},
		{"[::1]:8080", "other", "[::1]:8080", false, true},
		{"127.0.0.1:8080", "other", "127.0.0.2:8080", true, false},
		{"10.0.0.0/8", "orders", "10.1.2.3:80", true, true},
		{"10.0.0.0/8", "orders", "10.1.2.3:22", false, false},
		{"10.0.0.0/8", "orders", "10.1.2.3:9000", false, true},
		{"10.0.0.0/7", "orders", "10.1.2.3:443", false, false},
		{"0.0.0.0/0", "orders", "93.184.215.14:443", false, true},
		{"0.0.0.0/0", "orders", "93.184.215.14:80", true, false},
		{"0.0.0.0/0", "orders", "169.254.169.254:80", true, false},
		{"169.254.169.254/32", "orders", "169.254.169.254:80", true, true},
		{"0.0.0.0/0", "orders", "100.100.100.200:80", true, false},
		{"::/0", "orders", "[fd00:ec2::254]:80", true, false},
		{"::/0", "orders", "[64:ff9b::7f00:1]:443", false, false},
		{"::/0", "orders", "[2002:7f00:1::]:443", false, false},
		{"::/0", "orders", "[2606:2800::1]:443", false, true},
		{"::/0", "orders", "[::ffff:127.0.0.1]:443", false, false},
	}
	for _, test := range tests {
		g, err := newGuard(strings.Fields(test.allow), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := g.judge(test.plain, test.host, netip.MustParseAddrPort(test.to)); (err == nil) != test.want {
			t.Errorf("%s: %s at %s, plain %t: %v", test.allow, test.host, test.to, test.plain, err)
		}
	}
}

// A service over TLS, named by a certificate of its own, found by a name server.
func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Host) }))
	defer server.Close()
	port := server.URL[strings.LastIndexByte(server.URL, ':')+1:]
	dns := &names{answers: map[string][][]string{"example.com": {{"127.0.0.1"}}, "wrong.test": {{"127.0.0.1"}}}}
	roots := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	allow := []string{"example.com:" + port, "127.0.0.0/8"}
	h := handler(t, Config{Allow: allow, Resolver: dns.resolver(t), Roots: roots})
	if text, err := h.Call(t.Context(), get("https://example.com:"+port)); err != nil || !strings.Contains(text.String(), `"ResponseBody":"example.com:`+port) {
		t.Errorf("got %s, %v", text, err)
	}
	for what, call := range map[string]func() error{
		"another name": func() error { _, err := h.Call(t.Context(), get("https://wrong.test:"+port)); return err },
		"no trusted chain": func() error {
			_, err := handler(t, Config{Allow: allow, Resolver: dns.resolver(t)}).Call(t.Context(), get("https://example.com:"+port))
			return err
		},
	} {
		if f := failed(t, call()); f.Name != "States.Http.Socket" || f.Effect != integration.EffectNone || !strings.Contains(f.Cause, "certificate") {
			t.Errorf("%s: got %+v", what, f)
		}
	}
}

// misbehaving is a TCP server that does with each connection what the mode
// says, once it has read something of the request.
func misbehaving(t *testing.T, mode func(c net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				c.Read(make([]byte, 4096))
				mode(c)
			}()
		}
	}()
	return l.Addr().String()
}

func untilClosed(c net.Conn) { io.Copy(io.Discard, c) }

func trickle(c net.Conn, text string) {
	for {
		if _, err := io.WriteString(c, text); err != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// Services that hang or misbehave end by a bound or by the deadline, which is
// the call's own here.
func TestServicesThatMisbehave(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
	tests := []struct {
		name, scheme string
		mode         func(c net.Conn)
		fails        string
		effect       integration.Effect
	}{
		{"never answers", "http", untilClosed, "States.Http.Socket", integration.EffectUnknown},
		{"stalls in the handshake", "https", untilClosed, "States.Http.Socket", integration.EffectNone},
		{"a byte at a time", "http", func(c net.Conn) { io.WriteString(c, head+"Content-Length: 99999\r\n\r\n"); trickle(c, "x") }, "States.Http.Socket", integration.EffectUnknown},
		{"a header a byte at a time", "http", func(c net.Conn) { io.WriteString(c, head+"X-Slow: "); trickle(c, "x") }, "States.Http.Socket", integration.EffectUnknown},
		{"resets", "http", func(c net.Conn) { c.(*net.TCPConn).SetLinger(0) }, "States.Http.Socket", integration.EffectUnknown},
		{"resets in its body", "http", func(c net.Conn) { io.WriteString(c, head+"Content-Length: 9\r\n\r\nx"); c.(*net.TCPConn).SetLinger(0) }, "States.Http.Socket", integration.EffectUnknown},
		{"half closes", "http", func(c net.Conn) { c.(*net.TCPConn).CloseWrite(); untilClosed(c) }, "States.Http.Socket", integration.EffectUnknown},
		{"continues for ever", "http", func(c net.Conn) { trickle(c, "HTTP/1.1 100 Continue\r\n\r\n") }, "States.Http.Socket", integration.EffectUnknown},
		{"endless body", "http", func(c net.Conn) { io.WriteString(c, head+"\r\n"); trickle(c, strings.Repeat("x", 64<<10)) }, "States.DataLimitExceeded", integration.EffectDone},
		{"endless chunks", "http", func(c net.Conn) {
			io.WriteString(c, head+"Transfer-Encoding: chunked\r\n\r\n")
			trickle(c, "10000\r\n"+strings.Repeat("x", 64<<10)+"\r\n")
		}, "States.DataLimitExceeded", integration.EffectDone},
		{"endless headers", "http", func(c net.Conn) { io.WriteString(c, head); trickle(c, "X-More: "+strings.Repeat("x", 8<<10)+"\r\n") }, "States.Http.Socket", integration.EffectUnknown},
		{"compressed without being asked", "http", func(c net.Conn) {
			io.WriteString(c, head+"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00")
		}, "States.Runtime", integration.EffectUnknown},
		{"too long a length", "http", func(c net.Conn) { io.WriteString(c, head+"Content-Length: 10\r\n\r\nx") }, "States.Http.Socket", integration.EffectUnknown},
		{"two lengths", "http", func(c net.Conn) { io.WriteString(c, head+"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx") }, "States.Http.Socket", integration.EffectUnknown},
		{"throttles", "http", func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 429 Slow Down\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n")
		}, "States.Http.StatusCode.429", integration.EffectNone},
		{"no HTTP", "http", func(c net.Conn) { io.WriteString(c, "220 mail ESMTP\r\n") }, "States.Http.Socket", integration.EffectUnknown},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			address := misbehaving(t, test.mode)
			h := handler(t, Config{Allow: []string{address}, Timeout: 300 * time.Millisecond})
			if test.fails != "States.Http.Socket" {
				h.timeout = 20 * time.Second
			}
			began := time.Now()
			_, err := h.Call(t.Context(), get(test.scheme+"://"+address))
			f := failed(t, err)
			if f.Name != test.fails || f.Effect != test.effect {
				t.Errorf("got %.300s, effect %d, want %s, effect %d", f, f.Effect, test.fails, test.effect)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}
