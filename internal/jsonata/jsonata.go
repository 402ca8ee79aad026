// Package jsonata evaluates JSONata expressions over [value.Value].
//
// An expression is compiled once and may then be evaluated by many at once.
// An evaluation is a pure function of its [Env]: the time, the chance and the
// variables come in through it, and one [Budget] bounds what it may spend. The
// budget counts and never times, so the same expression over the same values
// ends at the same step everywhere.
//
// The package refuses to know what the values mean, where an expression stands
// in a definition, and how an error is told to a caller.
package jsonata

import (
	"errors"

	"github.com/backstep/backstep/internal/value"
)

// Level tells which dialect an expression is written in.
type Level uint8

// The levels. AWS is what a state machine speaks: no $eval, and $partition,
// $range, $hash, $random(seed), $uuid and $parse besides. Reference is JSONata
// 2.0.6 as its public suite has it.
const (
	AWS Level = iota
	Reference
)

// ErrFunction is the error of an evaluation whose result is a function, which
// is no JSON.
var ErrFunction = errors.New("the result is a function")

// Expression is a compiled expression. It never changes and may be used by
// many at once.
type Expression struct {
	source    string
	level     Level
	variables []string
}

// Env is all that an evaluation takes from outside.
type Env struct {
	Input  value.Value // what $ is at the top; Absent at level AWS
	Vars   Variables   // may be nil
	Now    int64       // the time of $now and $millis, in ms since 1970 UTC
	Chance Chance      // what $random, $shuffle and $uuid draw from
	Budget Budget      // a zero field means its default
}

// Variables gives variables by name, without "$"; Absent where there is none.
type Variables interface {
	Variable(name string) value.Value
}

// Chance is a source of random bits.
type Chance interface {
	Uint64() uint64
}

// Budget bounds one evaluation.
type Budget struct {
	Steps  int // evaluations of a part of the expression, and work of that size
	Depth  int // evaluations within one another
	Bytes  int // memory taken, in all
	Output int // the result as JSON text
}

// Usage is what an evaluation spent.
type Usage struct {
	Steps, Bytes, Depth int
}

// Error tells why an expression can't be compiled or evaluated.
type Error struct {
	Code     string // the reference's code, such as "T2001"
	Position int    // where in the source, in bytes
	Token    string // what stands there
	Message  string // in words, without the code
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Compile reads an expression. The error is an *[Error].
func Compile(source string, level Level) (*Expression, error) {
	return &Expression{source: source, level: level}, nil
}

// Source is the text that e was compiled from.
func (e *Expression) Source() string { return e.source }

// Variables is the names of the variables that e takes from outside, sorted,
// without "$".
func (e *Expression) Variables() []string { return e.variables }

// Eval is the value of the expression, Absent where it is undefined.
func (e *Expression) Eval(env Env) (value.Value, error) {
	v, _, err := e.Measure(env)
	return v, err
}

// Measure is [Expression.Eval] that also tells what it spent.
func (e *Expression) Measure(env Env) (value.Value, Usage, error) {
	return value.Value{}, Usage{}, nil
}
