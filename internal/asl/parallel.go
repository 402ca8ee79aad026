package asl

// parallel reads what a Parallel has of its own.
func (c *compiler) parallel(s *State, n *node) {
	s.Retry, s.Catch = c.retries(n), c.catchers(s, n)
	s.Parallel = &ParallelFields{}
	branches := n.get("Branches")
	if branches == nil {
		c.required(n, []string{"Branches"})
		return
	}
	if !c.array(branches) {
		return
	}
	if len(branches.items) == 0 {
		c.schema(branches, "Value cannot be empty")
	}
	for i, b := range branches.items {
		if c.object(b) {
			c.supported(b, branchFields)
			s.Parallel.Branches = append(s.Parallel.Branches, c.flow(b, s, i, false))
		}
	}
}
