package integration

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
)

// Header is one thing that a participant is told of the call it gets.
type Header struct{ Name, Value string }

// Headers is what a participant gets with the call, by whatever way its kind
// carries it: headers, message attributes, a client context. The idempotency
// key is the same whenever the step is sent again. Values are visible ASCII:
// what else a name holds is percent-encoded.
func (t Task) Headers() []Header {
	h := make([]Header, 0, 8)
	add := func(name, value string) {
		if value != "" {
			h = append(h, Header{name, printable(value)})
		}
	}
	if t.Operation != Query {
		add("Idempotency-Key", t.StepID)
	}
	add("Backstep-Execution", t.Execution)
	add("Backstep-State", t.State)
	add("Backstep-Operation", t.Operation.String())
	add("Backstep-Attempt", strconv.Itoa(t.Attempt))
	if t.Operation != Forward {
		add("Backstep-Forward-Key", t.Forward)
	}
	correlation := t.Trace
	if correlation == "" {
		correlation = t.Execution
	}
	add("X-Correlation-Id", correlation)
	add("traceparent", t.traceparent())
	return h
}

// SetHeaders adds what a participant gets to a request's headers. A header that
// stands there already wins.
func (t Task) SetHeaders(to http.Header) {
	for _, h := range t.Headers() {
		if to.Get(h.Name) == "" {
			to.Set(h.Name, h.Value)
		}
	}
}

// traceparent is W3C's trace context: the trace of the execution's trace header
// where it has one, else one that the execution's ARN gives, and a parent that
// is this send's own. The same send has the same one.
func (t Task) traceparent() string {
	trace, sampled := xrayTrace(t.Trace)
	if trace == "" {
		sum := sha256.Sum256([]byte(t.Execution))
		trace = hex.EncodeToString(sum[:16])
	}
	parent := sha256.Sum256([]byte(t.StepID + "#" + strconv.Itoa(t.Attempt)))
	flags := "00"
	if sampled {
		flags = "01"
	}
	return "00-" + trace + "-" + hex.EncodeToString(parent[:8]) + "-" + flags
}

// xrayTrace reads AWS's trace header: "Root=1-<8 hex>-<24 hex>;…;Sampled=1".
// The trace is "" where there is none.
func xrayTrace(header string) (trace string, sampled bool) {
	sampled = true
	for field := range strings.SplitSeq(header, ";") {
		name, v, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch name {
		case "Root":
			parts := strings.Split(v, "-")
			if len(parts) == 3 && len(parts[1]) == 8 && len(parts[2]) == 24 {
				trace = strings.ToLower(parts[1] + parts[2])
			}
		case "Sampled":
			sampled = v != "0"
		}
	}
	if _, err := hex.DecodeString(trace); err != nil {
		trace = ""
	}
	return trace, sampled
}

// printable is s with everything but visible ASCII and inner spaces
// percent-encoded, and with '%' itself.
func printable(s string) string {
	plain := func(i int) bool {
		b := s[i]
		return b > ' ' && b < 0x7F && b != '%' || b == ' ' && i > 0 && i < len(s)-1
	}
	for i := range len(s) {
		if !plain(i) {
			return escape(s, plain)
		}
	}
	return s
}

func escape(s string, plain func(int) bool) string {
	const digits = "0123456789ABCDEF"
	out := make([]byte, 0, len(s)+16)
	for i := range len(s) {
		if plain(i) {
			out = append(out, s[i])
			continue
		}
		out = append(out, '%', digits[s[i]>>4], digits[s[i]&15])
	}
	return string(out)
}
