package machine

import "encoding/binary"

// AppendStart adds the start as a record to b.
func AppendStart(b []byte, s *Start) []byte {
	if s.Map == nil {
		b = append(b, withoutMap)
	} else {
		b = append(b, startFormat)
	}
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
	if s.Map != nil {
		b = s.Map.append(b)
	}
	return b
}

// DecodeStart reads what AppendStart wrote. The error is [ErrRecord] or a
// *[FormatError], as it is of all that decodes.
func DecodeStart(b []byte) (Start, error) {
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
	if format > withoutMap {
		s.Map = r.mapStart()
	}
	return s, r.end()
}

// AppendHead adds the head as a record to b.
func AppendHead(b []byte, h *Head) []byte {
	b = append(b, headFormat, byte(h.Status))
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
	return b
}

// DecodeHead reads what AppendHead wrote.
func DecodeHead(b []byte) (Head, error) {
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
		h.Run = r.run()
	}
	return h, r.end()
}

// AppendFrame adds the frame as a record to b.
func AppendFrame(b []byte, f *Frame) []byte {
	var from Ref
	if f.Join != nil {
		from = f.Join.From
	}
	format := byte(frameFormat)
	switch {
	case f.Submissions > 0:
	case from != 0:
		format = withoutSubmissions
	default:
		format = withoutSources
	}
	b = append(b, format)
	for _, n := range [...]uint64{uint64(f.ID), uint64(f.Parent), uint64(f.Kind), uint64(f.Index), uint64(f.Phase),
		uint64(f.Input), uint64(f.Entry), uint64(f.EnteredEvent), uint64(f.Prev), uint64(f.Sends), uint64(f.Job), uint64(f.Result)} {
		b = binary.AppendUvarint(b, n)
	}
	b = binary.AppendVarint(b, f.Entered)
	b = appendText(b, f.State)
	b = appendBindings(b, f.Variables)
	b = binary.AppendUvarint(b, uint64(len(f.Retries)))
	for _, used := range f.Retries {
		b = binary.AppendUvarint(b, uint64(used))
	}
	b = binary.AppendUvarint(b, uint64(f.Tried))
	b = appendFlag(b, f.Unknown)
	b = appendFlag(b, f.Join != nil)
	if j := f.Join; j != nil {
		for _, n := range [...]uint64{uint64(j.Count), uint64(j.Begun), uint64(j.Done), uint64(j.AtOnce), uint64(j.First), uint64(j.Items)} {
			b = binary.AppendUvarint(b, n)
		}
	}
	if format > withoutSources && f.Join != nil {
		b = binary.AppendUvarint(b, uint64(from))
	}
	if format > withoutSubmissions {
		b = binary.AppendUvarint(b, uint64(f.Submissions))
	}
	return b
}

// DecodeFrame reads what AppendFrame wrote.
func DecodeFrame(b []byte) (*Frame, error) {
	r := reader{b: b}
	format := r.begin("frame", frameFormat)
	f := &Frame{
		ID:           FrameID(r.uint32()),
		Parent:       FrameID(r.uint32()),
		Kind:         frameKind(r.upTo(uint8(Item))),
		Index:        r.number(),
		Phase:        Phase(r.upTo(uint8(Ended))),
		Input:        Ref(r.uint32()),
		Entry:        r.uint32(),
		EnteredEvent: int64(r.number()),
		Prev:         int64(r.number()),
		Sends:        r.uint32(),
		Job:          JobID(r.uint32()),
		Result:       Ref(r.uint32()),
		Entered:      r.int64(),
		State:        r.text(),
		Variables:    r.bindings(),
	}
	for range r.length() {
		f.Retries = append(f.Retries, r.uint32())
	}
	if format > 1 {
		f.Tried = r.uint32()
	}
	f.Unknown = r.flag()
	if r.flag() {
		f.Join = &Join{Count: r.number(), Begun: r.number(), Done: r.number(), AtOnce: r.number(),
			First: FrameID(r.uint32()), Items: Ref(r.uint32())}
	}
	if format > withoutSources && f.Join != nil {
		f.Join.From = Ref(r.uint32())
	}
	if format > withoutSubmissions {
		f.Submissions = r.uint32()
	}
	return f, r.end()
}

// AppendJob adds the job as a record to b.
func AppendJob(b []byte, j *Job) []byte {
	format := byte(jobFormat)
	if j.Answer == 0 && j.Earlier == 0 {
		format = neverPolled
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
	if format > neverPolled {
		b = binary.AppendUvarint(b, uint64(j.Answer))
		b = binary.AppendUvarint(b, uint64(j.Earlier))
	}
	return b
}

// DecodeJob reads what AppendJob wrote.
func DecodeJob(b []byte) (*Job, error) {
	r := reader{b: b}
	format := r.begin("job", jobFormat)
	j := &Job{
		ID:        JobID(r.uint32()),
		Kind:      JobKind(r.upTo(uint8(WriteResults))),
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
	if format > neverPolled {
		j.Answer, j.Earlier = Ref(r.uint32()), r.uint32()
	}
	return j, r.end()
}
