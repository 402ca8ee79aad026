package lift

import (
	"fmt"
	"slices"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// tail is what all ways back lead to once everything is undone: a scope of its own
// comes before it, whose Catch leads there.
type tail struct {
	flow  *asl.Flow
	start *asl.State          // of the scope
	lead  map[*asl.State]bool // what only prepares it
	entry *asl.State
	on    *asl.State // where the scope goes when it ends well; nil: the end
	apart map[*asl.State]bool
	catch value.Value // the catcher, but for its ErrorEquals and Next
	name  string      // of the scope
}

// findTail looks whether the ways back of a flow do something beside undoing, and
// where that can stand. Of a branch or an item it is enough that they end well: what
// is around goes on then. It tells why there is no place for it.
func (l *lifting) findTail(f *asl.Flow) string {
	var with, without []turn
	var byHand *asl.State
	needed := false
	for _, t := range l.turns() {
		if t.from.Flow != f {
			continue
		}
		switch r := l.restOf(t.to); {
		case len(r.byHand) > 0:
			byHand = r.byHand[0]
		case len(r.work) > 0 || r.ends && f.Owner != nil:
			with = append(with, t)
			needed = needed || l.mayOwe(t)
		default:
			without = append(without, t)
		}
	}
	if !needed {
		return ""
	}
	end := with[0].to
	if work := l.restOf(end).work; len(work) > 0 {
		end = work[0]
	}
	entry, other := l.meeting(with)
	switch {
	case len(without) > 0:
		return fmt.Sprintf("some ways back end with %s, which is no compensation, and %s goes back without it; let all ways back end with it, or none", end.Name, without[0].from.Name)
	case byHand != nil:
		return fmt.Sprintf("%s ends ways back and is no compensation, and %s stays wired by hand", end.Name, byHand.Name)
	}
	if entry == nil && other == nil {
		return fmt.Sprintf("a way back of %s ends well with its last compensation; let a Pass come behind it", with[0].from.Name)
	}
	if entry == nil {
		return fmt.Sprintf("the ways back of %s and %s end with different states that are no compensations; let all of them end with one", with[0].from.Name, other.Name)
	}
	x := &tail{flow: f, entry: entry, apart: reach([]*asl.State{entry}, ways), start: f.Start, lead: map[*asl.State]bool{}}
	for s := f.Start; s.Type == asl.Pass && s.Next != nil && !x.apart[s] && l.onlyFrom(x.lead, s); s = s.Next {
		if x.apart[s] = true; l.hides(x, s) != "" {
			delete(x.apart, s)
			break
		}
		x.lead[s], x.start = true, s.Next
	}
	if why := l.divide(x); why != "" {
		return why
	}
	if why := l.fitTail(x, with); why != "" {
		return why
	}
	l.tails[f] = x
	return ""
}

// meeting is the first state behind all that is undone by which all of some ways back
// come; nil, and a state whose way back does not, where there is none.
func (l *lifting) meeting(turns []turn) (entry, other *asl.State) {
	var common []*asl.State
	for i, t := range turns {
		ends := l.endsOf(t.to)
		if i == 0 {
			common = ends
			continue
		}
		both := slices.DeleteFunc(slices.Clone(common), func(s *asl.State) bool { return !slices.Contains(ends, s) })
		if len(both) == 0 {
			return nil, t.from
		}
		common = both
	}
	if len(common) == 0 {
		return nil, nil
	}
	return common[0], nil
}

// endsOf are the states that a way back comes by in turn once all is undone, as far as
// that is one way. Notes on the way, and Choices that decide what to undo, come before.
func (l *lifting) endsOf(to *asl.State) []*asl.State {
	before := func(s *asl.State) bool {
		return l.gone(s) || len(s.Tasks()) == 0 && slices.ContainsFunc(l.program.Order, func(undo *asl.State) bool { return l.gone(undo) && reach(nexts(s), nexts)[undo] })
	}
	var ends []*asl.State
	over := reach([]*asl.State{to}, func(s *asl.State) []*asl.State {
		if before(s) {
			return nexts(s)
		}
		return nil
	})
	for s := range over {
		if !before(s) {
			ends = append(ends, s)
		} else if endsWell(s) {
			return nil
		}
	}
	if len(ends) != 1 {
		return nil
	}
	for s := ends[0]; s.Type == asl.Pass && s.Next != nil && !slices.Contains(ends, s.Next); s = s.Next {
		ends = append(ends, s.Next)
	}
	return ends
}

// divide finds where a scope ends: states that its way forward shares with the tail
// come behind it.
func (l *lifting) divide(x *tail) string {
	var inner []string
	ends := false
	for _, s := range x.flow.States {
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
	for _, s := range x.flow.States {
		if name := l.hides(x, s); name != "" && x.apart[s] {
			return fmt.Sprintf("%s stands beside the saga and assigns the variable $%s, as states within it do; give it another name", s.Name, name)
		}
		for _, name := range s.Reads {
			if x.apart[s] && l.forward[s] && l.assignedIn(name, inner) {
				return fmt.Sprintf("%s comes behind the saga and reads the variable $%s, which is assigned within it", s.Name, name)
			}
		}
	}
	return ""
}

// assignedIn reports whether one of some states assigns a variable as it ends well.
func (l *lifting) assignedIn(name string, states []string) bool {
	return slices.ContainsFunc(states, func(of string) bool {
		return slices.Contains(sets(l.program.States[of], true), name)
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
	after := l.caughtBy(x.start, x.catch)
	for name := range l.variables {
		if after.vars[name] == nil && !l.keeps(x, name) {
			after.vars[name] = lose("the variable $" + name + ", which is assigned within the saga")
		}
	}
	a, b := l.follow(nil, []way{{x.entry, *before}}), l.follow(nil, []way{{x.entry, after}})
	for _, s := range x.flow.States {
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
			common = raw.Without("ErrorEquals", "Next", "Comment").Object()
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

// caughtBy is what is known behind a catcher of the scope that begins with a state.
func (l *lifting) caughtBy(start *asl.State, raw value.Value) view {
	told := errorOutput()
	r := &reading{house: l, state: start, data: at(input), result: lose("a result"), failure: told}
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
