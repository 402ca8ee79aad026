package jsonpath

import "github.com/backstep/backstep/internal/value"

// Expression is what a member whose name ends in ".$" holds, compiled: a path,
// or a call of an intrinsic function.
type Expression struct {
	text string
	root argument
}

// argument is what a call is made with, and what an expression is: a path, a
// call, or a literal.
type argument struct {
	path    *Path
	call    *call
	literal value.Value
}

// call is a function and its arguments.
type call struct {
	function *function
	args     []argument
}

// CompileExpression compiles a path or a call. White space at its end is
// ignored. The error is a *[SyntaxError].
func CompileExpression(text string) (*Expression, error) {
	return compile(text, func(p *parser) (*Expression, *SyntaxError) {
		root, err := p.expression()
		return &Expression{text: text, root: root}, err
	})
}

// String is the expression as it was written.
func (e *Expression) String() string { return e.text }

// Path is the path that the expression is, nil where it is a call.
func (e *Expression) Path() *Path { return e.root.path }

// Call is the name of the intrinsic function that the expression calls, ""
// where it is a path.
func (e *Expression) Call() string {
	if e.root.call == nil {
		return ""
	}
	return e.root.call.function.name
}

// Paths are the paths within the expression, in the order of writing.
func (e *Expression) Paths() []*Path { return e.root.paths(nil) }

func (a *argument) paths(found []*Path) []*Path {
	if a.path != nil {
		found = append(found, a.path)
	}
	if a.call != nil {
		for i := range a.call.args {
			found = a.call.args[i].paths(found)
		}
	}
	return found
}

// Variables are the names of the variables that the expression reads, each
// once, in the order of writing.
func (e *Expression) Variables() []string {
	var names []string
	seen := map[string]bool{}
	for _, p := range e.Paths() {
		if _, name := p.Root(); name != "" && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

// Eval is the expression's value. The error is a *[NotFound] or an
// *[IntrinsicError]. A path that ends with an index outside its array gives
// null, as it does at the service; as an argument of a call it is not found.
func (e *Expression) Eval(s Scope, c Chance) (value.Value, error) {
	if e.root.call != nil {
		run := evaluation{scope: s, chance: c, text: e.text}
		return run.call(e.root.call)
	}
	v, missing := e.root.path.eval(s)
	switch {
	case missing == nil:
		return v, nil
	case missing.beyond:
		return value.NewNull(), nil
	}
	return value.Value{}, missing
}

// evaluation is one evaluation of a call and of those within it.
type evaluation struct {
	scope  Scope
	chance Chance
	text   string // the whole expression, which errors show
}

func (e *evaluation) call(c *call) (value.Value, error) {
	args := make([]value.Value, len(c.args))
	for i := range c.args {
		v, err := e.argument(&c.args[i])
		if err != nil {
			return value.Value{}, err
		}
		args[i] = v
	}
	f := c.function
	if len(args) < f.least || f.most >= 0 && len(args) > f.most {
		return value.Value{}, &IntrinsicError{Call: e.text, Cause: "Invalid number of arguments for " + f.name}
	}
	v, fault := f.run(args, e.chance)
	if fault != nil {
		return value.Value{}, &IntrinsicError{Call: e.text, Cause: fault.in(f.name)}
	}
	return v, nil
}

func (e *evaluation) argument(a *argument) (value.Value, error) {
	switch {
	case a.call != nil:
		return e.call(a.call)
	case a.path == nil:
		return a.literal, nil
	}
	v, missing := a.path.eval(e.scope)
	if missing != nil {
		missing.Call = e.text
		return value.Value{}, missing
	}
	return v, nil
}
