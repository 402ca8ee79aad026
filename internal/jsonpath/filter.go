package jsonpath

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/backstep/backstep/internal/value"
)

// test is a compiled filter: it tells whether an item is kept.
type test func(w *walker, item value.Value) bool

// operand is one side of a comparison, compiled: what it is for an item,
// Absent where its path finds nothing.
type operand func(w *walker, item value.Value) value.Value

// operators are the comparisons, a longer sign before a shorter one.
var operators = []struct {
	sign  string
	holds func(w *walker, l, r value.Value) bool
}{
	{"==", func(w *walker, l, r value.Value) bool { same, ok := equal(w, l, r); return ok && same }},
	{"!=", func(w *walker, l, r value.Value) bool { same, ok := equal(w, l, r); return ok && !same }},
	{"<=", func(w *walker, l, r value.Value) bool { c, ok := order(w, l, r); return ok && c <= 0 }},
	{">=", func(w *walker, l, r value.Value) bool { c, ok := order(w, l, r); return ok && c >= 0 }},
	{"<", func(w *walker, l, r value.Value) bool { c, ok := order(w, l, r); return ok && c < 0 }},
	{">", func(w *walker, l, r value.Value) bool { c, ok := order(w, l, r); return ok && c > 0 }},
	{"in ", func(w *walker, l, r value.Value) bool { return contains(w, r, l) }},
	{"nin ", func(w *walker, l, r value.Value) bool { return !contains(w, r, l) }},
	{"contains ", contains},
	{"size ", func(_ *walker, l, r value.Value) bool { return r.Kind() == value.Number && size(l) == int(r.AsFloat()) }},
	{"empty ", func(_ *walker, l, r value.Value) bool { return (size(l) == 0) == r.AsBool() }},
}

// charge counts the visits that it takes to read a text.
func (w *walker) charge(v value.Value) { w.left -= len(v.AsString()) >> 6 }

// equal tells whether two scalars are equal; a number equals a text that spells
// one of its size. Lists and objects can only be told from null.
func equal(w *walker, l, r value.Value) (same, ok bool) {
	if c, ok := order(w, l, r); ok {
		return c == 0, true
	}
	if l.Kind() == value.Null || r.Kind() == value.Null {
		return l.Kind() == r.Kind(), true
	}
	same = l.Kind() == value.Bool && r.Kind() == value.Bool && l.AsBool() == r.AsBool()
	return same, l.Kind() < value.Array && r.Kind() < value.Array
}

// order compares numbers, or texts, or a number with a text that spells one.
func order(w *walker, l, r value.Value) (c int, ok bool) {
	w.charge(l)
	w.charge(r)
	if l.Kind() == value.String && r.Kind() == value.String {
		return strings.Compare(l.AsString(), r.AsString()), true
	}
	a, okA := amount(l)
	b, okB := amount(r)
	switch {
	case !okA || !okB:
		return 0, false
	case a < b:
		return -1, true
	case a > b:
		return 1, true
	}
	return 0, true
}

// amount is the size of a number, or of the number that a text spells.
func amount(v value.Value) (f float64, ok bool) {
	if s := v.AsString(); s != "" && (s[0] == '-' || isDigit(s[0])) {
		if t, err := value.Check(s); err == nil {
			v = t.Decode()
		}
	}
	return v.AsFloat(), v.Kind() == value.Number
}

// contains tells whether a list holds a scalar, or a text another text.
func contains(w *walker, list, v value.Value) bool {
	if list.Kind() == value.String && v.Kind() == value.String {
		w.charge(list)
		return strings.Contains(list.AsString(), v.AsString())
	}
	if list.Kind() != value.Array {
		return false
	}
	for _, item := range list.Items() {
		w.left--
		if same, ok := equal(w, item, v); w.left < 0 || ok && same {
			return true
		}
	}
	return false
}

// size is the number of a list's items or a text's bytes, -1 for others.
func size(v value.Value) int {
	switch v.Kind() {
	case value.Array:
		return v.Len()
	case value.String:
		return len(v.AsString())
	}
	return -1
}

// nest counts one more thing within others.
func (p *parser) nest() *SyntaxError {
	if p.nested++; p.nested > MaxNested {
		return p.fail("nested too deeply")
	}
	return nil
}

// either reads tests joined by ||.
func (p *parser) either() (test, *SyntaxError) {
	return p.joined("||", p.both, func(a, b test) test {
		return func(w *walker, v value.Value) bool { return a(w, v) || b(w, v) }
	})
}

// both reads tests joined by &&, which binds tighter.
func (p *parser) both() (test, *SyntaxError) {
	return p.joined("&&", p.single, func(a, b test) test {
		return func(w *walker, v value.Value) bool { return a(w, v) && b(w, v) }
	})
}

func (p *parser) joined(sign string, read func() (test, *SyntaxError), join func(a, b test) test) (test, *SyntaxError) {
	left, err := read()
	for err == nil {
		p.space()
		if !p.eat(sign) {
			break
		}
		var right test
		if right, err = read(); err == nil {
			left = join(left, right)
		}
	}
	return left, err
}

// single reads one comparison, a path that must exist, or either of them in
// parentheses or negated.
func (p *parser) single() (test, *SyntaxError) {
	p.space()
	switch {
	case p.eat("!"):
		if err := p.nest(); err != nil {
			return nil, err
		}
		not, err := p.single()
		p.nested--
		return func(w *walker, v value.Value) bool { return !not(w, v) }, err
	case p.eat("("):
		if err := p.nest(); err != nil {
			return nil, err
		}
		inner, err := p.either()
		p.nested--
		p.space()
		if err == nil && !p.eat(")") {
			err = p.fail("')' should stand here")
		}
		return inner, err
	}
	return p.comparison()
}

func (p *parser) comparison() (test, *SyntaxError) {
	start := p.next()
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	p.space()
	if p.eat("=~") {
		return p.match(left)
	}
	for _, o := range operators {
		if !p.eat(o.sign) {
			continue
		}
		p.space()
		right, err := p.operand()
		return func(w *walker, v value.Value) bool {
			w.left--
			if w.left < 0 {
				return false
			}
			l, r := left(w, v), right(w, v)
			return !l.IsAbsent() && !r.IsAbsent() && o.holds(w, l, r)
		}, err
	}
	if start != '@' && start != '$' {
		return nil, p.fail("a comparison should stand here")
	}
	return func(w *walker, v value.Value) bool {
		w.left--
		return w.left >= 0 && left(w, v).Kind() > value.Null
	}, nil
}

// match reads a pattern, /…/ or /…/i, which must match the whole text.
func (p *parser) match(left operand) (test, *SyntaxError) {
	p.space()
	rest := p.rest()
	n := 1
	for n < len(rest) && (rest[n] != '/' || rest[n-1] == '\\') {
		n++
	}
	if n >= len(rest) || rest[0] != '/' {
		return nil, p.fail("a pattern should stand here")
	}
	source := "^(?:" + rest[1:n] + ")$"
	p.i += n + 1
	if p.eat("i") {
		source = "(?i)" + source
	}
	pattern, size, err := compilePattern(source)
	if err != nil {
		return nil, p.fail("a pattern that can't be read")
	}
	return func(w *walker, v value.Value) bool {
		l := left(w, v)
		text := l.AsString()
		if l.Kind() == value.Number {
			text = l.Spelling()
		}
		w.left -= len(text)*size>>6 + 1
		return w.left >= 0 && l.Kind() >= value.Number && l.Kind() <= value.String && pattern.MatchString(text)
	}, nil
}

// maxPattern is the length of the longest pattern.
const maxPattern = 1000

// compilePattern compiles a pattern and tells how many instructions it has:
// matching takes at most so many steps for each byte.
func compilePattern(source string) (pattern *regexp.Regexp, size int, err error) {
	if len(source) > maxPattern {
		return nil, 0, errors.New("too long")
	}
	tree, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		return nil, 0, err
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, 0, err
	}
	pattern, err = regexp.Compile(source)
	return pattern, len(program.Inst), err
}

// operand reads a path, a literal, a list of literals, or a bare word, which
// is a text.
func (p *parser) operand() (operand, *SyntaxError) {
	switch p.next() {
	case '@', '$':
		return p.within()
	case '[':
		return p.list()
	}
	v, err := p.literal()
	return func(*walker, value.Value) value.Value { return v }, err
}

// within reads a path from the item or from the root of the whole, which must
// be definite.
func (p *parser) within() (operand, *SyntaxError) {
	fromRoot := p.eat("$")
	if !fromRoot {
		p.i++ // the @
	}
	if err := p.nest(); err != nil {
		return nil, err
	}
	steps, err := p.steps(filterStops)
	p.nested--
	if err == nil && !allDefinite(steps) {
		err = p.fail("a path in a filter can only give one value")
	}
	return func(w *walker, v value.Value) value.Value {
		if fromRoot {
			v = w.root
		}
		place := &v
		for i := range steps {
			w.left -= 1 + len(steps[i].names)
			if place = steps[i].one(place); place == nil {
				return value.Value{}
			}
		}
		return *place
	}, err
}

func (p *parser) list() (operand, *SyntaxError) {
	var items []value.Value
	for p.i++; ; p.i++ {
		p.space()
		if len(items) == 0 && p.eat("]") {
			break
		}
		v, err := p.literal()
		if err != nil {
			return nil, err
		}
		items = append(items, v)
		p.space()
		if p.eat("]") {
			break
		}
		if p.next() != ',' {
			return nil, p.fail("',' or ']' should stand here")
		}
	}
	list := value.NewArray(items)
	return func(*walker, value.Value) value.Value { return list }, nil
}

// literal reads a text in quotes of either kind, a number, true, false, null,
// or a bare word.
func (p *parser) literal() (value.Value, *SyntaxError) {
	if c := p.next(); c == '\'' || c == '"' {
		text, ok := p.quoted(c)
		if !ok {
			return value.Value{}, p.fail("a text that doesn't end")
		}
		return value.NewString(text), nil
	}
	n := strings.IndexAny(p.rest(), "=<>!&|)],~ \t\r\n'\"")
	if n < 0 {
		n = len(p.rest())
	}
	if n == 0 {
		return value.Value{}, p.fail("a value should stand here")
	}
	word := p.text[p.i : p.i+n]
	p.i += n
	if t, err := value.Check(word); err == nil && word[0] != '{' && word[0] != '[' {
		return t.Decode(), nil
	}
	return value.NewString(word), nil
}
