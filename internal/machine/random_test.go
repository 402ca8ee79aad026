package machine

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/value"
)

// TestRandomExecutions runs made-up definitions, wide and deep, on made-up
// messages, many of them late or double, and asks after each what must hold of
// every execution.
func TestRandomExecutions(t *testing.T) {
	ended, redriven := map[Status]int{}, map[Status]int{}
	for seed := range uint64(1500) {
		w := &wanderer{Rand: rand.New(rand.NewPCG(seed, 1))}
		s := newScript(t, "")
		s.env.Limits.EntriesTurn = 1 + w.IntN(8)
		s.env.Limits.InlineMap = 1 + w.IntN(4)
		if w.IntN(4) == 0 {
			s.env.Limits.Events = int64(5 + w.IntN(60))
		}
		definition := w.flow(3)
		if w.IntN(5) == 0 {
			definition = `{"TimeoutSeconds": 30, ` + definition[1:]
		}
		s.compile(definition)
		if w.IntN(3) == 0 {
			s.x.Start.Parent = &Parent{Job: 1}
		}
		next := int64(1)
		for range 400 {
			for _, e := range s.step(w.message(s)) {
				if e.ID != next || e.Prev < 0 || e.Prev >= e.ID {
					t.Fatalf("seed %d: event %d comes after event %d, and names %d", seed, e.ID, next-1, e.Prev)
				}
				next++
			}
			if wrong := s.wrong(); wrong != "" || t.Failed() {
				t.Fatalf("seed %d: %s\n%s\n%s", seed, wrong, definition, s.tell(nil))
			}
			if h := &s.x.Head; h.Status.Ended() && (!h.Kept || h.Redrives == 1) {
				break
			}
		}
		ended[s.x.Head.Status]++
		redriven[s.x.Head.Status] += s.x.Head.Redrives
	}
	for _, status := range []Status{Succeeded, Failed, TimedOut, Aborted} {
		if ended[status] == 0 {
			t.Errorf("none ended %s: %v", status, ended)
		}
		if redriven[status] == 0 {
			t.Errorf("none ended %s after a redrive: %v", status, redriven)
		}
	}
	if ended[Running] > 100 {
		t.Errorf("%d executions did not end", ended[Running])
	}
}

// wrong tells what does not hold of the execution, "" where all is well.
func (s *script) wrong() string {
	x := s.x
	if x.Head.Status != Running {
		for _, id := range slices.Sorted(maps.Keys(x.Jobs)) {
			if x.Jobs[id].Kind != Tell {
				return fmt.Sprint("it has ended, but job is open: ", id)
			}
		}
		if x.Head.Kept != (x.Frames[0] != nil) || !x.Head.Kept && len(x.Frames) > 0 {
			return fmt.Sprintf("it has ended, and has %d frames: %v", len(x.Frames), x.Head.Kept)
		}
	}
	variables := 0
	for _, id := range slices.Sorted(maps.Keys(x.Frames)) {
		f := x.Frames[id]
		for _, b := range f.Variables {
			variables += x.Payloads[b.Value].Len()
		}
		if f.ID != id || f.Kind != Root && x.Frames[f.Parent] == nil {
			return fmt.Sprint("frame is lost: ", id)
		}
		switch f.Phase {
		case Ended:
			if f.Result == 0 || f.Job != 0 || f.Input != 0 {
				return fmt.Sprint("frame has ended, but not quite: ", id)
			}
		case Joining:
			if wrong := s.wrongJoin(f); wrong != "" {
				return wrong
			}
		default:
			if x.Head.Kept {
				continue
			}
			if j := x.Jobs[f.Job]; j == nil || j.Frame != id || j.State != f.State {
				return fmt.Sprint("nothing will ever wake frame ", id)
			}
		}
	}
	if variables != x.Head.Variables {
		return fmt.Sprintf("the variables are %d bytes, not %d", variables, x.Head.Variables)
	}
	for _, id := range slices.Sorted(maps.Keys(x.Jobs)) {
		j := x.Jobs[id]
		if f := x.Frames[j.Frame]; j.Kind != Tell && j.Kind != Halt && id != x.Head.Timeout && (f == nil || f.Job != id) {
			return fmt.Sprint("job belongs to nobody: ", id)
		}
	}
	return ""
}

func (s *script) wrongJoin(f *Frame) string {
	j := f.Join
	done, live := 0, 0
	for i := range j.Begun {
		child := s.x.Frames[j.First+FrameID(i)]
		if child == nil || child.Parent != f.ID || child.Index != i {
			return fmt.Sprintf("frame %d misses its child %d", f.ID, i)
		}
		if child.Phase == Ended {
			done++
		} else {
			live++
		}
	}
	if done != j.Done || live == 0 || j.AtOnce > 0 && live > j.AtOnce || j.Begun > j.Count {
		return fmt.Sprintf("frame %d has counted wrongly: %+v, with %d done and %d alive", f.ID, *j, done, live)
	}
	return ""
}

// wanderer makes things up.
type wanderer struct {
	*rand.Rand
	states int
}

func (w *wanderer) pick(all ...string) string { return all[w.IntN(len(all))] }

// flow is a chain of states; deep is how deep it may nest.
func (w *wanderer) flow(deep int) string {
	n := 1 + w.IntN(3)
	first := w.states
	w.states += n
	var b strings.Builder
	fmt.Fprintf(&b, `{"StartAt": "S%d", "States": {`, first)
	for i := range n {
		next := `"End": true`
		if i < n-1 {
			next = fmt.Sprintf(`"Next": "S%d"`, first+i+1)
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, `"S%d": %s`, first+i, w.state(deep, next, fmt.Sprintf("S%d", first+n-1)))
	}
	return b.String() + "}}"
}

// state is a made-up state that goes on as next says; its catchers go to last.
func (w *wanderer) state(deep int, next, last string) string {
	rescue := ""
	if w.IntN(3) == 0 {
		rescue += `, "Retry": [{"ErrorEquals": ["` + w.pick("States.ALL", "A", "States.Timeout") + `"], "MaxAttempts": ` + w.pick("1", "2") + `}]`
	}
	if w.IntN(2) == 0 {
		rescue += `, "Catch": [{"ErrorEquals": ["` + w.pick("States.ALL", "B", "States.TaskFailed") + `"], "Next": "` + last + `"}]`
	}
	assign := ""
	if w.IntN(3) == 0 {
		assign = fmt.Sprintf(`, "Assign": {"v%d.$": "$", "w%d": 1}`, w.states, w.states)
		w.states++ // a name of its own: inner flows must not assign what outer ones do
	}
	limits := w.pick(``, `, "TimeoutSeconds": 9`, `, "TimeoutSeconds": 9, "HeartbeatSeconds": 3`)
	switch n := w.IntN(10); {
	case deep > 0 && n < 2:
		branches := make([]string, 1+w.IntN(5))
		for i := range branches {
			branches[i] = w.flow(deep - 1)
		}
		return `{"Type": "Parallel", "Branches": [` + strings.Join(branches, ", ") + `]` + rescue + assign + `, ` + next + `}`
	case deep > 0 && n < 4:
		return `{"Type": "Map", "InputPath": "$$.Execution.Input", "MaxConcurrency": ` + w.pick("0", "1", "2") + `, "ItemProcessor": ` +
			w.flow(deep-1) + rescue + assign + `, ` + next + `}`
	case n < 7:
		resource := w.pick("arn:aws:states:::lambda:invoke", "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
			"arn:aws:states:us-east-1:1:activity:a", "arn:aws:lambda:us-east-1:1:function:f", "arn:aws:states:::states:startExecution.sync")
		return `{"Type": "Task", "Resource": "` + resource + `"` + limits + rescue + assign + `, ` + next + `}`
	case n < 8:
		return `{"Type": "Wait", "Seconds": ` + w.pick("0", "2", "5") + assign + `, ` + next + `}`
	}
	return `{"Type": "Pass"` + w.pick(``, ``, ``, `, "InputPath": "$.nowhere"`) + assign + `, ` + next + `}`
}

// message is something that may happen to the execution now.
func (w *wanderer) message(s *script) Message {
	if s.x.Head.Status == 0 {
		return Message{Kind: Begin, Output: value.Checked(w.pick(`[]`, `[1]`, `[1, 2, 3]`, `[[1], 2, {"a": 3}, 4, 5]`))}
	}
	if s.x.Head.Kept {
		return Message{Kind: Redrive}
	}
	s.env.Now += int64(w.IntN(1500))
	jobs := slices.Sorted(maps.Keys(s.x.Jobs))
	m := Message{Job: jobs[w.IntN(len(jobs))], Output: value.Checked(w.pick(`1`, `{"r": [1]}`)), Worker: w.pick("", "w")}
	switch n := w.IntN(200); {
	case n == 0:
		m.Kind = Stop
	case n < 8:
		m.Job += JobID(w.IntN(3)) // perhaps of nobody
		m.Kind = MessageKind(1 + w.IntN(int(Continue)))
	case n < 40:
		m.Kind = MessageKind(1 + w.IntN(int(Continue)))
	case n < 60:
		m.Kind, m.Failure = JobFailed, failure(w.pick("A", "B", "", "States.Timeout")+w.pick(" why", ""))
	default:
		m.Kind = JobSucceeded
		switch s.x.Jobs[m.Job].Kind {
		case Timer:
			m.Kind = Fired
		case Resume:
			m.Kind = Continue
		}
	}
	return m
}
