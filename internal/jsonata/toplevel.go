package jsonata

// TopLevel is what the expression reads of its input at the top: names of
// members, "$" and "$$", each once, in the order of writing. A state machine
// gives an expression no input, so that a reference of this kind is a mistake.
// What functions read of the context in which they were made is not looked at.
func (e *Expression) TopLevel() []string {
	var found []string
	seen := map[string]bool{}
	add := func(name string) {
		if !seen[name] {
			seen[name] = true
			found = append(found, name)
		}
	}
	e.root.top(add)
	e.root.walk(func(n *node) {
		if n.kind == variableNode && n.text == "$" {
			add("$$")
		}
	})
	return found
}

// top visits what n, whose context is the input, reads of it. Filters, later
// steps and groups have contexts of their own.
func (n *node) top(add func(string)) {
	switch n.kind {
	case nameNode:
		add(n.text)
	case variableNode:
		if n.text == "" {
			add("$")
		}
	case pathNode:
		n.list[0].top(add)
	case lambdaNode, transformNode:
	default:
		parts := append([]*node{n.left, n.right}, n.list...)
		for _, pair := range n.pairs {
			parts = append(parts, pair[:]...)
		}
		for _, part := range parts {
			if part != nil {
				part.top(add)
			}
		}
	}
}

// Fields is the names of the members that the expression reads straight from a
// variable, each once, in the order of writing: "input" where $states.input
// stands.
func (e *Expression) Fields(variable string) []string {
	var found []string
	seen := map[string]bool{}
	e.root.walk(func(n *node) {
		if n.kind != pathNode || len(n.list) < 2 {
			return
		}
		first, second := n.list[0], n.list[1]
		if first.kind == variableNode && first.text == variable && second.kind == nameNode && !seen[second.text] {
			seen[second.text] = true
			found = append(found, second.text)
		}
	})
	return found
}

// Members is the names of the members, one after another, that the expression
// takes of a variable: "result" and "Payload" where it is $states.result.Payload.
// nil: it is anything else.
func (e *Expression) Members(variable string) []string {
	n := e.root
	if n.kind != pathNode || n.tuple || n.keepSingleton || n.group != nil || len(n.predicates)+len(n.stages) > 0 ||
		!n.list[0].bareVariable || n.list[0].text != variable {
		return nil
	}
	names := make([]string, 0, len(n.list))
	for _, step := range n.list[1:] {
		if !step.plain {
			return nil
		}
		names = append(names, step.text)
	}
	return names
}

// walk visits n and all beneath it.
func (n *node) walk(visit func(*node)) {
	visit(n)
	n.each(func(child *node) { child.walk(visit) })
}
