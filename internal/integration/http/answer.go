package httptask

import (
	"mime"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// result is a service's answer as the task's result, or as its failure.
func result(t integration.Task, a *integration.Answer) (value.Text, error) {
	if a.Status < 200 || a.Status > 299 {
		return value.Text{}, integration.NewError("States.Http.StatusCode."+strconv.Itoa(a.Status), cause(a), a.Effect())
	}
	if a.Cut {
		return value.Text{}, integration.TooLarge(t)
	}
	kind, _, _ := mime.ParseMediaType(a.Header.Get("Content-Type"))
	if unreadable(kind) || !utf8.Valid(a.Body) {
		return value.Text{}, integration.NewError("States.Runtime",
			"The response of the HTTP task can't be read as text: its content type is '"+kind+"'", integration.EffectUnknown)
	}
	return value.NewObject(
		value.Member{Name: "Headers", Value: headers(a)},
		value.Member{Name: "ResponseBody", Value: responseBody(kind, string(a.Body))},
		value.Member{Name: "StatusCode", Value: value.NewInt(int64(a.Status))},
		value.Member{Name: "StatusText", Value: value.NewString(a.Reason)}).Text(), nil
}

// cause tells why a service refused: its own words, or its status.
func cause(a *integration.Answer) string {
	if len(a.Body) > 0 && utf8.Valid(a.Body) {
		return string(a.Body)
	}
	return a.Reason
}

// unreadable reports whether a content type is no text.
func unreadable(kind string) bool {
	return kind == "application/octet-stream" || strings.HasPrefix(kind, "image/") ||
		strings.HasPrefix(kind, "video/") || strings.HasPrefix(kind, "audio/")
}

func headers(a *integration.Answer) value.Value {
	names := make([]string, 0, len(a.Header))
	for name := range a.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	b := value.NewBuilder(len(names))
	for _, name := range names {
		var all []value.Value
		for _, v := range a.Header[name] {
			all = append(all, value.NewString(strings.ToValidUTF8(v, "\uFFFD")))
		}
		b.Set(name, value.NewArray(all))
	}
	return b.Object()
}

// responseBody is a body as JSON where it says that it is, else as a string.
func responseBody(kind, body string) value.Value {
	if kind == "application/json" || strings.HasSuffix(kind, "+json") {
		if text, err := value.Check(body); err == nil {
			return text.Decode()
		}
	}
	return value.NewString(body)
}
