package notify

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"
)

// server is a mail server.
type server struct {
	certificate tls.Certificate
	startTLS    bool // it offers that
	implicit    bool // it speaks nothing but TLS
	refuses     string
	hangs       bool

	listener net.Listener
	mu       sync.Mutex
	said     []string // by the client
	secure   bool     // it was told the password under TLS
	mails    []string
	from     string
	to       []string
}

func serve(t *testing.T, s *server) (address string, trust *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	s.certificate = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.listener.Close() })
	go func() {
		for {
			c, err := s.listener.Accept()
			if err != nil {
				return
			}
			go s.talk(c)
		}
	}()
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return s.listener.Addr().String(), &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
}

func (s *server) talk(c net.Conn) {
	defer func() { c.Close() }()
	secure := false
	if s.implicit {
		c, secure = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{s.certificate}}), true
	}
	if s.hangs {
		io.Copy(io.Discard, c)
		return
	}
	lines := bufio.NewReader(c)
	say := func(text string) { fmt.Fprint(c, text+"\r\n") }
	say("220 mail.example.com")
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		s.mu.Lock()
		s.said = append(s.said, line)
		s.mu.Unlock()
		verb, rest, _ := strings.Cut(line, " ")
		if s.refuses != "" && strings.EqualFold(verb, s.refuses) {
			say("550 not here")
			continue
		}
		switch strings.ToUpper(verb) {
		case "EHLO":
			say("250-mail.example.com")
			if s.startTLS && !secure {
				say("250-STARTTLS")
			}
			say("250 AUTH PLAIN")
		case "STARTTLS":
			say("220 go on")
			c = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{s.certificate}})
			lines, secure = bufio.NewReader(c), true
		case "AUTH":
			want := base64.StdEncoding.EncodeToString([]byte("\x00me\x00canary"))
			if rest != "PLAIN "+want {
				say("535 no")
				continue
			}
			s.mu.Lock()
			s.secure = secure
			s.mu.Unlock()
			say("235 yes")
		case "MAIL":
			s.mu.Lock()
			s.from = rest
			s.mu.Unlock()
			say("250 yes")
		case "RCPT":
			s.mu.Lock()
			s.to = append(s.to, rest)
			s.mu.Unlock()
			say("250 yes")
		case "DATA":
			say("354 go on")
			var text strings.Builder
			for {
				line, err := lines.ReadString('\n')
				if err != nil {
					return
				}
				if line == ".\r\n" {
					break
				}
				text.WriteString(strings.TrimPrefix(line, "."))
			}
			s.mu.Lock()
			s.mails = append(s.mails, text.String())
			s.mu.Unlock()
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 yes")
		}
	}
}

func TestMail(t *testing.T) {
	for _, way := range []Security{StartTLS, Implicit} {
		s := &server{startTLS: way == StartTLS, implicit: way == Implicit}
		address, trust := serve(t, s)
		m := &Mail{
			Server: address, Security: way, Username: "me", Password: "canary", From: "Backstep <backstep@example.com>",
			To: []string{"oncall@example.com", "Ada <ada@example.com>"}, TLS: trust,
		}
		n := notice()
		n.Machine = "Bestellung-ü"
		if err := m.Tell(t.Context(), n); err != nil {
			t.Fatalf("%s: %v\n%s", way, err, strings.Join(s.said, "\n"))
		}
		s.mu.Lock()
		if !s.secure || len(s.mails) != 1 || !strings.Contains(s.from, "<backstep@example.com>") || len(s.to) != 2 || !strings.Contains(s.to[1], "<ada@example.com>") {
			t.Fatalf("%s: in TLS %v, %d mails, from %s to %v", way, s.secure, len(s.mails), s.from, s.to)
		}
		received, err := mail.ReadMessage(strings.NewReader(s.mails[0]))
		s.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		subject, err := new(mime.WordDecoder).DecodeHeader(received.Header.Get("Subject"))
		if err != nil || subject != n.subject() || received.Header.Get("Message-Id") != "<n-1@backstep>" || received.Header.Get("Auto-Submitted") != "auto-generated" {
			t.Errorf("%s: the header is %v, %v", way, received.Header, err)
		}
		body, err := io.ReadAll(quotedprintable.NewReader(received.Body))
		if err != nil || strings.ReplaceAll(strings.TrimSpace(string(body)), "\r\n", "\n") != strings.TrimSpace(n.text()) {
			t.Errorf("%s: the body is %s, %v", way, body, err)
		}
	}
}

// No password goes to a server that does not speak TLS, and no mail.
func TestMailInsistsOnTLS(t *testing.T) {
	s := &server{}
	address, trust := serve(t, s)
	m := &Mail{Server: address, Username: "me", Password: "canary", From: "a@example.com", To: []string{"b@example.com"}, TLS: trust}
	err := m.Tell(t.Context(), notice())
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil || len(s.mails) > 0 || strings.Contains(strings.Join(s.said, " "), "AUTH") {
		t.Errorf("%v; it was told %q", err, s.said)
	}
}

// A certificate that nobody knows is refused.
func TestMailKnowsTheServer(t *testing.T) {
	s := &server{startTLS: true}
	address, _ := serve(t, s)
	m := &Mail{Server: address, From: "a@example.com", To: []string{"b@example.com"}}
	if err := m.Tell(t.Context(), notice()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Error(err)
	}
}

func TestMailInTheClear(t *testing.T) {
	s := &server{startTLS: true}
	address, _ := serve(t, s)
	m := &Mail{Server: address, Security: Plain, From: "a@example.com", To: []string{"b@example.com"}}
	if err := m.Tell(t.Context(), notice()); err != nil || len(s.mails) != 1 || strings.Contains(strings.Join(s.said, " "), "STARTTLS") {
		t.Errorf("%v, %q", err, s.said)
	}
}

func TestMailRefused(t *testing.T) {
	for _, refuses := range []string{"MAIL", "RCPT", "DATA", "AUTH"} {
		s := &server{startTLS: true, refuses: refuses}
		address, trust := serve(t, s)
		m := &Mail{Server: address, Username: "me", Password: "canary", From: "a@example.com", To: []string{"b@example.com"}, TLS: trust}
		if err := m.Tell(t.Context(), notice()); err == nil || !strings.Contains(err.Error(), address) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", refuses, err)
		}
	}
	for _, m := range []Mail{
		{Server: "127.0.0.1:1", From: "a@example.com", To: []string{"b@example.com"}}, {Server: "nowhere", From: "a@example.com", To: []string{"b@example.com"}},
		{Server: "127.0.0.1:x", From: "a@example.com", To: []string{"b@example.com"}}, {Server: "127.0.0.1:1", From: "a b", To: []string{"b@example.com"}},
		{Server: "127.0.0.1:1", From: "a@example.com", To: []string{"b c"}},
	} {
		if err := m.Tell(t.Context(), notice()); err == nil {
			t.Errorf("%+v took a mail", m)
		}
	}
}

// A server that does not answer holds nobody longer than he waits.
func TestMailHangs(t *testing.T) {
	s := &server{hangs: true}
	address, trust := serve(t, s)
	m := &Mail{Server: address, From: "a@example.com", To: []string{"b@example.com"}, TLS: trust}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := m.Tell(ctx, notice()); err == nil || time.Since(began) > 10*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}
