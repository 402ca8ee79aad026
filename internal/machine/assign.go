package machine

import (
	"slices"
	"strconv"
	"strings"

	"github.com/backstep/backstep/internal/asl"
)

// variable is the payload of a variable that the frame can see, 0 where there
// is none.
func (t *turn) variable(f *Frame, name string) Ref {
	for {
		for _, b := range f.Variables {
			if b.Name == name {
				return b.Value
			}
		}
		if f.isTop() {
			return 0
		}
		f = t.peek(f.Parent)
	}
}

// assignment evaluates an Assign: its variables in order of name. They are not
// set before the state is left.
func (sc *scope) assignment(a *asl.Assignment) ([]binding, *fault) {
	if a == nil || len(a.Variables) == 0 {
		return nil, nil
	}
	limits := &sc.turn.env.Limits
	bound := make([]binding, len(a.Variables))
	size := 0
	for i := range a.Variables {
		v := &a.Variables[i]
		d, fl := sc.template(v.Value)
		if fl != nil {
			return nil, fl
		}
		ref, ok := sc.turn.number(&d, limits.Variable)
		if ok {
			size += sc.turn.text(ref).Len()
		}
		if !ok || limits.Variable > 0 && size > limits.Variable {
			return nil, sc.overVariables("The variables of one Assign", limits.Variable)
		}
		bound[i] = binding{v.Name, ref}
	}
	total := sc.turn.head.Variables + size
	for _, b := range sc.frame.Variables {
		if slices.ContainsFunc(bound, func(n binding) bool { return n.Name == b.Name }) {
			total -= sc.turn.text(b.Value).Len()
		}
	}
	if limits.Variables > 0 && total > limits.Variables {
		return nil, sc.overVariables("The variables of the execution", limits.Variables)
	}
	slices.SortFunc(bound, func(a, b binding) int { return strings.Compare(a.Name, b.Name) })
	return bound, nil
}

func (sc *scope) overVariables(what string, limit int) *fault {
	fl := newFault(errDataLimit, sc.entered(what+" exceed the maximum of "+strconv.Itoa(limit)+" bytes."))
	fl.fatal = true
	return fl
}

// assign sets variables in the frame; both lists are in order of name.
func (t *turn) assign(f *Frame, bound []binding) {
	if len(bound) == 0 {
		return
	}
	all := make([]binding, 0, len(f.Variables)+len(bound))
	old := f.Variables
	for _, b := range bound {
		for len(old) > 0 && old[0].Name < b.Name {
			all, old = append(all, old[0]), old[1:]
		}
		if len(old) > 0 && old[0].Name == b.Name {
			t.head.Variables -= t.text(old[0].Value).Len()
			old = old[1:]
		}
		t.head.Variables += t.text(b.Value).Len()
		all = append(all, b)
	}
	f.Variables = append(all, old...)
}

// forget lets the frame's variables go.
func (t *turn) forget(f *Frame) {
	for _, b := range f.Variables {
		t.head.Variables -= t.text(b.Value).Len()
	}
	f.Variables = nil
}
