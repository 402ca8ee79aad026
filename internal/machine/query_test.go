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
	const machine = `{"QueryLanguage": "JSONata", "StartAt": "A", "States": {
  "A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": {"FunctionName": "f", "Payload": "{% INPUT %}"}, "Output": "{% RESULT %}", "End": true}}}`
	short := compileFor(t, strings.NewReplacer("INPUT", "$states.input", "RESULT", "$states.result.a.b").Replace(machine))
	long := compileFor(t, strings.NewReplacer("INPUT", "($i := $states.input; $i)", "RESULT", "($r := $states.result; $r.a.b)").Replace(machine))
	for _, text := range []string{
		`{"a":{"b":{"c":[1.0,1e2,-0,"é"],"d":null}}}`, `{"a":{"b":"text"}}`, `{"a":{"b":"\u00e9\n"}}`, `{"a":{"b":1.0}}`, `{"a":{"b":null}}`,
		`{"a":{"b":true}}`, `{"a":{"b":[]}}`, `{"a":{"b":[1]}}`, `{"a":{"b":[[1,2]]}}`, `{"a":[{"b":{}},{"b":{}}]}`, `{"a":[{"b":{"c":1}}]}`,
		`{ "a" : { "b" : { "c" : 1 } } }`, `{"a":{"b":{}}}`, `{"a":{"b":1,"b":{"c":2}}}`, `{"a":{"b":{"c":1,"c":2}}}`, `{"a":{}}`, `{"a":"b"}`, `[]`,
		`[{"a":{"b":{"c":1}}}]`, `null`,
	} {
		request, output := throughTask(t, short, text)
		wantRequest, wantOutput := throughTask(t, long, text)
		if request != wantRequest || output != wantOutput {
			t.Errorf("%s: asked %s and gave %s; evaluated, they are %s and %s", text, request, output, wantRequest, wantOutput)
		}
	}
}

// throughTask is what a Task asks for, and what it gives, "" where it fails: its
// input and its result are text.
func throughTask(t *testing.T, p *asl.Program, text string) (request, output string) {
	e := Env{Now: scriptStart, Limits: AWSLimits()}
	x := New(Start{Account: "1", Region: "us-east-1", Machine: "m", Name: "n", At: scriptStart})
	x.Apply(Step(e, p, x, Message{Kind: Begin, Output: value.Checked(text)}))
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
