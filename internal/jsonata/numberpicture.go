package jsonata

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// $formatNumber follows XPath's fn:format-number: a picture such as "#,##0.00"
// is cut into parts, each of which is checked and then filled in.

// symbols is the characters of a picture that mean something.
type symbols struct {
	decimal, grouping, exponent, minus, percent, perMille, digit, separator string
	zero                                                                    rune
}

func (c call) symbols(options datum) symbols {
	s := symbols{".", ",", "e", "-", "%", "‰", "#", ";", '0'}
	for name, to := range map[string]*string{
		"decimal-separator": &s.decimal, "grouping-separator": &s.grouping, "exponent-separator": &s.exponent,
		"minus-sign": &s.minus, "percent": &s.percent, "per-mille": &s.perMille, "digit": &s.digit,
		"pattern-separator": &s.separator,
	} {
		if d := options.member(name); d.isString() {
			*to = d.string()
		}
	}
	if d := options.member("zero-digit"); d.isString() && d.string() != "" {
		s.zero, _ = decodeRune(d.string())
	}
	return s
}

// isDigit reports whether r is one of the ten digits.
func (s *symbols) isDigit(r rune) bool { return r >= s.zero && r <= s.zero+9 }

// isPlace reports whether r stands for a digit, mandatory or optional.
func (s *symbols) isPlace(r rune) bool { return s.isDigit(r) || string(r) == s.digit }

func (s *symbols) isActive(r rune) bool {
	return s.isPlace(r) || slices.Contains([]string{s.decimal, s.exponent, s.grouping, s.separator}, string(r))
}

// subPicture is a picture for numbers of one sign.
type subPicture struct {
	*symbols
	text, prefix, active, suffix   string
	mantissa, whole, fraction, exp string
	hasExponent                    bool
}

func (s *symbols) cut(text string) *subPicture {
	edge := func(r rune) bool { return s.isActive(r) && string(r) != s.exponent }
	p := &subPicture{symbols: s, text: text}
	from := strings.IndexFunc(text, edge)
	if from < 0 {
		p.prefix = text
		return p
	}
	to := strings.LastIndexFunc(text, edge)
	_, n := utf8.DecodeRuneInString(text[to:])
	p.prefix, p.active, p.suffix = text[:from], text[from:to+n], text[to+n:]
	p.mantissa, p.exp, p.hasExponent = strings.Cut(p.active, s.exponent)
	p.whole, p.fraction, _ = strings.Cut(p.mantissa, s.decimal)
	return p
}

// check fails where the picture is none. Of several reasons the last counts.
func (p *subPicture) check(c call) {
	reason := ""
	percents, perMilles := strings.Count(p.text, p.percent), strings.Count(p.text, p.perMille)
	points := strings.Index(p.text, p.decimal)
	refuse := func(bad bool, code string) {
		if bad {
			reason = code
		}
	}
	refuse(strings.Count(p.text, p.decimal) > 1, "D3081")
	refuse(percents > 1, "D3082")
	refuse(perMilles > 1, "D3083")
	refuse(percents > 0 && perMilles > 0, "D3084")
	refuse(!strings.ContainsFunc(p.mantissa, p.isPlace), "D3085")
	refuse(strings.ContainsFunc(p.active, func(r rune) bool { return !p.isActive(r) }), "D3086")
	if points >= 0 {
		refuse(strings.HasSuffix(p.text[:points], p.grouping) ||
			strings.HasPrefix(p.text[points+len(p.decimal):], p.grouping), "D3087")
	} else {
		refuse(strings.HasSuffix(p.whole, p.grouping), "D3088")
	}
	refuse(strings.Contains(p.text, p.grouping+p.grouping), "D3089")
	if i := strings.Index(p.whole, p.digit); i >= 0 {
		refuse(strings.ContainsFunc(p.whole[:i], p.isDigit), "D3090")
	}
	if i := strings.LastIndex(p.fraction, p.digit); i >= 0 {
		refuse(strings.ContainsFunc(p.fraction[i:], p.isDigit), "D3091")
	}
	if p.hasExponent {
		refuse(p.exp != "" && percents+perMilles > 0, "D3092")
		refuse(p.exp == "" || strings.ContainsFunc(p.exp, func(r rune) bool { return !p.isDigit(r) }), "D3093")
	}
	if reason != "" {
		c.fail(reason)
	}
}

// places is what a checked picture says about a number.
type places struct {
	minWhole, minFraction, maxFraction, minExponent int
	scale                                           int // digits before the point, with an exponent
	wholeMarks, fractionMarks                       []int
}

func countFunc(s string, is func(rune) bool) int {
	n := 0
	for _, r := range s {
		if is(r) {
			n++
		}
	}
	return n
}

func (p *subPicture) places() places {
	var q places
	digits := countFunc(p.whole, p.isPlace)
	for i, part := range strings.Split(p.whole, p.grouping) {
		if i > 0 {
			q.wholeMarks = append(q.wholeMarks, digits)
		}
		digits -= countFunc(part, p.isPlace)
	}
	digits = 0
	parts := strings.Split(p.fraction, p.grouping)
	for _, part := range parts[:len(parts)-1] {
		digits += countFunc(part, p.isPlace)
		q.fractionMarks = append(q.fractionMarks, digits)
	}
	q.minWhole, q.minFraction = countFunc(p.whole, p.isDigit), countFunc(p.fraction, p.isDigit)
	q.maxFraction, q.minExponent = countFunc(p.fraction, p.isPlace), countFunc(p.exp, p.isDigit)
	q.scale = q.minWhole
	if q.minWhole == 0 && q.maxFraction == 0 {
		if p.hasExponent {
			q.minFraction, q.maxFraction = 1, 1
		} else {
			q.minWhole = 1
		}
	}
	if p.hasExponent && q.minWhole == 0 && strings.Contains(p.whole, p.digit) {
		q.minWhole = 1
	}
	if q.minWhole == 0 && q.minFraction == 0 {
		q.minFraction = 1
	}
	return q
}

func formatNumber(c call) datum {
	if c.arg(0).absent() {
		return datum{}
	}
	x := c.number(0)
	s := c.symbols(c.arg(2))
	c.step(len(c.text(1)) / 4)
	c.write(16 * len(c.text(1)))
	c.step(len(c.text(1)) * strings.Count(c.text(1), s.grouping) / 64)
	pictures := strings.Split(c.text(1), s.separator)
	if len(pictures) > 2 {
		c.fail("D3080")
	}
	var subs []*subPicture
	for _, text := range pictures {
		sub := s.cut(text)
		sub.check(c)
		subs = append(subs, sub)
	}
	p, prefix := subs[0], subs[0].prefix
	if x < 0 {
		if p, prefix = subs[len(subs)-1], subs[len(subs)-1].prefix; len(subs) == 1 {
			prefix = s.minus + prefix
		}
	}
	return str(prefix + p.fill(math.Abs(x)) + p.suffix)
}

// fill writes x into the active part of the picture.
func (p *subPicture) fill(x float64) string {
	q := p.places()
	switch {
	case strings.Contains(p.text, p.percent):
		x = shift(x, 2)
	case strings.Contains(p.text, p.perMille):
		x = shift(x, 3)
	}
	exponent := 0
	if q.minExponent > 0 && x > 0 {
		x, exponent = scaled(x, q.scale)
	}
	whole, fraction := p.digits(x, q)
	var out strings.Builder
	step := regularPositions(q.wholeMarks)
	p.group(&out, whole, func(i int) bool {
		right := len(whole) - i
		return step > 0 && right%step == 0 || step == 0 && slices.Contains(q.wholeMarks, right)
	})
	if fraction != "" {
		out.WriteString(p.decimal)
		p.group(&out, fraction, func(i int) bool { return slices.Contains(q.fractionMarks, i) })
	}
	if q.minExponent > 0 {
		out.WriteString(p.exponent)
		if exponent < 0 {
			out.WriteString(p.minus)
		}
		digits := strconv.Itoa(max(exponent, -exponent))
		p.group(&out, zeros(q.minExponent-len(digits))+digits, func(int) bool { return false })
	}
	return out.String()
}

// scaled is x with so many digits before the point, and the power of ten that
// makes up for it.
func scaled(x float64, digits int) (mantissa float64, exponent int) {
	_, text, _ := strings.Cut(strconv.FormatFloat(x, 'e', -1, 64), "e")
	n, _ := strconv.Atoi(text)
	exponent = n + 1 - digits
	mantissa = shift(x, -exponent)
	if mantissa == math.Pow10(digits-1) && exponent > 0 {
		return mantissa * 10, exponent - 1 // as the reference has it: a full power of ten stays on top
	}
	return mantissa, exponent
}

// digits is x in decimal, cut and filled up to what the picture wants.
func (p *subPicture) digits(x float64, q places) (whole, fraction string) {
	x = roundHalfEven(x, min(q.maxFraction, 400))
	whole, fraction, _ = strings.Cut(strconv.FormatFloat(x, 'f', min(q.maxFraction, 1100), 64), ".")
	whole, fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	return zeros(q.minWhole-len(whole)) + whole, fraction + zeros(q.minFraction-len(fraction))
}

func zeros(n int) string { return strings.Repeat("0", max(n, 0)) }

// group writes digits in their family, with separators where they are wanted.
func (p *subPicture) group(out *strings.Builder, digits string, mark func(i int) bool) {
	for i, d := range digits {
		if i > 0 && mark(i) {
			out.WriteString(p.grouping)
		}
		out.WriteRune(p.zero + d - '0')
	}
}

func regularPositions(positions []int) int {
	marks := make([]groupMark, len(positions))
	for i, position := range slices.Backward(positions) {
		marks[len(positions)-1-i].position = position
	}
	return regularMarks(marks)
}
