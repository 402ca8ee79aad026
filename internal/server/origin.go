package server

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/backstep/backstep/api"
)

// CheckAddress tells whether a server may listen at an address, as in "127.0.0.1:8083": with keys at any, without them only on loopback, where
// nobody but the users of this machine can reach it.
func CheckAddress(address string, keys bool) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("listen address %q is not of the form host:port", address)
	}
	if keys || isLoopback(host) {
		return nil
	}
	return fmt.Errorf("listen address %q is not loopback, so anyone who reaches it could do anything: configure keys, or listen on 127.0.0.1", address)
}

// isLoopback tells whether a host, a name or an IP address, can only be this machine.
func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// checkOrigin refuses what a foreign web page sends through a user's browser: requests to a name that is not the server's (an attacker's name that
// leads to this address), and requests from another site.
func (s *Server) checkOrigin(r *http.Request) *api.Error {
	if !s.isOurs(r) {
		return api.Errorf(api.CodeAccessDenied, "The host %.100q is not a name of this server. Names are configured as hosts.", r.Host)
	}
	if err := s.sites.Check(r); err != nil {
		return api.Errorf(api.CodeAccessDenied, "Requests from other web sites are not answered.")
	}
	return nil
}

// isOurs tells whether the request's Host is a name of this server: of loopback, the address that the request came to, or a configured one, each
// also with the prefix that SDKs put before the host for synchronous calls.
func (s *Server) isOurs(r *http.Request) bool {
	host := strings.ToLower(hostOf(r.Host))
	host = strings.TrimPrefix(host, "sync-")
	if isLoopback(host) || slices.ContainsFunc(s.hosts, func(name string) bool { return matchHost(name, host) }) {
		return true
	}
	ip, err := netip.ParseAddr(host)
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if err != nil || local == nil {
		return false
	}
	here, err := netip.ParseAddrPort(local.String())
	return err == nil && here.Addr().Unmap().WithZone("") == ip.Unmap().WithZone("")
}

// hostOf takes the port, the brackets of IPv6 and the root's dot away.
func hostOf(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		hostport = host
	}
	hostport = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
	return strings.TrimSuffix(hostport, ".")
}

// matchHost tells whether a configured name, which may begin with "*.", means the host.
func matchHost(name, host string) bool {
	name = strings.ToLower(name)
	if below, ok := strings.CutPrefix(name, "*"); ok && strings.HasPrefix(below, ".") {
		return strings.HasSuffix(host, below) && len(host) > len(below)
	}
	return name == host
}
