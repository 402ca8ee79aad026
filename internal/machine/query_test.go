package machine

import (
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// TestWhatIsCutOutIsWhatIsEvaluated holds the short ways to a text against the
// evaluation of expressions that mean the same.
func TestWhatIsCutOutIsWhatIsEvaluated(t *testing.T) {
	const task = `{"QueryLanguage": "JSONata", "StartAt": "A", "States": {
  "A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": {"FunctionName": "f", "Payload": "{% INPUT %}", "LogType": {"and": "{% MEMBER %}"}}, "Output": "{% RESULT %}", "End": true}}}`
	const saga = `{"QueryLanguage": "JSONata", "Saga": {}, "StartAt": "A", "States": {
  "A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Next": "B", "Compensate": {"Resource": "arn:aws:states:::lambda:invoke" SENDS}},
  "B": {"Type": "Fail"}}}`
	const part = `, "Arguments": {"Payload": "{% RESULT %}", "and": ["{% INPUT %}"]}`
	short := strings.NewReplacer("INPUT", "$states.input", "MEMBER", "$states.input.a", "RESULT", "$states.result.a.b")
	long := strings.NewReplacer("INPUT", "($i := $states.input; $i)", "MEMBER", "($i := $states.input; $i.a)", "RESULT", "($r := $states.result; $r.a.b)")
	through := func(definition string, short, long *strings.Replacer, by func(*testing.T, *asl.Program, string) (string, string)) {
		one, other := compileFor(t, short.Replace(definition)), compileFor(t, long.Replace(definition))
		for _, text := range []string{
			`{"a":{"b":{"c":[1.0,1e2,-0,"é"],"d":null}}}`, `{"a":{"b":"text"}}`, `{"a":{"b":"\u00e9\n"}}`, `{"a":{"b":1.0}}`, `{"a":{"b":null}}`,
			`{"a":{"b":true}}`, `{"a":{"b":[]}}`, `{"a":{"b":[1]}}`, `{"a":{"b":[[1,2]]}}`, `{"a":[{"b":{}},{"b":{}}]}`, `{"a":[{"b":{"c":1}}]}`,
			`{ "a" : { "b" : { "c" : 1 } } }`, `{"a":{"b":{}}}`, `{"a":{"b":1,"b":{"c":2}}}`, `{"a":{"b":{"c":1,"c":2}}}`, `{"a":{}}`, `{"a":"b"}`, `[]`,
			`[{"a":{"b":{"c":1}}}]`, `null`,
		} {
			request, output := by(t, one, text)
			wantRequest, wantOutput := by(t, other, text)
			if request != wantRequest || output != wantOutput {
				t.Errorf("%s: asked %s and gave %s; evaluated, they are %s and %s", text, request, output, wantRequest, wantOutput)
			}
		}
	}
	through(task, short, long, throughTask)
	through(strings.ReplaceAll(saga, "SENDS", part), short, long, throughUndo)
	through(strings.ReplaceAll(saga, "SENDS", strings.NewReplacer("[", "", "]", "").Replace(part)), short, long, throughUndo)
	through(saga, strings.NewReplacer("SENDS", ""), strings.NewReplacer("SENDS", `, "Arguments": {"input": "{% ($i := $states.input; $i) %}", "result": "{% ($r := $states.result; $r) %}"}`), throughUndo)
}

// throughTask is what a Task asks for, and what it gives, "" where it fails: its
// input and its result are text.
func throughTask(t *testing.T, p *asl.Program, text string) (request, output string) {
	e := Env{Now: scriptStart, Limits: AWSLimits()}
	x := New(Start{Account: "1", Region: "us-east-1", Machine: "m", Name: "n", At: scriptStart})
	x.Apply(Step(e, p, x, Message{Kind: Begin, Output: value.Checked(text)}))
	if x.Jobs[1] == nil {
		return "", ""
	}
	q, err := x.Request(e, p, 1)
	if err != nil {
		t.Fatal(err)
	}
	d := Step(e, p, x, Message{Kind: JobSucceeded, Job: 1, Output: value.Checked(text)})
	if d.Head.Status == Succeeded {
		output = d.Payloads[d.Head.Output-x.Head.LastPayload-1].String()
	}
	return q.Input.String(), output
}

// throughUndo is what the undo of a step asks for, "" where it can't be worked out:
// the step's input and its result are text.
func throughUndo(t *testing.T, p *asl.Program, text string) (request, _ string) {
	e := Env{Now: scriptStart, Limits: AWSLimits()}
	x := New(Start{Account: "1", Region: "us-east-1", Machine: "m", Name: "n", At: scriptStart})
	for job, m := range []Message{{Kind: Begin}, {Kind: JobSucceeded}} {
		m.Job, m.Output = JobID(job), value.Checked(text)
		x.Apply(Step(e, p, x, m))
	}
	j := x.Jobs[x.Head.LastJob]
	if j == nil {
		return "", ""
	}
	q, err := x.Request(e, p, j.ID)
	if err != nil || q.Operation != Compensate {
		t.Fatal(q, err)
	}
	return q.Input.String(), ""
}
