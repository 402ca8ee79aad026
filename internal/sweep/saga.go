package sweep

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/prove"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// saga is the definition that is swept: the program that runs, and what each of
// its Tasks is to it.
type saga struct {
	written  *asl.Program // as its author wrote it
	tree     value.Value  // the same as JSON
	runs     *asl.Program // what runs: the same without its data, or with participants for whom it calls
	hash     store.Hash
	place    map[string]int // state → its place in the text
	named    []string       // … and back
	choice   map[string]int // Choice → its place among the Choices
	targets  map[string][]string
	roles    map[string]prove.Role
	refuses  []prove.Refusal
	decides  []string // Choices that begin the way back
	settles  []prove.Settling
	tells    []prove.Telling
	plain    bool                  // steps of plain ASL are paired in it, or it is plain ASL altogether
	input    value.Text            // with data
	answers  map[string]value.Text // with data
	data     bool
	menus    map[menuKey][]trouble
	forward  map[string]bool // states that can be entered although nothing failed
	services map[string]bool
}

// newSaga reads what is to be swept.
func newSaga(in Input) (*saga, error) {
	written, tree, err := compile(in.Definition)
	if err != nil {
		return nil, err
	}
	s := &saga{written: written, tree: tree, place: map[string]int{}, choice: map[string]int{}, targets: map[string][]string{}, menus: map[menuKey][]trouble{},
		input: in.Input, answers: in.Answers, data: !in.Input.IsZero()}
	side := in.Sidecar
	if side == nil {
		side = prove.Propose(written)
	}
	if s.roles, err = prove.Cast(prove.Input{Program: written, Sidecar: side, Nested: in.Nested}); err != nil {
		return nil, err
	}
	s.refuses, s.decides, s.settles, s.tells = side.Refusals, side.Decides, side.Settles, side.Tells
	s.plain = !written.HasSagas() || slices.ContainsFunc(slices.Collect(maps.Values(s.roles)), func(r prove.Role) bool { return r.Undone })
	b := &bare{choices: s.choice, places: s.place}
	text := b.machine(tree)
	if s.data {
		text = served(tree)
	}
	if s.runs, _, err = compile([]byte(text.Text().String())); err != nil {
		return nil, fmt.Errorf("what is left of it without its data is not valid: %w", err)
	}
	s.hash = sha256.Sum256([]byte(text.Text().String()))
	s.named = make([]string, len(s.place))
	for name, i := range s.place {
		s.named[i] = name
	}
	s.services, s.forward = map[string]bool{"lambda": true}, map[string]bool{}
	s.reach(s.runs.Flow.Start)
	for _, state := range s.runs.Order {
		if state.Type == asl.Choice {
			s.targets[state.Name] = targetNames(state)
		}
		if state.Task == nil {
			continue
		}
		for _, op := range opOrder {
			if b := body(state, op); b != nil {
				s.services[b.Resource.Service] = true
			} else if op != integration.Forward {
				continue
			}
			s.menus[menuKey{state.Name, op}] = s.menu(state, op)
		}
		s.services[state.Task.Resource.Service] = true
	}
	return s, nil
}

// spoilt is what runs, but that an expression of a state fails.
func (s *saga) spoilt(f *prove.Fault) (*asl.Program, error) {
	b := &bare{choices: map[string]int{}, places: map[string]int{}, spoil: f.State, fatal: f.Fault == stateRuntime, after: f.Effect == "after"}
	p, _, problem := compile([]byte(b.machine(s.tree).Text().String()))
	return p, problem
}

// reach marks the states that can be entered from one although nothing fails.
func (s *saga) reach(state *asl.State) {
	if state == nil || s.forward[state.Name] {
		return
	}
	s.forward[state.Name] = true
	if slices.Contains(s.decides, state.Name) {
		return
	}
	s.reach(state.Next)
	if state.Choice != nil {
		for i := range state.Choice.Rules {
			s.reach(state.Choice.Rules[i].Next)
		}
		s.reach(state.Choice.Default)
	}
	for _, f := range state.Within() {
		s.reach(f.Start)
	}
}

func compile(text []byte) (*asl.Program, value.Value, error) {
	d, problems := asl.Parse(text)
	if d == nil {
		return nil, value.Value{}, fmt.Errorf("it is no definition: %v", problems[0])
	}
	p, err := asl.Compile(d, asl.Rules{Distributed: true, Foreign: true, Serves: asl.OnAWS})
	if err != nil {
		return nil, value.Value{}, fmt.Errorf("it is not valid (see backstep validate): %w", err)
	}
	return p, d.Value(), nil
}

// served is a definition as it is written, but that participants answer for
// workers, jobs and nested executions.
func served(v value.Value) value.Value {
	switch v.Kind() {
	case value.Array:
		var all []value.Value
		for _, item := range v.Items() {
			all = append(all, served(item))
		}
		return value.NewArray(all)
	case value.Object:
		out := value.NewBuilder(v.Len())
		for name, m := range v.Members() {
			if r, ok := asl.ParseResource(m.AsString()); ok && name == "Resource" && m.Kind() == value.String &&
				(r.Kind != asl.Integration && r.Kind != asl.LambdaARN || r.Pattern == asl.Sync || r.Pattern == asl.Sync2 || r.Text == "arn:aws:states:::backstep:compensateExecution") {
				participant, _ := standIn(r.Text)
				m = value.NewString(participant)
			}
			out.Set(name, served(m))
		}
		return out.Object()
	}
	return v
}

// targetNames are the states that a Choice goes to, in the order of its ways.
func targetNames(s *asl.State) []string {
	var all []string
	for i := range s.Choice.Rules {
		if name := s.Choice.Rules[i].Next.Name; !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	if d := s.Choice.Default; d != nil && !slices.Contains(all, d.Name) {
		all = append(all, d.Name)
	}
	return all
}

// guarded are the steps that a Choice on the way back decides to undo, by each of
// its ways: none for a way that undoes nothing at once.
func (s *saga) guarded(choice string) [][]string {
	var steps [][]string
	guards := false
	for _, name := range s.targets[choice] {
		to := s.runs.States[name]
		for i := 0; to.Type == asl.Pass && to.Next != nil && i < len(s.named); i++ {
			to = to.Next
		}
		undone := s.undoneBy(to)
		guards = guards || len(undone) > 0
		steps = append(steps, undone)
	}
	if !guards {
		return nil
	}
	return steps
}

// byData are the Choices within items of a Map that begin a way back. Each item has
// its own, which a sweep without data can't tell apart.
func (s *saga) byData() []string {
	var all []string
	for _, name := range s.decides {
		for f := s.written.States[name].Flow; f.Owner != nil && !s.data; f = f.Owner.Flow {
			if f.Owner.Type == asl.Map && !f.Owner.Map.Distributed {
				all = append(all, name)
				break
			}
		}
	}
	return all
}

// undoneBy are the steps that a state compensates on the way back, by itself or by
// what stands within it.
func (s *saga) undoneBy(state *asl.State) []string {
	if r := s.roles[state.Name]; len(r.Undoes) > 0 && !r.Forward {
		return r.Undoes[:1]
	}
	var all []string
	for _, f := range state.Within() {
		for _, inner := range f.States {
			all = append(all, s.undoneBy(inner)...)
		}
	}
	return all
}

// mostItems is how many items a Map has at most.
func (s *saga) mostItems() int {
	if s.data {
		return 1000
	}
	return bareItems
}

// isUndo reports whether a state of plain ASL compensates on the way back.
func (s *saga) isUndo(state string) bool {
	r := s.roles[state]
	return len(r.Undoes) > 0 && !r.Forward
}

// body is the body of a step that an operation calls.
func body(s *asl.State, op integration.Operation) *asl.Body {
	switch {
	case s.Step == nil:
		return nil
	case op == integration.Compensate && len(s.Step.Compensate) > 0:
		return s.Step.Compensate[0]
	case op == integration.Confirm:
		return s.Step.Confirm
	case op == integration.Query:
		return s.Step.Query
	}
	return nil
}

// isStep reports whether a state does something that is undone, or decided to be
// final.
func (s *saga) isStep(state string) bool {
	r, step := s.roles[state], s.runs.States[state].Step
	return r.Undone || r.Pivot || step != nil && step.Compensate != nil
}

// isAside reports whether a Task does nothing that is undone or final: it looks,
// or tells somebody.
func (s *saga) isAside(state string) bool {
	r := s.roles[state]
	return !s.isStep(state) && (!r.Acts || r.Irrevocable) && len(r.Undoes) == 0
}

// begins reports whether a Task is a step, be it one that nothing undoes.
func (s *saga) begins(state string) bool {
	r := s.roles[state]
	return s.isStep(state) || r.Acts && !r.Irrevocable && r.Forward && len(r.Undoes) == 0
}

// onlyForward reports whether a state stands in a saga that never goes back.
func (s *saga) onlyForward(state string) bool {
	scope := s.runs.States[state].Scope
	for scope != nil && scope.Outer != nil {
		scope = scope.Outer
	}
	return scope != nil && scope.Recovery == asl.Forward
}

// isCovered reports whether a state stands in a saga, or in Express children that
// one starts: they are no steps of it, and still it is to leave nothing behind.
func (s *saga) isCovered(state string) bool {
	for at := s.runs.States[state]; at != nil; at = at.Flow.Owner {
		if at.Scope != nil {
			return true
		}
	}
	return false
}

// isExpress reports whether a state runs in Express children of a Map: the engine
// keeps them in memory alone.
func (s *saga) isExpress(state string) bool {
	for at := s.runs.States[state].Flow.Owner; at != nil; at = at.Flow.Owner {
		if at.Type == asl.Map && at.Map.Express {
			return true
		}
	}
	return false
}

// isBeside reports whether there may be steps to do yet beside a state, in another
// branch or item.
func (s *saga) isBeside(state string) bool {
	at := s.runs.States[state]
	for owner := at.Flow.Owner; owner != nil; at, owner = owner, owner.Flow.Owner {
		switch owner.Type {
		case asl.Map:
			if s.holdsStep(owner.Map.Processor) {
				return true
			}
		case asl.Parallel:
			for _, branch := range owner.Parallel.Branches {
				if branch != at.Flow && s.holdsStep(branch) {
					return true
				}
			}
		}
	}
	return false
}

func (s *saga) holdsStep(f *asl.Flow) bool {
	return slices.ContainsFunc(f.States, func(state *asl.State) bool {
		return slices.ContainsFunc(state.Tasks(), func(task *asl.State) bool { return s.begins(task.Name) })
	})
}

// isRepeated reports whether it takes more than one entry of a state that fails
// until that has consequences: what it stands in is tried again, or tolerates that
// an item fails.
func (s *saga) isRepeated(state string) bool {
	for at := s.runs.States[state].Flow.Owner; at != nil; at = at.Flow.Owner {
		if len(at.Retry) > 0 {
			return true
		}
	}
	return s.isTolerated(state)
}

// isTolerated reports whether a state stands in a Map that tolerates that an item
// fails.
func (s *saga) isTolerated(state string) bool {
	for at := s.runs.States[state].Flow.Owner; at != nil; at = at.Flow.Owner {
		if at.Type == asl.Map && (isSet(&at.Map.ToleratedFailureCount) || isSet(&at.Map.ToleratedFailurePercentage)) {
			return true
		}
	}
	return false
}

// endsBy reports whether a trouble at every attempt ends a state.
func (s *saga) endsBy(state string, t trouble) bool {
	return t.first == "" && (t.kind == fails || t.kind == silent) && (t.always || !takes(s.runs.States[state].Retry, t))
}
