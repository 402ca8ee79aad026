package lower

import (
	"fmt"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// The fields of a Parallel, Map or Saga that are about its result, and about what
// becomes of its failure.
var afterwards = []string{"Next", "End", "Retry", "Catch", "ResultSelector", "ResultPath", "OutputPath", "Output", "Assign"}

// join writes a Parallel, Map or Saga of a scope as a Parallel of one branch, that
// leaves nothing behind when it fails: so its Retry and Catch stay what they are.
func (b *block) join(s *asl.State, raw value.Value) {
	if s.Type == asl.Saga {
		b.around(s)
	}
	if s.Type == asl.Saga && b.role == plain && s.Saga.Confirms && (raw.Has("ResultSelector") || raw.Has("Assign") ||
		raw.Has("Output") && (s.Output.Query == nil || s.Output.Query.Text != "$states.input")) {
		b.refuse(s, "its Output, Assign or ResultSelector may fail after its steps are confirmed; make the result in a Pass behind it")
	}
	out := value.NewBuilder(10)
	out.Set("Type", value.NewString("Parallel"))
	copyTo(out, raw, "Comment", "QueryLanguage")
	var inner *block
	if s.Type == asl.Saga {
		copyTo(out, raw, "InputPath", "Parameters", "Arguments")
		inner = b.block(b, nil, s.Saga)
		inner.write(raw)
	} else {
		inner = b.block(b, nil, nil)
		inner.role = joint
		inner.branches(s, raw)
	}
	out.Set("Branches", list(inner.flowObject()))
	b.caughtJoin(s, raw, out)
	b.joined(s, raw, out)
	b.add(s.Name, out)
}

// caughtJoin gives a join its Retry and Catch. That an undo has failed is taken by
// that name alone.
func (b *block) caughtJoin(s *asl.State, raw value.Value, out *value.Builder) {
	const badly = "Saga.CompensationFailed"
	retry, catch := raw.Get("Retry").Items(), b.userCatch(s, raw)
	continues := b.scopeContinues() || s.Type == asl.Saga && s.Saga.Continue
	if continues && len(retry) > 0 {
		retry = append([]value.Value{object("ErrorEquals", []string{badly}, "MaxAttempts", 0)}, retry...)
	}
	if b.role != plain {
		if continues && len(catch) > 0 {
			if names(s, badly) {
				b.refuse(s, "a Catch of %s can't be exported", badly)
			}
			catch = append([]value.Value{object("ErrorEquals", []string{badly}, "Assign", b.told(s), "Next", b.fails())}, catch...)
		}
		catch = append(catch, b.everything(s)...)
	} else if continues && names(s, "States.ALL") {
		b.refuse(s, "a Catch of States.ALL around a scope with OnCompensationFailure Continue can't be exported: it would take %s", badly)
	}
	out.Set("Retry", asValue(retry))
	out.Set("Catch", asValue(catch))
}

// names reports whether a catcher of a state names an error.
func names(s *asl.State, name string) bool {
	for _, c := range s.Catch {
		for _, n := range c.ErrorEquals {
			if n == name {
				return true
			}
		}
	}
	return false
}

// joined lets a join be left: what it did is owed from now on, and its result is
// what its author makes of it.
func (b *block) joined(s *asl.State, raw value.Value, out *value.Builder) {
	entered := b.group(s)
	if s.Language == asl.JSONata {
		switch {
		case !raw.Has("Output") && !raw.Has("Assign"):
			out.Set("Output", value.NewString(query("$states.result[0].Output")))
		case !raw.Has("Assign") && s.Output.Query != nil && s.Output.Query.Text == "$states.input":
			out.Set("Output", raw.Get("Output"))
		default:
			b.resultOf(s, raw, out, entered)
			return
		}
		out.Set("Assign", merged(entered))
		b.onward(out, s)
		return
	}
	if s.ResultPath != nil && s.ResultPath.Reference == nil && !raw.Has("Assign") {
		copyTo(out, raw, "ResultPath", "OutputPath")
		out.Set("Assign", merged(entered))
		b.onward(out, s)
		return
	}
	b.selectLater(s, raw, out, entered)
	out.Set("Assign", merged(entered, object(b.result+".$", "$[0].Output")))
}

// group is the Assign by which what a join did is put on top of what is owed.
func (b *block) group(s *asl.State) value.Value {
	if b.role == plain || b.role == bound || len(b.owingsOf(&asl.Flow{States: []*asl.State{s}})) == 0 {
		return value.Value{}
	}
	e := object("Step", s.Name, "Owed", query("$states.result[0].Owed"), "Then", query("$"+b.owed))
	if s.Language == asl.JSONPath {
		e = object("Step", s.Name, "Owed.$", "$[0].Owed", "Then.$", "$"+b.owed)
	}
	return object(b.owed, e)
}

// resultOf makes a join's result by its author's Output and Assign, in a state of
// its own: where they fail, what the join did is owed already.
func (b *block) resultOf(s *asl.State, raw value.Value, out *value.Builder, entered value.Value) {
	out.Set("Assign", merged(entered, object(b.result, query("$states.result[0].Output"))))
	out.Set("Output", value.NewString(query("$states.input")))
	out.Set("Next", value.NewString(b.resultState(s, raw)))
}

// branches writes a Parallel or Map whose branches or items all end well, and
// tell who of them failed: then all that they did is undone.
func (j *block) branches(s *asl.State, raw value.Value) {
	work, well, outputs := j.name(s.Name+" Itself"), j.name(fmt.Sprintf("Did %s Go Well?", s.Name)), j.name(s.Name+" Went Well")
	failed, each := j.name(s.Name+" Failed"), j.name("Output of "+s.Name)
	j.start = work
	var strands []*block
	out := j.withFlows(s, raw.Without(afterwards...), raw, func() *block {
		n := j.block(j, nil, nil)
		n.role = strand
		strands = append(strands, n)
		return n
	})
	told := Telling{Choice: well, Next: outputs}
	for _, n := range strands {
		if n.recovers {
			told.States = append(told.States, n.recovery)
		}
	}
	if len(told.States) > 0 {
		j.side.Tells = append(j.side.Tells, told)
	}
	out.Set("Next", value.NewString(well))
	j.add(work, out)
	undo := failed
	if all := j.owingsOf(&asl.Flow{States: []*asl.State{s}}); len(all) > 0 {
		j.undoes = true
		undo = j.undoJoin(all[0], "", failed)
	}
	first := "$sort($states.input.Failed, function($a, $b) { $a.At > $b.At })[0]"
	assign := object(j.fault, query(first))
	if j.scopeContinues() {
		assign = merged(assign, object(j.failed, false))
	}
	j.add(well, j.made(asl.Choice, "", "Choices", list(object("Condition", query("$exists($states.input.Failed)"), "Assign", assign, "Next", undo)), "Default", outputs))
	j.add(outputs, j.made(asl.Map, "", "Items", query("$states.input"), "ItemProcessor",
		object("StartAt", each, "States", object(each, j.made(asl.Pass, "", "Output", query("$states.input.Output"), "End", true).Object())),
		"Output", object("Output", query("$states.result"), "Owed", query("[$states.input.Owed]")), "End", true))
	j.abort(failed)
}

// undoJoin writes the state that undoes what a join did: its branches or items
// side by side. Where the join itself fails, what it owes is in the answers of its
// branches; later it is on top of what is owed.
func (b *block) undoJoin(o owing, owed, next string) string {
	name := b.name("Undo " + o.state.Name)
	out := b.made(map[bool]asl.Type{true: asl.Map, false: asl.Parallel}[o.state.Type == asl.Map], "Takes back all that was done in "+o.state.Name+".")
	switch {
	case o.state.Type == asl.Map:
		items := "[$states.input.Owed]"
		if owed != "" {
			items = "[" + owed + ".Owed]"
		}
		out.Set("Items", value.NewString(query(items)))
		if n := b.rawOf(o.state).Get("MaxConcurrency"); n.Kind() == value.Number {
			out.Set("MaxConcurrency", n)
		}
		out.Set("ItemProcessor", b.undoBlock(o, o.within[0], "$states.input"))
	default:
		var branches []value.Value
		for i, within := range o.within {
			stack := fmt.Sprintf("$states.input[%d].Owed", i)
			switch {
			case owed != "" && o.state.Type == asl.Saga:
				stack = owed + ".Owed"
			case owed != "":
				stack = fmt.Sprintf("%s.Owed[%d]", owed, i)
			}
			branches = append(branches, b.undoBlock(o, within, stack))
		}
		out.Set("Branches", list(branches...))
	}
	assign := value.Value{}
	if owed != "" {
		assign = object(b.owed, query(owed+".Then"))
	}
	if b.scopeContinues() {
		assign = merged(assign, object(b.failed, query("$"+b.failed+" or (true in $states.result.UndoFailed)")))
	}
	out.Set("Assign", assign)
	out.Set("Output", value.NewString(query("$states.input")))
	out.Set("Next", value.NewString(next))
	b.add(name, out)
	return name
}

// undoBlock is the flow that undoes what one branch or item did.
func (b *block) undoBlock(o owing, within []owing, stack string) value.Value {
	n := b.block(b, nil, nil)
	n.start = n.name("Begin Undo of " + o.state.Name)
	way, done := n.name("Undo What "+o.state.Name+" Did"), n.name(o.state.Name+" Is Undone")
	assign := object(n.owed, query(stack))
	output := value.NewObject()
	if n.scopeContinues() {
		assign = merged(assign, object(n.failed, false))
		output = object("UndoFailed", query("$"+n.failed))
	}
	n.add(n.start, n.made(asl.Pass, "", "Assign", assign, "Next", way))
	n.dispatch(within, o.saves, way, done)
	n.add(done, n.made(asl.Pass, "", "Output", output, "End", true))
	return n.flowObject()
}
