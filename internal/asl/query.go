package asl

import (
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/jsonata"
	"github.com/backstep/backstep/internal/jsonpath"
	"github.com/backstep/backstep/internal/value"
)

// query compiles a JSONata template: a value in which strings between {% and
// %} are expressions. The location is how failures name it: "Output/total".
func (c *compiler) query(n *node, location string) *Template {
	switch n.kind {
	case value.String:
		if c.isQuery(n) {
			return &Template{Query: c.queryExpr(n, location)}
		}
	case value.Array:
		parts := make([]*Template, len(n.items))
		for i, item := range n.items {
			parts[i] = c.query(item, location+"["+itoa(i)+"]")
		}
		return foldArray(parts)
	case value.Object:
		members := make([]TemplateMember, len(n.items))
		for i, m := range n.items {
			members[i] = TemplateMember{m.name, c.query(m, location+"/"+m.name)}
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
	opens, closes := strings.HasPrefix(n.text(), "{%"), strings.HasSuffix(n.text(), "%}")
	if opens != closes {
		c.schema(n, "A JSONata expression must begin with '{%' and end with '%}'")
		return false
	}
	return opens && len(n.text()) >= len("{%%}")
}

// queryExpr compiles the expression that a string holds, nil where it is none.
func (c *compiler) queryExpr(n *node, location string) *QueryExpr {
	text := strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(n.text(), "{%"), "%}"))
	e, err := jsonata.Compile(text, jsonata.AWS)
	if err != nil {
		c.schema(n, "The JSONata expression '"+text+"' is not valid: "+err.Error())
		return nil
	}
	return &QueryExpr{Expression: e, Location: location, Text: text}
}

// onlyQuery compiles a field that must be an expression.
func (c *compiler) onlyQuery(n *node, location string) *QueryExpr {
	if !c.isQuery(n) {
		c.schema(n, "Value must be a JSONata expression")
		return nil
	}
	return c.queryExpr(n, location)
}

// bounds are the least and most that a number may be, and whether it must be
// whole.
type bounds struct {
	least, most float64
	whole       bool
}

// quantity reads a number that may be computed: the field itself, or in
// JSONPath the field whose name ends in "Path".
func (c *compiler) quantity(s *State, n *node, name string, b bounds) Quantity {
	if s.Language == JSONPath {
		c.atMostOne(n, name, name+"Path")
		if p := n.get(name + "Path"); p != nil {
			return Quantity{Path: c.path(p), Field: name + "Path"}
		}
	}
	f := n.get(name)
	switch {
	case f == nil:
		return Quantity{}
	case s.Language == JSONata && c.isQuery(f):
		return Quantity{Query: c.queryExpr(f, name), Field: name}
	case b.whole:
		if i, ok := c.integer(f, int64(b.least), int64(b.most)); ok {
			literal := float64(i)
			return Quantity{Literal: &literal, Field: name}
		}
	default:
		if literal, ok := c.number(f, b.least, b.most); ok {
			return Quantity{Literal: &literal, Field: name}
		}
	}
	return Quantity{}
}

// line reads a text that may be computed: the field itself, or in JSONPath the
// field of the name with suffix.
func (c *compiler) line(l Language, n *node, name, suffix string) Line {
	if l == JSONPath {
		c.atMostOne(n, name, name+suffix)
		if p := n.get(name + suffix); p != nil {
			return Line{Path: c.textExpression(p), Field: name + suffix}
		}
	}
	f := n.get(name)
	if f == nil {
		return Line{}
	}
	if l == JSONata && c.isQuery(f) {
		return Line{Query: c.queryExpr(f, name), Field: name}
	}
	if text, ok := c.string(f); ok {
		return Line{Literal: &text, Field: name}
	}
	return Line{}
}

// textFunctions are the intrinsic functions that can give a string.
var textFunctions = []string{"States.ArrayGetItem", "States.Base64Encode", "States.Base64Decode", "States.Format",
	"States.JsonToString", "States.Hash", "States.UUID"}

// textExpression compiles a path, or a call that gives a string.
func (c *compiler) textExpression(n *node) *jsonpath.Expression {
	e, ok := c.expression(n)
	if !ok || e.Call() != "" && !slices.Contains(textFunctions, e.Call()) {
		c.schema(n, "The value for the field '"+n.name+
			"' must be a valid JSONPath or a valid intrinsic function call that returns a string")
		return nil
	}
	return e
}
