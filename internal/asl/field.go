package asl

import (
	"slices"
	"strconv"
	"strings"

	"github.com/backstep/backstep/internal/value"
)

// MaxSeconds is the longest time that a field may give.
const MaxSeconds = 99_999_999

// supported refuses the members of an object that are not in the table.
func (c *compiler) supported(n *node, fields []field) {
	for _, m := range n.items {
		if _, ok := find(fields, m.name); !ok {
			c.schema(n, "Field '"+m.name+"' is not supported")
		}
	}
}

// stateFields refuses the members of a state, or of an object within it, that
// its type or its query language does not have.
func (c *compiler) stateFields(s *State, n *node, k kind, anyLanguage bool) {
	for _, m := range n.items {
		f, ok := find(k.fields, m.name)
		switch {
		case !ok, c.rules.Strict && isStepField(m.name):
			c.schema(n, "Field '"+m.name+"' is not supported")
		case anyLanguage:
		case f.use == inPath && s.Language == JSONata:
			c.foreign(n, m.name, "JSONata", "JSONPath")
		case f.use == inQuery && s.Language == JSONPath:
			c.foreign(n, m.name, "JSONPath", "JSONata")
		}
	}
}

func (c *compiler) foreign(n *node, name, is, only string) {
	c.schema(n, "The QueryLanguage is set to '"+is+"', but field '"+name+
		"' is only supported for the '"+only+"' QueryLanguage")
}

// required refuses an object that lacks some of the fields.
func (c *compiler) required(n *node, names ...string) {
	missing := slices.DeleteFunc(names, func(name string) bool { return n.get(name) != nil })
	if len(missing) > 0 {
		c.schema(n, "These fields are required: ["+strings.Join(missing, ", ")+"]")
	}
}

// atMostOne refuses an object that has several of the fields.
func (c *compiler) atMostOne(n *node, names ...string) {
	if count(n, names) > 1 {
		c.schema(n, "Only one of ["+strings.Join(names, ", ")+"] is allowed")
	}
}

// exactlyOne refuses an object that has none of the fields, or several.
func (c *compiler) exactlyOne(n *node, names ...string) bool {
	if count(n, names) == 0 {
		c.schema(n, "One of these fields is required: ["+strings.Join(names, ", ")+"]")
	}
	c.atMostOne(n, names...)
	return count(n, names) == 1
}

// count is how many of the fields an object has.
func count(n *node, names []string) int {
	given := 0
	for _, name := range names {
		if n.get(name) != nil {
			given++
		}
	}
	return given
}

// typeNames are how the service names the kinds of JSON.
var typeNames = [...]string{
	value.Null: "NULL", value.Bool: "BOOLEAN", value.Number: "NUMBER",
	value.String: "STRING", value.Array: "ARRAY", value.Object: "OBJECT",
}

// is refuses a node of another kind.
func (c *compiler) is(n *node, kind value.Kind) bool {
	if n.kind != kind {
		c.schema(n, "Expected value of type ["+typeNames[kind]+"]")
	}
	return n.kind == kind
}

func (c *compiler) object(n *node) bool { return c.is(n, value.Object) }
func (c *compiler) array(n *node) bool  { return c.is(n, value.Array) }

func (c *compiler) string(n *node) (string, bool) { return n.text(), c.is(n, value.String) }

// list reads an array that must not be empty.
func (c *compiler) list(n *node) []*node {
	if !c.array(n) {
		return nil
	}
	if len(n.items) == 0 {
		c.schema(n, "Value cannot be empty")
	}
	return n.items
}

// choose reads a string that must be one of those allowed.
func (c *compiler) choose(n *node, allowed ...string) string {
	text, ok := c.string(n)
	if ok && !slices.Contains(allowed, text) {
		c.schema(n, "Value should be one of the following: ["+strings.Join(allowed, ", ")+"]")
	}
	return text
}

// integer reads a whole number within bounds.
func (c *compiler) integer(n *node, least, most int64) (int64, bool) {
	i, whole := n.scalar.AsInt()
	if n.kind != value.Number || !whole {
		c.schema(n, "Expected value of type [INTEGER]")
		return 0, false
	}
	switch {
	case i < least:
		c.schema(n, "Minimum value is "+strconv.FormatInt(least, 10))
	case i > most:
		c.schema(n, "Maximum value is "+strconv.FormatInt(most, 10))
	}
	return i, least <= i && i <= most
}

// orElse is the whole number that a member holds, or the default of an absent
// one.
func (c *compiler) orElse(n *node, name string, otherwise, least, most int64) int64 {
	if f := n.get(name); f != nil {
		otherwise, _ = c.integer(f, least, most)
	}
	return otherwise
}

// number reads a number within bounds.
func (c *compiler) number(n *node, least, most float64) (float64, bool) {
	f := n.scalar.AsFloat()
	switch {
	case !c.is(n, value.Number):
		return 0, false
	case f < least:
		c.schema(n, "Minimum value is "+value.NewFloat(least).Spelling())
	case f > most:
		c.schema(n, "Maximum value is "+value.NewFloat(most).Spelling())
	}
	return f, least <= f && f <= most
}
