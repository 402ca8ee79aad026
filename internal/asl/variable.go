package asl

import (
	"unicode"
	"unicode/utf8"
)

// assigned is a variable that a flow assigns, remembered for the rule that no
// flow within assigns it too.
type assigned struct {
	scope  *scope
	name   string
	node   *node
	caught bool // by a catcher, whose names the flows of its state may have too
}

// assignment compiles an Assign, of a catcher where caught is true.
func (c *compiler) assignment(s *State, n *node, caught bool) *Assignment {
	if !c.object(n) {
		return nil
	}
	var members []TemplateMember
	if s.Language == JSONata {
		for _, m := range n.items {
			members = append(members, TemplateMember{m.name, c.query(m)})
		}
	} else {
		members, _ = c.payloadMembers(n, n)
		c.distinct(n, members)
	}
	a := &Assignment{Variables: make([]Variable, len(members))}
	for i, m := range members {
		a.Variables[i] = Variable(m)
		c.variable(m.Name, n.items[i])
		c.assigned = append(c.assigned, assigned{c.scope, m.Name, n.items[i], caught})
	}
	return a
}

// variable checks the name of a variable.
func (c *compiler) variable(name string, n *node) {
	switch {
	case name == "states":
		c.schema(n, "The variable name 'states' is reserved")
	case !isVariable(name):
		c.schema(n, "The variable name '"+name+"' is not valid")
	}
}

// MayAssign reports whether a name can be a variable's.
func (p *Program) MayAssign(name string) bool { return name != "states" && isVariable(name) }

// isVariable reports whether a name can be a variable's: a letter or "_", then
// letters, digits and "_", 80 characters at most. Paths are none.
func isVariable(name string) bool {
	if name == "" || utf8.RuneCountInString(name) > MaxNameLength {
		return false
	}
	for i, r := range name {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r) && !unicode.IsMark(r)) {
			return false
		}
	}
	return true
}

// checkVariables refuses a variable that a flow assigns and a flow around it
// assigns too: the inner one would hide it.
func (c *compiler) checkVariables() {
	own := make(map[*scope]map[string]bool)
	for _, a := range c.assigned {
		if own[a.scope] == nil {
			own[a.scope] = make(map[string]bool)
		}
		own[a.scope][a.name] = own[a.scope][a.name] || !a.caught
	}
	for _, a := range c.assigned {
		for s := a.scope; s.outer != nil && !s.apart; s = s.outer {
			if own[s.outer][a.name] {
				c.schema(a.node, "The variable '"+a.name+"' is already assigned in an outer scope")
				break
			}
		}
	}
}
