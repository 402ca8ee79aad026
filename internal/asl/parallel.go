package asl

// parallel reads what a Parallel has of its own.
func (c *compiler) parallel(s *State, n *node) {
	s.Retry, s.Catch = c.retries(n), c.catchers(s, n)
	s.Parallel = &ParallelFields{}
	c.required(n, "Branches")
	branches := n.get("Branches")
	if branches == nil {
		return
	}
	for i, b := range c.list(branches) {
		if c.object(b) {
			c.supported(b, branchFields)
			flow := c.flow(b, &scope{flow: &Flow{Owner: s, Index: i}})
			s.Parallel.Branches = append(s.Parallel.Branches, flow)
		}
	}
}
