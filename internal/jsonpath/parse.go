package jsonpath

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// parser reads paths, filters and calls. Each method reads one thing, from i
// on, and leaves i behind it.
type parser struct {
	text   string
	i, end int
	nested int // filters and parentheses around i
}

// newParser is a parser of text. White space at its end doesn't count.
func newParser(text string) *parser {
	return &parser{text: text, end: len(strings.TrimRight(text, " \t\r\n"))}
}

// compile reads the whole text by read.
func compile[T any](text string, read func(*parser) (T, *SyntaxError)) (T, error) {
	p := newParser(text)
	var none T
	switch {
	case len(text) > MaxText:
		return none, p.fail("the text is too long")
	case !utf8.ValidString(text):
		return none, p.fail("the text is not UTF-8")
	}
	t, err := read(p)
	if err == nil && p.i < p.end {
		err = p.fail("nothing more should stand here")
	}
	if err != nil {
		return none, err
	}
	return t, nil
}

func (p *parser) fail(reason string) *SyntaxError {
	return &SyntaxError{Text: p.text, Offset: p.i, Reason: reason}
}

// next is the byte at i, 0 at the end.
func (p *parser) next() byte {
	if p.i < p.end {
		return p.text[p.i]
	}
	return 0
}

func (p *parser) rest() string { return p.text[p.i:p.end] }

// eat takes s if it comes next.
func (p *parser) eat(s string) bool {
	if strings.HasPrefix(p.rest(), s) {
		p.i += len(s)
		return true
	}
	return false
}

func (p *parser) space() {
	for p.i < p.end && (p.text[p.i] == ' ' || p.text[p.i] == '\t' || p.text[p.i] == '\n' || p.text[p.i] == '\r') {
		p.i++
	}
}

// Where a name without quotes ends: in a path that stands alone, among the
// arguments of a call, and in a filter.
const (
	nameStops     = ".[]' \t\r\n"
	argumentStops = nameStops + ",)"
	filterStops   = nameStops + ",)=<>!&|~"
)

// path reads a path, from its root on.
func (p *parser) path(stops string) (*Path, *SyntaxError) {
	start := p.i
	path := &Path{}
	if !p.eat("$") {
		return nil, p.fail("a path begins with '$'")
	}
	if p.eat("$") {
		path.root = RootContext
	} else if name := p.variable(); name != "" {
		path.root, path.variable = RootVariable, name
	}
	var err *SyntaxError
	path.steps, err = p.steps(stops)
	path.definite = allDefinite(path.steps)
	path.text = p.text[start:p.i]
	return path, err
}

func allDefinite(steps []step) bool {
	for i := range steps {
		if !steps[i].kind.definite() {
			return false
		}
	}
	return true
}

// variable reads the name of a variable: letters, digits and '_', no digit
// first. It is "" where none stands here.
func (p *parser) variable() string {
	n := 0
	for n < len(p.rest()) {
		r, size := utf8.DecodeRuneInString(p.rest()[n:])
		if r != '_' && !unicode.IsLetter(r) && (n == 0 || !unicode.IsDigit(r)) {
			break
		}
		n += size
	}
	name := p.rest()[:n]
	p.i += n
	return name
}

// steps reads steps for as long as they follow.
func (p *parser) steps(stops string) ([]step, *SyntaxError) {
	var steps []step
	for p.next() == '.' || p.next() == '[' {
		if p.eat("..") {
			steps = append(steps, step{kind: scan})
			if p.next() == '.' {
				return nil, p.fail("a name should stand here")
			}
		} else if p.eat(".") && p.next() == '.' {
			return nil, p.fail("a name should stand here")
		}
		s, err := p.step(stops)
		if err != nil {
			return nil, err
		}
		steps = append(steps, s)
		if len(steps) > MaxSteps {
			return nil, p.fail("too many steps")
		}
		if s.kind == properties && (p.next() == '.' || p.next() == '[') {
			return nil, p.fail("several names end a path")
		}
	}
	return steps, nil
}

func (p *parser) step(stops string) (step, *SyntaxError) {
	if p.eat("[") {
		return p.bracket()
	}
	if p.eat("*") {
		return step{kind: wildcard}, nil
	}
	n := strings.IndexAny(p.rest(), stops)
	if n < 0 {
		n = len(p.rest())
	}
	if n == 0 {
		return step{}, p.fail("a name should stand here")
	}
	p.i += n
	return step{kind: property, name: p.text[p.i-n : p.i]}, nil
}

// bracket reads what stands between '[' and ']', and the latter.
func (p *parser) bracket() (step, *SyntaxError) {
	p.space()
	var s step
	var err *SyntaxError
	switch c := p.next(); {
	case c == '*':
		p.i++
		s.kind = wildcard
	case c == '\'':
		s, err = p.names()
	case c == '?':
		p.i++
		s.kind = filter
		s.keep, err = p.either()
	case c == '(':
		s, err = p.fromLength()
	case c == '-' || c == '+' || c == ':' || c >= '0' && c <= '9':
		s, err = p.numbers()
	case c == '"':
		err = p.fail("names stand in single quotes")
	default:
		err = p.fail("a name, a number, '*' or '?' should stand here")
	}
	if err != nil {
		return step{}, err
	}
	p.space()
	if !p.eat("]") {
		return step{}, p.fail("']' should stand here")
	}
	return s, nil
}

// names reads names in single quotes. There are no escapes in them.
func (p *parser) names() (step, *SyntaxError) {
	var names []string
	for {
		name, ok := p.quoted('\'')
		if !ok {
			return step{}, p.fail("a name in single quotes should stand here")
		}
		names = append(names, name)
		p.space()
		if !p.eat(",") {
			break
		}
		p.space()
	}
	if len(names) == 1 {
		return step{kind: property, name: names[0]}, nil
	}
	return step{kind: properties, names: names}, nil
}

// quoted reads a text between two marks, without escapes.
func (p *parser) quoted(mark byte) (text string, ok bool) {
	if p.next() != mark {
		return "", false
	}
	n := strings.IndexByte(p.text[p.i+1:p.end], mark)
	if n < 0 {
		return "", false
	}
	text = p.text[p.i+1 : p.i+1+n]
	p.i += n + 2
	return text, true
}

// fromLength reads (@.length-1): an index that counts from the end.
func (p *parser) fromLength() (step, *SyntaxError) {
	if !p.eat("(@.length") {
		return step{}, p.fail("a name, a number, '*' or '?' should stand here")
	}
	p.space()
	if p.next() != '-' {
		return step{}, p.fail("'-' should stand here")
	}
	p.i++
	p.space()
	n, err := p.number()
	if err != nil {
		return step{}, err
	}
	if n < 1 || !p.eat(")") {
		return step{}, p.fail("a positive number and ')' should stand here")
	}
	return step{kind: index, index: -n}, nil
}

// numbers reads an index, several, or a slice.
func (p *parser) numbers() (step, *SyntaxError) {
	if p.next() == ':' {
		return p.sliceFrom(-endless)
	}
	var list []int
	for {
		n, err := p.number()
		if err != nil {
			return step{}, err
		}
		list = append(list, n)
		p.space()
		if len(list) == 1 && p.next() == ':' {
			return p.sliceFrom(n)
		}
		if !p.eat(",") {
			break
		}
		p.space()
	}
	if len(list) == 1 {
		return step{kind: index, index: list[0]}, nil
	}
	return step{kind: indexes, indexes: list}, nil
}

// sliceFrom reads the rest of a slice, from its colon on. Either end may be
// left open, but not both.
func (p *parser) sliceFrom(from int) (step, *SyntaxError) {
	p.i++
	p.space()
	if p.next() == ']' && from != -endless {
		return step{kind: slice, from: from, to: endless}, nil
	}
	to, err := p.number()
	if err != nil {
		return step{}, err
	}
	p.space()
	if p.next() == ':' {
		return step{}, p.fail("a slice has no step")
	}
	return step{kind: slice, from: from, to: to}, nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// number reads a whole number of 32 bits.
func (p *parser) number() (int, *SyntaxError) {
	n := 0
	if p.next() == '-' || p.next() == '+' {
		n++
	}
	for p.i+n < p.end && isDigit(p.text[p.i+n]) {
		n++
	}
	i, err := strconv.ParseInt(p.text[p.i:p.i+n], 10, 32)
	if err != nil {
		return 0, p.fail("a number of 32 bits should stand here")
	}
	p.i += n
	return int(i), nil
}
