package service

import (
	"strings"
	"testing"
)

// What is told of a text takes no more than maxReported bytes as a JSON string,
// whatever it consists of, and is not cut more than it must be.
func TestReported(t *testing.T) {
	for _, c := range []string{"a", `"`, "\\", "\n", "\b", "\x01", "ä", "\u2028", "\u2029", "\u2027", "😀", "<&>"} {
		given := strings.Repeat(c, maxReported+1)
		text, cut := reported(given)
		told := len(encodeReport(text)) - 2
		if !cut || told > maxReported || told <= maxReported-len(encodeReport(c)) {
			t.Errorf("%q: %d bytes are told, cut %v", c, told, cut)
		}
		if short, cut := reported(c); short != c || cut {
			t.Errorf("%q is told as %q, cut %v", c, short, cut)
		}
	}
}
