package lift

import "github.com/backstep/backstep/internal/asl"

// forSteps tells what is known at a compensation, seen from the step that it
// undoes: where the step has ended well, and where it has failed. Surely tells that
// its failure leads there whatever any Choice decides.
func (l *lifting) forSteps(step, undo *asl.State) (done, failed *view, surely bool) {
	start := view{data: at(input)}
	common := step.CommonFlow(undo)
	ahead := l.onward(step, start, at(result))
	at, entered := step, start.data
	for at.Flow != common {
		ahead, entered = l.leaveBranch(at, entered, ahead)
		at = at.Flow.Owner
	}
	done = l.enter(l.follow(at, ahead), undo, common)
	if at != step {
		return done, nil, false
	}
	var back []way
	for i, w := range l.failing(step, start) {
		if l.goesBack(step, i) {
			back = append(back, w)
			surely = surely || step.Flow == undo.Flow && reach([]*asl.State{w.to}, straight)[undo]
		}
	}
	return done, l.enter(l.follow(step, back), undo, common), surely
}

// leaveBranch is where it goes on behind the Parallel around a state, which was
// entered with some data, and from which its branch goes on; and the data that the
// Parallel was entered with. Of other branches, and of items, nothing is known.
func (l *lifting) leaveBranch(s *asl.State, data *source, ahead []way) ([]way, *source) {
	owner := s.Flow.Owner
	around := lose("what " + owner.Name + " was given")
	if begin, ok := l.begin(s.Flow, view{data: at(outside)}); ok {
		if v, ok := l.follow(nil, []way{{s.Flow.Start, begin}})[s]; ok {
			around = data.backed(v.data)
		}
	}
	out := lose("what " + owner.Name + " gives")
	if ended := l.endOf(s, ahead); ended != nil && owner.Type == asl.Parallel {
		items := make([]*source, len(owner.Parallel.Branches))
		for i := range items {
			items[i] = lose("what another branch of " + owner.Name + " gives")
		}
		items[s.Flow.Index] = ended
		out = listOf(items)
	}
	v := view{data: around}
	return append(l.onward(owner, v, out), l.failing(owner, v)...), around
}

// backed is the value outside that a value was made of, seen from where that value
// is known: what was put over it hides what it had there.
func (s *source) backed(made *source) *source {
	switch {
	case made.kind == place && made.root == outside && len(made.steps) == 0:
		return s
	case made.kind == object && made.base != nil && made.base.kind == place && made.base.root == outside && len(made.base.steps) == 0:
		o := &source{kind: object, base: s}
		for _, m := range made.members {
			o.members = append(o.members, member{m.name, lose("what was there before")})
		}
		return o
	}
	return lose("what came before its branch")
}

// endOf is what a flow ends with, from some ways on; nil where it does not end.
func (l *lifting) endOf(step *asl.State, ahead []way) *source {
	var end *source
	meets := func(w way) {
		switch {
		case w.to != nil:
		case end == nil:
			end = w.view.data
		default:
			end = meet(end, w.view.data)
		}
	}
	for _, w := range ahead {
		meets(w)
	}
	known := l.follow(step, ahead)
	for _, s := range l.program.Order {
		v, ok := known[s]
		if !ok {
			continue
		}
		if s.Type == asl.Succeed {
			meets(way{nil, l.passed(s, v, l.texts[s.Name])})
		}
		for _, w := range l.onward(s, v, lose("what "+s.Name+" answers")) {
			meets(w)
		}
	}
	return end
}

// begin is what the first state of a flow sees, where its owner sees something.
func (l *lifting) begin(f *asl.Flow, v view) (view, bool) {
	owner := f.Owner
	raw := l.texts[owner.Name]
	if owner.Type != asl.Parallel {
		return v, false
	}
	r := &reading{house: l, state: owner, data: v.data, vars: v.vars}
	data := v.data
	if owner.Language == asl.JSONPath {
		data = r.selected(raw.Get("InputPath"), v.data)
		r.data = data
	}
	for _, name := range []string{"Parameters", "Arguments"} {
		if raw.Has(name) {
			data = r.value(raw.Get(name))
		}
	}
	return view{data, v.vars}, true
}

// enter is what is known at a state beneath a flow of which something is known; nil
// where nothing leads there.
func (l *lifting) enter(known map[*asl.State]view, s *asl.State, f *asl.Flow) *view {
	for s.Flow != f {
		top := s.In(f)
		v, ok := known[top]
		if !ok {
			return nil
		}
		for inner := s.Flow; ; inner = inner.Owner.Flow {
			if inner.Owner == top {
				begin, ok := l.begin(inner, v)
				if !ok {
					begin = view{lose("an item of " + top.Name), v.vars}
				}
				known, f = l.follow(nil, []way{{inner.Start, begin}}), inner
				break
			}
		}
	}
	if v, ok := known[s]; ok {
		return &v
	}
	return nil
}

// straight is the only state that a state leads to, where it does not fail.
func straight(s *asl.State) []*asl.State {
	if s.Next == nil {
		return nil
	}
	return []*asl.State{s.Next}
}
