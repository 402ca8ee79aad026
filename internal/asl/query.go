package asl

import (
	"errors"
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/jsonata"
	"github.com/backstep/backstep/internal/jsonpath"
	"github.com/backstep/backstep/internal/value"
)

// query compiles a JSONata template: a value in which strings between {% and
// %} are expressions.
func (c *compiler) query(n *node) *Template {
	switch n.kind {
	case value.String:
		if c.isQuery(n) {
			return &Template{Query: c.queryExpr(n, insideMarks(n))}
		}
	case value.Array:
		parts := make([]*Template, len(n.items))
		for i, item := range n.items {
			parts[i] = c.query(item)
		}
		return foldArray(parts)
	case value.Object:
		members := make([]TemplateMember, len(n.items))
		for i, m := range n.items {
			members[i] = TemplateMember{m.name, c.query(m)}
		}
		return foldObject(members)
	}
	return &Template{Constant: n.scalar}
}

// isQuery reports whether a node is a string that holds an expression. One
// mark without the other is refused.
func (c *compiler) isQuery(n *node) bool {
	if n.kind != value.String {
		return false
	}
	opens, closes := strings.HasPrefix(n.text(), "{%"), strings.HasSuffix(n.text(), "%}") && n.text() != "{%}"
	if opens != closes {
		c.schema(n, "A JSONata expression must begin with '{%' and end with '%}'")
		return false
	}
	return opens
}

// insideMarks is the expression that a string holds, as causes quote it.
func insideMarks(n *node) string {
	return strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(n.text(), "{%"), "%}"))
}

// queryExpr compiles an expression, nil where it is none.
func (c *compiler) queryExpr(n *node, text string) *QueryExpr {
	e, err := jsonata.Compile(text, jsonata.AWS)
	if err != nil {
		var reason *jsonata.Error
		errors.As(err, &reason)
		c.refuse(InvalidJSONata, n, reason.Message)
		return nil
	}
	c.unsupported(n, e)
	for _, name := range e.Variables() {
		if name != "states" {
			c.state.reads[name] = true
		}
	}
	location := strings.TrimPrefix(n.beneath(c.state.node), "/")
	return &QueryExpr{Expression: e, Location: location, Text: text, Members: e.Members("states")}
}

// unsupported refuses what an expression reads that is never there.
func (c *compiler) unsupported(n *node, e *jsonata.Expression) {
	for _, name := range e.TopLevel() {
		if name == "$$" {
			c.refuse(UnsupportedJSONata, n, "Reference to '$$' is not supported.")
		} else {
			c.refuse(UnsupportedJSONata, n, "Reference to '"+name+"' at the top level is not supported.")
		}
	}
	if !c.state.caught && slices.Contains(e.Fields("states"), "errorOutput") {
		c.refuse(UnsupportedJSONata, n, "Field '$states.errorOutput' does not exist.")
	}
}

// bounds are the least and most that a number may be, and whether it must be
// whole.
type bounds struct {
	least, most int64
	whole       bool
}

// quantity reads a number that may be computed: the field itself, or in
// JSONPath the field whose name ends in "Path".
func (c *compiler) quantity(s *State, n *node, name string, b bounds) Quantity {
	if s.Language == JSONPath {
		c.atMostOne(n, name, name+"Path")
		if p := n.get(name + "Path"); p != nil {
			return Quantity{Path: c.definite(p), Field: name + "Path"}
		}
	}
	f := n.get(name)
	switch {
	case f == nil:
		return Quantity{}
	case s.Language == JSONata && c.isQuery(f):
		return Quantity{Query: c.queryExpr(f, insideMarks(f)), Field: name}
	case b.whole:
		if i, ok := c.integer(f, b.least, b.most); ok {
			literal := float64(i)
			return Quantity{Literal: &literal, Field: name}
		}
	default:
		if literal, ok := c.number(f, float64(b.least), float64(b.most)); ok {
			return Quantity{Literal: &literal, Field: name}
		}
	}
	return Quantity{}
}

// line reads a text that may be computed: the field itself, or in JSONPath the
// field of the name with suffix, which may be a call where calls is true.
func (c *compiler) line(l Language, n *node, name, suffix string, calls bool) Line {
	if l == JSONPath {
		c.atMostOne(n, name, name+suffix)
		if p := n.get(name + suffix); p != nil {
			return Line{Path: c.textExpression(p, calls), Field: name + suffix}
		}
	}
	f := n.get(name)
	if f == nil {
		return Line{}
	}
	if l == JSONata && c.isQuery(f) {
		return Line{Query: c.queryExpr(f, insideMarks(f)), Field: name}
	}
	if text, ok := c.string(f); ok {
		c.hint(f, NoPath, "The value looks like a path, but the name of the field does not end with 'Path'")
		return Line{Literal: &text, Field: name}
	}
	return Line{}
}

// textFunctions are the intrinsic functions that can give a string.
var textFunctions = []string{"States.ArrayGetItem", "States.Base64Encode", "States.Base64Decode", "States.Format",
	"States.JsonToString", "States.Hash", "States.UUID"}

// textExpression compiles a path, or a call that gives a string.
func (c *compiler) textExpression(n *node, calls bool) *jsonpath.Expression {
	e, ok := c.expression(n)
	switch {
	case ok && e.Call() == "" || ok && calls && slices.Contains(textFunctions, e.Call()):
		return e
	case calls:
		c.schema(n, "The value for the field '"+n.name+
			"' must be a valid JSONPath or a valid intrinsic function call that returns a string")
	default:
		c.schema(n, "The value for the field '"+n.name+"' must be a valid JSONPath")
	}
	return nil
}
