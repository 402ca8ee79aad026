package machine

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/value"
)

// runStart has the script's machine start its map run, which the script goes on
// with. It gives the run's first message.
func (s *script) runStart(input value.Text) Message {
	parent := s.x
	parent.Apply(Step(s.env, s.p, parent, Message{Kind: Begin, Output: input}))
	for id, j := range parent.Jobs {
		if j.Kind != StartRun {
			continue
		}
		start, first := parent.MapRun(s.p, id)
		if back, err := DecodeStart(AppendStart(nil, start)); err != nil || fmt.Sprint(*back.Map) != fmt.Sprint(*start.Map) {
			s.t.Errorf("start %+v was read back as %+v, %v", start, back, err)
		}
		s.x = New(*start)
		return first
	}
	s.t.Fatalf("the machine starts no map run: %s", parent.Head.Status)
	return Message{}
}

// item is the job of the child of that number.
func (s *script) item(number string) *Job {
	for _, j := range s.x.Jobs {
		if j.Kind == StartItem && strconv.Itoa(int(j.Entry)) == number {
			return j
		}
	}
	s.t.Fatalf("no child %s is under way", number)
	return nil
}

// jobOf is the job of that kind.
func (s *script) jobOf(kind JobKind) JobID {
	for id, j := range s.x.Jobs {
		if j.Kind == kind {
			return id
		}
	}
	s.t.Fatal("no job of the kind ", jobNames[kind])
	return 0
}

// results are the files that are to be written.
func (s *script) results() string {
	files, _, _ := s.x.Results(s.jobOf(WriteResults))
	var b strings.Builder
	for _, f := range files {
		fmt.Fprintf(&b, "%s/%s\n%s\n", f.Bucket, f.Key, f.Body)
	}
	return b.String()
}

// endings are children, by their numbers, that have come to that.
func (s *script) endings(numbers, status, output string) (all []Ending) {
	for _, number := range strings.Split(numbers, ",") {
		start, input := s.x.Child(s.p, s.item(number).ID)
		n := Ending{Start: *start, Head: Head{Status: Status(slices.Index(statusNames[:], status)), Kept: true}, Input: input}
		n.NotRedrivable, n.byMapRun = n.Head.NotRedrivable(start, AWSLimits(), 0), n.Head.ByMapRun(start, AWSLimits(), 0)
		if n.Head.Status == Succeeded {
			n.Output = s.text(output)
		}
		all = append(all, n)
	}
	return all
}

// child tells what a child is started with.
func (s *script) child(number string) string {
	start, input := s.x.Child(s.p, s.item(number).ID)
	item := *start.Map.Item
	out := fmt.Sprintf("%s\ninput %s\nindex %d of %d items", start.ExecutionARN(), short(input.String()), item.Index, item.Count)
	return out + optional(" key ", item.Key) + " value " + short(item.Value.String()) + "\n"
}

func (s *script) limits(settings string) *Update {
	to := &Update{}
	for _, setting := range strings.Fields(settings) {
		name, n, _ := strings.Cut(setting, "=")
		if err := json.Unmarshal([]byte(`{"`+name+`":`+n+`}`), to); err != nil {
			s.t.Fatal(err)
		}
	}
	return to
}

// runLine is where a map run stands.
func runLine(u *Run) string {
	line := fmt.Sprintf("run read %d begun %d children %d items %v executions %v at once %d tolerates %d, %v%%",
		u.Read, u.Begun, u.Children, u.Items.line(), u.Executions.line(), u.MaxConcurrency, u.ToleratedCount, u.ToleratedPercentage)
	for _, more := range []struct {
		what string
		n    int
	}{{"lost", u.Lost}, {"again", u.Again}, {"until", u.Until}, {"replaced", u.Replaced}} {
		if more.n > 0 {
			line += fmt.Sprintf(" %s %d", more.what, more.n)
		}
	}
	return line + "\n"
}

// line tells what is counted, and of redrives where there is something to tell.
func (c *counts) line() string {
	line := fmt.Sprint([]int{c.Running, c.Succeeded, c.Failed, c.TimedOut, c.Aborted, c.Written})
	line = "{" + line[1:len(line)-1] + "}"
	if c.Pending+c.Permanent > 0 {
		line += fmt.Sprintf("+{%d %d}", c.Pending, c.Permanent)
	}
	return line
}

// A child sees the item that it is for.
func TestChildOfAMapRun(t *testing.T) {
	s := newScript(t, "run")
	s.compile(`{"StartAt": "Each", "States": {"Each": {"Type": "Map", "End": true,
		"ItemSelector": {"n.$": "$$.Map.Item.Value"},
		"ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": "See", "States": {
			"See": {"Type": "Pass", "End": true, "Parameters": {"in.$": "$", "item.$": "$$.Map.Item", "machine.$": "$$.StateMachine.Id"}}}}}}}`)
	s.command(`start {"a": 1, "b": [2]}`)
	start, input := s.x.Child(s.p, s.item("2").ID)
	child := New(*start)
	child.Apply(Step(s.env, s.p, child, Message{Kind: Begin, Output: input}))
	want := `{"in":{"n":[2]},"item":{"Index":1,"Key":"b","Value":[2]},"machine":"` + start.MachineARN() + `"}`
	if got := child.Payloads[child.Head.Output].String(); got != want {
		t.Errorf("the child came to %s, want %s", got, want)
	}
	if len(child.Jobs) != 1 {
		t.Errorf("an ended child has %d jobs, want one that tells the run", len(child.Jobs))
	}
}

// Every step of a map run costs the same, however many items there are.
func TestMapRunCostsWhatIsOpen(t *testing.T) {
	s := newScript(t, "run")
	s.compile(`{"StartAt": "Each", "States": {"Each": {"Type": "Map", "End": true, "MaxConcurrency": 3,
		"ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}, "StartAt": "See", "States": {
			"See": {"Type": "Pass", "End": true}}}}}}`)
	s.x.Apply(Step(s.env, s.p, s.x, s.runStart(s.text("["+strings.Repeat("1,", 2999)+"1]"))))
	for !s.x.Head.Status.Ended() {
		var m = Message{Kind: Answered}
		for id := range s.x.Jobs {
			start, input := s.x.Child(s.p, id)
			m.Endings = append(m.Endings, Ending{Start: *start, Head: Head{Status: Succeeded}, Input: input, Output: input})
			break
		}
		d := Step(s.env, s.p, s.x, m)
		if len(d.Jobs) > 1 || len(d.Frames) > 2 || len(d.Payloads) > 2 {
			t.Fatalf("one answer costs %d jobs, %d frames, %d payloads", len(d.Jobs), len(d.Frames), len(d.Payloads))
		}
		s.x.Apply(d)
	}
	if out := s.x.Payloads[s.x.Head.Output]; s.x.Head.Status != Succeeded || out.Decode().Len() != 3000 {
		t.Errorf("the run is %s with %d results", s.x.Head.Status, out.Decode().Len())
	}
}
