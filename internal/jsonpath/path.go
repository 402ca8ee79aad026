// Package jsonpath is what JSONPath states write: paths into input, context
// object and variables, reference paths, and the intrinsic functions.
//
// It refuses to know states and their fields: it says what an expression gives
// or why it gives nothing, and the caller words the failure.
package jsonpath

import "github.com/backstep/backstep/internal/value"

// Scope is what an expression can reach. Each is asked only when it is needed.
type Scope interface {
	Input() value.Value               // $
	Context() value.Value             // $$
	Variable(name string) value.Value // $name; Absent where there is none
}

// Chance is where States.UUID and States.MathRandom draw from.
type Chance interface{ Uint64() uint64 }

// Root tells what a path starts from.
type Root uint8

// The roots of a path.
const (
	RootInput    Root = iota // $
	RootContext              // $$
	RootVariable             // $name
)

// Path is a compiled path. It may be used by many at once.
type Path struct{ text string }

// Compile compiles a path: $.a, $$.Execution.Id, $name.b[0]. The error is a
// *[SyntaxError].
func Compile(text string) (*Path, error) { return &Path{text}, nil }

// Eval is the value at the path. A definite path gives the value or a
// *[NotFound]; an indefinite one an array, which may be empty.
func (p *Path) Eval(s Scope) (value.Value, error) { return s.Input(), nil }

// Definite reports whether the path can only ever give one value.
func (p *Path) Definite() bool { return true }

// String is the path as it was written.
func (p *Path) String() string { return p.text }

// Root is what the path starts from, and the variable's name where that is it.
func (p *Path) Root() (Root, string) { return RootInput, "" }

// Reference is a compiled reference path: one that can only ever name one
// place. It may be used by many at once.
type Reference struct{ text string }

// CompileReference compiles a reference path: $, $.a.b, $.a[0]. The error is a
// *[SyntaxError].
func CompileReference(text string) (*Reference, error) { return &Reference{text}, nil }

// Set is root with v at the place of the reference. Objects that are missing
// on the way are made. The error is a *[SetError].
func (r *Reference) Set(root, v value.Value) (value.Value, error) { return v, nil }

// String is the reference path as it was written.
func (r *Reference) String() string { return r.text }

// Expression is what a member whose name ends in ".$" holds, compiled: a path,
// or a call of an intrinsic function. It may be used by many at once.
type Expression struct{ text string }

// CompileExpression compiles a path or a call. The error is a *[SyntaxError].
func CompileExpression(text string) (*Expression, error) { return &Expression{text}, nil }

// Eval is the expression's value. The error is a *[NotFound] or an
// *[IntrinsicError].
func (e *Expression) Eval(s Scope, c Chance) (value.Value, error) { return s.Input(), nil }

// Call is the name of the intrinsic function that the expression calls, ""
// where it is a path.
func (e *Expression) Call() string { return "" }

// Paths are the paths within the expression, in the order of writing.
func (e *Expression) Paths() []*Path { return nil }

// Variables are the names of the variables that the expression reads, each
// once, in the order of writing.
func (e *Expression) Variables() []string { return nil }

// String is the expression as it was written.
func (e *Expression) String() string { return e.text }

// SyntaxError tells why a text is no path, reference path or expression.
type SyntaxError struct {
	Text   string // what was to be compiled
	Offset int    // in bytes, from 0
	Reason string // in a few words
}

func (e *SyntaxError) Error() string { return e.Reason }

// NotFound tells that a definite path leads nowhere.
type NotFound struct {
	Path   string // as it was written
	Reason string // in the words of AWS: "No results for path: $['a']" or "Missing property in path $['a']"
}

func (e *NotFound) Error() string { return e.Reason }

// SetError tells why nothing can be put at the place of a reference path.
type SetError struct {
	Path   string // as it was written
	Reason string // in a few words
}

func (e *SetError) Error() string { return e.Reason }

// IntrinsicError tells why an intrinsic function gave nothing.
type IntrinsicError struct {
	Call  string // the call as it was written
	Cause string // in a sentence
}

func (e *IntrinsicError) Error() string { return e.Cause }
