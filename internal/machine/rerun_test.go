package machine

import (
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/value"
)

// distributedScript is a script of a distributed Map with children of that kind,
// whose only state is that one.
func distributedScript(t *testing.T, comment, kind, state string) *script {
	s := newScript(t, comment)
	s.compile(`{"StartAt": "Each", "States": {"Each": {"Type": "Map", "End": true, "MaxConcurrency": 2,
		"ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "` + kind + `"}, "StartAt": "Do", "States": {"Do": ` + state + `}}}}}`)
	return s
}

// childOf is the script of a run's child of that number, which has begun.
func (s *script) childOf(number string) *script {
	start, input := s.x.Child(s.p, s.item(number).ID)
	c := &script{t: s.t, env: s.env, p: s.p, x: New(*start), gone: s.gone, texts: map[Ref]value.Text{}, rows: map[string][]byte{}}
	c.step(Message{Kind: Begin, Output: input})
	return c
}

const (
	failState = `{"Type": "Fail", "Error": "No"}`
	waitState = `{"Type": "Wait", "Seconds": 60, "End": true}`
)

// tells reports whether the execution has to tell its parent, and for which job.
func (s *script) tells() (JobID, bool) {
	for _, j := range s.x.Jobs {
		if j.Kind == Tell {
			n := s.x.Ending(s.env.Limits)
			return n.Start.Parent.Job, true
		}
	}
	return 0, false
}

// A child is redriven for another job of its run, once, and tells of its next end
// for that.
func TestAChildIsRedriven(t *testing.T) {
	s := distributedScript(t, "run", "STANDARD", failState)
	s.command("start [1, 2]")
	c := s.childOf("1")
	first, _ := c.tells()
	if h := &c.x.Head; h.Status != Failed || !h.Kept || first != c.x.Start.Parent.Job || !h.ByMapRun(&c.x.Start, c.env.Limits, c.env.Now) {
		t.Fatalf("%+v, tells %d", h, first)
	}
	for _, job := range []JobID{0, first - 1, first} {
		if c.step(Message{Kind: Redrive, Job: job}); c.x.Head.Redrives != 0 || c.x.ParentJob() != first {
			t.Errorf("redriven for job %d: %+v", job, c.x.Head)
		}
	}
	for range 2 {
		c.step(Message{Kind: Redrive, Job: 77})
		if told, _ := c.tells(); c.x.Head.Redrives != 1 || c.x.Head.Status != Failed || told != 77 || len(c.x.Jobs) != 1 {
			t.Errorf("%+v, tells %d by one of %d jobs", c.x.Head, told, len(c.x.Jobs))
		}
	}
}

// One that has not ended goes on, and tells of its end for the other job.
func TestAChildThatRunsIsNotRedriven(t *testing.T) {
	s := distributedScript(t, "run", "STANDARD", waitState)
	s.command("start [1, 2]")
	c := s.childOf("1")
	if events := c.step(Message{Kind: Redrive, Job: 77}); len(events) > 0 || c.x.Head.Redrives != 0 || c.x.Head.Status != Running {
		t.Errorf("%v, %+v", events, c.x.Head)
	}
	c.command("tick 60s")
	if told, tells := c.tells(); c.x.Head.Status != Succeeded || told != 77 || !tells {
		t.Errorf("%+v, tells %d", c.x.Head, told)
	}
}

// One that succeeded after all, or that nobody can redrive any more, tells of its
// end again; its run counts the latter as permanent.
func TestAChildThatIsNotRedrivableTellsAgain(t *testing.T) {
	s := distributedScript(t, "run", "STANDARD", waitState)
	s.command("start [1, 2]")
	good, bad := s.childOf("1"), s.childOf("2")
	good.command("tick 60s")
	bad.command("stop")
	for _, c := range []*script{good, bad} {
		c.command("told")
		c.env.Now += redrivePeriod
		for range 2 {
			c.step(Message{Kind: Redrive, Job: 77})
			if told, tells := c.tells(); told != 77 || !tells || len(c.x.Jobs) != 1 || c.x.Head.Redrives != 0 {
				t.Errorf("%+v, tells %d %v", c.x.Head, told, tells)
			}
		}
	}
	j := s.item("2")
	n := bad.x.Ending(s.env.Limits)
	n.Start.Parent = &Parent{s.x.Start.ID, j.ID}
	s.step(Message{Kind: Answered, Endings: []Ending{n}})
	s.command("end 1 ABORTED")
	if u := s.x.Head.Run; u.Items.Aborted != 2 || u.Items.Permanent != 1 || u.Executions.Permanent != 1 || s.x.Head.Status != Failed {
		t.Errorf("%+v", *u)
	}
	if s.command("redrive"); s.x.Head.Run.Items.Permanent != 0 || s.x.Head.Run.Items.Running != 2 {
		t.Errorf("after the redrive: %+v", *s.x.Head.Run)
	}
	s.step(Message{Kind: Answered, Endings: []Ending{n}})
	if u := s.x.Head.Run; u.Items.Running != 2 {
		t.Errorf("an earlier try was heard: %+v", *u)
	}
}

// Nobody but its parent redrives a map run, and nobody but its run a child.
func TestWhatIsRedrivenByItsParentAlone(t *testing.T) {
	for _, kind := range []string{"STANDARD", "EXPRESS"} {
		s := distributedScript(t, "run", kind, failState)
		s.command("start [1, 2]")
		c := s.childOf("1")
		s.command("stop")
		const want = "Execution was started by a Map Run and cannot be redriven on its own"
		for _, x := range []*Execution{s.x, c.x} {
			if got := x.Head.NotRedrivable(&x.Start, s.env.Limits, s.env.Now); got != want {
				t.Errorf("%s: %q", x.Start.Name, got)
			}
			x.Apply(Step(s.env, s.p, x, Message{Kind: Redrive}))
			if x.Head.Redrives != 0 {
				t.Errorf("%s was redriven", x.Start.Name)
			}
		}
		n := c.x.Ending(s.env.Limits)
		if kind == "STANDARD" {
			n.Head.Redriven = 1767323045678
		}
		told := n.result(value.Value{}, true)
		if status := told.Decode().Get("RedriveStatus").AsString(); (status == "REDRIVABLE_BY_MAP_RUN") != (kind == "STANDARD") {
			t.Errorf("told is %s", told)
		}
		if date := told.Decode().Get("RedriveDate").AsString(); (date == "2026-01-02T03:04:05.678Z") != (kind == "STANDARD") {
			t.Errorf("told is %s", told)
		}
	}
}

// A map run is redriven a thousand times; then it is given up, and the next
// redrive begins another.
func TestAMapRunIsRedrivenSoOften(t *testing.T) {
	s := distributedScript(t, "", "STANDARD", failState)
	s.command("start [1]")
	run := ""
	for n := range mostRedrives + 1 {
		s.command("fail Each States.ExceedToleratedFailureThreshold")
		if s.command("redrive"); n < mostRedrives && s.x.Head.Status != Running {
			t.Fatalf("after %d redrives: %s", n, s.x.Head.Status)
		}
		for _, j := range s.x.Jobs {
			id := s.x.Payloads[j.Request].Decode().Get("MapRun").AsString()
			if run == "" {
				run = id
			}
			if id != run {
				t.Fatalf("another map run after %d redrives", n)
			}
		}
	}
	if s.x.Head.Status != Failed || *s.x.Head.Error != errRuntime {
		t.Fatalf("%+v", s.x.Head)
	}
	s.command("redrive")
	for _, j := range s.x.Jobs {
		if s.x.Payloads[j.Request].Decode().Get("MapRun").AsString() == run {
			t.Error("the same map run once more")
		}
	}
}

// The list of lost children takes as many frames as it needs, and they go as it
// is gone through.
func TestManyLostChildren(t *testing.T) {
	const items = 3*lostFrame + 7
	s := newScript(t, "run")
	s.compile(`{"StartAt": "Each", "States": {"Each": {"Type": "Map", "End": true, "MaxConcurrency": 3, "ToleratedFailurePercentage": 100,
		"ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}, "StartAt": "Do", "States": {"Do": ` + failState + `}}}}}`)
	s.x.Apply(Step(s.env, s.p, s.x, s.runStart(s.text("["+strings.Repeat("1,", items-1)+"1]"))))
	end := func(as Status, until func() bool) {
		for !s.x.Head.Status.Ended() && !until() {
			m := Message{Kind: Answered}
			for id := range s.x.Jobs {
				j := s.x.Jobs[id]
				start := s.x.ChildOf(s.p, j)
				start.Map = &MapStart{State: j.State, Item: &itemStart{Count: int(j.Send)}}
				m.Endings = append(m.Endings, Ending{Start: *start, Head: Head{Status: as}, Output: value.Checked("1"), byMapRun: true})
			}
			d := Step(s.env, s.p, s.x, m)
			if len(d.Frames) > 7 || len(d.Jobs) > 3 {
				t.Fatalf("an answer costs %d frames and %d jobs", len(d.Frames), len(d.Jobs))
			}
			s.x.Apply(d)
		}
	}
	end(Failed, func() bool { return s.x.Head.Run.Executions.Failed >= items-3 })
	s.x.Apply(Step(s.env, s.p, s.x, Message{Kind: Stop}))
	if u := s.x.Head.Run; u.Lost != items || len(s.x.Frames) != 5 || len(s.x.Payloads) > 3 {
		t.Fatalf("%+v, %d frames, %d payloads", *u, len(s.x.Frames), len(s.x.Payloads))
	}
	s.x.Apply(Step(s.env, s.p, s.x, Message{Kind: Begin, Job: 77, Run: &runInput{Redrives: 1}}))
	end(Failed, func() bool { return s.x.Head.Run.Again >= lostFrame })
	s.x.Apply(Step(s.env, s.p, s.x, Message{Kind: Stop}))
	if u := s.x.Head.Run; u.Executions.lost() != items || u.Lost-u.Again != items || u.Items != u.Executions {
		t.Fatalf("%+v", *u)
	}
	s.x.Apply(Step(s.env, s.p, s.x, Message{Kind: Begin, Job: 78, Run: &runInput{Redrives: 2}}))
	end(Succeeded, func() bool { return false })
	if u := s.x.Head.Run; s.x.Head.Status != Succeeded || u.Items.Succeeded != items || len(s.x.Frames) != 0 {
		t.Errorf("%s: %+v, %d frames", s.x.Head.Status, *u, len(s.x.Frames))
	}
}

// A Map that an older version has begun does not know the event of its start:
// its redrive then follows its entry.
func TestAMapRunOfAnOlderVersionIsRedriven(t *testing.T) {
	s := distributedScript(t, "", "STANDARD", failState)
	s.command("start [1]")
	plan := s.x.Frames[0].Result
	old := value.NewBuilder(8)
	for name, v := range s.x.Payloads[plan].Decode().Members() {
		if name != "StartedEvent" {
			old.Set(name, v)
		}
	}
	s.x.Payloads[plan] = old.Object().Text()
	s.texts[plan] = s.x.Payloads[plan] // as on disk
	s.command("fail Each States.ExceedToleratedFailureThreshold")
	d := Step(s.env, s.p, s.x, Message{Kind: Redrive})
	if last := d.Events[len(d.Events)-1]; last.Type != MapRunRedriven || last.Prev != 2 {
		t.Errorf("%v follows event %d", last.Type, last.Prev)
	}
}
