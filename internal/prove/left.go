package prove

import (
	"fmt"
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/asl"
)

// softLeaks are the steps that a state's own expressions leave: one finding of
// the whole definition.
type softLeaks struct {
	states []*asl.State
	best   *leak
	step   *asl.State
	trace  *trace
}

// leftSteps tells of the ends at which a step is left: SAGA001, 002, 003, 007,
// 013, 014, 019, 020.
func (p *prover) leftSteps(l *leaks) {
	var all []*leak
	for _, k := range l.found {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b *leak) int { return int(a.edge - b.edge) })
	hard := map[*asl.State]bool{}
	for _, k := range all {
		hard[k.state] = hard[k.state] || !k.soft
	}
	for _, k := range all {
		switch {
		case k.soft && (hard[k.state] || l.t.kind != paired):
		case k.soft:
			p.soft.add(l, k)
		case k.rule == "SAGA001" && l.t.kind == paired && k.state == l.t.step && l.found[leakKey{"SAGA002", k.state}] != nil:
			// its own outcome is unknown, which is told
		case k.rule == "SAGA002" && (l.t.kind == loose || k.state != l.t.step) && l.leaves001(k.state):
			// it is left when it is done, too, which says more
		default:
			p.left(l, k)
		}
	}
}

// leaves001 reports whether a failure from outside leaves the step when it is
// done.
func (l *leaks) leaves001(s *asl.State) bool {
	k := l.found[leakKey{"SAGA001", s}]
	return k != nil && !k.soft
}

func (s *softLeaks) add(l *leaks, k *leak) {
	at := l.w.nodes[l.w.edges[k.edge].from].state
	if !slices.Contains(s.states, at) {
		s.states = append(s.states, at)
	}
	if s.best == nil || k.length < s.best.length {
		s.best, s.step, s.trace = k, l.t.step, l.trace(k)
	}
}

// softLeft tells of the steps that expressions leave.
func (p *prover) softLeft() {
	s := &p.soft
	if s.best == nil {
		return
	}
	var names []string
	for _, state := range p.program.Order {
		if slices.Contains(s.states, state) {
			names = append(names, state.Name)
		}
	}
	message := fmt.Sprintf("%s stays done when an expression fails that no Catch takes (States.Runtime, or in a state without Catch), as it may in %s",
		s.step.Name, listed(names, "and"))
	p.find("SAGA001", s.best.state, s.step.Name, s.trace, message,
		"See to it that the data is there (a Choice with IsPresent, $exists), use JSONata in Tasks with a Catch, or accept it in the sidecar")
	i := p.found[findingKey{"SAGA001", s.best.state.Name, s.step.Name}]
	if p.report.Findings[i].Message == message {
		p.report.Findings[i].Severity = Warning
	}
}

// left tells of one end at which a step is left.
func (p *prover) left(l *leaks, k *leak) {
	e := &l.w.edges[k.edge]
	n := l.w.nodes[e.from].state
	step := l.t.step.Name
	told := p.cause(n, e)
	undos := names(l.t.undos)
	fix := ""
	message := ""
	pair := step
	if p.full(k.rule, k.state, step) {
		return
	}
	switch k.rule {
	case "SAGA001", "SAGA002":
		message, fix = p.leftDone(l, k, e, n)
	case "SAGA003":
		message = fmt.Sprintf("%s stays done when the compensation %s fails: %s, and %s is skipped", step, k.state.Name, told, undos)
		fix = fmt.Sprintf("Give %s a Retry that takes States.ALL, and let its Catch lead on to %s", k.state.Name, undos)
	case "SAGA007":
		message = fmt.Sprintf("all steps are done when %s runs, and its failure ends the execution as FAILED: %s", k.state.Name, told)
		fix = fmt.Sprintf("Catch States.ALL at %s and go on", k.state.Name)
		pair = ""
	case "SAGA013":
		message = fmt.Sprintf("%s may be done in its branch when another one fails, and stays so: %s", step, told)
		fix = fmt.Sprintf("Lead a Catch of States.ALL at %s to %s, or catch within each branch", k.state.Name, undos)
	case "SAGA014":
		message = fmt.Sprintf("%s may be done for other items when one fails, and stays so: %s", step, told)
		fix = fmt.Sprintf("Lead a Catch of States.ALL at %s to %s for the items that were done, or catch within the item", k.state.Name, undos)
	case "SAGA019":
		message = fmt.Sprintf("the nested execution of %s may have done its work, and nothing undoes it when the saga is undone", step)
		fix = fmt.Sprintf("Pair %s with a state that undoes it, or tell by NoEffect that there is nothing to undo", step)
		pair = ""
	case "SAGA020":
		message = fmt.Sprintf("%s can't be taken back, and the saga is undone after it when %s fails", step, n.Name)
		fix = fmt.Sprintf("Move %s behind the last state that can fail", step)
		pair = ""
	}
	p.find(k.rule, k.state, pair, l.trace(k), message, fix)
	if l.t.kind == loose {
		p.weaken(k.rule, k.state, pair)
	}
}

// weaken makes a finding a warning: whether there is anything to undo is known
// to the user alone.
func (p *prover) weaken(rule string, s *asl.State, step string) {
	if i, known := p.found[findingKey{rule, s.Name, step}]; known {
		p.report.Findings[i].Severity = Warning
	}
}

// leftDone words SAGA001 and SAGA002.
func (p *prover) leftDone(l *leaks, k *leak, e *edge, n *asl.State) (message, fix string) {
	step, undos := l.t.step.Name, names(l.t.undos)
	told := p.cause(n, e)
	switch {
	case l.t.kind == loose && k.rule == "SAGA002":
		return fmt.Sprintf("%s has no compensation and may have been done when it fails by %s, while the steps before it are undone", step, p.errors(e.hop)),
			fmt.Sprintf("Name what undoes %s in the sidecar, make it the Pivot, or list it under NoEffect", step)
	case l.t.kind == loose:
		return fmt.Sprintf("%s has no compensation and stays done when the saga is undone after %s", step, n.Name),
			fmt.Sprintf("Name what undoes %s in the sidecar, move it behind the last step that can fail, or list it under NoEffect", step)
	case e.hop.turn == refusing:
		return fmt.Sprintf("%s stays done when %s", step, told), fmt.Sprintf("Lead to %s when %s says no", undos, n.Name)
	case e.hop.turn == onward && k.rule == "SAGA002":
		return fmt.Sprintf("%s may have been done, and the execution ends in %s without %s", step, k.state.Name, undos),
			fmt.Sprintf("Lead to %s before %s", undos, k.state.Name)
	case e.hop.turn == onward:
		return fmt.Sprintf("%s stays done when the execution ends in %s without %s", step, k.state.Name, undos),
			fmt.Sprintf("Lead to %s before %s", undos, k.state.Name)
	case k.rule == "SAGA002" && k.state == l.t.step:
		told = "its Catch does not lead to " + undos
		if e.to < 0 {
			told = "nothing catches that"
		}
		return fmt.Sprintf("%s may have been done when it ends by %s, and is taken for not done: %s", step, p.errors(e.hop), told),
			fmt.Sprintf("Lead a Catch of States.ALL at %s to %s, which must tolerate that nothing was done", k.state.Name, undos)
	case k.rule == "SAGA002":
		return fmt.Sprintf("%s, whose outcome is unknown, stays as it is when %s fails: %s", step, n.Name, told),
			fmt.Sprintf("Lead a Catch of States.ALL at %s to %s", n.Name, undos)
	}
	return fmt.Sprintf("%s stays done when %s fails: %s", step, n.Name, told),
		fmt.Sprintf("Lead a Catch of States.ALL at %s to %s", n.Name, undos)
}

// cause words why a failure leads where it leads.
func (p *prover) cause(n *asl.State, e *edge) string {
	h := e.hop
	by := ""
	if h.at != nil && h.at != n {
		by = " of " + h.at.Name
	}
	switch {
	case h.turn == refusing:
		return fmt.Sprintf("%s takes the answer for a no and goes to %s", n.Name, h.next.Name)
	case h.turn == onward:
		return fmt.Sprintf("%s tolerates that an item fails", n.Name)
	case e.to < 0:
		return fmt.Sprintf("nothing catches %s%s", p.errors(h), by)
	}
	return fmt.Sprintf("its Catch for %s%s does not lead to it", p.errors(h), by)
}

// errors lists the errors of a hop, four of them at most.
func (p *prover) errors(h *hop) string {
	const other = "any other error"
	var all []string
	others := false
	ways, before := innermost(h)
	for _, w := range ways {
		label := w.label
		if before && w.before != nil {
			label = w.before.label + " that was retried, then " + w.label
		}
		others = others || label == other
		if label != other && !slices.Contains(all, label) {
			all = append(all, label)
		}
	}
	if more := len(all) - 3; more > 1 {
		all = append(all[:3], fmt.Sprintf("%d more", more))
	}
	switch {
	case h.name != "":
		return h.name
	case others:
		all = append(all, other)
	case len(all) == 0:
		return raised(h)
	}
	return listed(all, "or")
}

// raised is the name of the error that a Fail state within a Parallel, Map or
// Saga gave.
func raised(h *hop) string {
	if parts := h.inside.parts; len(parts) > 0 {
		if p := parts[len(parts)-1]; p.at < 0 {
			if f := p.w.ends[-p.at-1].fault; f != nil && f.name != "" {
				return f.name
			}
		}
	}
	return "its error"
}

// innermost are the ways of a hop, of a Parallel, Map or Saga those of the state
// within it that failed.
func innermost(h *hop) (ways []*way, before bool) {
	for len(h.ways) == 0 && h.inside != nil && len(h.inside.parts) > 0 {
		p := h.inside.parts[len(h.inside.parts)-1]
		if p.at >= 0 {
			break
		}
		h = p.w.edges[p.w.ends[-p.at-1].by].hop
	}
	return h.ways, h.before
}

// listed is a list in words.
func listed(all []string, word string) string {
	if more := len(all) - 6; more > 1 {
		all = append(slices.Clone(all[:6]), fmt.Sprintf("%d more", more))
	}
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	return strings.Join(all[:len(all)-1], ", ") + " " + word + " " + all[len(all)-1]
}

func names(states []*asl.State) string {
	all := make([]string, len(states))
	for i, s := range states {
		all[i] = s.Name
	}
	return listed(all, "or")
}

// finishedButFailed tells of states whose failure ends a finished saga as FAILED
// although nothing is left: SAGA007. What is left was told.
func (p *prover) finishedButFailed() {
	toFail := p.toFail(p.root)
	seen := map[*asl.State]bool{}
	for i := range p.root.edges {
		e := &p.root.edges[i]
		from := p.root.nodes[e.from]
		if e.hop.turn != failing || !p.epilogue[from.state] || seen[from.state] || p.facts[from.state].isUndo || from.mark&past != 0 {
			continue
		}
		if fails := e.to < 0 && !p.root.ends[-e.to-1].ok || e.to >= 0 && toFail[e.to] >= 0; !fails {
			continue
		}
		seen[from.state] = true
		if _, told := p.found[findingKey{"SAGA007", from.state.Name, ""}]; told {
			continue
		}
		t := p.failingPath(p.root, toFail, int32(i))
		p.find("SAGA007", from.state, "", t, fmt.Sprintf("all steps are done when %s runs, and its failure undoes the saga and ends the execution as FAILED", from.state.Name),
			fmt.Sprintf("Catch States.ALL at %s and go on", from.state.Name))
	}
}

// toFail is for each node the edge by which, when nothing more fails, the
// nearest end as FAILED is reached; -1: none.
func (p *prover) toFail(w *walk) []int32 {
	next := make([]int32, len(w.nodes))
	for i := range next {
		next[i] = -1
	}
	backwards(w, newIncoming(w), func(e *end) bool { return !e.ok }, func(edge int32) bool {
		from := w.edges[edge].from
		known := next[from] >= 0
		if !known {
			next[from] = edge
		}
		return !known
	})
	return next
}

// failingPath tells the path by an edge to the end as FAILED behind it.
func (p *prover) failingPath(w *walk, next []int32, at int32) *trace {
	t := newTrace()
	e := &w.edges[at]
	t.to(w, e.from)
	t.edge(w, at)
	for e.to >= 0 && next[e.to] >= 0 {
		at = next[e.to]
		t.edge(w, at)
		e = &w.edges[at]
	}
	t.ends(e.to < 0 && w.ends[-e.to-1].ok)
	return t
}

// stops tells that a stop leaves steps done, which plain ASL can't help:
// SAGA009.
func (p *prover) stops() {
	for i := range p.root.nodes {
		n := &p.root.nodes[i]
		if n.state != p.pairs[0].step && !p.pairs[0].holds(n.state) {
			continue
		}
		t := newTrace()
		t.to(p.root, int32(i))
		t.entries[n.state.Name]++
		t.moves = append(t.moves, Move{n.state.Name, "is left"}, Move{"", "StopExecution"})
		t.script.Faults = append(t.script.Faults, Fault{State: n.state.Name, Entry: t.entries[n.state.Name], Fault: scriptStop, Effect: "after"})
		by := "StopExecution ends"
		if p.program.TimeoutSeconds > 0 {
			by = fmt.Sprintf("StopExecution and the TimeoutSeconds of the machine (%d) end", p.program.TimeoutSeconds)
		}
		p.find("SAGA009", n.state, "", t, by+" the execution where it stands: no Catch sees it, and what is done stays done",
			"Accept it in the sidecar with a reason, or use the saga extension, which undoes first")
		return
	}
}
