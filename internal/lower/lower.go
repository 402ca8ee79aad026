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
// rewrite.go (expressions in another place), build.go (states as JSON), block.go (a States
// block being written), step.go (Tasks), undo.go (the way back), join.go
// (Parallel, Map, Saga), pivot.go (what only goes forward).
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
	Definition string // JSON, indented, with a line break at its end
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
		l.assigned(s.Assign)
		for i := range s.Catch {
			l.assigned(s.Catch[i].Assign)
		}
	}
	if l.hold == "" {
		l.hold = DefaultHold
	}
	l.texts = map[string]value.Value{}
	l.index(tree)
	l.admit()
	text := l.machine(tree)
	if len(l.refused) > 0 {
		return nil, &Refusal{l.refused}
	}
	l.warnAll()
	return &Exported{Definition: indented(text), Sidecar: l.side, Warnings: l.warnings}, nil
}

// assigned notes the variables of an Assign: the export has others.
func (l *lowering) assigned(a *asl.Assignment) {
	if a != nil {
		for _, v := range a.Variables {
			l.names[v.Name] = true
		}
	}
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
	if l.held && l.hold == DefaultHold {
		l.warn("", nil, "who is asked where software can't go on is not named: --hold QUEUE-URL, TOPIC-ARN or FUNCTION-ARN; %s stands for it", DefaultHold)
	}
}

// admit refuses what has no counterpart in plain ASL, wherever it stands.
func (l *lowering) admit() {
	for _, s := range l.program.Order {
		if s.Type == asl.Map && s.Map.Distributed && s.Scope != nil {
			l.refuse(s, "a distributed Map in a scope is a saga of each child (SAGA019), which plain ASL can't undo; use an inline Map")
		}
		if s.Type == asl.Saga {
			l.admitScope(s, s.Saga)
		}
		if s.Step != nil && s.Type == asl.Task {
			l.admitStep(s)
		}
	}
	if l.program.Saga != nil {
		l.admitScope(l.program.Flow.Start, l.program.Saga)
	}
}

func (l *lowering) admitScope(s *asl.State, saga *asl.SagaFields) {
	switch {
	case saga.Recovery == asl.ToSavePoint:
		l.refuse(s, "Recovery ToSavePoint can't be exported; use an inner Saga state with Retry")
	case saga.Recovery == asl.Forward:
		l.refuse(s, "Recovery Forward can't be exported; give each of its steps a Retry")
	case saga.Confirms:
		l.refuse(s, "Confirm can't be exported; put what it does behind a Pivot")
	}
}

func (l *lowering) admitStep(s *asl.State) {
	step := s.Step
	if step.Lock != nil {
		l.refuse(s, "SemanticLock has no counterpart in plain ASL; take the lock in a service of your own")
	}
	if step.CompensateWithin > 0 {
		l.refuse(s, "CompensateWithin can't be exported; let the undo itself refuse what is too late")
	}
	if step.Pivot && s.Scope.Outer != nil {
		l.refuse(s, "a Pivot in an inner scope can't be exported; put it into the outermost scope")
	}
	for _, b := range step.Compensate {
		if b.Resource.Kind == asl.CompensateChildren {
			l.warn("SAGA019", s, "compensateExecution is Backstep's own: what the nested execution did is not undone by the export")
			l.accept("SAGA019", s.Name, "", "plain ASL can't undo a nested execution")
			l.accept("SAGA001", s.Name, "", "plain ASL can't undo a nested execution")
		}
	}
	if len(step.Compensate) > 1 {
		l.refuse(s, "alternatives of a Compensate can't be exported; let one service choose among them")
	}
	if step.Query != nil {
		l.refuse(s, "Query can't be exported; leave it out, and what is not known is undone")
	}
	if step.HoldUnknown {
		l.refuse(s, "OnUnknown Hold can't be exported; leave it out, and what is not known is undone")
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

// index notes every state as it stands in the text.
func (l *lowering) index(v value.Value) {
	switch v.Kind() {
	case value.Array:
		for _, item := range v.Items() {
			l.index(item)
		}
	case value.Object:
		for name, m := range v.Members() {
			if name == "States" && m.Kind() == value.Object {
				for state, text := range m.Members() {
					if l.program.States[state] != nil {
						l.texts[state] = text
					}
				}
			}
			l.index(m)
		}
	}
}
