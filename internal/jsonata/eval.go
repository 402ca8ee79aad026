package jsonata

import (
	"math"
	"slices"

	"github.com/backstep/backstep/internal/value"
)

// evaluation is one evaluation of an expression. It belongs to one goroutine.
type evaluation struct {
	meter
	vars    Variables
	chance  Chance
	now     int64
	library map[string]datum
	kept    struct {
		name string
		v    value.Value
	}
	input datum // what $$ is
	root  frame
	tail  tailCall // the call that a body ended with
}

// frame is what some names are bound to, within the frame around it.
type frame struct {
	outer *frame
	names []string
	bound []datum
	owned bool // the slices are no one else's
}

// bind gives a name its value in the frame.
func (e *evaluation) bind(f *frame, name string, d datum) {
	e.step(len(f.names) / namesPerStep)
	if !f.owned {
		f.names, f.bound, f.owned = slices.Clone(f.names), slices.Clone(f.bound), true
	}
	if i := slices.Index(f.names, name); i >= 0 {
		f.bound[i] = d
		return
	}
	f.names, f.bound = append(f.names, name), append(f.bound, d)
}

// top evaluates a whole expression. An array given as input is one item.
func (e *evaluation) top(root *node, input datum) datum {
	e.input = input
	if input.isArray() {
		input = list(sequence|outerWrapper, input)
	}
	return e.eval(root, input, &e.root)
}

// eval evaluates n where $ is input. A result list of one item is that item.
func (e *evaluation) eval(n *node, input datum, env *frame) datum {
	e.step(1)
	if n.member && input.is == objectKind && input.made == nil {
		e.step(1)
		return of(input.v.Find(n.text))
	}
	e.enter()
	var d datum
	switch n.kind {
	case literalNode:
		d = n.literal
	case variableNode:
		d = e.variable(n, input, env)
	case binaryNode:
		d = e.binary(n, input, env)
	case pathNode:
		if n.bindsItems {
			d = e.tuplePath(n, input, env)
		} else {
			d = e.path(n, input, env)
		}
	case nameNode:
		d = e.lookup(input, n.text)
	case callNode:
		d = e.call(n, input, env)
	case blockNode:
		d = e.block(n, input, env)
	case conditionNode:
		d = e.condition(n, input, env)
	default:
		d = e.form(n, input, env)
	}
	if n.trailed {
		d = e.trail(n, d, env)
	}
	e.leave()
	if d.made != nil && d.flags&(sequence|tuples) == sequence {
		return collapse(n, d)
	}
	return d
}

// trail applies the filters and the grouping that stand behind n.
func (e *evaluation) trail(n *node, d datum, env *frame) datum {
	for _, s := range n.predicates {
		d = e.filter(s.filter, d, env)
	}
	if n.group != nil {
		d = e.group(n.group, d, env)
	}
	return d
}

func collapse(n *node, d datum) datum {
	switch d.len() {
	case 0:
		return datum{}
	case 1:
		if d.flags&keepSingleton == 0 && !n.keepArray {
			return d.at(0)
		}
	}
	if n.keepArray && d.flags&keepSingleton == 0 {
		return d.flagged(d.flags | keepSingleton)
	}
	return d
}

// form evaluates the kinds that are met less often.
func (e *evaluation) form(n *node, input datum, env *frame) datum {
	switch n.kind {
	case bindNode:
		d := e.eval(n.right, input, env)
		e.bind(env, n.text, d)
		return d
	case lambdaNode:
		return e.lambda(n, input, env)
	case negateNode:
		return e.negate(n, input, env)
	case arrayNode:
		return e.array(n, input, env)
	case objectNode:
		return e.group(n, input, env)
	case wildcardNode:
		return e.wildcard(input)
	case descendantNode:
		return e.descendants(input)
	case parentNode:
		return e.bound(n.slot.label, env)
	case applyNode:
		return e.chain(n, input, env)
	case partialNode:
		return e.partial(n, input, env)
	case patternNode:
		return n.pattern.fn
	case transformNode:
		return e.transform(n, env)
	}
	return datum{} // placeNode: what is not given yet
}

func (e *evaluation) fail(n *node, code string, args ...any) {
	panic(newError(code, n.position, n.text, args...))
}

// bound is what a frame around binds that name to.
func (e *evaluation) bound(name string, env *frame) datum {
	d, _ := e.find(name, env)
	return d
}

func (e *evaluation) find(name string, env *frame) (datum, bool) {
	for f := env; f != nil; f = f.outer {
		if len(f.names) >= namesPerStep {
			e.step(len(f.names) / namesPerStep)
		}
		for i := len(f.names) - 1; i >= 0; i-- {
			if f.names[i] == name {
				return f.bound[i], true
			}
		}
	}
	return datum{}, false
}

func (e *evaluation) variable(n *node, input datum, env *frame) datum {
	switch n.text {
	case "":
		if input.has(outerWrapper) {
			return input.items[0]
		}
		return input
	case "$":
		return e.input
	}
	if d, ok := e.find(n.text, env); ok {
		return d
	}
	if e.vars != nil {
		if d := e.outside(n.text); !d.absent() {
			return d
		}
	}
	return n.literal
}

// outside is the variable of that name that the evaluation began with. The
// first one that was asked for is kept.
func (e *evaluation) outside(name string) datum {
	if e.kept.name != name {
		v := e.vars.Variable(name)
		if v.IsAbsent() || e.kept.name != "" {
			return given(v)
		}
		e.kept.name, e.kept.v = name, v
	}
	return of(&e.kept.v)
}

func (e *evaluation) condition(n *node, input datum, env *frame) datum {
	if e.truth(e.eval(n.left, input, env)) {
		return e.eval(n.list[0], input, env)
	}
	if len(n.list) > 1 {
		return e.eval(n.list[1], input, env)
	}
	return datum{}
}

// truth is what counts as true. So does a function that is no pattern, but where
// it is handed to $boolean and $not.
func (e *evaluation) truth(d datum) bool {
	switch d.kind() {
	case functionKind:
		return d.function().pattern == nil
	case boolKind:
		return d.isTrue()
	case numberKind:
		f := d.number()
		if math.IsInf(f, 0) {
			panic(newError("D1001", 0, "", f))
		}
		return f != 0 && !math.IsNaN(f)
	case stringKind:
		return d.string() != ""
	case objectKind:
		return d.len() > 0
	case arrayKind:
		for i := range d.len() {
			e.step(1)
			if e.truth(d.at(i)) {
				return true
			}
		}
	}
	return false
}

func (e *evaluation) block(n *node, input datum, env *frame) (d datum) {
	if !n.frameless {
		env = &frame{outer: env}
	}
	for _, part := range n.list {
		d = e.eval(part, input, env)
	}
	return d
}

func (e *evaluation) negate(n *node, input datum, env *frame) datum {
	d := e.eval(n.left, input, env)
	switch {
	case d.absent():
		return d
	case !d.isNumber():
		e.fail(n, "D1002", e.quote(d))
	}
	return num(-d.number())
}

// array makes [a, b, …]. An item that is a list is taken in item by item,
// unless it is written as an array itself.
func (e *evaluation) array(n *node, input datum, env *frame) datum {
	flags := flags(0)
	if n.constructs {
		flags = constructed
	}
	items := e.room(nil, len(n.list))
	for _, part := range n.list {
		d := e.eval(part, input, env)
		switch {
		case len(n.list) == 1 && d.made != nil && d.isArray() && part.kind != arrayNode:
			return d.flagged(flags) // it shares the items
		case d.absent():
		case part.kind == arrayNode || !d.isArray():
			items = e.push(items, d)
		default:
			items = e.pushAll(items, d)
		}
	}
	return list(flags, items...)
}

// room is items with room for n more, which it asks the budget for.
func (e *evaluation) room(items []datum, n int) []datum {
	if n <= cap(items)-len(items) {
		return items
	}
	n = max(n, len(items))
	e.items(n)
	return append(make([]datum, 0, len(items)+n), items...)
}

// all is the items of an array. It must not be changed.
func (e *evaluation) all(d datum) []datum {
	if d.made != nil && d.span == 0 {
		return d.items
	}
	return e.pushAll(nil, d)
}

func (e *evaluation) push(items []datum, d datum) []datum { return append(e.room(items, 1), d) }

// pushAll adds the items of the array d.
func (e *evaluation) pushAll(items []datum, d datum) []datum {
	n := d.len()
	e.step(n)
	items = e.room(items, n)
	for i := range n {
		items = append(items, d.at(i))
	}
	return items
}

func (e *evaluation) binary(n *node, input datum, env *frame) datum {
	left := e.eval(n.left, input, env)
	switch n.operator {
	case conjunction:
		return boolean(e.truth(left) && e.truth(e.eval(n.right, input, env)))
	case disjunction:
		return boolean(e.truth(left) || e.truth(e.eval(n.right, input, env)))
	}
	right := e.eval(n.right, input, env)
	switch n.operator {
	case equality, inequality:
		if left.absent() || right.absent() {
			return boolean(false)
		}
		return boolean(e.equal(left, right) == (n.operator == equality))
	case less, lessOrEqual, greater, greaterOrEqual:
		return e.compare(n, left, right)
	case concatenation:
		return e.concat(left, right)
	case inclusion:
		return boolean(e.in(left, right))
	case spanning:
		return e.span(n, left, right)
	}
	return e.arithmetic(n, left, right)
}

func (e *evaluation) arithmetic(n *node, left, right datum) datum {
	a, given := e.operand(n, left, "T2001")
	b, both := e.operand(n, right, "T2002")
	if !given || !both {
		return datum{}
	}
	switch n.operator {
	case addition:
		a += b
	case subtraction:
		a -= b
	case multiplication:
		a *= b
	case division:
		a /= b
	case remainder:
		a = math.Mod(a, b)
	}
	return num(a) // infinite perhaps: what uses it refuses it
}

func finite(f float64) bool { return f-f == 0 }

// operand is d as a number to compute with; given is false where it is
// undefined. One beyond the range of doubles is refused.
func (e *evaluation) operand(n *node, d datum, code string) (f float64, given bool) {
	if d.absent() {
		return 0, false
	}
	if d.isNumber() {
		if f = d.number(); finite(f) {
			return f, true
		}
		if math.IsInf(f, 0) {
			e.fail(n, "D1001", f)
		}
	}
	e.fail(n, code, n.text)
	return 0, false
}

func (e *evaluation) compare(n *node, left, right datum) datum {
	if left.isNumber() && right.isNumber() {
		return boolean(n.operator.holds(e.order(left, right)))
	}
	comparable := func(d datum) bool { return d.absent() || d.isString() || d.isNumber() }
	if !comparable(left) || !comparable(right) {
		e.fail(n, "T2010", n.text)
	}
	if left.absent() || right.absent() {
		return datum{}
	}
	if left.kind() != right.kind() {
		e.fail(n, "T2009", e.quote(left), e.quote(right), n.text)
	}
	return boolean(n.operator.holds(e.order(left, right)))
}

// holds reports whether a comparison holds of two things in that order.
func (o operator) holds(order int) bool {
	switch o {
	case less:
		return order < 0
	case lessOrEqual:
		return order <= 0
	case greater:
		return order > 0
	}
	return order >= 0
}

// order compares two numbers or two strings: -1, 0 or 1.
func (e *evaluation) order(a, b datum) int {
	if a.isString() {
		e.read(min(len(a.string()), len(b.string())))
		return compareUnits(a.string(), b.string())
	}
	switch x, y := a.number(), b.number(); {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// equal reports whether a and b are the same value, member by member.
func (e *evaluation) equal(a, b datum) bool {
	k := a.kind()
	if k != b.kind() {
		return false
	}
	switch k {
	case boolKind:
		return a.isTrue() == b.isTrue()
	case numberKind:
		return a.number() == b.number()
	case stringKind:
		e.read(min(len(a.string()), len(b.string())))
		return a.string() == b.string()
	case arrayKind, objectKind:
		return a.len() == b.len() && e.equalItems(a, b, k == objectKind)
	case functionKind:
		return a.fn == b.fn
	}
	return true
}

func (e *evaluation) equalItems(a, b datum, object bool) bool {
	for i := range a.len() {
		e.step(1)
		other := b.at(i)
		if object {
			if other = b.member(a.name(i)); other.absent() {
				return false
			}
		}
		if !e.equal(a.at(i), other) {
			return false
		}
	}
	return true
}

// in reports whether left is one of right. Arrays and objects are never one of
// others: each is itself alone.
func (e *evaluation) in(left, right datum) bool {
	if left.absent() || right.absent() {
		return false
	}
	if k := left.kind(); k == arrayKind || k == objectKind {
		return false
	}
	if !right.isArray() {
		return e.equal(left, right)
	}
	for i := range right.len() {
		e.step(1)
		if e.equal(left, right.at(i)) {
			return true
		}
	}
	return false
}

func (e *evaluation) concat(left, right datum) datum {
	a, b := "", ""
	if !left.absent() {
		a = e.text(left)
	}
	if !right.absent() {
		b = e.text(right)
	}
	e.write(len(a) + len(b))
	return str(e.joined(a + b))
}

// maxRange is how many items a range may have.
const maxRange = 10_000_000

// span is the range from left to right.
func (e *evaluation) span(n *node, left, right datum) datum {
	first, whole := left.integer()
	if !left.absent() && !whole {
		e.fail(n, "T2003", n.text)
	}
	to, whole := right.integer()
	if !right.absent() && !whole {
		e.fail(n, "T2004", n.text)
	}
	if left.absent() || right.absent() || first > to {
		return datum{}
	}
	size := to - first + 1
	if size > maxRange {
		e.fail(n, "D2014", size)
	}
	e.take(bytesPerNode)
	return from(&made{kind: arrayKind, flags: sequence, first: first, span: int(size)})
}
