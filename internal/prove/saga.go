package prove

import (
	"fmt"
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/asl"
)

// sagaRules are those of the saga extension. What a scope undoes by itself is
// no finding: they look for what it can't undo, what is undone by hand beside
// it, and what may end in a hold or not at all.
func (p *prover) sagaRules() {
	if !p.program.HasSagas() {
		return
	}
	p.findHandMade()
	for _, s := range p.program.Order {
		switch {
		case s.Type == asl.Saga:
			p.scope(s.Saga, s)
		case s.Task != nil && s.Step != nil:
			p.sagaStep(s)
		case s.Task != nil && s.Step == nil:
			p.outside(s)
		}
	}
	if p.program.Saga != nil {
		p.scope(p.program.Saga, nil)
	}
	p.sagaAfterPivot()
	p.sagaEpilogue()
}

// scope looks at the options of a saga scope; s is its state, nil for the
// machine.
func (p *prover) scope(saga *asl.SagaFields, s *asl.State) {
	at := saga.Flow.Start
	if saga.Abort && saga.Outer == nil {
		t := newTrace()
		p.enter(t, saga.Flow, 0)
		legs, first, ok := p.route(at, onwardOnly, p.does)
		if !ok {
			first = at
		}
		t.along(legs)
		t.entries[first.Name]++
		t.moves = append(t.moves, Move{first.Name, "is left"}, Move{"", "StopExecution"})
		t.fault(first, 0, scriptStop, true)
		p.find("SAGA009", at, "", t, `with "OnStop": "Abort" a stop or timeout ends the execution at once, and what is done stays done`,
			`Leave OnStop out: by itself the saga is undone first`)
	}
	if saga.Continue {
		p.assume(`under "OnCompensationFailure": "Continue" every compensation succeeds within its Retry: one that does not is left, and the saga ends as COMPENSATION_FAILED`)
	}
	if s != nil && s.Scope == nil && s.Flow == p.program.Flow {
		p.undoneAndWell(s)
	}
}

// undoneAndWell tells of a saga that is undone, and whose Catch then leads to a
// good end of the execution with nothing else done: SAGA008.
func (p *prover) undoneAndWell(s *asl.State) {
	edges := p.edgesOf(s)
	for i := range edges {
		e := &edges[i]
		if e.to == nil || e.hop.turn != failing {
			continue
		}
		legs, last, ok := p.route(e.to, func(at *asl.State, e *exit) bool {
			return e.hop.turn == onward && !p.does(at)
		}, func(at *asl.State) bool {
			_, ends := onwards(at)
			return ends && at.Type != asl.Fail && !p.does(at)
		})
		if !ok {
			continue
		}
		t := newTrace()
		p.enter(t, s.Flow, 0)
		t.hop(s, e.hop)
		t.along(legs)
		t.hop(last, &hop{})
		t.ends(true)
		p.find("SAGA008", last, "", t, fmt.Sprintf("the saga %s is undone, and the execution ends as SUCCEEDED in %s", s.Name, last.Name),
			fmt.Sprintf("Let the Catch of %s end in a Fail state, or leave it out", s.Name))
		return
	}
}

// does reports whether a state, or one within it, changes the world.
func (p *prover) does(s *asl.State) bool {
	if s.Task != nil {
		return p.acts(s) && !p.isIrrevocable(s)
	}
	return slices.ContainsFunc(s.Within(), func(f *asl.Flow) bool { return slices.ContainsFunc(f.States, p.does) })
}

// outside looks at a Task that no saga covers in a program that has sagas.
func (p *prover) outside(s *asl.State) {
	if !p.acts(s) {
		return
	}
	for f := s.Flow; f.Owner != nil; f = f.Owner.Flow {
		if owner := f.Owner; owner.Scope != nil {
			if !p.onlyPast(owner) {
				p.find("SAGA014", s, "", p.undoneByStop(s), fmt.Sprintf("%s runs in Express children of %s, which the saga can't undo: they are left when it fails", s.Name, owner.Name),
					fmt.Sprintf("Let the children of %s be STANDARD ones", owner.Name))
			}
			return
		}
	}
	if len(p.pairs) == 0 {
		p.assumeOutside(s)
	}
}

// assumeOutside notes a Task outside any saga scope.
func (p *prover) assumeOutside(s *asl.State) {
	const begin = "outside any saga scope, and not looked at: "
	for i, a := range p.report.Assumed {
		if strings.HasPrefix(a, begin) {
			p.report.Assumed[i] += ", " + s.Name
			return
		}
	}
	p.report.Assumed = append(p.report.Assumed, begin+s.Name)
}

// sagaStep looks at a step of a saga.
func (p *prover) sagaStep(s *asl.State) {
	step := s.Step
	acts := p.acts(s)
	if !acts && step.Compensate == nil {
		return
	}
	p.report.Steps++
	p.bodies(s)
	p.crossed(s)
	p.children(s)
	if step.Pivot || p.undoesByHand[s] {
		return
	}
	t := newTrack(s, paired, p.handMade(s))
	t.scoped, t.declared = true, step.Compensate != nil
	if t.declared && len(t.undos) == 0 {
		return // by construction
	}
	k := newWalker(p, t)
	w := k.machine()
	if p.program.Saga != nil {
		for i := range w.ends {
			if e := &w.ends[i]; !e.ok {
				k.recover(e.mark, event{w: w, node: w.edges[e.by].from, hop: w.edges[e.by].hop, state: w.flow.Start, own: e.at == s, soft: e.soft})
			}
		}
	}
	p.lostStep(t, k)
	p.undoneByHand(t, k)
}

// handMade are the Tasks that do what a step's Compensate does, or that the
// sidecar lets undo it.
func (p *prover) handMade(s *asl.State) []*asl.State {
	all := slices.Clone(p.byHand[s])
	for _, b := range s.Step.Compensate {
		c := newCall(&b.Resource, b.Parameters)
		for _, other := range p.targets[c.target] {
			if other != s && !slices.Contains(all, other) {
				all = append(all, other)
			}
		}
	}
	return all
}

// findHandMade notes the Tasks that undo by hand what a saga undoes by itself:
// that is told, and not that nothing undoes them.
func (p *prover) findHandMade() {
	p.targets, p.undoesByHand = map[string][]*asl.State{}, map[*asl.State]bool{}
	for _, s := range p.program.Order {
		if target := p.call(s).target; target != "" {
			p.targets[target] = append(p.targets[target], s)
		}
	}
	for _, s := range p.program.Order {
		if s.Task == nil || s.Step == nil {
			continue
		}
		for _, other := range p.handMade(s) {
			p.undoesByHand[other] = other.Step != nil && other.Step.Compensate == nil
		}
	}
}

// lostStep tells of a step that its saga does not undo: SAGA001, or SAGA002
// where its outcome is unknown at most, SAGA019 for a nested execution, SAGA020
// for what can't be undone.
func (p *prover) lostStep(t *track, k *walker) {
	best, path := p.worstLoss(k)
	if best == nil && !t.declared {
		best, path = &event{}, p.leftByStop(t)
	}
	if path == nil {
		return
	}
	s := t.step
	rule, message := "SAGA001", fmt.Sprintf("%s has no Compensate, and stays done when its saga goes back", s.Name)
	fix := fmt.Sprintf("Give %s a Compensate, make it the Pivot, or list it under NoEffect in the sidecar", s.Name)
	step := s.Name
	switch {
	case best.own && best.mark.status() == uncertain:
		rule, message = "SAGA002", fmt.Sprintf("%s has no Compensate, and may have been done when it fails and its saga goes back", s.Name)
		if best.caught {
			message = fmt.Sprintf("%s has no Compensate, and may have been done when its Catch takes its error", s.Name)
		}
		fix = fmt.Sprintf(`Give %s a Compensate, make it the Pivot, or let a person decide ("OnUnknown": "Hold")`, s.Name)
	case best.own:
		faults := path.script.Faults
		message = fmt.Sprintf("%s has no Compensate, and stays done when the state fails after its call (%s)", s.Name, faults[len(faults)-1].Fault)
	}
	switch {
	case p.call(s).resource.Kind == asl.NestedExecution:
		rule, step = "SAGA019", ""
		message = fmt.Sprintf("the nested execution of %s has no Compensate, and is left when the saga goes back", s.Name)
		fix = fmt.Sprintf(`Give %s "Compensate": {"Resource": "arn:aws:states:::backstep:compensateExecution"}`, s.Name)
	case p.isIrrevocable(s):
		rule, step = "SAGA020", ""
		message = fmt.Sprintf("%s can't be taken back, and stands before the pivot: the saga may go back after it", s.Name)
		fix = fmt.Sprintf("Move %s behind a Pivot, or make it the Pivot itself", s.Name)
	}
	p.find(rule, s, step, path, message, fix)
}

// worstLoss is the event that says most of how a step is lost: when it is done
// and something else fails, then when its own outcome is unknown. Of those of
// one flow it is the nearest.
func (p *prover) worstLoss(k *walker) (*event, *trace) {
	var best *event
	for i := range k.events {
		e := &k.events[i]
		if e.kind == lost && (best == nil || rank(e) < rank(best) || rank(e) == rank(best) && e.w == best.w && e.w.nodes[e.node].depth < best.w.nodes[best.node].depth) {
			best = e
		}
	}
	if best == nil {
		return nil, nil
	}
	path := p.event(best)
	if !best.caught {
		path.moves = append(path.moves, Move{"", "the saga goes back"})
	}
	return best, path
}

func rank(e *event) int {
	switch {
	case e.own && e.mark.status() == uncertain:
		return 1
	case e.own, e.soft:
		return 2
	}
	return 0
}

// undoneByHand tells of states that undo what the saga undoes by itself:
// SAGA005.
func (p *prover) undoneByHand(t *track, k *walker) {
	for i := range k.events {
		e := &k.events[i]
		if e.kind != undoneTwice {
			continue
		}
		at, message := e.state, fmt.Sprintf("%s runs when its saga has undone %s already", e.state.Name, t.step.Name)
		if !t.undo[at] {
			at = t.undos[0]
			message = fmt.Sprintf("%s undoes %s by hand, and its saga undoes it once more when it goes back", at.Name, t.step.Name)
		}
		p.find("SAGA005", at, t.step.Name, p.event(e), message, fmt.Sprintf("Leave %s out: the Compensate of %s does it; or use a Query", at.Name, t.step.Name))
	}
}

// bodies looks at the bodies of a step: that one which fails is tried again
// where nobody waits for a person, SAGA006, and that what it reads is there,
// SAGA012.
func (p *prover) bodies(s *asl.State) {
	step := s.Step
	for _, b := range step.Compensate {
		if ways := givenUpBody(b); len(ways) > 0 && continues(s.Scope) {
			t := p.undoneByStop(s)
			t.gaveUp(s, ways[0])
			p.find("SAGA006", s, "", t, fmt.Sprintf(`the Compensate of %s is given up at the first %s, and "OnCompensationFailure": "Continue" lets nobody mend it`, s.Name, listed(ways, "or")),
				fmt.Sprintf("Leave the Retry of the Compensate of %s out, or let it take States.ALL", s.Name))
		}
		if !step.HoldUnknown && readsResult(b.Parameters) && p.acts(s) {
			t := p.wayTo(s)
			if ways := p.facts[s].ways; len(ways) > 0 {
				i := max(0, slices.IndexFunc(ways, func(w *way) bool { return w.effect == unknown }))
				t.hop(s, &hop{turn: failing, ways: ways[i : i+1], after: ways[i].effect == unknown})
			}
			t.moves = append(t.moves, Move{s.Name, "is undone without a result"})
			p.find("SAGA012", s, "", t, fmt.Sprintf("the Compensate of %s reads its result, which is absent when its outcome is unknown", s.Name),
				fmt.Sprintf(`Let %s name things by ids of your own, ask $exists($states.result), or use "OnUnknown": "Hold"`, s.Name))
		}
	}
	for _, v := range step.Names {
		t := newTrace()
		if !p.assignedSomewhere(v) || bodyAsks(step, v) || !p.unassigned(t, s, v) {
			continue
		}
		p.stop(t, s)
		p.find("SAGA012", s, s.Name, t, fmt.Sprintf("a body of %s reads the variable %s, which is not assigned on every path to %s; its own Assign comes too late", s.Name, v, s.Name),
			fmt.Sprintf("Assign %s before %s", v, s.Name))
		break // the others are seen when this one is mended
	}
}

func bodyAsks(step *asl.Step, v string) bool {
	bodies := slices.Clone(step.Compensate)
	for _, b := range append(bodies, step.Confirm, step.Query) {
		if b != nil && asksIn(b.Parameters, "$exists($"+v) {
			return true
		}
	}
	return false
}

// givenUpBody are the passing errors at whose first a body gives up.
func givenUpBody(b *asl.Body) []string {
	c := newCall(&b.Resource, b.Parameters)
	var all []string
	for _, name := range append([]string{stateTimeout}, c.usual()...) {
		f := fault{name: name, timeout: name == stateTimeout}
		if tries(f.retrier(&asl.State{Retry: b.Retry})) <= 1 && b.Resource.Kind != asl.CompensateChildren {
			all = append(all, name)
		}
	}
	return all
}

// continues reports whether a scope, or one around it, goes on when an undo
// fails.
func continues(saga *asl.SagaFields) bool {
	for ; saga != nil; saga = saga.Outer {
		if saga.Continue {
			return true
		}
	}
	return false
}

// readsResult reports whether a body reads the step's result without asking
// whether it is there.
func readsResult(t *asl.Template) bool {
	switch {
	case t == nil:
		return false
	case t.Path != nil:
		for _, path := range t.Path.Expression.Paths() {
			if first, ok := firstMember(path.String()); ok && first == "result" {
				return true
			}
		}
		return false
	case t.Query != nil:
		return slices.Contains(t.Query.Expression.Fields("states"), "result") && !asks(t.Query.Text, "$exists($states.result")
	}
	return slices.ContainsFunc(t.Object, func(m asl.TemplateMember) bool { return readsResult(m.Value) }) || slices.ContainsFunc(t.Array, readsResult)
}

// unassigned reports whether a state can be entered without a variable that it
// sees having been assigned, and tells the way.
func (p *prover) unassigned(t *trace, s *asl.State, v string) bool {
	legs, _, ok := p.route(s.Flow.Start, func(from *asl.State, e *exit) bool {
		ways := e.hop.ways
		if len(ways) == 0 {
			return !p.setsOn(from, e, nil, v)
		}
		return slices.ContainsFunc(ways, func(w *way) bool { return !p.setsOn(from, e, w, v) })
	}, func(to *asl.State) bool { return to == s })
	switch owner := s.Flow.Owner; {
	case !ok:
		return false
	case owner != nil && owner.Type == asl.Map && owner.Map.Distributed:
		p.enter(t, s.Flow, 0)
	case owner != nil:
		if !p.unassigned(t, owner, v) {
			return false
		}
		t.entries[owner.Name]++
		t.move(owner, "begins")
	}
	t.along(legs)
	return true
}

// children looks at what undoes a nested execution: SAGA019.
func (p *prover) children(s *asl.State) {
	if p.call(s).resource.Kind != asl.NestedExecution {
		return
	}
	if !slices.ContainsFunc(s.Step.Compensate, func(b *asl.Body) bool { return b.Resource.Kind == asl.CompensateChildren }) {
		return
	}
	arn := p.call(s).child()
	child := p.nested(arn)
	why := ""
	switch {
	case arn == "":
		why = "which state machine it is, is known at run time alone"
	case child == nil:
		why = "its definition is not known here (--nested)"
	case !child.HasSagas():
		why = "it is no saga, and can't be undone"
	case child.Saga == nil:
		why = "what it does outside its Saga states can't be undone"
	case child.Saga.Recovery == asl.Forward, slices.ContainsFunc(child.Order, func(c *asl.State) bool { return c.Step != nil && c.Step.Pivot }):
		why = "once past its pivot it can't be undone"
	default:
		return
	}
	p.find("SAGA019", s, "", nil, fmt.Sprintf("the nested execution of %s may be left when the saga goes back: %s", s.Name, why),
		fmt.Sprintf("Let the state machine that %s starts be a saga without a pivot, and name its file by --nested", s.Name))
}

// sagaAfterPivot tells what may go wrong in a saga once its pivot is done:
// SAGA010 and SAGA011.
func (p *prover) sagaAfterPivot() {
	for _, f := range p.flows() {
		for _, w := range p.walksOf(f) {
			for i := range w.nodes {
				if n := &w.nodes[i]; n.mark&past != 0 && n.state.Scope != nil {
					p.secondPivot(w, int32(i))
					p.stuck(w, int32(i))
				}
			}
		}
	}
}

// flows are all flows, in the order of the text.
func (p *prover) flows() []*asl.Flow {
	all := []*asl.Flow{p.program.Flow}
	for _, s := range p.program.Order {
		all = append(all, s.Within()...)
	}
	return all
}

// stuck tells of a state after the pivot that does not get done by trying again:
// SAGA010.
func (p *prover) stuck(w *walk, i int32) {
	s := w.nodes[i].state
	message, fix, by := "", "", ""
	var raised fault
	switch {
	case s.Type == asl.Fail && !p.takenSince(s.Flow, failure(s)):
		raised = failure(s)
		message = fmt.Sprintf("%s is a Fail state that is entered after the pivot: the saga waits for a person there", s.Name)
		fix = fmt.Sprintf("Decide what %s stands for before the pivot, or end the saga well", s.Name)
	case s.Step != nil && len(s.Step.KnownFailed) > 0:
		name := ""
		for _, known := range s.Step.KnownFailed {
			if f := (fault{name: known}); f.catcher(s) == nil && givesUp(f.retrier(s)) && !p.takenSince(s.Flow, f) {
				name, raised = known, f
				break
			}
		}
		if name == "" {
			return
		}
		by = name
		message = fmt.Sprintf("%s comes after the pivot, and its error %s is a known failure that nothing takes: the saga waits for a person there", s.Name, name)
		fix = fmt.Sprintf("Catch %s at %s and go on, or take it off KnownFailed, so that it is tried again", name, s.Name)
	case s.Type == asl.Choice && s.Choice.Default == nil:
		by, raised = stateRuntime, fault{name: stateRuntime, fatal: true}
		message = fmt.Sprintf("%s comes after the pivot and has no Default: where no rule holds the saga waits for a person", s.Name)
		fix = fmt.Sprintf("Give %s a Default", s.Name)
	default:
		return
	}
	t := newTrace()
	t.each = p.retriedSince(s.Flow, raised)
	p.enter(t, w.flow, w.entry)
	t.to(w, i)
	t.entries[s.Name]++
	t.move(s, "fails for good")
	if by != "" {
		t.fault(s, 0, by, false)
	}
	p.find("SAGA010", s, "", t, message, fix)
	if s.Type == asl.Choice {
		p.weaken("SAGA010", s, "")
	}
}

// takenSince reports whether a Parallel, Map or Saga that was entered after the
// pivot takes an error that leaves a flow.
func (p *prover) takenSince(f *asl.Flow, raised fault) bool {
	for ; f.Owner != nil && p.enteredPast(f); f = f.Owner.Flow {
		if raised.catcher(f.Owner) != nil || !givesUp(raised.retrier(f.Owner)) {
			return true
		}
	}
	return false
}

// retriedSince reports whether one of them is tried again because of an error.
func (p *prover) retriedSince(f *asl.Flow, raised fault) bool {
	for ; f.Owner != nil && p.enteredPast(f); f = f.Owner.Flow {
		if tries(raised.retrier(f.Owner)) > 1 {
			return true
		}
	}
	return false
}

// sagaEpilogue tells of Tasks without an effect behind the last step whose
// failure undoes the whole saga: SAGA007.
func (p *prover) sagaEpilogue() {
	begins := map[*asl.State]bool{}
	for _, s := range p.program.Order {
		if s.Task != nil && s.Step != nil && (s.Step.Pivot || p.acts(s)) {
			begins[s] = true
			climb(s, begins, map[*asl.Flow]bool{})
		}
	}
	after, ahead := p.reachable(p.inOrder(begins), p.forwards), p.leadsTo(begins)
	for _, s := range p.program.Order {
		if s.Task == nil || s.Step == nil || ahead[s] || !after[s] || p.facts[s].isPivot || p.onlyPast(s) || !p.facts[s].forward {
			continue
		}
		i := slices.IndexFunc(p.exits(s), func(e exit) bool { return e.hop.turn == failing && e.fails })
		if i < 0 {
			continue
		}
		t := p.wayTo(s)
		t.hop(s, p.exits(s)[i].hop)
		t.moves = append(t.moves, Move{"", "the saga goes back"})
		p.find("SAGA007", s, "", t, fmt.Sprintf("all steps are done when %s runs, and its failure undoes the whole saga", s.Name),
			fmt.Sprintf("Make the last step before %s the Pivot, or catch States.ALL at %s and go on", s.Name, s.Name))
	}
}
