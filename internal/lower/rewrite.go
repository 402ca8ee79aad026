package lower

import (
	"fmt"
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/jsonata"
	"github.com/backstep/backstep/internal/value"
)

// places are where an expression finds what it names, once it stands in another
// state than it was written for. "": it stays as it is.
type places struct {
	input, result, saga, fault string
	failure                    string // the error that a Catch takes
	vars                       string // the object that holds the variables of names; "": they are what they were
	names                      []string
}

// of is where an entry of what is owed holds what a body names.
func of(entry, fault string, step *asl.Step) places {
	return places{input: entry + ".Input", result: entry + ".Result", saga: entry + ".Saga", fault: fault, vars: entry + ".Vars", names: step.Names}
}

// rewritten is a template whose expressions look elsewhere.
func (p places) rewritten(v value.Value) (value.Value, error) {
	switch v.Kind() {
	case value.String:
		text := v.AsString()
		inside, ok := expression(text)
		if !ok {
			return v, nil
		}
		moved, err := p.expression(inside)
		return value.NewString(query(moved)), err
	case value.Array:
		items := make([]value.Value, v.Len())
		for i, item := range v.Items() {
			var err error
			if items[i], err = p.rewritten(item); err != nil {
				return v, err
			}
		}
		return value.NewArray(items), nil
	case value.Object:
		out := value.NewBuilder(v.Len())
		for name, m := range v.Members() {
			moved, err := p.rewritten(m)
			if err != nil {
				return v, err
			}
			out.Set(name, moved)
		}
		return out.Object(), nil
	}
	return v, nil
}

// expression is what stands between {% and %}.
func expression(text string) (string, bool) {
	if !strings.HasPrefix(text, "{%") || !strings.HasSuffix(text, "%}") {
		return "", false
	}
	return strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(text, "{%"), "%}")), true
}

// expression is a JSONata expression that looks elsewhere.
func (p places) expression(text string) (string, error) {
	tokens := jsonata.Tokens(text)
	var out strings.Builder
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		name, isVariable := strings.CutPrefix(t, "$")
		switch {
		case isVariable && name == "states":
			moved, used, err := p.states(tokens[i+1:])
			if err != nil {
				return "", err
			}
			out.WriteString(moved)
			i += used
		case isVariable && p.vars != "" && slices.Contains(p.names, name):
			if next := after(tokens[i+1:], 0); next == ":=" || slices.Contains(tokens, "function") || slices.Contains(tokens, "λ") {
				return "", fmt.Errorf("the expression %q may hide the variable $%s", text, name)
			}
			out.WriteString(p.vars + "." + name)
		default:
			out.WriteString(t)
		}
	}
	return out.String(), nil
}

// states is what stands for $states and its next member, and how many tokens
// that takes.
func (p places) states(rest []string) (moved string, used int, err error) {
	dot, member := seek(rest, 0), 0
	if dot < 0 || rest[dot] != "." {
		return "", 0, fmt.Errorf("$states is used as a whole")
	}
	if member = seek(rest, dot+1); member < 0 {
		return "", 0, fmt.Errorf("$states is used as a whole")
	}
	keep := func(to string) (string, int, error) {
		if to == "" {
			to = "$states." + rest[member]
		}
		return to, member + 1, nil
	}
	switch rest[member] {
	case "input":
		return keep(p.input)
	case "result":
		return keep(p.result)
	case "context":
		return p.context(rest, member)
	case "errorOutput":
		return keep(p.failure)
	}
	return "", 0, fmt.Errorf("$states.%s is not known", rest[member])
}

// context is what stands for $states.context: of the saga, what its entry holds.
func (p places) context(rest []string, member int) (string, int, error) {
	const whole = "$states.context"
	dot := seek(rest, member+1)
	if dot < 0 || rest[dot] != "." || p.saga == "" {
		return whole, member + 1, nil
	}
	if saga := seek(rest, dot+1); saga >= 0 && rest[saga] == "Saga" {
		if at := seek(rest, saga+1); at >= 0 && rest[at] == "." {
			if name := seek(rest, at+1); name >= 0 && (rest[name] == "Error" || rest[name] == "Cause") {
				return p.fault + "." + rest[name], name + 1, nil
			}
		}
		return p.saga, saga + 1, nil
	}
	return whole, member + 1, nil
}

// seek is the place of the next token from i on that is no space, -1 where there
// is none.
func seek(tokens []string, i int) int {
	for ; i < len(tokens); i++ {
		if strings.TrimSpace(tokens[i]) != "" && !strings.HasPrefix(tokens[i], "/*") {
			return i
		}
	}
	return -1
}

func after(tokens []string, i int) string {
	if at := seek(tokens, i); at >= 0 {
		return tokens[at]
	}
	return ""
}

// query is a JSONPath template in JSONata that looks elsewhere: paths of names
// and numbers alone have a counterpart.
func (p places) query(v value.Value) (value.Value, error) {
	switch v.Kind() {
	case value.String:
		if strings.HasPrefix(v.AsString(), "{%") {
			return v, fmt.Errorf("the text %q would be an expression in JSONata", v.AsString())
		}
	case value.Array:
		items := make([]value.Value, v.Len())
		for i, item := range v.Items() {
			var err error
			if items[i], err = p.query(item); err != nil {
				return v, err
			}
		}
		return value.NewArray(items), nil
	case value.Object:
		out := value.NewBuilder(v.Len())
		for name, m := range v.Members() {
			moved, err := m, error(nil)
			if plain, isPath := strings.CutSuffix(name, ".$"); isPath {
				var text string
				name = plain
				text, err = p.path(m.AsString())
				moved = value.NewString(query(text))
			} else {
				moved, err = p.query(m)
			}
			if err != nil {
				return v, err
			}
			out.Set(name, moved)
		}
		return out.Object(), nil
	}
	return v, nil
}

// path is a JSONPath in JSONata.
func (p places) path(text string) (string, error) {
	unknown := fmt.Errorf("the path %q has no counterpart in JSONata", text)
	root, rest := "", text
	switch {
	case strings.HasPrefix(rest, "$$.Saga."):
		name := strings.TrimPrefix(rest, "$$.Saga.")
		root, rest = p.saga, "."+name
		if name == "Error" || name == "Cause" {
			root = p.fault
		}
	case strings.HasPrefix(rest, "$$."):
		root, rest = "$states.context", rest[2:]
	case rest == "$":
		return "{'input': " + p.input + ", 'result': " + p.result + "}", nil
	case strings.HasPrefix(rest, "$.input") && !continues(rest[7:]):
		root, rest = p.input, rest[7:]
	case strings.HasPrefix(rest, "$.result") && !continues(rest[8:]):
		root, rest = p.result, rest[8:]
	case strings.HasPrefix(rest, "$"):
		end := strings.IndexAny(rest, ".[")
		if end < 0 {
			end = len(rest)
		}
		name := rest[1:end]
		if !slices.Contains(p.names, name) {
			return "", unknown
		}
		if root, rest = "$"+name, rest[end:]; p.vars != "" {
			root = p.vars + "." + name
		}
	default:
		return "", unknown
	}
	steps, ok := plainSteps(rest)
	if !ok {
		return "", unknown
	}
	return root + steps, nil
}

// continues reports whether a name goes on.
func continues(rest string) bool {
	return rest != "" && rest[0] != '.' && rest[0] != '['
}

// plainSteps are the steps of a path, names and numbers alone, in JSONata.
func plainSteps(rest string) (string, bool) {
	var out strings.Builder
	for rest != "" {
		switch {
		case rest[0] == '.':
			end := 1
			for end < len(rest) && rest[end] != '.' && rest[end] != '[' {
				end++
			}
			name := rest[1:end]
			if name == "" || strings.ContainsAny(name, "*?@()'\"` ") {
				return "", false
			}
			out.WriteString(".`" + name + "`")
			rest = rest[end:]
		case strings.HasPrefix(rest, "['"):
			end := strings.Index(rest, "']")
			if end < 0 || strings.ContainsAny(rest[2:end], "`\\") {
				return "", false
			}
			out.WriteString(".`" + rest[2:end] + "`")
			rest = rest[end+2:]
		default:
			end := strings.IndexByte(rest, ']')
			if end < 2 || strings.Trim(rest[1:end], "0123456789") != "" {
				return "", false
			}
			out.WriteString(rest[:end+1])
			rest = rest[end+1:]
		}
	}
	return out.String(), true
}

// needs are what the bodies of a step look at, and so what its entry holds.
type needs struct{ input, result, saga, vars bool }

// needsOf looks through bodies as they stand in the text.
func needsOf(s *asl.State, raw value.Value, fields ...string) needs {
	n := needs{vars: len(s.Step.Names) > 0}
	for _, field := range fields {
		f := raw.Get(field)
		bodies := []value.Value{f}
		switch f.Kind() {
		case value.Absent:
			continue
		case value.Array:
			bodies = f.Items()
		}
		for _, b := range bodies {
			if !b.Has("Arguments") && !b.Has("Parameters") {
				n.input, n.result = true, true
			}
			text := b.Text().String()
			n.input = n.input || strings.Contains(text, "input")
			n.result = n.result || strings.Contains(text, "result") || strings.Contains(text, `"$"`)
			n.saga = n.saga || strings.Contains(text, "Saga")
		}
	}
	n.input = n.input || n.result
	return n
}
