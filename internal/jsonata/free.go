package jsonata

import "sort"

// freeVariables is the names of the variables that the tree takes from
// outside: those that it neither binds nor finds among the functions.
func freeVariables(root *node) []string {
	s := &scope{bound: map[string]bool{}, free: map[string]bool{}}
	s.visit(root)
	s.close()
	names := make([]string, 0, len(s.free))
	for name := range s.free {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// scope is the names bound so far in a block or function. The bodies of
// functions wait until it closes: they may name what is bound after them.
type scope struct {
	outer  *scope
	bound  map[string]bool
	bodies []*node
	free   map[string]bool
}

func (s *scope) inner(bound ...string) *scope {
	inner := &scope{outer: s, bound: map[string]bool{}, free: s.free}
	for _, name := range bound {
		inner.bound[name] = true
	}
	return inner
}

func (s *scope) close() {
	for _, lambda := range s.bodies {
		body := s.inner(lambda.head.params...)
		body.visit(lambda.left)
		body.close()
	}
}

func (s *scope) binds(name string) bool {
	for ; s != nil; s = s.outer {
		if s.bound[name] {
			return true
		}
	}
	return false
}

func (s *scope) visit(n *node) {
	switch n.kind {
	case variableNode:
		if n.text != "" && n.text != "$" && n.literal.absent() && !s.binds(n.text) {
			s.free[n.text] = true
		}
	case lambdaNode:
		if !n.head.thunk {
			s.bodies = append(s.bodies, n)
			return
		}
	case blockNode:
		inner := s.inner()
		n.each(inner.visit)
		inner.close()
		return
	case pathNode:
		s.path(n)
		return
	}
	n.each(s.visit)
	if n.kind == bindNode {
		s.bound[n.text] = true
	}
}

// path visits steps, whose bindings hold for the steps and filters behind.
func (s *scope) path(n *node) {
	inner := s.inner()
	for _, step := range n.list {
		inner.bound[step.focus], inner.bound[step.index] = true, true
		for _, st := range step.stages {
			inner.bound[st.index] = true
		}
		inner.visit(step)
	}
	if n.group != nil {
		inner.visit(n.group)
	}
	inner.close()
}
