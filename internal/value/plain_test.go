package value

import (
	"slices"
	"testing"
)

func TestPlain(t *testing.T) {
	text := []byte("abcdefghijklmnopqrstuvwxyz~ !#[]^")
	for at := range text {
		for b := range 256 {
			s := slices.Clone(text)
			s[at] = byte(b)
			want := len(s)
			if b < 0x20 || b >= 0x80 || b == '"' || b == '\\' {
				want = at
			}
			for from := range at + 1 {
				if got := plain(string(s), from); got != want {
					t.Fatalf("byte %#x at %d, from %d: got %d", b, at, from, got)
				}
			}
			s[len(s)-1] = 0 // a second one must not hide the first
			if got := plain(string(s), 0); got != min(want, len(s)-1) {
				t.Fatalf("byte %#x at %d, then a second: got %d", b, at, got)
			}
		}
	}
}
