package integration

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/backstep/backstep/internal/value"
)

// RequestIDHeader is where AWS's services tell the id of a request.
const RequestIDHeader = "x-amzn-RequestId"

// NewRequestID is an id for a request that Backstep answers in a service's
// place: a random UUID.
func NewRequestID() string {
	var b [16]byte
	rand.Read(b[:])
	return UUID(b, 4)
}

// UUID spells 16 bytes as a UUID of that version.
func UUID(b [16]byte, version byte) string {
	b[6] = b[6]&0x0F | version<<4
	b[8] = b[8]&0x3F | 0x80
	text := make([]byte, 0, 36)
	for i, part := range [][]byte{b[:4], b[4:6], b[6:8], b[8:10], b[10:]} {
		if i > 0 {
			text = append(text, '-')
		}
		text = hex.AppendEncode(text, part)
	}
	return string(text)
}

// Metadata is what results carry of the answer they came in, under
// SdkHttpMetadata and SdkResponseMetadata.
type Metadata struct {
	Status int
	Header http.Header
}

// RequestID is the request's id, "" where the answer has none.
func (m Metadata) RequestID() string { return m.Header.Get(RequestIDHeader) }

// Append adds both members to the text of an object, without its braces.
func (m Metadata) Append(text []byte) []byte {
	headers := make([]Header, 0, len(m.Header))
	for _, name := range HeaderNames(m.Header) {
		for _, v := range m.Header[name] {
			headers = append(headers, Header{spelled(name), v})
		}
	}
	return AppendMetadata(text, m.Status, headers)
}

// AppendMetadata adds what [Metadata.Append] does. The headers come in the order
// of their names, which are spelled as results have them.
func AppendMetadata(text []byte, status int, headers []Header) []byte {
	requestID := ""
	text = append(text, `"SdkHttpMetadata":{"AllHttpHeaders":{`...)
	for i, h := range headers {
		switch {
		case i == 0:
			text = append(value.AppendString(text, h.Name), ":["...)
		case h.Name == headers[i-1].Name:
			text = append(text, ',')
		default:
			text = append(text, "],"...)
			text = append(value.AppendString(text, h.Name), ":["...)
		}
		text = value.AppendString(text, strings.ToValidUTF8(h.Value, "\uFFFD"))
	}
	if len(headers) > 0 {
		text = append(text, ']')
	}
	text = append(text, `},"HttpHeaders":{`...)
	for i, h := range headers {
		if i > 0 && h.Name == headers[i-1].Name {
			continue
		}
		if i > 0 {
			text = append(text, ',')
		}
		text = append(value.AppendString(text, h.Name), ':')
		text = value.AppendString(text, strings.ToValidUTF8(h.Value, "\uFFFD"))
		if h.Name == RequestIDHeader {
			requestID = h.Value
		}
	}
	text = append(text, `},"HttpStatusCode":`...)
	text = strconv.AppendInt(text, int64(status), 10)
	text = append(text, `},"SdkResponseMetadata":{"RequestId":`...)
	return append(value.AppendString(text, requestID), '}')
}

// Set adds both members to a result.
func (m Metadata) Set(b *value.Builder) {
	text := append(m.Append([]byte{'{'}), '}')
	for name, v := range value.Checked(string(text)).Decode().Members() {
		b.Set(name, v)
	}
}

// HeaderLists is headers as results have them: a list of values for each name.
func HeaderLists(h http.Header) value.Value {
	all := value.NewBuilder(len(h))
	for _, name := range HeaderNames(h) {
		values := make([]value.Value, len(h[name]))
		for i, v := range h[name] {
			values[i] = value.NewString(strings.ToValidUTF8(v, "\uFFFD"))
		}
		all.Set(spelled(name), value.NewArray(values))
	}
	return all.Object()
}

// HeaderNames is the names of headers, in order.
func HeaderNames(h http.Header) []string { return slices.Sorted(maps.Keys(h)) }

// spelled is a header's name as AWS spells it where that is not Go's way.
func spelled(name string) string {
	switch name {
	case "X-Amzn-Requestid":
		return RequestIDHeader
	case "X-Amzn-Remapped-Content-Length":
		return "x-amzn-Remapped-Content-Length"
	}
	return name
}

// ServiceError is an error that an AWS service answered.
type ServiceError struct {
	Service   string // as its SDK calls it: "AWSLambda", "AmazonSNS"
	Status    int
	Code      string
	Message   string
	RequestID string
}

// Cause is the error as optimised integrations word it.
func (e ServiceError) Cause() string {
	return fmt.Sprintf("%s (Service: %s; Status Code: %d; Error Code: %s; Request ID: %s; Proxy: null)",
		e.Message, e.Service, e.Status, e.Code, e.RequestID)
}
