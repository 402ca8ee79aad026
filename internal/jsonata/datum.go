package jsonata

import (
	"math"

	"github.com/backstep/backstep/internal/value"
)

// kind tells what a datum is. The first seven are those of [value.Kind].
type kind uint8

const (
	undefined    = kind(value.Absent)
	nullKind     = kind(value.Null)
	boolKind     = kind(value.Bool)
	numberKind   = kind(value.Number)
	stringKind   = kind(value.String)
	arrayKind    = kind(value.Array)
	objectKind   = kind(value.Object)
	functionKind = objectKind + 1
	tupleKind    = objectKind + 2 // an item of a tuple stream: names and what they are bound to
)

// datum is what an expression computes with: a JSON value as it came, a number
// or constant, or something the evaluation made. The zero datum is undefined.
// It is small enough for the compiler to keep in registers.
type datum struct {
	is    kind
	num   float64      // a number that was computed, or 1 where is is true
	v     *value.Value // JSON as it came, and any string; shared, never changed
	*made              // what the evaluation made
}

// made is an array, object, tuple or function that the evaluation made. It is
// immutable once handed on, but for the clone that a transform works on.
type made struct {
	kind  kind
	flags flags
	items []datum   // of an array; member values of an object; what a tuple's names are bound to
	first float64   // the first item of an array that is a range
	span  int       // the length of such an array, which has no items
	named *named    // of an object or tuple
	fn    *function // of a function
}

// named is the names of an object's members or a tuple's bindings.
type named struct {
	names []string
	index map[string]int // name to position, for objects of many members
}

// flags tell how an array came to be, which rules what becomes of it.
type flags uint8

const (
	sequence      flags = 1 << iota // a result list: of one item it is that item, of none it is undefined
	keepSingleton                   // a sequence that stays an array when it has one item
	constructed                     // an array constructor at the end of a path: not flattened
	tuples                          // a sequence of tuples
	outerWrapper                    // the sequence that holds an array given as input
)

func (d datum) kind() kind { return d.is }

func (d datum) absent() bool { return d.is == undefined }

func (d datum) isArray() bool { return d.is == arrayKind }

// has reports whether d is an array that carries all these flags.
func (d datum) has(f flags) bool { return d.made != nil && d.made.flags&f == f }

// of is JSON as it came.
func of(v *value.Value) datum {
	if v == nil {
		return datum{}
	}
	return datum{is: kind(v.Kind()), v: v}
}

// given is JSON that is held nowhere else.
func given(v value.Value) datum {
	if v.IsAbsent() {
		return datum{}
	}
	held := v
	return of(&held)
}

func num(f float64) datum { return datum{is: numberKind, num: f} }

func str(s string) datum { return given(value.NewString(s)) }

func boolean(b bool) datum {
	if b {
		return datum{is: boolKind, num: 1}
	}
	return datum{is: boolKind}
}

func null() datum { return datum{is: nullKind} }

// from is what the evaluation made.
func from(m *made) datum { return datum{is: m.kind, made: m} }

func list(f flags, items ...datum) datum {
	return from(&made{kind: arrayKind, flags: f, items: items})
}

// flagged is an array that was made, with these flags and no others. It shares
// the items.
func (d datum) flagged(f flags) datum {
	m := *d.made
	m.flags = f
	return from(&m)
}

func tuple(names []string, items []datum) datum {
	return from(&made{kind: tupleKind, items: items, named: &named{names: names}})
}

// function is the function that d is, nil where it is none.
func (d datum) function() *function {
	if d.made == nil {
		return nil
	}
	return d.fn
}

func (d datum) isNumber() bool { return d.is == numberKind }

func (d datum) isString() bool { return d.is == stringKind }

func (d datum) isTrue() bool {
	if d.v != nil {
		return d.v.AsBool()
	}
	return d.num != 0
}

// number is the number that d is, 0 where it is none.
func (d datum) number() float64 {
	if d.v != nil {
		return d.v.AsFloat()
	}
	return d.num
}

// string is the string that d is, "" where it is none.
func (d datum) string() string {
	if d.is != stringKind {
		return ""
	}
	return d.v.AsString()
}

// integer reports the whole number that d is.
func (d datum) integer() (float64, bool) {
	f := d.number()
	return f, d.isNumber() && f == math.Trunc(f) && !math.IsInf(f, 0)
}

// len is the number of an array's items or an object's members.
func (d datum) len() int {
	switch {
	case d.made != nil:
		return len(d.items) + d.span
	case d.v != nil:
		return d.v.Len()
	}
	return 0
}

// at is an array's item, or an object's member value.
func (d datum) at(i int) datum {
	switch {
	case d.made == nil:
		return of(&d.v.Items()[i])
	case d.span > 0:
		return num(d.first + float64(i))
	}
	return d.items[i]
}

// item is the array's item i, undefined beyond its ends.
func (d datum) item(i int) datum {
	if i < 0 || i >= d.len() {
		return datum{}
	}
	return d.at(i)
}

// name is the name of an object's member i.
func (d datum) name(i int) string {
	if d.made != nil {
		return d.named.names[i]
	}
	return d.v.NameAt(i)
}

// member is the object's member of that name.
func (d datum) member(name string) datum {
	switch {
	case d.made == nil && d.v != nil:
		return of(d.v.Find(name))
	case d.made != nil:
		if i, ok := d.made.find(name); ok {
			return d.items[i]
		}
	}
	return datum{}
}

// indexFrom is the number of members from which an object carries an index.
const indexFrom = 12

func newObject(room int) *made {
	return &made{kind: objectKind, items: make([]datum, 0, room), named: &named{names: make([]string, 0, room)}}
}

func (m *made) find(name string) (int, bool) {
	if m.named == nil {
		return 0, false
	}
	if m.named.index != nil {
		i, ok := m.named.index[name]
		return i, ok
	}
	for i, s := range m.named.names {
		if s == name {
			return i, true
		}
	}
	return 0, false
}

// set gives the object's member its value, at its old place or at the end.
func (m *made) set(name string, d datum) {
	if i, ok := m.find(name); ok {
		m.items[i] = d
		return
	}
	m.named.names = append(m.named.names, name)
	m.items = append(m.items, d)
	if m.named.index != nil {
		m.named.index[name] = len(m.items) - 1
	} else if len(m.items) >= indexFrom {
		m.reindex()
	}
}

// drop takes the member of that name away.
func (m *made) drop(name string) {
	i, ok := m.find(name)
	if !ok {
		return
	}
	m.named.names = append(m.named.names[:i:i], m.named.names[i+1:]...)
	m.items = append(m.items[:i:i], m.items[i+1:]...)
	if m.named.index != nil {
		m.reindex()
	}
}

func (m *made) reindex() {
	m.named.index = make(map[string]int, 2*len(m.items))
	for i, s := range m.named.names {
		m.named.index[s] = i
	}
}

// value is d as JSON. What JSON can't say is null in an array, and no member
// in an object.
func (d datum) value() value.Value {
	switch {
	case d.v != nil:
		return *d.v
	case d.is == nullKind:
		return value.NewNull()
	case d.is == boolKind:
		return value.NewBool(d.isTrue())
	case d.is == numberKind:
		return value.NewFloat(d.num)
	case d.is == arrayKind:
		items := make([]value.Value, d.len())
		for i := range items {
			if items[i] = d.at(i).value(); items[i].IsAbsent() {
				items[i] = value.NewNull()
			}
		}
		return value.NewArray(items)
	case d.is == objectKind:
		b := value.NewBuilder(len(d.items))
		for i, item := range d.items {
			b.Set(d.named.names[i], item.value())
		}
		return b.Object()
	}
	return value.Value{}
}

func isNumbers(d datum) bool { return isArrayOf(d, datum.isNumber) }

func isStrings(d datum) bool { return isArrayOf(d, datum.isString) }

func isArrayOf(d datum, is func(datum) bool) bool {
	if !d.isArray() {
		return false
	}
	for i := range d.len() {
		if !is(d.at(i)) {
			return false
		}
	}
	return true
}
