package asl

import (
	"strings"

	"github.com/backstep/backstep/internal/value"
)

// choice reads what a Choice has of its own.
func (c *compiler) choice(s *State, n *node) {
	s.Choice = &ChoiceFields{}
	if d := n.get("Default"); d != nil {
		s.Choice.Default = c.target(d)
	}
	c.required(n, "Choices")
	choices := n.get("Choices")
	if choices == nil {
		return
	}
	s.Choice.Rules = make([]Rule, 0, len(choices.items))
	for _, item := range c.list(choices) {
		if c.object(item) {
			s.Choice.Rules = append(s.Choice.Rules, c.rule(s, item))
		}
	}
}

// rule reads one of a Choice's Choices.
func (c *compiler) rule(s *State, n *node) Rule {
	c.required(n, "Next")
	r := Rule{}
	if next := n.get("Next"); next != nil {
		r.Next = c.target(next)
	}
	if a := n.get("Assign"); a != nil {
		r.Assign = c.assignment(s, a, false)
	}
	if s.Language == JSONPath {
		r.Condition = c.condition(n, 0)
		return r
	}
	c.stateFields(s, n, kind{fields: queryRuleFields}, false)
	c.required(n, "Condition")
	if o := n.get("Output"); o != nil {
		r.Output = c.query(o)
	}
	if q := n.get("Condition"); q != nil {
		r.Query = c.truth(q)
	}
	return r
}

// truth compiles a Condition: an expression, or true or false.
func (c *compiler) truth(n *node) *QueryExpr {
	if n.kind == value.Bool {
		return c.queryExpr(n, n.scalar.Text().String())
	}
	refused := c.errors
	if c.isQuery(n) {
		return c.queryExpr(n, insideMarks(n))
	}
	if c.errors == refused {
		c.schema(n, "Value must be a JSONata expression")
	}
	return nil
}

// condition reads a JSONPath rule, or one within a rule. Depth 0 is the rule
// of the state itself, which alone has Next and Assign.
func (c *compiler) condition(n *node, depth int) *Condition {
	if depth > MaxNesting {
		c.refuse(TooDeeplyNested, n, "The rules are nested too deeply")
		return nil
	}
	operator, variable := c.operator(n, depth)
	if operator == nil {
		return nil
	}
	k := &Condition{}
	switch operator.name {
	case "And":
		k.And = c.conditions(operator, depth+1)
	case "Or":
		k.Or = c.conditions(operator, depth+1)
	case "Not":
		if c.object(operator) {
			k.Not = c.condition(operator, depth+1)
		}
	default:
		if variable == nil {
			c.required(n, "Variable")
			return nil
		}
		k.Variable, k.Test = c.path(variable), c.test(operator)
		return k
	}
	if variable != nil {
		c.schema(n, "Field 'Variable' is not supported")
	}
	return k
}

// operator finds the one operator of a rule, and its Variable.
func (c *compiler) operator(n *node, depth int) (operator, variable *node) {
	for _, m := range n.items {
		switch {
		case m.name == "Variable":
			variable = m
		case m.name == "Comment", depth == 0 && (m.name == "Next" || m.name == "Assign"):
		case m.name == "And" || m.name == "Or" || m.name == "Not" || isTest(m.name):
			if operator != nil {
				c.schema(n, "Only one of ["+operator.name+", "+m.name+"] is allowed")
				return nil, nil
			}
			operator = m
		case m.name == "Condition" || m.name == "Output":
			c.foreign(n, m.name, "JSONPath", "JSONata")
		default:
			c.schema(n, "Field '"+m.name+"' is not supported")
		}
	}
	if operator == nil {
		c.schema(n, "A choice rule must have exactly one comparison operator")
	}
	return operator, variable
}

func (c *compiler) conditions(list *node, depth int) []*Condition {
	all := make([]*Condition, 0, len(list.items))
	for _, item := range c.list(list) {
		if c.object(item) {
			all = append(all, c.condition(item, depth))
		}
	}
	return all
}

// operand is what a test is against.
func operand(operator string) (kind value.Kind, ok bool) {
	switch operator {
	case "StringEquals", "StringLessThan", "StringGreaterThan", "StringLessThanEquals", "StringGreaterThanEquals",
		"StringMatches",
		"TimestampEquals", "TimestampLessThan", "TimestampGreaterThan", "TimestampLessThanEquals",
		"TimestampGreaterThanEquals":
		return value.String, true
	case "NumericEquals", "NumericLessThan", "NumericGreaterThan", "NumericLessThanEquals", "NumericGreaterThanEquals":
		return value.Number, true
	case "BooleanEquals", "IsNull", "IsPresent", "IsNumeric", "IsString", "IsBoolean", "IsTimestamp":
		return value.Bool, true
	}
	return value.Absent, false
}

// isTest reports whether a member is a comparison.
func isTest(name string) bool {
	if _, ok := operand(name); ok {
		return true
	}
	base, isPath := strings.CutSuffix(name, "Path")
	_, ok := operand(base)
	return isPath && ok && base != "StringMatches" && !strings.HasPrefix(base, "Is")
}

// test reads a comparison.
func (c *compiler) test(n *node) Test {
	kind, ok := operand(n.name)
	if !ok {
		return Test{Operator: strings.TrimSuffix(n.name, "Path"), Path: c.path(n)}
	}
	t := Test{Operator: n.name, Literal: n.scalar}
	if c.is(n, kind) && strings.HasPrefix(n.name, "Timestamp") && !IsTimestamp(n.text()) {
		c.schema(n, "String does not match RFC3339 timestamp")
	}
	return t
}
