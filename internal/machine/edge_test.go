package machine

import (
	"slices"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

func TestARNs(t *testing.T) {
	s := Start{Account: "1", Region: "us-east-1", Machine: "m", Name: "n"}
	for want, got := range map[string]string{
		"arn:aws:states:us-east-1:1:execution:m:n":  s.ExecutionARN(),
		"arn:aws:states:us-east-1:1:stateMachine:m": s.MachineARN(),
		"arn:aws:states:us-east-1:1:express:m:n:aaaaaaaaaaaaaaaaaaaaaaaaaa": (&Start{Account: "1", Region: "us-east-1",
			Machine: "m", Name: "n", Express: true}).ExecutionARN(),
		"arn:aws-cn:states:cn-north-1:1:stateMachine:":        (&Start{Account: "1", Region: "cn-north-1"}).MachineARN(),
		"arn:aws-us-gov:states:us-gov-west-1:1:stateMachine:": (&Start{Account: "1", Region: "us-gov-west-1"}).MachineARN(),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if shard := (ID{1, 2}).Shard(); shard != 258 {
		t.Error(shard)
	}
}

func TestTokens(t *testing.T) {
	key := []byte("key")
	token := Token{ID: ID{1, 2, 3}, Job: 4, Attempt: 5, RestoreEpoch: 6}
	text := token.Seal(key)
	var got Token
	if err := got.Open(text, key); err != nil || got != token {
		t.Error(got, err)
	}
	if err := got.Open(text, []byte("another key")); err != errToken {
		t.Error("another store's token: ", err)
	}
	bad := []string{"", "bs1.", "bs1..", "bs2" + text[3:], text + "A", text[:len(text)-1], text[:10] + "." + text[10:], "bs1.AAAA." + text[len(text)-22:],
		strings.Replace(text, ".", "!", 2), text[:len(text)-22] + strings.Repeat("A", 22), text[:4] + "\n" + text[4:]}
	for i := range text {
		flipped := []byte(text)
		flipped[i] ^= 1
		bad = append(bad, string(flipped))
	}
	for _, text := range bad {
		if err := got.Open(text, key); err != errToken {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestChanceIsStretchedBySeed(t *testing.T) {
	a, b := &chance{seed: [32]byte{1}}, &chance{seed: [32]byte{1}}
	var drawn []uint64
	for range 20 {
		n := a.Uint64()
		if n != b.Uint64() || slices.Contains(drawn, n) {
			t.Fatal("the same seed must give the same numbers, and each once")
		}
		drawn = append(drawn, n)
	}
	if other := (&chance{seed: [32]byte{2}}).Uint64(); slices.Contains(drawn, other) {
		t.Error("another seed gave a number of the first")
	}
	if f := a.fraction(); f < 0 || f >= 1 {
		t.Error(f)
	}
}

func TestBirth(t *testing.T) {
	for _, c := range []struct {
		request string
		attempt uint32
		want    string
	}{
		{`{"StateMachineArn": "arn", "Name": "given", "TraceHeader": "trace", "Input": {"a":  1}}`, 2, `arn given trace {"a":1}`},
		{`{"StateMachineArn": "arn", "Input": "{\"a\":  1}"}`, 1, `arn aaaaaaaaaaaaaaaaaaaaaaaaaa-3  {"a":  1}`},
		{`{"Input": null}`, 2, ` aaaaaaaaaaaaaaaaaaaaaaaaaa-3-2  {}`},
		{`[]`, 1, ` aaaaaaaaaaaaaaaaaaaaaaaaaa-3  {}`},
		{`{"Input": "no JSON"}`, 1, `error`},
	} {
		r := Request{Input: value.Checked(c.request), StepID: ID{}.Step(3), Attempt: c.attempt}
		b, err := r.Birth()
		got := b.MachineARN + " " + b.Name + " " + b.Trace + " " + b.Input.String()
		if err != nil {
			got = "error"
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.request, got, c.want)
		}
	}
}

func TestEndings(t *testing.T) {
	for _, c := range []struct {
		definition string
		pattern    asl.Pattern
		want       string
	}{
		{`{"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": {"r": 1}, "End": true}}}`, asl.Sync,
			`{"ExecutionArn":"arn:aws:states:us-east-1:1:execution:m:n","Input":"{\"in\":  1}","InputDetails":{"Included":true},"Name":"n",` +
				`"Output":"{\"r\":1}","OutputDetails":{"Included":true},"RedriveCount":0,"RedriveStatus":"NOT_REDRIVABLE",` +
				`"RedriveStatusReason":"Execution is SUCCEEDED and cannot be redriven","StartDate":5,` +
				`"StateMachineArn":"arn:aws:states:us-east-1:1:stateMachine:m","Status":"SUCCEEDED","StopDate":9}`},
		{`{"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": {"r": 1}, "End": true}}}`, asl.Sync2,
			`{"ExecutionArn":"arn:aws:states:us-east-1:1:execution:m:n","Input":{"in":1},"InputDetails":{"Included":true},"Name":"n",` +
				`"Output":{"r":1},"OutputDetails":{"Included":true},"RedriveCount":0,"RedriveStatus":"NOT_REDRIVABLE",` +
				`"RedriveStatusReason":"Execution is SUCCEEDED and cannot be redriven","StartDate":5,` +
				`"StateMachineArn":"arn:aws:states:us-east-1:1:stateMachine:m","Status":"SUCCEEDED","StopDate":9}`},
		{`{"StartAt": "A", "States": {"A": {"Type": "Fail", "Error": "E", "Cause": "C"}}}`, asl.Sync,
			`States.TaskFailed {"Cause":"C","Error":"E","ExecutionArn":"arn:aws:states:us-east-1:1:execution:m:n","Input":"{\"in\":  1}",` +
				`"InputDetails":{"Included":true},"Name":"n","RedriveCount":0,"RedriveStatus":"REDRIVABLE","StartDate":5,` +
				`"StateMachineArn":"arn:aws:states:us-east-1:1:stateMachine:m","Status":"FAILED","StopDate":9}`},
	} {
		x := New(Start{Account: "1", Region: "us-east-1", Machine: "m", Name: "n", At: 5, Parent: &Parent{Job: 7}})
		x.Apply(Step(Env{Now: 9, Limits: AWSLimits()}, compileFor(t, c.definition), x, Message{Kind: Begin, Output: value.Checked(`{"in":  1}`)}))
		n := x.Ending(AWSLimits())
		m := n.Message(c.pattern)
		got := m.Output.String()
		if m.Kind == JobFailed {
			got = *m.Failure.Error + " " + *m.Failure.Cause
		} else {
			m.Output = value.Text{}
		}
		if got != c.want || m.Job != 7 {
			t.Errorf("job %d: %s\nwant %s", m.Job, got, c.want)
		}
	}
}

func TestCausesAreBounded(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"short", "short"},
		{strings.Repeat("a", maxCause), strings.Repeat("a", maxCause)},
		{strings.Repeat("a", maxCause+1), strings.Repeat("a", maxCause)},
		{strings.Repeat("a", maxCause-1) + "é", strings.Repeat("a", maxCause-1)},
	} {
		if got := bounded(c.text, maxCause); got != c.want {
			t.Errorf("%d bytes became %d", len(c.text), len(got))
		}
	}
}

const oneTask = `{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true}}}`

func begun(t *testing.T, definition string) (Env, *asl.Program, *Execution) {
	e, p := Env{Now: scriptStart, Limits: AWSLimits()}, compileFor(t, definition)
	x := New(Start{Account: "1", Region: "us-east-1", Machine: "m", Name: "n", At: scriptStart})
	if d := Step(e, p, x, Message{Kind: JobSucceeded, Job: 1}); !d.IsEmpty() {
		t.Error("a message before the first had an effect")
	}
	x.Apply(Step(e, p, x, Message{Kind: Begin, Output: value.Checked("{}")}))
	return e, p, x
}

func TestClonesGoTheirOwnWay(t *testing.T) {
	e, p, x := begun(t, oneTask)
	before := snapshot(x)
	c := x.Clone()
	c.Apply(Step(e, p, c, Message{Kind: JobSucceeded, Job: 1, Output: value.Checked("1")}))
	if snapshot(x) != before || c.Head.Status != Succeeded {
		t.Error("the clone's step moved the execution that it was cloned from")
	}
	x.Apply(Delta{})
	if snapshot(x) != before {
		t.Error("an empty delta changed something")
	}
}

func TestRequestsOfWhatIsNoTask(t *testing.T) {
	e, p, x := begun(t, `{"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 1, "End": true}}}`)
	for _, id := range []JobID{1, 2} {
		if _, err := x.Request(e, p, id); err == nil {
			t.Errorf("job %d has a request", id)
		}
	}
	e, p, x = begun(t, oneTask)
	if _, err := x.Request(e, p, 1); err != nil {
		t.Error(err)
	}
	clear(x.Payloads)
	if _, err := x.Request(e, p, 1); err == nil {
		t.Error("a request without its payload")
	}
}

// TestBrokenInvariantsPanic: what can only be a fault of ours or of the disk
// stops the one execution, loudly.
func TestBrokenInvariantsPanic(t *testing.T) {
	for name, breakIt := range map[string]func(p *asl.Program, x *Execution){
		"a payload is missing": func(p *asl.Program, x *Execution) {
			p.States["A"].ResultPath = nil
			clear(x.Payloads)
		},
		"a state is missing":           func(p *asl.Program, x *Execution) { delete(p.States, "A") },
		"a frame is missing":           func(p *asl.Program, x *Execution) { delete(x.Frames, 0) },
		"a state type is none of ours": func(p *asl.Program, x *Execution) { p.States["B"].Type = "Dream" },
	} {
		e, p, x := begun(t, `{"StartAt": "A", "States": {
			"A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "ResultSelector": {"a.$": "$$.Execution.Input"}, "Next": "B"},
			"B": {"Type": "Pass", "End": true}}}`)
		breakIt(p, x)
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic, although ", name)
				}
			}()
			Step(e, p, x, Message{Kind: JobSucceeded, Job: 1, Output: value.Checked("1")})
		}()
	}
}

func TestMapRunOfNoDistributedMap(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic, although a map run is of a state that is no distributed Map")
		}
	}()
	start := Start{Map: &MapStart{State: "A"}, Parent: &Parent{}}
	Step(Env{}, compileFor(t, oneTask), New(start), Message{Kind: Begin, Output: value.Checked("{}"), Run: &runInput{Items: value.Checked("[1]")}})
}

func TestNames(t *testing.T) {
	if len(eventNames) != 68 || EventType(1).String() != "ActivityFailed" || EventType(62).String() != "WaitStateExited" || EventType(67).String() != "LateTaskResult" || EventType(68).String() != "" {
		t.Error("the API has 62 types of events, and five are ours")
	}
	for status, want := range map[Status]string{0: "", Running: "RUNNING", Succeeded: "SUCCEEDED", Failed: "FAILED", TimedOut: "TIMED_OUT", Aborted: "ABORTED"} {
		if status.String() != want || status.Ended() != (status > Running) {
			t.Error(want)
		}
	}
}
