package jsonata

import "strconv"

// finisher gives the tree its second form, that which is evaluated: names
// become paths of steps, predicates and bindings hang on their step, and calls
// in tail position become thunks.
type finisher struct {
	library map[string]datum
	labels  int // slots made so far
}

// finishTree is the second form of the whole tree n.
func finishTree(n *node, library map[string]datum) *node {
	f := &finisher{library: library}
	n = f.finish(n)
	if n.kind == parentNode || n.seeking != nil {
		panic(newError("S0217", n.position, kindNames[n.kind]))
	}
	n.settle()
	return n
}

// settle notes what is known only when all contexts are found: which nodes
// bind a variable in the frame around them, which paths have a step that makes
// bindings, and which nodes are so simple that there is a short way to evaluate
// them.
func (n *node) settle() {
	n.binds = n.kind == bindNode || n.kind == callNode && n.left.text == "eval"
	n.each(func(child *node) {
		child.settle()
		n.binds = n.binds || child.binds
	})
	switch n.kind {
	case blockNode:
		n.frameless, n.binds = !n.binds, false
	case lambdaNode:
		n.binds = n.head.thunk && n.binds
	}
	n.trailed = n.predicates != nil || n.group != nil && n.kind != pathNode
	bare := n.predicates == nil && n.group == nil && n.stages == nil && !n.keepArray && !n.tuple
	n.plain = n.kind == nameNode && bare
	n.bareVariable = n.kind == variableNode && bare
	if n.kind == pathNode {
		for i, step := range n.list {
			n.list[i] = step.unwrapped()
			n.bindsItems = n.bindsItems || step.tuple
		}
		n.member = len(n.list) == 1 && n.list[0].plain && bare && !n.keepSingleton
		if n.member {
			n.text = n.list[0].text
		}
	}
}

// unwrapped is a step without parentheses that change nothing.
func (n *node) unwrapped() *node {
	if n.kind != blockNode || len(n.list) != 1 || !n.frameless || n.trailed || n.stages != nil || n.keepArray || n.tuple {
		return n
	}
	switch inner := n.list[0]; inner.kind {
	case binaryNode, callNode, conditionNode, literalNode:
		if inner.stages == nil && !inner.keepArray {
			return inner
		}
	}
	return n
}

func (f *finisher) finish(n *node) *node {
	done := f.form(n)
	if n.keepArray {
		done.keepArray = true
	}
	return done
}

func (f *finisher) form(n *node) *node {
	switch n.kind {
	case wordNode:
		n.kind = nameNode
		return f.name(n)
	case nameNode:
		return f.name(n)
	case variableNode:
		n.literal = f.library[n.text]
	case parentNode:
		n.slot = &slot{label: "!" + strconv.Itoa(f.labels), level: 1}
		f.labels++
	case negateNode:
		return f.negation(n)
	case stepNode:
		return f.step(n)
	case predicateNode:
		return f.predicate(n)
	case groupNode:
		return f.group(n)
	case orderNode:
		return f.order(n)
	case focusNode:
		return f.focus(n)
	case indexNode:
		return f.index(n)
	case lambdaNode:
		n.left = tail(f.finish(n.left))
	case transformNode:
		n.left = f.finish(n.left)
		f.all(n.list)
	case callNode, partialNode:
		f.under(n, n.list)
		n.left = f.finish(n.left)
	case blockNode:
		f.under(n, n.list)
		for _, part := range n.list {
			n.constructs = n.constructs || part.constructs || part.kind == pathNode && part.list[0].constructs
		}
	case endNode:
		panic(newError("S0207", n.position, n.text))
	default:
		f.operands(n)
		n.operator = operatorNames[n.text]
		if n.kind == applyNode {
			n.keepArray = n.keepArray || n.left.keepArray || n.right.keepArray
		}
	}
	return n
}

// operands finishes all beneath n, which looks for the contexts they look for.
func (f *finisher) operands(n *node) {
	if n.left != nil {
		n.left = f.finish(n.left)
		n.seek(n.left)
	}
	if n.right != nil {
		n.right = f.finish(n.right)
		n.seek(n.right)
	}
	f.under(n, n.list)
	for i := range n.pairs {
		f.under(n, n.pairs[i][:])
	}
}

func (f *finisher) all(list []*node) {
	for i := range list {
		list[i] = f.finish(list[i])
	}
}

func (f *finisher) under(n *node, list []*node) {
	f.all(list)
	for _, part := range list {
		n.seek(part)
	}
}

func (f *finisher) name(n *node) *node {
	return &node{kind: pathNode, position: n.position, text: n.text, list: []*node{n}, keepSingleton: n.keepArray}
}

func (f *finisher) negation(n *node) *node {
	f.operands(n)
	if n.left.kind == literalNode && n.left.literal.isNumber() {
		n.left.literal = num(-n.left.literal.number())
		return n.left
	}
	return n
}

// path is n as a path, of one step where it is none yet.
func path(n *node) *node {
	if n.kind == pathNode {
		return n
	}
	return &node{kind: pathNode, position: n.position, list: []*node{n}}
}

func (n *node) lastStep() *node { return n.list[len(n.list)-1] }

func (f *finisher) step(n *node) *node {
	left := f.finish(n.left)
	result := path(left)
	if left.kind == parentNode {
		result.seeking = []*slot{left.slot}
	}
	if n.right.kind == nameNode || n.right.kind == wordNode {
		n.right.kind = nameNode
		result.list = append(result.list, n.right)
	} else if rest := f.finish(n.right); rest.kind == pathNode {
		result.list = append(result.list, rest.list...)
	} else {
		rest.stages, rest.predicates = rest.predicates, nil
		result.list = append(result.list, rest)
	}
	first, last := result.list[0], result.lastStep()
	for _, step := range []*node{first, last} { // those between were looked at before
		asStep(step)
		result.keepSingleton = result.keepSingleton || step.keepArray
	}
	first.constructs = first.constructs || first.kind == arrayNode
	last.constructs = last.constructs || last.kind == arrayNode
	result.resolve()
	return result
}

// asStep makes a string literal a name; other literals can't be steps.
func asStep(n *node) {
	if n.kind != literalNode {
		return
	}
	if !n.literal.isString() {
		panic(newError("S0213", n.position, n.text, n.text))
	}
	n.kind = nameNode
}

func (f *finisher) predicate(n *node) *node {
	result := f.finish(n.left)
	step, stages := result, &result.predicates
	if result.kind == pathNode {
		step = result.lastStep()
		stages = &step.stages
	}
	if step.group != nil {
		panic(newError("S0209", n.position, n.text))
	}
	filter := f.finish(n.right)
	for _, s := range filter.seeking {
		if s.level == 1 {
			step.offer(s)
		} else {
			s.level--
		}
	}
	step.seeking = append(step.seeking, filter.seeking...)
	*stages = append(*stages, &stage{filter: filter})
	return result
}

func (f *finisher) group(n *node) *node {
	result := f.finish(n.left)
	if result.group != nil {
		panic(newError("S0210", n.position, n.text))
	}
	for i := range n.pairs {
		f.all(n.pairs[i][:])
	}
	result.group = &node{kind: objectNode, position: n.position, pairs: n.pairs}
	return result
}

func (f *finisher) order(n *node) *node {
	result := path(f.finish(n.left))
	sort := &node{kind: sortNode, position: n.position, terms: n.terms}
	for i := range sort.terms {
		sort.terms[i].expression = f.finish(sort.terms[i].expression)
		sort.seek(sort.terms[i].expression)
	}
	result.list = append(result.list, sort)
	result.resolve()
	return result
}

func (f *finisher) focus(n *node) *node {
	result := f.finish(n.left)
	step := result
	if result.kind == pathNode {
		step = result.lastStep()
	}
	if step.stages != nil || step.predicates != nil {
		panic(newError("S0215", n.position, n.text))
	}
	if step.kind == sortNode {
		panic(newError("S0216", n.position, n.text))
	}
	if n.keepArray {
		step.keepArray = true
	}
	step.focus, step.tuple = n.right.text, true
	return result
}

func (f *finisher) index(n *node) *node {
	left := f.finish(n.left)
	result := path(left)
	if left.kind != pathNode {
		left.stages, left.predicates = left.predicates, nil
	}
	step := result.lastStep()
	if step.stages == nil {
		step.index = n.right.text
	} else {
		step.stages = append(step.stages, &stage{index: n.right.text})
	}
	step.tuple = true
	return result
}

// tail makes a thunk of each call in tail position, so that the caller makes
// the call after this body is done with.
func tail(n *node) *node {
	switch {
	case n.predicates != nil || n.group != nil:
	case n.kind == callNode:
		return &node{kind: lambdaNode, position: n.position, left: n, head: &head{thunk: true}}
	case n.kind == conditionNode:
		for i := range n.list {
			n.list[i] = tail(n.list[i])
		}
	case n.kind == blockNode && len(n.list) > 0:
		last := len(n.list) - 1
		n.list[last] = tail(n.list[last])
	}
	return n
}

// seek makes n look for the contexts that its part looks for.
func (n *node) seek(part *node) {
	if n.seeking == nil {
		n.seeking = part.seeking // which no one asks for again
	} else {
		n.seeking = append(n.seeking, part.seeking...)
	}
	if part.kind == parentNode {
		n.seeking = append(n.seeking, part.slot)
	}
}

// resolve finds, among the steps before the last, those whose contexts the
// last step looks for. What it does not find, the path as a whole looks for.
func (n *node) resolve() {
	last := n.lastStep()
	slots := last.seeking
	if last.kind == parentNode {
		slots = append(slots[:len(slots):len(slots)], last.slot)
	}
	for _, s := range slots {
		i := len(n.list) - 2
		for s.level > 0 {
			if i < 0 {
				n.seeking = append(n.seeking, s)
				break
			}
			step := n.list[i]
			i--
			for i >= 0 && step.focus != "" && n.list[i].focus != "" {
				step = n.list[i] // steps in a row that bind their item share a context
				i--
			}
			step.offer(s)
		}
	}
}

// offer takes s one step nearer to its context, which n may have.
func (n *node) offer(s *slot) {
	switch n.kind {
	case nameNode, wildcardNode:
		s.level--
		if s.level == 0 {
			if n.ancestor != nil {
				s.label = n.ancestor.label
			}
			n.ancestor, n.tuple = s, true
		}
	case parentNode:
		s.level++
	case blockNode:
		if len(n.list) > 0 {
			n.tuple = true
			n.list[len(n.list)-1].offer(s)
		}
	case pathNode:
		n.tuple = true
		i := len(n.list) - 1
		n.list[i].offer(s)
		for i--; s.level > 0 && i >= 0; i-- {
			n.list[i].offer(s)
		}
	default:
		panic(newError("S0217", n.position, kindNames[n.kind]))
	}
}
