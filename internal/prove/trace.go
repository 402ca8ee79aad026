package prove

import (
	"strings"

	"github.com/backstep/backstep/internal/asl"
)

// Move is one step of a path: a state, and how it was left.
type Move struct {
	State string
	Way   string // "succeeds", "States.Timeout (it may have been done)", "goes to Refund"; "" where there is nothing to say
}

// Script makes an execution take a path: which calls fail, and what its Choices
// are assumed to decide. All else succeeds.
type Script struct {
	Faults []Fault
	Assume []Assumption
}

// Fault is a failure that a script injects. State is entered for the Entry-th
// time on the path.
type Fault struct {
	State   string
	Entry   int    // from 1; 0: each time that no other fault names
	Attempt int    // of that entry, from 1; 0: every one that no other fault names
	Item    int    // of a Map: the item's place, from 1; 0: any
	Fault   string // the error's name; or StopExecution, ExecutionTimeout, InFlight
	Effect  string // "before": the call had none; "after": it had its effect, and then failed

	Operation string // "compensate", "query": of that body of the step; "": of the state's own call
}

// Assumption is what a Choice decides.
type Assumption struct {
	State  string
	Entry  int    // from 1; 0: each time that no other assumption names
	Choice string // the state that it goes to
}

// trace is a path being told.
type trace struct {
	moves   []Move
	script  Script
	entries map[string]int
	item    int32
	each    bool // what follows happens at each entry
}

func newTrace() *trace { return &trace{entries: map[string]int{}} }

// to tells the path from the start of a walk to a node or an end.
func (t *trace) to(w *walk, at int32) {
	var hops []int32
	by := int32(-1)
	if at >= 0 {
		by = w.nodes[at].by
	} else {
		by = w.ends[-at-1].by
	}
	for by >= 0 {
		hops = append(hops, by)
		by = w.nodes[w.edges[by].from].by
	}
	if by < -1 {
		t.to(w.before, -by-2)
	}
	for i := len(hops) - 1; i >= 0; i-- {
		t.edge(w, hops[i])
	}
}

// edge tells of one edge.
func (t *trace) edge(w *walk, e int32) { t.hop(w.nodes[w.edges[e].from].state, w.edges[e].hop) }

// hop tells how a state was left.
func (t *trace) hop(s *asl.State, h *hop) {
	t.entries[s.Name]++
	switch {
	case h.inside != nil && len(h.inside.parts) > 0:
		t.move(s, "begins")
		t.attempts(s, h)
		if h.gaveUp {
			t.undoFails(s)
		}
		if h.tries > maxTold {
			return
		}
		fallthrough
	case h.inside != nil && len(h.ways) == 0:
		if h.turn == onward {
			t.move(s, "succeeds")
		} else {
			t.move(s, "fails")
		}
	case h.turn == onward || h.turn == refusing:
		t.onward(s, h)
	default:
		t.failing(s, h)
	}
}

// maxTold is how often one attempt is told that is made over and over.
const maxTold = 10

// attempts tells what happened in a Parallel, Map or Saga, as often as it was
// tried.
func (t *trace) attempts(s *asl.State, h *hop) {
	if h.inside.earlier != nil {
		t.within(s, h.inside.earlier)
		t.move(s, "fails, and is tried again")
	}
	last := *h.inside
	last.earlier = nil
	if h.tries > maxTold {
		outer := t.each
		t.each = true
		t.within(s, &last)
		t.narrow(h)
		t.each = outer
		t.move(s, "fails, as at each of its tries")
		return
	}
	for i := range max(1, h.tries) {
		if i > 0 {
			t.move(s, "fails, and is tried again")
		}
		t.within(s, &last)
		t.narrow(h)
	}
}

// undoFails tells that the Compensate of the last step that a Saga has begun fails
// for good.
func (t *trace) undoFails(saga *asl.State) {
	for i := len(t.moves) - 1; i >= 0 && t.moves[i].State != saga.Name; i-- {
		if s := stateWithin(saga, t.moves[i].State); s != nil && s.Step != nil && lastError(s) != "" {
			t.gaveUp(s, lastError(s))
			return
		}
	}
}

// within tells what happened in a Parallel, Map or Saga.
func (t *trace) within(s *asl.State, in *inside) {
	if in.earlier != nil {
		t.within(s, in.earlier)
		t.move(s, "fails, and is tried again")
	}
	for _, p := range in.parts {
		outer := t.item
		if p.item > 0 {
			t.item = p.item
		}
		t.to(p.w, p.at)
		if p.flying {
			name := p.w.nodes[p.at].state
			t.entries[name.Name]++
			t.move(name, "is under way")
			t.fault(name, 0, scriptFlying, true)
		}
		t.item = outer
	}
}

func (t *trace) onward(s *asl.State, h *hop) {
	switch {
	case h.next != nil:
		t.move(s, "goes to "+h.next.Name)
		a := Assumption{s.Name, t.entries[s.Name], h.next.Name}
		if t.each {
			a.Entry = 0
		}
		t.script.Assume = append(t.script.Assume, a)
	case s.Type == asl.Task:
		t.move(s, "succeeds")
	default:
		t.move(s, "")
	}
}

func (t *trace) failing(s *asl.State, h *hop) {
	w := h.ways[0]
	said := ""
	switch {
	case s.Type != asl.Task:
	case h.before:
		t.fault(s, 1, w.before.script, true)
		t.move(s, w.before.label+" (it may have been done), then "+w.label)
		t.fault(s, 0, w.script, false)
		return
	case w.effect == hadEffect:
		said = " (it has been done)"
	case h.after:
		said = " (it may have been done)"
	case w.effect == unknown && held(s):
		said = " (a person finds that nothing was done)"
	case w.effect == unknown:
		said = " (nothing was done)"
	}
	t.move(s, w.label+said)
	t.fault(s, 0, w.script, h.after || w.effect == hadEffect)
	if h.after && w.effect == unknown && s.Step != nil && s.Step.Query != nil && endOf(s.Step.Query) != "" {
		t.move(s, "its Query ends by "+endOf(s.Step.Query))
		t.bodyFault(s, scriptQuery, endOf(s.Step.Query))
	}
}

func (t *trace) move(s *asl.State, way string) { t.moves = append(t.moves, Move{s.Name, way}) }

func (t *trace) fault(s *asl.State, attempt int, name string, after bool) {
	f := Fault{State: s.Name, Entry: max(1, t.entries[s.Name]), Attempt: attempt, Item: int(t.item), Fault: name, Effect: "before"}
	if after {
		f.Effect = "after"
	}
	if t.each {
		f.Entry = 0
	}
	t.script.Faults = append(t.script.Faults, f)
}

// bodyFault is a fault of every call of a body of a step.
func (t *trace) bodyFault(s *asl.State, operation, name string) {
	t.fault(s, 0, name, false)
	t.script.Faults[len(t.script.Faults)-1].Operation = operation
}

// narrow gives the error that a list further out names its name.
func (t *trace) narrow(h *hop) {
	if h.name == "" {
		return
	}
	for i := len(t.script.Faults) - 1; i >= 0; i-- {
		f := &t.script.Faults[i]
		if strings.HasPrefix(f.Fault, scriptOther) {
			f.Fault = h.name
			break
		}
	}
	for i := len(t.moves) - 1; i >= 0; i-- {
		if m := &t.moves[i]; strings.Contains(m.Way, "any other error") {
			m.Way = strings.Replace(m.Way, "any other error", h.name, 1)
			break
		}
	}
}

// ends tells how the execution ends.
func (t *trace) ends(ok bool) {
	if ok {
		t.moves = append(t.moves, Move{"", "the execution SUCCEEDS"})
	} else {
		t.moves = append(t.moves, Move{"", "the execution FAILS"})
	}
}
