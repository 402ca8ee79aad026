package asl

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/backstep/backstep/internal/jsonpath"
	"github.com/backstep/backstep/internal/value"
)

// SearchAttribute is one of a machine's SearchAttributes: something that its
// executions are found by. AWS has none.
type SearchAttribute struct {
	Name     string
	Language Language
	Value    *Template // a constant or one expression

	// What the expression reads: it need not be asked again before that changes.
	Input     bool     // what the state at hand was given
	Context   bool     // the context object, of which it sees Execution and StateMachine
	Variables []string // sorted
}

// searchAttributes compiles a machine's SearchAttributes, in order of name.
func (c *compiler) searchAttributes(root *node) {
	n := root.get("SearchAttributes")
	switch {
	case n == nil:
		return
	case c.rules.Strict:
		c.schema(root, "Field 'SearchAttributes' is not supported") // in the words for any other that AWS does not know
		return
	case !c.object(n):
		return
	case c.rules.Express:
		c.schema(n, "An EXPRESS state machine has no SearchAttributes: its executions are not kept")
	case len(n.items) > MaxSearchAttributes:
		c.schema(n, "There can be at most "+strconv.Itoa(MaxSearchAttributes)+" search attributes")
		return
	}
	defer func(outer *inside) { c.state = outer }(c.state)
	for _, m := range n.items {
		if !(SearchAttribute{Name: m.name}).ValidName() {
			c.schema(m, "'"+m.name+"' is no name of a search attribute: a letter or '_', then letters, digits and '_', at most "+
				strconv.Itoa(MaxAttributeName)+" characters")
		}
		c.state = &inside{node: n, reads: make(map[string]bool)}
		c.program.SearchAttributes = append(c.program.SearchAttributes, c.searchAttribute(m))
	}
	slices.SortFunc(c.program.SearchAttributes, func(a, b SearchAttribute) int { return strings.Compare(a.Name, b.Name) })
}

func (c *compiler) searchAttribute(n *node) SearchAttribute {
	a := SearchAttribute{Name: n.name, Language: c.language, Value: &Template{Constant: n.scalar}}
	switch {
	case n.kind != value.String && n.kind != value.Number && n.kind != value.Bool:
		c.schema(n, "A search attribute should be an expression, or a string, number or boolean")
	case c.language == JSONata && c.isQuery(n):
		c.queryAttribute(&a, n)
	case c.language == JSONPath && isExpression(n.text()):
		c.pathAttribute(&a, n)
	case utf8.RuneCountInString(n.text()) > MaxAttributeValue:
		c.schema(n, "The value of a search attribute has at most "+strconv.Itoa(MaxAttributeValue)+" characters")
	}
	return a
}

// isExpression reports whether a string of a JSONPath machine is meant as a path
// or a call.
func isExpression(text string) bool {
	return strings.HasPrefix(text, "$") || strings.HasPrefix(text, "States.")
}

func (c *compiler) queryAttribute(a *SearchAttribute, n *node) {
	q := c.queryExpr(n, insideMarks(n))
	if q == nil {
		return
	}
	if slices.Contains(q.Expression.Fields("states"), "result") {
		c.refuse(UnsupportedJSONata, n, "Field '$states.result' does not exist.")
	}
	a.Value = &Template{Query: q}
	a.Input, a.Context = q.Expression.Asks("states", "input"), q.Expression.Asks("states", "context")
	a.Variables = slices.DeleteFunc(slices.Clone(q.Expression.Variables()), func(name string) bool { return name == "states" })
}

func (c *compiler) pathAttribute(a *SearchAttribute, n *node) {
	e, ok := c.expression(n)
	if !ok {
		c.schema(n, "The value for the field '"+n.name+"' must be a valid JSONPath or a valid intrinsic function call")
		return
	}
	a.Value = &Template{Path: &PathExpr{Expression: e, Field: n.name, Text: n.text()}}
	for _, p := range e.Paths() {
		switch root, _ := p.Root(); root {
		case jsonpath.RootInput:
			a.Input = true
		case jsonpath.RootContext:
			a.Context = true
		}
	}
	a.Variables = slices.Sorted(slices.Values(e.Variables()))
}

// ValidName reports whether a search attribute can have the name: a letter or
// "_", then letters, digits and "_", all of ASCII, at most [MaxAttributeName].
func (a SearchAttribute) ValidName() bool {
	for i := range len(a.Name) {
		b := a.Name[i]
		if b != '_' && (b|0x20 < 'a' || b|0x20 > 'z') && (i == 0 || b < '0' || b > '9') {
			return false
		}
	}
	return a.Name != "" && len(a.Name) <= MaxAttributeName
}
