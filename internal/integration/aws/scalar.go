package aws

import (
	"encoding/base64"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/backstep/backstep/internal/value"
)

// The formats of timestamps, as the models spell them.
const (
	isoFormat  = "iso8601"
	unixFormat = "unixTimestamp"
	httpFormat = "rfc822"
)

// problem is why parameters can't be sent, in the service's words.
type problem string

func (p problem) Error() string { return string(p) }

func invalid(name string) error {
	return problem("The value of the field '" + name + "' has an invalid format")
}

// scalarText is a scalar as messages that are not JSON have it; timestamps of no
// format of their own get the one given. What a string takes that is none goes
// as its JSON text.
func scalarText(v value.Value, m *member, format string) (string, error) {
	switch m.shape.Kind {
	case stringKind:
		return stringText(v), nil
	case numberKind:
		if n := number(v); !n.IsAbsent() {
			return n.Spelling(), nil
		}
	case booleanKind:
		if b := boolean(v); !b.IsAbsent() {
			return strconv.FormatBool(b.AsBool()), nil
		}
	case blobKind:
		return base64.StdEncoding.EncodeToString([]byte(stringText(v))), nil
	case timestampKind:
		if at, ok := parseTime(v); ok {
			return formatTime(at, first(m.Format, format)), nil
		}
	}
	return "", invalid(m.sdk)
}

// stringText is a value as text: a string's content, or JSON.
func stringText(v value.Value) string {
	switch v.Kind() {
	case value.String:
		return v.AsString()
	case value.Number:
		return v.Spelling()
	}
	return v.Text().String()
}

// number is v as a number, absent where it is none. A string may spell one.
func number(v value.Value) value.Value {
	if v.Kind() == value.String {
		if text, err := value.Check(strings.TrimSpace(v.AsString())); err == nil {
			v = text.Decode()
		}
	}
	if v.Kind() != value.Number {
		return value.Value{}
	}
	return v
}

// boolean is v as a boolean, absent where it is none. A string may spell one.
func boolean(v value.Value) value.Value {
	switch {
	case v.Kind() == value.Bool:
		return v
	case v.AsString() == "true":
		return value.NewBool(true)
	case v.AsString() == "false":
		return value.NewBool(false)
	}
	return value.Value{}
}

// timeLayouts are how services and definitions write a time.
var timeLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04:05.999999999-0700", http.TimeFormat, time.RFC1123, time.RFC1123Z, "2006-01-02"}

// parseTime reads a time: a text, or seconds since 1970.
func parseTime(v value.Value) (time.Time, bool) {
	if n := number(v); !n.IsAbsent() {
		return fromSeconds(n.AsFloat())
	}
	for _, layout := range timeLayouts {
		if at, err := time.Parse(layout, v.AsString()); err == nil {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}

// fromSeconds is a time within the years that a text can write, to the
// millisecond.
func fromSeconds(seconds float64) (time.Time, bool) {
	const most = 253402300799 // the end of the year 9999
	if math.IsNaN(seconds) || seconds < -62135596800 || seconds > most {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(math.Round(seconds * 1000))).UTC(), true
}

// formatTime writes a time in one of the models' formats.
func formatTime(at time.Time, format string) string {
	switch format {
	case httpFormat:
		return at.Format(http.TimeFormat)
	case unixFormat:
		return strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', -1, 64)
	}
	return isoTime(at)
}

// isoTime is a time as the SDK's results have it: with milliseconds where there
// are some.
func isoTime(at time.Time) string {
	if at.Nanosecond()/1e6 == 0 {
		return at.Format("2006-01-02T15:04:05Z")
	}
	return at.Format("2006-01-02T15:04:05.000Z")
}

// readable is bytes as results have them: as text, or, where they are no UTF-8,
// in base 64.
func readable(bytes string) value.Value {
	if utf8.ValidString(bytes) {
		return value.NewString(bytes)
	}
	return value.NewString(base64.StdEncoding.EncodeToString([]byte(bytes)))
}

// first is the first text that is not empty.
func first(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}
