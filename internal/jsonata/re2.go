package jsonata

import (
	"fmt"
	"regexp"
	"strings"
)

// maxRE2 is how large a regular expression may be for Go's regexp, in parts
// with repetitions counted out.
const maxRE2 = 5_000

// re2 is the regular expression for Go's regexp, which needs time in
// proportion to the text. ok is false where it can't say the same.
func re2(tree *rx, fold, multiline bool) (first, later *regexp.Regexp, ok bool) {
	if tree.size() > maxRE2 {
		return nil, nil, false
	}
	w := re2Writer{multiline: multiline}
	w.write(tree)
	if w.unable {
		return nil, nil, false
	}
	flags := ""
	if fold {
		flags = "(?i)"
	}
	first, err := regexp.Compile(flags + w.out.String())
	if err != nil {
		return nil, nil, false
	}
	if !w.looksBack {
		return first, nil, true
	}
	// To go on within a text, ^ and \b need to see the character before: it is
	// read as well, and the match is a group.
	w = re2Writer{multiline: multiline, within: true}
	w.write(tree)
	later, err = regexp.Compile(flags + `\A(?s:.)(?s:.*?)(` + w.out.String() + `)`)
	return first, later, err == nil
}

type re2Writer struct {
	out       strings.Builder
	multiline bool
	within    bool // the text began before what is searched
	looksBack bool
	unable    bool
}

const noCharacter = `[^\x00-\x{10FFFF}]`

func (w *re2Writer) write(n *rx) {
	switch n.kind {
	case rxSet:
		w.set(n.set)
	case rxAll:
		for _, part := range n.parts {
			w.write(part)
		}
	case rxAny:
		w.out.WriteString("(?:")
		for i, part := range n.parts {
			if i > 0 {
				w.out.WriteByte('|')
			}
			w.write(part)
		}
		w.out.WriteByte(')')
	case rxRepeat:
		w.repeat(n)
	case rxGroup:
		w.out.WriteString("(")
		if n.number == 0 {
			w.out.WriteString("?:")
		}
		w.write(n.parts[0])
		w.out.WriteByte(')')
	case rxWord, rxNotWord:
		w.looksBack = true
		w.out.WriteString(map[rxKind]string{rxWord: `\b`, rxNotWord: `\B`}[n.kind])
	case rxBegin, rxEnd:
		w.edge(n)
	default:
		w.unable = true
	}
}

func (w *re2Writer) edge(n *rx) {
	switch {
	case w.multiline:
		w.unable = true // Go knows one kind of line end only
	case n.kind == rxEnd:
		w.out.WriteString(`\z`)
	case w.within:
		w.out.WriteString(noCharacter)
	default:
		w.looksBack = true
		w.out.WriteString(`\A`)
	}
}

// repeat writes a repetition. Where its part may match nothing, or has groups
// within, ECMAScript's rounds are not Go's.
func (w *re2Writer) repeat(n *rx) {
	part := n.parts[0]
	inner := part
	if part.kind == rxGroup {
		inner = part.parts[0]
	}
	if part.nullable() && (n.max != 1 || part.captures()) || n.max != 1 && inner.captures() || n.min > 1000 || n.max > 1000 {
		w.unable = true
		return
	}
	w.out.WriteString("(?:")
	w.write(part)
	w.out.WriteByte(')')
	switch {
	case n.max < 0:
		fmt.Fprintf(&w.out, "{%d,}", n.min)
	default:
		fmt.Fprintf(&w.out, "{%d,%d}", n.min, n.max)
	}
	if n.lazy {
		w.out.WriteByte('?')
	}
}

func (w *re2Writer) set(s *charSet) {
	if len(s.ranges) == 0 {
		if s.negated {
			w.out.WriteString(`(?s:.)`)
		} else {
			w.out.WriteString(noCharacter)
		}
		return
	}
	w.out.WriteByte('[')
	if s.negated {
		w.out.WriteByte('^')
	}
	for i := 0; i < len(s.ranges); i += 2 {
		fmt.Fprintf(&w.out, `\x{%x}-\x{%x}`, s.ranges[i], s.ranges[i+1])
	}
	w.out.WriteByte(']')
}

// nullable reports whether n may match without a character.
func (n *rx) nullable() bool {
	switch n.kind {
	case rxSet:
		return false
	case rxAll:
		for _, part := range n.parts {
			if !part.nullable() {
				return false
			}
		}
	case rxAny:
		for _, part := range n.parts {
			if part.nullable() {
				return true
			}
		}
		return false
	case rxRepeat:
		return n.min == 0 || n.parts[0].nullable()
	case rxGroup:
		return n.parts[0].nullable()
	}
	return true
}

// captures reports whether a group that is kept stands in n.
func (n *rx) captures() bool {
	if n.kind == rxGroup && n.number > 0 {
		return true
	}
	for _, part := range n.parts {
		if part.captures() {
			return true
		}
	}
	return false
}

// size is the number of parts of n, repetitions counted out.
func (n *rx) size() int {
	size := 1
	for _, part := range n.parts {
		size += part.size()
	}
	if n.kind == rxSet {
		size += len(n.set.ranges) / 16
	}
	if n.kind == rxRepeat {
		size *= max(1, n.min, n.max)
	}
	return min(size, maxProgram+1)
}
