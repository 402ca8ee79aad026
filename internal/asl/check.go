package asl

import "github.com/backstep/backstep/internal/value"

// Rules is what the place where a definition is to run can do.
type Rules struct {
	Express     bool // the machine is an EXPRESS one
	Distributed bool // distributed Maps can run
	Strict      bool // the language of AWS alone, without what is ours

	// Serves tells whether a task can run: of a service, an action and a
	// pattern as [Resource] has them, "lambda", "invoke" for a function's ARN.
	// Activities and nested executions are not asked for. Nil: whatever is
	// well formed. [OnAWS] is what AWS itself says.
	Serves func(service, action string, p Pattern) bool

	// Foreign: a task that is not served is doubtful and not refused where its
	// service is none that AWS has integrations with: the language takes any
	// name for a resource, and another place may know it.
	Foreign bool

	MaxBytes int // of the definition's text; 0: [MaxBytes]
}

// Check tells what is wrong with a definition, and what is doubtful: state by
// state in the order of the text. It is what [Compile] refuses by.
func Check(d *Definition, rules Rules) []Diagnostic {
	return compile(d, rules).diagnostics
}

// checkFlow refuses states that nothing leads to, and a machine that can't
// end. It goes by the text alone, so that a state refused for something else
// still leads where it says.
func (c *compiler) checkFlow(n, start *node) {
	s := c.scope
	if !ends(s.nodes) {
		const message = "Workflow has no terminal state"
		if s.outer == nil {
			c.refuse(MissingEndState, nil, message)
			return
		}
		c.warn(MissingEndState, n, message)
	}
	at := make(map[string]int, len(s.nodes))
	for i, state := range s.nodes {
		at[state.name] = i
	}
	reached := make([]bool, len(s.nodes))
	waiting := []*node{start}
	for len(waiting) > 0 {
		i, ok := at[waiting[len(waiting)-1].text()]
		waiting = waiting[:len(waiting)-1]
		if ok && !reached[i] {
			reached[i] = true
			waiting = append(waiting, transitions(s.nodes[i])...)
		}
	}
	for i, state := range s.nodes {
		if !reached[i] {
			c.refuse(MissingTransitionTarget, state, `State "`+state.name+`" is not reachable.`)
		}
	}
}

// ends reports whether a state among them is terminal, or may be meant so.
func ends(states []*node) bool {
	for _, n := range states {
		t := n.get("Type")
		if n.kind != value.Object || isTrue(n.get("End")) ||
			t != nil && (t.text() == string(Succeed) || t.text() == string(Fail)) {
			return true
		}
	}
	return len(states) == 0
}

// transitions are the names of the states that a state leads to.
func transitions(state *node) []*node {
	var names []*node
	add := func(n *node) {
		if n != nil && n.kind == value.String {
			names = append(names, n)
		}
	}
	add(state.get("Next"))
	add(state.get("Default"))
	for _, list := range []*node{state.get("Choices"), state.get("Catch")} {
		if list != nil {
			for _, item := range list.items {
				add(item.get("Next"))
			}
		}
	}
	return names
}
