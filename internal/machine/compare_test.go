package machine

import (
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/value"
)

// TestCompare holds every operator against every kind of value: which of the
// values match.
func TestCompare(t *testing.T) {
	values := []string{`"a"`, `"b"`, `"c"`, `1`, `2`, `3.5`, `true`, `false`, `null`,
		`"2026-01-01T00:00:00Z"`, `"2026-01-02T01:00:00+01:00"`, `"2026-01-03T00:00:00.5Z"`, `[]`, `{}`}
	for _, c := range []struct{ operator, against, match string }{
		{"StringEquals", `"b"`, `"b"`},
		{"StringLessThan", `"b"`, `"a" "2026-01-01T00:00:00Z" "2026-01-02T01:00:00+01:00" "2026-01-03T00:00:00.5Z"`},
		{"StringGreaterThan", `"b"`, `"c"`},
		{"StringLessThanEquals", `"a"`, `"a" "2026-01-01T00:00:00Z" "2026-01-02T01:00:00+01:00" "2026-01-03T00:00:00.5Z"`},
		{"StringGreaterThanEquals", `"b"`, `"b" "c"`},
		{"StringEquals", `2`, ``},
		{"NumericEquals", `2.0`, `2`},
		{"NumericLessThan", `2`, `1`},
		{"NumericGreaterThan", `2`, `3.5`},
		{"NumericLessThanEquals", `2`, `1 2`},
		{"NumericGreaterThanEquals", `2`, `2 3.5`},
		{"NumericEquals", `"2"`, ``},
		{"BooleanEquals", `true`, `true`},
		{"BooleanEquals", `false`, `false`},
		{"BooleanEquals", `1`, ``},
		{"TimestampEquals", `"2026-01-02T00:00:00Z"`, `"2026-01-02T01:00:00+01:00"`},
		{"TimestampLessThan", `"2026-01-02T00:00:00Z"`, `"2026-01-01T00:00:00Z"`},
		{"TimestampGreaterThan", `"2026-01-02T00:00:00Z"`, `"2026-01-03T00:00:00.5Z"`},
		{"TimestampLessThanEquals", `"2026-01-02T00:00:00Z"`, `"2026-01-01T00:00:00Z" "2026-01-02T01:00:00+01:00"`},
		{"TimestampGreaterThanEquals", `"2026-01-02T00:00:00Z"`, `"2026-01-02T01:00:00+01:00" "2026-01-03T00:00:00.5Z"`},
		{"TimestampEquals", `"2026-13-02T00:00:00Z"`, ``},
		{"IsNull", `true`, `null`},
		{"IsNumeric", `true`, `1 2 3.5`},
		{"IsString", `true`, `"a" "b" "c" "2026-01-01T00:00:00Z" "2026-01-02T01:00:00+01:00" "2026-01-03T00:00:00.5Z"`},
		{"IsBoolean", `true`, `true false`},
		{"IsTimestamp", `true`, `"2026-01-01T00:00:00Z" "2026-01-02T01:00:00+01:00" "2026-01-03T00:00:00.5Z"`},
		{"IsString", `false`, `1 2 3.5 true false null [] {}`},
		{"StringMatches", `"*Z"`, `"2026-01-01T00:00:00Z" "2026-01-03T00:00:00.5Z"`},
	} {
		var match []string
		for _, v := range values {
			if compare(c.operator, value.Checked(v).Decode(), value.Checked(c.against).Decode()) {
				match = append(match, v)
			}
		}
		if got := strings.Join(match, " "); got != c.match {
			t.Errorf("%s %s matches %s, want %s", c.operator, c.against, got, c.match)
		}
	}
}

func TestWildcards(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		match         bool
	}{
		{"", "", true},
		{"", "a", false},
		{"a", "a", true},
		{"a", "ab", false},
		{"ab", "a", false},
		{"*", "", true},
		{"*", "anything", true},
		{"foo*.log", "foo23.log", true},
		{"foo*.log", "foo.log.gz", false},
		{"*.log", "a.log.log", true},
		{"foo*.*", "foobar.zebra", true},
		{"a*b*c", "a1b2b3c", true},
		{"a*b*c", "a1c2b", false},
		{`a\*`, "a*", true},
		{`a\*`, "ab", false},
		{`\\*`, `\x`, true},
		{`a\`, `a\`, true},
		{"*é*", "caféine", true},
		{"**", "x", true},
	} {
		if got := matchesWildcard(c.pattern, c.text); got != c.match {
			t.Errorf("%q like %q: %v", c.text, c.pattern, got)
		}
	}
}
