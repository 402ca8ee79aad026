// Package value is JSON as Backstep carries it: [Text], checked bytes that go
// on untouched, and [Value], an immutable tree for who looks inside. Members
// keep their order and numbers keep their spelling, so that what nobody
// changed leaves as it came.
//
// It refuses to know what the JSON means: no schema, no struct, no reflection.
//
// Read value.go (the tree), then text.go (the bytes), decode.go and encode.go
// (from one to the other), and decimal.go (numbers to the last digit).
package value

import (
	"iter"
	"math"
	"slices"
	"strconv"
)

// Kind tells which of JSON's six kinds a [Value] is.
type Kind uint8

// The kinds. Absent is no JSON: it is what a look-up that finds nothing gives,
// and never stands inside a tree.
const (
	Absent Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

var kindNames = [...]string{"absent", "null", "boolean", "number", "string", "array", "object"}

// String gives the kind's name in JSON's words.
func (k Kind) String() string { return kindNames[k] }

// Value is one immutable JSON value. The zero Value is [Absent]. Copies are
// cheap and share what they hold; all methods may be called by many at once.
//
// A string is kept as UTF-8; a surrogate that JSON's \u escapes left alone is
// kept in its three-byte form (WTF-8), and is written as an escape again.
type Value struct {
	kind  Kind
	truth bool
	num   float64 // a computed number; a spelled one has text
	text  string  // a string's content, or a number as it was spelled
	node  *node
}

// node holds what an array or object contains.
type node struct {
	items []Value          // an array's items, or an object's member values
	names []string         // an object's member names, in order
	index map[string]int32 // name to position, for objects of many members
}

// indexFrom is the number of members from which an object carries an index.
const indexFrom = 17

// NewNull is JSON's null.
func NewNull() Value { return Value{kind: Null} }

// NewBool is true or false.
func NewBool(b bool) Value { return Value{kind: Bool, truth: b} }

// NewInt is a whole number.
func NewInt(i int64) Value {
	if i >= -1<<53 && i <= 1<<53 {
		return Value{kind: Number, num: float64(i)}
	}
	return Value{kind: Number, text: strconv.FormatInt(i, 10)}
}

// NewFloat is a computed number. JSON has no infinity and no NaN: the caller
// should have refused them, and they are written as null, as ECMAScript does.
func NewFloat(f float64) Value { return Value{kind: Number, num: f} }

// NewNumber is a number that keeps its spelling, which must be JSON's.
func NewNumber(text string) Value { return Value{kind: Number, text: text} }

// NewString is a string, which must be UTF-8.
func NewString(s string) Value { return Value{kind: String, text: s} }

// NewArray is an array of items. It keeps the slice, which must not be changed
// afterwards.
func NewArray(items []Value) Value { return Value{kind: Array, node: &node{items: items}} }

// Member is a name and its value.
type Member struct {
	Name  string
	Value Value
}

// NewObject is an object of members in the order given. Of members of one name
// the last value stands, at the place of the first.
func NewObject(members ...Member) Value {
	b := NewBuilder(len(members))
	for _, m := range members {
		b.Set(m.Name, m.Value)
	}
	return b.Object()
}

// Kind tells what v is.
func (v Value) Kind() Kind { return v.kind }

// IsAbsent reports whether v is no value at all.
func (v Value) IsAbsent() bool { return v.kind == Absent }

// AsBool is the truth of a boolean, false for any other kind.
func (v Value) AsBool() bool { return v.truth }

// AsString is the content of a string, "" for any other kind.
func (v Value) AsString() string {
	if v.kind != String {
		return ""
	}
	return v.text
}

// AsFloat is the nearest double of a number, 0 for any other kind. A spelling
// beyond the range of doubles gives an infinity.
func (v Value) AsFloat() float64 {
	if v.kind != Number || v.text == "" {
		return v.num
	}
	if f, ok := smallInt(v.text); ok {
		return f
	}
	f, _ := strconv.ParseFloat(v.text, 64) // out of range gives ±Inf
	return f
}

// smallInt reads the integers that need no care: at most 15 digits.
func smallInt(s string) (float64, bool) {
	digits := s
	if digits[0] == '-' {
		digits = digits[1:]
	}
	if len(digits) == 0 || len(digits) > 15 {
		return 0, false
	}
	n := int64(0)
	for i := 0; i < len(digits); i++ {
		d := digits[i] - '0'
		if d > 9 {
			return 0, false
		}
		n = n*10 + int64(d)
	}
	if len(digits) != len(s) {
		if n == 0 {
			return math.Copysign(0, -1), true
		}
		n = -n
	}
	return float64(n), true
}

// AsInt is the whole number that v spells, however it spells it ("3", "3.0",
// "3e2"); ok is false for fractions, other kinds and numbers beyond int64.
func (v Value) AsInt() (i int64, ok bool) {
	if v.kind != Number {
		return 0, false
	}
	if v.text != "" {
		return newDecimal(v.text).int64()
	}
	if v.num != math.Trunc(v.num) || v.num < -1<<63 || v.num >= 1<<63 {
		return 0, false
	}
	return int64(v.num), true
}

// Spelling is a number as JSON text: as it was spelled, or the shortest text
// of a computed one.
func (v Value) Spelling() string {
	if v.kind != Number {
		return ""
	}
	if v.text != "" {
		return v.text
	}
	return string(appendFloat(nil, v.num))
}

// Spelled reports whether v is a number that keeps the spelling it came with.
func (v Value) Spelled() bool { return v.kind == Number && v.text != "" }

// Len is the number of an array's items or an object's members, 0 for any
// other kind.
func (v Value) Len() int {
	if v.node == nil {
		return 0
	}
	return len(v.node.items)
}

// At is the array's item, or the object's member value, at position i.
func (v Value) At(i int) Value { return v.node.items[i] }

// NameAt is the name of the object's member at position i.
func (v Value) NameAt(i int) string { return v.node.names[i] }

// Items is an array's items, or an object's member values. The slice is shared
// and must not be changed.
func (v Value) Items() []Value {
	if v.node == nil {
		return nil
	}
	return v.node.items
}

// Names is an object's member names. The slice is shared and must not be
// changed.
func (v Value) Names() []string {
	if v.node == nil {
		return nil
	}
	return v.node.names
}

// Get is the object's member of that name, [Absent] where there is none or v
// is no object.
func (v Value) Get(name string) Value {
	if i := v.find(name); i >= 0 {
		return v.node.items[i]
	}
	return Value{}
}

// Has reports whether v is an object with a member of that name.
func (v Value) Has(name string) bool { return v.find(name) >= 0 }

func (v Value) find(name string) int {
	if v.kind != Object {
		return -1
	}
	return v.node.find(name)
}

func (n *node) find(name string) int {
	if n.index != nil {
		if i, ok := n.index[name]; ok {
			return int(i)
		}
		return -1
	}
	for i := range n.names {
		if n.names[i] == name {
			return i
		}
	}
	return -1
}

// Find is like Get without the copy: it points to the member, nil where there
// is none. What it points to is shared and must not be changed.
func (v *Value) Find(name string) *Value {
	if v.kind != Object {
		return nil
	}
	if i := v.node.find(name); i >= 0 {
		return &v.node.items[i]
	}
	return nil
}

// Item points to the array's item at position i, counted from the end where i
// is negative; nil where there is none or v is no array. What it points to is
// shared and must not be changed.
func (v *Value) Item(i int) *Value {
	if v.kind != Array {
		return nil
	}
	if i < 0 {
		i += len(v.node.items)
	}
	if i < 0 || i >= len(v.node.items) {
		return nil
	}
	return &v.node.items[i]
}

// Members goes through an object's members in order.
func (v Value) Members() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if v.kind != Object {
			return
		}
		for i, name := range v.node.names {
			if !yield(name, v.node.items[i]) {
				return
			}
		}
	}
}

// With is the object v with one member set: replaced in place, or added at the
// end. Where v is no object, it is an object of that one member.
func (v Value) With(name string, member Value) Value {
	b := NewBuilder(v.Len() + 1)
	if v.kind == Object {
		b.n.names = append(b.n.names, v.node.names...)
		b.n.items = append(b.n.items, v.node.items...)
		if b.Len() >= indexFrom {
			b.n.reindex()
		}
	}
	b.Set(name, member)
	return b.Object()
}

// Builder makes an object member by member. It belongs to one goroutine.
type Builder struct{ n *node }

// NewBuilder is a builder with room for n members.
func NewBuilder(n int) *Builder {
	return &Builder{n: &node{items: make([]Value, 0, n), names: make([]string, 0, n)}}
}

// Without begins an object with the members of v but for some.
func (v Value) Without(names ...string) *Builder {
	b := NewBuilder(v.Len())
	for name, m := range v.Members() {
		if !slices.Contains(names, name) {
			b.Set(name, m)
		}
	}
	return b
}

// Set gives the member of that name its value; a later value replaces an
// earlier one at its place. An [Absent] value is not set.
func (b *Builder) Set(name string, v Value) {
	if v.kind != Absent {
		b.n.set(name, v)
	}
}

// Len is the number of members so far.
func (b *Builder) Len() int { return len(b.n.names) }

// Get is the member set so far under that name.
func (b *Builder) Get(name string) Value {
	if i := b.n.find(name); i >= 0 {
		return b.n.items[i]
	}
	return Value{}
}

// Object is what was built. The builder must not be used afterwards.
func (b *Builder) Object() Value { return Value{kind: Object, node: b.n} }

func (n *node) set(name string, v Value) {
	if i := n.find(name); i >= 0 {
		n.items[i] = v
		return
	}
	n.names = append(n.names, name)
	n.items = append(n.items, v)
	if n.index != nil {
		n.index[name] = int32(len(n.names) - 1)
	} else if len(n.names) >= indexFrom {
		n.reindex()
	}
}

func (n *node) reindex() {
	n.index = make(map[string]int32, 2*len(n.names))
	for i, s := range n.names {
		n.index[s] = int32(i)
	}
}

// Equal reports whether a and b are the same JSON value: members in any order,
// numbers by what they amount to, to the last digit.
func Equal(a, b Value) bool {
	if a.kind != b.kind {
		return false
	}
	switch a.kind {
	case Bool:
		return a.truth == b.truth
	case Number:
		return equalNumbers(a, b)
	case String:
		return a.text == b.text
	case Array:
		return equalItems(a.node.items, b.node.items)
	case Object:
		return a.node == b.node || equalMembers(a, b)
	}
	return true
}

func equalItems(a, b []Value) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

func equalMembers(a, b Value) bool {
	if a.Len() != b.Len() {
		return false
	}
	for i, name := range a.node.names {
		j := b.node.find(name)
		if j < 0 || !Equal(a.node.items[i], b.node.items[j]) {
			return false
		}
	}
	return true
}
