package lift

import (
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// sets are the variables that a state assigns, those of its catchers where they count.
func sets(s *asl.State, catchers bool) []string {
	var names []string
	for _, a := range s.Assignments() {
		ofCatcher := slices.ContainsFunc(s.Catch, func(c asl.Catcher) bool { return c.Assign == a })
		for _, v := range a.Variables {
			if catchers || !ofCatcher {
				names = append(names, v.Name)
			}
		}
	}
	return names
}

// keeps reports whether a variable is assigned before the scope alone.
func (l *lifting) keeps(x *tail, name string) bool {
	return !slices.ContainsFunc(x.flow.States, func(s *asl.State) bool { return !x.lead[s] && slices.Contains(sets(s, true), name) })
}

// hides is a variable that states of a scope, or of flows within it, assign, and a
// state beside it as well, as the language forbids; "" where there is none.
func (l *lifting) hides(x *tail, beside *asl.State) string {
	outer := sets(beside, false)
	for _, s := range l.program.Order {
		if s.CommonFlow(beside) != x.flow {
			continue
		}
		if top := s.In(x.flow); x.apart[top] || l.undoing(top) || !l.forward[top] {
			continue
		}
		for _, name := range sets(s, true) {
			if slices.Contains(outer, name) {
				return name
			}
		}
	}
	return ""
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
	all := r.every(raw.Without("Catch", "ResultPath", "ResultSelector", "OutputPath", "InputPath").Object(), nil)
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
