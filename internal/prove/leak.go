package prove

import (
	"slices"

	"github.com/backstep/backstep/internal/asl"
)

// leaks looks for the ends of an execution at which a tracked step of plain ASL
// is left, and tells each by the last failure before it.
type leaks struct {
	p     *prover
	t     *track
	w     *walk
	dist  []int32 // from a node by edges without a failure to an end that leaves the step; -1: none
	next  []int32 // the edge that leads there
	safe  []bool  // from a node an end that does not leave it can be reached so
	found map[leakKey]*leak
}

type leakKey struct {
	rule  string
	state *asl.State
}

// leak is the shortest path that leaves a step by one state's failure.
type leak struct {
	leakKey
	edge   int32
	length int32
	soft   bool
}

// leaksOf are the leaks of a step, by its walk over the machine.
func leaksOf(p *prover, t *track, w *walk) *leaks {
	l := &leaks{p: p, t: t, w: w, found: map[leakKey]*leak{}}
	l.measure()
	for i := range w.edges {
		l.consider(int32(i))
	}
	return l
}

// leaves reports whether an end leaves the step.
func (l *leaks) leaves(e *end) bool {
	m := e.mark
	switch {
	case !m.owes() || m&past != 0:
		return false
	case l.t.kind == irrevocable:
		return m&rollback != 0 && m.status() == done
	case l.t.kind == loose:
		return m&rollback != 0
	}
	return !e.ok || m&rollback != 0 || m.status() == uncertain
}

// measure finds the way from each node to the nearest end that leaves the step,
// by edges on which nothing fails, and whether there is one to another end.
func (l *leaks) measure() {
	w := l.w
	l.dist, l.next, l.safe = make([]int32, len(w.nodes)), make([]int32, len(w.nodes)), make([]bool, len(w.nodes))
	for i := range l.dist {
		l.dist[i] = -1
	}
	into := newIncoming(w)
	backwards(w, into, func(e *end) bool { return l.leaves(e) }, func(edge int32) bool {
		e := &w.edges[edge]
		if l.dist[e.from] >= 0 {
			return false
		}
		l.dist[e.from], l.next[e.from] = 1, edge
		if e.to >= 0 {
			l.dist[e.from] += l.dist[e.to]
		}
		return true
	})
	backwards(w, into, func(e *end) bool { return !l.leaves(e) }, func(edge int32) bool {
		from := w.edges[edge].from
		known := l.safe[from]
		l.safe[from] = true
		return !known
	})
}

// backwards follows the edges on which nothing fails from the ends asked for
// against their direction, the nearest first, as long as what it comes by is
// new.
func backwards(w *walk, into incoming, from func(*end) bool, isNew func(edge int32) bool) {
	var waiting []int32
	for i := range w.edges {
		if e := &w.edges[i]; e.to < 0 && e.hop.turn == onward && from(&w.ends[-e.to-1]) && isNew(int32(i)) {
			waiting = append(waiting, e.from)
		}
	}
	for ; len(waiting) > 0; waiting = waiting[1:] {
		for _, e := range into.of(waiting[0]) {
			if w.edges[e].hop.turn == onward && isNew(e) {
				waiting = append(waiting, w.edges[e].from)
			}
		}
	}
}

// incoming is the edges that lead to each node.
type incoming struct{ start, edges []int32 }

func newIncoming(w *walk) incoming {
	in := incoming{make([]int32, len(w.nodes)+1), make([]int32, len(w.edges))}
	for i := range w.edges {
		if to := w.edges[i].to; to >= 0 {
			in.start[to+1]++
		}
	}
	for i := 1; i < len(in.start); i++ {
		in.start[i] += in.start[i-1]
	}
	at := slices.Clone(in.start)
	for i := range w.edges {
		if to := w.edges[i].to; to >= 0 {
			in.edges[at[to]] = int32(i)
			at[to]++
		}
	}
	return in
}

func (in incoming) of(n int32) []int32 { return in.edges[in.start[n]:in.start[n+1]] }

// consider looks at an edge as the last failure before the step is left, or as
// the step's own success.
func (l *leaks) consider(i int32) {
	e := &l.w.edges[i]
	after, rest := l.leads(e)
	if rest < 0 || !after.owes() {
		return
	}
	from := &l.w.nodes[e.from]
	if e.hop.turn == onward {
		if begun := from.mark.owes(); begun || !(from.state == l.t.step || l.t.holds(from.state)) {
			return
		}
	} else if l.dist[e.from] >= 0 && !l.safe[e.from] {
		return // it would be left without this failure, too
	}
	key := l.key(e, after)
	if key.rule == "" {
		return
	}
	key.soft = e.hop.turn == spoiled
	key.edge, key.length = i, from.depth+1+rest
	if best := l.found[key.leakKey]; best == nil || best.soft && !key.soft || best.soft == key.soft && key.length < best.length {
		l.found[key.leakKey] = &key
	}
}

// leads is the mark behind an edge, and how far it is from there to an end that
// leaves the step; below 0: there is none.
func (l *leaks) leads(e *edge) (mark, int32) {
	if e.to >= 0 {
		return l.w.nodes[e.to].mark, l.dist[e.to]
	}
	if end := &l.w.ends[-e.to-1]; l.leaves(end) {
		return end.mark, 0
	}
	return 0, -1
}

// key is the rule that an edge breaks, and the state that the finding is about.
func (l *leaks) key(e *edge, after mark) leak {
	t := l.t
	n := l.w.nodes[e.from].state
	switch {
	case t.kind == irrevocable:
		return leak{leakKey: leakKey{"SAGA020", t.step}}
	case t.kind == loose && l.p.call(t.step).resource.Kind == asl.NestedExecution:
		return leak{leakKey: leakKey{"SAGA019", t.step}}
	case t.kind == loose && after.status() == uncertain:
		return leak{leakKey: leakKey{"SAGA002", t.step}}
	case t.kind == loose:
		return leak{leakKey: leakKey{"SAGA001", t.step}}
	case e.hop.turn == onward && after&byItem != 0:
		return leak{leakKey: leakKey{"SAGA014", n}}
	case e.hop.turn == onward:
		return leak{leakKey: leakKey{l.byStatus(after), l.last(e)}}
	}
	if cut := cutBy(l.w.nodes[e.from].fact, e.hop, after); cut != nil {
		return leak{leakKey: leakKey{"SAGA003", cut}}
	}
	switch {
	case after&bySibling != 0:
		return leak{leakKey: leakKey{"SAGA013", n}}
	case after&byItem != 0:
		return leak{leakKey: leakKey{"SAGA014", n}}
	case l.p.epilogue[n] && e.hop.turn != refusing && after.status() == done && l.end(e).mark&rollback == 0:
		return leak{leakKey: leakKey{"SAGA007", n}}
	case e.hop.at == t.step:
		n = t.step
	}
	return leak{leakKey: leakKey{l.byStatus(after), n}}
}

func (l *leaks) byStatus(m mark) string {
	if m.status() == uncertain {
		return "SAGA002"
	}
	return "SAGA001"
}

// last is the state at which the execution ends behind an edge.
func (l *leaks) last(e *edge) *asl.State { return l.end(e).at }

// end is the end behind an edge that leaves the step.
func (l *leaks) end(e *edge) *end {
	for e.to >= 0 {
		e = &l.w.edges[l.next[e.to]]
	}
	return &l.w.ends[-e.to-1]
}

// trace tells the path of a leak.
func (l *leaks) trace(k *leak) *trace {
	t := newTrace()
	e := &l.w.edges[k.edge]
	t.to(l.w, e.from)
	t.edge(l.w, k.edge)
	for e.to >= 0 {
		at := l.next[e.to]
		t.edge(l.w, at)
		e = &l.w.edges[at]
	}
	t.ends(l.w.ends[-e.to-1].ok)
	return t
}

// compensation is the state itself where it is a compensation that failed on the
// way back, else nil.
func compensation(f *fact, m mark) *asl.State {
	if f.isUndo && (!f.forward || m&rollback != 0) {
		return f.state
	}
	return nil
}

// cutBy is the compensation whose failure a hop is, nil where it is none.
func cutBy(f *fact, h *hop, m mark) *asl.State {
	switch {
	case h.turn == onward || h.turn == refusing:
		return nil
	case h.cut != nil:
		return h.cut
	}
	return compensation(f, m)
}
