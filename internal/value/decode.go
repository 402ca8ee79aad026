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
	n := d.room(16, 32)
	d.values, d.names = make([]Value, 0, n), make([]string, 0, n)
	return d.value()
}

// decoder reads text that was checked. Items wait on a stack until their array
// or object closes; then they move, at their exact number, into a slab.
type decoder struct {
	s      string
	i      int
	values []Value  // stack of items and members not closed yet
	names  []string // stack of their names
	slab   []Value  // room that closed arrays and objects are cut from
	labels []string // the same for names
	nodes  []node
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
	base := len(d.values)
	d.i++
	for d.space(); d.s[d.i] != ']'; d.space() {
		if d.s[d.i] == ',' {
			d.i++
		}
		v := d.value()
		d.values = append(d.values, v)
	}
	d.i++
	n := d.node()
	n.items = d.cut(d.values[base:])
	d.values = d.values[:base]
	return Value{kind: Array, node: n}
}

func (d *decoder) object() Value {
	base, baseNames := len(d.values), len(d.names)
	d.i++
	for d.space(); d.s[d.i] != '}'; d.space() {
		if d.s[d.i] == ',' {
			d.i++
			d.space()
		}
		name := d.string()
		d.space()
		d.i++ // the colon
		v := d.value()
		d.values = append(d.values, v)
		d.names = append(d.names, name)
	}
	d.i++
	n := d.node()
	n.items, n.names = d.cut(d.values[base:]), d.cutNames(d.names[baseNames:])
	d.values, d.names = d.values[:base], d.names[:baseNames]
	n.settle()
	return Value{kind: Object, node: n}
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

func (d *decoder) node() *node {
	if len(d.nodes) == cap(d.nodes) {
		d.nodes = make([]node, 0, d.room(40, 64))
	}
	d.nodes = append(d.nodes, node{})
	return &d.nodes[len(d.nodes)-1]
}

// room guesses how many things are still to come, from the text left and a
// usual number of bytes per thing, at most most.
func (d *decoder) room(bytesPer, most int) int {
	return min((len(d.s)-d.i)/bytesPer+4, most)
}

func (d *decoder) cut(vs []Value) []Value {
	if len(vs) > cap(d.slab)-len(d.slab) {
		d.slab = make([]Value, 0, max(len(vs), d.room(20, 256)))
	}
	at := len(d.slab)
	d.slab = append(d.slab, vs...)
	return d.slab[at:len(d.slab):len(d.slab)]
}

func (d *decoder) cutNames(ns []string) []string {
	if len(ns) > cap(d.labels)-len(d.labels) {
		d.labels = make([]string, 0, max(len(ns), d.room(24, 256)))
	}
	at := len(d.labels)
	d.labels = append(d.labels, ns...)
	return d.labels[at:len(d.labels):len(d.labels)]
}

// string reads a string, its opening quote next. Without escapes it is a part
// of the text itself.
func (d *decoder) string() string {
	start := d.i + 1
	for i := start; ; i++ {
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
