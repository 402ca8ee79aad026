package machine

import (
	"encoding/binary"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// Attribute is a search attribute of an execution as it stands: the name, and
// the text by which the execution is found.
type Attribute struct{ Name, Value string }

// searchable reports whether the execution is found by search attributes: one of
// a standard machine's own is, a map run and its children are not.
func (t *turn) searchable() bool {
	return len(t.p.SearchAttributes) > 0 && !t.x.Start.Express && t.x.Start.Map == nil && t.env.Trial == nil && t.running()
}

// search evaluates all search attributes: the execution begins.
func (t *turn) search(root *Frame) {
	if t.searchable() {
		t.attributes(root, root.Input, func(*asl.SearchAttribute) bool { return true })
	}
}

// searchLeaving evaluates the search attributes that read what changes where the
// root leaves a state: its variables were assigned, and its next input is there.
func (t *turn) searchLeaving(f *Frame, out Ref, assigned []binding) {
	if f.Kind != Root || !t.searchable() {
		return
	}
	t.attributes(f, out, func(a *asl.SearchAttribute) bool {
		return a.Input && out != f.Input ||
			slices.ContainsFunc(assigned, func(b binding) bool { return slices.Contains(a.Variables, b.Name) })
	})
}

// searchAgain evaluates the search attributes that read the context object, which
// a redrive has changed.
func (t *turn) searchAgain(root *Frame) {
	if t.searchable() {
		t.attributes(root, root.Input, func(a *asl.SearchAttribute) bool { return a.Context })
	}
}

// searchBack evaluates the search attributes that read what a save point has put
// back: the root's input and variables.
func (t *turn) searchBack(f *Frame) {
	if f.Kind == Root && t.searchable() {
		t.attributes(f, f.Input, func(a *asl.SearchAttribute) bool { return a.Input || len(a.Variables) > 0 })
	}
}

// attributes evaluates those search attributes that are due. One whose
// expression gives nothing, or fails, stays as it was: no data speak of it any
// more, and still the execution is to be found.
func (t *turn) attributes(f *Frame, input Ref, due func(*asl.SearchAttribute) bool) {
	for i := range t.p.SearchAttributes {
		a := &t.p.SearchAttributes[i]
		if !due(a) {
			continue
		}
		if v, fl := t.attribute(f, input, a); fl == nil {
			t.head.Search = withAttribute(t.head.Search, a.Name, v)
		}
	}
}

// attribute is what a search attribute's expression gives.
func (t *turn) attribute(f *Frame, input Ref, a *asl.SearchAttribute) (value.Value, *fault) {
	sc := t.scope(&Frame{Kind: Root, Input: input, Variables: f.Variables}, &asl.State{Language: a.Language}, 0)
	if a.Context {
		sc.context = t.fixedContext()
	}
	d, fl := sc.template(a.Value)
	if fl != nil {
		return value.Value{}, fl
	}
	return t.look(&d), nil
}

// withAttribute are attributes, in order of name, among them that one if the
// value is one to be found by. Those given stay as they are.
func withAttribute(all []Attribute, name string, v value.Value) []Attribute {
	text, indexed := attributeText(v)
	i, there := slices.BinarySearchFunc(all, name, func(a Attribute, name string) int { return strings.Compare(a.Name, name) })
	switch {
	case there && indexed && all[i].Value == text, !there && !indexed:
		return all
	case !there:
		return slices.Insert(slices.Clip(all), i, Attribute{name, text})
	case !indexed:
		return slices.Delete(slices.Clone(all), i, i+1)
	}
	all = slices.Clone(all)
	all[i].Value = text
	return all
}

// attributeText is the text by which a value is found: a string's content, a
// number or boolean as JSON spells it. No other value is, nor a text that is too
// long or that no key can hold.
func attributeText(v value.Value) (string, bool) {
	text := ""
	switch v.Kind() {
	case value.String:
		text = v.AsString()
	case value.Number, value.Bool:
		text = v.Text().String()
	default:
		return "", false
	}
	long := len(text) > asl.MaxAttributeValue && utf8.RuneCountInString(text) > asl.MaxAttributeValue
	return text, !long && utf8.ValidString(text) && strings.IndexByte(text, 0) < 0
}

func appendAttributes(b []byte, all []Attribute) []byte {
	b = binary.AppendUvarint(b, uint64(len(all)))
	for _, a := range all {
		b = appendText(appendText(b, a.Name), a.Value)
	}
	return b
}

func (r *reader) attributes() []Attribute {
	var all []Attribute
	for range r.length() {
		all = append(all, Attribute{r.text(), r.text()})
		if r.err != nil {
			return nil
		}
	}
	return all
}
