package lift

import (
	"slices"
	"strconv"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// stepsOf are the steps of a path behind its root. From the first one on that may
// find many values, the rest stands as it was written.
func stepsOf(rest string) (all []step) {
	for rest != "" {
		end := 0
		switch {
		case strings.HasPrefix(rest, "['"):
			end = strings.Index(rest, "']") + 2
			if end < 4 || strings.ContainsAny(rest[2:end-2], `\',`) {
				return append(all, step{name: rest, kind: asWritten})
			}
			all = append(all, named(rest[2:end-2]))
		case rest[0] == '[':
			end = strings.IndexByte(rest, ']') + 1
			n, err := strconv.Atoi(rest[1:max(end-1, 1)])
			if err != nil || n < 0 {
				return append(all, step{name: rest, kind: asWritten})
			}
			all = append(all, step{number: n, kind: byNumber})
		default:
			for end = 1; end < len(rest) && rest[end] != '.' && rest[end] != '['; end++ {
			}
			name := rest[1:end]
			if rest[0] != '.' || name == "" || strings.ContainsAny(name, "*()?@ ") {
				return append(all, step{name: rest, kind: asWritten})
			}
			all = append(all, named(name))
		}
		rest = rest[end:]
	}
	return all
}

// path is what a path finds.
func (r *reading) path(text string) *source {
	text = strings.TrimRight(text, " \t\r\n")
	end := strings.IndexAny(text, ".[")
	if end < 0 {
		end = len(text)
	}
	steps := stepsOf(text[end:])
	found := r.data
	switch head := text[:end]; {
	case head == "$$":
		return r.contextAt(steps)
	case len(head) > 1:
		found = r.variable(head[1:])
	}
	for _, t := range steps {
		if t.kind == asWritten && strings.Contains(t.name, "$") {
			return lose("a path with a path in it")
		}
		if found = found.within(t); found.isLost() {
			return found
		}
	}
	return found
}

// expression is what a member ending in ".$" holds.
func (r *reading) expression(text string) *source {
	if !strings.HasPrefix(text, "States.") {
		return r.path(text)
	}
	if !r.own && (strings.Contains(text, "States.UUID") || strings.Contains(text, "States.MathRandom")) {
		return lose("something that chance makes")
	}
	var parts []part
	from := 0
	for i := 0; i < len(text); {
		switch text[i] {
		case '\'':
			i = pastQuote(text, i)
		case '$':
			end := pastPath(text, i)
			found := r.path(text[i:end])
			if found.isLost() {
				return found
			}
			parts = append(parts, part{text: text[from:i]}, part{of: found})
			i, from = end, end
		default:
			i++
		}
	}
	return formulaOf(asl.JSONPath, append(parts, part{text: text[from:]})...)
}

// pastQuote is the place behind a text in single quotes that begins at i.
func pastQuote(text string, i int) int {
	for i++; i < len(text) && text[i] != '\''; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return min(i+1, len(text))
}

// pastPath is the place behind a path that begins at i, within a call.
func pastPath(text string, i int) int {
	for open := 0; i < len(text); i++ {
		switch text[i] {
		case '[', '(':
			open++
		case ']', ')':
			if open == 0 {
				return i
			}
			open--
		case '\'':
			i = pastQuote(text, i) - 1
		case ',', ' ', '\t':
			if open == 0 {
				return i
			}
		}
	}
	return i
}

// payload is what a template makes.
func (r *reading) payload(v value.Value) *source {
	switch v.Kind() {
	case value.Array:
		items := make([]*source, v.Len())
		for i, item := range v.Items() {
			items[i] = r.payload(item)
		}
		if slices.ContainsFunc(items, func(i *source) bool { return i.kind != constant }) {
			return listOf(items)
		}
	case value.Object:
		o := objectOf()
		moves := false
		for name, m := range v.Members() {
			of := (*source)(nil)
			if plain, isPath := strings.CutSuffix(name, ".$"); isPath {
				name, of, moves = plain, r.expression(m.AsString()), true
			} else {
				of = r.payload(m)
			}
			moves = moves || of.kind != constant
			o.members = append(o.members, member{name, of})
		}
		if moves {
			return o
		}
	}
	return always(v)
}
