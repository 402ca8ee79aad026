package asl

import "strings"

// pass reads what a Pass has of its own.
func (c *compiler) pass(s *State, n *node) {
	s.Pass = &PassFields{}
	if r := n.get("Result"); r != nil && s.Language == JSONPath {
		s.Pass.Result = r.value()
		if hasDynamic(r) {
			c.warn(PassResultIsStatic, r, "The Result of a Pass is static: a name that ends with '.$' means nothing in it")
		}
	}
}

// hasDynamic reports whether a name within ends with ".$".
func hasDynamic(n *node) bool {
	for _, m := range n.items {
		if strings.HasSuffix(m.name, ".$") || hasDynamic(m) {
			return true
		}
	}
	return false
}
