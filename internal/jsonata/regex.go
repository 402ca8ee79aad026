package jsonata

import (
	"errors"
	"strconv"
	"strings"
	"unicode"
)

// A regular expression is ECMAScript's, without the flag u: it is read into a
// tree here, and run by Go's regexp (re2.go) or by backtracking (backtrack.go).

// rxKind tells what a part of a regular expression does.
type rxKind uint8

const (
	rxSet     rxKind = iota // one character of a set
	rxAll                   // the parts, one behind the other
	rxAny                   // one of the parts
	rxRepeat                // the part, so many times
	rxGroup                 // the part; number is its group, 0 where it has none
	rxBegin                 // ^
	rxEnd                   // $
	rxWord                  // \b
	rxNotWord               // \B
	rxLook                  // (?=…) and its like
	rxBack                  // \1
)

type rx struct {
	kind     rxKind
	set      *charSet
	parts    []*rx
	number   int // of a group
	min, max int // max is -1 where there is no bound
	lazy     bool
	behind   bool
	negative bool
}

// charSet is a set of characters: pairs of first and last ones.
type charSet struct {
	ranges  []rune
	negated bool
	fold    bool // without regard to case
}

func (s *charSet) has(r rune) bool {
	found := s.lists(r)
	if s.fold {
		for f := unicode.SimpleFold(r); f != r && !found; f = unicode.SimpleFold(f) {
			found = s.lists(f)
		}
	}
	return found != s.negated
}

func (s *charSet) lists(r rune) bool {
	for i := 0; i < len(s.ranges); i += 2 {
		if r >= s.ranges[i] && r <= s.ranges[i+1] {
			return true
		}
	}
	return false
}

// The sets that have a name.
var (
	digitRanges = []rune{'0', '9'}
	wordRanges  = []rune{'0', '9', 'A', 'Z', '_', '_', 'a', 'z'}
	lineRanges  = []rune{'\n', '\n', '\r', '\r', 0x2028, 0x2029}
	spaceRanges = []rune{
		'\t', '\r', ' ', ' ', 0xA0, 0xA0, 0x1680, 0x1680, 0x2000, 0x200A, 0x2028, 0x2029, 0x202F, 0x202F,
		0x205F, 0x205F, 0x3000, 0x3000, 0xFEFF, 0xFEFF,
	}
)

// without is all characters but those of the ranges, which stand in order.
func without(ranges []rune) []rune {
	var out []rune
	next := rune(0)
	for i := 0; i < len(ranges); i += 2 {
		if ranges[i] > next {
			out = append(out, next, ranges[i]-1)
		}
		next = ranges[i+1] + 1
	}
	return append(out, next, unicode.MaxRune)
}

// maxGroups is how many groups may stand within one another.
const maxGroups = 200

// rxParser reads a regular expression.
type rxParser struct {
	s      string
	i      int
	fold   bool
	groups int            // seen so far
	total  int            // in all
	names  map[string]int // of named groups
	depth  int
}

// rxError ends the reading of a regular expression that is none.
type rxError string

func (p *rxParser) fail(reason string) { panic(rxError(reason)) }

// parseRegex is the tree of a regular expression, and the number of its groups.
func parseRegex(source string, fold bool) (tree *rx, groups int, err error) {
	defer func() {
		if r := recover(); r != nil {
			reason, ok := r.(rxError)
			if !ok {
				panic(r)
			}
			err = errors.New(string(reason))
		}
	}()
	p := &rxParser{s: source, fold: fold, names: map[string]int{}}
	p.survey()
	tree = p.alternatives()
	if p.i < len(p.s) {
		p.fail("a parenthesis closes that was not opened")
	}
	return tree, p.groups, nil
}

// survey counts the groups and notes their names, for what refers to them may
// stand before them.
func (p *rxParser) survey() {
	class := false
	for i := 0; i < len(p.s); i++ {
		switch c := p.s[i]; {
		case c == '\\':
			i++
		case c == '[':
			class = true
		case c == ']':
			class = false
		case c == '(' && !class:
			if rest := p.s[i+1:]; !strings.HasPrefix(rest, "?") {
				p.total++
			} else if name, ok := groupName(rest); ok {
				p.total++
				p.names[name] = p.total
			}
		}
	}
}

// groupName is the name in "?<name>".
func groupName(s string) (string, bool) {
	if !strings.HasPrefix(s, "?<") || strings.HasPrefix(s, "?<=") || strings.HasPrefix(s, "?<!") {
		return "", false
	}
	name, _, ok := strings.Cut(s[2:], ">")
	return name, ok
}

func (p *rxParser) more() bool { return p.i < len(p.s) }

func (p *rxParser) eat(s string) bool {
	if strings.HasPrefix(p.s[p.i:], s) {
		p.i += len(s)
		return true
	}
	return false
}

func (p *rxParser) alternatives() *rx {
	if p.depth++; p.depth > maxGroups {
		p.fail("its groups nest too deeply")
	}
	parts := []*rx{p.sequence()}
	for p.eat("|") {
		parts = append(parts, p.sequence())
	}
	p.depth--
	if len(parts) == 1 {
		return parts[0]
	}
	return &rx{kind: rxAny, parts: parts}
}

func (p *rxParser) sequence() *rx {
	all := &rx{kind: rxAll}
	for p.more() && p.s[p.i] != '|' && p.s[p.i] != ')' {
		all.parts = append(all.parts, p.repeated(p.term()))
	}
	return all
}

func (p *rxParser) term() *rx {
	switch c := p.s[p.i]; {
	case p.eat("^"):
		return &rx{kind: rxBegin}
	case p.eat("$"):
		return &rx{kind: rxEnd}
	case p.eat("("):
		return p.group()
	case p.eat("."):
		return p.set(lineRanges, true)
	case p.eat("["):
		return p.class()
	case p.eat("\\"):
		return p.escape()
	case c == '*' || c == '+' || c == '?':
		p.fail("nothing to repeat")
	case c == '{' && p.braces(&rx{}):
		p.fail("nothing to repeat")
	}
	r, n := decodeRune(p.s[p.i:])
	p.i += n
	return p.set([]rune{r, r}, false)
}

func (p *rxParser) set(ranges []rune, negated bool) *rx {
	return &rx{kind: rxSet, set: &charSet{ranges: ranges, negated: negated, fold: p.fold}}
}

// repeated reads what tells how often a term is to match.
func (p *rxParser) repeated(term *rx) *rx {
	if !p.more() {
		return term
	}
	rep := &rx{kind: rxRepeat, parts: []*rx{term}, max: -1}
	switch {
	case p.eat("*"):
	case p.eat("+"):
		rep.min = 1
	case p.eat("?"):
		rep.max = 1
	case p.braces(rep):
	default:
		return term
	}
	if term.kind == rxBegin || term.kind == rxEnd || term.kind == rxWord || term.kind == rxNotWord || term.behind {
		p.fail("nothing to repeat")
	}
	if rep.max >= 0 && rep.max < rep.min {
		p.fail("numbers out of order in {} quantifier")
	}
	rep.lazy = p.eat("?")
	return rep
}

// braces reads {n}, {n,} or {n,m} into rep. Any other brace is a character.
func (p *rxParser) braces(rep *rx) bool {
	if !strings.HasPrefix(p.s[p.i:], "{") {
		return false
	}
	body, _, found := strings.Cut(p.s[p.i+1:], "}")
	least, most, two := strings.Cut(body, ",")
	if !two {
		most = least
	}
	var ok bool
	if rep.min, ok = repeatCount(least); !found || !ok {
		return false
	}
	rep.max = -1
	if most != "" {
		if rep.max, ok = repeatCount(most); !ok {
			return false
		}
	}
	p.i += len(body) + 2
	return true
}

func repeatCount(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		n, err = maxProgram+1, nil
	}
	return int(min(n, maxProgram+1)), err == nil
}

func (p *rxParser) group() *rx {
	g := &rx{kind: rxGroup}
	switch name, named := groupName(p.s[p.i:]); {
	case p.eat("?:"):
	case p.eat("?="):
		g.kind = rxLook
	case p.eat("?!"):
		g.kind, g.negative = rxLook, true
	case p.eat("?<="):
		g.kind, g.behind = rxLook, true
	case p.eat("?<!"):
		g.kind, g.behind, g.negative = rxLook, true, true
	case named:
		p.i += len(name) + len("?<>")
		p.groups++
		g.number = p.groups
	case p.eat("?"):
		p.fail("invalid group")
	default:
		p.groups++
		g.number = p.groups
	}
	g.parts = []*rx{p.alternatives()}
	if !p.eat(")") {
		p.fail("unterminated group")
	}
	return g
}

// escape reads what stands behind a backslash, outside a class.
func (p *rxParser) escape() *rx {
	if !p.more() {
		p.fail("a backslash at the end")
	}
	switch {
	case p.eat("b"):
		return &rx{kind: rxWord}
	case p.eat("B"):
		return &rx{kind: rxNotWord}
	case len(p.names) > 0 && p.s[p.i] == 'k':
		name, ok := groupName("?" + p.s[p.i+1:])
		number := p.names[name]
		if !ok || number == 0 {
			p.fail("invalid named reference")
		}
		p.i += len(name) + len("k<>")
		return &rx{kind: rxBack, number: number}
	}
	if c := p.s[p.i]; c >= '1' && c <= '9' {
		end := p.i
		for end < len(p.s) && p.s[end] >= '0' && p.s[end] <= '9' {
			end++
		}
		if n, _ := strconv.Atoi(p.s[p.i:end]); n > 0 && n <= p.total {
			p.i = end
			return &rx{kind: rxBack, number: n}
		}
	}
	return p.set(p.escaped(), false)
}

// escaped reads an escape that stands for characters.
func (p *rxParser) escaped() []rune {
	r, n := decodeRune(p.s[p.i:])
	p.i += n
	switch r {
	case 'd':
		return digitRanges
	case 'D':
		return without(digitRanges)
	case 'w':
		return wordRanges
	case 'W':
		return without(wordRanges)
	case 's':
		return spaceRanges
	case 'S':
		return without(spaceRanges)
	case 'f', 'n', 'r', 't', 'v':
		r = rune("\f\n\r\t\v"[strings.IndexByte("fnrtv", byte(r))])
	case 'x':
		r = p.hexEscape(r, 2)
	case 'u':
		r = p.hexEscape(r, 4)
	case 'c':
		if p.more() && unicode.IsLetter(rune(p.s[p.i])) {
			r = rune(p.s[p.i] & 31)
			p.i++
		} else {
			p.i--
			r = '\\'
		}
	case '0', '1', '2', '3', '4', '5', '6', '7':
		r -= '0'
		for p.more() && p.s[p.i] >= '0' && p.s[p.i] <= '7' && r*8 < 256 {
			r = r*8 + rune(p.s[p.i]-'0')
			p.i++
		}
	}
	return []rune{r, r}
}

// hexEscape reads so many hexadecimal digits; without them r stands for itself.
func (p *rxParser) hexEscape(r rune, digits int) rune {
	if p.i+digits > len(p.s) {
		return r
	}
	n, err := strconv.ParseUint(p.s[p.i:p.i+digits], 16, 32)
	if err != nil {
		return r
	}
	p.i += digits
	return rune(n)
}

// class reads [...].
func (p *rxParser) class() *rx {
	negated := p.eat("^")
	var ranges []rune
	for !p.eat("]") {
		from := p.classAtom()
		if len(from) == 2 && from[0] == from[1] && strings.HasPrefix(p.s[p.i:], "-") && !strings.HasPrefix(p.s[p.i:], "-]") {
			p.i++
			to := p.classAtom()
			if len(to) != 2 || to[0] != to[1] {
				from = append(append(from, '-', '-'), to...)
			} else if from = []rune{from[0], to[0]}; from[1] < from[0] {
				p.fail("range out of order in character class")
			}
		}
		ranges = append(ranges, from...)
	}
	return p.set(ranges, negated)
}

func (p *rxParser) classAtom() []rune {
	if !p.more() {
		p.fail("unterminated character class")
	}
	if p.eat("\\") {
		if !p.more() {
			p.fail("a backslash at the end")
		}
		if p.eat("b") {
			return []rune{'\b', '\b'}
		}
		return p.escaped()
	}
	r, n := decodeRune(p.s[p.i:])
	p.i += n
	return []rune{r, r}
}
