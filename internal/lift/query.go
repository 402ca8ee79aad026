package lift

import (
	"slices"
	"strconv"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/jsonata"
	"github.com/backstep/backstep/internal/value"
)

// expressionIn is what a text holds between {% and %}.
func expressionIn(text string) (string, bool) {
	if !strings.HasPrefix(text, "{%") || !strings.HasSuffix(text, "%}") {
		return "", false
	}
	return strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(text, "{%"), "%}")), true
}

// template is what a JSONata template makes.
func (r *reading) template(v value.Value) *source {
	switch v.Kind() {
	case value.String:
		if text, is := expressionIn(v.AsString()); is {
			return r.query(text)
		}
	case value.Array:
		items := make([]*source, v.Len())
		for i, item := range v.Items() {
			items[i] = r.template(item)
		}
		if slices.ContainsFunc(items, func(i *source) bool { return i.kind != constant }) {
			return listOf(items)
		}
	case value.Object:
		o := objectOf()
		moves := false
		for name, m := range v.Members() {
			of := r.template(m)
			moves = moves || of.kind != constant
			o.members = append(o.members, member{name, of})
		}
		if moves {
			return o
		}
	}
	return always(v)
}

// ofChance are functions that give something else each time.
var ofChance = []string{"$now", "$millis", "$random", "$uuid", "$shuffle"}

// query is what an expression gives.
func (r *reading) query(text string) *source {
	tokens := jsonata.Tokens(text)
	if !r.own && slices.ContainsFunc(tokens, func(t string) bool { return slices.Contains(ofChance, t) }) {
		return lose("something that chance or the clock makes")
	}
	bound := boundIn(tokens)
	for _, name := range bound {
		if r.house.variables[name] {
			return lose("an expression that hides the variable $" + name)
		}
	}
	var parts []part
	for i := 0; i < len(tokens); {
		found, used := r.head(tokens[i:])
		if used == 0 {
			parts = append(parts, part{text: tokens[i]})
			i++
			continue
		}
		for ; !found.isLost(); used += 2 {
			name, is := stepBehind(tokens[i+used:])
			next := found.within(named(name))
			if !is || next.isLost() && found.kind != object {
				break
			}
			found = next
		}
		if found.isLost() {
			return found
		}
		parts = append(parts, part{of: found})
		i += used
	}
	if len(parts) == 1 && parts[0].of != nil {
		return parts[0].of
	}
	return formulaOf(asl.JSONata, parts...)
}

// boundIn are the names that an expression gives to values of its own.
func boundIn(tokens []string) (names []string) {
	params := false
	for i, t := range tokens {
		name, is := strings.CutPrefix(t, "$")
		switch {
		case t == "function" || t == "λ":
			params = true
		case t == "{":
			params = false
		case is && name != "" && (params || i > 0 && (tokens[i-1] == "@" || tokens[i-1] == "#") || next(tokens[i+1:]) == ":="):
			names = append(names, name)
		}
	}
	return names
}

// next is the next token that is no space, "" where there is none.
func next(tokens []string) string {
	for _, t := range tokens {
		if strings.TrimSpace(t) != "" && !strings.HasPrefix(t, "/*") {
			return t
		}
	}
	return ""
}

// head is what the first of these tokens stands for, and how many it takes: none
// where it stands for itself.
func (r *reading) head(tokens []string) (*source, int) {
	name, is := strings.CutPrefix(tokens[0], "$")
	switch {
	case is && name == "states":
		of, known := stepBehind(tokens[1:])
		if !known {
			return lose("all of $states"), 1
		}
		return r.states(of, tokens[3:])
	case is && r.house.variables[name]:
		return r.variable(name), 1
	}
	return nil, 0
}

// states is a member of $states.
func (r *reading) states(of string, behind []string) (*source, int) {
	switch of {
	case "input":
		return r.data, 3
	case "result":
		return r.result, 3
	case "errorOutput":
		return r.failure, 3
	}
	var steps []step
	used := 3
	for name, is := stepBehind(behind); is; name, is = stepBehind(behind) {
		steps, behind, used = append(steps, named(name)), behind[2:], used+2
	}
	return r.contextAt(steps), used
}

// stepBehind is the name in ".name", where that comes next.
func stepBehind(tokens []string) (string, bool) {
	if len(tokens) < 2 || tokens[0] != "." {
		return "", false
	}
	name := tokens[1]
	if quoted, is := strings.CutPrefix(name, "`"); is {
		return strings.TrimSuffix(quoted, "`"), true
	}
	return name, isName(name) && !(len(tokens) > 2 && tokens[2] == "(")
}

func quotedName(name string) string {
	if isName(name) && name != "and" && name != "or" && name != "in" {
		return name
	}
	return "`" + name + "`"
}

// spelled is a source as an expression. An array would take in the items of those
// within it, so there is none of a list.
func spelled(s *source) (string, bool) {
	switch s.kind {
	case constant:
		return s.constant.Text().String(), true
	case place:
		return queryTo(s)
	case object:
		return spelledObject(s)
	case formula:
		text, ok := inner(s)
		return "(" + text + ")", ok
	}
	return "", false
}

// inner is a formula without parentheses around it.
func inner(s *source) (string, bool) {
	if s.language != asl.JSONata {
		return "", false
	}
	var b strings.Builder
	for _, p := range s.parts {
		b.WriteString(p.text)
		if p.of != nil {
			text, ok := spelled(p.of)
			if !ok {
				return "", false
			}
			b.WriteString(text)
		}
	}
	return b.String(), true
}

func spelledObject(s *source) (string, bool) {
	members := make([]string, len(s.members))
	for i, m := range s.members {
		text, ok := spelled(m.of)
		if !ok {
			return "", false
		}
		members[i] = value.NewString(m.name).Text().String() + ": " + text
	}
	over := "{" + strings.Join(members, ", ") + "}"
	if s.base == nil {
		return over, true
	}
	base, ok := spelled(s.base)
	return "$merge([" + base + ", " + over + "])", ok
}

// queryRoots are the expressions of where places begin, in a body.
var queryRoots = map[root]string{input: "$states.input", result: "$states.result", failure: "$states.context.Saga", context: "$states.context"}

// queryTo is the expression of a place. An error without a name or a cause has
// null for it, as a catcher sees it.
func queryTo(s *source) (string, bool) {
	var b strings.Builder
	b.WriteString(queryRoots[s.root])
	if s.root == variable {
		b.WriteString("$" + s.name)
	}
	for i, t := range s.steps {
		switch t.kind {
		case asWritten:
			return "", false
		case byNumber:
			b.WriteString("[" + strconv.Itoa(t.number) + "]")
		default:
			b.WriteString("." + quotedName(t.name))
		}
		if s.root == failure && i == 0 {
			text := b.String()
			b.Reset()
			b.WriteString("($exists(" + text + ") ? " + text + " : null)")
		}
	}
	return b.String(), true
}

// writeQuery is a source as a JSONata template.
func writeQuery(s *source) (value.Value, bool) {
	switch {
	case s.kind == constant:
		return s.constant, !strings.HasPrefix(s.constant.AsString(), "{%")
	case s.kind == object && s.base == nil:
		b := value.NewBuilder(len(s.members))
		for _, m := range s.members {
			v, ok := writeQuery(m.of)
			if !ok {
				return v, false
			}
			b.Set(m.name, v)
		}
		return b.Object(), true
	case s.kind == list:
		items := make([]value.Value, len(s.items))
		for i, item := range s.items {
			v, ok := writeQuery(item)
			if !ok {
				return v, false
			}
			items[i] = v
		}
		return value.NewArray(items), true
	case s.kind == formula:
		text, ok := inner(s)
		return value.NewString("{% " + text + " %}"), ok
	}
	text, ok := spelled(s)
	return value.NewString("{% " + text + " %}"), ok
}
