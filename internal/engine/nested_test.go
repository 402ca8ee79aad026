package engine

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// nest is a rig whose machines find each other by their names.
func nest(t *testing.T, adjust func(*Config)) (*rig, map[string]Machine) {
	machines := map[string]Machine{}
	r := newRig(t, echo, func(c *Config) {
		c.Machines = func(ctx context.Context, account, region, arn string, _ Draw) (Machine, error) {
			m, there := machines[arn]
			if !there {
				return m, (&Engine{cfg: *c}).sfnError("StateMachineDoesNotExist", "State Machine Does Not Exist: '"+arn+"'")
			}
			return m, nil
		}
		if adjust != nil {
			adjust(c)
		}
	})
	for name, text := range map[string]string{
		"instant": `{"StartAt":"P","States":{"P":{"Type":"Pass","Result":{"n":1},"End":true}}}`,
		"waiting": waiting,
		"failing": `{"StartAt":"F","States":{"F":{"Type":"Fail","Error":"Mine","Cause":"because"}}}`,
	} {
		m := r.define(text)
		m.Name = name
		machines[name] = m
	}
	return r, machines
}

// calling is a definition that starts a machine.
func calling(pattern, parameters string) string {
	return fmt.Sprintf(`{"StartAt":"N","States":{"N":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution%s","Parameters":%s,"End":true}}}`, pattern, parameters)
}

// output is an execution's output.
func (r *rig) output(id store.ID) value.Value {
	r.t.Helper()
	texts, err := r.session.Payloads(context.Background(), id, []uint32{uint32(r.head(id).Output)})
	if err != nil {
		r.t.Fatal(err)
	}
	return value.Checked(string(texts[0])).Decode()
}

func TestNestedPatterns(t *testing.T) {
	for _, c := range []struct{ pattern, child, story, output string }{
		{"", "waiting", "TaskScheduled TaskStarted TaskSucceeded TaskStateExited ExecutionSucceeded", ""},
		{".sync", "waiting", "TaskScheduled TaskStarted TaskSubmitted TaskSucceeded TaskStateExited ExecutionSucceeded", `"{\"x\":1}"`},
		{".sync", "instant", "TaskScheduled TaskStarted TaskSubmitted TaskSucceeded TaskStateExited ExecutionSucceeded", `"{\"n\":1}"`},
		{".sync:2", "instant", "TaskScheduled TaskStarted TaskSubmitted TaskSucceeded TaskStateExited ExecutionSucceeded", `{"n":1}`},
		{".sync", "failing", "TaskScheduled TaskStarted TaskSubmitted TaskFailed ExecutionFailed", ""},
		{".sync", "nobody", "TaskScheduled TaskStarted TaskSubmitFailed ExecutionFailed", ""},
	} {
		for shuffle := range 4 {
			r, _ := nest(t, nil)
			id := r.start(r.define(calling(c.pattern, `{"StateMachineArn":"`+c.child+`","Input":{"x":1}}`)), fmt.Sprint(shuffle), `{}`).ID
			for len(r.side) > 0 { // the newest first in some runs, so that the end is told before the start
				at := (len(r.side) - 1) * (shuffle % 2)
				f := r.side[at]
				r.side = append(r.side[:at:at], r.side[at+1:]...)
				f()
			}
			r.pass(2 * time.Minute)
			if got := story(r.history(id)[2:]); got != c.story {
				t.Errorf("%s of %s: %s", c.pattern, c.child, got)
				continue
			}
			if h := r.head(id); h.Status == machine.Failed {
				if c.child == "failing" && (*h.Error != "States.TaskFailed" || !strings.Contains(*h.Cause, `"Cause":"because","Error":"Mine"`)) ||
					c.child == "nobody" && *h.Error != "StepFunctions.StateMachineDoesNotExistException" {
					t.Errorf("%s of %s: %s: %s", c.pattern, c.child, *h.Error, *h.Cause)
				}
				continue
			}
			if got := r.output(id).Get("Output"); got.IsAbsent() != (c.output == "") || !got.IsAbsent() && got.Text().String() != c.output {
				t.Errorf("%s of %s: output %v", c.pattern, c.child, got)
			}
			child, err := r.engine.Find(context.Background(), "123456789012", "us-east-1", c.child, machine.ID(id).Step(1))
			if err != nil {
				t.Fatal(err)
			}
			if start, h, err := r.engine.Execution(context.Background(), child); err != nil || start.Depth != 1 || h.Status != machine.Succeeded {
				t.Errorf("%+v %+v %v", start, h, err)
			}
		}
	}
}

func TestNestedNameIsTaken(t *testing.T) {
	r, machines := nest(t, nil)
	if _, err := r.engine.Start(context.Background(), StartRequest{Machine: machines["waiting"], Name: "given", Input: value.Checked(`{"x":1}`)}); err != nil {
		t.Fatal(err)
	}
	id := r.start(r.define(calling(".sync", `{"StateMachineArn":"waiting","Input":{"x":1},"Name":"given"}`)), "a", `{}`).ID
	r.settle()
	if h := r.head(id); h.Status != machine.Failed || *h.Error != "StepFunctions.ExecutionAlreadyExistsException" {
		t.Errorf("%+v", h)
	}
}

// An execution that starts itself comes to an end.
func TestNestedDepth(t *testing.T) {
	r, machines := nest(t, func(c *Config) { c.Limits.Depth = 5 })
	m := r.define(calling(".sync", `{"StateMachineArn":"self"}`))
	m.Name = "self"
	machines["self"] = m
	id := r.start(m, "a", `{}`).ID
	r.pass(time.Minute)
	if h := r.head(id); h.Status != machine.Failed || *h.Error != "States.TaskFailed" {
		t.Errorf("%+v", h)
	}
	if n := r.engine.Metrics().Started.Load(); n != 6 {
		t.Errorf("%d executions", n)
	}
}

// A child of which nobody hears the end any more is stopped.
func TestTheParentIsStopped(t *testing.T) {
	r, _ := nest(t, nil)
	id := r.start(r.define(calling(".sync", `{"StateMachineArn":"waiting"}`)), "a", `{}`).ID
	r.settle()
	if _, err := r.engine.Stop(context.Background(), id, machine.Failure{}); err != nil {
		t.Fatal(err)
	}
	r.settle()
	child, err := r.engine.Find(context.Background(), "123456789012", "us-east-1", "waiting", machine.ID(id).Step(1))
	if err != nil {
		t.Fatal(err)
	}
	if h := r.head(child); h.Status != machine.Aborted {
		t.Errorf("the child is %v", h.Status)
	}
	if l := r.engine.Load(); l.Alarms != 0 || l.Waiting != 0 || l.Under != 0 {
		t.Errorf("%+v", l)
	}
	for _, s := range r.engine.shards {
		if jobs, err := r.session.Jobs(context.Background(), s.number, store.Never, nil, 9); err != nil || len(jobs) > 0 {
			t.Errorf("%v, %v", jobs, err)
		}
	}
}

func TestNestedExpress(t *testing.T) {
	r, machines := nest(t, nil)
	m := machines["instant"]
	m.Express = true
	machines["instant"] = m
	id := r.start(r.define(calling("", `{"StateMachineArn":"instant","Name":"n"}`)), "a", `{}`).ID
	r.settle()
	if h := r.head(id); h.Status != machine.Succeeded {
		t.Fatalf("%+v", h)
	}
	if arn := r.output(id).Get("ExecutionArn").AsString(); !strings.Contains(arn, ":express:instant:n:") {
		t.Error(arn)
	}
}
