package server_test

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/server"
)

func TestCheckAddress(t *testing.T) {
	for _, c := range []struct {
		address     string
		alone, keys bool // may be listened at without keys, with keys
	}{
		{"127.0.0.1:8083", true, true},
		{"127.8.9.1:0", true, true},
		{"[::1]:8083", true, true},
		{"localhost:8083", true, true},
		{"[::ffff:127.0.0.1]:8083", true, true},
		{":8083", false, true},
		{"0.0.0.0:8083", false, true},
		{"[::]:8083", false, true},
		{"192.168.1.5:8083", false, true},
		{"localhost.evil.example:8083", false, true},
		{"127.0.0.1.nip.io:8083", false, true},
		{"8083", false, false},
		{"", false, false},
	} {
		if err := server.CheckAddress(c.address, false); (err == nil) != c.alone {
			t.Errorf("%q without keys: %v", c.address, err)
		}
		if err := server.CheckAddress(c.address, true); (err == nil) != c.keys {
			t.Errorf("%q with keys: %v", c.address, err)
		}
	}
}

func TestServeRefusesAForeignListener(t *testing.T) {
	s, err := server.New(server.Config{Service: newFake()})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(l); err == nil || !strings.Contains(err.Error(), "configure keys") {
		t.Errorf("Serve: %v", err)
	}
	if _, err := l.Accept(); err == nil {
		t.Error("the listener is still open")
	}
}

func TestHostsAndOrigins(t *testing.T) {
	_, url := open(t, server.Config{Service: newFake(), Hosts: []string{"sagas.example.com", "*.lan"}})
	port := url[strings.LastIndex(url, ":"):]
	for _, c := range []struct {
		host, origin, site string
		allowed            bool
	}{
		{host: "127.0.0.1" + port, allowed: true},
		{host: "localhost" + port, allowed: true},
		{host: "localhost", allowed: true},
		{host: "LocalHost.:80", allowed: true},
		{host: "sync-localhost" + port, allowed: true},
		{host: "sync-127.0.0.1" + port, allowed: true},
		{host: "backstep.localhost" + port, allowed: true},
		{host: "sync-states.localhost", allowed: true},
		{host: "[::1]" + port, allowed: true},
		{host: "Sagas.Example.com", allowed: true},
		{host: "sync-sagas.example.com:443", allowed: true},
		{host: "node-7.lan", allowed: true},
		{host: ".lan"},
		{host: "lan"},
		{host: "evil.example"},
		{host: "evil.example" + port},
		{host: "localhost.evil.example"},
		{host: "127.0.0.1.nip.io"},
		{host: "sagas.example.com.evil.example"},
		{host: "10.0.0.1"},
		{host: "sync-evil.example"},
		{host: "2130706433"},

		{host: "localhost" + port, origin: "http://localhost" + port, allowed: true},
		{host: "localhost" + port, origin: "http://localhost" + port, site: "same-origin", allowed: true},
		{host: "localhost" + port, site: "none", allowed: true},
		{host: "localhost" + port, origin: "http://evil.example"},
		{host: "localhost" + port, origin: "http://localhost:3000"},
		{host: "localhost" + port, origin: "null"},
		{host: "localhost" + port, site: "cross-site"},
		{host: "localhost" + port, site: "same-site"},
		{host: "localhost" + port, origin: "http://evil.example", site: "cross-site"},
	} {
		r := newCall(url, "AWSStepFunctions.StartExecution", `{"stateMachineArn":"m"}`)
		r.Host = c.host
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		if c.site != "" {
			r.Header.Set("Sec-Fetch-Site", c.site)
		}
		status, _, body := send(t, r)
		switch {
		case c.allowed && status != http.StatusOK:
			t.Errorf("host %q origin %q site %q: %d %s, want it answered", c.host, c.origin, c.site, status, body)
		case !c.allowed && (status != http.StatusForbidden || !strings.Contains(body, "AccessDeniedException")):
			t.Errorf("host %q origin %q site %q: %d %s, want it refused", c.host, c.origin, c.site, status, body)
		}
	}
}
