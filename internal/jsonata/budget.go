package jsonata

import (
	"strconv"
	"unicode/utf16"

	"github.com/backstep/backstep/internal/value"
)

// Budget bounds one evaluation. A zero field means its default. What is spent
// is counted, never timed: the same expression over the same values ends at
// the same step everywhere.
type Budget struct {
	// Steps is how many parts of the expression may be evaluated, 1,000,000 by
	// default. Work within a function counts as well: a call is one step, an
	// item looked at or 64 bytes of text read or written is one.
	Steps int
	// Depth is how many evaluations may be under way within one another, 8,000
	// by default. A function that calls itself takes about three a call (and a
	// call in tail position none), so some 2,600 calls may wait for each other:
	// a little more than the reference manages under Node, and 7 MiB of stack, 30
	// at the worst.
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
	defaultDepth  = 8_000
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
	callSteps    = 1  // of a function, besides what it evaluates
	bytesPerStep = 64 // of text that is read or written
	namesPerStep = 16 // of a frame that are looked through
	bytesPerItem = 32 // of an array, an object or the arguments of a call
	bytesPerNode = 96 // of an array, an object or a function by itself
	bytesPerText = 48 // of a string by itself
)

// meter counts what an evaluation spends and ends it, by a panic with an
// *[Error], where it would spend too much.
type meter struct {
	budget Budget
	spent  Usage
	depth  int // evaluations under way
}

// begin sets the budget.
func (m *meter) begin(b Budget) {
	or := func(n, otherwise int) int {
		if n == 0 {
			return otherwise
		}
		return n
	}
	m.budget.Steps, m.budget.Depth = or(b.Steps, defaultSteps), or(b.Depth, defaultDepth)
	m.budget.Bytes, m.budget.Output = or(b.Bytes, defaultBytes), or(b.Output, defaultOutput)
}

// step counts n steps. It stops at the budget exactly, whatever n is.
func (m *meter) step(n int) {
	m.spent.Steps += n
	if m.spent.Steps > m.budget.Steps {
		m.exhausted()
	}
}

func (m *meter) exhausted() {
	m.spent.Steps = m.budget.Steps
	panic(newError(codeSpent, 0, "", m.budget.Steps, "steps"))
}

// left is the number of steps that are left.
func (m *meter) left() int { return m.budget.Steps - m.spent.Steps }

// enter begins an evaluation within those under way; leave ends it.
func (m *meter) enter() {
	m.depth++
	if m.depth > m.spent.Depth {
		m.deepen()
	}
}

func (m *meter) deepen() {
	if m.depth > m.budget.Depth {
		panic(newError(codeSpent, 0, "", m.budget.Depth, "evaluations within one another"))
	}
	m.spent.Depth = m.depth
}

func (m *meter) leave() { m.depth-- }

// take counts n bytes that are about to be allocated.
func (m *meter) take(n int) {
	m.spent.Bytes += n
	if m.spent.Bytes > m.budget.Bytes {
		m.spent.Bytes = m.budget.Bytes
		panic(newError(codeMemory, 0, "", m.budget.Bytes))
	}
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
	m.take(bytesPerText + n)
	m.step(n / bytesPerStep)
}

// read counts n bytes of text that are about to be read.
func (m *meter) read(n int) { m.step(n / bytesPerStep) }

// output is d as JSON, where it is not too long and not too deep.
func (m *meter) output(d datum) value.Value {
	if fits(d, m.budget.Output, 0) < 0 {
		panic(newError(codeOutput, 0, "", m.budget.Output))
	}
	return d.value()
}

// fits is what room is left behind d as JSON text, below 0 where there is none
// or d is nested deeper than JSON may be.
func fits(d datum, room, depth int) int {
	switch d.is {
	case stringKind:
		return room - quotedLen(d.string())
	case numberKind:
		return room - numberLen(d)
	case boolKind:
		return room - len(strconv.FormatBool(d.isTrue()))
	case arrayKind, objectKind:
		if depth == value.MaxDepth {
			return -1
		}
		return fitsAll(d, room-len("[]"), depth+1)
	}
	return room - len("null")
}

func fitsAll(d datum, room, depth int) int {
	members := 0
	for i := 0; i < d.len() && room >= 0; i++ {
		item := d.at(i)
		if d.is == objectKind {
			if item.is == functionKind {
				continue
			}
			room -= quotedLen(d.name(i)) + len(":")
		}
		if members++; members > 1 {
			room -= len(",")
		}
		room = fits(item, room, depth)
	}
	return room
}

// numberLen is the length of a number as JSON text. One that JSON has no text
// for is an error.
func numberLen(d datum) int {
	if d.v != nil && d.v.Spelled() {
		return len(d.v.Spelling())
	}
	f := d.number()
	if !finite(f) {
		panic(newError("D1001", 0, "", f))
	}
	var text [32]byte
	return len(value.NewFloat(f).Append(text[:0]))
}

// escaped is how many bytes more than itself a byte takes in a JSON string.
var escaped = func() (more [256]uint8) {
	for b := range 0x20 {
		more[b] = uint8(len(`\u0000`) - 1)
	}
	for _, b := range []byte("\b\f\n\r\t\"\\") {
		more[b] = 1
	}
	return more
}()

// quotedLen is the length of s as a JSON string.
func quotedLen(s string) int {
	n := len(s) + len(`""`)
	for i := range len(s) {
		n += int(escaped[s[i]])
	}
	if hasSurrogates(s) {
		for i := range len(s) {
			if r, _ := decodeRune(s[i:]); utf16.IsSurrogate(r) {
				n += len(`\uD800`) - 3
			}
		}
	}
	return n
}
