package machine

import "github.com/backstep/backstep/internal/asl"

// pass makes a Pass's result out of its input.
func (t *turn) pass(sc *scope) *fault {
	s := sc.state
	if s.Language == asl.JSONata {
		return t.outcome(sc, s.Output, s.Assign, sc.dollar, s.Next)
	}
	in, fl := sc.selection(s.InputPath)
	if fl != nil {
		return fl
	}
	chosen := in
	if s.Parameters != nil {
		if in, fl = sc.with(in).template(s.Parameters); fl != nil {
			return fl
		}
	}
	if !s.Pass.Result.IsAbsent() {
		in = datum{tree: s.Pass.Result}
		sc.show(WorkResult, in)
	} else {
		sc.show(AfterInputPath, chosen)
		sc.show(AfterParameters, in)
	}
	sc.show(AfterResultSelector, in)
	return t.pathOutcome(sc, in)
}

// complete ends a Task, Parallel or Map whose work has this result.
func (t *turn) complete(f *Frame, s *asl.State, result datum) {
	sc := t.scope(f, s, f.Prev)
	sc.result, sc.over = result, true
	var fl *fault
	if s.Type == asl.Task {
		sc.show(WorkResult, result)
	}
	if s.Language == asl.JSONata {
		fl = t.outcome(sc, s.Output, s.Assign, result, s.Next)
	} else {
		if s.ResultSelector != nil {
			result, fl = sc.with(result).template(s.ResultSelector)
		}
		if fl == nil {
			sc.show(AfterResultSelector, result)
			fl = t.pathOutcome(sc, result)
		}
	}
	if fl != nil {
		t.raise(sc, fl)
	}
}

// narrow makes what InputPath selects the $ of a JSONPath state.
func (sc *scope) narrow() *fault {
	in, fl := sc.selection(sc.state.InputPath)
	sc.with(in)
	if fl == nil && sc.state.Language == asl.JSONPath {
		sc.show(AfterInputPath, in)
	}
	return fl
}

// passOn lets a state be left with its own input: with what the template makes
// in JSONata, with what OutputPath selects of $ in JSONPath.
func (t *turn) passOn(sc *scope, output *asl.Template, assign *asl.Assignment, next *asl.State) *fault {
	if sc.state.Language == asl.JSONata {
		return t.outcome(sc, output, assign, sc.dollar, next)
	}
	bound, fl := sc.assignment(assign)
	if fl != nil {
		return fl
	}
	out, fl := sc.selection(sc.state.OutputPath)
	if fl != nil {
		return fl
	}
	return t.exit(sc, out, bound, next)
}

// pathOutcome lets a JSONPath state be left with a result: Assign sees it,
// ResultPath puts it into the raw input, OutputPath selects of that.
func (t *turn) pathOutcome(sc *scope, result datum) *fault {
	s := sc.state
	bound, fl := sc.with(result).assignment(s.Assign)
	if fl != nil {
		return fl
	}
	out, fl := sc.place(s.ResultPath, result)
	if fl != nil {
		return fl
	}
	sc.show(AfterResultPath, out)
	if out, fl = sc.with(out).selection(s.OutputPath); fl != nil {
		return fl
	}
	return t.exit(sc, out, bound, s.Next)
}

// place puts a result where a ResultPath says: into the raw input.
func (sc *scope) place(to *asl.Destination, result datum) (datum, *fault) {
	raw := datum{ref: sc.frame.Input}
	switch {
	case to == nil:
		return result, nil
	case to.Reference == nil:
		return raw, nil
	}
	v, err := to.Reference.Set(sc.turn.look(&raw), sc.turn.look(&result))
	if err != nil {
		return datum{}, newFault(errResult, sc.entered(err.Error()))
	}
	return datum{tree: v}, nil
}

// outcome lets a JSONata state be left: with what the template makes, or with
// otherwise where there is none.
func (t *turn) outcome(sc *scope, output *asl.Template, assign *asl.Assignment, otherwise datum, next *asl.State) *fault {
	out := otherwise
	if output != nil {
		made, fl := sc.template(output)
		if fl != nil {
			return fl
		}
		out = made
	}
	bound, fl := sc.assignment(assign)
	if fl != nil {
		return fl
	}
	return t.exit(sc, out, bound, next)
}

// exit leaves the state, if its output is within the limit.
func (t *turn) exit(sc *scope, out datum, bound []binding, next *asl.State) *fault {
	ref, ok := t.number(&out, t.env.Limits.Payload)
	if !ok {
		fl := tooLarge(sc.state.Name)
		fl.fatal = true
		return fl
	}
	t.leave(sc, ref, bound, next)
	return nil
}
