// Package lower writes a saga of the extension in plain ASL, for AWS: what a
// scope does by itself becomes states that anybody can read.
//
// What is owed is a variable: a stack of entries, the last one on top, which a
// Choice walks down. Each entry holds what its undo asks for. What plain ASL
// can't say is told as a warning with the rule that it breaks, or refused: never
// left out in silence.
//
// It refuses to know where files are and how things are shown, and it proves
// nothing: that is what package prove is for.
//
// Read lower.go (the face), outcome.go (which errors leave an effect open),
// rewrite.go (expressions in another place), build.go (states as JSON), block.go
// (a States block being written), step.go (Tasks), unclear.go (steps that somebody
// is asked about), result.go (what their authors make of results), undo.go and
// way.go (the way back), save.go (save points), hold.go (people who are asked),
// join.go (Parallel, Map, Saga), pivot.go and ahead.go (what only goes forward),
// confirm.go (TCC).
package lower

import (
	"fmt"
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// Options are what an export needs to know beside the definition.
type Options struct {
	// Hold is who is asked where software can't go on: the URL of an SQS queue,
	// the ARN of an SNS topic or of a Lambda function, which gets a task token.
	// "": [DefaultHold], with a warning.
	Hold string
}

// DefaultHold is the queue that holds go to where none is named.
const DefaultHold = "https://sqs.us-east-1.amazonaws.com/123456789012/saga-holds"

// Exported is a saga in plain ASL.
type Exported struct {
	Definition string // JSON with a line break at its end, indented where it is not too long for that
	Sidecar    Sidecar
	Warnings   []Notice
}

// Sidecar is what the exported definition does not say of itself, for the proof
// and the sweep.
type Sidecar struct {
	Compensates []Pair
	Pivot       []string
	NoEffect    []string
	KnownFailed []Names
	Decides     []string // Choices that begin the way back
	Settles     []Settling
	Tells       []Telling
	Accepted    []Acceptance
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

// Settling says that a step was done where the Choice goes to Next, or was not.
type Settling struct {
	Choice, Next, Step string
	Done               bool
}

// Telling says that a Choice goes to Next unless one of the states was entered
// before it.
type Telling struct {
	Choice, Next string
	States       []string
}

// Acceptance is a rule that plain ASL can't keep, and why.
type Acceptance struct{ Rule, State, Severity, Because string }

// Notice says something of a state, or of the whole definition.
type Notice struct {
	Rule    string // the rule of the proof that it is about; "": none
	State   string // "": the machine
	Place   string // of the state, as [asl.State] has it
	Message string
}

// Refusal is the error of what can't be said in plain ASL: all of it.
type Refusal struct{ Reasons []Notice }

// Error is every reason, a line each.
func (r *Refusal) Error() string {
	lines := make([]string, len(r.Reasons))
	for i, n := range r.Reasons {
		lines[i] = n.Message
	}
	return strings.Join(lines, "\n")
}

// Export writes a saga in plain ASL. The program is that of the definition. The
// error is a *[Refusal].
func Export(d *asl.Definition, p *asl.Program, o Options) (*Exported, error) {
	l := &lowering{program: p, taken: map[string]bool{}, names: map[string]bool{}, hold: o.Hold}
	tree := d.Value()
	l.machineIsQuery = tree.Get("QueryLanguage").AsString() == "JSONata"
	for _, s := range p.Order {
		l.taken[s.Name] = true
		for _, a := range s.Assignments() {
			for _, v := range a.Variables {
				l.names[v.Name] = true // the export has others
			}
		}
	}
	if l.hold == "" {
		l.hold = DefaultHold
	}
	l.texts = p.Texts(tree)
	l.admit()
	text := l.machine(tree)
	if len(l.refused) > 0 {
		return nil, &Refusal{l.refused}
	}
	l.warnAll()
	definition := text.Text().Indented()
	if len(definition) > asl.MaxBytes {
		definition = text.Text().String() + "\n"
	}
	if len(definition) > asl.MaxBytes {
		return nil, &Refusal{[]Notice{{Message: fmt.Sprintf("the export is %d bytes long, and AWS takes %d; divide the saga into nested executions", len(definition), asl.MaxBytes)}}}
	}
	return &Exported{Definition: definition, Sidecar: l.side, Warnings: l.warnings}, nil
}

// lowering is one export.
type lowering struct {
	program        *asl.Program
	machineIsQuery bool            // its language is JSONata
	taken          map[string]bool // names of states
	names          map[string]bool // of variables
	hold           string
	warnings       []Notice
	refused        []Notice
	side           Sidecar
	spoilt         []string // states whose expressions fail without a Catch
	repeated       []string // steps that may be done twice
	held           bool     // somebody may be asked
	undoes         bool     // there is something to undo
	texts          map[string]value.Value
}

// refuse notes what can't be said in plain ASL.
func (l *lowering) refuse(s *asl.State, format string, args ...any) {
	n := Notice{State: s.Name, Place: s.Place, Message: s.Name + ": " + fmt.Sprintf(format, args...)}
	if !slices.Contains(l.refused, n) {
		l.refused = append(l.refused, n)
	}
}

// warn notes what the export does not keep.
func (l *lowering) warn(rule string, s *asl.State, format string, args ...any) {
	n := Notice{Rule: rule, Message: fmt.Sprintf(format, args...)}
	if s != nil {
		n.State, n.Place, n.Message = s.Name, s.Place, s.Name+": "+n.Message
	}
	if !slices.Contains(l.warnings, n) {
		l.warnings = append(l.warnings, n)
	}
}

// accept lets the proof of the export pass over a rule that plain ASL can't keep.
func (l *lowering) accept(rule, state, severity, because string) {
	a := Acceptance{rule, state, severity, because}
	if !slices.Contains(l.side.Accepted, a) {
		l.side.Accepted = append(l.side.Accepted, a)
	}
}

// warnAll tells what no export keeps.
func (l *lowering) warnAll() {
	if !l.undoes {
		return
	}
	const stops = "plain ASL undoes nothing when an execution is stopped or its time is out"
	l.warn("SAGA009", nil, stops)
	l.accept("SAGA009", "", "", stops)
	const late = "an answer that comes after its time limit is not known to plain ASL: its step counts as UNKNOWN and is undone"
	l.warn("SAGA002", nil, late)
	runtime := "States.Runtime is caught by nothing in plain ASL: what was done stays"
	l.accept("SAGA001", "", "warning", "plain ASL catches no States.Runtime, and no failed expression outside of Tasks")
	if l.program.TimeoutSeconds > 0 {
		l.accept("SAGA018", "", "", stops)
	}
	if len(l.spoilt) > 0 {
		runtime += " (an expression that fails in " + strings.Join(l.spoilt, ", ") + ")"
	}
	l.warn("SAGA001", nil, "%s", runtime)
	if len(l.repeated) > 0 {
		l.warn("SAGA015", nil, "no idempotency key is sent by plain ASL: a Retry may have a step done twice, unless its request carries an id of your own (%s)", strings.Join(l.repeated, ", "))
	}
	if l.held && l.hold == DefaultHold {
		l.warn("", nil, "who is asked where software can't go on is not named: --hold QUEUE-URL, TOPIC-ARN or FUNCTION-ARN; %s stands for it", DefaultHold)
	}
}

// admit refuses what has no counterpart in plain ASL, wherever it stands, and tells
// of what becomes less.
func (l *lowering) admit() {
	for _, s := range l.program.Order {
		if s.Type == asl.Map && s.Map.Distributed && s.Scope != nil {
			l.admitRun(s)
		}
		if s.Step == nil || s.Type != asl.Task {
			continue
		}
		if s.Step.Lock != nil {
			l.refuse(s, "SemanticLock has no counterpart in plain ASL; take the lock in a service of your own")
		}
		if owes(s) && len(s.Retry) > 0 {
			l.repeated = append(l.repeated, s.Name)
		}
		if slices.ContainsFunc(s.Step.Compensate, func(b *asl.Body) bool { return b.Resource.Kind == asl.CompensateChildren }) {
			l.warn("SAGA019", s, "compensateExecution is Backstep's own: what the nested execution did is not undone by the export")
			l.accept("SAGA019", s.Name, "", "plain ASL can't undo a nested execution")
			l.accept("SAGA001", s.Name, "", "plain ASL can't undo a nested execution")
		}
	}
}

// admitRun tells what becomes of the children of a distributed Map.
func (l *lowering) admitRun(s *asl.State) {
	const stays = "plain ASL can't undo an execution that has ended"
	l.warn("SAGA019", s, "an item that fails is undone by itself; what the items did that went well stays when the Map, or what comes after it, fails")
	l.accept("SAGA001", "", "error", stays)
	for _, rule := range []string{"SAGA014", "SAGA019"} {
		l.accept(rule, s.Name, "", stays)
	}
}

// owes reports whether a state is a step that the export undoes.
func owes(s *asl.State) bool {
	return s.Step != nil && s.Type == asl.Task && len(s.Step.Compensate) > 0 && s.Step.Compensate[0].Resource.Kind != asl.CompensateChildren
}

// name is a name that no state has yet, the one asked for if it is free.
func (l *lowering) name(wanted string) string {
	cut := func(s string, n int) string {
		r := []rune(s)
		return string(r[:min(len(r), n)])
	}
	name := cut(wanted, asl.MaxNameLength)
	for i := 2; l.taken[name]; i++ {
		name = fmt.Sprintf("%s %d", cut(wanted, asl.MaxNameLength-5), i)
	}
	l.taken[name] = true
	return name
}

// variable is a variable's name that the definition does not use.
func (l *lowering) variable(wanted string, depth int) string {
	if depth > 1 {
		wanted = fmt.Sprint(wanted, depth)
	}
	for l.names[wanted] {
		wanted += "_"
	}
	return wanted
}

// machine is the definition in plain ASL.
func (l *lowering) machine(tree value.Value) value.Value {
	out := value.NewBuilder(tree.Len())
	copyTo(out, tree, "Comment", "QueryLanguage", "Version", "TimeoutSeconds")
	if tree.Has("SearchAttributes") {
		l.warn("", nil, "SearchAttributes are Backstep's own and left out")
	}
	b := l.block(nil, l.program.Flow, l.program.Saga)
	b.write(tree)
	copyTo(out, b.flowObject(), "StartAt", "States")
	return out.Object()
}
