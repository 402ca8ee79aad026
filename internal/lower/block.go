package lower

import (
	"maps"
	"slices"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// role is what a States block is to its saga.
type role uint8

const (
	plain  role = iota // in no scope
	whole              // the states of a scope: what fails is undone here
	strand             // a branch or an item in a scope: it tells of its failure, and who is around undoes it
	joint              // around the branches or items of a scope: where they fail, it undoes them
	bound              // beneath what is behind the pivot: it goes forward alone
)

// block is a States object being written: that of a machine, a branch, an item or
// a Saga state. Its variables have names that no block around it has.
type block struct {
	*lowering
	outer  *block
	role   role
	scope  *asl.SagaFields
	alone  bool // it is all of an execution, or of an outermost scope: nobody around undoes it
	ahead  bool // its scope goes forward, and hands what it did to who is around
	depth  int
	states *value.Builder
	start  string
	owings []owing
	entry  map[string]string // of a state: what is entered in its place
	after  map[*asl.State]bool
	saves  []*asl.State      // that take a save point
	names  []string          // variables that its own states assign, sorted
	back   map[string]string // of a state: what is entered when a save point goes back to it
	once   map[string]string // states that are written once, by what they are for

	owed, fault, input, vars, retries, result, failed string // the block's variables
	maybe, final, confirm, at                         string
	recovery, done                                    string // states that are written where something leads to them
	recovers, ends                                    bool
}

// block begins a block of a flow.
func (l *lowering) block(outer *block, f *asl.Flow, scope *asl.SagaFields) *block {
	b := &block{lowering: l, outer: outer, scope: scope, depth: 1, states: value.NewBuilder(8),
		entry: map[string]string{}, after: map[*asl.State]bool{}, back: map[string]string{}, once: map[string]string{}}
	if outer != nil {
		b.depth = outer.depth + 1
	}
	if scope != nil {
		b.role = whole
		b.alone = outer == nil || outer.role == plain
	}
	for field, wanted := range map[*string]string{&b.owed: "sagaOwed", &b.fault: "sagaFault", &b.input: "sagaInput", &b.vars: "sagaVariables",
		&b.retries: "sagaRetries", &b.result: "sagaResult", &b.failed: "sagaUndoFailed",
		&b.maybe: "sagaMaybe", &b.final: "sagaFinal", &b.confirm: "sagaConfirm", &b.at: "sagaConfirmed"} {
		*field = l.variable(wanted, b.depth)
	}
	return b
}

// flowObject is what was written.
func (b *block) flowObject() value.Value {
	return object("StartAt", b.start, "States", b.states.Object())
}

// add adds a state.
func (b *block) add(name string, state *value.Builder) { b.states.Set(name, state.Object()) }

// reserve keeps the place of a state, before those that it leads to.
func (b *block) reserve(name string) { b.states.Set(name, value.NewNull()) }

// write writes the states of a flow, and what a scope does by itself.
func (b *block) write(raw value.Value) {
	f := b.flow(raw)
	b.names = assignedIn(f)
	if b.role == whole {
		b.behindPivot(f)
	}
	if b.role == whole || b.role == strand {
		b.owings = b.owingsOf(f)
		b.recovery = b.name(map[role]string{whole: "Undo What Is Owed", strand: "Tell What Is Owed"}[b.role])
	}
	switch {
	case b.role == whole && b.alone && b.scope.Confirms:
		b.done = b.name("Begin Confirm")
	case b.role == strand || b.role == whole && b.outer != nil && !b.distributed():
		b.done = b.name("Hand Over")
	}
	for _, s := range f.States {
		b.entry[s.Name] = s.Name
		if b.noted(s) {
			b.entry[s.Name] = b.name("Before " + s.Name)
		}
		b.back[s.Name] = b.entry[s.Name]
		if b.saving(s) {
			b.saves = append(b.saves, s)
			b.entry[s.Name] = b.name("Save Point " + s.Name)
		}
	}
	b.start = b.entry[f.Start.Name]
	if b.recovery != "" {
		b.begin()
	}
	for _, s := range f.States {
		b.state(s, raw.Get("States").Get(s.Name))
	}
	b.finish()
}

// assignedIn are the variables that the states of a flow assign, sorted.
func assignedIn(f *asl.Flow) []string {
	names := map[string]bool{}
	for _, s := range f.States {
		for _, a := range s.Assignments() {
			for _, v := range a.Variables {
				names[v.Name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// flow is the flow whose text this is.
func (b *block) flow(raw value.Value) *asl.Flow {
	return b.program.States[raw.Get("StartAt").AsString()].Flow
}

// records reports whether a step of this block is entered into what is owed.
// Behind the pivot nothing is undone any more, but it may have to be confirmed.
func (b *block) records(s *asl.State) bool {
	return owes(s) && (b.role == whole || b.role == strand) && (!b.after[s] || s.Step.Confirm != nil)
}

// noted reports whether it is noted what a state is entered with.
func (b *block) noted(s *asl.State) bool {
	return b.records(s) && s.Language == asl.JSONPath || b.asksFirst(s)
}

// onlyForward reports whether a state is beneath what can't go back.
func (b *block) onlyForward(s *asl.State) bool { return b.role == bound || b.after[s] || b.ahead }

// distributed reports whether the block is an execution of its own.
func (b *block) distributed() bool { return b.alone && b.outer != nil && b.outer.role != plain }

// begin has nothing be owed.
func (b *block) begin() {
	first := b.name("Begin Saga")
	assign := object(b.owed, value.NewObject())
	if b.scopeContinues() {
		assign = merged(assign, object(b.failed, false))
	}
	if len(b.saves) > 0 {
		assign = merged(assign, object(b.final, false))
	}
	b.add(first, b.made(asl.Pass, "Nothing is owed yet.", "Assign", assign, "Next", b.start))
	b.start = first
}

// finish writes where failures and good ends lead to.
func (b *block) finish() {
	switch {
	case b.recovers && b.role == whole:
		b.wayBack()
	case b.recovers && b.role == strand:
		b.add(b.recovery, b.made(asl.Pass, "The branch fails: who is around undoes what it did.",
			"Output", object("Failed", query("$merge([$"+b.fault+", {'At': $millis()}])"), "Owed", query("$"+b.owed)), "End", true))
	}
	if b.ends && b.role == whole && b.alone && b.scope.Confirms {
		b.confirmAll()
	} else if b.ends {
		b.add(b.done, b.made(asl.Pass, "What was done is owed by who is around.",
			"Output", b.handed(), "End", true))
	}
}

// handed is what a flow tells who is around of its good end.
func (b *block) handed() value.Value {
	return object("Output", query("$states.input"), "Owed", query("$"+b.owed))
}

// fails is where a failure leads to.
func (b *block) fails() string {
	b.recovers = true
	return b.recovery
}

// onward gives a state where it leads when all is well.
func (b *block) onward(out *value.Builder, s *asl.State) {
	switch {
	case s.Next != nil:
		out.Set("Next", value.NewString(b.entry[s.Next.Name]))
	case b.done != "":
		b.ends = true
		out.Set("Next", value.NewString(b.done))
	default:
		out.Set("End", value.NewBool(true))
	}
}

// state writes a state.
func (b *block) state(s *asl.State, raw value.Value) {
	b.reserve(b.entry[s.Name])
	b.reserve(s.Name)
	inScope := b.role == whole || b.role == strand
	switch s.Type {
	case asl.Task:
		b.task(s, raw)
	case asl.Choice:
		b.choice(s, raw)
	case asl.Succeed:
		b.succeed(s, raw)
	case asl.Fail:
		b.fail(s, raw)
	case asl.Parallel, asl.Map, asl.Saga:
		if b.onlyForward(s) {
			b.confirmsAhead(s)
		}
		switch {
		case s.Type == asl.Map && s.Map.Distributed && s.Scope != nil:
			b.run(s, raw)
		case b.onlyForward(s) && b.taken(s):
			b.join(s, raw)
		case b.onlyForward(s):
			b.throughout(s, raw)
		case inScope || s.Type == asl.Saga:
			b.join(s, raw)
		default:
			b.nested(s, raw)
		}
	default:
		out := raw.Without("Next", "End")
		b.onward(out, s)
		b.add(s.Name, out)
		b.mayFail(s)
	}
}

// mayFail notes a state whose failure no Catch takes.
func (b *block) mayFail(s *asl.State) {
	if b.role != plain && (s.Output != nil || s.Assign != nil || s.Parameters != nil || s.InputPath != nil || s.Type == asl.Choice) {
		b.spoilt = append(b.spoilt, s.Name)
	}
}

// choice writes a Choice. In a scope one that matches nothing fails, which plain
// ASL can't catch: it goes the way of the failure.
func (b *block) choice(s *asl.State, raw value.Value) {
	out := value.NewBuilder(raw.Len() + 1)
	for name, m := range raw.Members() {
		switch name {
		case "Choices":
			var rules []value.Value
			for i, r := range m.Items() {
				rules = append(rules, r.With("Next", value.NewString(b.entry[s.Choice.Rules[i].Next.Name])))
			}
			m = list(rules...)
		case "Default":
			m = value.NewString(b.entry[s.Choice.Default.Name])
		}
		out.Set(name, m)
	}
	if s.Choice.Default == nil && b.role != plain {
		switch {
		case b.onlyForward(s):
			b.refuse(s, "a Choice without Default behind the pivot may fail there (SAGA010); give it a Default")
		default:
			none := b.name(s.Name + " Matches Nothing")
			out.Set("Default", value.NewString(none))
			b.add(none, b.made(asl.Pass, "", "Assign", b.atOnce(s, object(b.fault, object("Error", "States.Runtime",
				"Cause", "No rule of "+s.Name+" matches."))), "Next", b.fails()))
		}
	}
	b.add(s.Name, out)
	b.mayFail(s)
}

// succeed writes a Succeed. In a branch the flow goes on to hand over what is
// owed.
func (b *block) succeed(s *asl.State, raw value.Value) {
	if b.done == "" {
		b.add(s.Name, raw.Without())
		return
	}
	out := raw.Without()
	out.Set("Type", value.NewString("Pass"))
	b.onward(out, s)
	b.add(s.Name, out)
	b.mayFail(s)
}

// fail writes a Fail. In a scope what was done is undone first.
func (b *block) fail(s *asl.State, raw value.Value) {
	switch {
	case b.role == plain:
		b.add(s.Name, raw.Without())
		return
	case b.onlyForward(s):
		b.refuse(s, "a Fail state behind the pivot waits for a person for ever (SAGA010); decide before the pivot")
		return
	}
	fault := value.NewBuilder(2)
	for _, name := range []string{"Error", "Cause"} {
		switch {
		case raw.Has(name):
			fault.Set(name, raw.Get(name))
		case raw.Has(name + "Path"):
			fault.Set(name+".$", raw.Get(name+"Path"))
		default:
			fault.Set(name, value.NewNull())
		}
	}
	out := value.NewBuilder(6)
	out.Set("Type", value.NewString("Pass"))
	copyTo(out, raw, "Comment", "QueryLanguage")
	out.Set("Assign", b.atOnce(s, object(b.fault, fault.Object())))
	out.Set("Next", value.NewString(b.fails()))
	b.add(s.Name, out)
}

// nested writes a Parallel or Map that is in no scope.
func (b *block) nested(s *asl.State, raw value.Value) {
	out := b.withFlows(s, raw.Without("Next", "End", "Catch"), raw, func() *block { return b.block(b, nil, nil) })
	if c := raw.Get("Catch"); !c.IsAbsent() {
		out.Set("Catch", b.retargeted(s, c))
	}
	b.onward(out, s)
	b.add(s.Name, out)
}

// withFlows writes what stands within a Parallel or Map, in blocks of their own.
func (b *block) withFlows(s *asl.State, out *value.Builder, raw value.Value, begin func() *block) *value.Builder {
	written := func(v value.Value) value.Value {
		n := begin()
		n.write(v)
		return merged(v.Without("StartAt", "States").Object(), n.flowObject())
	}
	switch s.Type {
	case asl.Parallel:
		var branches []value.Value
		for _, branch := range raw.Get("Branches").Items() {
			branches = append(branches, written(branch))
		}
		out.Set("Branches", list(branches...))
	case asl.Map:
		name := "ItemProcessor"
		if !raw.Has(name) {
			name = "Iterator"
		}
		out.Set(name, written(raw.Get(name)))
	}
	return out
}

// retargeted are catchers that lead to what is entered in the place of their
// states.
func (b *block) retargeted(s *asl.State, catch value.Value) value.Value {
	var all []value.Value
	for i, c := range catch.Items() {
		all = append(all, c.With("Next", value.NewString(b.entry[s.Catch[i].Next.Name])))
	}
	return list(all...)
}
