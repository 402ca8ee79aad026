package jsonpath

import "github.com/backstep/backstep/internal/value"

// walker collects what an indefinite path finds.
type walker struct {
	path *Path
	root value.Value // what '$' means in a filter
	left int         // visits that may still be made
	out  []value.Value
}

func (p *Path) collect(root value.Value) (value.Value, *NotFound) {
	w := walker{path: p, root: root, left: MaxVisits}
	err := w.from(0, root)
	return value.NewArray(w.out), err
}

// visit counts a value that is looked at.
func (w *walker) visit() *NotFound {
	if w.left--; w.left < 0 {
		return w.path.notFound("The path looks at too many values")
	}
	return nil
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
	s := &w.path.steps[i]
	switch s.kind {
	case property, properties:
		if v.Kind() != value.Object {
			return w.path.unfit(i, v)
		}
		if next := s.one(&v); next != nil {
			return w.from(i+1, *next)
		}
		return nil
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

// indexes takes items by number. One outside the array is null, as it is to
// the service.
func (w *walker) indexes(i int, v value.Value, numbers ...int) *NotFound {
	if v.Kind() != value.Array {
		return w.path.unfit(i, v)
	}
	for _, n := range numbers {
		item := value.NewNull()
		if place := v.Item(n); place != nil {
			item = *place
		}
		if err := w.from(i+1, item); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) slice(i int, v value.Value) *NotFound {
	if v.Kind() != value.Array {
		return w.path.unfit(i, v)
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
		if err := w.from(i+1, v.At(n)); err != nil {
			return err
		}
	}
	return nil
}

// all takes every item or member. A child that the path doesn't fit is passed
// over, unless the step that it doesn't fit is an index, slice or filter.
func (w *walker) all(i int, v value.Value) *NotFound {
	for _, child := range v.Items() {
		if err := w.from(i+1, child); err != nil && (err.misuse || w.left < 0) {
			return err
		}
	}
	return nil
}

// filter takes the items of an array for which the test holds, or an object
// itself.
func (w *walker) filter(i int, v value.Value) *NotFound {
	candidates := v.Items()
	switch v.Kind() {
	case value.Object:
		candidates = []value.Value{v}
	case value.Array:
	default:
		return w.path.unfit(i, v)
	}
	for _, c := range candidates {
		if err := w.keep(i, c); err != nil {
			return err
		}
	}
	return nil
}

// keep goes on with v where the test of step i holds for it.
func (w *walker) keep(i int, v value.Value) *NotFound {
	kept := w.path.steps[i].keep(w, v)
	if err := w.visit(); err != nil {
		return err
	}
	if !kept {
		return nil
	}
	return w.from(i+1, v)
}

// scan applies step i to v and to every value within it, outer ones first.
func (w *walker) scan(i int, v value.Value) *NotFound {
	if v.Kind() != value.Object && v.Kind() != value.Array {
		return nil
	}
	err := w.visit()
	s := &w.path.steps[i]
	switch {
	case err != nil:
	case s.kind == filter:
		err = w.keep(i, v)
	case s.fits(v):
		err = w.from(i, v)
	}
	if err != nil {
		return err
	}
	for _, child := range v.Items() {
		if err := w.scan(i, child); err != nil {
			return err
		}
	}
	return nil
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
