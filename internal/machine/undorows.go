package machine

import "encoding/binary"

// appendUndo adds a row of the saga log as a record to b.
func appendUndo(b []byte, u *Undo) []byte {
	format := byte(undoFormat)
	if u.Edition == 0 {
		format = uneditedUndo
	}
	b = append(b, format, byte(u.Kind), byte(u.Outcome), byte(u.Settled), byte(u.Status))
	for _, n := range [...]uint64{uint64(u.Number), uint64(u.Prev), uint64(u.Saga), uint64(u.Attempts), uint64(u.Tries), uint64(u.EnteredEvent),
		uint64(u.Input), uint64(u.Request), uint64(u.Result), uint64(u.AtOnce), uint64(u.Lock)} {
		b = binary.AppendUvarint(b, n)
	}
	b = binary.AppendVarint(b, u.Started)
	b = binary.AppendVarint(b, u.Ended)
	b = appendText(b, u.State)
	b = appendMaybe(b, u.Error)
	b = appendMaybe(b, u.Cause)
	b = appendFlag(b, u.Asked)
	b = appendFlag(b, u.Committed)
	b = appendBindings(b, u.Variables)
	b = binary.AppendUvarint(b, uint64(len(u.Heads)))
	for _, head := range u.Heads {
		b = binary.AppendUvarint(b, uint64(head))
	}
	b = binary.AppendUvarint(b, uint64(len(u.Calls)))
	for i := range u.Calls {
		c := &u.Calls[i]
		b = append(b, byte(c.Operation))
		b = binary.AppendUvarint(b, uint64(c.Alternative))
		b = binary.AppendUvarint(b, uint64(c.Edition))
		b = appendText(b, c.Resource)
		b = binary.AppendVarint(b, c.Started)
		b = binary.AppendVarint(b, c.Ended)
		b = binary.AppendUvarint(b, uint64(c.Attempts))
		b = appendFlag(b, c.Unknown)
		b = binary.AppendUvarint(b, uint64(c.Request))
		b = binary.AppendUvarint(b, uint64(c.Result))
		b = appendMaybe(b, c.Error)
		b = appendMaybe(b, c.Cause)
	}
	if format == uneditedUndo {
		return b
	}
	return binary.AppendUvarint(b, uint64(u.Edition))
}

// decodeUndo reads what appendUndo wrote.
func decodeUndo(b []byte) (*Undo, error) {
	r := reader{b: b}
	format := r.begin("undo", undoFormat)
	u := &Undo{
		Kind: undoKind(r.upTo(uint8(undoSaga))), Outcome: Outcome(r.upTo(uint8(StepUnknown))),
		Settled: Settled(r.upTo(uint8(NotOwed))), Status: SagaStatus(r.upTo(uint8(SagaAbandoned))),
		Number: r.uint32(), Prev: r.uint32(), Saga: r.uint32(), Attempts: r.uint32(), Tries: r.uint32(), EnteredEvent: int64(r.number()),
		Input: Ref(r.uint32()), Request: Ref(r.uint32()), Result: Ref(r.uint32()), AtOnce: r.number(), Lock: Ref(r.uint32()),
		Started: r.int64(), Ended: r.int64(),
		State: r.text(), Error: r.maybe(), Cause: r.maybe(), Asked: r.flag(), Committed: r.flag(), Variables: r.bindings(),
	}
	for range r.length() {
		u.Heads = append(u.Heads, r.uint32())
	}
	for range r.length() {
		u.Calls = append(u.Calls, bodyCall{
			Operation: Operation(r.upTo(uint8(Ask))), Alternative: r.number(), Edition: r.uint32(), Resource: r.text(), Started: r.int64(), Ended: r.int64(), Attempts: r.uint32(),
			Unknown: r.flag(), Request: Ref(r.uint32()), Result: Ref(r.uint32()), Error: r.maybe(), Cause: r.maybe(),
		})
	}
	if format > uneditedUndo {
		u.Edition = r.uint32()
	}
	return u, r.end()
}

// appendSaga adds what a frame has of a saga.
func (f *Frame) appendSaga(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(f.Undo))
	b = append(b, byte(f.Outcome))
	b = binary.AppendUvarint(b, uint64(f.Endless))
	b = binary.AppendUvarint(b, uint64(f.Edition))
	b = binary.AppendUvarint(b, uint64(f.Asked))
	b = binary.AppendUvarint(b, uint64(f.Locked))
	b = appendFlag(b, f.Claim != nil)
	if c := f.Claim; c != nil {
		b = append(b, c.Execution[:]...)
		for _, n := range [...]uint64{uint64(c.Job), uint64(c.Saga), uint64(c.Entry)} {
			b = binary.AppendUvarint(b, n)
		}
		b = appendFlag(b, c.Granted)
	}
	b = appendFlag(b, f.Scope != nil)
	if f.Scope != nil {
		b = f.Scope.append(b)
	}
	b = appendFlag(b, f.Recovery != nil)
	if r := f.Recovery; r != nil {
		b = append(b, byte(r.Then))
		for _, n := range [...]uint64{uint64(r.Index), uint64(r.Floor), uint64(r.Begun), uint64(r.Active)} {
			b = binary.AppendUvarint(b, n)
		}
		b = appendFlag(b, r.Failed)
		b = appendFlag(b, r.Fenced)
		b = r.Fault.append(b)
	}
	b = appendFlag(b, f.Body != nil)
	if f.Body != nil {
		b = f.Body.append(b)
	}
	b = appendFlag(b, f.Hold != nil)
	if h := f.Hold; h != nil {
		b = binary.AppendUvarint(b, uint64(h.Number))
		b = append(b, byte(h.Operation))
		b = binary.AppendUvarint(b, uint64(h.Row))
		b = binary.AppendVarint(b, h.Since)
		b = h.Fault.append(b)
	}
	return b
}

// saga reads what appendSaga wrote.
func (r *reader) saga(f *Frame) {
	f.Undo = r.uint32()
	f.Outcome = Outcome(r.upTo(uint8(StepUnknown)))
	f.Endless, f.Edition, f.Asked = r.uint32(), r.uint32(), Ref(r.uint32())
	f.Locked = Ref(r.uint32())
	if r.flag() {
		f.Claim = &Claim{}
		copy(f.Claim.Execution[:], r.bytes(len(ID{})))
		f.Claim.Job, f.Claim.Saga, f.Claim.Entry, f.Claim.Granted = JobID(r.uint32()), r.uint32(), r.uint32(), r.flag()
	}
	if r.flag() {
		f.Scope = r.scope()
	}
	if r.flag() {
		f.Recovery = &recovery{Then: next(r.upTo(uint8(returned))), Index: r.number(), Floor: r.uint32(), Begun: r.number(),
			Active: r.number(), Failed: r.flag(), Fenced: r.flag(), Fault: r.fault()}
	}
	if r.flag() {
		f.Body = r.body()
	}
	if r.flag() {
		f.Hold = &hold{Number: r.uint32(), Operation: Operation(r.upTo(uint8(Ask))), Row: r.uint32(), Since: r.int64(), Fault: r.fault()}
	}
}

func (s *sagaScope) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(s.Saga))
	b = binary.AppendUvarint(b, uint64(s.Floor))
	b = binary.AppendUvarint(b, uint64(s.Locks))
	for _, is := range [...]bool{s.Outermost, s.Committed, s.Aborting, s.Failed, s.Ended} {
		b = appendFlag(b, is)
	}
	b = binary.AppendUvarint(b, uint64(s.Output))
	b = appendBindings(b, s.Assigned)
	b = binary.AppendUvarint(b, uint64(s.Confirms))
	b = binary.AppendUvarint(b, uint64(s.Next))
	b = appendFlag(b, s.Save != nil)
	if v := s.Save; v != nil {
		b = appendText(b, v.State)
		b = binary.AppendUvarint(b, uint64(v.Input))
		b = appendBindings(b, v.Variables)
		b = binary.AppendUvarint(b, uint64(v.Undo))
		b = binary.AppendUvarint(b, uint64(v.Tries))
		b = appendFlag(b, v.returning)
	}
	return b
}

func (r *reader) scope() *sagaScope {
	s := &sagaScope{Saga: r.uint32(), Floor: r.uint32(), Locks: r.uint32(), Outermost: r.flag(), Committed: r.flag(), Aborting: r.flag(), Failed: r.flag(),
		Ended: r.flag(), Output: Ref(r.uint32()), Assigned: r.bindings(), Confirms: Ref(r.uint32()), Next: r.number()}
	if r.flag() {
		s.Save = &savePoint{State: r.text(), Input: Ref(r.uint32()), Variables: r.bindings(), Undo: r.uint32(), Tries: r.uint32(),
			returning: r.flag()}
	}
	return s
}

func (c *body) append(b []byte) []byte {
	b = append(b, byte(c.Operation))
	for _, n := range [...]uint64{uint64(c.Row), uint64(c.Alternative), uint64(c.Edition), uint64(c.Plan.request), uint64(c.Plan.timeout),
		uint64(c.Plan.heartbeat), uint64(c.Prev), uint64(c.Sends), uint64(c.Submissions), uint64(c.Endless), uint64(c.Asked)} {
		b = binary.AppendUvarint(b, n)
	}
	b = binary.AppendVarint(b, c.Started)
	b = appendText(b, c.Resource)
	b = appendText(b, c.Plan.role)
	b = appendFlag(b, c.Unknown)
	b = appendRetries(b, c.Retries)
	b = appendFlag(b, c.Fault != nil)
	if c.Fault != nil {
		b = c.Fault.append(b)
	}
	return b
}

func (r *reader) body() *body {
	c := &body{Operation: Operation(r.upTo(uint8(Ask))), Row: r.uint32(), Alternative: r.number()}
	c.Edition = r.uint32()
	c.Plan.request, c.Plan.timeout, c.Plan.heartbeat = Ref(r.uint32()), int64(r.number()), int64(r.number())
	c.Prev, c.Sends, c.Submissions, c.Endless, c.Asked = int64(r.number()), r.uint32(), r.uint32(), r.uint32(), Ref(r.uint32())
	c.Started = r.int64()
	c.Resource, c.Plan.role = r.text(), r.text()
	c.Unknown = r.flag()
	c.Retries = r.retries()
	if r.flag() {
		fl := r.fault()
		c.Fault = &fl
	}
	return c
}

// append adds what is kept of a fault.
func (fl *fault) append(b []byte) []byte {
	b = appendMaybe(b, fl.Error)
	b = appendMaybe(b, fl.Cause)
	b = binary.AppendUvarint(b, uint64(fl.event))
	for _, is := range fl.flags() {
		b = appendFlag(b, *is)
	}
	return b
}

func (r *reader) fault() (fl fault) {
	fl.Error, fl.Cause, fl.event = r.maybe(), r.maybe(), int64(r.number())
	for _, is := range fl.flags() {
		*is = r.flag()
	}
	return fl
}

// flags are what a fault is beside its failure, in the order of the record.
func (fl *fault) flags() []*bool {
	return []*bool{&fl.fatal, &fl.timeout, &fl.heartbeat, &fl.within, &fl.evaluated, &fl.declared, &fl.undone}
}

func appendRetries(b []byte, all []uint32) []byte {
	b = binary.AppendUvarint(b, uint64(len(all)))
	for _, used := range all {
		b = binary.AppendUvarint(b, uint64(used))
	}
	return b
}

func (r *reader) retries() (all []uint32) {
	for range r.length() {
		all = append(all, r.uint32())
	}
	return all
}
