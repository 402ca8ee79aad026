package lift

import (
	"slices"
	"strconv"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// source is what a value is made of, seen from the step that is to be undone.
// It is never changed once it is made.
type source struct {
	kind     sourceKind
	why      string      // of a lost one: what it is then
	constant value.Value //
	root     root        // of a place
	name     string      // of a variable
	steps    []step      // from the root
	base     *source     // of an object: what its members are put over; nil: nothing
	members  []member
	items    []*source // of a list
	parts    []part    // of a formula
	language asl.Language
	spelling string // its key once it was asked for; nothing of it changes from then on
}

type sourceKind uint8

const (
	lost     sourceKind = iota // it can't be told
	constant                   // it is always the same
	place                      // it stands somewhere in what the body of a step sees
	object                     // it is put together
	list
	formula // an expression of its language
)

// root is where a place begins.
type root uint8

const (
	input root = iota
	result
	variable
	failure // the error by which the saga goes back: Error and Cause
	context
	outside // what a Parallel around the step was entered with
)

// step leads from a value into it. The text of one that is neither a name nor a
// number stands as it was written, and nothing comes after it.
type step struct {
	name   string
	number int
	kind   stepKind
}

type stepKind uint8

const (
	byName stepKind = iota
	byNumber
	asWritten
)

type member struct {
	name string
	of   *source
}

// part is a piece of a formula: text, or what stands in its place.
type part struct {
	text string
	of   *source
}

func lose(why string) *source            { return &source{why: why} }
func always(v value.Value) *source       { return &source{kind: constant, constant: v} }
func at(r root, steps ...step) *source   { return &source{kind: place, root: r, steps: steps} }
func variableOf(name string) *source     { return &source{kind: place, root: variable, name: name} }
func named(name string) step             { return step{name: name} }
func objectOf(members ...member) *source { return &source{kind: object, members: members} }
func listOf(items []*source) *source     { return &source{kind: list, items: items} }
func (s *source) isLost() bool           { return s.kind == lost }
func sameSource(a, b *source) bool       { return a == b || a.key() == b.key() }
func formulaOf(l asl.Language, parts ...part) *source {
	return &source{kind: formula, language: l, parts: parts}
}

// missing is what a step leads to where there is nothing.
func missing(t step) *source {
	if t.kind == byNumber {
		return lose("an item that is not there")
	}
	return lose("a member " + t.name + " that is not there")
}

// errorOutput is the error by which the saga goes back, as a catcher has it.
func errorOutput() *source {
	return objectOf(member{"Error", at(failure, named("Error"))}, member{"Cause", at(failure, named("Cause"))})
}

// within is what a step leads to.
func (s *source) within(t step) *source {
	switch s.kind {
	case constant:
		switch {
		case t.kind == byName && s.constant.Has(t.name):
			return always(s.constant.Get(t.name))
		case t.kind == byNumber && s.constant.Kind() == value.Array && t.number < s.constant.Len():
			return always(s.constant.At(t.number))
		}
		return missing(t)
	case place:
		if n := len(s.steps); n > 0 && s.steps[n-1].kind == asWritten {
			return lose("a path of many values")
		}
		more := *s
		more.steps, more.spelling = append(slices.Clip(s.steps), t), ""
		return &more
	case object:
		if t.kind != byName {
			break
		}
		for _, m := range s.members {
			if m.name == t.name {
				return m.of
			}
		}
		if s.base == nil {
			return missing(t)
		}
		return s.base.within(t)
	case list:
		if t.kind == byNumber && t.number < len(s.items) {
			return s.items[t.number]
		}
	case formula:
		if s.language == asl.JSONata && t.kind == byName {
			return formulaOf(asl.JSONata, part{of: s}, part{text: "." + quotedName(t.name)})
		}
	case lost:
		return s
	}
	return lose("a part of something that is put together")
}

// put is s with another value at a place within it, as a ResultPath puts it.
func (s *source) put(way []step, v *source) *source {
	if len(way) == 0 {
		return v
	}
	if s.isLost() {
		return s.over(way, v)
	}
	if way[0].kind != byName {
		return lose("an item of an array that was put in its place")
	}
	if s.kind == constant {
		s = spread(s)
	}
	old := s.within(way[0])
	if len(way) > 1 && old.isLost() && s.kind == object && s.base == nil {
		old = objectOf()
	}
	return s.over(way[:1], old.put(way[1:], v))
}

// over is s with a member on top.
func (s *source) over(way []step, v *source) *source {
	for i := len(way) - 1; i > 0; i-- {
		v = &source{kind: object, base: lose("what was there before"), members: []member{{way[i].name, v}}}
	}
	o := &source{kind: object, base: s}
	if s.kind == object {
		o.base, o.members = s.base, slices.Clone(s.members)
	}
	for i, m := range o.members {
		if m.name == way[0].name {
			o.members[i].of = v
			return o
		}
	}
	o.members = append(o.members, member{way[0].name, v})
	return o
}

// spread is a constant object, member by member.
func spread(s *source) *source {
	if s.constant.Kind() != value.Object {
		return lose("a part of something that is no object")
	}
	o := objectOf()
	for name, m := range s.constant.Members() {
		o.members = append(o.members, member{name, always(m)})
	}
	return o
}

// meet is what is known where two ways come together.
func meet(a, b *source) *source {
	switch {
	case a.isLost():
		return a
	case b.isLost():
		return b
	case sameSource(a, b):
		return a
	case a.kind == object && b.kind == object && sameBase(a, b):
		return meetMembers(a, b)
	case a.kind == object && a.base != nil && sameSource(a.base, b):
		return meetMembers(a, &source{kind: object, base: b})
	case b.kind == object && b.base != nil && sameSource(b.base, a):
		return meetMembers(&source{kind: object, base: a}, b)
	}
	return lose("something that depends on the way that led there")
}

func sameBase(a, b *source) bool {
	if a.base == nil || b.base == nil {
		return a.base == b.base
	}
	return sameSource(a.base, b.base)
}

// meetMembers is what two objects over the same base have in common.
func meetMembers(a, b *source) *source {
	o := &source{kind: object, base: a.base}
	seen := map[string]bool{}
	as := true // it is what a is
	for i, m := range a.members {
		var of *source
		if i < len(b.members) && b.members[i].name == m.name { // as they mostly are
			of = b.members[i].of
		} else {
			of = b.within(named(m.name))
		}
		seen[m.name] = true
		met := meet(m.of, of)
		as = as && met == m.of
		o.members = append(o.members, member{m.name, met})
	}
	for _, m := range b.members {
		if !seen[m.name] {
			as = false
			o.members = append(o.members, member{m.name, meet(a.within(named(m.name)), m.of)})
		}
	}
	if as {
		return a
	}
	return o
}

// finds reports whether a source, or one that it is made of, is so.
func (s *source) finds(is func(*source) bool) bool {
	if s == nil {
		return false
	}
	return is(s) || s.base.finds(is) ||
		slices.ContainsFunc(s.members, func(m member) bool { return m.of.finds(is) }) ||
		slices.ContainsFunc(s.items, func(i *source) bool { return i.finds(is) }) ||
		slices.ContainsFunc(s.parts, func(p part) bool { return p.of.finds(is) })
}

// doubt is why a source can't be told in full, "" where it can.
func (s *source) doubt() string {
	why := ""
	s.finds(func(of *source) bool {
		if of.isLost() {
			why = of.why
		}
		return of.isLost()
	})
	return why
}

// reads reports whether a source is made of what stands at a root.
func (s *source) reads(r root) bool {
	return s.finds(func(of *source) bool { return of.kind == place && of.root == r })
}

// key is a text that two sources share if, and only if, they are the same.
func (s *source) key() string {
	if s == nil {
		return "-"
	}
	if s.spelling == "" {
		var b strings.Builder
		s.spell(&b)
		s.spelling = b.String()
	}
	return s.spelling
}

func (s *source) spell(b *strings.Builder) {
	b.WriteString(strconv.Itoa(int(s.kind)) + "(")
	switch s.kind {
	case lost:
		b.WriteString(strconv.Quote(s.why))
	case constant:
		b.WriteString(s.constant.Text().String())
	case place:
		b.WriteString(strconv.Itoa(int(s.root)) + strconv.Quote(s.name))
		for _, t := range s.steps {
			b.WriteString("/" + strconv.Itoa(int(t.kind)) + strconv.Quote(t.name) + strconv.Itoa(t.number))
		}
	case object:
		b.WriteString(s.base.key())
		members := slices.Clone(s.members)
		slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.name, b.name) })
		for _, m := range members {
			b.WriteString(strconv.Quote(m.name) + m.of.key())
		}
	case list:
		for _, i := range s.items {
			b.WriteString(i.key())
		}
	case formula:
		b.WriteString(strconv.Itoa(int(s.language)))
		for _, p := range s.parts {
			b.WriteString(strconv.Quote(p.text) + p.of.key())
		}
	}
	b.WriteString(")")
}
