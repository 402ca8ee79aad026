package lower

import (
	"slices"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// taken reports whether every failure of a Parallel, Map or Saga that only goes
// forward is taken by its own Catch: then it recovers as ever.
func (b *block) taken(s *asl.State) bool {
	return names(s, allErrors) && !b.scopeContinues() && !(s.Type == asl.Saga && s.Saga.Continue)
}

// throughout writes a Parallel, Map or Saga that can't go back: what stands within
// it goes forward alone.
func (b *block) throughout(s *asl.State, raw value.Value) {
	if len(s.Retry) > 0 || len(s.Catch) > 0 {
		b.refuse(s, "a Retry or Catch of a %s behind the pivot can't be exported, but for a Catch of States.ALL", s.Type)
	}
	if b.ahead && slices.ContainsFunc(s.Within(), func(f *asl.Flow) bool { return len(b.owingsOf(f)) > 0 }) {
		b.refuse(s, "a %s with steps to undo can't be exported in an inner scope that only goes forward; let the steps stand in the scope themselves", s.Type)
	}
	within := func() *block {
		n := b.block(b, nil, nil)
		n.role = bound
		return n
	}
	if s.Type != asl.Saga {
		out := b.withFlows(s, raw.Without("Next", "End", "Catch"), raw, within)
		b.onward(out, s)
		b.add(s.Name, out)
		return
	}
	out := value.NewBuilder(8)
	out.Set("Type", value.NewString("Parallel"))
	copyTo(out, raw, "Comment", "QueryLanguage", "InputPath", "Parameters", "Arguments")
	inner := within()
	inner.write(raw)
	out.Set("Branches", list(inner.flowObject()))
	if s.Language == asl.JSONPath {
		out.Set("ResultPath", value.NewNull())
		out.Set("Assign", object(b.result+".$", "$[0]"))
	} else {
		out.Set("Output", value.NewString(query("$states.input")))
		out.Set("Assign", object(b.result, query("$states.result[0]")))
	}
	out.Set("Next", value.NewString(b.resultState(s, raw)))
	b.add(s.Name, out)
}

// run writes a distributed Map in a scope: each child undoes itself where it
// fails.
func (b *block) run(s *asl.State, raw value.Value) {
	if b.onlyForward(s) && !names(s, allErrors) {
		b.refuse(s, "a distributed Map behind the pivot can't be exported without a Catch of States.ALL")
	}
	if s.Map.Express {
		b.withRun(s, raw, plain, nil)
		return
	}
	b.withRun(s, raw, whole, &asl.SagaFields{Flow: s.Map.Processor, Recovery: asl.Backward, Continue: b.scopeContinues()})
}

func (b *block) withRun(s *asl.State, raw value.Value, as role, scope *asl.SagaFields) {
	out := b.withFlows(s, raw.Without("Next", "End", "Catch"), raw, func() *block {
		n := b.block(b, nil, scope)
		n.role, n.alone = as, true
		return n
	})
	catch := b.userCatch(s, raw)
	if !b.onlyForward(s) {
		catch = append(catch, b.everything(s)...)
	}
	out.Set("Catch", asValue(catch))
	b.onward(out, s)
	b.add(s.Name, out)
}
