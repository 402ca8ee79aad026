package jsonata

import (
	"errors"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// tokenKind tells what a token is.
type tokenKind uint8

const (
	endToken tokenKind = iota
	nameToken
	variableToken
	stringToken
	numberToken
	constantToken // true, false, null
	operatorToken
	patternToken
)

// token is a word of an expression.
type token struct {
	kind     tokenKind
	text     string   // a name, a string's content, an operator, a number as it is spelled
	literal  datum    // what a string, number or constant means
	pattern  *pattern // what a regular expression means
	position int      // where it ends
}

// is reports whether t is that operator.
func (t *token) is(operator string) bool { return t.kind == operatorToken && t.text == operator }

// shortOperators is the operators of one character, each of which ends a name.
const shortOperators = ".[]{}(),@#;:?+-*/%|=<>^&!~"

// longOperators is the operators of two characters, told apart first.
var longOperators = []string{"..", ":=", "!=", ">=", "<=", "**", "~>"}

var numberSyntax = regexp.MustCompile(`^(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?`)

// lexer cuts a source into tokens.
type lexer struct {
	source   string
	i        int
	patterns int // the size of the regular expressions so far
}

func (l *lexer) fail(code, token string, args ...any) {
	panic(newError(code, l.i, token, args...))
}

// next is the next token. Where an operator may stand, "/" is one; elsewhere
// it begins a regular expression.
func (l *lexer) next(operatorMayStand bool) token {
	l.skip()
	if l.i >= len(l.source) {
		return token{kind: endToken, text: "(end)", position: len(l.source)}
	}
	c := l.source[l.i]
	if c == '/' && !operatorMayStand {
		return l.patternToken()
	}
	if op := l.operator(); op != "" {
		l.i += len(op)
		if op == "!" || op == "~" {
			l.fail("S0204", op, op)
		}
		return l.token(operatorToken, op)
	}
	switch {
	case c == '"' || c == '\'':
		s := l.string(c)
		t := l.token(stringToken, s)
		t.literal = str(s)
		return t
	case c == '`':
		return l.quotedName()
	case c >= '0' && c <= '9':
		return l.number()
	}
	return l.name()
}

func (l *lexer) token(k tokenKind, text string) token {
	return token{kind: k, text: text, position: l.i}
}

const spaces = " \t\n\r\v"

// skip goes past white space and comments.
func (l *lexer) skip() {
	for l.i < len(l.source) {
		rest := l.source[l.i:]
		switch {
		case strings.IndexByte(spaces, rest[0]) >= 0:
			l.i++
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				l.fail("S0106", "")
			}
			l.i += end + 4
		default:
			return
		}
	}
}

// operator is the operator that comes next, "" where none does. The words
// and, or and in are read as names first.
func (l *lexer) operator() string {
	for _, op := range longOperators {
		if strings.HasPrefix(l.source[l.i:], op) {
			return op
		}
	}
	if l.endsName() {
		return l.source[l.i : l.i+1]
	}
	return ""
}

// endsName reports whether an operator of one character comes next.
func (l *lexer) endsName() bool { return strings.IndexByte(shortOperators, l.source[l.i]) >= 0 }

var escapes = map[byte]string{
	'"': "\"", '\\': "\\", '/': "/", 'b': "\b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t",
}

// string reads a string literal to its closing quote.
func (l *lexer) string(quote byte) string {
	l.i++
	var units []byte
	start := l.i
	for l.i < len(l.source) {
		switch c := l.source[l.i]; c {
		case quote:
			units = append(units, l.source[start:l.i]...)
			l.i++
			return joinSurrogates(string(units))
		case '\\':
			units = append(units, l.source[start:l.i]...)
			l.i++
			units = append(units, l.escape()...)
			start = l.i
		default:
			l.i++
		}
	}
	l.fail("S0101", "")
	return ""
}

// escape reads what follows a backslash.
func (l *lexer) escape() string {
	if l.i >= len(l.source) {
		l.fail("S0101", "")
	}
	c := l.source[l.i]
	if s, ok := escapes[c]; ok {
		l.i++
		return s
	}
	if c != 'u' {
		r, _ := decodeRune(l.source[l.i:])
		l.fail("S0103", string(r), string(r))
	}
	if l.i+5 > len(l.source) {
		l.fail("S0104", "")
	}
	n, err := strconv.ParseUint(l.source[l.i+1:l.i+5], 16, 16)
	if err != nil {
		l.fail("S0104", "")
	}
	l.i += 5
	return string(appendRune(nil, rune(n)))
}

func (l *lexer) quotedName() token {
	end := strings.IndexByte(l.source[l.i+1:], '`')
	if end < 0 {
		l.i = len(l.source)
		l.fail("S0105", "")
	}
	name := l.source[l.i+1 : l.i+1+end]
	l.i += end + 2
	return l.token(nameToken, name)
}

func (l *lexer) number() token {
	text := numberSyntax.FindString(l.source[l.i:])
	f, err := strconv.ParseFloat(text, 64)
	l.i += len(text)
	if err != nil || math.IsInf(f, 0) {
		l.fail("S0102", text, text)
	}
	t := l.token(numberToken, text)
	t.literal = num(f)
	return t
}

// name reads a name, a variable or a word that has a meaning of its own: all
// up to white space or an operator.
func (l *lexer) name() token {
	start := l.i
	for l.i < len(l.source) && strings.IndexByte(spaces, l.source[l.i]) < 0 && !l.endsName() {
		l.i++
	}
	text := l.source[start:l.i]
	t := l.token(nameToken, text)
	switch text {
	case "and", "or", "in":
		t.kind = operatorToken
	case "true", "false":
		t.kind, t.literal = constantToken, boolean(text == "true")
	case "null":
		t.kind, t.literal = constantToken, null()
	default:
		if text[0] == '$' {
			t.kind, t.text = variableToken, text[1:]
		}
	}
	return t
}

// patternToken reads a regular expression: up to a slash that is not escaped
// and not within brackets of any kind.
func (l *lexer) patternToken() token {
	l.i++
	start, depth := l.i, 0
	for ; l.i < len(l.source); l.i++ {
		switch c := l.source[l.i]; c {
		case '\\':
			l.i++
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		case '/':
			if depth == 0 {
				return l.endPattern(l.source[start:l.i])
			}
		}
	}
	l.i = len(l.source)
	l.fail("S0302", "")
	return token{}
}

func (l *lexer) endPattern(text string) token {
	l.i++
	if text == "" {
		l.fail("S0301", "")
	}
	flags := l.i
	for l.i < len(l.source) && (l.source[l.i] == 'i' || l.source[l.i] == 'm') {
		l.i++
	}
	p, err := compilePattern(text, l.source[flags:l.i])
	if err == nil {
		if l.patterns += p.size; l.patterns > maxProgram {
			err = errors.New("with those before it, it is too large")
		}
	}
	if err != nil {
		l.fail(codePattern, text, err)
	}
	t := l.token(patternToken, text)
	t.pattern = p
	return t
}
