package asl

// pass reads what a Pass has of its own.
func (c *compiler) pass(s *State, n *node) {
	s.Pass = &PassFields{}
	if r := n.get("Result"); r != nil && s.Language == JSONPath {
		s.Pass.Result = r.value()
	}
}
