package value

import "iter"

// Kind tells what the text is, [Absent] for the zero Text.
func (t Text) Kind() Kind {
	d := decoder{s: t.s}
	if d.space(); d.i == len(d.s) {
		return Absent
	}
	switch d.s[d.i] {
	case '"':
		return String
	case '{':
		return Object
	case '[':
		return Array
	case 't', 'f':
		return Bool
	case 'n':
		return Null
	}
	return Number
}

// Members goes through an object's members in order, each value as the text
// that it has there, for who wants to pass a large one on without a look inside.
// A name that stands twice comes twice. What is no object has none.
func (t Text) Members() iter.Seq2[string, Text] {
	return func(yield func(string, Text) bool) {
		if t.Kind() != Object {
			return
		}
		d := decoder{s: t.s}
		d.space()
		for d.i++; ; d.i++ { // past the brace, or a comma
			if d.space(); d.s[d.i] == '}' {
				return
			}
			name := d.string()
			d.space()
			d.i++ // the colon
			d.space()
			start := d.i
			d.skip()
			if !yield(name, Text{d.s[start:d.i]}) {
				return
			}
			if d.space(); d.s[d.i] == '}' {
				return
			}
		}
	}
}

// Member is an object's first member of that name, as the text that it has there;
// the zero Text where there is none.
func (t Text) Member(name string) Text {
	for n, text := range t.Members() {
		if n == name {
			return text
		}
	}
	return Text{}
}

// skip goes behind the value that comes next.
func (d *decoder) skip() {
	for open := 0; ; {
		switch b := d.s[d.i]; b {
		case '"':
			d.i = d.stringEnd(d.i)
		case '[', '{':
			open++
		case ']', '}':
			open--
		}
		d.i++
		if open == 0 && (d.i == len(d.s) || ends[d.s[d.i]]) {
			return
		}
	}
}
