package httptask

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// problem tells what is wrong with the parameters, as the service words it.
type problem string

func (p problem) Error() string { return string(p) }

func invalid(field string) problem {
	return problem("The value of the field '" + field + "' has an invalid format")
}

// maxURL bounds a request's URL in bytes.
const maxURL = 8 << 10

var methods = []string{"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"}

var parameterNames = []string{"ApiEndpoint", "Authentication", "Headers", "InvocationConfig", "Method", "QueryParameters", "RequestBody", "Transform"}

// read takes a task as a request. The error is a failure without effect.
func (h *Handler) read(t integration.Task) (*http.Request, error) {
	p := t.Request.Decode()
	if wrong := check(p); wrong != "" {
		return nil, integration.BadParameters(t, string(wrong))
	}
	target, err := endpoint(p.Get("ApiEndpoint").AsString())
	if err != nil {
		return nil, integration.BadParameters(t, "The value of the field 'ApiEndpoint' is not valid: "+err.Error())
	}
	if err := addQuery(target, p.Get("QueryParameters")); err != nil {
		return nil, integration.BadParameters(t, err.Error())
	}
	body, kind, err := encodeBody(p.Get("RequestBody"), p.Get("Transform"))
	if err != nil {
		return nil, integration.BadParameters(t, err.Error())
	}
	request, err := http.NewRequest(p.Get("Method").AsString(), target.String(), strings.NewReader(body))
	if err != nil || len(target.String()) > maxURL {
		return nil, integration.BadParameters(t, "The value of the field 'ApiEndpoint' is not valid")
	}
	if err := h.describe(t, request, p.Get("Headers"), kind); err != nil {
		return nil, integration.BadParameters(t, err.Error())
	}
	if err := h.permit(t, request, connectionARN(p)); err != nil {
		return nil, err
	}
	return request, nil
}

// permit asks whether the request may be made, and gives it its credentials.
func (h *Handler) permit(t integration.Task, r *http.Request, connection string) error {
	port, plain := uint64(443), r.URL.Scheme == "http"
	if plain {
		port = 80
	}
	if text := r.URL.Port(); text != "" {
		port, _ = strconv.ParseUint(text, 10, 16)
	}
	var b *blocked
	if err := h.guard.hope(plain, r.URL.Hostname(), uint16(port)); errors.As(err, &b) {
		return b.failure()
	}
	if connection == "" {
		return nil
	}
	if failed := h.authorise(t, r, connection); failed != nil {
		return failed
	}
	return nil
}

// check tells what is wrong with the parameters, "" for nothing.
func check(p value.Value) problem {
	if p.Kind() != value.Object {
		return "The parameters are not an object"
	}
	for name := range p.Members() {
		if !slices.Contains(parameterNames, name) {
			return problem("The field '" + name + "' is not supported by Step Functions")
		}
	}
	for _, name := range []string{"ApiEndpoint", "Method"} {
		if !p.Has(name) {
			return problem("The field '" + name + "' is required but was missing")
		}
	}
	if p.Get("ApiEndpoint").Kind() != value.String {
		return invalid("ApiEndpoint")
	}
	if !slices.Contains(methods, p.Get("Method").AsString()) {
		return invalid("Method")
	}
	if p.Has("Authentication") && p.Has("InvocationConfig") {
		return "The fields 'Authentication' and 'InvocationConfig' exclude each other"
	}
	for _, name := range []string{"Authentication", "InvocationConfig"} {
		if p.Has(name) && p.Get(name).Get("ConnectionArn").Kind() != value.String {
			return invalid(name)
		}
	}
	return ""
}

func connectionARN(p value.Value) string {
	if arn := p.Get("InvocationConfig").Get("ConnectionArn").AsString(); arn != "" {
		return arn
	}
	return p.Get("Authentication").Get("ConnectionArn").AsString()
}

// endpoint reads a URL once; what it says there is what is judged, dialled and
// sent. Spellings that another reader could read otherwise are refused.
func endpoint(text string) (*url.URL, error) {
	for _, b := range []byte(text) {
		if b <= ' ' || b >= 0x7F || b == '\\' {
			return nil, errors.New("a character that no URL holds")
		}
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("no URL")
	}
	if u.Scheme != "https" && u.Scheme != "http" {
		return nil, errors.New("neither https nor http")
	}
	if u.User != nil || u.Opaque != "" || u.Fragment != "" || strings.Contains(text, "#") {
		return nil, errors.New("a user or a fragment")
	}
	if strings.HasPrefix(u.EscapedPath(), "//") {
		return nil, errors.New("a path that begins with two slashes")
	}
	host := u.Hostname()
	if addr, err := netip.ParseAddr(host); err == nil && addr.Zone() == "" {
		host = addr.Unmap().String()
	} else if host, err = hostName(host); err != nil {
		return nil, err
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, errors.New("no port number from 1 to 65535")
		}
		u.Host = net.JoinHostPort(host, port)
	} else if u.Host = host; strings.Contains(host, ":") {
		u.Host = "[" + host + "]"
	}
	return u, nil
}

// describe sets the request's headers: the definition's, and what services are
// told of the call.
func (h *Handler) describe(t integration.Task, r *http.Request, given value.Value, kind string) error {
	if !given.IsAbsent() && given.Kind() != value.Object {
		return invalid("Headers")
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	r.Header.Set("User-Agent", "Amazon|StepFunctions|HttpInvoke|"+h.region)
	r.Header.Set("Range", "bytes=0-"+strconv.Itoa(integration.MaxResult))
	for name, v := range given.Members() {
		if !isToken(name) || v.Kind() != value.String || !isHeaderValue(v.AsString()) {
			return invalid("Headers")
		}
		if isBlocked(name) {
			return problem("The header '" + name + "' is not allowed")
		}
		r.Header.Set(name, v.AsString())
	}
	if !h.strict {
		t.SetHeaders(r.Header)
	}
	return nil
}

// isBlocked reports whether a definition may not set a header: it belongs to
// the connection, to the protocol, or to those in between.
func isBlocked(name string) bool {
	name = strings.ToLower(name)
	for _, prefix := range []string{"x-forwarded", "x-amz-", "x-amzn-", "proxy-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return slices.Contains(blockedHeaders, name)
}

var blockedHeaders = []string{
	"a-im", "accept-charset", "accept-datetime", "accept-encoding", "authorization", "cache-control", "connection",
	"content-encoding", "content-length", "content-md5", "date", "expect", "forwarded", "from", "host",
	"http2-settings", "if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since",
	"keep-alive", "max-forwards", "origin", "pragma", "range", "referer", "server", "te", "trailer",
	"transfer-encoding", "upgrade", "via", "warning",
}

// isToken reports whether a name may stand as a header's.
func isToken(name string) bool {
	for _, b := range []byte(name) {
		if b <= ' ' || b >= 0x7F || strings.IndexByte(`"(),/:;<=>?@[\]{}`, b) >= 0 {
			return false
		}
	}
	return name != ""
}

// isHeaderValue reports whether a text may stand as a header's value.
func isHeaderValue(v string) bool {
	for _, b := range []byte(v) {
		if b < ' ' && b != '\t' || b == 0x7F {
			return false
		}
	}
	return true
}
