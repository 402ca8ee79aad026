package value

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// Text is one JSON value as text: checked once, immutable, carried from hand
// to hand as it is. The zero Text is no text at all. A Text may be used by
// many at once, and compared with ==, which compares spellings.
type Text struct{ s string }

// Bounds of what [Check] takes. They are deeper and longer than any quota of
// the service and only keep hostile texts from costing more than their size.
const (
	MaxDepth  = 1000 // arrays and objects within one another
	MaxDigits = 1000 // characters of one number
)

// SyntaxError tells where a text stops being JSON.
type SyntaxError struct {
	Offset int    // in bytes, from 0
	Reason string // what was met, in a few words
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("not JSON at byte %d: %s", e.Offset, e.Reason)
}

// Check takes s as JSON: one value, in valid UTF-8, of bounded depth, with
// nothing but white space around it. A name that stands twice in an object is
// taken (the last one counts). The error is a *[SyntaxError].
func Check(s string) (Text, error) {
	c := checker{s: s}
	c.space()
	c.value(0)
	c.space()
	if c.err == nil && c.i < len(s) {
		c.fail("text after the value")
	}
	if c.err != nil {
		return Text{}, c.err
	}
	return Text{s}, nil
}

// Checked takes s as JSON that was checked before, such as a record of our own.
func Checked(s string) Text { return Text{s} }

// String is the text.
func (t Text) String() string { return t.s }

// Indented is the text as people read it, with a line break at its end: the same
// for the same text.
func (t Text) Indented() string {
	var out bytes.Buffer
	_ = json.Indent(&out, []byte(t.s), "", "  ") // it is JSON
	out.WriteByte('\n')
	return out.String()
}

// Len is the text's length in bytes.
func (t Text) Len() int { return len(t.s) }

// IsZero reports whether t is no text at all.
func (t Text) IsZero() bool { return t.s == "" }

type checker struct {
	s   string
	i   int
	err *SyntaxError
}

func (c *checker) fail(reason string) {
	if c.err == nil {
		c.err = &SyntaxError{Offset: c.i, Reason: reason}
	}
	c.i = len(c.s)
}

func (c *checker) space() {
	for c.i < len(c.s) {
		switch c.s[c.i] {
		case ' ', '\t', '\n', '\r':
			c.i++
		default:
			return
		}
	}
}

// eat takes the byte b if it comes next.
func (c *checker) eat(b byte) bool {
	if c.i < len(c.s) && c.s[c.i] == b {
		c.i++
		return true
	}
	return false
}

func (c *checker) value(depth int) {
	if c.i >= len(c.s) {
		c.fail("the text ends where a value should stand")
		return
	}
	switch b := c.s[c.i]; {
	case b == '"':
		c.string()
	case b == '{':
		c.object(depth + 1)
	case b == '[':
		c.array(depth + 1)
	case b == '-' || b >= '0' && b <= '9':
		c.number()
	case b == 't':
		c.word("true")
	case b == 'f':
		c.word("false")
	case b == 'n':
		c.word("null")
	default:
		c.fail("no value begins here")
	}
}

func (c *checker) word(w string) {
	if len(c.s)-c.i < len(w) || c.s[c.i:c.i+len(w)] != w {
		c.fail("no value begins here")
		return
	}
	c.i += len(w)
}

func (c *checker) object(depth int) {
	if depth > MaxDepth {
		c.fail("nested too deeply")
		return
	}
	c.i++
	c.space()
	if c.eat('}') {
		return
	}
	for c.err == nil {
		if c.i >= len(c.s) || c.s[c.i] != '"' {
			c.fail("a member name should stand here")
			return
		}
		c.string()
		c.space()
		if !c.eat(':') {
			c.fail("':' should stand here")
			return
		}
		c.space()
		c.value(depth)
		c.space()
		if c.eat('}') {
			return
		}
		if !c.eat(',') {
			c.fail("',' or '}' should stand here")
			return
		}
		c.space()
	}
}

func (c *checker) array(depth int) {
	if depth > MaxDepth {
		c.fail("nested too deeply")
		return
	}
	c.i++
	c.space()
	if c.eat(']') {
		return
	}
	for c.err == nil {
		c.value(depth)
		c.space()
		if c.eat(']') {
			return
		}
		if !c.eat(',') {
			c.fail("',' or ']' should stand here")
			return
		}
		c.space()
	}
}

func (c *checker) string() {
	c.i++
	for c.i = plain(c.s, c.i); c.i < len(c.s); c.i = plain(c.s, c.i) {
		switch b := c.s[c.i]; {
		case b == '"':
			c.i++
			return
		case b == '\\':
			c.escape()
		case b < 0x20:
			c.fail("a control character in a string")
		default:
			r, n := utf8.DecodeRuneInString(c.s[c.i:])
			if r == utf8.RuneError && n == 1 {
				c.fail("bytes that are not UTF-8")
				return
			}
			c.i += n
		}
	}
	if c.err == nil {
		c.fail("the text ends within a string")
	}
}

func (c *checker) escape() {
	if c.i+1 >= len(c.s) {
		c.fail("the text ends within a string")
		return
	}
	switch c.s[c.i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		c.i += 2
	case 'u':
		if _, ok := hex4(c.s, c.i+2); !ok {
			c.fail("an escape that is none")
			return
		}
		c.i += 6
	default:
		c.fail("an escape that is none")
	}
}

func (c *checker) digits() bool {
	start := c.i
	for c.i < len(c.s) && c.s[c.i]-'0' <= 9 {
		c.i++
	}
	return c.i > start
}

func (c *checker) number() {
	start := c.i
	c.eat('-')
	if !c.eat('0') && !c.digits() {
		c.fail("a number without digits")
		return
	}
	if c.eat('.') && !c.digits() {
		c.fail("a number without digits after its point")
		return
	}
	if c.i < len(c.s) && c.s[c.i]|0x20 == 'e' {
		c.i++
		if c.i < len(c.s) && (c.s[c.i] == '+' || c.s[c.i] == '-') {
			c.i++
		}
		if !c.digits() {
			c.fail("a number without digits in its exponent")
			return
		}
	}
	if c.i-start > MaxDigits {
		c.fail("a number of too many digits")
	}
}

// hex4 reads the four hexadecimal digits of s from i on.
func hex4(s string, i int) (r rune, ok bool) {
	if i+4 > len(s) {
		return 0, false
	}
	for _, b := range []byte(s[i : i+4]) {
		switch {
		case b-'0' <= 9:
			b -= '0'
		case b|0x20 >= 'a' && b|0x20 <= 'f':
			b = b | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(b)
	}
	return r, true
}
