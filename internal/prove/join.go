package prove

import (
	"slices"

	"github.com/backstep/backstep/internal/asl"
)

// inside is what happened within a Parallel, Map or Saga, as paths in the walks
// of its flows.
type inside struct {
	parts   []part
	earlier *inside      // an attempt of the whole that was retried …
	retrier *asl.Retrier // … by this one
}

// part is a path in a walk: to a node, or to an end.
type part struct {
	w      *walk
	at     int32 // a node; below 0: ends[-at-1]
	flying bool  // the node's call is under way
	item   int32 // of a Map, from 1; 0: no item
}

// result is what a Parallel, Map or Saga comes to, before its Retry and Catch.
type result struct {
	ok     bool
	soft   bool
	fault  *fault
	mark   mark
	inside *inside
	beside *part // … before that, in the tracked branch or item
	at     *asl.State
	cut    *asl.State
	way    *way // of a failure of its own
	kept   bool // it ends well although an item failed
	gaveUp bool // a compensation within it failed for good
}

// joined is the exits of a Parallel, Map or Saga in which no step is tracked.
func (k *walker) joined(s *asl.State, m mark) []exit {
	key := walkKey{state: s, mark: m}
	exits, known := k.exits[key]
	if !known {
		exits = k.joinExits(s, m, nil, 0)
		k.exits[key] = exits
	}
	return exits
}

// joinExits is the exits of a Parallel, Map or Saga that is entered with a mark:
// what it comes to, tried again as its Retry says, then through its Catch.
func (k *walker) joinExits(s *asl.State, m mark, w *walk, at int32) []exit {
	j := &join{walker: k, state: s, w: w, at: at, begun: map[mark]bool{m: true}, made: map[joinKey]int{}}
	j.again = append(j.again, attempt{mark: m})
	taken := map[resultKey]bool{}
	for i := 0; i < len(j.again) && k.p.afford(s.Flow); i++ {
		for _, r := range k.results(s, j.again[i].mark) {
			key := resultKey{r.ok, r.soft, r.kept, r.fault, r.mark, k.t != nil && r.at == k.t.step, r.cut, r.way}
			k.p.spent++
			if taken[key] {
				continue // by a shorter way
			}
			taken[key] = true
			j.take(r.after(&j.again[i]))
		}
	}
	return j.exits
}

// after is the result with all that happened on the way to it: what another
// branch or item came to, and the attempts before.
func (r result) after(a *attempt) result {
	if r.beside == nil && a.earlier == nil {
		return r
	}
	in := *r.inside
	if r.beside != nil {
		in.parts = append([]part{*r.beside}, in.parts...)
	}
	in.earlier, in.retrier = a.earlier, a.by
	r.inside, r.beside = &in, nil
	return r
}

// resultKey tells results apart.
type resultKey struct {
	ok, soft, kept bool
	fault          *fault
	mark           mark
	own            bool // the tracked step itself failed
	cut            *asl.State
	way            *way
}

// join is the exits of a Parallel, Map or Saga being made.
type join struct {
	*walker
	state *asl.State
	w     *walk // where it was entered, and …
	at    int32 // … its node
	again []attempt
	begun map[mark]bool
	exits []exit
	made  map[joinKey]int
}

// attempt is one try of the whole.
type attempt struct {
	mark    mark
	earlier *inside
	by      *asl.Retrier
}

type joinKey struct {
	to    *asl.State
	fails bool
	turn  turn
	fault *fault
	mark  mark
	own   bool
	cut   *asl.State
}

// take adds the exits of a result.
func (j *join) take(r result) {
	s := j.state
	if r.kept {
		r.mark = j.recovered(r)
	}
	if r.ok {
		m := r.mark
		if s.Type == asl.Saga && s.Saga.Outer == nil {
			m &^= past // the saga is over, and another one may come
			m |= j.again[0].mark & past
		}
		j.add(exit{hop: &hop{turn: onward, inside: r.inside}, to: s.Next, mark: m}, nil)
		for _, w := range j.p.facts[s].ways {
			if w.effect == hadEffect {
				j.fail(result{soft: w.soft, fault: j.p.one(w.fault), mark: m, inside: r.inside, at: s, way: w})
			}
		}
		return
	}
	r.mark = j.recovered(r)
	j.fail(r)
	if s.Type == asl.Saga && s.Saga.Continue && j.p.mayGiveUp(s) {
		r.fault, r.gaveUp = j.p.one(fault{name: compensations, alone: true}), true
		j.fail(r)
	}
}

// mayGiveUp reports whether a Compensate within a state may fail for good.
func (p *prover) mayGiveUp(s *asl.State) bool {
	if s.Step != nil && len(s.Step.Compensate) > 0 {
		return lastError(s) != ""
	}
	return slices.ContainsFunc(s.Within(), func(f *asl.Flow) bool { return slices.ContainsFunc(f.States, p.mayGiveUp) })
}

// recovered is the mark after a failure within a saga has been undone.
func (j *join) recovered(r result) mark {
	t := j.t
	if t == nil || !t.scoped || j.p.sagaOf(j.state) == nil || !t.holds(j.state) {
		return r.mark
	}
	return j.recover(r.mark, event{w: j.w, node: j.at, inside: r.inside, state: j.state, own: r.at == t.step, soft: r.soft})
}

// recover is the mark of a step of the saga extension after what failed has been
// undone, and notes what went wrong with it.
func (k *walker) recover(m mark, e event) mark {
	e.mark = m
	switch {
	case m&past != 0:
		return m
	case m.status() == byHand:
		e.kind = undoneTwice
		k.note(e)
		return m.to(undone)
	case !m.owes():
		return m
	case k.t.declared:
		return m.to(undone)
	}
	e.kind = lost
	k.note(e)
	return m
}

// fail lets a failure go where Retry and Catch lead it. One whose name is open
// may have any of the names that they list.
func (j *join) fail(r result) {
	if r.fault.open {
		for _, name := range named(j.state) {
			if !isReserved(name) {
				j.raise(r, j.p.one(fault{name: name}), name)
			}
		}
	}
	j.raise(r, r.fault, "")
}

func (j *join) raise(r result, f *fault, name string) {
	s := j.state
	retrier := f.retrier(s)
	if tries(retrier) > 1 && !j.begun[r.mark] {
		j.begun[r.mark] = true
		j.again = append(j.again, attempt{r.mark, r.inside, retrier})
	}
	if !givesUp(retrier) {
		return
	}
	h := &hop{turn: failing, inside: r.inside, name: name, at: r.at, cut: r.cut, gaveUp: r.gaveUp, tries: remaining(retrier, r.inside)}
	if r.soft {
		h.turn = spoiled
	}
	if r.way != nil {
		h.ways = []*way{r.way}
	}
	e := exit{hop: h, mark: r.mark}
	if c := f.catcher(s); c != nil {
		e.to = c.Next
	} else {
		e.fails, e.fault = true, f
	}
	j.add(e, r.way)
}

// remaining is how often the whole is still tried, the last of what happened in it
// included, before a retrier, which may be nil, gives up.
func remaining(r *asl.Retrier, in *inside) int64 {
	n := tries(r)
	for ; r != nil && in.earlier != nil; in = in.earlier {
		if in.retrier == r {
			n--
		}
	}
	return max(1, n)
}

// add adds an exit, or a way to one that is there.
func (j *join) add(e exit, w *way) {
	key := joinKey{e.to, e.fails, e.hop.turn, e.fault, e.mark, j.t != nil && e.hop.at == j.t.step, e.hop.cut}
	if j.state.Flow.Owner == nil {
		key.fault = nil
	}
	if i, known := j.made[key]; known {
		if w != nil && !slices.Contains(j.exits[i].hop.ways, w) {
			j.exits[i].hop.ways = append(j.exits[i].hop.ways, w)
		}
		return
	}
	j.made[key] = len(j.exits)
	e.into = j.p.facts[e.to]
	j.exits = append(j.exits, e)
}

// results is what a Parallel, Map or Saga may come to, found once for each mark.
func (k *walker) results(s *asl.State, m mark) []result {
	key := walkKey{state: s, mark: m}
	all, known := k.comes[key]
	if !known {
		all = k.comesTo(s, m)
		k.comes[key] = all
	}
	return all
}

func (k *walker) comesTo(s *asl.State, m mark) []result {
	var all []result
	for _, w := range k.p.facts[s].ways {
		if w.effect != hadEffect {
			all = append(all, result{soft: w.soft, fault: k.p.one(w.fault), mark: m, inside: &inside{}, at: s, way: w})
		}
	}
	switch s.Type {
	case asl.Parallel:
		return k.hearing(append(all, k.parallel(s, m)...), s, m)
	case asl.Map:
		return k.hearing(append(all, k.mapping(s, m)...), s, m)
	}
	w := k.flow(s.Saga.Flow, m|entryMark(s.Saga))
	for i := range w.ends {
		all = append(all, k.ended(w, int32(i), 0))
	}
	return all
}

// entryMark is the mark that a saga adds as it begins: one that only goes forward
// begins past its pivot.
func entryMark(s *asl.SagaFields) mark {
	if s != nil && s.Outer == nil && s.Recovery == asl.Forward {
		return past
	}
	return 0
}

// ended is the result of a flow that came to an end of its own.
func (k *walker) ended(w *walk, i, item int32) result {
	e := &w.ends[i]
	return result{ok: e.ok, soft: e.soft, fault: e.fault, mark: e.mark, at: e.at, cut: e.cut, inside: &inside{parts: []part{{w: w, at: -i - 1, item: item}}}}
}

// parallel is what a Parallel may come to: all branches end well, or one fails
// while the others are anywhere.
func (k *walker) parallel(s *asl.State, m mark) []result {
	branches := s.Parallel.Branches
	tracked := k.branch(s)
	walks := make([]*walk, len(branches))
	canEnd := true
	for i, b := range branches {
		if i == tracked {
			walks[i] = k.flow(b, m)
		} else {
			walks[i] = k.p.generic.flow(b, m.flags())
		}
		canEnd = canEnd && slices.ContainsFunc(walks[i].ends, func(e end) bool { return e.ok })
	}
	var all []result
	if tracked < 0 {
		if canEnd {
			all = append(all, result{ok: true, mark: m, inside: &inside{}})
		}
		for _, r := range k.failures(walks, -1) {
			r.mark = m | r.mark.flags()
			all = append(all, r)
		}
		return all
	}
	own := walks[tracked]
	for i := range own.ends {
		if canEnd || !own.ends[i].ok {
			all = append(all, k.ended(own, int32(i), 0))
		}
	}
	anywhere := k.anywhere(own)
	for _, r := range k.failures(walks, tracked) {
		all = append(all, k.beside(r, anywhere, m, bySibling, 0)...)
	}
	return all
}

// hearing adds, to what a Parallel or Map may come to that ends well, that a branch or
// item without the tracked step tells of something.
func (k *walker) hearing(all []result, s *asl.State, m mark) []result {
	if len(k.p.hears) == 0 {
		return all
	}
	tracked := -1
	if s.Type == asl.Parallel {
		tracked = k.branch(s)
	}
	must, others := false, []part(nil)
	for i, f := range s.Within() {
		if i == tracked {
			continue
		}
		w := k.p.generic.flow(f, m.flags())
		silent := false
		for e := range w.ends {
			switch end := &w.ends[e]; {
			case !end.ok:
			case end.mark&heard != 0:
				others = append(others, part{w: w, at: -int32(e) - 1, item: 2})
			default:
				silent = true
			}
		}
		must = must || !silent && s.Type == asl.Parallel
	}
	var more []result
	for i := range all {
		r := &all[i]
		if !r.ok || len(others) == 0 || r.mark&heard != 0 {
			continue
		}
		loud := *r
		loud.mark |= heard
		if s.Type == asl.Parallel {
			others[0].item = 0
		}
		loud.inside = &inside{parts: append(slices.Clone(r.inside.parts), others[0])}
		if more = append(more, loud); must {
			*r = loud
		}
	}
	return append(all, more...)
}

// branch is the branch of a Parallel that holds the tracked step, or else its
// compensations; below 0: none does.
func (k *walker) branch(s *asl.State) int {
	tracked := -1
	if k.t == nil {
		return tracked
	}
	for i, b := range s.Parallel.Branches {
		if !k.t.touches[b] {
			continue
		}
		if tracked >= 0 {
			k.p.undecided(s, "the step "+k.t.step.Name+" and its compensations stand in branches side by side")
		}
		if tracked < 0 || k.t.holdsStep(b) {
			tracked = i
		}
	}
	return tracked
}

// failures are the ways in which branches but one fail in which no step is
// tracked: of those that look the same from outside the first.
func (k *walker) failures(walks []*walk, but int) []result {
	type look struct {
		soft  bool
		fault *fault
		mark  mark
	}
	var all []result
	seen := map[look]bool{}
	for i, w := range walks {
		for e := range w.ends {
			end := &w.ends[e]
			if l := (look{end.soft, end.fault, end.mark}); i != but && !end.ok && !seen[l] {
				seen[l] = true
				all = append(all, k.ended(w, int32(e), 0))
			}
		}
	}
	return all
}

// somewhere is a place where a branch or item may be when another one fails.
type somewhere struct {
	mark mark
	part part
}

// anywhere is all marks that a flow may have when it is cut off, each with a
// place.
func (k *walker) anywhere(w *walk) []somewhere {
	var all []somewhere
	seen := map[mark]bool{}
	add := func(m mark, p part) {
		if !seen[m] {
			seen[m] = true
			all = append(all, somewhere{m, p})
		}
	}
	for i := range w.ends {
		if w.ends[i].ok {
			add(w.ends[i].mark, part{w: w, at: -int32(i) - 1})
		}
	}
	for i := range w.nodes {
		add(w.nodes[i].mark, part{w: w, at: int32(i)})
	}
	for i := range w.nodes {
		if n := &w.nodes[i]; n.state == k.t.step && !n.mark.owes() {
			add(n.mark.to(uncertain), part{w: w, at: int32(i), flying: true})
		}
	}
	return all
}

// beside is a failure while the tracked branch or item is anywhere.
func (k *walker) beside(r result, anywhere []somewhere, entered, by mark, item int32) []result {
	all := make([]result, 0, len(anywhere))
	for i := range anywhere {
		a := &anywhere[i]
		one := r
		one.mark = a.mark | r.mark.flags()
		if one.mark.owes() && (!entered.owes() || entered&(bySibling|byItem) != 0) {
			one.mark = one.mark&^(bySibling|byItem) | by
		}
		a.part.item = item
		one.beside = &a.part
		all = append(all, one)
	}
	return all
}

// mapping is what a Map may come to: no item, all items well, or one that fails
// while others are anywhere.
func (k *walker) mapping(s *asl.State, m mark) []result {
	holds := k.t != nil && k.t.holdsStep(s.Map.Processor)
	w := k.flow(s.Map.Processor, m)
	var all []result
	if !m.owes() { // else the same items, or compensations of all that was done
		all = append(all, result{ok: true, mark: m, inside: &inside{}})
	}
	var anywhere []somewhere
	if holds {
		anywhere = k.anywhere(w)
	}
	for i := range w.ends {
		r := k.ended(w, int32(i), 1)
		if r.ok {
			all = append(all, r)
			continue
		}
		all = append(all, k.itemFailed(s, m, r, anywhere)...)
	}
	return all
}

// itemFailed is what a Map may come to by an item that fails.
func (k *walker) itemFailed(s *asl.State, m mark, r result, anywhere []somewhere) []result {
	if s.Map.Distributed {
		r.fault = k.p.one(fault{name: stateTooMany})
	}
	var all []result
	if tolerates(s.Map) {
		kept := r
		kept.ok, kept.kept = true, true
		if kept.mark.owes() && !m.owes() { // whoever goes on does not know of it
			kept.mark = kept.mark.to(uncertain) | byItem
		}
		all = append(all, kept)
	}
	all = append(all, r)
	other := r
	other.inside = &inside{parts: []part{{w: r.inside.parts[0].w, at: r.inside.parts[0].at, item: 2}}}
	return append(all, k.beside(other, anywhere, m, byItem, 1)...)
}

// tolerates reports whether a Map may end well though items fail.
func tolerates(m *asl.MapFields) bool {
	some := func(q *asl.Quantity) bool { return q.Literal != nil && *q.Literal > 0 || computed(q) }
	return m.Distributed && (some(&m.ToleratedFailureCount) || some(&m.ToleratedFailurePercentage))
}
