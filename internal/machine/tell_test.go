package machine

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tell writes what a command brought about: events, jobs, frames, the end.
func (s *script) tell(events []Event) string {
	var b strings.Builder
	for i := range events {
		b.WriteString(s.eventLine(&events[i]))
	}
	for _, id := range slices.Sorted(maps.Keys(s.x.Jobs)) {
		b.WriteString(s.jobLine(s.x.Jobs[id]))
	}
	for _, id := range slices.Sorted(maps.Keys(s.x.Frames)) {
		b.WriteString(s.frameLine(s.x.Frames[id]))
	}
	for _, a := range s.x.Head.Search {
		fmt.Fprintf(&b, "found by %s = %q\n", a.Name, a.Value)
	}
	if u := s.x.Head.Run; u != nil {
		b.WriteString(runLine(u))
	}
	s.counts()
	if h := &s.x.Head; h.Status.Ended() {
		b.WriteString(h.Status.String())
		if h.Output != 0 {
			b.WriteString(" " + short(s.texts[h.Output].String()))
		}
		b.WriteString(optional(" error ", h.Error) + optional(" cause ", h.Cause) + "\n")
	}
	return b.String()
}

func (s *script) eventLine(e *Event) string {
	out := fmt.Sprintf("%d <-%d %s", e.ID, e.Prev, e.Type)
	for _, part := range []struct{ name, text string }{
		{"", e.State}, {"resource ", e.Resource}, {"of ", e.ResourceType}, {"worker ", e.Worker}, {"location ", e.Location},
	} {
		if part.text != "" {
			out += " " + part.name + part.text
		}
	}
	switch e.Type {
	case MapStateStarted:
		out += fmt.Sprint(" length ", e.Length)
	case ExecutionRedriven:
		out += fmt.Sprint(" count ", e.Index)
	case MapIterationStarted, MapIterationSucceeded, MapIterationFailed, MapIterationAborted:
		out += fmt.Sprint(" index ", e.Index)
	case TaskScheduled, LambdaFunctionScheduled:
		if e.RoleARN != "" {
			out += " role " + e.RoleARN
		}
	}
	if e.Timeout != 0 {
		out += fmt.Sprint(" timeout ", e.Timeout)
	}
	if e.Heartbeat != 0 {
		out += fmt.Sprint(" heartbeat ", e.Heartbeat)
	}
	if e.In != 0 {
		out += " in " + s.ref(e.In)
	}
	if e.Out != 0 {
		out += " out " + s.ref(e.Out)
	}
	for _, b := range e.Assigned {
		out += " $" + b.Name + "=" + s.ref(b.Value)
	}
	if t := e.Saga; t != nil {
		if t.Saga != 0 {
			out += fmt.Sprintf(" saga %d", t.Ordinal())
		}
		if t.Hold != 0 {
			out += fmt.Sprintf(" hold %d", t.Hold)
		}
		out += " " + t.Word
		if t.Reason != "" {
			out += " because " + t.Reason
		}
	}
	return out + optional(" error ", e.Error) + optional(" cause ", e.Cause) + "\n"
}

var jobNames = map[JobKind]string{Call: "Call", Activity: "Activity", Child: "Child", Timer: "Timer", Tell: "Tell", Resume: "Resume",
	StartRun: "StartRun", StartItem: "StartItem", Halt: "Halt", ReadItems: "ReadItems", WriteResults: "WriteResults", Unwind: "Unwind",
	TakeLock: "TakeLock", FreeLock: "FreeLock", GrantLock: "GrantLock"}

func (s *script) jobLine(j *Job) string {
	out := fmt.Sprintf("job %d %s", j.ID, jobNames[j.Kind])
	if j.State != "" {
		out += fmt.Sprintf(" %s entry %d%s", j.State, j.Entry, keyOf(j.Operation, j.Alternative, j.Edition))
	}
	if j.Landing {
		out += " landing"
	}
	switch {
	case j.Kind == StartItem && j.Send > 1:
		out += fmt.Sprintf(" attempt %d items %d", j.Attempt, j.Send)
	case j.Kind == StartItem:
		out += fmt.Sprintf(" attempt %d send 0", j.Attempt)
	case j.Attempt != 0:
		out += fmt.Sprintf(" attempt %d send %d", j.Attempt, j.Send)
	}
	if j.Request != 0 {
		out += " request #" + fmt.Sprint(j.Request)
	}
	if j.RoleARN != "" {
		out += " role " + j.RoleARN
	}
	if at := s.after(j.Deadline); at != "never" && j.Deadline != 0 {
		out += " deadline " + at
	}
	if j.Heartbeat != 0 {
		out += " heartbeat " + (time.Duration(j.Heartbeat) * time.Millisecond).String()
	}
	out += " due " + s.after(j.Due)
	if j.Submitted {
		out += " submitted"
	}
	if j.Taken {
		out += " taken"
	}
	if j.Answer != 0 {
		out += fmt.Sprint(" answer #", j.Answer)
	}
	if j.Earlier != 0 {
		out += fmt.Sprint(" earlier ", j.Earlier)
	}
	return out + "\n"
}

// after is a time by the distance from the start. The last that an execution
// lives to see is never.
func (s *script) after(ms int64) string {
	if ms == never || ms == scriptStart+longestLife {
		return "never"
	}
	return (time.Duration(ms-scriptStart) * time.Millisecond).String()
}

var phaseNames = map[phase]string{Entering: "entering", Working: "working", Retrying: "retrying", Joining: "joining", Ended: "ended"}

func (s *script) frameLine(f *Frame) string {
	kind := [...]string{Root: "root", Branch: "branch", Item: "item", Scoped: "scope", Aside: "aside"}[f.Kind]
	out := fmt.Sprintf("%s %d", kind, f.ID)
	if f.Kind != Root {
		out += fmt.Sprintf(" of %d index %d", f.Parent, f.Index)
	}
	out += " " + phaseNames[f.Phase]
	if f.Phase == Ended {
		if len(f.Lost) > 0 {
			out = fmt.Sprintf("lost children, frame %d", f.ID-firstLost)
		}
		for _, l := range f.Lost {
			out += fmt.Sprintf("\n  child %d %s attempt %d items %d asked %s", l.Entry, statusNames[l.As], l.Attempt, l.Items, s.ref(l.Request))
		}
		if f.Result != 0 {
			out += " result " + s.ref(f.Result)
		}
		return out + s.sagaOf(f) + "\n"
	}
	out += fmt.Sprintf(" %s entry %d", f.State, f.Entry)
	if len(f.Retries) > 0 {
		out += fmt.Sprint(" retries ", f.Retries)
	}
	if f.Tried > 0 {
		out += fmt.Sprint(" tried ", f.Tried)
	}
	if f.Sends > 1 {
		out += fmt.Sprint(" sends ", f.Sends)
	}
	if f.Unknown {
		out += " unknown"
	}
	if j := f.Join; j != nil {
		out += fmt.Sprintf(" join %d/%d/%d first %d", j.Done, j.Begun, j.Count, j.First)
	}
	for _, b := range f.Variables {
		out += " $" + b.Name + "=" + s.ref(b.Value)
	}
	return out + s.sagaOf(f) + "\n"
}

// sagaOf tells what a frame has of a saga.
func (s *script) sagaOf(f *Frame) (out string) {
	if f.Undo != 0 {
		out += fmt.Sprint(" owes ", f.Undo)
	}
	if f.Outcome != 0 {
		out += " " + f.Outcome.String()
	}
	if f.Endless > 0 {
		out += fmt.Sprint(" endless ", f.Endless)
	}
	if f.Locked != 0 {
		out += " locks " + s.ref(f.Locked)
	}
	if sc := f.Scope; sc != nil {
		out += fmt.Sprintf(" saga %d", sc.Saga-firstSaga+1)
		for _, is := range []struct {
			flag bool
			word string
		}{{sc.Committed, "committed"}, {sc.Aborting, "aborting"}, {sc.Failed, "failed"}, {sc.Save != nil, "saved"}, {sc.Ended, "over"}} {
			if is.flag {
				out += " " + is.word
			}
		}
	}
	if r := f.Recovery; r != nil {
		out += " undone for " + nextNames[r.Then]
		if r.Failed {
			out += " badly"
		}
		if r.Active > 0 {
			out += fmt.Sprint(" beneath ", r.Active)
		}
	}
	if b := f.Body; b != nil {
		out += fmt.Sprintf(" calls %d%s", b.Row, keyOf(b.Operation, b.Alternative, b.Edition))
		if b.Unknown {
			out += " unknown"
		}
		if b.Endless > 0 {
			out += fmt.Sprint(" endless ", b.Endless)
		}
	}
	if h := f.Hold; h != nil {
		out += fmt.Sprintf(" ON HOLD %d %s", h.Number, h.Operation) + optional(" ", h.Fault.Error)
	}
	return out
}

var nextNames = map[next]string{report: "its parent", again: "a retry", caught: "a catcher", outward: "what is around", aborted: "its scope",
	toSavePoint: "its save point", stopped: "a stop", returned: "afterwards"}

// sagaLog tells the rows of the saga log.
func (s *script) sagaLog() string {
	var b strings.Builder
	for _, u := range s.log() {
		switch u.Kind {
		case undoSaga:
			fmt.Fprintf(&b, "saga %d %s %s", u.Number-firstSaga+1, u.Status, u.State)
		case undoGroup:
			fmt.Fprintf(&b, "%d group %s of %v", u.Number, u.State, u.Heads)
		default:
			fmt.Fprintf(&b, "%d %s %s attempts %d", u.Number, u.State, u.Outcome, u.Attempts)
			if u.Edition != 0 {
				fmt.Fprintf(&b, " as %s", u.Key(s.x.Start.ID))
			}
			if u.Lock != 0 {
				fmt.Fprintf(&b, " locks %s", s.ref(u.Lock))
			}
			if u.Settled != 0 {
				fmt.Fprintf(&b, " %s", u.Settled)
			}
			if u.Result != 0 {
				fmt.Fprintf(&b, " result %s", s.ref(u.Result))
			}
			for _, v := range u.Variables {
				fmt.Fprintf(&b, " $%s=%s", v.Name, s.ref(v.Value))
			}
		}
		if u.Prev != 0 {
			fmt.Fprintf(&b, " after %d", u.Prev)
		}
		b.WriteString(optional(" error ", u.Error) + optional(" cause ", u.Cause) + "\n")
		for _, c := range u.Calls {
			fmt.Fprintf(&b, "  %s attempts %d%s%s\n", c.Key(), c.Attempts, optional(" error ", c.Error), optional(" cause ", c.Cause))
		}
	}
	if s.x.Head.Sagas > 1 {
		fmt.Fprintf(&b, "together %s\n", s.x.Head.SagaStatus())
	}
	return b.String()
}

// counts holds what the head counts of sagas against the frames and the log.
func (s *script) counts() {
	h := &s.x.Head
	open, aborting, holds := uint32(0), uint32(0), uint32(0)
	for _, f := range s.x.Frames {
		if f.Scope != nil && f.Scope.Outermost && !f.Scope.Ended {
			open++
			if f.Scope.Aborting {
				aborting++
			}
		}
		if f.Hold != nil {
			holds++
		}
	}
	var ended [4]uint32
	anew := firstSaga
	if s.p.Saga != nil { // of a whole execution the last one stands for those before
		anew += h.Sagas - 1
	}
	for _, u := range s.log() {
		if u.IsSaga() && u.Status.Ended() && u.Number >= anew {
			ended[u.Status-SagaAborted]++
		}
	}
	if open != h.OpenSagas || aborting != h.Aborting || holds != h.OpenHolds || ended != h.EndedSagas {
		s.t.Errorf("the head counts %d sagas, %d aborting, %d holds, ended %v; there are %d, %d, %d, %v",
			h.OpenSagas, h.Aborting, h.OpenHolds, h.EndedSagas, open, aborting, holds, ended)
	}
}

// resolution reads what a person decides.
func (s *script) resolution(target, rest string) *Resolution {
	r := &Resolution{Operator: "alice", Reason: "it is so"}
	word, what, _ := strings.Cut(rest, " ")
	if saga, ok := strings.CutPrefix(target, "s"); ok {
		n, _ := strconv.Atoi(saga)
		r.Saga, r.Verb = firstSaga+uint32(n)-1, Abandon
		return r
	}
	n, _ := strconv.Atoi(target)
	r.Hold = uint32(n)
	r.Verb = Verb(slices.Index(verbNames[:], word))
	if outcome, result, _ := strings.Cut(what, " "); outcome == "SUCCEEDED" || outcome == "FAILED" {
		r.Outcome, what = StepSucceeded, result
		if outcome == "FAILED" {
			r.Outcome = StepFailed
		}
	}
	switch {
	case r.Verb == Alternate:
		r.Resource = what
	case what != "":
		r.Output = s.text(what)
	}
	return r
}

func (s *script) ref(r Ref) string { return fmt.Sprintf("#%d %s", r, short(s.texts[r].String())) }

func short(text string) string {
	if len(text) > 700 {
		return fmt.Sprintf("%s…(%d bytes)", text[:20], len(text))
	}
	return text
}

func optional(name string, s *string) string {
	if s == nil {
		return ""
	}
	return name + short(*s)
}
