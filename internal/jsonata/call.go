package jsonata

import "slices"

// function is something that can be called: one of the library, one that an
// expression defines, a regular expression, or a part of another one applied.
type function struct {
	made      // the function as a datum
	name      string
	arity     int // how many arguments it makes use of
	signature *signature
	call      func(c call) datum // where it is not written in JSONata

	// Where it is: what it was defined with.
	body   *node
	params []string
	input  datum
	frame  *frame

	pattern *pattern // where it is a regular expression
}

// datum is the function as something to compute with.
func (f *function) datum() datum {
	f.made = made{kind: functionKind, fn: f}
	return from(&f.made)
}

// call is a call of a function of the library.
type call struct {
	*evaluation
	args     []datum
	input    datum
	frame    *frame
	name     string
	position int
}

// arg is an argument, undefined where it is not given.
func (c call) arg(i int) datum {
	if i < len(c.args) {
		return c.args[i]
	}
	return datum{}
}

func (c call) fail(code string, args ...any) {
	panic(newError(code, c.position, c.name, args...))
}

// apply calls a function from within one of the library.
func (c call) apply(f datum, args ...datum) datum {
	c.enter()
	d := c.evaluation.apply(f, args, null(), c.frame, c.position, c.name)
	c.leave()
	return d
}

// callItem calls a function with as many of the arguments as it makes use of,
// one at least.
func (c call) callItem(f datum, args ...datum) datum {
	return c.apply(f, args[:max(1, min(len(args), f.function().arity))]...)
}

// tailCall is a call that a body ended with, to be made by its caller, so that
// recursion in tail position takes no room.
type tailCall struct {
	node  *node
	input datum
	frame *frame
}

// thunk stands for the evaluation's tail call.
var thunk = from(&made{kind: functionKind})

func (e *evaluation) lambda(n *node, input datum, env *frame) datum {
	if n.head.thunk {
		e.tail = tailCall{n.left, input, env}
		return thunk
	}
	e.take(4 * bytesPerNode)
	f := &function{arity: len(n.head.params), signature: n.head.signature, body: n.left, params: n.head.params, input: input, frame: env}
	return f.datum()
}

func (e *evaluation) call(n *node, input datum, env *frame) datum {
	f := e.callee(n, input, env)
	if f.absent() {
		e.suggest(n, env, "T1005")
	}
	args := make([]datum, len(n.list))
	for i, arg := range n.list {
		args[i] = e.eval(arg, input, env)
	}
	return e.apply(f, args, input, env, n.position, n.left.calleeName())
}

// callee is the function that n calls.
func (e *evaluation) callee(n *node, input datum, env *frame) datum {
	if n.left.bareVariable {
		e.step(1)
		return e.variable(n.left, input, env)
	}
	return e.eval(n.left, input, env)
}

// calleeName is the name by which a call calls its function.
func (n *node) calleeName() string {
	if n.kind == pathNode {
		return n.list[0].text
	}
	return n.text
}

// suggest fails where a name without "$" is called and a variable of that name
// is a function.
func (e *evaluation) suggest(n *node, env *frame, code string) {
	if n.left.kind != pathNode {
		return
	}
	name := n.left.calleeName()
	_, bound := e.find(name, env)
	if _, known := e.library[name]; known || bound {
		panic(newError(code, n.position, name, name))
	}
}

// apply calls a function, and then those that its body ends with.
func (e *evaluation) apply(f datum, args []datum, input datum, env *frame, position int, name string) datum {
	d := e.applyOnce(f, args, input, env, position, name)
	for d.made == thunk.made {
		t := e.tail
		f = e.callee(t.node, t.input, t.frame)
		args = make([]datum, len(t.node.list))
		for i, arg := range t.node.list {
			args[i] = e.eval(arg, t.input, t.frame)
		}
		d = e.applyOnce(f, args, input, env, t.node.position, t.node.left.calleeName())
	}
	return d
}

func (e *evaluation) applyOnce(d datum, args []datum, input datum, env *frame, position int, name string) datum {
	f := d.function()
	if f == nil {
		panic(newError("T1006", position, name))
	}
	e.step(callSteps)
	if f.signature != nil {
		args = e.validate(f.signature, args, input, position, name)
	}
	if f.body == nil {
		return f.call(call{e, args, input, env, name, position})
	}
	if len(args) < len(f.params) {
		e.items(len(f.params))
		args = append(args, make([]datum, len(f.params)-len(args))...)
	}
	inner := &frame{outer: f.frame, names: f.params, bound: args[:len(f.params):len(f.params)]}
	return e.eval(f.body, f.input, inner)
}

// partial makes a function of the arguments that are not given yet.
func (e *evaluation) partial(n *node, input datum, env *frame) datum {
	args := make([]datum, len(n.list))
	for i, arg := range n.list {
		args[i] = e.eval(arg, input, env)
	}
	d := e.eval(n.left, input, env)
	if d.absent() {
		e.suggest(n, env, "T1007")
	}
	f := d.function()
	if f == nil {
		e.fail(n, "T1008")
	}
	var open []int // which arguments are to come
	for i := range f.arity {
		if i >= len(n.list) {
			break
		}
		if n.list[i].kind == placeNode {
			open = append(open, i)
		}
	}
	e.items(len(args) + 4)
	rest := &function{name: f.name, arity: len(open)}
	rest.call = func(c call) datum {
		all := slices.Clone(args)
		for i, at := range open {
			all[at] = c.arg(i)
		}
		return c.open(f, all)
	}
	return rest.datum()
}

// open calls f with arguments that its signature does not look at.
func (c call) open(f *function, args []datum) datum {
	bare := *f
	bare.signature = nil
	return c.evaluation.apply(bare.datum(), args, datum{}, c.frame, c.position, c.name)
}

// chain evaluates left ~> right: a call with one more argument in front, or,
// of two functions, the one after the other.
func (e *evaluation) chain(n *node, input datum, env *frame) datum {
	left := e.eval(n.left, input, env)
	if n.right.kind == callNode {
		return e.pipe(n.right, left, input, env)
	}
	right := e.eval(n.right, input, env)
	if right.function() == nil {
		e.fail(n, "T2006")
	}
	if left.function() == nil {
		return e.apply(right, []datum{left}, null(), env, n.position, n.right.calleeName())
	}
	e.take(4 * bytesPerNode)
	both := &function{arity: 1}
	both.call = func(c call) datum {
		return c.apply(right, c.apply(left, c.arg(0)))
	}
	return both.datum()
}

// pipe evaluates the call n with first in front of its arguments.
func (e *evaluation) pipe(n *node, first, input datum, env *frame) datum {
	e.step(1)
	e.enter()
	f := e.callee(n, input, env)
	if f.absent() {
		e.suggest(n, env, "T1005")
	}
	args := make([]datum, 1, len(n.list)+1)
	args[0] = first
	for _, arg := range n.list {
		args = append(args, e.eval(arg, input, env))
	}
	d := e.apply(f, args, input, env, n.position, n.left.calleeName())
	e.leave()
	return d
}
