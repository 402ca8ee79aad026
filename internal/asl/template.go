package asl

import (
	"strings"

	"github.com/backstep/backstep/internal/jsonpath"
	"github.com/backstep/backstep/internal/value"
)

// payload compiles a JSONPath payload template: a value in which members whose
// names end in ".$" hold expressions.
func (c *compiler) payload(n *node) *Template { return c.payloadIn(n, n) }

// payloadIn compiles a part of the template that begins at root, the place of
// its diagnostics.
func (c *compiler) payloadIn(n, root *node) *Template {
	switch n.kind {
	case value.Array:
		parts := make([]*Template, len(n.items))
		for i, item := range n.items {
			parts[i] = c.payloadIn(item, root)
		}
		return foldArray(parts)
	case value.Object:
		return c.payloadObject(n, root)
	}
	c.hint(n, NoDollar, "The value looks like a path or a call, but the name of the field does not end with '.$'")
	return &Template{Constant: n.scalar}
}

func (c *compiler) payloadObject(n, root *node) *Template {
	members, dynamic := c.payloadMembers(n, root)
	if dynamic {
		c.distinct(n, members)
	}
	return foldObject(members)
}

// payloadMembers compiles the members of an object. Dynamic tells whether a
// name among them ended in ".$".
func (c *compiler) payloadMembers(n, root *node) (members []TemplateMember, dynamic bool) {
	members = make([]TemplateMember, len(n.items))
	for i, m := range n.items {
		name, isPath := strings.CutSuffix(m.name, ".$")
		if isPath {
			members[i], dynamic = TemplateMember{name, c.pathMember(m, root)}, true
		} else {
			members[i] = TemplateMember{name, c.payloadIn(m, root)}
		}
	}
	return members, dynamic
}

// distinct refuses members that have one name once ".$" is taken off.
func (c *compiler) distinct(n *node, members []TemplateMember) {
	seen := make(map[string]bool, len(members))
	for i, m := range members {
		if seen[m.Name] {
			c.schema(n.items[i], "The field '"+m.Name+"' stands twice once '.$' is taken off")
		}
		seen[m.Name] = true
	}
}

// pathMember compiles what a member whose name ends in ".$" holds.
func (c *compiler) pathMember(m, root *node) *Template {
	e, ok := c.expression(m)
	if !ok {
		c.schema(root, "The value for the field '"+m.name+"' must be a valid JSONPath or a valid intrinsic function call")
		return &Template{}
	}
	return &Template{Path: &PathExpr{Expression: e, Field: m.name, Text: m.text()}}
}

// expression compiles a path or a call.
func (c *compiler) expression(n *node) (*jsonpath.Expression, bool) {
	if n.kind != value.String {
		return nil, false
	}
	e, err := jsonpath.CompileExpression(n.text())
	if err != nil {
		return nil, false
	}
	for _, name := range e.Variables() {
		c.state.reads[name] = true
	}
	return e, true
}

// hint warns of a string that looks like a path or a call where it is neither.
func (c *compiler) hint(n *node, code Code, message string) {
	text := n.text()
	if !strings.HasPrefix(text, "$.") && !strings.HasPrefix(text, "$$.") && !strings.HasPrefix(text, "States.") {
		return
	}
	e, err := jsonpath.CompileExpression(text)
	if err == nil && (code == NoDollar || e.Call() == "") {
		c.warn(code, n, message)
	}
}

// foldArray is a template of items: a constant where all of them are.
func foldArray(parts []*Template) *Template {
	items := make([]value.Value, len(parts))
	for i, p := range parts {
		if p.Constant.IsAbsent() {
			return &Template{Array: parts, isArray: true}
		}
		items[i] = p.Constant
	}
	return &Template{Constant: value.NewArray(items)}
}

// foldObject is a template of members: a constant where all of them are.
func foldObject(members []TemplateMember) *Template {
	b := value.NewBuilder(len(members))
	for _, m := range members {
		if m.Value.Constant.IsAbsent() {
			return &Template{Object: members}
		}
		b.Set(m.Name, m.Value.Constant)
	}
	return &Template{Constant: b.Object()}
}

// selection compiles an InputPath, OutputPath or ItemsPath. "$" is the whole,
// as is an absent field.
func (c *compiler) selection(n *node) *Selection {
	if n == nil {
		return nil
	}
	if n.kind == value.Null {
		return &Selection{}
	}
	p := c.path(n)
	if p == nil || p.String() == "$" {
		return nil
	}
	return &Selection{Path: p}
}

// path compiles a path, nil where it is none.
func (c *compiler) path(n *node) *jsonpath.Path {
	text, ok := c.string(n)
	if !ok {
		return nil
	}
	p, err := jsonpath.Compile(text)
	if err != nil {
		c.schema(n, "Value is not a valid JSONPath: "+text)
		return nil
	}
	if root, name := p.Root(); root == jsonpath.RootVariable {
		c.state.reads[name] = true
	}
	return p
}

// definite compiles a path that can only ever give one value.
func (c *compiler) definite(n *node) *jsonpath.Path {
	p := c.path(n)
	if p != nil && !p.Definite() {
		c.schema(n, "Value is not a Reference Path: "+n.text())
	}
	return p
}

// destination compiles a ResultPath. "$" replaces everything, as does an
// absent field.
func (c *compiler) destination(n *node) *Destination {
	if n == nil {
		return nil
	}
	if n.kind == value.Null {
		return &Destination{}
	}
	text, ok := c.string(n)
	if !ok || text == "$" {
		return nil
	}
	r, err := jsonpath.CompileReference(text)
	if err != nil {
		c.schema(n, "Value is not a Reference Path: "+text)
		return nil
	}
	return &Destination{Reference: r}
}
