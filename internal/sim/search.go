package sim

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/value"
)

// searchable are search attributes of generated machines: what executions are
// given for good, what their states come to, what they assign, and what is not
// there.
const searchable = `"SearchAttributes":{"n":"$$.Execution.Input.n","last":"$.last.v","a":"$a","none":"$.none"},`

// found takes note of what a life is found by from this commit on.
func (b *book) found(l *life, was *machine.Head) {
	for _, a := range l.head.Search {
		b.everFound[a] = true
		if was.Status != 0 && !slices.Contains(was.Search, a) {
			b.w.saw(attributeMoved)
		}
	}
}

// checkFound checks that every execution stands in the list of each of its search
// attributes, as it ended, and in no list of one that it had before (I12); and
// that these are what its data say.
func (w *world) checkFound() {
	listed := map[*life]int{}
	for _, a := range slices.SortedFunc(maps.Keys(w.book.everFound), func(a, b machine.Attribute) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Value, b.Value))
	}) {
		for _, row := range w.list(engine.IndexAttribute(a.Name), a.Value) {
			l := w.book.lives[row.ID]
			item, err := engine.DecodeItem(row.Body)
			if l == nil || err != nil || !slices.Contains(l.head.Search, a) || item.Status != l.head.Status || item.Redrives != l.head.Redrives || item.Machine != l.start.Machine {
				w.failf("I12", row.ID, "an execution is found by %s = %q that is not so: %+v, %v", a.Name, a.Value, item, err)
				continue
			}
			listed[l]++
		}
	}
	for _, l := range w.book.order {
		if listed[l] != len(l.head.Search) {
			w.failf("I12", l.id, "%s is found by %d of %v", l.start.Name, listed[l], l.head.Search)
		}
		w.checkSaid(l)
	}
}

// checkSaid holds what a life is found by against its input and its output.
func (w *world) checkSaid(l *life) {
	said := map[string]string{}
	for _, a := range l.head.Search {
		said[a.Name] = a.Value
	}
	if m := l.stateOf; m == nil || m.program.SearchAttributes == nil || l.start.Express || l.start.Map != nil {
		if len(said) > 0 {
			w.failf("I12", l.id, "it is found by %v, and its machine says nothing of that", said)
		}
		return
	}
	for name, path := range map[string][]string{"n": {"n"}, "last": {"last", "v"}} {
		ref := l.head.Input
		if name == "last" {
			ref = l.head.Output
		}
		want := w.member(l, ref, path)
		if !want.IsAbsent() && said[name] != want.Text().String() {
			w.failf("I12", l.id, "it is found by %v, and its data say %s of %s", said, want.Text(), name)
		}
	}
}

// member is the number or boolean that a payload of a life has there, Absent
// where it has none.
func (w *world) member(l *life, ref machine.Ref, path []string) value.Value {
	if ref == 0 {
		return value.Value{}
	}
	texts, err := engine.Texts(context.Background(), w.reader, l.id, []uint32{uint32(ref)})
	if err != nil {
		w.failf("I1", l.id, "payload %d can't be read: %v", ref, err)
		return value.Value{}
	}
	v := value.Checked(texts[0]).Decode()
	for _, name := range path {
		if v.Kind() != value.Object {
			return value.Value{}
		}
		v = v.Get(name)
	}
	if v.Kind() != value.Number && v.Kind() != value.Bool {
		return value.Value{}
	}
	return v
}
