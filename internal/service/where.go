package service

import (
	"strings"
	"unicode/utf8"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// term is one of what a where asks for: a search attribute and the text that it
// has to have.
type term struct{ name, value string }

// parseWhere reads a where:
//
//	where = term { "and" term }
//	term  = name "=" ( string | number | "true" | "false" )
//
// with strings and numbers as JSON writes them. The error names the place, in
// characters from 1.
func parseWhere(text string) ([]term, error) {
	w := where{text: text}
	var terms []term
	for {
		terms = append(terms, w.term())
		if w.space(); w.err != nil || w.at == len(text) {
			return terms, w.err
		}
		switch {
		case !strings.EqualFold(w.word(), "and"):
			return nil, w.fail("'and' should stand here, or nothing more")
		case len(terms) == asl.MaxSearchAttributes:
			return nil, w.fail("there can be at most %d terms", asl.MaxSearchAttributes)
		}
		w.at += len("and")
	}
}

// where is a text that is being read. After the first fault nothing more is.
type where struct {
	text string
	at   int // in bytes
	err  error
}

func (w *where) fail(format string, args ...any) error {
	if w.err == nil {
		place := 1 + utf8.RuneCountInString(w.text[:w.at])
		w.err = api.Validation("where, character %d: "+format, append([]any{place}, args...)...)
	}
	return w.err
}

func (w *where) space() {
	for w.at < len(w.text) && strings.IndexByte(" \t\r\n", w.text[w.at]) >= 0 {
		w.at++
	}
}

// word is what comes next, up to a blank, a quote or a sign.
func (w *where) word() string {
	rest := w.text[w.at:]
	if end := strings.IndexAny(rest, " \t\r\n\"'=<>!(),;"); end >= 0 {
		rest = rest[:end]
	}
	return rest
}

func (w *where) term() term {
	w.space()
	t := term{name: w.word()}
	switch {
	case t.name == "":
		w.fail("the name of a search attribute should stand here")
	case !asl.SearchAttribute{Name: t.name}.ValidName():
		w.fail("%.80q is no name of a search attribute", t.name)
	}
	w.at += len(t.name)
	w.space()
	if w.err == nil && !strings.HasPrefix(w.text[w.at:], "=") {
		w.fail("'=' should stand here")
	}
	if w.err != nil {
		return t
	}
	w.at++
	w.space()
	t.value = w.value()
	return t
}

// value reads a value, as the text by which it is found.
func (w *where) value() string {
	rest := w.text[w.at:]
	literal := w.word()
	if strings.HasPrefix(rest, `"`) {
		literal = rest[:stringEnd(rest)]
	}
	text, err := value.Check(literal)
	if err != nil || text.Kind() > value.String || text.Kind() == value.Null {
		w.fail("a value should stand here: a string in double quotes, a number, true or false")
		return ""
	}
	found := literal
	if text.Kind() == value.String {
		found = text.Decode().AsString()
	}
	if utf8.RuneCountInString(found) > asl.MaxAttributeValue {
		w.fail("a search attribute has at most %d characters", asl.MaxAttributeValue)
	}
	w.at += len(literal)
	return found
}

// stringEnd is where a string in double quotes ends, which begins the text.
func stringEnd(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}
