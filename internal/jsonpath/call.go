package jsonpath

import (
	"strings"

	"github.com/backstep/backstep/internal/value"
)

// maxCalls is how deep calls may stand within one another.
const maxCalls = 10

// expression reads a path or a call.
func (p *parser) expression() (argument, *SyntaxError) {
	switch {
	case p.next() == '$':
		path, err := p.path(nameStops)
		return argument{path: path}, err
	case strings.HasPrefix(p.rest(), "States."):
		c, err := p.call()
		return argument{call: c}, err
	}
	return argument{}, p.fail("a path or a call of an intrinsic function should stand here")
}

// call reads the name of an intrinsic function and its arguments.
func (p *parser) call() (*call, *SyntaxError) {
	n := strings.IndexByte(p.rest(), '(')
	if n < 0 {
		return nil, p.fail("'(' should follow the name of a function")
	}
	c := &call{function: lookUp(p.rest()[:n])}
	if c.function == nil {
		return nil, p.fail("no intrinsic function has this name")
	}
	if p.nested++; p.nested > maxCalls {
		return nil, p.fail("too many calls within one another")
	}
	p.i += n + 1
	p.space()
	for !p.eat(")") {
		if len(c.args) > 0 && !p.eat(",") {
			return nil, p.fail("',' or ')' should stand here")
		}
		p.space()
		a, err := p.argument(c.function.template && len(c.args) == 0)
		if err != nil {
			return nil, err
		}
		c.args = append(c.args, a)
		p.space()
	}
	p.nested--
	return c, nil
}

// argument reads a path, a call, a text in single quotes, a number, true,
// false or null. A template keeps its escapes, which its function reads.
func (p *parser) argument(template bool) (argument, *SyntaxError) {
	switch c := p.next(); {
	case c == '$':
		outer := p.nested
		p.nested = 0
		path, err := p.path(argumentStops)
		p.nested = outer
		return argument{path: path}, err
	case c == '\'':
		text, err := p.string(template)
		return argument{literal: value.NewString(text)}, err
	case strings.HasPrefix(p.rest(), "States."):
		inner, err := p.call()
		return argument{call: inner}, err
	}
	n := strings.IndexAny(p.rest(), ",) \t\r\n")
	if n < 0 {
		n = len(p.rest())
	}
	t, err := value.Check(p.rest()[:n])
	if err != nil {
		return argument{}, p.fail("a path, a call, a text in single quotes, a number, true, false or null should stand here")
	}
	v := t.Decode()
	if k := v.Kind(); k != value.Number && k != value.Bool && k != value.Null {
		return argument{}, p.fail("a text stands in single quotes; lists and objects come by a path")
	}
	p.i += n
	return argument{literal: v}, nil
}

// string reads a text in single quotes. A backslash may stand before a quote,
// a brace or a backslash only.
func (p *parser) string(raw bool) (string, *SyntaxError) {
	var b strings.Builder
	start := p.i + 1
	for p.i++; p.i < p.end; p.i++ {
		c := p.text[p.i]
		switch {
		case c == '\'' && raw:
			p.i++
			return p.text[start : p.i-1], nil
		case c == '\'':
			p.i++
			return b.String(), nil
		case c == '\\':
			if p.i++; p.i >= p.end || !strings.ContainsRune(`'{}\`, rune(p.text[p.i])) {
				return "", p.fail("a backslash stands before a quote, a brace or a backslash only")
			}
		}
		b.WriteByte(p.text[p.i])
	}
	return "", p.fail("a text that doesn't end")
}
