package jsonata

import "github.com/backstep/backstep/internal/value"

// Budget bounds one evaluation. A zero field means its default. What is spent
// is counted, never timed: the same expression over the same values ends at
// the same step everywhere.
type Budget struct {
	// Steps is how many parts of the expression may be evaluated, 1,000,000 by
	// default. Work within a function counts as well: an item looked at or
	// [bytesPerStep] bytes of text read or written are a step.
	Steps int
	// Depth is how many evaluations may be under way within one another, 5,000
	// by default. A function that calls itself takes about three a call (and a
	// call in tail position none), so some 1,600 calls may wait for each other:
	// beyond what data of [value.MaxDepth] needs, at a few MiB of stack.
	Depth int
	// Bytes is how much memory the evaluation may take in all, whether it is
	// given back or not, 16 MiB by default.
	Bytes int
	// Output is how long the result may be as JSON text, 262,144 bytes by
	// default: what a state may hand on.
	Output int
}

// The defaults of a [Budget].
const (
	defaultSteps  = 1_000_000
	defaultDepth  = 5_000
	defaultBytes  = 16 << 20
	defaultOutput = 262_144
)

// Usage is what an evaluation spent.
type Usage struct {
	Steps int // as in [Budget]
	Bytes int
	Depth int // the most evaluations that were under way within one another
}

// What things cost.
const (
	bytesPerStep = 64 // of text that is read or written
	bytesPerItem = 48 // of an array, an object or the arguments of a call
	bytesPerNode = 96 // of an array, an object or a function by itself
)

// meter counts what an evaluation spends and ends it, by a panic with an
// *[Error], where it would spend too much.
type meter struct {
	budget Budget
	spent  Usage
	depth  int // evaluations under way
}

func newMeter(b Budget) meter {
	if b.Steps == 0 {
		b.Steps = defaultSteps
	}
	if b.Depth == 0 {
		b.Depth = defaultDepth
	}
	if b.Bytes == 0 {
		b.Bytes = defaultBytes
	}
	if b.Output == 0 {
		b.Output = defaultOutput
	}
	return meter{budget: b}
}

// step counts n steps. It stops at the budget exactly, whatever n is.
func (m *meter) step(n int) {
	if n > m.budget.Steps-m.spent.Steps {
		m.spent.Steps = m.budget.Steps
		panic(newError(codeSpent, 0, "", m.budget.Steps, "steps"))
	}
	m.spent.Steps += n
}

// left is the number of steps that are left.
func (m *meter) left() int { return m.budget.Steps - m.spent.Steps }

// enter begins an evaluation within those under way; leave ends it.
func (m *meter) enter() {
	m.depth++
	if m.depth > m.spent.Depth {
		if m.depth > m.budget.Depth {
			panic(newError(codeSpent, 0, "", m.budget.Depth, "evaluations within one another"))
		}
		m.spent.Depth = m.depth
	}
}

func (m *meter) leave() { m.depth-- }

// take counts n bytes that are about to be allocated.
func (m *meter) take(n int) {
	if n > m.budget.Bytes-m.spent.Bytes {
		m.spent.Bytes = m.budget.Bytes
		panic(newError(codeMemory, 0, "", m.budget.Bytes))
	}
	m.spent.Bytes += n
}

// items counts an array or object of n items that is about to be made.
func (m *meter) items(n int) {
	if n > m.budget.Bytes/bytesPerItem {
		n = m.budget.Bytes // more than there is, without overflow
	}
	m.take(bytesPerNode + n*bytesPerItem)
	m.step(n)
}

// write counts a text of n bytes that is about to be made.
func (m *meter) write(n int) {
	m.take(n)
	m.step(n / bytesPerStep)
}

// read counts n bytes of text that are about to be read.
func (m *meter) read(n int) { m.step(n / bytesPerStep) }

// output is d as JSON, where it is not too long and not too deep.
func (m *meter) output(d datum) value.Value {
	room := m.budget.Output
	if !fits(d, &room, 0) {
		panic(newError(codeOutput, 0, "", m.budget.Output))
	}
	return d.value()
}

// fits takes the length of d as JSON text from room and reports whether there
// was enough of it, and d is not nested deeper than JSON may be.
func fits(d datum, room *int, depth int) bool {
	switch d.kind() {
	case arrayKind, objectKind:
		if depth == value.MaxDepth {
			return false
		}
		return fitsAll(d, room, depth+1)
	case stringKind:
		*room -= quotedLen(d.string())
	case numberKind, boolKind:
		if f := d.number(); !finite(f) && !d.v.Spelled() {
			panic(newError("D1001", 0, "", f))
		}
		var text [32]byte
		*room -= len(d.v.Append(text[:0]))
	default:
		*room -= len("null")
	}
	return *room >= 0
}

func fitsAll(d datum, room *int, depth int) bool {
	*room -= len("[]")
	object, members := d.kind() == objectKind, 0
	for i := range d.len() {
		item := d.at(i)
		if object {
			if k := item.kind(); k == undefined || k == functionKind {
				continue
			}
			*room -= quotedLen(d.name(i)) + len(":")
		}
		if members++; members > 1 {
			*room -= len(",")
		}
		if !fits(item, room, depth) {
			return false
		}
	}
	return *room >= 0
}

// quotedLen is the length of s as a JSON string.
func quotedLen(s string) int {
	n := len(s) + len(`""`)
	for i := 0; i < len(s); i++ {
		switch b := s[i]; {
		case b == '"' || b == '\\' || b == '\b' || b == '\f' || b == '\n' || b == '\r' || b == '\t':
			n++
		case b < 0x20:
			n += len(`\u0000`) - 1
		case b == 0xED && i+2 < len(s) && s[i+1] >= 0xA0:
			n += len(`\uD800`) - 3
		}
	}
	return n
}
