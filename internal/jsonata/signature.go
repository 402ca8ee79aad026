package jsonata

import "strings"

// signature tells what arguments a function takes: "<s-nn?:s>".
type signature struct{ params []param }

// param is one parameter.
type param struct {
	kinds    kindSet
	array    bool // it takes an array, or one item as an array of it
	item     byte // the letter of what the array must hold, 0 for anything
	optional bool
	many     bool // one or more
	context  bool // where it is not given, $ is
}

// kindSet is the kinds of what a parameter takes.
type kindSet uint16

// kindsOf is the kinds that the letters stand for.
func kindsOf(letters string) (set kindSet) {
	for i := range len(letters) {
		if k := strings.IndexByte(letterOfKind, letters[i]); k >= 0 {
			set |= 1 << k
		}
	}
	return set
}

// letterOfKind is the letter of each kind.
const letterOfKind = "mlbnsaofo"

// The letters: s string, n number, b boolean, l null, o object, a array,
// f function, m missing, j any JSON, x anything.
const (
	jsonLetters = "asnblom"
	anyLetters  = "asnblfom"
)

// itemNames is what an error calls the items of an array.
var itemNames = map[byte]string{
	's': "strings", 'n': "numbers", 'b': "booleans", 'a': "arrays", 'o': "objects", 'f': "functions",
}

// parseSignature reads what stands between < and >. What the function returns
// is not looked at.
func parseSignature(text string, position int) *signature {
	s := &signature{}
	var last byte // the letter of the parameter read last
	for i := 0; i < len(text) && text[i] != ':'; i++ {
		switch c := text[i]; c {
		case 's', 'n', 'b', 'l', 'o', 'f':
			s.add(param{kinds: kindsOf(string(c))})
			if c != 'f' {
				s.last().kinds |= kindsOf("m")
			}
			last = c
		case 'a':
			s.add(param{kinds: kindsOf(anyLetters), array: true})
			last = c
		case 'j':
			s.add(param{kinds: kindsOf(jsonLetters)})
			last = c
		case 'x':
			s.add(param{kinds: kindsOf(anyLetters)})
			last = c
		case '-', '?', '+':
			s.modify(c)
		case '(':
			end := closing(text, i, '(', ')')
			choice := text[i+1 : end]
			if strings.Contains(choice, "<") {
				panic(newError("S0402", position, choice, choice))
			}
			s.add(param{kinds: kindsOf(choice + "m")})
			last, i = '(', end
		case '<':
			if last != 'a' && last != 'f' {
				panic(newError("S0401", position, string(last), string(last)))
			}
			end := closing(text, i, '<', '>')
			if last == 'a' && end > i+1 {
				s.last().item = text[i+1]
			}
			i = end
		}
	}
	return s
}

func (s *signature) add(p param) { s.params = append(s.params, p) }

func (s *signature) last() *param {
	if len(s.params) == 0 {
		return &param{}
	}
	return &s.params[len(s.params)-1]
}

func (s *signature) modify(c byte) {
	switch p := s.last(); c {
	case '-':
		p.context, p.optional = true, true
	case '?':
		p.optional = true
	case '+':
		p.many = true
	}
}

// closing is where the bracket that opens at i closes, or the end.
func closing(text string, i int, open, shut byte) int {
	for depth := 0; i < len(text); i++ {
		switch text[i] {
		case open:
			depth++
		case shut:
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(text)
}

// letter is the letter of what d is.
func letter(d datum) byte { return letterOfKind[d.is] }

func (p *param) takes(d datum) bool { return p.kinds>>d.is&1 == 1 }

// validate gives each parameter its argument: the context where none is given
// and that is allowed, an array where one is wanted.
func (e *evaluation) validate(s *signature, args []datum, context datum, position int, name string) []datum {
	v := validator{e, s, args, context, position, name}
	if out, ok := v.asGiven(); ok {
		return out
	}
	e.items(len(s.params))
	counts := make([]int, len(s.params))
	if !v.match(counts, 0, 0) {
		v.fail("T0410", v.firstWrong()+1)
	}
	return v.distribute(counts)
}

type validator struct {
	*evaluation
	s        *signature
	args     []datum
	context  datum
	position int
	name     string
}

func (v *validator) fail(code string, argument int, args ...any) {
	panic(newError(code, v.position, v.name, append([]any{argument, v.name}, args...)...))
}

// asGiven is the arguments where there is one for each parameter, or fewer
// where the last ones are optional; arrays may have to be made.
func (v *validator) asGiven() ([]datum, bool) {
	if len(v.args) != len(v.s.params) {
		return nil, false
	}
	for i := range v.s.params {
		if p := &v.s.params[i]; p.many || !p.takes(v.args[i]) {
			return nil, false
		}
	}
	out := v.args
	for i := range v.s.params {
		if p := &v.s.params[i]; p.array {
			out[i] = v.asArray(p, out[i], i)
		}
	}
	return out, true
}

// match finds how many arguments each parameter from p on takes of those from
// a on, as many as it can.
func (v *validator) match(counts []int, p, a int) bool {
	v.step(1)
	if p == len(v.s.params) {
		return a == len(v.args)
	}
	param := &v.s.params[p]
	least, most := 1, 1
	if param.optional {
		least = 0
	}
	if param.many {
		most = len(v.args) - a
	}
	n := 0
	for n < most && a+n < len(v.args) && param.takes(v.args[a+n]) {
		n++
	}
	for ; n >= least; n-- {
		counts[p] = n
		if v.match(counts, p+1, a+n) {
			return true
		}
	}
	return false
}

// firstWrong is the argument that no parameter takes.
func (v *validator) firstWrong() int {
	a := 0
	for i := range v.s.params {
		p := &v.s.params[i]
		n := 0
		for a < len(v.args) && p.takes(v.args[a]) && (n == 0 || p.many) {
			a, n = a+1, n+1
		}
		if n == 0 && !p.optional {
			break
		}
	}
	return a
}

func (v *validator) distribute(counts []int) []datum {
	out := make([]datum, 0, len(v.args)+len(counts))
	a := 0
	for i, n := range counts {
		p := &v.s.params[i]
		if n == 0 {
			switch {
			case !p.context:
				out = append(out, datum{})
			case p.takes(v.context):
				out = append(out, v.context)
			default:
				v.fail("T0411", a+1)
			}
		}
		for ; n > 0; n-- {
			d := v.args[a]
			if p.array {
				d = v.asArray(p, d, a)
			}
			out = append(out, d)
			a++
		}
	}
	return out
}

// asArray is the argument at i as an array of what the parameter wants.
func (v *validator) asArray(p *param, d datum, i int) datum {
	if d.absent() {
		return d
	}
	if !d.isArray() {
		if p.item != 0 && letter(d) != p.item {
			v.fail("T0412", i+1, itemNames[p.item])
		}
		return list(0, d)
	}
	if p.item != 0 {
		v.step(d.len())
		for j := range d.len() {
			if letter(d.at(j)) != p.item {
				v.fail("T0412", i+1, itemNames[p.item])
			}
		}
	}
	return d
}
