package jsonata

import (
	"errors"
	"regexp"
	"strings"
)

// pattern is a regular expression of the source. It never changes.
type pattern struct {
	first   *regexp.Regexp // for the start of a text; nil where Go's can't run it
	later   *regexp.Regexp // for what follows, where that has to see what was before
	program *program       // nil where it would be too large
	size    int            // in parts
	groups  int
	fn      datum
}

// compilePattern reads a regular expression with its flags, i and m.
func compilePattern(source, flags string) (*pattern, error) {
	fold, multiline := strings.Contains(flags, "i"), strings.Contains(flags, "m")
	tree, groups, err := parseRegex(source, fold)
	if err != nil {
		return nil, err
	}
	p := &pattern{size: tree.size(), groups: groups}
	p.first, p.later, _ = re2(tree, fold, multiline)
	p.program = compileProgram(tree, groups, fold, multiline)
	if p.first == nil && p.program == nil {
		return nil, errors.New("it is too large")
	}
	p.fn = (&function{arity: 2, pattern: p, call: p.call}).datum()
	return p, nil
}

// find is the first match in text at or behind from: where it and its groups
// begin and end, -1 where a group took no part; nil where there is none.
// Where the text has lone surrogates, Go's regexp can't read it.
func (p *pattern) find(m *meter, text string, from int, surrogates bool) []int {
	if p.first == nil || p.program != nil && surrogates {
		return p.program.find(m, text, from)
	}
	// What a match takes is known only afterwards, so there must be enough for
	// all of the text.
	if most := p.cost(len(text) - from); most > m.left() {
		m.step(most)
	}
	found := p.run(text, from)
	if found == nil {
		m.step(p.cost(len(text) - from))
	} else {
		m.step(p.cost(found[1] - from))
	}
	return found
}

// cost is the steps that it takes to read n bytes.
func (p *pattern) cost(n int) int { return 4 + n*p.size/16 }

func (p *pattern) run(text string, from int) []int {
	switch {
	case from == 0:
		return p.first.FindStringSubmatchIndex(text)
	case p.later == nil:
		return shifted(p.first.FindStringSubmatchIndex(text[from:]), from)
	}
	start := from - 1
	for text[start]&0xC0 == 0x80 {
		start--
	}
	found := p.later.FindStringSubmatchIndex(text[start:])
	if found == nil {
		return nil
	}
	return shifted(found[2:], start)
}

func shifted(found []int, n int) []int {
	for i := range found {
		if found[i] >= 0 {
			found[i] += n
		}
	}
	return found
}

// call is the regular expression as a function: of a text and where to begin.
func (p *pattern) call(c call) datum {
	s := c.arg(0)
	if !s.isString() {
		return datum{}
	}
	m := c.matches(p.fn, s.string())
	m.at = offset(m.text, int(max(0, min(c.arg(1).number(), 1<<31))))
	hit, ok := m.next()
	if !ok {
		return datum{}
	}
	return m.datum(hit)
}

// hit is one match.
type hit struct {
	text       string
	start, end int // in bytes
	groups     []datum
}

// matcher finds one match after the other in a text.
type matcher struct {
	call
	text    string
	by      *function // a regular expression, or what the user wrote instead
	at      int       // where the last one ended
	further datum     // the user's function for the next one
	begun   bool

	surrogates bool // some stand alone in the text

	units, unitsAt int // the UTF-16 length of the text up to a place
}

// matches is the matches of f in the text.
func (c call) matches(f datum, text string) *matcher {
	if f.function() == nil {
		c.fail("T0410", 2, c.name)
	}
	c.read(len(text))
	return &matcher{call: c, text: text, by: f.function(), further: f, surrogates: hasSurrogates(text)}
}

func (m *matcher) next() (hit, bool) {
	begun := m.begun
	m.begun = true
	p := m.by.pattern
	if p == nil {
		return m.nextByUser(begun)
	}
	if begun && m.at >= len(m.text) {
		return hit{}, false
	}
	found := p.find(&m.meter, m.text, m.at, m.surrogates)
	if found == nil {
		m.at = len(m.text)
		return hit{}, false
	}
	h := hit{text: m.text[found[0]:found[1]], start: found[0], end: found[1]}
	if begun && h.text == "" {
		m.fail("D1004")
	}
	if p.groups > 0 {
		h.groups = m.room(nil, p.groups)
	}
	for g := 1; g <= p.groups; g++ {
		d := datum{}
		if from := found[2*g]; from >= 0 && found[2*g+1] >= 0 {
			d = str(m.text[from:found[2*g+1]])
		}
		h.groups = append(h.groups, d)
	}
	m.at = h.end
	return h, true
}

// nextByUser asks a function of the user, which gives an object like that of a
// regular expression.
func (m *matcher) nextByUser(begun bool) (hit, bool) {
	var d datum
	if begun {
		d = m.apply(m.further)
	} else {
		d = m.apply(m.further, str(m.text))
	}
	if d.absent() {
		return hit{}, false
	}
	if d.kind() != objectKind {
		m.fail("T1010")
	}
	text, start, end := d.member("match"), d.member("start"), d.member("end")
	if !text.isString() || !start.isNumber() || !end.isNumber() || d.member("next").function() == nil {
		m.fail("T1010")
	}
	m.further = d.member("next")
	h := hit{text: text.string(), groups: m.itemsOf(d.member("groups"))}
	h.start = max(m.at, m.byteAt(start))
	h.end = max(h.start, m.byteAt(end))
	m.at = h.end
	return h, true
}

// byteAt is where in the text a UTF-16 unit begins.
func (m *matcher) byteAt(unit datum) int {
	m.read(len(m.text))
	return offset(m.text, int(max(0, min(unit.number(), 1<<31))))
}

// unitsTo is the length of the text up to a place, which must not lie before
// the last one asked for, in UTF-16.
func (m *matcher) unitsTo(at int) int {
	m.read(at - m.unitsAt)
	m.units += countUnits(m.text[m.unitsAt:at])
	m.unitsAt = at
	return m.units
}

// datum is a match as an object, with a function for the next one.
func (m *matcher) datum(h hit) datum {
	m.items(5)
	o := newObject(5)
	o.set("match", str(h.text))
	start := m.unitsTo(h.start)
	o.set("start", num(float64(start)))
	o.set("end", num(float64(start+countUnits(h.text))))
	o.set("groups", list(0, h.groups...))
	next := &function{}
	rest := *m
	next.call = func(c call) datum {
		from := rest
		from.call = c
		if h, ok := from.next(); ok {
			return from.datum(h)
		}
		return datum{}
	}
	o.set("next", next.datum())
	return from(o)
}
