package lift

import (
	"slices"
	"strconv"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// roots are the paths to where places begin, in a body.
var roots = map[root]string{input: "$.input", result: "$.result", failure: "$$.Saga", context: "$$"}

// pathTo is the path of a place, as a body has it.
func pathTo(s *source) string {
	var b strings.Builder
	b.WriteString(roots[s.root])
	if s.root == variable {
		b.WriteString("$" + s.name)
	}
	for _, t := range s.steps {
		switch {
		case t.kind == asWritten:
			b.WriteString(t.name)
		case t.kind == byNumber:
			b.WriteString("[" + strconv.Itoa(t.number) + "]")
		case isName(t.name):
			b.WriteString("." + t.name)
		default:
			b.WriteString("['" + t.name + "']")
		}
	}
	return b.String()
}

// isName reports whether a name needs no quotes in a path.
func isName(name string) bool {
	for i := 0; i < len(name); i++ {
		c := name[i]
		if !(c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' && i > 0) {
			return false
		}
	}
	return name != ""
}

// writePayload is a source as a member of a template: its name, and its value.
func writePayload(name string, s *source) (string, value.Value, bool) {
	switch {
	case s.kind == constant:
		return name, s.constant, !hasPaths(s.constant)
	case s.kind == object && s.base == nil:
		v, ok := writeObject(s)
		return name, v, ok
	case s.kind == list:
		if v, ok := writeItems(s); ok {
			return name, v, true
		}
	}
	text, ok := argument(s)
	return name + ".$", value.NewString(text), ok
}

func writeObject(s *source) (value.Value, bool) {
	b := value.NewBuilder(len(s.members))
	for _, m := range s.members {
		name, v, ok := writePayload(m.name, m.of)
		if !ok {
			return v, false
		}
		b.Set(name, v)
	}
	return b.Object(), true
}

// writeItems is an array each of whose items needs no path of its own.
func writeItems(s *source) (value.Value, bool) {
	items := make([]value.Value, len(s.items))
	for i, item := range s.items {
		name, v, ok := writePayload("", item)
		if !ok || name != "" {
			return v, false
		}
		items[i] = v
	}
	return value.NewArray(items), true
}

// hasPaths reports whether a constant would be read as a template.
func hasPaths(v value.Value) bool {
	for name, m := range v.Members() {
		if strings.HasSuffix(name, ".$") || hasPaths(m) {
			return true
		}
	}
	return v.Kind() == value.Array && slices.ContainsFunc(v.Items(), hasPaths)
}

// argument is a source as a call takes it, or as a member ending in ".$" holds it.
func argument(s *source) (string, bool) {
	switch s.kind {
	case place:
		return pathTo(s), true
	case constant:
		return literal(s.constant)
	case list:
		return call("States.Array", s.items)
	case formula:
		if s.language != asl.JSONPath {
			return "", false
		}
		var b strings.Builder
		for _, p := range s.parts {
			b.WriteString(p.text)
			if p.of != nil {
				text, ok := argument(p.of)
				if !ok {
					return "", false
				}
				b.WriteString(text)
			}
		}
		return b.String(), true
	case object:
		return together(s)
	}
	return "", false
}

// literal is a constant as a call takes it.
func literal(v value.Value) (string, bool) {
	switch v.Kind() {
	case value.String:
		text := v.AsString()
		return "'" + text + "'", !strings.ContainsAny(text, `\'{}`)
	case value.Number, value.Bool, value.Null:
		return v.Text().String(), true
	case value.Object:
		return together(spread(always(v)))
	}
	items := make([]*source, v.Len())
	for i, item := range v.Items() {
		items[i] = always(item)
	}
	return call("States.Array", items)
}

func call(function string, of []*source) (string, bool) {
	args := make([]string, len(of))
	for i, item := range of {
		text, ok := argument(item)
		if !ok {
			return "", false
		}
		args[i] = text
	}
	return function + "(" + strings.Join(args, ", ") + ")", true
}

// together is a call that puts an object together. What lies below must be the
// whole of what stands there: a place that may be missing is none.
func together(s *source) (string, bool) {
	format, args, ok := pattern(s)
	over := "States.StringToJson(States.Format('" + format + "'" + args + "))"
	switch {
	case !ok:
		return "", false
	case s.base == nil:
		return over, true
	case s.base.kind != place || s.base.root == variable && len(s.base.steps) > 0:
		return "", false
	}
	return "States.JsonMerge(" + pathTo(s.base) + ", " + over + ", false)", true
}

// pattern is the text of an object's members for States.Format, and the arguments
// that go into it.
func pattern(s *source) (format, args string, ok bool) {
	for i, m := range s.members {
		if i > 0 {
			format += ","
		}
		format += `"` + m.name + `":`
		of := m.of
		if of.kind == constant && of.constant.Kind() == value.Object {
			of = spread(of)
		}
		if of.kind == object && of.base == nil {
			inner, more, ok := pattern(of)
			if !ok {
				return "", "", false
			}
			format, args = format+inner, args+more
			continue
		}
		text, ok := argument(of)
		if !ok || strings.ContainsAny(m.name, `\'{}"`) || of.kind == object {
			return "", "", false
		}
		format += "{}"
		args += ", States.JsonToString(" + text + ")"
	}
	return `\{` + format + `\}`, args, true
}
