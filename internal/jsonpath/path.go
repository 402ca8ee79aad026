// Package jsonpath is what JSONPath states write: paths into input, context
// object and variables, reference paths, and calls of intrinsic functions.
// All are compiled once and may then be used by many at once. The grammar is
// that of Jayway JsonPath 2.0, which the service speaks.
//
// It refuses to know states and their fields: it says what an expression gives
// or why it gives nothing, and the caller makes a failure of it.
//
// Read path.go (a path and its values), parse.go (its grammar), walk.go (paths
// of many values), filter.go, errors.go, reference.go, then expression.go and
// call.go (".$" members), functions.go (the table of intrinsic functions), and
// arrays.go, texts.go and numbers.go, which do their work.
package jsonpath

import (
	"strconv"
	"strings"

	"github.com/backstep/backstep/internal/value"
)

// Bounds of what is compiled and of what an evaluation may do. They are wide
// for anything that people write and keep hostile paths cheap.
const (
	MaxText   = 1 << 16 // bytes of a path or expression
	MaxSteps  = 256     // steps of one path
	MaxNested = 32      // filters and parentheses within one another
	MaxVisits = 1 << 18 // values that one evaluation may look at
)

// Scope is what an expression can reach. Each is asked only when it is needed.
type Scope interface {
	Input() value.Value               // $
	Context() value.Value             // $$
	Variable(name string) value.Value // $name; Absent where there is none
}

// Root tells what a path starts from.
type Root uint8

// The roots of a path.
const (
	RootInput    Root = iota // $
	RootContext              // $$
	RootVariable             // $name
)

// Path is a compiled path.
type Path struct {
	text     string
	root     Root
	variable string // the name, where the root is one
	steps    []step
	definite bool
}

// step is one part of a path: from a value to none, one or many within it.
type step struct {
	kind    stepKind
	index   int      // index, from the end where it is negative
	name    string   // property
	names   []string // properties
	indexes []int    // indexes
	from    int      // slice; -endless where it names none
	to      int      // slice; endless where it names none
	keep    test     // filter
}

type stepKind uint8

const (
	property   stepKind = iota // .a
	properties                 // ['a','b'], the object of those members
	index                      // [0], [-1], [(@.length-1)]
	indexes                    // [0,1]
	slice                      // [1:2]
	wildcard                   // .* and [*]
	filter                     // [?(@.a)]
	scan                       // .., and the next step applies at every depth
)

func (k stepKind) definite() bool { return k <= index }

// Compile compiles a path: $.a, $$.Execution.Id, $name.b[0]. White space at
// its end is ignored. The error is a *[SyntaxError].
func Compile(text string) (*Path, error) {
	return compile(text, func(p *parser) (*Path, *SyntaxError) { return p.path(nameStops) })
}

// String is the path as it was written.
func (p *Path) String() string { return p.text }

// Definite reports whether the path can only ever give one value.
func (p *Path) Definite() bool { return p.definite }

// Root is what the path starts from, and the variable's name where it is one.
func (p *Path) Root() (Root, string) { return p.root, p.variable }

// Eval is the value at the path. A definite path gives the value or a
// *[NotFound]. An indefinite one gives the array of all that it finds, which
// may be empty, and a *[NotFound] where a step meets a value that it can't be
// applied to, or where it would look at more than [MaxVisits] values.
func (p *Path) Eval(s Scope) (value.Value, error) {
	v, missing := p.eval(s)
	if missing != nil {
		return value.Value{}, missing
	}
	return v, nil
}

func (p *Path) eval(s Scope) (value.Value, *NotFound) {
	var start value.Value
	switch p.root {
	case RootInput:
		start = s.Input()
	case RootContext:
		start = s.Context()
	default:
		start = s.Variable(p.variable)
	}
	if start.IsAbsent() {
		return start, p.notFound("No results for path: " + p.prefix(0))
	}
	if !p.definite {
		return p.collect(start)
	}
	v := &start
	for i := range p.steps {
		next := p.steps[i].one(v)
		if next == nil {
			return value.Value{}, p.miss(i, *v, p.prefix(i))
		}
		v = next
	}
	return *v, nil
}

// one is what a definite step finds in v, nil where it finds nothing.
func (s *step) one(v *value.Value) *value.Value {
	switch s.kind {
	case property:
		return v.Find(s.name)
	case index:
		return v.Item(s.index)
	}
	if v.Kind() != value.Object {
		return nil
	}
	picked := pick(v, s.names)
	return &picked
}

// pick is the object of those members that v has under the names.
func pick(v *value.Value, names []string) value.Value {
	b := value.NewBuilder(len(names))
	for _, name := range names {
		if member := v.Find(name); member != nil {
			b.Set(name, *member)
		}
	}
	return b.Object()
}

// miss tells why step i, a definite one, finds nothing in v, which stands at
// the place where.
func (p *Path) miss(i int, v value.Value, where string) *NotFound {
	s := &p.steps[i]
	last := i == len(p.steps)-1
	switch {
	case s.kind == index && v.Kind() == value.Array && last:
		e := p.notFound("No results for path: " + where + s.String())
		e.beyond = true
		return e
	case s.kind == index && v.Kind() == value.Array: // null to the service, until a further step
		return p.unfit(i+1, value.NewNull(), where+s.String())
	case s.kind == index || v.Kind() != value.Object:
		return p.unfit(i, v, where)
	case last:
		return p.notFound("No results for path: " + where + s.String())
	}
	return p.notFound("Missing property in path " + where + s.String())
}

// unfit tells that step i can't be applied to v, which stands at the place
// where.
func (p *Path) unfit(i int, v value.Value, where string) *NotFound {
	s := &p.steps[i]
	switch {
	case s.kind == property || s.kind == properties:
		return p.notFound("Property " + s.String() + " not found in path " + where)
	case v.Kind() == value.Null && s.kind != filter:
		return p.notFound("The path " + where + " is null")
	}
	rule := " can only be applied to arrays."
	if s.kind == filter {
		rule = " can not be applied to primitives."
	}
	text := v.AsString()
	if v.Kind() != value.String {
		text = v.Text().String()
	}
	e := p.notFound("Filter: " + bracketed(p.steps[i:]) + rule + " Current context is: " + text)
	e.misuse = true
	return e
}

func (p *Path) notFound(reason string) *NotFound { return &NotFound{Path: p.text, Reason: reason} }

// prefix is the path up to its first n steps, in brackets.
func (p *Path) prefix(n int) string { return "$" + p.variable + bracketed(p.steps[:n]) }

func bracketed(steps []step) string {
	var b strings.Builder
	for i := range steps {
		b.WriteString(steps[i].String())
	}
	return b.String()
}

// endless is the end of a slice that names none, and less it the start.
const endless = 1 << 31

// String is the step in brackets.
func (s *step) String() string {
	switch s.kind {
	case property:
		return "['" + s.name + "']"
	case properties:
		return "['" + strings.Join(s.names, "', '") + "']"
	case index:
		return "[" + strconv.Itoa(s.index) + "]"
	case indexes:
		texts := make([]string, len(s.indexes))
		for i, n := range s.indexes {
			texts[i] = strconv.Itoa(n)
		}
		return "[" + strings.Join(texts, ",") + "]"
	case slice:
		from, to := strconv.Itoa(s.from), strconv.Itoa(s.to)
		if s.from == -endless {
			from = ""
		}
		if s.to == endless {
			to = ""
		}
		return "[" + from + ":" + to + "]"
	case wildcard:
		return "[*]"
	case filter:
		return "[?]"
	}
	return ".."
}
