package asl

// Rules is what the place where a definition is to run can do.
type Rules struct {
	Express     bool                                         // the machine is EXPRESS
	Distributed bool                                         // distributed Maps can run
	Serves      func(service, action string, p Pattern) bool // what tasks can run; nil: all that AWS has
	MaxBytes    int                                          // of the definition's text; 0: MaxBytes
}

// Check tells what is wrong with a definition, and what is doubtful. It is what
// [Compile] refuses by.
func Check(d *Definition, rules Rules) []Diagnostic {
	return compile(d, rules).diagnostics
}

// checkFlow refuses states that nothing leads to, and a flow that can't end.
func (c *compiler) checkFlow(n *node) {
	s := c.scope
	reached := make(map[*State]bool, len(s.flow.States))
	waiting := []*State{s.flow.Start}
	ends := false
	for len(waiting) > 0 {
		state := waiting[len(waiting)-1]
		waiting = waiting[:len(waiting)-1]
		if state == nil || reached[state] {
			continue
		}
		reached[state] = true
		ends = ends || state.terminal()
		waiting = append(waiting, state.successors()...)
	}
	for i, state := range s.flow.States {
		if !reached[state] {
			c.refuse(MissingTransitionTarget, s.nodes[i], `State "`+state.Name+`" is not reachable.`)
		}
	}
	if !ends && s.flow.Start != nil {
		c.refuse(MissingEndState, n, "Workflow has no terminal state")
	}
}

// terminal reports whether its flow can end with the state.
func (s *State) terminal() bool {
	return s.Next == nil && s.Type != Choice
}

// successors are the states that may come next, nil among them where a
// transition leads nowhere.
func (s *State) successors() []*State {
	next := []*State{s.Next}
	for _, k := range s.Catch {
		next = append(next, k.Next)
	}
	if s.Choice != nil {
		next = append(next, s.Choice.Default)
		for _, r := range s.Choice.Rules {
			next = append(next, r.Next)
		}
	}
	return next
}
