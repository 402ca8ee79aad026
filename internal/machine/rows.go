package machine

import "encoding/binary"

// appendStart adds the start as a record to b.
func appendStart(b []byte, s *Start) []byte {
	format := byte(startFormat)
	switch {
	case s.Lock:
	case s.TestCase != "":
		format = unlockedStart
	case s.Map != nil:
		format = untestedMap
	default:
		format = withoutMap
	}
	b = append(b, format)
	b = append(b, s.ID[:]...)
	b = append(b, s.Definition[:]...)
	for _, text := range []string{s.Account, s.Region, s.Machine, s.Name, s.Version, s.Alias, s.RoleARN, s.Trace} {
		b = appendText(b, text)
	}
	b = appendFlag(b, s.Express)
	b = binary.AppendVarint(b, s.At)
	b = binary.AppendUvarint(b, uint64(s.Depth))
	b = appendFlag(b, s.Parent != nil)
	if s.Parent != nil {
		b = append(b, s.Parent.ID[:]...)
		b = binary.AppendUvarint(b, uint64(s.Parent.Job))
	}
	if format > untestedMap {
		b = appendText(b, s.TestCase)
		b = appendFlag(b, s.Map != nil)
	}
	if format > unlockedStart {
		b = appendFlag(b, s.Lock)
	}
	if s.Map != nil {
		b = s.Map.append(b)
	}
	return b
}

// decodeStart reads what appendStart wrote. The error, as of all that
// decodes, says that the record is damaged, or of a newer version and which.
func decodeStart(b []byte) (Start, error) {
	r := reader{b: b}
	format := r.begin("start", startFormat)
	var s Start
	copy(s.ID[:], r.bytes(len(s.ID)))
	copy(s.Definition[:], r.bytes(len(s.Definition)))
	for _, text := range []*string{&s.Account, &s.Region, &s.Machine, &s.Name, &s.Version, &s.Alias, &s.RoleARN, &s.Trace} {
		*text = r.text()
	}
	s.Express = r.flag()
	s.At = r.int64()
	s.Depth = r.number()
	if r.flag() {
		s.Parent = &Parent{}
		copy(s.Parent.ID[:], r.bytes(len(s.Parent.ID)))
		s.Parent.Job = JobID(r.uint32())
	}
	if format > untestedMap {
		s.TestCase = r.text()
	}
	mapped := format == untestedMap || format > untestedMap && r.flag()
	if format > unlockedStart {
		s.Lock = r.flag()
	}
	if mapped {
		s.Map = r.mapStart()
	}
	return s, r.end()
}

// appendHead adds the head as a record to b.
func appendHead(b []byte, h *Head) []byte {
	format := byte(headFormat)
	switch {
	case len(h.Search) > 0 || h.Definition != [32]byte{}:
	case h.Sagas > 0 || h.Spent:
		format = unfoundHead
	case h.Run == nil && h.ParentJob == 0 && h.Invocations == nil:
		format = plainHead
	default:
		format = sagalessHead
	}
	b = append(b, format, byte(h.Status))
	b = binary.AppendVarint(b, h.Now)
	b = binary.AppendVarint(b, h.Stop)
	for _, n := range [...]uint64{uint64(h.LastEvent), uint64(h.Entries), uint64(h.LastPayload), uint64(h.LastFrame),
		uint64(h.LastJob), uint64(h.Input), uint64(h.Output), uint64(h.Timeout), uint64(h.Redrives), uint64(h.Variables)} {
		b = binary.AppendUvarint(b, n)
	}
	b = appendMaybe(b, h.Error)
	b = appendMaybe(b, h.Cause)
	b = appendFlag(b, h.Kept)
	b = binary.AppendVarint(b, h.Redriven)
	b = binary.AppendUvarint(b, uint64(len(h.Tokens)))
	for _, token := range h.Tokens {
		b = appendText(b, token.Text)
		b = binary.AppendVarint(b, token.At)
	}
	b = appendFlag(b, h.Run != nil)
	if h.Run != nil {
		b = h.Run.append(b)
	}
	if format > plainHead {
		b = binary.AppendUvarint(b, uint64(h.ParentJob))
		b = binary.AppendUvarint(b, uint64(len(h.Invocations)))
		for _, of := range h.Invocations {
			b = appendText(b, of.State)
			b = binary.AppendUvarint(b, uint64(of.Count))
		}
	}
	if format > sagalessHead {
		for _, n := range [...]uint32{h.Sagas, h.OpenSagas, h.Aborting, h.EndedSagas[0], h.EndedSagas[1], h.EndedSagas[2], h.EndedSagas[3],
			h.Holds, h.OpenHolds} {
			b = binary.AppendUvarint(b, uint64(n))
		}
		b = appendFlag(b, h.Pivoted)
		b = appendFlag(b, h.Spent)
		b = appendFlag(b, h.Undone)
		b = binary.AppendUvarint(b, uint64(len(h.Late)))
		for _, e := range h.Late {
			b = binary.AppendUvarint(b, uint64(e.Job))
			b = appendText(b, e.State)
			b = binary.AppendUvarint(b, uint64(e.Event))
		}
	}
	if format > unfoundHead {
		b = appendAttributes(b, h.Search)
		b = appendFlag(b, h.Definition != [32]byte{})
		if h.Definition != [32]byte{} {
			b = append(b, h.Definition[:]...)
		}
	}
	return b
}

// decodeHead reads what appendHead wrote.
func decodeHead(b []byte) (Head, error) {
	r := reader{b: b}
	format := r.begin("head", headFormat)
	h := Head{
		Status:      Status(r.upTo(uint8(Aborted))),
		Now:         r.int64(),
		Stop:        r.int64(),
		LastEvent:   int64(r.number()),
		Entries:     r.uint32(),
		LastPayload: Ref(r.uint32()),
		LastFrame:   FrameID(r.uint32()),
		LastJob:     JobID(r.uint32()),
		Input:       Ref(r.uint32()),
		Output:      Ref(r.uint32()),
		Timeout:     JobID(r.uint32()),
		Redrives:    r.number(),
		Variables:   r.number(),
		Error:       r.maybe(),
		Cause:       r.maybe(),
	}
	if format == 1 { // it kept no frames, and knew neither redrives nor map runs
		return h, r.end()
	}
	h.Kept = r.flag()
	h.Redriven = r.int64()
	for range r.length() {
		h.Tokens = append(h.Tokens, redriveToken{r.text(), r.int64()})
	}
	if r.flag() {
		h.Run = r.run(format)
	}
	if format > plainHead {
		h.ParentJob = JobID(r.uint32())
		for range r.length() {
			h.Invocations = append(h.Invocations, invocations{r.text(), r.uint32()})
		}
	}
	if format > sagalessHead {
		for _, n := range [...]*uint32{&h.Sagas, &h.OpenSagas, &h.Aborting, &h.EndedSagas[0], &h.EndedSagas[1], &h.EndedSagas[2],
			&h.EndedSagas[3], &h.Holds, &h.OpenHolds} {
			*n = r.uint32()
		}
		h.Pivoted, h.Spent, h.Undone = r.flag(), r.flag(), r.flag()
		for range r.length() {
			h.Late = append(h.Late, expected{JobID(r.uint32()), r.text(), int64(r.number())})
		}
	}
	if format > unfoundHead {
		h.Search = r.attributes()
		if r.flag() {
			copy(h.Definition[:], r.bytes(len(h.Definition)))
		}
	}
	return h, r.end()
}

// appendFrame adds the frame as a record to b.
func appendFrame(b []byte, f *Frame) []byte {
	var from Ref
	if f.Join != nil {
		from = f.Join.From
	}
	format := byte(frameFormat)
	switch {
	case f.Undo != 0 || f.Outcome != 0 || f.Endless > 0 || f.Edition > 0 || f.Asked > 0 || f.Kind > Item || f.Locked > 0 || f.Claim != nil ||
		f.Scope != nil || f.Recovery != nil || f.Body != nil || f.Hold != nil:
	case from == 0 && f.Submissions == 0 && len(f.Lost) == 0:
		format = plainFrame
	default:
		format = sagalessFrame
	}
	b = append(b, format)
	for _, n := range [...]uint64{uint64(f.ID), uint64(f.Parent), uint64(f.Kind), uint64(f.Index), uint64(f.Phase),
		uint64(f.Input), uint64(f.Entry), uint64(f.EnteredEvent), uint64(f.Prev), uint64(f.Sends), uint64(f.Job), uint64(f.Result)} {
		b = binary.AppendUvarint(b, n)
	}
	b = binary.AppendVarint(b, f.Entered)
	b = appendText(b, f.State)
	b = appendBindings(b, f.Variables)
	b = appendRetries(b, f.Retries)
	b = binary.AppendUvarint(b, uint64(f.Tried))
	b = appendFlag(b, f.Unknown)
	b = appendFlag(b, f.Join != nil)
	if j := f.Join; j != nil {
		for _, n := range [...]uint64{uint64(j.Count), uint64(j.Begun), uint64(j.Done), uint64(j.AtOnce), uint64(j.First), uint64(j.Items)} {
			b = binary.AppendUvarint(b, n)
		}
	}
	if format > plainFrame {
		b = binary.AppendUvarint(b, uint64(f.Submissions))
		b = binary.AppendUvarint(b, uint64(from))
		b = appendLost(b, f.Lost)
	}
	if format > sagalessFrame {
		b = f.appendSaga(b)
	}
	return b
}

// decodeFrame reads what appendFrame wrote.
func decodeFrame(b []byte) (*Frame, error) {
	r := reader{b: b}
	format := r.begin("frame", frameFormat)
	f := &Frame{
		ID:           FrameID(r.uint32()),
		Parent:       FrameID(r.uint32()),
		Kind:         frameKind(r.upTo(uint8(Aside))),
		Index:        r.number(),
		Phase:        phase(r.upTo(uint8(Ended))),
		Input:        Ref(r.uint32()),
		Entry:        r.uint32(),
		EnteredEvent: int64(r.number()),
		effort:       effort{Prev: int64(r.number()), Sends: r.uint32()},
		Job:          JobID(r.uint32()),
		Result:       Ref(r.uint32()),
		Entered:      r.int64(),
		State:        r.text(),
		Variables:    r.bindings(),
	}
	f.Retries = r.retries()
	if format > 1 {
		f.Tried = r.uint32()
	}
	f.Unknown = r.flag()
	if r.flag() {
		f.Join = &join{Count: r.number(), Begun: r.number(), Done: r.number(), AtOnce: r.number(),
			First: FrameID(r.uint32()), Items: Ref(r.uint32())}
	}
	if format > plainFrame {
		f.Submissions = r.uint32()
		if from := Ref(r.uint32()); f.Join != nil {
			f.Join.From = from
		}
		f.Lost = r.lost()
	}
	if format > sagalessFrame {
		r.saga(f)
	}
	return f, r.end()
}

// appendJob adds the job as a record to b.
func appendJob(b []byte, j *Job) []byte {
	format := byte(jobFormat)
	switch {
	case j.Operation != Forward || j.Edition > 0 || j.Landing || j.Kind > WriteResults:
	case j.Answer == 0 && j.Earlier == 0 && j.Invocation == 0:
		format = plainJob
	default:
		format = sagalessJob
	}
	b = append(b, format)
	for _, n := range [...]uint64{uint64(j.ID), uint64(j.Kind), uint64(j.Frame), uint64(j.Entry), uint64(j.Attempt),
		uint64(j.Send), uint64(j.Request)} {
		b = binary.AppendUvarint(b, n)
	}
	for _, n := range [...]int64{j.Made, j.Deadline, j.Heartbeat, j.Due} {
		b = binary.AppendVarint(b, n)
	}
	b = appendText(b, j.State)
	b = appendText(b, j.RoleARN)
	b = appendFlag(b, j.Submitted)
	b = appendFlag(b, j.Taken)
	if format > plainJob {
		b = binary.AppendUvarint(b, uint64(j.Answer))
		b = binary.AppendUvarint(b, uint64(j.Earlier))
		b = binary.AppendUvarint(b, uint64(j.Invocation))
	}
	if format > sagalessJob {
		b = append(b, byte(j.Operation))
		b = binary.AppendUvarint(b, uint64(j.Alternative))
		b = binary.AppendUvarint(b, uint64(j.Edition))
		b = appendText(b, j.Resource)
		b = appendFlag(b, j.Landing)
	}
	return b
}

// decodeJob reads what appendJob wrote.
func decodeJob(b []byte) (*Job, error) {
	r := reader{b: b}
	format := r.begin("job", jobFormat)
	j := &Job{
		ID:        JobID(r.uint32()),
		Kind:      JobKind(r.upTo(uint8(GrantLock))),
		Frame:     FrameID(r.uint32()),
		Entry:     r.uint32(),
		Attempt:   r.uint32(),
		Send:      r.uint32(),
		Request:   Ref(r.uint32()),
		Made:      r.int64(),
		Deadline:  r.int64(),
		Heartbeat: r.int64(),
		Due:       r.int64(),
		State:     r.text(),
		RoleARN:   r.text(),
		Submitted: r.flag(),
		Taken:     r.flag(),
	}
	if format > plainJob {
		j.Answer, j.Earlier, j.Invocation = Ref(r.uint32()), r.uint32(), r.uint32()
	}
	if format > sagalessJob {
		j.Operation, j.Alternative, j.Edition = Operation(r.upTo(uint8(Ask))), r.number(), r.uint32()
		j.Resource, j.Landing = r.text(), r.flag()
	}
	return j, r.end()
}
