package asl

// seconds are the bounds of a time that a field gives.
var seconds = bounds{1, MaxSeconds, true}

// task reads what a Task has of its own.
func (c *compiler) task(s *State, n *node) {
	s.Retry, s.Catch = c.retries(n), c.catchers(s, n)
	s.Task = &TaskFields{
		TimeoutSeconds:   c.quantity(s, n, "TimeoutSeconds", seconds),
		HeartbeatSeconds: c.quantity(s, n, "HeartbeatSeconds", seconds),
	}
	t, h := s.Task.TimeoutSeconds.Literal, s.Task.HeartbeatSeconds.Literal
	if t != nil && h != nil && *h >= *t {
		c.schema(n.get("HeartbeatSeconds"), "The value of 'HeartbeatSeconds' must be smaller than 'TimeoutSeconds'")
	}
	c.required(n, "Resource")
	if r := n.get("Resource"); r != nil {
		s.Task.Resource = c.resource(r)
	}
	if k := n.get("Credentials"); k != nil {
		s.Task.RoleARN = c.credentials(s, k)
	}
	s.Step = c.step(s, n)
}

// credentials reads the role that a task is done under. Other members mean
// nothing to the service, but must be well formed.
func (c *compiler) credentials(s *State, n *node) Line {
	if !c.object(n) {
		return Line{}
	}
	if n.get("RoleArn") == nil && (s.Language == JSONata || n.get("RoleArn.$") == nil) {
		c.schema(n, "The field 'RoleArn' is required but was missing")
	}
	return c.line(s.Language, n, "RoleArn", ".$", true)
}
