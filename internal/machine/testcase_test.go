package machine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// TestInvocationsAreCounted: over retries, loops and items, per state, where a
// test case is run, and nowhere else. The numbers outlast being written.
func TestInvocationsAreCounted(t *testing.T) {
	const task = `"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "f"}`
	definition, problems := asl.Parse([]byte(`{"StartAt": "M", "States": {"M": {"Type": "Map", "MaxConcurrency": 1, "Next": "Other", "ItemProcessor": {"StartAt": "S", "States": {
		"S": {` + task + `, "Retry": [{"ErrorEquals": ["States.ALL"]}], "End": true}}}}, "Other": {` + task + `, "End": true}}}`))
	p, err := asl.Compile(definition, asl.Rules{})
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	run := func(testCase string) string {
		x := New(Start{Machine: "m", Name: "n", At: scriptStart, TestCase: testCase})
		env := Env{Now: scriptStart, Limits: AWSLimits()}
		x.Apply(Step(env, p, x, Message{Kind: Begin, Output: value.Checked(`[1, 2]`)}))
		var seen []string
		for failed := false; len(x.Jobs) > 0; {
			for id, j := range x.Jobs {
				m := Message{Kind: Fired, Job: id}
				if j.Kind == Call {
					seen = append(seen, fmt.Sprint(j.State, j.Invocation))
					if m = (Message{Kind: JobSucceeded, Job: id, Output: value.Checked("1")}); !failed {
						m = Message{Kind: JobFailed, Job: id, Failure: &Failure{Error: textPointer("E")}}
					}
					failed = true
				}
				env.Now = max(env.Now, j.Due)
				x.Apply(Step(env, p, x, m))
				break
			}
			head, err := decodeHead(appendHead(nil, &x.Head))
			if err != nil {
				t.Fatal(err)
			}
			x.Head = head
		}
		return strings.Join(append(seen, x.Head.Status.String()), " ")
	}
	if got, want := run("c"), "S1 S2 S3 Other1 SUCCEEDED"; got != want {
		t.Errorf("with a test case %s, want %s", got, want)
	}
	if got, want := run(""), "S0 S0 S0 Other0 SUCCEEDED"; got != want {
		t.Errorf("without one %s, want %s", got, want)
	}
}
