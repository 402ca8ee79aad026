package value

// IsNormal reports whether t is written as [Value.Append] writes its tree, so
// that it may stand within a longer text as it is. It looks once and gives up
// early: texts with escapes, or with objects of more than 16 members, are not
// said to be normal.
func (t Text) IsNormal() bool {
	n := normal{s: t.s}
	return t.s != "" && n.value() && n.i == len(t.s)
}

// normal goes through text that was checked.
type normal struct {
	s string
	i int
}

func (n *normal) value() bool {
	switch b := n.s[n.i]; {
	case b == '"':
		return n.string()
	case b == '{':
		return n.object()
	case b == '[':
		return n.array()
	case b <= ' ':
		return false
	}
	for n.i < len(n.s) && !ends[n.s[n.i]] {
		n.i++
	}
	return true
}

// ends are the bytes that end a number or a word.
var ends = [256]bool{',': true, ']': true, '}': true, ' ': true, '\t': true, '\n': true, '\r': true}

// string goes behind a string without escapes.
func (n *normal) string() bool {
	n.i = plain(n.s, n.i+1)
	for n.s[n.i] >= 0x80 {
		n.i = plain(n.s, n.i+1)
	}
	n.i++
	return n.s[n.i-1] == '"'
}

// eat takes the byte b if it comes next.
func (n *normal) eat(b byte) bool {
	if n.s[n.i] == b {
		n.i++
		return true
	}
	return false
}

func (n *normal) array() bool {
	n.i++
	if n.eat(']') {
		return true
	}
	for n.value() {
		if n.eat(']') {
			return true
		}
		if !n.eat(',') {
			return false
		}
	}
	return false
}

func (n *normal) object() bool {
	n.i++
	if n.eat('}') {
		return true
	}
	var names [indexFrom - 1]string
	for count := range names {
		at := n.i
		if n.s[at] != '"' || !n.string() {
			return false
		}
		name := n.s[at:n.i]
		for _, other := range names[:count] {
			if name == other {
				return false
			}
		}
		names[count] = name
		if !n.eat(':') || !n.value() {
			return false
		}
		if n.eat('}') {
			return true
		}
		if !n.eat(',') {
			return false
		}
	}
	return false
}
