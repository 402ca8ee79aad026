package machine

// parallel begins all branches of a Parallel, each with the same input.
func (t *turn) parallel(sc *scope) *fault {
	f, s := sc.frame, sc.state
	in, fl := sc.request()
	if fl != nil {
		return fl
	}
	input, ok := t.number(&in, t.env.Limits.Payload)
	if !ok {
		return tooLarge(s.Name)
	}
	if m := t.mock(); m != nil {
		return t.mocked(sc, m)
	}
	f.Prev = t.event(Event{Type: ParallelStateStarted, Prev: f.Prev})
	branches := s.Parallel.Branches
	t.split(f, &join{Count: len(branches)})
	for i, flow := range branches {
		t.begun(f, &Frame{Kind: Branch, Index: i, State: flow.Start.Name, Input: input, effort: effort{Prev: f.Prev}})
	}
	return nil
}

// request is what a Task is called with, and what the branches of a Parallel
// get: InputPath and Parameters, or Arguments.
func (sc *scope) request() (datum, *fault) {
	s := sc.state
	in, fl := sc.selection(s.InputPath)
	if fl == nil && s.Parameters != nil {
		in, fl = sc.with(in).template(s.Parameters)
	}
	return in, fl
}
