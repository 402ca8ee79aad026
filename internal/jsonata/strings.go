package jsonata

import (
	"math"
	"strings"
)

// text is argument i as a string.
func (c call) text(i int) string { return c.arg(i).string() }

// textual makes a library function of one that turns one string into another,
// about as long.
func textual(f func(string) string) func(c call) datum {
	return func(c call) datum {
		if c.arg(0).absent() {
			return datum{}
		}
		c.write(3 * len(c.text(0)))
		c.step(len(c.text(0)) / 16)
		return str(f(c.text(0)))
	}
}

// limit is argument i as a number of times; without one there is no
// end. Below 0 it fails with that code.
func (c call) limit(i int, code string) int {
	d := c.arg(i)
	switch f := d.number(); {
	case d.absent() || f >= math.MaxInt32:
		return math.MaxInt32
	case f < 0:
		c.fail(code)
	default:
		return int(math.Ceil(f))
	}
	return 0
}

func toString(c call) datum {
	d := c.arg(0)
	if d.absent() {
		return d
	}
	if d.has(outerWrapper) {
		d = d.items[0]
	}
	if c.truth(c.arg(1)) {
		return str(c.pretty(d))
	}
	return str(c.evaluation.text(d))
}

func substring(c call) datum {
	if c.arg(0).absent() {
		return datum{}
	}
	s := c.text(0)
	c.read(len(s))
	n := float64(countRunes(s))
	from := c.arg(1).number()
	if n+from < 0 {
		from = 0
	}
	to := n
	if d := c.arg(2); !d.absent() {
		if d.number() <= 0 || c.arg(1).absent() {
			return str("")
		}
		if to = from + d.number(); from < 0 {
			to += n
		}
	}
	return str(sliceRunes(s, place(from, n), place(to, n)))
}

// place is a position in a list of n: counted from the end where it is
// negative, and cut to whole.
func place(f, n float64) int {
	if f = math.Trunc(f); f < 0 {
		f = max(f+n, 0)
	}
	return int(min(f, n))
}

func substringBefore(c call) datum {
	if c.arg(0).absent() || c.arg(1).absent() {
		return c.arg(0)
	}
	c.read(len(c.text(0)))
	before, _, _ := strings.Cut(c.text(0), c.text(1))
	return str(before)
}

func substringAfter(c call) datum {
	if c.arg(0).absent() || c.arg(1).absent() {
		return c.arg(0)
	}
	c.read(len(c.text(0)))
	_, after, found := strings.Cut(c.text(0), c.text(1))
	if !found {
		return c.arg(0)
	}
	return str(after)
}

func length(c call) datum {
	if c.arg(0).absent() {
		return datum{}
	}
	c.read(len(c.text(0)))
	return num(float64(countRunes(c.text(0))))
}

// trim takes white space off both ends, and makes each run of it within one
// space.
func trim(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return r == ' ' || r == '\t' || r == '\n' || r == '\r'
	}), " ")
}

// pad fills the string up to a width, on the right, or where it is negative on
// the left.
func pad(c call) datum {
	if c.arg(0).absent() {
		return datum{}
	}
	s, fill := c.text(0), c.text(2)
	if fill == "" {
		fill = " "
	}
	c.read(len(s))
	width := c.arg(1).number()
	missing := math.Floor(math.Abs(width)) - float64(countRunes(s))
	if missing <= 0 {
		return str(s)
	}
	runes := float64(countRunes(fill))
	bytes := min((missing/runes+1)*float64(len(fill)), float64(2*c.budget.Bytes))
	c.write(len(s) + int(bytes))
	padding := sliceRunes(strings.Repeat(fill, int(missing/runes)+1), 0, int(missing))
	if width < 0 {
		return str(c.joined(padding + s))
	}
	return str(c.joined(s + padding))
}

func join(c call) datum {
	d := c.arg(0)
	if d.absent() {
		return d
	}
	separator, n := c.text(1), max(d.len()-1, 0)*len(c.text(1))
	c.step(d.len())
	for i := range d.len() {
		n += len(d.at(i).string())
	}
	c.write(n)
	var out strings.Builder
	out.Grow(n)
	for i := range d.len() {
		if i > 0 {
			out.WriteString(separator)
		}
		out.WriteString(d.at(i).string())
	}
	return str(c.joined(out.String()))
}

func containsText(c call) datum {
	if c.arg(0).absent() {
		return datum{}
	}
	if c.arg(1).isString() {
		c.read(len(c.text(0)))
		return boolean(strings.Contains(c.text(0), c.text(1)))
	}
	_, found := c.matches(c.arg(1), c.text(0)).next()
	return boolean(found)
}

func match(c call) datum {
	if c.arg(0).absent() {
		return datum{}
	}
	limit := c.limit(2, "D3040")
	var found []datum
	if limit > 0 {
		m := c.matches(c.arg(1), c.text(0))
		for hit, ok := m.next(); ok && len(found) < limit; hit, ok = m.next() {
			c.items(3)
			o := newObject(3)
			o.set("match", str(hit.text))
			o.set("index", num(float64(m.unitsTo(hit.start))))
			o.set("groups", list(0, hit.groups...))
			found = c.push(found, from(o))
		}
	}
	return list(sequence, found...)
}

func split(c call) datum {
	if c.arg(0).absent() {
		return datum{}
	}
	s := c.text(0)
	if c.arg(1).isString() {
		limit := c.limit(2, "D3020")
		if f := c.arg(2).number(); f != math.Trunc(f) {
			limit = int(math.Min(f, math.MaxInt32)) // no more than whole ones
		}
		return c.splitAt(s, c.text(1), limit)
	}
	limit := c.limit(2, "D3020")
	var parts []datum
	if limit == 0 {
		return list(0)
	}
	m, start := c.matches(c.arg(1), s), 0
	for hit, ok := m.next(); ok && len(parts) < limit; hit, ok = m.next() {
		parts = c.push(parts, str(between(s, start, hit.start)))
		start = hit.end
	}
	if len(parts) < limit {
		parts = c.push(parts, str(s[start:]))
	}
	return list(0, parts...)
}

// splitAt cuts s wherever the separator stands; where that is "", between all
// characters.
func (c call) splitAt(s, separator string, limit int) datum {
	c.read(len(s))
	var parts []datum
	for rest := s; len(parts) < limit; {
		if separator == "" {
			if rest == "" {
				break
			}
			_, n := decodeRune(rest)
			parts = c.push(parts, str(rest[:n]))
			rest = rest[n:]
			continue
		}
		part, after, found := strings.Cut(rest, separator)
		parts = c.push(parts, str(part))
		if !found {
			break
		}
		rest = after
	}
	return list(0, parts...)
}

func replace(c call) datum {
	if c.arg(0).absent() {
		return datum{}
	}
	s, pattern, with := c.text(0), c.arg(1), c.arg(2)
	if pattern.isString() && pattern.string() == "" {
		c.fail("D3010")
	}
	limit := c.limit(3, "D3011")
	b := builder{call: c}
	at := 0
	if pattern.isString() {
		c.read(len(s))
		for ; limit > 0; limit-- {
			before, _, found := strings.Cut(s[at:], pattern.string())
			if !found {
				break
			}
			b.write(before)
			b.write(with.string())
			at += len(before) + len(pattern.string())
		}
		b.write(s[at:])
		return b.datum()
	}
	if limit == 0 {
		return c.arg(0)
	}
	m := c.matches(pattern, s)
	for hit, ok := m.next(); ok && limit > 0; hit, ok = m.next() {
		limit--
		b.write(between(s, at, hit.start))
		if with.isString() {
			b.expand(with.string(), hit)
		} else {
			b.write(c.replacement(with, m.datum(hit)))
		}
		at = hit.start + len(hit.text)
	}
	b.write(between(s, at, len(s)))
	return b.datum()
}

// between is the part of s from one place up to another, if it has one.
func between(s string, from, to int) string {
	if from >= min(to, len(s)) {
		return ""
	}
	return s[from:min(to, len(s))]
}

// replacement is what a function puts in place of a match.
func (c call) replacement(with, hit datum) string {
	d := c.apply(with, hit)
	if !d.isString() {
		c.fail("D3012")
	}
	return d.string()
}

// builder makes a string piece by piece, as far as the budget allows.
type builder struct {
	call
	out []byte
}

func (b *builder) write(s string) {
	b.step(1)
	if len(s) > cap(b.out)-len(b.out) {
		n := max(len(s), len(b.out), 64)
		b.call.write(n)
		b.out = append(make([]byte, 0, len(b.out)+n), b.out...)
	}
	b.read(len(s))
	b.out = append(b.out, s...)
}

func (b *builder) datum() datum { return str(b.joined(string(b.out))) }

// expand writes the replacement: $0 in it is the match, $n its group n, $$ a
// dollar.
func (b *builder) expand(with string, hit hit) {
	for {
		before, after, found := strings.Cut(with, "$")
		b.step(1)
		b.write(before)
		if !found {
			return
		}
		with = after
		switch {
		case strings.HasPrefix(with, "$"):
			b.write("$")
			with = with[1:]
		case strings.HasPrefix(with, "0"):
			b.write(hit.text)
			with = with[1:]
		default:
			group, digits := groupNumber(with, len(hit.groups))
			if digits == 0 {
				b.write("$")
			} else if group >= 1 && group <= len(hit.groups) {
				b.write(hit.groups[group-1].string())
			}
			with = with[digits:]
		}
	}
}

// groupNumber reads the number of a group: of so many digits as the number of
// groups has, or one less where that is more than there are.
func groupNumber(s string, groups int) (n, digits int) {
	most := 1
	for g := groups; g >= 10; g /= 10 {
		most++
	}
	for digits < most && digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
		n = n*10 + int(s[digits]-'0')
		digits++
	}
	if digits > 1 && n > groups {
		n, digits = n/10, digits-1
	}
	return n, digits
}
