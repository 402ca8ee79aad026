package lambda

import (
	"testing"

	"github.com/backstep/backstep/internal/value"
)

// A Payload that is a text is JSON itself: "true" is true, not "\"true\"".
func TestTextIsTakenAsJSON(t *testing.T) {
	for _, c := range []struct {
		given, want string
		ok          bool
	}{
		{`{"a":1.0}`, `{"a":1.0}`, true},
		{`"true"`, `true`, true},
		{`"\"Hello\""`, `"Hello"`, true},
		{`"{ \"a\": 1 }"`, `{ "a": 1 }`, true},
		{`null`, `{}`, true},
		{`"null"`, `null`, true},
		{`"Hello"`, ``, false},
		{`""`, ``, false},
	} {
		text, ok := payload(value.Checked(c.given))
		if ok != c.ok || ok && text != c.want {
			t.Errorf("payload %s is given as %s, %v; want %s, %v", c.given, text, ok, c.want, c.ok)
		}
	}
	if text, ok := payload(value.Text{}); text != "{}" || !ok {
		t.Errorf("no payload is given as %s, %v", text, ok)
	}
}
