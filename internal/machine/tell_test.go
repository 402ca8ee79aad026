package machine

import (
	"fmt"
	"maps"
	"slices"
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
	return out + optional(" error ", e.Error) + optional(" cause ", e.Cause) + "\n"
}

var jobNames = map[JobKind]string{Call: "Call", Activity: "Activity", Child: "Child", Timer: "Timer", Tell: "Tell", Resume: "Resume",
	StartRun: "StartRun", StartItem: "StartItem", Halt: "Halt", ReadItems: "ReadItems", WriteResults: "WriteResults"}

func (s *script) jobLine(j *Job) string {
	out := fmt.Sprintf("job %d %s", j.ID, jobNames[j.Kind])
	if j.State != "" {
		out += fmt.Sprintf(" %s entry %d", j.State, j.Entry)
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
	kind := [...]string{Root: "root", Branch: "branch", Item: "item"}[f.Kind]
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
		return out + "\n"
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
	return out + "\n"
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
