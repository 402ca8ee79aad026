package lift

import (
	"fmt"
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// tail is what all ways back lead to once everything is undone: a scope of its own
// comes before it, whose Catch leads there.
type tail struct {
	start *asl.State          // of the scope
	lead  map[*asl.State]bool // what only prepares it
	entry *asl.State
	on    *asl.State // where the scope goes when it ends well; nil: the end
	apart map[*asl.State]bool
	catch value.Value // the catcher, but for its ErrorEquals and Next
	name  string      // of the scope
}

// findTail looks whether the ways back of a flow do something beside undoing, and
// where that can stand. It tells why it can't.
func (l *lifting) findTail(f *asl.Flow) string {
	var with, without []turn
	needed := false
	for _, t := range l.turns() {
		if t.from.Flow != f {
			continue
		}
		switch r := l.restOf(t.to); {
		case len(r.byHand) > 0:
		case len(r.work) == 0:
			without = append(without, t)
		default:
			with = append(with, t)
			needed = needed || l.mayOwe(t)
		}
	}
	if !needed {
		return ""
	}
	entry := l.past(with[0].to)
	work := l.restOf(with[0].to).work[0].Name
	switch {
	case f.Owner != nil:
		return fmt.Sprintf("%s runs on the way back and is no compensation; within %s there is no place for it", work, f.Owner.Name)
	case len(without) > 0:
		return fmt.Sprintf("%s runs on some ways back and is no compensation, and %s goes back without it; let all ways back end with it, or none", work, without[0].from.Name)
	case slices.ContainsFunc(l.pairs, func(p *pair) bool { return p.left != "" && l.forward[p.step] }):
		return fmt.Sprintf("%s runs on the way back and is no compensation, and other steps stay wired by hand", work)
	}
	for _, t := range with {
		if l.past(t.to) != entry {
			return fmt.Sprintf("the ways back end in different states, %s and %s, that are no compensations; let all of them end with one", entry.Name, l.past(t.to).Name)
		}
	}
	x := &tail{entry: entry, apart: reach([]*asl.State{entry}, ways), start: f.Start, lead: map[*asl.State]bool{}}
	for s := f.Start; s.Type == asl.Pass && s.Next != nil && !x.apart[s] && l.onlyFrom(x.lead, s); s = s.Next {
		x.lead[s], x.apart[s], x.start = true, true, s.Next
	}
	if why := l.divide(x); why != "" {
		return why
	}
	if why := l.fitTail(x, with); why != "" {
		return why
	}
	l.tail = x
	return ""
}

// divide finds where a scope ends: states that its way forward shares with the tail
// come behind it.
func (l *lifting) divide(x *tail) string {
	var inner []string
	ends := false
	for _, s := range l.program.Flow.States {
		if x.apart[s] || l.undoing(s) || !l.forward[s] {
			continue
		}
		inner = append(inner, s.Name)
		ends = ends || endsWell(s)
		for _, to := range l.onwards(s) {
			switch {
			case !x.apart[to] || !l.forward[to]:
			case s.Type == asl.Choice || x.on != nil && x.on != to:
				return fmt.Sprintf("%s goes on to %s, which ends the ways back, too; lead the ways back elsewhere", s.Name, to.Name)
			default:
				x.on = to
			}
		}
		for i := range s.Catch {
			if to := s.Catch[i].Next; x.apart[to] && !l.goesBack(s, i) {
				return fmt.Sprintf("%s catches an error to go on at %s, which ends the ways back, too; lead the ways back elsewhere", s.Name, to.Name)
			}
		}
	}
	if x.apart[x.start] {
		return x.entry.Name + " ends the ways back, and leads to the start again"
	}
	if x.on != nil && ends {
		return fmt.Sprintf("some ways forward end without %s, which ends the ways back, too; lead the ways back elsewhere", x.on.Name)
	}
	for s := range x.apart {
		for _, name := range s.Reads {
			if l.forward[s] && l.assignedIn(name, inner) {
				return fmt.Sprintf("%s comes behind the saga and reads the variable $%s, which is assigned within it", s.Name, name)
			}
		}
	}
	return ""
}

// assignedIn reports whether one of some states assigns a variable as it ends well.
func (l *lifting) assignedIn(name string, states []string) bool {
	return slices.ContainsFunc(states, func(of string) bool {
		a := l.program.States[of].Assign
		return a != nil && slices.ContainsFunc(a.Variables, func(v asl.Variable) bool { return v.Name == name })
	})
}

// fitTail finds a catcher by which the tail reads what it has read before, or tells
// why there is none.
func (l *lifting) fitTail(x *tail, turns []turn) string {
	start := []way{{x.start, view{data: at(input)}}}
	known := l.follow(nil, start)
	var before *view
	for _, t := range turns {
		from := known[t.from]
		led := l.onward(t.from, from, lose("what "+t.from.Name+" answers"))
		if t.catch >= 0 {
			led = l.failing(t.from, from)[t.catch : t.catch+1]
		}
		led = slices.DeleteFunc(led, func(w way) bool { return w.to != t.to })
		v, ok := l.follow(nil, led)[x.entry]
		switch {
		case !ok:
		case before == nil:
			before = &v
		default:
			met, _ := before.meets(v)
			before = &met
		}
	}
	if before == nil {
		return "no way back leads to " + x.entry.Name
	}
	x.catch = l.commonCatch(turns)
	after := l.caughtBy(x.catch)
	for name := range l.variables {
		if after.vars[name] == nil && !l.keeps(x, name) {
			after.vars[name] = lose("the variable $" + name + ", which is assigned within the saga")
		}
	}
	a, b := l.follow(nil, []way{{x.entry, *before}}), l.follow(nil, []way{{x.entry, after}})
	for _, s := range l.program.Flow.States {
		if !x.apart[s] {
			continue
		}
		was, is := l.readings(s, a[s]), l.readings(s, b[s])
		for i := range was {
			if why := was[i].doubt(); why != "" {
				return fmt.Sprintf("%s runs on the way back and reads %s; let it need no more than the saga's input and the error", s.Name, why)
			}
			if why := is[i].doubt(); why != "" {
				return fmt.Sprintf("%s runs on the way back and reads %s; let it need no more than the saga's input and the error", s.Name, why)
			}
			if !sameSource(was[i], is[i]) {
				return fmt.Sprintf("%s runs on the way back and reads what is only known within the saga; let it need no more than the saga's input and the error", s.Name)
			}
		}
	}
	return ""
}

// commonCatch is what the catchers of some turns have in common.
func (l *lifting) commonCatch(turns []turn) value.Value {
	var common value.Value
	for _, t := range turns {
		if t.catch < 0 {
			continue
		}
		raw := l.texts[t.from.Name].Get("Catch").At(t.catch)
		if common.IsAbsent() {
			common = without(raw, "ErrorEquals", "Next", "Comment").Object()
			continue
		}
		both := value.NewBuilder(2)
		for name, v := range common.Members() {
			switch other := raw.Get(name); {
			case value.Equal(v, other):
				both.Set(name, v)
			case name == "Assign":
				shared := value.NewBuilder(2)
				for name, v := range v.Members() {
					if value.Equal(v, other.Get(name)) {
						shared.Set(name, v)
					}
				}
				if shared.Len() > 0 {
					both.Set(name, shared.Object())
				}
			}
		}
		common = both.Object()
	}
	switch {
	case !common.IsAbsent():
		return common
	case turns[0].from.Language == asl.JSONata:
		return value.NewObject(value.Member{Name: "Output", Value: value.NewString("{% $states.input %}")})
	}
	return value.NewObject(value.Member{Name: "ResultPath", Value: value.NewNull()})
}

// onlyFrom reports whether nothing but some states leads to a state.
func (l *lifting) onlyFrom(some map[*asl.State]bool, s *asl.State) bool {
	return !slices.ContainsFunc(s.Flow.States, func(from *asl.State) bool { return !some[from] && slices.Contains(ways(from), s) })
}

// keeps reports whether a variable is assigned before the scope alone.
func (l *lifting) keeps(x *tail, name string) bool {
	sets := func(a *asl.Assignment) bool {
		return a != nil && slices.ContainsFunc(a.Variables, func(v asl.Variable) bool { return v.Name == name })
	}
	return !slices.ContainsFunc(l.program.Flow.States, func(s *asl.State) bool {
		return !x.lead[s] && (sets(s.Assign) || slices.ContainsFunc(s.Catch, func(c asl.Catcher) bool { return sets(c.Assign) }) ||
			s.Choice != nil && slices.ContainsFunc(s.Choice.Rules, func(r asl.Rule) bool { return sets(r.Assign) }))
	})
}

// caughtBy is what is known behind a catcher of the scope.
func (l *lifting) caughtBy(raw value.Value) view {
	told := errorOutput()
	r := &reading{house: l, state: l.program.Flow.Start, data: at(input), result: lose("a result"), failure: told}
	if r.state.Language == asl.JSONata {
		out := told
		if raw.Has("Output") {
			out = r.value(raw.Get("Output"))
		}
		return view{out, r.assign(raw.Get("Assign"))}
	}
	r.data = told
	return view{placed(raw.Get("ResultPath"), at(input), told), r.assign(raw.Get("Assign"))}
}

// readings are what the expressions of a state read, and what it hands on in the
// end.
func (l *lifting) readings(s *asl.State, v view) []*source {
	if v.data == nil {
		return nil
	}
	raw := l.texts[s.Name]
	own := always(value.NewString("what " + s.Name + " answers"))
	r := &reading{house: l, state: s, data: v.data, result: own, failure: own, vars: v.vars, own: true}
	if s.Language == asl.JSONPath {
		r.data = r.selected(raw.Get("InputPath"), v.data)
	}
	all := r.every(without(raw, "Catch", "ResultPath", "ResultSelector", "OutputPath", "InputPath").Object(), nil)
	if !raw.Has("Parameters") && !raw.Has("Arguments") && (s.Type == asl.Task && s.Language == asl.JSONPath || s.Type == asl.Parallel || s.Type == asl.Map) {
		all = append(all, r.data)
	}
	if endsWell(s) {
		for _, w := range l.onward(s, v, own) {
			all = append(all, w.view.data)
		}
		if s.Type == asl.Succeed {
			all = append(all, l.passed(s, v, raw).data)
		}
	}
	return all
}

// every is what all expressions within something read.
func (r *reading) every(v value.Value, all []*source) []*source {
	switch v.Kind() {
	case value.String:
		if text, is := expressionIn(v.AsString()); is && r.state.Language == asl.JSONata {
			all = append(all, r.query(text))
		}
	case value.Array:
		for _, item := range v.Items() {
			all = r.every(item, all)
		}
	case value.Object:
		for name, m := range v.Members() {
			if text := m.AsString(); r.state.Language == asl.JSONPath && strings.HasPrefix(text, "$") && (name == "Variable" || strings.HasSuffix(name, "Path")) {
				all = append(all, r.path(text))
			} else if strings.HasSuffix(name, ".$") {
				all = append(all, r.expression(text))
			} else {
				all = r.every(m, all)
			}
		}
	}
	return all
}
