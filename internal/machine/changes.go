package machine

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// Changes are what is different where an execution goes on by a redrive. Texts
// are checked JSON.
type Changes struct {
	Definition [32]byte              // another one, zero: the same. Step gets its program
	StartAt    string                // the state of the top level from which it goes on; "": where it stood
	Input      value.Text            // of that state; none: what it had
	Variables  map[string]value.Text // set before it goes on
}

// Follow has a start name the definition by which the execution goes on, after a
// redrive with another one.
func (s *Start) Follow(h *Head) {
	if h.Definition != [32]byte{} {
		s.Definition = h.Definition
	}
}

// Unchangeable says why an execution that can be redriven can't go on with these
// changes, "" where it can. Was is its program, is the one by which it would go
// on. Its whole saga log must have been lent.
func (x *Execution) Unchangeable(was, is *asl.Program, c *Changes, l Limits) string {
	root := x.Frames[0]
	if root == nil {
		return "Nothing is kept of where the execution stood"
	}
	anew := root.Scope != nil && root.Scope.Ended && x.Undos[root.Scope.Saga].Status == SagaAborted
	for _, why := range []func() string{
		func() string { return x.misplaced(root, was, is, c, anew) },
		func() string { return x.wouldLose(was, is) },
		func() string { return x.tooMuch(is, c, l) },
	} {
		if text := why(); text != "" {
			return text
		}
	}
	return ""
}

// misplaced says why the execution can't go on where it is to.
func (x *Execution) misplaced(root *Frame, was, is *asl.Program, c *Changes, anew bool) string {
	if c.StartAt == "" {
		if !c.Input.IsZero() && root.Join != nil {
			return "The execution stands beneath " + root.State + ", each of whose frames has an input of its own: name the state that is to have another one"
		}
		if anew {
			return ""
		}
		return x.unplaced(was, is)
	}
	if s := is.States[c.StartAt]; s == nil || s.Flow != is.Flow {
		return "The definition has no state " + strconv.Quote(c.StartAt) + " at its top level"
	}
	for _, id := range slices.Sorted(maps.Keys(x.Frames)) {
		if f := x.Frames[id]; !f.isTop() && f.Undo != f.floor() {
			return "What was done beneath " + root.State + " could not be undone any more: let the execution go on there, or undo it"
		}
	}
	return ""
}

// unplaced says which of the states where the execution stands is not one of the
// new definition, or is another kind of state there.
func (x *Execution) unplaced(was, is *asl.Program) string {
	for _, id := range slices.Sorted(maps.Keys(x.Frames)) {
		f := x.Frames[id]
		if f.Phase == Ended || f.Kind == Aside {
			continue
		}
		old, now := was.States[f.State], is.States[f.State]
		switch {
		case now == nil:
			return fmt.Sprintf("The execution stands in %q, which the new definition does not have: name another state", f.State)
		case !standsLike(old, now):
			return fmt.Sprintf("The execution stands in %q, which is another kind of state in the new definition, or stands elsewhere: name another state", f.State)
		}
	}
	return ""
}

// standsLike reports whether a frame that stands in one state can stand in the
// other: they are of one kind, in the same place.
func standsLike(a, b *asl.State) bool {
	for a != nil && b != nil {
		if a.Name != b.Name || a.Type != b.Type || a.Flow.Index != b.Flow.Index || (a.Scope == nil) != (b.Scope == nil) {
			return false
		}
		if a.Parallel != nil && len(a.Parallel.Branches) != len(b.Parallel.Branches) || a.Map != nil && a.Map.Distributed != b.Map.Distributed {
			return false
		}
		a, b = a.Flow.Owner, b.Flow.Owner
	}
	return a == nil && b == nil
}

// wouldLose says which owed undo the new definition does not have.
func (x *Execution) wouldLose(was, is *asl.Program) string {
	for _, number := range slices.Sorted(maps.Keys(x.Undos)) {
		u := x.Undos[number]
		if !u.IsStep() || !u.owed() || was.States[u.State].Step.Compensate == nil {
			continue
		}
		if s := is.States[u.State]; s == nil || s.Step == nil || s.Step.Compensate == nil {
			return fmt.Sprintf("The undo of %q would be lost: it was done, and the new definition has no Compensate for it", u.State)
		}
	}
	return ""
}

// tooMuch says which of the new texts is over its limit.
func (x *Execution) tooMuch(p *asl.Program, c *Changes, l Limits) string {
	if l.Payload > 0 && c.Input.Len() > l.Payload {
		return fmt.Sprintf("The input has more than %d bytes", l.Payload)
	}
	total := x.Head.Variables
	for _, name := range slices.Sorted(maps.Keys(c.Variables)) {
		if !p.MayAssign(name) {
			return fmt.Sprintf("%q can not be the name of a variable", name)
		}
		text := c.Variables[name]
		if l.Variable > 0 && text.Len() > l.Variable {
			return fmt.Sprintf("The variable %q has more than %d bytes", name, l.Variable)
		}
		total += text.Len()
	}
	if l.Variables > 0 && total > l.Variables {
		return fmt.Sprintf("The variables have more than %d bytes", l.Variables)
	}
	return ""
}

// change puts the changes of a redrive into the root frame.
func (t *turn) change(root *Frame, c *Changes) {
	if c.Definition != [32]byte{} {
		t.head.Definition = c.Definition
	}
	if root.Scope != nil && root.Scope.Ended {
		t.reopen(root)
	}
	if c.StartAt != "" {
		t.prune(root)
		root.State, root.Phase = c.StartAt, Entering
	}
	if !c.Input.IsZero() {
		root.Input = t.payload(c.Input, value.Value{})
		root.Edition++ // another request, under another key
		root.Asked = 0
	}
	bound := make([]binding, 0, len(c.Variables))
	for _, name := range slices.Sorted(maps.Keys(c.Variables)) {
		bound = append(bound, binding{name, t.payload(c.Variables[name], value.Value{})})
	}
	t.assign(root, bound)
}
