package machine

import (
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/jsonpath"
	"github.com/backstep/backstep/internal/value"
)

// mapping begins the first items of an inline Map; each that ends makes room
// for the next one.
func (t *turn) mapping(sc *scope) *fault {
	f, s := sc.frame, sc.state
	m := t.mock()
	if s.Map.Distributed && m == nil {
		return t.distributed(sc)
	}
	var items datum
	var fl *fault
	if m != nil && m.Read != nil {
		items, fl = t.readMap(sc, m)
	} else {
		items, fl = sc.items()
	}
	if fl != nil {
		return fl
	}
	if m != nil {
		return t.mockedMap(sc, m, items)
	}
	atOnce, given, fl := sc.integer(&s.Map.MaxConcurrency, 0)
	if fl != nil {
		return fl
	}
	if most := int64(t.env.Limits.InlineMap); most > 0 && (!given || atOnce == 0 || atOnce > most) {
		atOnce = most
	}
	ref, _ := t.number(&items, 0)
	t.remember(ref)
	count := t.tree(ref).Len()
	f.Prev = t.event(Event{Type: MapStateStarted, Prev: f.Prev, Length: count})
	t.split(f, &join{Count: count, AtOnce: int(atOnce), Items: ref})
	if count == 0 {
		t.join(f, s, f.Prev, MapStateSucceeded)
		return nil
	}
	for t.running() && f.Join != nil && f.Join.Begun < count && (atOnce == 0 || f.Join.Begun < int(atOnce)) {
		t.beginItem(f, s, f.Prev)
	}
	return nil
}

// items is what the Map goes through: an array, or an object's members. $ is
// left at what ItemSelector sees.
func (sc *scope) items() (datum, *fault) {
	t, s := sc.turn, sc.state
	if s.Language == asl.JSONata {
		items := sc.dollar
		if q := s.Map.Items; q != nil {
			v, fl := sc.build(q)
			if fl != nil {
				return items, fl
			}
			if q.Query != nil && !iterable(v) {
				return items, sc.unexpected(q.Query, value.Array, v)
			}
			items = datum{tree: v}
		}
		if v := t.look(&items); !iterable(v) {
			return items, sc.evaluation("Map state input must be an array but was: "+v.Text().String(), "")
		}
		return items, nil
	}
	in, fl := sc.selection(s.InputPath)
	if fl != nil {
		return in, fl
	}
	sc.show(AfterInputPath, in)
	items, fl := sc.with(in).selection(s.Map.ItemsPath)
	if path, whole := itemsPath(s.Map.ItemsPath); fl == nil && (whole || !iterable(t.look(&items))) {
		fl = newFault(errRuntime, bounded("Reference path \""+path+"\" must point to array.", maxCause)) // alone: where it happened is not told
		fl.fatal = true
	}
	return items, fl
}

// itemsPath is an ItemsPath as a failure names it, "$$.x" without its first
// sign, and whether it is the whole context object, which is no list of items.
func itemsPath(s *asl.Selection) (path string, wholeContext bool) {
	if s == nil || s.Path == nil {
		return "$", false
	}
	path = s.Path.String()
	if root, _ := s.Path.Root(); root == jsonpath.RootContext {
		path = strings.TrimPrefix(path, "$")
		return path, path == "$"
	}
	return path, false
}

func iterable(v value.Value) bool { return v.Kind() == value.Array || v.Kind() == value.Object }

// beginItem begins the next item of a Map. Before is the event that its own
// first one names.
func (t *turn) beginItem(f *Frame, s *asl.State, before int64) {
	index := f.Join.Begun
	child := &Frame{Kind: Item, Index: index, State: s.Map.Processor.Start.Name}
	child.Prev = t.event(Event{Type: MapIterationStarted, Prev: before, State: s.Name, Index: index})
	t.begun(f, child)
	t.feed(f, s, child)
}

// feed gives an item's frame its input, or fails the Map by it.
func (t *turn) feed(f *Frame, s *asl.State, child *Frame) {
	it := t.item(f.Join.Items, child.Index)
	in, fl := t.selectItem(f, s, &it, child.Prev)
	if fl == nil {
		var ok bool
		if child.Input, ok = t.number(&in, t.env.Limits.Payload); ok {
			return
		}
		fl = tooLarge(s.Name)
	}
	t.spoiled(f, s, child, fl)
}

// selectItem is what an item's frame gets as its input.
func (t *turn) selectItem(f *Frame, s *asl.State, it *item, before int64) (datum, *fault) {
	if s.Map.ItemSelector == nil {
		if !it.keyed {
			return datum{tree: it.value}, nil
		}
		return datum{tree: value.NewObject(
			member("Key", value.NewString(it.key)),
			member("Value", it.value))}, nil
	}
	t.remember(f.Input)
	sc := t.scope(f, s, before)
	sc.item = it
	in, fl := sc.selection(s.InputPath)
	if fl != nil {
		return in, fl
	}
	return sc.with(in).template(s.Map.ItemSelector)
}

// spoiled fails a Map because an item of its could not even begin.
func (t *turn) spoiled(f *Frame, s *asl.State, child *Frame, fl *fault) {
	if fl.query {
		fl.event = t.event(Event{Type: EvaluationFailed, Prev: child.Prev, State: s.Name,
			Error: fl.Error, Cause: fl.Cause, Location: fl.location})
		fl.query = false
	} else {
		fl.event = child.Prev
	}
	t.broken(f, child, fl)
}
