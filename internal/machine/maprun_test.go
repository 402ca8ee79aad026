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
		if back, err := decodeStart(appendStart(nil, start)); err != nil || fmt.Sprint(*back.Map) != fmt.Sprint(*start.Map) {
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

// results are the files that are to be written, and the message that says that
// they are. Of the items that are still to be read for that there are these
// pages.
func (s *script) results(pages string) (string, Message) {
	w := s.x.Results(s.p, s.env.Limits, s.jobOf(WriteResults))
	ahead := value.Checked("[" + pages + "]").Decode().Items()
	var b strings.Builder
	for {
		bucket, key, body, more := w.Next()
		source, cursor, reads := w.Reading()
		switch {
		case more:
			fmt.Fprintf(&b, "%s/%s\n%s\n", bucket, key, body)
		case !reads:
			return b.String(), w.Message()
		default:
			fmt.Fprintf(&b, "%s after %s\n", source.Text(), cursor)
			var page value.Text
			if len(ahead) > 0 {
				page, ahead = ahead[0].Text(), ahead[1:]
			}
			w.Read(page)
		}
	}
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
	return fmt.Sprintf("%s\ninput %s\nindex %d of %d items\n", start.ExecutionARN(), short(input.String()), item.Index, item.Count)
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
	}{{"lost", u.Lost}, {"again", u.Again}, {"until", u.Until}} {
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

// What never began is written in files of a size that can be held.
func TestPendingByFiles(t *testing.T) {
	s := newScript(t, "run")
	s.compile(`{"StartAt": "Each", "States": {"Each": {"Type": "Map", "End": true, "MaxConcurrency": 1,
		"ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "b"}},
		"ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": "See", "States": {
			"See": {"Type": "Pass", "End": true}}}}}}`)
	long := strings.Repeat("x", 200_000)
	s.command(`start [0, "` + strings.Repeat(long+`", "`, 9) + `z"]`)
	s.command("end 1 FAILED")
	w := s.x.Results(s.p, AWSLimits(), s.jobOf(WriteResults))
	var sizes []string
	for _, key, body, more := w.Next(); more; _, key, body, more = w.Next() {
		n := strings.Count(body, "PENDING")
		sizes = append(sizes, fmt.Sprint(key[strings.LastIndexByte(key, '/')+1:], " ", n))
		if strings.Contains(key, "PENDING_") && value.Checked(body).Decode().Len() != n {
			t.Errorf("%s is no array of %d", key, n)
		}
	}
	if got := strings.Join(sizes, ", "); got != "FAILED_0.json 0, PENDING_0.json 6, PENDING_1.json 4, manifest.json 3" {
		t.Error(got)
	}
}

// A result that has lines of its own is one line of a file of lines.
func TestResultsAreLines(t *testing.T) {
	s := newScript(t, "run")
	s.compile(`{"StartAt": "Each", "States": {"Each": {"Type": "Map", "End": true,
		"ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "b"}, "WriterConfig": {"Transformation": "COMPACT", "OutputType": "JSONL"}},
		"ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": "See", "States": {
			"See": {"Type": "Pass", "End": true}}}}}}`)
	s.command("start [1, 2]")
	s.command("end 1 SUCCEEDED {\n  \"a\":\r\n 1.50\n}")
	s.command("end 2 SUCCEEDED [1, 2]")
	_, _, body, _ := s.x.Results(s.p, AWSLimits(), s.jobOf(WriteResults)).Next()
	if body != "{\"a\":1.50}\n[1, 2]\n" {
		t.Errorf("%q", body)
	}
}

// A child is given what it is for, and sees no item beyond that, nor the Map's
// label in the place of its machine's name: so it was recorded on AWS.
func TestChildOfAMapRun(t *testing.T) {
	s := newScript(t, "run")
	s.compile(`{"StartAt": "Each", "States": {"Each": {"Type": "Map", "End": true,
		"ItemSelector": {"n.$": "$$.Map.Item.Value"},
		"ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": "See", "States": {
			"See": {"Type": "Pass", "End": true, "Parameters": {"in.$": "$", "context.$": "$$"}}}}}}}`)
	s.command(`start {"a": 1, "b": [2]}`)
	start, input := s.x.Child(s.p, s.item("2").ID)
	child := New(*start)
	child.Apply(Step(s.env, s.p, child, Message{Kind: Begin, Output: input}))
	out := child.Payloads[child.Head.Output].Decode()
	context := out.Get("context")
	if got := out.Get("in").Text().String(); got != `{"n":[2]}` {
		t.Errorf("the child has %s", got)
	}
	if context.Has("Map") || context.Get("StateMachine").Text().String() != `{"Id":"`+start.MachineARN()+`","Name":"order"}` {
		t.Errorf("the child's context is %s", context.Text())
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
