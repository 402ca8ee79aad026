package jsonpath

import (
	"slices"

	"github.com/backstep/backstep/internal/value"
)

// Reference is a compiled reference path: one that can only name one place in
// a value, so that something can be put there.
type Reference struct {
	text  string
	steps []step // properties and indexes from the start
}

// CompileReference compiles a reference path: $, $.a.b, $.a[0]. It starts at
// '$' and has no wildcards, filters, slices or indexes from the end. The error
// is a *[SyntaxError].
func CompileReference(text string) (*Reference, error) {
	return compile(text, func(p *parser) (*Reference, *SyntaxError) {
		path, err := p.path(nameStops)
		if err != nil {
			return nil, err
		}
		if path.root != RootInput {
			return nil, p.fail("a reference path begins with '$' alone")
		}
		for _, s := range path.steps {
			if s.kind != property && (s.kind != index || s.index < 0) {
				return nil, p.fail("a reference path has only names and indexes")
			}
		}
		return &Reference{text: path.text, steps: path.steps}, nil
	})
}

// String is the reference path as it was written.
func (r *Reference) String() string { return r.text }

// Set is root with v at the place of the reference; root itself stays as it
// is. Objects that are missing on the way are made; an array's item can only
// be replaced. The error is a *[SetError].
func (r *Reference) Set(root, v value.Value) (value.Value, error) {
	changed, ok := put(root, r.steps, v)
	if !ok {
		return value.Value{}, &SetError{Path: r.text, Input: root.Text().String()}
	}
	return changed, nil
}

// put is old with v at the place that the steps lead to.
func put(old value.Value, steps []step, v value.Value) (changed value.Value, ok bool) {
	if len(steps) == 0 {
		return v, true
	}
	s := &steps[0]
	if s.kind == index {
		place := old.Item(s.index)
		if place == nil {
			return old, false
		}
		item, ok := put(*place, steps[1:], v)
		items := slices.Clone(old.Items())
		items[s.index] = item
		return value.NewArray(items), ok
	}
	if old.Kind() != value.Object && !old.IsAbsent() {
		return old, false
	}
	member, ok := put(old.Get(s.name), steps[1:], v)
	return old.With(s.name, member), ok
}
