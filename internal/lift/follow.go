package lift

import (
	"maps"
	"slices"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// reading is how expressions are read at one moment of a state.
type reading struct {
	house   *lifting
	state   *asl.State
	data    *source // $, or $states.input
	result  *source // $states.result
	failure *source // $states.errorOutput
	vars    map[string]*source
	own     bool // of the body itself: chance is drawn when it is due
}

// variable is what a variable holds.
func (r *reading) variable(name string) *source {
	if v := r.vars[name]; v != nil {
		return v
	}
	return variableOf(name)
}

// contextAt is a part of the context object. What it tells of the state, or of the
// task, is told of another one in a body.
func (r *reading) contextAt(steps []step) *source {
	if len(steps) == 0 || steps[0].kind != byName {
		return lose("the context object as a whole")
	}
	switch steps[0].name {
	case "Execution", "StateMachine":
		return at(context, steps...)
	case "Map":
		return lose("what the context object tells of the Map's item, which no undo sees; put it into the step's input")
	case "Task":
		if r.own {
			return at(context, steps...)
		}
	case "State":
		if len(steps) == 2 && steps[1].name == "Name" {
			return always(value.NewString(r.state.Name))
		}
	}
	return lose("what the context object tells of the state that asks")
}

// value is what a template of the state's language makes.
func (r *reading) value(v value.Value) *source {
	if r.state.Language == asl.JSONata {
		return r.template(v)
	}
	return r.payload(v)
}

// selected is what an InputPath or OutputPath selects of data.
func (r *reading) selected(v value.Value, data *source) *source {
	switch {
	case v.IsAbsent():
		return data
	case v.Kind() == value.Null:
		return always(value.NewObject())
	}
	of := *r
	of.data = data
	return of.path(v.AsString())
}

// view is what is known where a state is entered.
type view struct {
	data *source
	vars map[string]*source // those that are no more what they were
}

// meets is what is known where two ways come together, and whether that is
// something else than the first one knew.
func (v *view) meets(other view) (view, bool) {
	met := view{data: meet(v.data, other.data), vars: map[string]*source{}}
	changed := !sameSource(met.data, v.data)
	for _, vars := range []map[string]*source{v.vars, other.vars} {
		for name := range vars {
			if met.vars[name] == nil {
				was := (&reading{vars: v.vars}).variable(name)
				met.vars[name] = meet(was, (&reading{vars: other.vars}).variable(name))
				changed = changed || !sameSource(met.vars[name], was)
			}
		}
	}
	return met, changed
}

// way is an edge that was taken, and what is known behind it.
type way struct {
	to   *asl.State
	view view
}

// assign is the variables with those of an Assign.
func (r *reading) assign(raw value.Value) map[string]*source {
	vars := map[string]*source{}
	for name, v := range r.vars {
		vars[name] = v
	}
	set := r.value(raw)
	switch set.kind {
	case constant:
		for name, v := range set.constant.Members() {
			vars[name] = always(v)
		}
	default:
		for _, m := range set.members {
			vars[m.name] = m.of
		}
	}
	return vars
}

// ended is what is known behind a state that ended well with a result.
func (l *lifting) ended(s *asl.State, v view, result *source) view {
	raw := l.texts[s.Name]
	r := &reading{house: l, state: s, data: v.data, result: result, vars: v.vars}
	if s.Language == asl.JSONata {
		out := result
		if raw.Has("Output") {
			out = r.value(raw.Get("Output"))
		}
		return view{out, r.assign(raw.Get("Assign"))}
	}
	r.data = result
	if raw.Has("ResultSelector") {
		result = r.value(raw.Get("ResultSelector"))
	}
	r.data = result
	vars := r.assign(raw.Get("Assign"))
	out := placed(raw.Get("ResultPath"), v.data, result)
	return view{r.selected(raw.Get("OutputPath"), out), vars}
}

// placed is data with a result where a ResultPath says.
func placed(to value.Value, data, result *source) *source {
	switch {
	case to.IsAbsent():
		return result
	case to.Kind() == value.Null:
		return data
	}
	return data.put(stepsOf(to.AsString()[1:]), result)
}

// caught is what is known behind a catcher of a state.
func (l *lifting) caught(s *asl.State, i int, v view, told *source) view {
	raw := l.texts[s.Name].Get("Catch").At(i)
	r := &reading{house: l, state: s, data: v.data, result: lose("the result of what failed"), failure: told, vars: v.vars}
	if s.Language == asl.JSONata {
		out := told
		if raw.Has("Output") {
			out = r.value(raw.Get("Output"))
		}
		return view{out, r.assign(raw.Get("Assign"))}
	}
	r.data = told
	return view{placed(raw.Get("ResultPath"), v.data, told), r.assign(raw.Get("Assign"))}
}

// passed is what is known behind a state that does no work, by an edge whose own
// Output and Assign stand in of.
func (l *lifting) passed(s *asl.State, v view, of value.Value) view {
	raw := l.texts[s.Name]
	r := &reading{house: l, state: s, data: v.data, vars: v.vars}
	if s.Language == asl.JSONata {
		out := v.data
		if of.Has("Output") {
			out = r.value(of.Get("Output"))
		}
		return view{out, r.assign(of.Get("Assign"))}
	}
	in := r.selected(raw.Get("InputPath"), v.data)
	r.data = in
	return view{r.selected(raw.Get("OutputPath"), in), r.assign(of.Get("Assign"))}
}

// pass is what is known behind a Pass.
func (l *lifting) pass(s *asl.State, v view) view {
	raw := l.texts[s.Name]
	r := &reading{house: l, state: s, data: v.data, vars: v.vars}
	if s.Language == asl.JSONata {
		return l.ended(s, v, v.data)
	}
	in := r.selected(raw.Get("InputPath"), v.data)
	if raw.Has("Parameters") {
		r.data = in
		in = r.value(raw.Get("Parameters"))
	}
	if raw.Has("Result") {
		in = always(raw.Get("Result"))
	}
	return l.ended(s, v, in)
}

// onward are the ways out of a state that ended well.
func (l *lifting) onward(s *asl.State, v view, result *source) []way {
	switch s.Type {
	case asl.Choice:
		raw := l.texts[s.Name]
		var all []way
		for i := range s.Choice.Rules {
			all = append(all, way{s.Choice.Rules[i].Next, l.passed(s, v, raw.Get("Choices").At(i))})
		}
		if s.Choice.Default != nil {
			all = append(all, way{s.Choice.Default, l.passed(s, v, raw)})
		}
		return all
	case asl.Wait:
		return []way{{s.Next, l.passed(s, v, l.texts[s.Name])}}
	case asl.Pass:
		return []way{{s.Next, l.pass(s, v)}}
	case asl.Succeed, asl.Fail:
		return nil
	}
	return []way{{s.Next, l.ended(s, v, result)}}
}

// failing are the ways out of a state that failed.
func (l *lifting) failing(s *asl.State, v view) []way {
	var all []way
	for i := range s.Catch {
		told := lose("the error that " + s.Name + " has caught")
		if l.goesBack(s, i) {
			told = errorOutput()
		}
		all = append(all, way{s.Catch[i].Next, l.caught(s, i, v, told)})
	}
	return all
}

// follow tells what is known where states are entered, from some ways on. It stops
// at the step, which begins anew there.
func (l *lifting) follow(step *asl.State, from []way) map[*asl.State]view {
	known := map[*asl.State]view{}
	waiting := map[int]*asl.State{} // by rank: what comes first is followed first, and mostly once
	arrive := func(ways []way) {
		for _, w := range ways {
			if w.to == nil || w.to == step {
				continue
			}
			v, seen := known[w.to]
			changed := !seen
			if seen {
				v, changed = v.meets(w.view)
			} else {
				v = w.view
			}
			if changed {
				known[w.to], waiting[l.rank[w.to]] = v, w.to
			}
		}
	}
	for arrive(from); len(waiting) > 0; {
		first := slices.Min(slices.Collect(maps.Keys(waiting)))
		s := waiting[first]
		delete(waiting, first)
		v := known[s]
		if l.silent[s] && s.Choice == nil {
			arrive([]way{{s.Next, v}})
		} else {
			arrive(l.onward(s, v, lose("what "+s.Name+" answers")))
		}
		arrive(l.failing(s, v))
	}
	return known
}

// ranks are the places of states in an order in which each comes before those that
// it leads to, but for loops.
func ranks(p *asl.Program) map[*asl.State]int {
	rank := map[*asl.State]int{}
	next := 0
	var visit func(*asl.State)
	visit = func(s *asl.State) {
		if _, seen := rank[s]; seen {
			return
		}
		rank[s] = 0
		for _, to := range ways(s) {
			visit(to)
		}
		rank[s] = next
		next--
	}
	for _, s := range p.Order {
		visit(s)
	}
	return rank
}
