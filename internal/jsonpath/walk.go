package jsonpath

import (
	"strings"

	"github.com/backstep/backstep/internal/value"
)

// walker collects what an indefinite path finds.
type walker struct {
	path  *Path
	root  value.Value // what '$' means in a filter
	left  int         // visits that may still be made
	trail []crumb     // the way to the value at hand
	out   []value.Value

	passing int // lists around the value at hand whose items may be passed over
}

// crumb is one part of the way to a value: a member's name, or an index.
type crumb struct {
	kind  stepKind // property or index
	name  string
	index int
}

// crumbTo is the crumb to the child of v at position n.
func crumbTo(v value.Value, n int) crumb {
	if v.Kind() == value.Object {
		return crumb{kind: property, name: v.NameAt(n)}
	}
	return crumb{kind: index, index: n}
}

func (p *Path) collect(root value.Value) (value.Value, *NotFound) {
	w := walker{path: p, root: root, left: MaxVisits, trail: make([]crumb, 0, 8)}
	err := w.from(0, root)
	return value.NewArray(w.out), err
}

// where is the place of the value at hand.
func (w *walker) where() string {
	var b strings.Builder
	b.WriteString("$" + w.path.variable)
	for _, c := range w.trail {
		s := step{kind: c.kind, name: c.name, index: c.index}
		b.WriteString(s.String())
	}
	return b.String()
}

// passed stands for a reason that nobody reads.
var passed = &NotFound{}

// miss tells why step i finds nothing in v. The reason is put into words only
// where it is read: there may be very many.
func (w *walker) miss(i int, v value.Value) *NotFound {
	kind := w.path.steps[i].kind
	misuse := kind > properties && (v.Kind() != value.Null || kind == filter)
	switch {
	case w.passing > 0 && !misuse:
		return passed
	case kind == property || kind == properties:
		return w.path.miss(i, v, w.where())
	}
	return w.path.unfit(i, v, w.where())
}

// visit counts a value that is looked at.
func (w *walker) visit() *NotFound {
	if w.left--; w.left < 0 {
		return w.path.notFound("The path looks at too many values")
	}
	return nil
}

// into applies the steps from i on to a value within the one at hand.
func (w *walker) into(i int, c crumb, v value.Value) *NotFound {
	w.trail = append(w.trail, c)
	err := w.from(i, v)
	w.trail = w.trail[:len(w.trail)-1]
	return err
}

// from applies the steps from i on to v.
func (w *walker) from(i int, v value.Value) *NotFound {
	if err := w.visit(); err != nil {
		return err
	}
	if i == len(w.path.steps) {
		w.out = append(w.out, v)
		return nil
	}
	switch s := &w.path.steps[i]; s.kind {
	case property, properties:
		return w.member(i, v)
	case index:
		return w.indexes(i, v, s.index)
	case indexes:
		return w.indexes(i, v, s.indexes...)
	case slice:
		return w.slice(i, v)
	case wildcard:
		return w.all(i, v)
	case filter:
		return w.filter(i, v)
	}
	return w.scan(i+1, v)
}

// member takes a member, or the object of several. As at the service, a last
// name must be there; an earlier one must where all else from the step before
// it on is definite.
func (w *walker) member(i int, v value.Value) *NotFound {
	s := &w.path.steps[i]
	w.left -= len(s.names)
	next := s.one(&v)
	switch {
	case next != nil:
		return w.into(i+1, crumb{kind: property, name: s.name}, *next)
	case v.Kind() == value.Object && i < len(w.path.steps)-1 && !allDefinite(w.path.steps[max(i-1, 0):]):
		return nil
	}
	return w.miss(i, v)
}

// indexes takes items by number. One outside the array is null, as it is to
// the service.
func (w *walker) indexes(i int, v value.Value, numbers ...int) *NotFound {
	if v.Kind() != value.Array {
		return w.miss(i, v)
	}
	for _, n := range numbers {
		item := value.NewNull()
		if place := v.Item(n); place != nil {
			item = *place
		}
		if err := w.into(i+1, crumb{kind: index, index: n}, item); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) slice(i int, v value.Value) *NotFound {
	if v.Kind() != value.Array {
		return w.miss(i, v)
	}
	s := &w.path.steps[i]
	from, to := s.from, s.to
	if from < 0 {
		from = max(from+v.Len(), 0)
	}
	if to < 0 {
		to += v.Len()
	}
	for n := from; n < min(to, v.Len()); n++ {
		if err := w.into(i+1, crumb{kind: index, index: n}, v.At(n)); err != nil {
			return err
		}
	}
	return nil
}

// all takes every item or member. As at the service, an item within which the
// path finds nothing is passed over, a member is not.
func (w *walker) all(i int, v value.Value) *NotFound {
	items := v.Kind() == value.Array
	if items {
		w.passing++
		defer func() { w.passing-- }()
	}
	for n, child := range v.Items() {
		err := w.into(i+1, crumbTo(v, n), child)
		if err != nil && (!items || err.misuse || w.left < 0) {
			return err
		}
	}
	return nil
}

// filter takes the items of an array for which the test holds, or an object
// itself.
func (w *walker) filter(i int, v value.Value) *NotFound {
	switch v.Kind() {
	case value.Object:
		return w.keep(i, v)
	case value.Array:
	default:
		return w.miss(i, v)
	}
	for n, item := range v.Items() {
		w.trail = append(w.trail, crumbTo(v, n))
		err := w.keep(i, item)
		w.trail = w.trail[:len(w.trail)-1]
		if err != nil {
			return err
		}
	}
	return nil
}

// keep goes on with v where the test of step i holds for it.
func (w *walker) keep(i int, v value.Value) *NotFound {
	kept := w.path.steps[i].keep(w, v)
	if err := w.visit(); err != nil || !kept {
		return err
	}
	return w.from(i+1, v)
}

// scan applies step i to v and to every value within it, outer ones first.
func (w *walker) scan(i int, v value.Value) *NotFound {
	err := w.visit()
	if err != nil || v.Kind() != value.Object && v.Kind() != value.Array {
		return err
	}
	s := &w.path.steps[i]
	w.left -= len(s.names)
	switch {
	case s.kind == filter:
		err = w.keep(i, v)
	case s.fits(v):
		err = w.from(i, v)
	}
	for n, child := range v.Items() {
		if err != nil {
			return err
		}
		w.trail = append(w.trail, crumbTo(v, n))
		err = w.scan(i, child)
		w.trail = w.trail[:len(w.trail)-1]
	}
	return err
}

// fits tells whether a step after '..' can be applied to v.
func (s *step) fits(v value.Value) bool {
	switch s.kind {
	case property:
		return v.Has(s.name)
	case properties:
		return hasAll(v, s.names)
	case wildcard:
		return true
	}
	return v.Kind() == value.Array
}

func hasAll(v value.Value, names []string) bool {
	for _, name := range names {
		if !v.Has(name) {
			return false
		}
	}
	return true
}
