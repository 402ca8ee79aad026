// Package prove holds a program against the rules SAGA001 … SAGA020: that every
// path on which something fails undoes every step that was done. It proves
// definitions in plain ASL, whose pairs of step and compensation a [Sidecar]
// names, and those in the saga extension, where most rules hold by construction.
//
// A proof walks the program as an abstract machine: where a thread stands, and
// what has become of one step. Each step has a walk of its own, so that a proof
// costs states times steps; what a Parallel, Map or Saga does to a step is walked
// once and used wherever it is entered. All branches of a Choice count as
// possible. What a bound cuts off is told, and never called proven.
//
// It refuses to know how a finding is shown, and where files are.
//
// Read rule.go (the rules), sidecar.go and propose.go (which states undo which),
// prove.go (the face), call.go, fault.go and way.go (how a state can be left),
// facts.go (the edges), walk.go and join.go (the abstract machine), track.go
// (the steps that are followed), trace.go (paths, and scripts that take them),
// then the rules by what they look at: leak.go, left.go, undo.go, order.go,
// pivot.go, wait.go, data.go, and saga.go, stop.go and crossed.go for the extension. cast.go
// tells others what the Tasks are to their saga.
package prove

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/backstep/backstep/internal/asl"
)

// Input is what is proved.
type Input struct {
	Program *asl.Program
	Sidecar *Sidecar // nil: pairs and effects are taken from names, as [Propose] does

	// Nested gives the program of a nested state machine by its ARN as it stands
	// in the definition; nil where it is not known. Nil: none is known.
	Nested func(arn string) *asl.Program

	Edges int // how many edges may be walked in all; 0: [DefaultEdges]
}

// DefaultEdges bounds a proof to some seconds.
const DefaultEdges = 50_000_000

// maxFindings is how many findings a report holds; those beyond are counted.
const maxFindings = 1000

// Kind tells what a definition is to the prover.
type Kind string

// A definition is in plain ASL, in the saga extension, or no saga: nothing in it
// undoes anything.
const (
	Plain     Kind = "plain ASL"
	Extension Kind = "saga extension"
	NoSaga    Kind = "no saga"
)

// Report is what came of a proof.
type Report struct {
	Kind      Kind
	States    int // of the definition
	Steps     int // that are to be undone, or decided to be final
	Paths     int // ways of failing that were walked: of a state, by an error, before or after the effect
	Findings  []Finding
	More      int       // findings beyond the first 1,000
	Accepted  []Finding // that the sidecar takes on
	Undecided []Undecided
	Assumed   []string // what the proof rests on, beside the program itself
	Pairs     []Pair   // plain ASL
	Proposed  bool     // the pairs are a proposal that nobody has confirmed
}

// Pair is a step and the states that undo it.
type Pair struct {
	Step  string
	Undos []string
}

// Undecided is a place where the proof could not look, or did not.
type Undecided struct{ State, Why string }

// Finding is a rule that does not hold. Of one rule, state and step there is one,
// with the shortest path.
type Finding struct {
	Rule     string
	Severity Severity
	State    string // where it is to be mended
	Step     string // the step that is left, or undone; "" where it is about no step
	Place    string // of the state, as [asl.State] has it
	Message  string
	Fix      string
	Path     []Move
	Script   Script
	Because  string // of an accepted one: why
}

// Proven reports whether every rule holds, and nothing was left out.
func (r *Report) Proven() bool {
	return len(r.Findings) == 0 && len(r.Undecided) == 0 && !r.Proposed
}

// prover is one proof.
type prover struct {
	program      *asl.Program
	side         *Sidecar
	nestedBy     func(string) *asl.Program
	facts        map[*asl.State]*fact
	refusals     map[refusal]*asl.State
	settles      map[refusal][]Settling
	hears        map[*asl.State]*asl.State // Choice → where it goes unless it was told
	graphs       map[*asl.Flow]*graph
	faults       map[fault]*fault
	pairs        []*track // of plain ASL
	loose        []*track
	byHand       map[*asl.State][]*asl.State // step → the states that the sidecar lets undo it
	needed       map[*asl.State]bool         // compensations that are entered when their step may have been done
	targets      map[string][]*asl.State     // the Tasks by whom they call for what
	undoesByHand map[*asl.State]bool         // Tasks that undo what a saga undoes by itself
	epilogue     map[*asl.State]bool
	generic      *walker // of no step
	root         *walk   // of the machine by it
	machine      walk    // of the machine by the walker of one step, over and over …
	index        []int32 // … and its index
	report       *Report
	found        map[findingKey]int // place in the report's findings
	trusted      map[*asl.State]bool
	spent        int
	most         int
	stopped      bool
	soft         softLeaks
}

// refusal is an edge of a Choice by which an answer said no.
type refusal struct{ choice, next *asl.State }

type findingKey struct{ rule, state, step string }

// Prove holds a program against the rules. The error is of a sidecar that does
// not fit the program.
func Prove(in Input) (*Report, error) {
	p := newProver(in)
	if err := p.side.check(in.Program); err != nil {
		return nil, err
	}
	p.learn()
	p.plan()
	p.generic = newWalker(p, nil)
	p.root = p.generic.flow(p.program.Flow, entryMark(p.program.Saga))
	p.findEpilogue()
	p.plainRules()
	p.sagaRules()
	p.anyRules()
	p.conclude()
	return p.report, nil
}

// newProver is a proof that has not begun.
func newProver(in Input) *prover {
	p := &prover{
		program: in.Program, side: in.Sidecar, nestedBy: in.Nested, most: cmp.Or(in.Edges, DefaultEdges),
		refusals: map[refusal]*asl.State{}, settles: map[refusal][]Settling{}, hears: map[*asl.State]*asl.State{}, graphs: map[*asl.Flow]*graph{}, faults: map[fault]*fault{}, found: map[findingKey]int{}, trusted: map[*asl.State]bool{}, needed: map[*asl.State]bool{},
		report: &Report{States: len(in.Program.Order)},
	}
	if p.side == nil {
		p.side = Propose(in.Program)
		p.report.Proposed = len(p.side.Compensates) > 0
		p.assumeNames()
	}
	return p
}

// plainRules are those that are about pairs of states.
func (p *prover) plainRules() {
	for _, t := range p.pairs {
		w := newWalker(p, t)
		l := leaksOf(p, t, w.machine())
		p.leftSteps(l)
		p.needUndos(w, l.w)
		p.undoneSteps(t, w, l.w)
		p.undoneByAnother(t)
	}
	for _, t := range p.loose {
		w := newWalker(p, t)
		p.leftSteps(leaksOf(p, t, w.machine()))
	}
	if len(p.pairs) == 0 {
		return
	}
	p.softLeft()
	p.finishedButFailed()
	p.stops()
	p.neverBegun()
	p.wrongOrder()
	p.givenUp()
	p.afterPivot()
	p.longUndo()
	p.unsetData()
	p.withoutKey()
}

// anyRules are those that need no pairs.
func (p *prover) anyRules() {
	p.callbacks()
	p.endlessCatches()
}

// conclude puts the report in order.
func (p *prover) conclude() {
	r := p.report
	order := map[string]int{}
	for i, s := range p.program.Order {
		order[s.Name] = i
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(order[a.State], order[b.State]), cmp.Compare(a.Rule, b.Rule), cmp.Compare(order[a.Step], order[b.Step]))
	})
	r.Findings = slices.DeleteFunc(r.Findings, p.accept)
	if len(r.Findings) > maxFindings {
		r.More += len(r.Findings) - maxFindings
		r.Findings = r.Findings[:maxFindings]
	}
	slices.SortStableFunc(r.Undecided, func(a, b Undecided) int { return cmp.Compare(order[a.State], order[b.State]) })
	for _, t := range p.pairs {
		pair := Pair{Step: t.step.Name}
		for _, u := range t.undos {
			pair.Undos = append(pair.Undos, u.Name)
		}
		r.Pairs = append(r.Pairs, pair)
	}
	r.Steps += len(p.pairs)
	switch {
	case p.program.HasSagas():
		r.Kind = Extension
	case len(p.pairs) > 0:
		r.Kind = Plain
	default:
		r.Kind = NoSaga
	}
	if r.Kind != NoSaga {
		r.Paths = p.paths()
	}
	for _, s := range p.program.Order {
		if p.trusted[s] {
			r.Assumed = append(r.Assumed, "the Choice "+s.Name+" lets a compensation run whenever its step may have been done")
		}
	}
}

// paths counts the ways of failing that the walks took.
func (p *prover) paths() int {
	n := 1 // StopExecution
	if p.program.TimeoutSeconds > 0 {
		n++
	}
	for _, s := range p.program.Order {
		for _, w := range p.facts[s].ways {
			n++
			if w.effect == unknown {
				n++
			}
			if w.before != nil {
				n++
			}
		}
	}
	return n
}

// accept moves a finding that the sidecar takes on out of the way.
func (p *prover) accept(f Finding) bool {
	for _, a := range p.side.Accepted {
		if a.Rule == f.Rule && (a.State == "" || a.State == f.State) && (a.Severity == "" || a.Severity == f.Severity) {
			f.Because = a.Because
			p.report.Accepted = append(p.report.Accepted, f)
			return true
		}
	}
	return false
}

// find adds a finding, or replaces one of its rule, state and step that has a
// longer path.
func (p *prover) find(rule string, s *asl.State, step string, t *trace, message, fix string) {
	f := Finding{Rule: rule, Severity: ruleOf(rule).Severity, State: s.Name, Step: step, Place: s.Place, Message: message, Fix: fix}
	if t != nil {
		f.Path, f.Script = shortened(t.moves), t.script
	}
	key := findingKey{rule, s.Name, step}
	if i, known := p.found[key]; known {
		if len(f.Path) > 0 && len(f.Path) < len(p.report.Findings[i].Path) {
			p.report.Findings[i] = f
		}
		return
	}
	p.found[key] = len(p.report.Findings)
	p.report.Findings = append(p.report.Findings, f)
}

// maxMoves is how many moves of a path a finding holds.
const maxMoves = 400

// shortened is a path without its middle, where it is very long.
func shortened(moves []Move) []Move {
	more := len(moves) - maxMoves
	if more <= 0 {
		return moves
	}
	short := slices.Clone(moves[:maxMoves/2])
	short = append(short, Move{"", fmt.Sprintf("… %d more …", more)})
	return append(short, moves[len(moves)-maxMoves/2:]...)
}

// full reports whether there is no room for another finding, and counts it.
func (p *prover) full(rule string, s *asl.State, step string) bool {
	if _, known := p.found[findingKey{rule, s.Name, step}]; known || len(p.report.Findings) < maxFindings {
		return false
	}
	p.report.More++
	return true
}

// undecided notes a place where the proof does not look.
func (p *prover) undecided(s *asl.State, why string) {
	u := Undecided{s.Name, why}
	if !slices.Contains(p.report.Undecided, u) {
		p.report.Undecided = append(p.report.Undecided, u)
	}
}

// assume notes what the proof rests on.
func (p *prover) assume(what string) {
	if !slices.Contains(p.report.Assumed, what) {
		p.report.Assumed = append(p.report.Assumed, what)
	}
}

// trust notes a Choice that is taken to decide rightly whether to compensate.
func (p *prover) trust(s *asl.State) { p.trusted[s] = true }

// afford reports whether the walk of a flow may go on.
func (p *prover) afford(f *asl.Flow) bool {
	if p.spent <= p.most {
		return true
	}
	if !p.stopped {
		p.stopped = true
		s := f.Start
		if f.Owner != nil {
			s = f.Owner
		}
		p.undecided(s, "the bound on the paths to walk was reached")
	}
	return false
}

// nested is the program of a nested state machine, nil where it is not known.
func (p *prover) nested(arn string) *asl.Program {
	if p.nestedBy == nil || arn == "" {
		return nil
	}
	return p.nestedBy(arn)
}
