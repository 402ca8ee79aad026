package jsonata

import (
	"slices"
	"sort"
)

// freeVariables is the variables that the tree takes from outside: those that
// it neither binds nor finds among the functions.
func freeVariables(root *node) map[string]*use {
	s := &scope{bound: map[string]bool{}, free: map[string]*use{}}
	s.visit(root)
	s.close()
	return s.free
}

// use is what an expression asks a variable for: some members, or all of it.
type use struct {
	members []string
	whole   bool
}

func sortedNames(free map[string]*use) []string {
	names := make([]string, 0, len(free))
	for name := range free {
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
	free   map[string]*use
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

// use is what has been found of a variable's use, nil for one that is not from
// outside.
func (s *scope) use(variable *node) *use {
	if variable.text == "" || variable.text == "$" || !variable.literal.absent() || s.binds(variable.text) {
		return nil
	}
	u := s.free[variable.text]
	if u == nil {
		u = &use{}
		s.free[variable.text] = u
	}
	return u
}

func (s *scope) visit(n *node) {
	switch n.kind {
	case variableNode:
		if u := s.use(n); u != nil {
			u.whole = true
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
	for i, step := range n.list {
		if i == 0 && step.bareVariable && len(n.list) > 1 && n.list[1].kind == nameNode && !n.tuple {
			if u := s.use(step); u != nil && !slices.Contains(u.members, n.list[1].text) {
				u.members = append(u.members, n.list[1].text)
			}
			continue
		}
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
