package jsonata

import (
	"strings"
	"unicode"
)

// Tokens cuts an expression into names, variables, texts, comments, spaces and
// signs, for who puts something else in the place of one of them. Put together
// again they are the expression.
func Tokens(text string) []string {
	var all []string
	r := []rune(text)
	for i := 0; i < len(r); {
		j := i + 1
		switch c := r[i]; {
		case c == '"' || c == '\'' || c == '`':
			j = behind(r, i, c)
		case c == '/' && j < len(r) && r[j] == '*':
			for j++; j < len(r) && !(r[j] == '/' && r[j-1] == '*'); j++ {
			}
			j = min(j+1, len(r))
		case c == '/' && !endsOperand(all):
			j = behind(r, i, '/')
		case c == '$' || isNameRune(c):
			for j < len(r) && (isNameRune(r[j]) || unicode.IsDigit(r[j])) {
				j++
			}
		case unicode.IsSpace(c):
			for j < len(r) && unicode.IsSpace(r[j]) {
				j++
			}
		case c == ':' && j < len(r) && r[j] == '=':
			j++
		}
		all = append(all, string(r[i:j]))
		i = j
	}
	return all
}

// behind is the place behind the mark that closes what one at i opens.
func behind(r []rune, i int, mark rune) int {
	for j := i + 1; j < len(r); j++ {
		switch r[j] {
		case '\\':
			j++
		case mark:
			return j + 1
		}
	}
	return len(r)
}

func isNameRune(c rune) bool { return c == '_' || unicode.IsLetter(c) }

// endsOperand reports whether a "/" behind these tokens divides.
func endsOperand(tokens []string) bool {
	for i := len(tokens) - 1; i >= 0; i-- {
		t := tokens[i]
		if strings.TrimSpace(t) == "" || strings.HasPrefix(t, "/*") {
			continue
		}
		last := []rune(t)[len([]rune(t))-1]
		return t != "and" && t != "or" && t != "in" && (isNameRune(last) || unicode.IsDigit(last) || strings.ContainsRune(")]}\"'`$", last))
	}
	return false
}
