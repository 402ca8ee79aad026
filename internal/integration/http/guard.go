package httptask

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/backstep/backstep/internal/integration"
)

// guard judges what may be called, by the configuration's list.
//
//   - "host:port" allows that host on that port, over TLS, where its name leads
//     to a public address. "http://host:port" allows plain HTTP as well.
//   - An address or "localhost" with a port allows just that, plain or not.
//   - A CIDR allows its addresses on the ports 80, 443 and from 1024 on; over
//     plain HTTP only where they are not public. Addresses that are not public
//     must be meant: a CIDR that reaches beyond their kind does not allow them,
//     so that 0.0.0.0/0 is all that is public and not the machine next door.
type guard struct {
	names    map[string]bool // "host:port" to whether plain HTTP is taken
	addrs    map[netip.AddrPort]bool
	prefixes []netip.Prefix
	resolver *net.Resolver
}

// blocked is a call that the configuration does not allow. Nothing was sent.
type blocked struct{ reason string }

func (b *blocked) Error() string { return b.reason }

func (b *blocked) failure() *integration.Error {
	return integration.NewError("States.Http.ConnectionBlocked", b.reason, integration.EffectNone)
}

func newGuard(allow []string, resolver *net.Resolver) (*guard, error) {
	g := &guard{names: make(map[string]bool), addrs: make(map[netip.AddrPort]bool), resolver: resolver}
	for _, entry := range allow {
		if err := g.add(entry); err != nil {
			return nil, fmt.Errorf("http.allow: %q: %w", entry, err)
		}
	}
	return g, nil
}

func (g *guard) add(entry string) error {
	if prefix, err := netip.ParsePrefix(entry); err == nil {
		g.prefixes = append(g.prefixes, prefix.Masked())
		return nil
	}
	rest, plain := strings.CutPrefix(entry, "http://")
	host, port, err := net.SplitHostPort(strings.TrimPrefix(rest, "https://"))
	if err != nil {
		return errors.New("neither host:port nor a CIDR")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return errors.New("no port number from 1 to 65535")
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		g.addrs[netip.AddrPortFrom(addr.Unmap(), uint16(n))] = true
		return nil
	}
	if host, err = hostName(host); err != nil {
		return err
	}
	g.names[net.JoinHostPort(host, port)] = plain || host == "localhost"
	return nil
}

// hostName is a host's name in lower case without a dot at its end. What could
// be read as an address by one and as a name by another is refused.
func hostName(host string) (string, error) {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	last := host[strings.LastIndexByte(host, '.')+1:]
	if host == "" || len(host) > 253 || last == "" || last[0] >= '0' && last[0] <= '9' {
		return "", errors.New("no name of a host")
	}
	for _, b := range []byte(host) {
		if (b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '-' && b != '.' && b != '_' {
			return "", errors.New("no name of a host (names beyond ASCII are written as xn--…)")
		}
	}
	return host, nil
}

// hope reports whether a host could be allowed at all, before anybody is asked
// for its address. The host is a name, or an address.
func (g *guard) hope(plain bool, host string, port uint16) error {
	if addr, err := netip.ParseAddr(host); err == nil {
		return g.judge(plain, host, netip.AddrPortFrom(addr, port))
	}
	if _, named := g.names[join(host, port)]; !named && len(g.prefixes) == 0 {
		return &blocked{join(host, port) + " is not on the list http.allow of the configuration"}
	}
	return nil
}

// judge decides on the address that is about to be dialled for a host.
func (g *guard) judge(plain bool, host string, to netip.AddrPort) error {
	ip := to.Addr().Unmap().WithZone("")
	kind, special := kindOf(ip)
	if g.addrs[netip.AddrPortFrom(ip, to.Port())] {
		return nil
	}
	takesPlain, named := g.names[join(host, to.Port())]
	meant := !special || host == "localhost" && ip.IsLoopback()
	if named && meant && (!plain || takesPlain) {
		return nil
	}
	for _, prefix := range g.prefixes {
		if prefix.Contains(ip) && usual(to.Port()) && (!special && !plain || special && prefix.Bits() >= kind.Bits()) {
			return nil
		}
	}
	reason := "%s (%s) is not on the list http.allow of the configuration"
	if special && named {
		reason = "%s leads to %s, which is not a public address and must be on the list http.allow of the configuration itself"
	} else if plain && named {
		reason = "%s (%s) takes plain HTTP only where the list http.allow of the configuration says http:// before it"
	}
	return &blocked{fmt.Sprintf(reason, join(host, to.Port()), ip)}
}

func usual(port uint16) bool { return port == 80 || port == 443 || port >= 1024 }

func join(host string, port uint16) string { return net.JoinHostPort(host, strconv.Itoa(int(port))) }

// dialer opens connections for plain HTTP, or for TLS, to what is allowed. The
// judgement is made on each address, when the socket is there and nothing has
// been sent.
func (g *guard) dialer(plain bool) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		dialer := net.Dialer{Timeout: 10 * time.Second, Resolver: g.resolver}
		dialer.Control = func(_, resolved string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(resolved)
			if err != nil {
				return &blocked{"the address " + resolved + " can't be judged"}
			}
			return g.judge(plain, host, to)
		}
		return dialer.DialContext(ctx, network, address)
	}
}

// kindOf is the block of addresses that are not public which an address
// belongs to, if to any.
func kindOf(ip netip.Addr) (netip.Prefix, bool) {
	for _, block := range specialBlocks {
		if block.Contains(ip) {
			return block, true
		}
	}
	return netip.Prefix{}, false
}

// specialBlocks are the addresses that are not public, after IANA's registries
// of special-purpose addresses: this network, private, shared, loopback,
// link-local, documentation, benchmarks, multicast, reserved, and the ways to
// write an IPv4 address in IPv6.
var specialBlocks = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"::1/128", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32",
	"2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}
