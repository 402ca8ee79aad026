// Package jsonata evaluates JSONata expressions over [value.Value].
//
// An expression is compiled once and may then be evaluated by many at once.
// An evaluation is a pure function of its [Env]: the time, the chance and the
// variables come in through it, and one [Budget] bounds what it may spend.
//
// The package refuses to know what the values mean, where an expression stands
// in a definition, and how an error is told to a caller.
//
// Read jsonata.go (the face), errors.go and budget.go; then how a source
// becomes a tree: lexer.go, node.go, parser.go, finish.go, and what is asked of
// a tree: free.go, toplevel.go; tokens.go, for who rewrites a source; then how a
// tree is evaluated: datum.go, eval.go, path.go, group.go, sort.go, tuple.go, call.go, signature.go; then the
// functions: library.go has a row for each, and the rest are its families.
// Regular expressions are in regex.go, re2.go, backtrack.go and pattern.go,
// strings in text.go, pictures in numberpicture.go, integer.go, datepicture.go,
// dateformat.go and dateparse.go.
package jsonata

import (
	"slices"

	"github.com/backstep/backstep/internal/value"
)

// Level tells which dialect an expression is written in.
type Level uint8

const (
	// AWS is what a state machine speaks: JSONata 2.0.6 without $eval, with
	// $partition, $range, $hash, $random(seed), $uuid and $parse.
	AWS Level = iota
	// Reference is JSONata 2.0.6 as its public suite has it.
	Reference
)

// Expression is a compiled expression. It never changes and may be used by
// many at once.
type Expression struct {
	source    string
	root      *node
	library   map[string]datum
	variables []string
	free      map[string]*use
}

// Env is all that an evaluation takes from outside.
type Env struct {
	Input  value.Value // what $ is at the top; Absent at level AWS
	Vars   Variables   // may be nil
	Now    int64       // the time of $now and $millis, in ms since 1970 UTC
	Chance Chance      // what $random, $shuffle and $uuid draw from; else nil
	Budget Budget
}

// Variables gives the variables that an evaluation begins with.
type Variables interface {
	// Variable is the value of that name, without "$"; Absent where there is
	// none.
	Variable(name string) value.Value
}

// Chance is a source of random bits.
type Chance interface {
	Uint64() uint64
}

// Compile reads an expression. The error is an *[Error].
func Compile(source string, level Level) (e *Expression, err error) {
	defer catch(&err)
	library := libraries[level]
	root := finishTree(parse(source), library)
	free := freeVariables(root)
	return &Expression{source: source, root: root, library: library, free: free, variables: sortedNames(free)}, nil
}

// catch turns the panic that ends a compilation or evaluation into its error.
func catch(err *error) {
	switch r := recover().(type) {
	case nil:
	case *Error:
		*err = r
	default:
		panic(r)
	}
}

// Source is the text that e was compiled from.
func (e *Expression) Source() string { return e.source }

// Variables is the names of the variables that e takes from outside, sorted,
// without "$". The slice is shared and must not be changed.
func (e *Expression) Variables() []string { return e.variables }

// Asks reports whether e looks at that member of that variable. An expression
// that looks at the variable in any other way than $variable.member may look at
// all of its members.
func (e *Expression) Asks(variable, member string) bool {
	u := e.free[variable]
	return u != nil && (u.whole || slices.Contains(u.members, member))
}

// Eval is the value of the expression, [value.Absent] where it is undefined.
// The error is an *[Error] or [ErrFunction].
func (e *Expression) Eval(env Env) (value.Value, error) {
	v, _, err := e.Measure(env)
	return v, err
}

// Measure is [Expression.Eval] that also tells what it spent, an evaluation
// that failed as well.
func (e *Expression) Measure(env Env) (v value.Value, u Usage, err error) {
	run := new(evaluation)
	run.begin(env.Budget)
	run.vars, run.chance, run.now, run.library = env.Vars, env.Chance, env.Now, e.library
	defer func() { u = run.spent }()
	defer catch(&err)
	result := run.top(e.root, given(env.Input))
	if result.kind() == functionKind {
		return value.Value{}, u, ErrFunction
	}
	return run.output(result), u, nil
}
