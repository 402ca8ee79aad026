package jsonata

import (
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/backstep/backstep/internal/value"
)

// Strings are WTF-8: UTF-8 in which half of a surrogate pair may stand alone,
// as three bytes.

// decodeRune is the first character of s, a lone surrogate as it is.
func decodeRune(s string) (r rune, size int) {
	r, size = utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && size == 1 && len(s) >= 3 && s[0] == 0xED && s[1]&0xE0 == 0xA0 && s[2]&0xC0 == 0x80 {
		return 0xD000 | rune(s[1]&0x3F)<<6 | rune(s[2]&0x3F), 3
	}
	return r, size
}

// isText reports whether s is WTF-8.
func isText(s string) bool {
	for i := 0; i < len(s); {
		r, n := decodeRune(s[i:])
		if r == utf8.RuneError && n == 1 {
			return false
		}
		i += n
	}
	return true
}

// appendRune adds r, which may be a lone surrogate.
func appendRune(b []byte, r rune) []byte {
	if utf16.IsSurrogate(r) {
		return append(b, 0xE0|byte(r>>12), 0x80|byte(r>>6)&0x3F, 0x80|byte(r)&0x3F)
	}
	return utf8.AppendRune(b, r)
}

// hasSurrogates reports whether a lone surrogate stands in s.
func hasSurrogates(s string) bool {
	for {
		i := strings.IndexByte(s, 0xED)
		if i < 0 || i+1 >= len(s) {
			return false
		}
		if s[i+1] >= 0xA0 {
			return true
		}
		s = s[i+1:]
	}
}

// joinSurrogates makes one character of each two surrogates that came to stand
// side by side and are a pair.
func joinSurrogates(s string) string {
	if !hasSurrogates(s) {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		r, n := decodeRune(s[i:])
		i += n
		if utf16.IsSurrogate(r) {
			low, n := decodeRune(s[i:])
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				r = pair
				i += n
			}
		}
		out = appendRune(out, r)
	}
	return string(out)
}

// joined is joinSurrogates at its price.
func (e *evaluation) joined(s string) string {
	if !hasSurrogates(s) {
		return s
	}
	e.step(len(s) / 8)
	return joinSurrogates(s)
}

// countRunes is the number of characters of s.
func countRunes(s string) int {
	n := 0
	for i := range len(s) {
		if s[i]&0xC0 != 0x80 {
			n++
		}
	}
	return n
}

// countUnits is the length of s in UTF-16.
func countUnits(s string) int {
	n := 0
	for i := range len(s) {
		if s[i]&0xC0 != 0x80 {
			n++
		}
		if s[i] >= 0xF0 {
			n++
		}
	}
	return n
}

// offset is where in s its UTF-16 unit n begins, or its end.
func offset(s string, n int) int {
	for i := range len(s) {
		if s[i]&0xC0 == 0x80 {
			continue
		}
		if n <= 0 {
			return i
		}
		if n--; s[i] >= 0xF0 {
			n--
		}
	}
	return len(s)
}

// sliceRunes is the characters of s from one up to another.
func sliceRunes(s string, from, to int) string {
	if from >= to {
		return ""
	}
	start, n := len(s), 0
	for i := range len(s) {
		if s[i]&0xC0 == 0x80 {
			continue
		}
		if n == from {
			start = i
		}
		if n == to {
			return s[start:i]
		}
		n++
	}
	return s[start:]
}

// compareUnits orders strings by their UTF-16 units.
func compareUnits(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		// A pair of surrogates sorts before what UTF-16 has above them.
		if x >= 0xF0 && y >= 0xEE && y < 0xF0 {
			return -1
		}
		if y >= 0xF0 && x >= 0xEE && x < 0xF0 {
			return 1
		}
		if x < y {
			return -1
		}
		return 1
	}
	switch {
	case len(a) < len(b):
		return -1
	case len(a) > len(b):
		return 1
	}
	return 0
}

// uppercases is the characters whose upper case is more than one.
var uppercases = map[rune]string{
	'ß': "SS", 'ŉ': "ʼN", 'ǰ': "J̌", 'ΐ': "Ϊ́", 'ΰ': "Ϋ́", 'և': "ԵՒ", 'ẖ': "H̱", 'ẗ': "T̈", 'ẘ': "W̊", 'ẙ': "Y̊", 'ẚ': "Aʾ",
	'ﬀ': "FF", 'ﬁ': "FI", 'ﬂ': "FL", 'ﬃ': "FFI", 'ﬄ': "FFL", 'ﬅ': "ST", 'ﬆ': "ST",
}

func uppercase(s string) string {
	return mapRunes(s, func(out []byte, r rune, _ int) []byte {
		if r >= 'ß' {
			if upper, ok := uppercases[r]; ok {
				return append(out, upper...)
			}
		}
		return appendRune(out, unicode.ToUpper(r))
	})
}

func lowercase(s string) string {
	return mapRunes(s, func(out []byte, r rune, at int) []byte {
		switch {
		case r == 'İ':
			return append(out, "i̇"...)
		case r == 'Σ' && endsWord(s, at):
			return append(out, "ς"...)
		}
		return appendRune(out, unicode.ToLower(r))
	})
}

// endsWord reports whether the letter of two bytes at i has one before it and
// none behind it.
func endsWord(s string, i int) bool {
	before, _ := utf8.DecodeLastRuneInString(s[:i])
	after, _ := decodeRune(s[i+len("Σ"):])
	return unicode.IsLetter(before) && !unicode.IsLetter(after)
}

func mapRunes(s string, f func(out []byte, r rune, at int) []byte) string {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		r, n := decodeRune(s[i:])
		out = f(out, r, i)
		i += n
	}
	return string(out)
}

// shortNumber is f as text of at most 15 digits.
func shortNumber(f float64) string {
	if f != math.Trunc(f) || math.Abs(f) >= 1e15 {
		f, _ = strconv.ParseFloat(strconv.FormatFloat(f, 'e', 14, 64), 64)
	}
	return value.NewFloat(f).Spelling()
}

// numberText is a number as an error names it.
func numberText(d datum) string {
	if d.v != nil {
		return d.v.Spelling()
	}
	return strconv.FormatFloat(d.num, 'g', -1, 64)
}

// text is d as $string makes it.
func (e *evaluation) text(d datum) string {
	switch {
	case d.isString():
		return d.string()
	case d.function() != nil:
		return ""
	}
	if d.isNumber() && !finite(d.number()) {
		panic(newError("D3001", 0, ""))
	}
	w := writer{meter: &e.meter}
	w.value(d, 0)
	return string(w.out)
}

// pretty is d as $string makes it with an indentation.
func (e *evaluation) pretty(d datum) string {
	if d.isString() || d.function() != nil {
		return e.text(d)
	}
	w := writer{meter: &e.meter, indent: true}
	w.value(d, 0)
	return string(w.out)
}

// quote is d as an error names it.
func (e *evaluation) quote(d datum) string {
	if d.function() != nil {
		return "a function"
	}
	w := writer{meter: &e.meter, most: maxQuote}
	w.value(d, 0)
	return string(w.out)
}

// writer writes data as JSON.
type writer struct {
	*meter
	out    []byte
	indent bool
	most   int // bytes to write at most, about; 0 for all
}

func (w *writer) room(n int) {
	if n > cap(w.out)-len(w.out) {
		n = max(n, len(w.out), 64)
		w.write(n)
		w.out = append(make([]byte, 0, len(w.out)+n), w.out...)
	}
}

func (w *writer) add(s string) {
	w.room(len(s))
	w.out = append(w.out, s...)
}

func (w *writer) line(depth int) {
	if w.indent {
		w.room(2*depth + 1)
		w.out = append(w.out, '\n')
		for range depth {
			w.out = append(w.out, ' ', ' ')
		}
	}
}

func (w *writer) quoted(s string) {
	w.read(len(s))
	w.room(quotedLen(s))
	w.out = value.AppendString(w.out, s)
}

func (w *writer) value(d datum, depth int) {
	w.step(1)
	if w.most > 0 && len(w.out) > w.most {
		return
	}
	switch d.kind() {
	case undefined, nullKind:
		w.add("null")
	case boolKind:
		w.add(strconv.FormatBool(d.isTrue()))
	case numberKind:
		f := d.number()
		if math.IsInf(f, 0) && w.most == 0 {
			panic(newError("D1001", 0, "", f))
		}
		if !finite(f) {
			w.add("null")
			return
		}
		w.add(shortNumber(f))
	case stringKind:
		w.quoted(d.string())
	case functionKind:
		w.add(`""`)
	case arrayKind:
		w.members(d, "[", "]", depth+1)
	case objectKind:
		w.members(d, "{", "}", depth+1)
	}
}

func (w *writer) members(d datum, open, shut string, depth int) {
	w.add(open)
	n := 0
	for i := range d.len() {
		item := d.at(i)
		if shut == "}" && item.absent() {
			continue
		}
		if n++; n > 1 {
			w.add(",")
		}
		w.line(depth)
		if shut == "}" {
			w.quoted(d.name(i))
			w.add(":")
			if w.indent {
				w.add(" ")
			}
		}
		w.value(item, depth)
		if w.most > 0 && len(w.out) > w.most {
			return
		}
	}
	if n > 0 {
		w.line(depth - 1)
	}
	w.add(shut)
}
