package jsonata

// A path that binds names (@, # or %) carries tuples from step to step: each
// item under the name "@", and beside it what was bound on the way to it.

// contextName is the name of a tuple's item.
const contextName = "@"

// frame is the tuple's bindings as a frame.
func (d datum) frame(outer *frame) *frame {
	return &frame{outer: outer, names: d.named.names[1:], bound: d.items[1:]}
}

// binding is the tuple d with one more name bound, or bound anew.
func (e *evaluation) binding(d datum, name string, item datum) datum {
	e.items(len(d.items) + 1)
	for i, s := range d.named.names {
		if s == name {
			items := append([]datum(nil), d.items...)
			items[i] = item
			return tuple(d.named.names, items)
		}
	}
	n := len(d.items)
	return tuple(append(d.named.names[:n:n], name), append(d.items[:n:n], item))
}

func single(item datum) datum { return tuple([]string{contextName}, []datum{item}) }

// tuplePath is path for steps that make bindings.
func (e *evaluation) tuplePath(n *node, input datum, env *frame) datum {
	items := input
	if !input.isArray() || n.list[0].kind == variableNode {
		items = list(sequence, input)
	}
	var stream datum // undefined until the first step that binds
	streaming := false
	for i, step := range n.list {
		streaming = streaming || step.tuple
		switch {
		case i == 0 && step.constructs:
			items = e.eval(step, items, env)
		case streaming:
			stream = e.tupleStep(step, items, stream, env)
		case step.kind == sortNode:
			items = e.sorted(step, items, true, env)
		default:
			items = e.stepOfMany(step, items, false, env)
		}
		if !streaming && items.len() == 0 {
			break
		}
	}
	result := items
	if !stream.absent() {
		result = stream
		if n.tuple && n.group == nil {
			return e.endPath(n, stream, env)
		}
		if n.group == nil {
			result = list(sequence, e.contexts(stream)...)
		}
	}
	return e.endPath(n, result, env)
}

// contexts is the items of a stream without what is bound beside them.
func (e *evaluation) contexts(stream datum) []datum {
	found := e.room(nil, stream.len())
	for _, t := range stream.items {
		found = append(found, t.items[0])
	}
	return found
}

// tupleStep evaluates a step for each tuple; before the first, for each item.
func (e *evaluation) tupleStep(step *node, items, stream datum, env *frame) datum {
	if step.kind == sortNode {
		return e.tupleSort(step, items, stream, env)
	}
	if stream.absent() {
		stream = list(sequence|tuples, e.tuplesOf(items, "")...)
	}
	var found []datum
	for _, t := range stream.items {
		d := e.eval(step, t.items[0], t.frame(env))
		if d.absent() {
			continue
		}
		if !d.isArray() {
			d = list(0, d)
		}
		for i := range d.len() {
			found = e.push(found, e.bindItem(step, t, d, i))
		}
	}
	return e.stages(step, list(sequence|tuples, found...), env)
}

// bindItem is the tuple t gone on to item i of d, what the step gave.
func (e *evaluation) bindItem(step *node, t, d datum, i int) datum {
	item := d.at(i)
	if d.has(tuples) {
		for j, name := range item.named.names {
			t = e.binding(t, name, item.items[j])
		}
		return t
	}
	next := t
	if step.focus != "" {
		next = e.binding(next, step.focus, item)
	} else {
		next = e.binding(next, contextName, item)
	}
	if step.index != "" {
		next = e.binding(next, step.index, num(float64(i)))
	}
	if step.ancestor != nil {
		next = e.binding(next, step.ancestor.label, t.items[0])
	}
	return next
}

// tuplesOf makes a tuple of each item, its position bound to index where that
// is a name.
func (e *evaluation) tuplesOf(items datum, index string) []datum {
	made := e.room(nil, items.len())
	for i := range items.len() {
		t := single(items.at(i))
		if index != "" {
			t = e.binding(t, index, num(float64(i)))
		}
		made = append(made, t)
	}
	return made
}

func (e *evaluation) tupleSort(step *node, items, stream datum, env *frame) datum {
	if !stream.absent() {
		return e.stages(step, e.sort(step, stream, env), env)
	}
	made := e.tuplesOf(e.sort(step, items, env), step.index)
	return e.stages(step, list(sequence|tuples, made...), env)
}

// stages filters the tuples and counts them, as it stands behind the step.
func (e *evaluation) stages(step *node, stream datum, env *frame) datum {
	for _, s := range step.stages {
		if s.filter != nil {
			stream = e.filter(s.filter, stream, env)
			continue
		}
		counted := e.room(nil, stream.len())
		for i, t := range stream.items {
			counted = append(counted, e.binding(t, s.index, num(float64(i))))
		}
		stream = list(sequence|tuples, counted...)
	}
	return stream
}

// merged is many tuples as one: each name bound to all that they bind it to.
func (e *evaluation) merged(group []datum) datum {
	if len(group) == 1 {
		return group[0]
	}
	names := group[0].named.names
	gathered := make([][]datum, len(names))
	at := make(map[string]int, len(names))
	for i, name := range names {
		at[name] = i
	}
	for _, t := range group {
		e.step(len(t.items))
		for j, name := range t.named.names {
			if i, ok := at[name]; ok {
				gathered[i] = e.gatherAny(gathered[i], t.items[j])
			}
		}
	}
	items := e.room(nil, len(names))
	for _, all := range gathered {
		items = append(items, list(0, all...))
	}
	return tuple(names, items)
}
