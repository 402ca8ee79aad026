package machine

import (
	"sort"

	"github.com/backstep/backstep/internal/value"
)

// Where an item is from, $$.Map.Item.Source, is kept beside the items that a map
// run has read: an array of [END, URI], each for the items after the source
// before, up to END.

// stateData is the source of items that are in the state's input.
const stateData = "STATE_DATA"

// itemAhead is one of the items at hand, that many after the next one.
func (t *turn) itemAhead(join *join, ahead int) item {
	u := t.head.Run
	it := t.item(join.Items, u.Taken+ahead)
	it.index = u.Begun + ahead
	if join.From != 0 {
		t.remember(join.From)
		all := t.tree(join.From)
		n := sort.Search(all.Len(), func(i int) bool { return end(all.At(i)) > u.Taken+ahead })
		it.source = all.At(n).At(1).AsString()
	}
	return it
}

func end(source value.Value) int {
	n, _ := source.At(0).AsInt()
	return int(n)
}

// sources are those of what is left of a page, from an item on, and of the next
// page.
func (t *turn) sources(join *join, from int, next value.Value) Ref {
	left := join.Count - from
	var all []value.Value
	if left > 0 && join.From != 0 {
		for _, s := range t.tree(join.From).Items() {
			if n := end(s); n > from {
				all = append(all, value.NewArray([]value.Value{value.NewInt(int64(n - from)), s.At(1)}))
			}
		}
	}
	for _, s := range next.Items() {
		all = append(all, value.NewArray([]value.Value{value.NewInt(int64(end(s) + left)), s.At(1)}))
	}
	if len(all) == 0 {
		return 0
	}
	v := value.NewArray(all)
	return t.payload(v.Text(), v)
}
