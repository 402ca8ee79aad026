package asl

// succeed reads what a Succeed has of its own: nothing.
func (c *compiler) succeed(*State, *node) {}

// fail reads what a Fail has of its own.
func (c *compiler) fail(s *State, n *node) {
	s.Fail = &FailFields{
		Error: c.line(s.Language, n, "Error", "Path", true),
		Cause: c.line(s.Language, n, "Cause", "Path", true),
	}
}
