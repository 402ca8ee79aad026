package jsonata

import "math"

// fewItems is the room that a list is given at first, where it may need it.
const fewItems = 8

// lookup is the member of that name: of an object, or of each object of an
// array, in one list.
func (e *evaluation) lookup(input datum, name string) datum {
	switch input.kind() {
	case objectKind:
		return input.member(name)
	case arrayKind:
		n := input.len()
		e.step(n)
		var found []datum
		for i := range n {
			switch d := e.lookup(input.at(i), name); {
			case d.absent():
			case d.isArray():
				found = e.pushAll(found, d)
			default:
				found = e.push(found, d)
			}
		}
		return list(sequence, found...)
	}
	return datum{}
}

// path evaluates the steps of a path, each for every item of what the one
// before gave.
func (e *evaluation) path(n *node, input datum, env *frame) datum {
	cur, many := input, n.list[0].kind != variableNode && input.isArray()
	for i, step := range n.list {
		last := i == len(n.list)-1
		switch {
		case i == 0 && step.constructs:
			if cur = e.constructed(step, cur, many, env); !cur.isArray() {
				cur = list(sequence) // grouped, it is no list to go on with
			}
			many = true
		case step.kind == sortNode:
			cur, many = e.sorted(step, cur, many, env), true
		case many:
			cur = e.stepOfMany(step, cur, last, env)
		case step.plain && cur.is == objectKind && cur.made == nil:
			e.step(1)
			cur = of(cur.v.Find(step.text))
			many = cur.is == arrayKind
		case step.bareVariable:
			e.step(1)
			cur = e.variable(step, cur, env)
			many = cur.isArray()
		default:
			cur = e.stepOfOne(step, cur, env)
			many = cur.isArray() && !(cur.has(constructed) && !last)
		}
		switch {
		case last && cur.has(sequence|keepSingleton):
			cur = cur.flagged(sequence)
		case last || !many && !cur.absent() || many && cur.len() > 0:
			continue
		case i > 0 || !step.constructs:
			return e.endPath(n, list(sequence), env) // nothing is left to go on with
		default:
			return e.endPath(n, cur, env)
		}
	}
	return e.endPath(n, cur, env)
}

// endPath does what stands behind a path as a whole: [] and {…}.
func (e *evaluation) endPath(n *node, d datum, env *frame) datum {
	if !n.keepSingleton && n.group == nil {
		return d
	}
	if d.absent() {
		d = list(sequence)
	}
	if n.keepSingleton {
		switch {
		case !d.isArray() || d.has(constructed) && !d.has(sequence):
			d = list(sequence|keepSingleton, d)
		case d.has(sequence):
			d = d.flagged(d.flags | keepSingleton)
		}
	}
	if n.group != nil {
		d = e.group(n.group, d, env)
	}
	return d
}

// constructed evaluates an array constructor that begins a path: once, its
// context being all the items.
func (e *evaluation) constructed(step *node, cur datum, many bool, env *frame) datum {
	if !many {
		cur = list(sequence, cur)
	}
	return e.eval(step, cur, env)
}

// sorted puts the items in the order that the step says.
func (e *evaluation) sorted(step *node, cur datum, many bool, env *frame) datum {
	if !many {
		cur = list(sequence, cur)
	}
	d := e.sort(step, cur, env)
	for _, s := range step.stages {
		d = e.filter(s.filter, d, env)
	}
	return d
}

// stepOfOne evaluates a step, and the filters behind it, for one item.
func (e *evaluation) stepOfOne(step *node, item datum, env *frame) datum {
	d := e.eval(step, item, env)
	for _, s := range step.stages {
		d = e.filter(s.filter, d, env)
	}
	return d
}

// stepOfMany evaluates a step for each item and gathers what comes of it in one
// list. An array that is all that came of a path's last step is left as it is.
func (e *evaluation) stepOfMany(step *node, items datum, last bool, env *frame) datum {
	var first datum
	var found []datum
	results := 0
	for i := range items.len() {
		d := e.stepOfOne(step, items.at(i), env)
		if d.absent() {
			continue
		}
		if results++; results == 1 {
			first = d
			continue
		}
		if results == 2 {
			found = e.gather(e.room(nil, min(items.len(), fewItems)), first)
		}
		found = e.gather(found, d)
	}
	if results == 1 {
		if last && first.isArray() && !first.has(sequence) {
			return first
		}
		found = e.gather(found, first)
	}
	return list(sequence, found...)
}

// gather adds d, or its items where it is a list, but not one that an array
// constructor made.
func (e *evaluation) gather(found []datum, d datum) []datum {
	if d.isArray() && !d.has(constructed) {
		return e.pushAll(found, d)
	}
	return e.push(found, d)
}

// filter keeps the items for which the predicate holds, or those at the
// positions that it gives.
func (e *evaluation) filter(predicate *node, input datum, env *frame) datum {
	var kept []datum
	flags := sequence
	if input.has(tuples) {
		flags |= tuples
	}
	if predicate.kind == literalNode && predicate.literal.isNumber() {
		item := input
		if at := position(predicate.literal, e.count(input)); input.isArray() {
			item = input.item(at)
		} else if at != 0 {
			item = datum{}
		}
		switch {
		case item.absent():
		case item.isArray():
			return item
		default:
			kept = e.push(kept, item)
		}
		return list(flags, kept...)
	}
	if !input.isArray() {
		if e.keeps(predicate, input, 0, 1, env) {
			kept = e.push(kept, input)
		}
		return list(flags, kept...)
	}
	n := input.len()
	for i := range n {
		item := input.at(i)
		if e.keeps(predicate, item, i, n, env) {
			if kept == nil {
				kept = e.room(nil, min(n-i, fewItems))
			}
			kept = e.push(kept, item)
		}
	}
	return list(flags, kept...)
}

// count is the number of items that a filter looks at.
func (e *evaluation) count(input datum) int {
	if input.isArray() {
		return input.len()
	}
	return 1
}

// keeps reports whether the predicate keeps the item at i of n.
func (e *evaluation) keeps(predicate *node, item datum, i, n int, env *frame) bool {
	context := item
	if item.kind() == tupleKind {
		context, env = item.items[0], item.frame(env)
	}
	d := e.eval(predicate, context, env)
	switch d.kind() {
	case boolKind:
		return d.isTrue()
	case numberKind:
		return position(d, n) == i
	}
	if !isNumbers(d) {
		return e.truth(d)
	}
	e.step(d.len())
	for j := range d.len() {
		if position(d.at(j), n) == i {
			return true
		}
	}
	return false
}

// position is the place in a list of n items that a number means: counted from
// the end where it is negative.
func position(d datum, n int) int {
	f := math.Floor(d.number())
	if f < 0 {
		f += float64(n)
	}
	if f < 0 || f >= float64(n) {
		return -1
	}
	return int(f)
}

// wildcard is all member values of an object, or items of an array. Where
// there are arrays among them, it stays an array whatever its length.
func (e *evaluation) wildcard(input datum) datum {
	if input.has(outerWrapper) {
		input = input.items[0]
	}
	if k := input.kind(); k != objectKind && k != arrayKind {
		return list(sequence)
	}
	var found []datum
	flags := sequence
	for i := range input.len() {
		d := input.at(i)
		if d.isArray() {
			flags = 0
		}
		found = e.flatten(found, d)
	}
	return list(flags, found...)
}

// flatten adds the items of d and of all arrays within it.
func (e *evaluation) flatten(items []datum, d datum) []datum {
	e.step(1)
	if !d.isArray() {
		return e.push(items, d)
	}
	for i := range d.len() {
		items = e.flatten(items, d.at(i))
	}
	return items
}

// descendants is the input and all within it, but for arrays themselves.
func (e *evaluation) descendants(input datum) datum {
	if input.absent() {
		return input
	}
	found := e.descend(nil, input)
	return list(sequence, found...)
}

func (e *evaluation) descend(found []datum, d datum) []datum {
	e.step(1)
	k := d.kind()
	if k != arrayKind {
		found = e.push(found, d)
	}
	if k == arrayKind || k == objectKind {
		for i := range d.len() {
			found = e.descend(found, d.at(i))
		}
	}
	return found
}
