package jsonata

import (
	"slices"
	"strings"
	"testing"
)

// TestTokens: what is cut apart is the same put together, and a mark within a text,
// a pattern or a comment is no sign of the expression.
func TestTokens(t *testing.T) {
	for text, want := range map[string]string{
		"$states.input.a":          "$states|.|input|.|a",
		"$x := 'a$b' & \"c\\\"d\"": "$x| |:=| |'a$b'| |&| |\"c\\\"d\"",
		"a /* $b */ / 2":           "a| |/* $b */| |/| |2",
		"$match(s, /a\\/b/)":       "$match|(|s|,| |/a\\/b/|)",
		"a and /b/":                "a| |and| |/b/",
		"$`a b`[0]/2":              "$|`a b`|[|0|]|/|2",
		"'open":                    "'open",
		"/":                        "/",
		"/* open":                  "/* open",
		"é.ü1":                     "é|.|ü1",
	} {
		got := Tokens(text)
		if strings.Join(got, "") != text || !slices.Equal(got, strings.Split(want, "|")) {
			t.Errorf("%s is cut into %q", text, got)
		}
	}
}
