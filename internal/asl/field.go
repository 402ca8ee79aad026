package asl

import (
	"strconv"
	"strings"

	"github.com/backstep/backstep/internal/value"
)

// MaxSeconds is the longest time that a field may give.
const MaxSeconds = 99_999_999

func itoa(i int) string { return strconv.Itoa(i) }

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
		case !ok:
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

// required refuses an object for the fields that it lacks.
func (c *compiler) required(n *node, missing []string) {
	if len(missing) > 0 {
		c.schema(n, "These fields are required: ["+strings.Join(missing, ", ")+"]")
	}
}

// atMostOne refuses an object that has several of the fields.
func (c *compiler) atMostOne(n *node, names ...string) {
	count := 0
	for _, name := range names {
		if n.get(name) != nil {
			count++
		}
	}
	if count > 1 {
		c.schema(n, "Only one of ["+strings.Join(names, ", ")+"] is allowed")
	}
}

// exactlyOne refuses an object that has none of the fields, or several.
func (c *compiler) exactlyOne(n *node, names ...string) {
	for _, name := range names {
		if n.get(name) != nil {
			c.atMostOne(n, names...)
			return
		}
	}
	c.schema(n, "One of these fields is required: ["+strings.Join(names, ", ")+"]")
}

// oneOf refuses a value that is none of those allowed.
func (c *compiler) oneOf(n *node, allowed ...string) {
	c.schema(n, "Value should be one of the following: ["+strings.Join(allowed, ", ")+"]")
}

// is refuses a node of another kind.
func (c *compiler) is(n *node, kind value.Kind, article string) bool {
	if n.kind != kind {
		c.schema(n, "Value must be "+article+" "+kind.String()+", but was "+n.kind.String())
		return false
	}
	return true
}

func (c *compiler) object(n *node) bool { return c.is(n, value.Object, "an") }
func (c *compiler) array(n *node) bool  { return c.is(n, value.Array, "an") }

func (c *compiler) string(n *node) (string, bool) {
	if !c.is(n, value.String, "a") {
		return "", false
	}
	return n.text(), true
}

func (c *compiler) boolean(n *node) (bool, bool) {
	if !c.is(n, value.Bool, "a") {
		return false, false
	}
	return n.scalar.AsBool(), true
}

// integer reads a whole number within bounds.
func (c *compiler) integer(n *node, least, most int64) (int64, bool) {
	if !c.is(n, value.Number, "a") {
		return 0, false
	}
	i, ok := n.scalar.AsInt()
	switch {
	case !ok:
		c.schema(n, "Value must be an integer")
	case i < least:
		c.schema(n, "Minimum value is "+strconv.FormatInt(least, 10))
	case i > most:
		c.schema(n, "Maximum value is "+strconv.FormatInt(most, 10))
	default:
		return i, true
	}
	return 0, false
}

// number reads a number within bounds.
func (c *compiler) number(n *node, least, most float64) (float64, bool) {
	if !c.is(n, value.Number, "a") {
		return 0, false
	}
	f := n.scalar.AsFloat()
	switch {
	case f < least:
		c.schema(n, "Minimum value is "+value.NewFloat(least).Spelling())
	case f > most:
		c.schema(n, "Maximum value is "+value.NewFloat(most).Spelling())
	default:
		return f, true
	}
	return 0, false
}
