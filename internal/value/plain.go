package value

import "math/bits"

// plain is the place of the first byte of s from i on that is no plain text:
// one beyond ASCII, a control character, a quote or a backslash; len(s) where
// there is none. It looks at eight bytes at once.
func plain(s string, i int) int {
	const (
		ones  = 0x0101010101010101
		highs = 0x80 * ones
	)
	for ; len(s)-i >= 8; i += 8 {
		b := s[i : i+8]
		x := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
			uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
		quote, backslash := x^'"'*ones, x^'\\'*ones
		// The high bit of each byte: set where it is one of them. A borrow goes
		// upwards alone, from a byte that is one: the lowest is always right.
		if found := (x | (x-' '*ones)&^x | (quote-ones)&^quote | (backslash-ones)&^backslash) & highs; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(s); i++ {
		if b := s[i]; b >= 0x80 || b < ' ' || b == '"' || b == '\\' {
			break
		}
	}
	return i
}
