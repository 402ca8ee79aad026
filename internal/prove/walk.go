package prove

import "github.com/backstep/backstep/internal/asl"

// status is where a tracked step stands on a path.
type status uint8

const (
	idle       status = iota // not begun
	tried                    // begun, and known or taken to have had no effect
	done                     // it had its effect
	uncertain                // it may have had its effect
	undone                   // compensated
	undoFailed               // its compensation failed for good
	byHand                   // of the saga extension: undone by a state, and owed still
)

// mark is what a walk remembers beside the state that it stands in: the status
// of the tracked step, by whom it was lost from sight, and what has happened
// beside it.
type mark uint8

const (
	statusBits mark = 0b000_0111
	bySibling  mark = 0b000_1000  // the step is in a branch that a sibling's failure ended
	byItem     mark = 0b001_0000  // the step is in an item of a Map that another item's failure ended
	rollback   mark = 0b010_0000  // a compensation has run that runs after failures alone
	past       mark = 0b100_0000  // the pivot is done
	heard      mark = 0b1000_0000 // a state was entered of which a Choice will hear
	marks           = 256
)

func (m mark) status() status { return status(m & statusBits) }

// to is the mark with another status, reached here.
func (m mark) to(s status) mark { return m&^(statusBits|bySibling|byItem) | mark(s) }

// owes reports whether the step had its effect, or may have had it, and is not
// undone.
func (m mark) owes() bool { return m.status() == done || m.status() == uncertain }

// flags is the mark without what it says of a step.
func (m mark) flags() mark { return m & (rollback | past | heard) }

// turn tells how a state is left.
type turn uint8

const (
	onward   turn = iota // it did its work
	failing              // an error takes it there
	spoiled              // an expression or a size of its own does
	refusing             // an answer that said no does
)

// hop is how a state is left for the next one, or for the end of its flow.
type hop struct {
	turn   turn
	ways   []*way     // that lead there; the first stands for them
	before bool       // an earlier attempt had its effect
	after  bool       // the error came after the effect
	next   *asl.State // that a Choice chose
	inside *inside    // what happened within a Parallel, Map or Saga
	name   string     // the error's name, where a list further out narrowed it down
	at     *asl.State // of a Parallel, Map or Saga: the state that failed, innermost
	cut    *asl.State // … and the compensation that did
	tries  int64      // … and how often all of it fails in this way before that counts
	gaveUp bool       // of a Saga: a compensation failed for good
}

// exit is an edge of a state: where a hop leads, and what becomes of the marks.
type exit struct {
	hop   *hop
	to    *asl.State // nil: the flow ends
	into  *fact      // … of the state
	fails bool       // … with the fault
	fault *fault     // one of [prover.one]
	own   status     // of the state as the tracked step
	mark  mark       // of a Parallel, Map or Saga: the mark that it is left with
}

// walk is all that can happen in a flow that is entered with a mark: a graph of
// states with marks. Nodes are in the order of their distance from the start.
type walk struct {
	flow   *asl.Flow
	entry  mark
	before *walk // where it begins at nodes of another walk
	nodes  []node
	edges  []edge
	ends   []end
}

// node is a state that is entered with a mark.
type node struct {
	state *asl.State
	fact  *fact
	mark  mark
	by    int32 // the edge that first led here; -1: the start; below: the node -by-2 of the walk before
	depth int32
}

// edge leads from a node to a node, or to an end.
type edge struct {
	from, to int32 // to below 0: ends[-to-1]
	hop      *hop
}

// end is how the flow ends.
type end struct {
	ok    bool
	soft  bool
	fault *fault // where it does not end well; one of [prover.one]
	mark  mark
	at    *asl.State // the state that failed, innermost
	cut   *asl.State // a compensation whose failure it was, innermost
	by    int32      // the edge that first led here
}

// endKey tells ends apart.
type endKey struct {
	ok, soft bool
	fault    *fault
	mark     mark
	own      bool // the tracked step itself failed
	cut      *asl.State
}

// walker walks flows for one tracked step, or for none.
type walker struct {
	p      *prover
	t      *track // nil: none
	walks  map[walkKey]*walk
	exits  map[walkKey][]exit // of Parallels, Maps and Sagas in which no step is tracked
	comes  map[walkKey][]result
	events []event
	seen   map[eventKey]bool
}

type walkKey struct {
	flow  *asl.Flow
	state *asl.State
	mark  mark
}

// event is something that a walk came by.
type event struct {
	kind   eventKind
	w      *walk
	node   int32
	inside *inside // of the node's state: what happened within it
	hop    *hop    // how the node was left, where that matters
	state  *asl.State
	own    bool // the step itself failed
	soft   bool // by an expression
	caught bool // by its own Catch
	mark   mark
}

type eventKind uint8

const (
	undoneTwice eventKind = iota // a compensation ran for what was undone already
	lost                         // of the saga extension: the scope recovers, and the step is not undone
)

type eventKey struct {
	kind  eventKind
	state *asl.State
	mark  mark
	own   bool
	soft  bool
	catch bool
}

func newWalker(p *prover, t *track) *walker {
	return &walker{p: p, t: t, walks: map[walkKey]*walk{}, exits: map[walkKey][]exit{}, comes: map[walkKey][]result{}, seen: map[eventKey]bool{}}
}

// flow walks a flow that is entered with a mark, once for each mark.
func (k *walker) flow(f *asl.Flow, m mark) *walk {
	key := walkKey{flow: f, mark: m}
	if w := k.walks[key]; w != nil {
		return w
	}
	w := &walk{flow: f, entry: m}
	k.walks[key] = w
	x := &expansion{walker: k, walk: w, index: make([]int32, len(f.States)*marks), ends: map[endKey]int32{}}
	x.enter(k.p.facts[f.Start], m, -1)
	x.run()
	return w
}

// walksOf are the walks of a flow on which no step is tracked.
func (p *prover) walksOf(f *asl.Flow) []*walk {
	var all []*walk
	for _, m := range []mark{0, past, rollback, past | rollback, heard, heard | past, heard | rollback, heard | past | rollback} {
		if w := p.generic.walks[walkKey{flow: f, mark: m}]; w != nil {
			all = append(all, w)
		}
	}
	return all
}

// machine walks the machine from where the tracked step, or what holds it, is
// first entered. It is valid until the next one.
func (k *walker) machine() *walk {
	p := k.p
	f := p.program.Flow
	w := &p.machine
	*w = walk{flow: f, entry: p.root.entry, before: p.root, nodes: w.nodes[:0], edges: w.edges[:0], ends: w.ends[:0]}
	if p.index == nil {
		p.index = make([]int32, len(f.States)*marks)
	}
	x := &expansion{walker: k, walk: w, index: p.index, ends: map[endKey]int32{}}
	first := k.t.step.In(f)
	for i := range p.root.nodes {
		if n := &p.root.nodes[i]; n.state == first {
			x.enter(n.fact, n.mark, -int32(i)-2)
		}
	}
	x.run()
	for i := range w.nodes {
		p.index[w.nodes[i].fact.index*marks+int(w.nodes[i].mark)] = 0
	}
	return w
}

// run expands all nodes.
func (x *expansion) run() {
	for i := 0; i < len(x.walk.nodes) && x.p.afford(x.walk.flow); i++ {
		x.expand(int32(i))
	}
}

// expansion is a walk being made.
type expansion struct {
	*walker
	walk  *walk
	index []int32 // node + 1, by state and mark
	ends  map[endKey]int32
}

// enter is the node of a state and a mark, which is made where it is new.
func (x *expansion) enter(f *fact, m mark, by int32) int32 {
	at := f.index*marks + int(m)
	if x.index[at] == 0 {
		n := node{state: f.state, fact: f, mark: m, by: by}
		switch {
		case by >= 0:
			n.depth = x.walk.nodes[x.walk.edges[by].from].depth + 1
		case by < -1:
			n.depth = x.walk.before.nodes[-by-2].depth
		}
		x.walk.nodes = append(x.walk.nodes, n)
		x.index[at] = int32(len(x.walk.nodes))
	}
	return x.index[at] - 1
}

// finish is the end of that kind, which is made where it is new.
func (x *expansion) finish(e end, by int32) int32 {
	key := endKey{e.ok, e.soft, e.fault, e.mark, x.t != nil && e.at == x.t.step, e.cut}
	if x.walk.flow.Owner == nil {
		key.fault = nil // nobody further out looks at it
	}
	if x.ends[key] == 0 {
		e.by = by
		x.walk.ends = append(x.walk.ends, e)
		x.ends[key] = int32(len(x.walk.ends))
	}
	return -x.ends[key]
}

// expand adds the edges of a node.
func (x *expansion) expand(i int32) {
	n := x.walk.nodes[i]
	f := n.fact
	switch {
	case f.composite && x.relevant(n.state):
		for _, e := range x.joinExits(n.state, n.mark, x.walk, i) {
			x.add(i, e, e.mark)
		}
	case f.composite:
		for _, e := range x.p.generic.joined(n.state, n.mark.flags()) {
			x.add(i, e, n.mark&^(rollback|past|heard)|e.mark)
		}
	case x.t != nil && n.state == x.t.step:
		for _, e := range x.p.ownExits(n.state) {
			x.add(i, e, x.stepLeft(i, n, e))
		}
	default:
		for _, e := range x.p.exits(n.state) {
			if !x.guarded(n, e) && !x.p.hearsOtherwise(n, e) {
				x.add(i, e, x.left(i, n, e))
			}
		}
	}
}

// add adds an edge.
func (x *expansion) add(from int32, e exit, m mark) {
	x.p.spent++
	if e.to == nil && e.fails && x.held(m) {
		return // it is tried without end, or waits for a person
	}
	by := int32(len(x.walk.edges))
	x.walk.edges = append(x.walk.edges, edge{from: from, hop: e.hop})
	to := int32(0)
	if e.to != nil {
		to = x.enter(e.into, m, by)
	} else {
		to = x.finish(end{ok: !e.fails, soft: e.hop.turn == spoiled, fault: e.fault, mark: m, at: x.failed(from, e.hop), cut: x.cut(from, m, e.hop)}, by)
	}
	x.walk.edges[by].to = to
}

// failed is the innermost state by which a node is left.
func (x *expansion) failed(from int32, h *hop) *asl.State {
	if h.at != nil {
		return h.at
	}
	return x.walk.nodes[from].state
}

// cut is the compensation whose failure a hop is, nil where it is none. It
// matters to the steps of its own flow alone: to others it is their Parallel, Map
// or Saga that fails.
func (x *expansion) cut(from int32, m mark, h *hop) *asl.State {
	if h.cut != nil || h.turn == onward || x.t == nil {
		return h.cut
	}
	return compensation(x.walk.nodes[from].fact, m)
}

// held reports whether an error that leaves the flow does not leave it, since
// its saga can only go forward.
func (x *expansion) held(m mark) bool {
	saga := x.p.scopeOf(x.walk.flow)
	switch {
	case saga == nil:
		return false
	case saga.Recovery == asl.Forward:
		return true
	}
	return m&past != 0 && x.walk.entry&past == 0
}

// stepLeft is the mark with which the tracked step is left. In a saga what its
// own Catch takes is undone before.
func (x *expansion) stepLeft(i int32, n node, e exit) mark {
	m := n.mark
	if e.hop.turn == onward {
		m = worked(n.fact, m)
	}
	switch {
	case x.t.kind != paired && n.mark&rollback != 0:
		return m // on the way back it is no step
	case e.own == tried && m.owes():
		return m // an earlier entry stands
	case e.own == tried || e.hop.turn == onward || !x.t.scoped || e.to == nil || m&past != 0:
		return m.to(e.own)
	case x.t.declared:
		return m.to(undone)
	}
	m = m.to(e.own)
	x.note(event{kind: lost, w: x.walk, node: i, hop: e.hop, state: n.state, own: true, caught: true, soft: e.hop.turn == spoiled, mark: m})
	return m
}

// left is the mark with which any other state is left.
func (x *expansion) left(i int32, n node, e exit) mark {
	m := n.mark
	f := n.fact
	if x.p.hears[n.state] != nil {
		m &^= heard
	}
	if x.t != nil && e.hop.next != nil && m.owes() {
		for _, f := range x.p.settles[refusal{n.state, e.hop.next}] {
			switch {
			case f.Step != x.t.step.Name:
			case f.Done:
				return m.to(done)
			default:
				return m.to(tried)
			}
		}
	}
	if e.hop.turn == refusing && x.t != nil && e.hop.next != nil && x.p.refusals[refusal{n.state, e.hop.next}] == x.t.step && m.owes() {
		return m.to(tried)
	}
	undoes := x.t != nil && x.t.undo[n.state]
	if e.hop.turn != onward {
		if f.isUndo && !f.forward && n.state.Type == asl.Task {
			m |= rollback
		}
		if undoes && m.owes() {
			m = m.to(undoFailed)
		}
		return m
	}
	m = worked(f, m)
	if !undoes {
		return m
	}
	switch s := m.status(); {
	case s == undone:
		x.note(event{kind: undoneTwice, w: x.walk, node: i, state: n.state, mark: m})
	case x.t.scoped && m.owes():
		m = m.to(byHand)
	case m.owes() || s == undoFailed:
		m = m.to(undone)
	}
	return m
}

// worked is what a state's work changes beside the tracked step.
func worked(f *fact, m mark) mark {
	switch {
	case f.isUndo && !f.forward:
		m |= rollback
	case f.isStep:
		m &^= rollback
	}
	if f.isPivot {
		m |= past
	}
	if f.tells {
		m |= heard
	}
	return m
}

// hearsOtherwise reports whether a Choice does not take an exit, for what has
// happened before it.
func (p *prover) hearsOtherwise(n node, e exit) bool {
	next := p.hears[n.state]
	return next != nil && e.to != nil && (e.to == next) != (n.mark&heard == 0)
}

// guarded reports whether a Choice on the way of compensations does not take an
// exit: one that decides whether the tracked step is compensated is taken to
// decide rightly.
func (x *expansion) guarded(n node, e exit) bool {
	if n.state.Type != asl.Choice || x.t == nil || x.t.scoped || e.hop.turn != onward || n.fact.forward && !x.p.decides(n.state) {
		return false
	}
	guards, leads := false, false
	for _, next := range choices(n.state) {
		if x.undoes(x.p.passed(next)) {
			guards = true
			leads = leads || next == e.to
		}
	}
	if !guards {
		return false
	}
	x.p.trust(n.state)
	switch s := n.mark.status(); {
	case n.mark.owes():
		return !leads
	case s == idle || s == undone || s == undoFailed:
		return leads
	}
	return false
}

// undoes reports whether a state compensates the tracked step, by itself or by
// what stands within it.
func (x *expansion) undoes(s *asl.State) bool {
	if x.t.undo[s] {
		return true
	}
	for _, f := range s.Within() {
		if !x.t.within[s] {
			return false
		}
		for _, inner := range f.States {
			if x.undoes(inner) {
				return true
			}
		}
	}
	return false
}

// note keeps an event, the first of its kind.
func (k *walker) note(e event) {
	key := eventKey{e.kind, e.state, e.mark, e.own, e.soft, e.caught}
	if !k.seen[key] {
		k.seen[key] = true
		k.events = append(k.events, e)
	}
}

// relevant reports whether the tracked step or its compensations stand within a
// Parallel, Map or Saga.
func (k *walker) relevant(s *asl.State) bool { return k.t != nil && k.t.within[s] }
