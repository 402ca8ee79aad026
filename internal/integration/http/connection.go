package httptask

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/integration"
)

// Connection is the credentials for some hosts: an API key in a header, or a
// user's name and password. They are sent to no other host.
type Connection struct {
	Hosts    []string // "host", or "host:port"
	Header   string   // of the API key, "" for none
	Key      string
	Username string
	Password string
}

// String tells nothing of what a connection holds.
func (c Connection) String() string { return "connection to " + strings.Join(c.Hosts, ", ") }

// GoString tells nothing either.
func (c Connection) GoString() string { return c.String() }

func (c Connection) check() error {
	switch {
	case len(c.Hosts) == 0:
		return errors.New("no hosts")
	case (c.Header == "") == (c.Username == ""):
		return errors.New("neither an API key nor a user, or both")
	case c.Header != "" && !isToken(c.Header):
		return errors.New("the API key's header has no valid name")
	case !isHeaderValue(c.Key):
		return errors.New("the API key can't stand in a header")
	}
	return nil
}

// authorise adds the credentials of the connection that a definition names.
func (h *Handler) authorise(t integration.Task, r *http.Request, arn string) *integration.Error {
	c, known := h.connections[arn]
	if !known {
		c, known = h.connections[connectionName(arn)]
	}
	if !known {
		return integration.NewError("Events.ConnectionResource.NotFound", "Connection "+arn+" does not exist", integration.EffectNone)
	}
	if !slices.ContainsFunc(c.Hosts, func(host string) bool { return sameHost(host, r) }) {
		reason := "the connection " + connectionName(arn) + " is not for " + r.URL.Host
		return (&blocked{reason}).failure()
	}
	if c.Header != "" {
		r.Header.Set(c.Header, c.Key)
		return nil
	}
	r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(c.Username+":"+c.Password)))
	return nil
}

// connectionName is the NAME of arn:aws:events:REGION:ACCOUNT:connection/NAME/ID.
func connectionName(arn string) string {
	_, rest, ok := strings.Cut(arn, ":connection/")
	if !ok {
		return arn
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

// sameHost reports whether a host of a connection is the request's.
func sameHost(host string, r *http.Request) bool {
	if host = strings.ToLower(host); host == r.URL.Host {
		return true
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		own, err := netip.ParseAddr(r.URL.Hostname())
		return err == nil && own == addr
	}
	return host == r.URL.Hostname()
}
