// Package lift writes a saga that is wired by hand, out of Catch edges in plain
// ASL, in the saga extension: a step says by Compensate what undoes it, and the
// way back, which its author had to spell out, falls away.
//
// What is certain is lifted. A compensation was told what to undo by the data that
// came to it; in the extension it sees what its step was given and answered. Where
// each of its expressions can be followed back to that, on every way that leads
// there, it is rewritten; where one can't, the step stays wired by hand, and the
// reason says what to do. Nothing is guessed, and nothing changes in silence.
//
// It refuses to know where files are and which states undo which, and it proves
// nothing: that is what package prove is for.
//
// Read lift.go (the face), graph.go (what goes forward, and what back), source.go
// (what a value is made of), path.go and query.go (the same of expressions),
// payload.go (JSONPath written again), follow.go (data on its way through states),
// branch.go (the same out of branches and into them), body.go (a compensation
// becomes a Compensate), settle.go (which ones), tail.go and reads.go (what the way
// back does beside undoing), write.go (the definition), edges.go (where its states
// lead to), told.go (what changed).
package lift

import (
	"errors"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// Options are what an import needs to know beside the definition: which states
// undo which, and what else a sidecar says. Names that the definition does not
// have are ignored.
type Options struct {
	Compensates []Pair
	Pivot       []string
	KnownFailed []Names
	Refusals    []Refusal

	// IgnoreAnswers are states whose answer does not matter to the compensations of
	// others, by the word of a person: to them they count as if they left all data
	// alone.
	IgnoreAnswers []string
}

// Pair is a compensation and the steps that it undoes.
type Pair struct {
	State string
	Steps []string
}

// Names are the errors of a Task that mean that it had no effect.
type Names struct {
	State  string
	Errors []string
}

// Refusal says that a step answered well, and that its answer was no: where the
// Choice goes to Next, the step had no effect, and the saga goes back.
type Refusal struct{ Choice, Next, Step string }

// Imported is a saga in the extension.
type Imported struct {
	Definition string // JSON, indented, with a line break at its end; "" where nothing is converted
	Converted  int    // pairs
	Changes    []Notice
	Left       []Notice // what stays as it is, and why
}

// Notice says something of a state, or of the whole machine.
type Notice struct {
	State   string // "": the machine
	Place   string // of the state, as [asl.State] has it
	Message string
}

// ErrExtension is the error of a definition that has no need to be imported.
var ErrExtension = errors.New("it has sagas of the extension already: give its other steps a Compensate by hand")

// ErrNoPairs is the error of a definition of which nobody says what undoes what.
var ErrNoPairs = errors.New("no state is known to undo another one: name the pairs in a sidecar (backstep verify --propose writes one to begin with)")

// Import writes a saga in the extension. The program is that of the definition.
// The error is [ErrExtension] or [ErrNoPairs]; a definition of which nothing can
// be converted is none: its reasons are in what is left.
func Import(d *asl.Definition, p *asl.Program, o Options) (*Imported, error) {
	if p.HasSagas() {
		return nil, ErrExtension
	}
	l := newLifting(d, p, o)
	if len(l.pairs) == 0 {
		return nil, ErrNoPairs
	}
	l.settle()
	out := &Imported{}
	for _, p := range l.pairs {
		if p.left != "" {
			l.leave(p.step, "%s", p.left)
		} else {
			out.Converted++
		}
	}
	if out.Converted > 0 {
		out.Definition = l.machine(d.Value()).Text().Indented()
	}
	out.Changes, out.Left = l.changes, l.left
	return out, nil
}

// lifting is one import.
type lifting struct {
	program   *asl.Program
	texts     map[string]value.Value // states as they stand in the text
	variables map[string]bool        // that are assigned anywhere
	taken     map[string]bool        // names of states
	known     map[string][]string    // errors of a Task that mean that it had no effect
	pivots    []*asl.State
	refused   map[[2]*asl.State]bool // edges of Choices by which an answer said no
	refuses   map[string]string      // steps → the Choices that read a no of theirs
	silent    map[*asl.State]bool    // states whose answer does not matter to others
	pairs     []*pair
	undoes    map[*asl.State]*pair               // by the compensation
	steps     map[*asl.State]*pair               // by the step
	good      map[*asl.State]bool                // it can end well without a compensation
	forward   map[*asl.State]bool                // entered although nothing went back
	after     map[*asl.State]bool                // reached from a compensation on
	first     map[*asl.State]bool                // no step may have been done before it
	rank      map[*asl.State]int                 // an order to follow data in
	behind    map[*asl.State]map[*asl.State]bool // what may be entered after a state, by ways forward
	rests     map[*asl.State]rest                // of ways back, while the same pairs are converted
	tails     map[*asl.Flow]*tail                // what the ways back of a flow do beside undoing
	made      []*made                            // states that the import adds
	changes   []Notice
	left      []Notice
}

// pair is a step and the state that undoes it.
type pair struct {
	step, undo *asl.State
	twins      []*pair // of the first one of a step: others that undo it
	left       string  // why it stays as it is; "": it is converted
	body       value.Value
	whatever   bool     // its error says nothing of its effect
	readsError bool     // the compensation reads the error
	itself     bool     // the step's own failure leads to it
	notes      []string // what changes with it
}

func (p *pair) active() bool { return p != nil && p.left == "" }

// newLifting is an import that has not begun.
func newLifting(d *asl.Definition, p *asl.Program, o Options) *lifting {
	l := &lifting{program: p, texts: p.Texts(d.Value()), variables: map[string]bool{}, taken: map[string]bool{}, known: map[string][]string{},
		refused: map[[2]*asl.State]bool{}, rank: ranks(p), behind: map[*asl.State]map[*asl.State]bool{}, rests: map[*asl.State]rest{}, refuses: map[string]string{}, tails: map[*asl.Flow]*tail{}, silent: map[*asl.State]bool{}, undoes: map[*asl.State]*pair{}, steps: map[*asl.State]*pair{}}
	for _, s := range p.Order {
		l.taken[s.Name] = true
		for _, a := range s.Assignments() {
			for _, v := range a.Variables {
				l.variables[v.Name] = true
			}
		}
	}
	for _, name := range o.Pivot {
		if s := p.States[name]; s != nil && s.Type == asl.Task {
			l.pivots = append(l.pivots, s)
		}
	}
	for _, k := range o.KnownFailed {
		l.known[k.State] = k.Errors
	}
	for _, r := range o.Refusals {
		l.refused[[2]*asl.State{p.States[r.Choice], p.States[r.Next]}] = true
		l.refuses[r.Step] = r.Choice
	}
	for _, name := range o.IgnoreAnswers {
		l.silent[p.States[name]] = true
	}
	l.pairUp(o.Compensates)
	l.orient()
	return l
}

// pairUp reads the pairs. Of what undoes several steps nothing is certain.
func (l *lifting) pairUp(pairs []Pair) {
	for _, c := range pairs {
		undo := l.program.States[c.State]
		for _, name := range c.Steps {
			step := l.program.States[name]
			if step == nil || undo == nil || step.Type != asl.Task || undo.Type != asl.Task {
				continue
			}
			p := &pair{step: step, undo: undo}
			switch {
			case len(c.Steps) > 1:
				p.left = undo.Name + " undoes " + listed(c.Steps) + " at once; give each a compensation of its own"
			case l.refuses[name] != "":
				p.left = "its answer may say no, which " + l.refuses[name] + " reads; to a saga what answered well is done: let it fail by an error of its own, and import again"
			}
			l.pairs = append(l.pairs, p)
			l.undoes[undo] = p
			if first := l.steps[step]; first != nil {
				first.twins = append(first.twins, p)
			} else {
				l.steps[step] = p
			}
		}
	}
}

// listed is names as a sentence has them.
func listed(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
