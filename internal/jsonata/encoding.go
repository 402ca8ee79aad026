package jsonata

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// base64Encode encodes the low byte of each UTF-16 unit, as the reference does.
func base64Encode(s string) string {
	var bytes []byte
	for i := 0; i < len(s); {
		r, n := decodeRune(s[i:])
		i += n
		if r > 0xFFFF {
			r -= 0x10000
			bytes = append(bytes, byte(0xD800+r>>10))
		}
		bytes = append(bytes, byte(r))
	}
	return base64.StdEncoding.EncodeToString(bytes)
}

// base64Decode makes a character of each byte. What is not of the alphabet is
// passed over, and nothing is read behind a "=".
func base64Decode(s string) string {
	s, _, _ = strings.Cut(s, "=")
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '-':
			return '+'
		case r == '_':
			return '/'
		case r < utf8.RuneSelf && strings.ContainsRune(base64Alphabet, r):
			return r
		}
		return -1
	}, s)
	if len(s)%4 == 1 {
		s = s[:len(s)-1]
	}
	bytes, _ := base64.RawStdEncoding.DecodeString(s) // of the alphabet alone
	var out []byte
	for _, b := range bytes {
		out = utf8.AppendRune(out, rune(b))
	}
	return string(out)
}

const base64Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// The characters that stand for themselves in a URL: in a part of one, and in
// a whole one besides.
const (
	plainInComponent = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()"
	reservedInURL    = ";/?:@&=+$,#"
)

func encodeURL(c call) datum { return c.percentEncode(plainInComponent + reservedInURL) }

func encodeURLComponent(c call) datum { return c.percentEncode(plainInComponent) }

func decodeURL(c call) datum { return c.percentDecode(reservedInURL) }

func decodeURLComponent(c call) datum { return c.percentDecode("") }

func (c call) percentEncode(plain string) datum {
	if c.arg(0).absent() {
		return datum{}
	}
	s := c.text(0)
	if hasSurrogates(s) {
		c.fail("D3140", c.name, s)
	}
	c.write(3 * len(s))
	const digits = "0123456789ABCDEF"
	var out []byte
	for i := range len(s) {
		if b := s[i]; strings.IndexByte(plain, b) >= 0 {
			out = append(out, b)
		} else {
			out = append(out, '%', digits[b>>4], digits[b&15])
		}
	}
	return str(string(out))
}

// percentDecode decodes all but the characters to keep.
func (c call) percentDecode(keep string) datum {
	if c.arg(0).absent() {
		return datum{}
	}
	s := c.text(0)
	c.write(len(s))
	var out []byte
	for i := 0; i < len(s); {
		if s[i] != '%' {
			out = append(out, s[i])
			i++
			continue
		}
		r, n := percentRune(s[i:])
		if n == 0 {
			c.fail("D3140", c.name, s)
		}
		if strings.ContainsRune(keep, r) {
			out = append(out, s[i:i+n]...)
		} else {
			out = utf8.AppendRune(out, r)
		}
		i += n
	}
	return str(string(out))
}

// percentRune reads one character spelled as bytes %XX; n is the length of its
// spelling, 0 where it is none.
func percentRune(s string) (r rune, n int) {
	var bytes [utf8.UTFMax]byte
	for i := range bytes {
		b, ok := percentByte(s[3*i:])
		if !ok {
			return 0, 0
		}
		bytes[i] = b
		if r, size := utf8.DecodeRune(bytes[:i+1]); r != utf8.RuneError || size == 3 {
			return r, 3 * (i + 1)
		}
		if 3*i+3 >= len(s) {
			break
		}
	}
	return 0, 0
}

func percentByte(s string) (byte, bool) {
	if len(s) < 3 || s[0] != '%' {
		return 0, false
	}
	high, low := strings.IndexByte(hexDigits, s[1]|0x20), strings.IndexByte(hexDigits, s[2]|0x20)
	return byte(high<<4 | low), high >= 0 && low >= 0
}

const hexDigits = "0123456789abcdef"
