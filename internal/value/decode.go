package value

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Decode is the tree of the text. Strings and numbers share its bytes. The
// zero Text gives [Absent].
func (t Text) Decode() Value {
	if t.s == "" {
		return Value{}
	}
	d := decoder{s: t.s}
	d.measure()
	return d.value()
}

// decoder reads text that was checked, twice: first it counts what arrays and
// objects hold, then it fills room of just that size.
type decoder struct {
	s      string
	i      int
	counts []int32  // what each array or object holds, in the order of their beginnings
	values []Value  // room for items and members
	names  []string // room for members' names
	nodes  []node   // room for the arrays and objects that hold something
}

// measure counts, and makes room.
func (d *decoder) measure() {
	var first [32]int32
	open := first[:0] // the arrays and objects around i
	values, names, nodes := 0, 0, 0
	d.counts = make([]int32, 0, len(d.s)/64+4)
	for i := 0; i < len(d.s); i++ {
		switch d.s[i] {
		case '"':
			i = d.stringEnd(i)
		case '[', '{':
			open = append(open, int32(len(d.counts)))
			d.counts = append(d.counts, d.hasSome(i+1))
		case ',':
			d.counts[open[len(open)-1]]++
		case ']', '}':
			n := int(d.counts[open[len(open)-1]])
			open = open[:len(open)-1]
			values += n
			if d.s[i] == '}' {
				names += n
			}
			if n > 0 {
				nodes++
			}
		}
	}
	d.values, d.names, d.nodes = make([]Value, values), make([]string, names), make([]node, nodes)
}

// stringEnd is the place of the quote that ends the string that begins at i.
func (d *decoder) stringEnd(i int) int {
	for i = plain(d.s, i+1); d.s[i] != '"'; i = plain(d.s, i+1) {
		if d.s[i] == '\\' {
			i++
		}
	}
	return i
}

// hasSome is 1 where an array or object whose content begins at i holds
// something, else 0.
func (d *decoder) hasSome(i int) int32 {
	for d.s[i] <= ' ' {
		i++
	}
	if d.s[i] == ']' || d.s[i] == '}' {
		return 0
	}
	return 1
}

// empty is the node of every array and object that holds nothing.
var empty = &node{}

// node is room for the next array or object.
func (d *decoder) node() *node {
	n := int(d.counts[0])
	d.counts = d.counts[1:]
	if n == 0 {
		return empty
	}
	next := &d.nodes[0]
	d.nodes = d.nodes[1:]
	next.items, d.values = d.values[:n:n], d.values[n:]
	return next
}

func (d *decoder) space() {
	for d.i < len(d.s) && d.s[d.i] <= ' ' {
		d.i++
	}
}

func (d *decoder) value() Value {
	d.space()
	switch d.s[d.i] {
	case '"':
		return Value{kind: String, text: d.string()}
	case '{':
		return d.object()
	case '[':
		return d.array()
	case 't':
		d.i += 4
		return Value{kind: Bool, truth: true}
	case 'f':
		d.i += 5
		return Value{kind: Bool}
	case 'n':
		d.i += 4
		return Value{kind: Null}
	}
	start := d.i
	for d.i < len(d.s) && isNumberByte(d.s[d.i]) {
		d.i++
	}
	return Value{kind: Number, text: d.s[start:d.i]}
}

func isNumberByte(b byte) bool {
	return b >= '0' && b <= '9' || b == '.' || b == '-' || b == '+' || b|0x20 == 'e'
}

func (d *decoder) array() Value {
	n := d.node()
	d.i++
	for i := range n.items {
		d.comma(i)
		n.items[i] = d.value()
	}
	d.space()
	d.i++
	return Value{kind: Array, node: n}
}

func (d *decoder) object() Value {
	n := d.node()
	count := len(n.items)
	if count > 0 {
		n.names, d.names = d.names[:count:count], d.names[count:]
	}
	d.i++
	for i := range n.items {
		d.comma(i)
		d.space()
		n.names[i] = d.string()
		d.space()
		d.i++ // the colon
		n.items[i] = d.value()
	}
	d.space()
	d.i++
	n.settle()
	return Value{kind: Object, node: n}
}

// comma goes past the comma that stands before all items but the first.
func (d *decoder) comma(i int) {
	if i > 0 {
		d.space()
		d.i++
	}
}

// settle makes a name that stands twice count once, and builds the index.
func (n *node) settle() {
	if len(n.names) < indexFrom {
		for i := 1; i < len(n.names); i++ {
			for j := range i {
				if n.names[i] == n.names[j] {
					n.rebuild()
					return
				}
			}
		}
		return
	}
	n.reindex()
	if len(n.index) < len(n.names) {
		n.rebuild()
	}
}

func (n *node) rebuild() {
	names, items := n.names, n.items
	*n = node{}
	for i := range names {
		n.set(names[i], items[i])
	}
}

// string reads a string, its opening quote next. Without escapes it is a part
// of the text itself.
func (d *decoder) string() string {
	start := d.i + 1
	for i := plain(d.s, start); ; i = plain(d.s, i+1) {
		switch d.s[i] {
		case '"':
			d.i = i + 1
			return d.s[start:i]
		case '\\':
			return d.unescape(start, i)
		}
	}
}

var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (d *decoder) unescape(start, i int) string {
	var out strings.Builder
	out.WriteString(d.s[start:i])
	for {
		switch b := d.s[i]; b {
		case '"':
			d.i = i + 1
			return out.String()
		case '\\':
			if d.s[i+1] != 'u' {
				out.WriteByte(escapes[d.s[i+1]])
				i += 2
				continue
			}
			r, _ := hex4(d.s, i+2)
			i += 6
			if utf16.IsSurrogate(r) && i+1 < len(d.s) && d.s[i] == '\\' && d.s[i+1] == 'u' {
				low, _ := hex4(d.s, i+2)
				if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
					r, i = pair, i+6
				}
			}
			writeRune(&out, r)
		default:
			out.WriteByte(b)
			i++
		}
	}
}

// writeRune writes r as UTF-8, a lone surrogate in the same three-byte form.
func writeRune(out *strings.Builder, r rune) {
	if utf16.IsSurrogate(r) {
		out.WriteByte(0xE0 | byte(r>>12))
		out.WriteByte(0x80 | byte(r>>6)&0x3F)
		out.WriteByte(0x80 | byte(r)&0x3F)
		return
	}
	out.WriteRune(r)
}
