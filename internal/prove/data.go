package prove

import (
	"fmt"
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/asl"
)

// unsetData tells of compensations of plain ASL that read what their path may
// not have set: SAGA012.
func (p *prover) unsetData() {
	for _, t := range p.pairs {
		for _, undo := range t.undos {
			if undo.Flow != p.program.Flow || t.step.In(undo.Flow) == nil {
				continue // in a flow of its own: what it sees is not followed
			}
			p.unsetVariables(t, undo)
			if undo.Language == asl.JSONPath && undo.InputPath == nil && p.replacesInput() {
				for _, field := range inputFields(undo.Parameters) {
					p.unsetField(t, undo, field)
				}
			}
		}
	}
}

// replacesInput reports whether a Catch of the machine puts the error in the
// place of the input.
func (p *prover) replacesInput() bool {
	return slices.ContainsFunc(p.program.Flow.States, func(s *asl.State) bool {
		return s.Language == asl.JSONPath && slices.ContainsFunc(s.Catch, func(c asl.Catcher) bool { return c.ResultPath == nil })
	})
}

// asksFor reports whether an expression of a state asks whether a variable is
// there.
func asksFor(s *asl.State, variable string) bool {
	return asksIn(s.Parameters, "$exists($"+variable)
}

func asksIn(t *asl.Template, text string) bool {
	switch {
	case t == nil:
		return false
	case t.Query != nil:
		return asks(t.Query.Text, text)
	}
	return slices.ContainsFunc(t.Object, func(m asl.TemplateMember) bool { return asksIn(m.Value, text) }) ||
		slices.ContainsFunc(t.Array, func(item *asl.Template) bool { return asksIn(item, text) })
}

// asks reports whether an expression asks for something, and says what it is where
// that is not there: a condition without its else is nothing then, which fails.
func asks(query, text string) bool {
	query = strings.Join(strings.Fields(query), "")
	_, rest, asked := strings.Cut(query, text)
	_, rest, condition := strings.Cut(rest, "?")
	return asked && (!condition || strings.Contains(rest, ":"))
}

func (p *prover) assignedSomewhere(v string) bool {
	return slices.ContainsFunc(p.program.Order, func(s *asl.State) bool {
		return assigns(s.Assign, v) || slices.ContainsFunc(s.Catch, func(c asl.Catcher) bool { return assigns(c.Assign, v) }) ||
			s.Choice != nil && slices.ContainsFunc(s.Choice.Rules, func(r asl.Rule) bool { return assigns(r.Assign, v) })
	})
}

func assigns(a *asl.Assignment, v string) bool {
	return a != nil && slices.ContainsFunc(a.Variables, func(x asl.Variable) bool { return x.Name == v })
}

// begun is a state on a way on which a step was begun or not.
type begun struct {
	state *asl.State
	begun bool
	shut  bool // the input is an error's alone, and lacks the field
}

// search looks for the shortest way from the machine's start to a compensation
// whose step was begun, by edges after which what it reads may still be unset.
type search struct {
	p    *prover
	step *asl.State // in the machine's flow: the step, or what holds it
	undo *asl.State
	next func(begun, *exit, *way) (begun, bool) // way nil: nothing failed
	done func(begun) bool
}

// run gives the legs of the way.
func (s *search) run() ([]leg, bool) {
	type from struct {
		leg leg
		at  begun
	}
	start := begun{state: s.p.program.Flow.Start}
	by := map[begun]from{start: {}}
	for waiting := []begun{start}; len(waiting) > 0; waiting = waiting[1:] {
		at := waiting[0]
		if at.state == s.undo && at.begun && s.done(at) {
			var legs []leg
			for a := at; a != start; a = by[a].at {
				legs = append(legs, by[a].leg)
			}
			slices.Reverse(legs)
			return legs, true
		}
		edges := s.p.edgesOf(at.state)
		for i := range edges {
			e := &edges[i]
			ways := e.hop.ways
			if e.hop.turn == onward || e.hop.turn == refusing || len(ways) == 0 {
				ways = []*way{nil}
			}
			for _, w := range ways {
				if e.to == nil || s.p.guards(at.state, s.undo) && e.to != s.undo {
					continue
				}
				next, ok := s.next(at, e, w)
				next.state, next.begun = e.to, at.begun || at.state == s.step
				if _, known := by[next]; ok && !known {
					h := *e.hop
					if w != nil {
						h.ways = []*way{w}
						h.after = w.effect == hadEffect || w.effect == unknown && at.state == s.step
					}
					by[next] = from{leg{at.state, &h}, at}
					waiting = append(waiting, next)
				}
			}
		}
		s.p.spent += len(edges)
	}
	return nil, false
}

// unsetVariables tells of the variables that a compensation names and that a way
// to it does not assign.
func (p *prover) unsetVariables(t *track, undo *asl.State) {
	var unset []string
	var route []leg
	for _, v := range undo.Reads {
		if asksFor(undo, v) || !p.assignedSomewhere(v) {
			continue
		}
		s := &search{p: p, step: t.step.In(undo.Flow), undo: undo, done: func(begun) bool { return true }}
		s.next = func(at begun, e *exit, w *way) (begun, bool) { return at, !p.setsOn(at.state, e, w, v) }
		if legs, ok := s.run(); ok {
			if unset == nil {
				route = legs
			}
			unset = append(unset, v)
		}
	}
	if unset == nil {
		return
	}
	told := newTrace()
	told.along(route)
	told.entries[undo.Name]++
	told.move(undo, "reads $"+unset[0])
	what, are := "the variable "+unset[0]+", which is", unset[0]
	if len(unset) > 1 {
		are = listed(unset, "and")
		what = "the variables " + are + ", which are"
	}
	p.find("SAGA012", undo, t.step.Name, told, fmt.Sprintf("%s reads %s not assigned on every path to it", undo.Name, what),
		fmt.Sprintf("Assign %s before %s, or in every Catch that leads to %s", are, t.step.Name, undo.Name))
}

// setsOn reports whether an edge assigns a variable.
func (p *prover) setsOn(s *asl.State, e *exit, w *way, v string) bool {
	if e.hop.turn == failing || e.hop.turn == spoiled {
		if w == nil { // of a Parallel, Map or Saga: any of its catchers that leads there
			return !slices.ContainsFunc(s.Catch, func(c asl.Catcher) bool { return c.Next == e.to && !assigns(c.Assign, v) })
		}
		c := w.fault.catcher(s)
		return c != nil && assigns(c.Assign, v)
	}
	if s.Type != asl.Choice {
		return assigns(s.Assign, v)
	}
	if s.Choice.Default == e.to && !assigns(s.Assign, v) {
		return false
	}
	return !slices.ContainsFunc(s.Choice.Rules, func(r asl.Rule) bool { return r.Next == e.to && !assigns(r.Assign, v) })
}

// inputFields are the members of its input that a JSONPath template names.
func inputFields(t *asl.Template) []string {
	var all []string
	var visit func(*asl.Template)
	visit = func(t *asl.Template) {
		if t == nil {
			return
		}
		if t.Path != nil && t.Path.Expression.Call() == "" {
			if field, ok := firstMember(t.Path.Text); ok && !slices.Contains(all, field) {
				all = append(all, field)
			}
		}
		for _, m := range t.Object {
			visit(m.Value)
		}
		for _, item := range t.Array {
			visit(item)
		}
	}
	visit(t)
	return all
}

// firstMember is the first name of a path such as $.hotel.id.
func firstMember(path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, "$.")
	if !ok {
		return "", false
	}
	end := strings.IndexAny(rest, ".[")
	if end < 0 {
		end = len(rest)
	}
	return rest[:end], end > 0 && rest[:end] != "*"
}

// unsetField tells of a member of its input that a compensation names, where a
// Catch without ResultPath has put the error in the place of the input.
func (p *prover) unsetField(t *track, undo *asl.State, field string) {
	if field == "Error" || field == "Cause" {
		return
	}
	s := &search{p: p, step: t.step.In(undo.Flow), undo: undo, done: func(b begun) bool { return b.shut }}
	s.next = func(at begun, e *exit, w *way) (begun, bool) {
		at.shut = p.shutOn(at, e, w, field)
		return at, true
	}
	legs, ok := s.run()
	if !ok {
		return
	}
	by := ""
	for _, l := range legs {
		if l.hop.turn == failing || l.hop.turn == spoiled {
			by = l.state.Name
		}
	}
	told := newTrace()
	told.along(legs)
	told.entries[undo.Name]++
	told.move(undo, "reads $."+field)
	p.find("SAGA012", undo, t.step.Name, told, fmt.Sprintf("%s reads $.%s, but the Catch of %s has put the error in the place of the input", undo.Name, field, by),
		fmt.Sprintf("Give the Catch of %s a ResultPath, such as \"$.error\"", by))
}

// shutOn reports whether, behind an edge, the input is an error's alone and lacks
// a member.
func (p *prover) shutOn(at begun, e *exit, w *way, field string) bool {
	s := at.state
	if s.Language != asl.JSONPath {
		return false
	}
	if e.hop.turn == failing || e.hop.turn == spoiled {
		c := p.catcherOn(s, e, w)
		switch {
		case c == nil:
			return false
		case c.ResultPath == nil:
			return true
		}
		return at.shut && !places(c.ResultPath, field)
	}
	switch s.Type {
	case asl.Wait, asl.Choice, asl.Succeed:
		return at.shut && s.InputPath == nil && s.OutputPath == nil
	case asl.Pass:
		if s.ResultPath == nil && (s.Parameters != nil || !s.Pass.Result.IsAbsent()) {
			return false
		}
	default:
		if s.ResultPath == nil {
			return false
		}
	}
	return at.shut && s.OutputPath == nil && (s.Type != asl.Pass || s.InputPath == nil) && (s.ResultPath == nil || !places(s.ResultPath, field))
}

// catcherOn is the catcher that leads along an edge.
func (p *prover) catcherOn(s *asl.State, e *exit, w *way) *asl.Catcher {
	if w != nil {
		return w.fault.catcher(s)
	}
	for i := range s.Catch {
		if s.Catch[i].Next == e.to {
			return &s.Catch[i]
		}
	}
	return nil
}

// places reports whether a ResultPath puts its value at a member, or beneath it.
func places(d *asl.Destination, field string) bool {
	if d.Reference == nil {
		return false
	}
	first, _ := firstMember(d.Reference.String())
	return first == field
}

// withoutKey tells of Tasks with an effect that are retried after errors that
// leave it unknown, and whose request has nothing to tell a second one by:
// SAGA015.
func (p *prover) withoutKey() {
	for _, s := range p.program.Order {
		f := p.facts[s]
		if s.Type != asl.Task || s.Scope != nil || !f.isStep && !f.isUndo {
			continue
		}
		i := slices.IndexFunc(f.ways, func(w *way) bool { return w.effect == unknown && w.tries > 1 })
		why := unkeyed(&f.call)
		if i < 0 || why == "" {
			continue
		}
		w := f.ways[i]
		t := newTrace()
		t.entries[s.Name]++
		t.move(s, w.label+" (it may have been done), and is tried again")
		t.fault(s, 1, w.script, true)
		p.find("SAGA015", s, "", t, fmt.Sprintf("%s is tried again after %s, and may be done twice: %s", s.Name, w.label, why),
			fmt.Sprintf("Send an id with %s that stays the same over retries, such as the execution's with the state's name", s.Name))
	}
}

// unkeyed tells why a second request would have a second effect, "" where
// nothing tells that it would.
func unkeyed(c *call) string {
	switch {
	case c.resource.Service == "dynamodb" || c.resource.Service == "aws-sdk:dynamodb":
		update := constant(c.request, "UpdateExpression")
		if c.action() == "updateitem" && (strings.Contains(update, " + ") || strings.Contains(update, " - ") || strings.HasPrefix(update, "ADD ")) &&
			member(c.request, "ConditionExpression") == nil {
			return "its UpdateExpression counts, and no ConditionExpression keeps it from counting twice"
		}
		return ""
	case c.resource.Service == "sqs" || c.resource.Service == "aws-sdk:sqs":
		if member(c.request, "MessageDeduplicationId") == nil {
			return "the message has no MessageDeduplicationId"
		}
		return ""
	case c.keyed():
		return ""
	}
	return "its request has no idempotency key"
}
