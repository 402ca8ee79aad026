package machine

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// TestLiftedLimitsAreFiniteAndNotLower: lifted is more than AWS's, and still
// something.
func TestLiftedLimitsAreFiniteAndNotLower(t *testing.T) {
	lifted, aws := reflect.ValueOf(AWSLimits().Lifted()), reflect.ValueOf(AWSLimits())
	for i := range lifted.NumField() {
		if l, a := lifted.Field(i).Int(), aws.Field(i).Int(); l <= 0 || l < a {
			t.Errorf("%s: %d lifted, %d of AWS", lifted.Type().Field(i).Name, l, a)
		}
	}
}

// TestTrials tries states out alone: what is shown on the way, and how it ends.
func TestTrials(t *testing.T) {
	const mapped = `"Type": "Map", "ItemsPath": "$.all", "MaxConcurrency": 3, "ToleratedFailureCount": 1, "ToleratedFailurePercentage": 50,
		"ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}},`
	for _, c := range []struct {
		name, state, input string
		trial              Trial
		shown, end         string
	}{
		{"a task's result", `"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "f", "Payload.$": "$$.who"}, "ResultSelector": {"n.$": "$.a"}, "ResultPath": "$.r",`,
			`{"x": 1}`, Trial{Mocked: true, Result: value.Checked(`{"a": 7}`), Context: value.Checked(`{"who": "me"}`).Decode()},
			`afterInputPath={"x": 1} afterParameters={"FunctionName":"f","Payload":"me"} result={"a": 7} afterResultSelector={"n":7} afterResultPath={"x":1,"r":{"n":7}}`, `SUCCEEDED {"x":1,"r":{"n":7}}`},
		{"a task's failure", `"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "f"},`, `{}`,
			Trial{Mocked: true, Failure: &Failure{Error: textPointer("Busy"), Cause: textPointer("no room")}},
			`afterInputPath={} afterParameters={"FunctionName":"f"} failed=Busy`, `FAILED Busy`},
		{"a map's items", mapped + `"ItemSelector": {"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value", "by.$": "$$.who"},`, `{"all": ["a", "b"]}`,
			Trial{Mocked: true, Result: value.Checked(`[1, 2]`), Lost: 1, Context: value.Checked(`{"who": "me"}`).Decode()},
			`afterInputPath={"all": ["a", "b"]} maxConcurrency=3 afterItemsPath=["a","b"] afterItemSelector=[{"i":0,"v":"a","by":"me"},{"i":1,"v":"b","by":"me"}] iterationCount=2 toleratedFailureCount=1 toleratedFailurePercentage=50 afterResultSelector=[1, 2] afterResultPath=[1, 2]`, `SUCCEEDED [1, 2]`},
		{"more of them fail than may", mapped, `{"all": ["a"]}`, Trial{Mocked: true, Result: value.Checked(`[1]`), Lost: 1},
			`afterInputPath={"all": ["a"]} maxConcurrency=3 afterItemsPath=["a"] iterationCount=1 toleratedFailureCount=1 toleratedFailurePercentage=50 failed=States.ExceedToleratedFailureThreshold`, `FAILED States.ExceedToleratedFailureThreshold`},
		{"batches of what was read", `"Type": "Map", "ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSON", "ItemsPointer": "/a"}, "Parameters": {"Bucket.$": "$.b", "Key": "k"}},
			"ItemBatcher": {"MaxItemsPerBatch": 2, "MaxInputBytesPerBatch": 19}, "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}},`, `{"b": "x"}`,
			Trial{Mocked: true, Result: value.Checked(`[1, 2, 3]`), Read: func(reader value.Value) (value.Value, *Failure) {
				if bucket := reader.Get("Parameters").Get("Bucket").AsString(); bucket != "x" {
					return value.Value{}, &Failure{Error: textPointer("no bucket " + bucket)}
				}
				return value.Checked(`[1, 2, 3, "abcdefgh"]`).Decode(), nil
			}},
			`afterInputPath={"b": "x"} afterItemsPointer=[1,2,3,"abcdefgh"] maxConcurrency=0 afterItemsPath=[1,2,3,"abcdefgh"] afterItemBatcher=[{"Items":[1,2]},{"Items":[3]},{"Items":["abcdefgh"]}] iterationCount=3 afterResultSelector=[1, 2, 3] afterResultPath=[1, 2, 3]`, `SUCCEEDED [1, 2, 3]`},
		{"a reader that can't be", `"Type": "Map", "ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSON"}, "Parameters": {"Bucket.$": "$.b", "Key": "k"}},
			"ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}},`, `{}`,
			Trial{Mocked: true, Read: func(value.Value) (value.Value, *Failure) { panic("read by what can't be") }}, `afterInputPath={} failed=States.Runtime`, `FAILED States.Runtime`},
		{"a batcher that can't be", mapped + `"ItemBatcher": {"MaxItemsPerBatchPath": "$.no"},`, `{"all": ["a"]}`, Trial{Mocked: true},
			`afterInputPath={"all": ["a"]} maxConcurrency=3 afterItemsPath=["a"] failed=States.Runtime`, `FAILED States.Runtime`},
		{"a selector that can't be", mapped + `"ItemSelector": {"i.$": "$.nothing"},`, `{"all": ["a"]}`, Trial{Mocked: true, Result: value.Checked(`[1]`)},
			`afterInputPath={"all": ["a"]} maxConcurrency=3 afterItemsPath=["a"] failed=States.Runtime`, `FAILED States.Runtime`},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, problems := asl.Parse([]byte(`{"StartAt": "S", "States": {"S": {` + c.state + `"End": true}}}`))
			p, err := asl.Compile(d, asl.Rules{Distributed: true})
			if err != nil || len(problems) > 0 {
				t.Fatal(err, problems)
			}
			last, order := map[string]string{}, []string{}
			show := func(at, text string) {
				if last[at] == "" {
					order = append(order, at)
				}
				last[at] = text
			}
			c.trial.State = "S"
			c.trial.Show = func(at string, v value.Text) { show(at, v.String()) }
			c.trial.Failed = func(f Failure) { show("failed", *f.Error) }
			x := Start{Machine: "m", Name: "n", At: scriptStart}.OnTrial("S", value.Checked(c.input), []value.Member{{Name: "v", Value: value.NewInt(1)}}, nil)
			x.Apply(Step(Env{Now: scriptStart, Limits: AWSLimits(), Trial: &c.trial}, p, x, Message{Kind: Fired, Job: 1}))
			var shown []string
			for _, at := range order {
				shown = append(shown, at+"="+last[at])
			}
			if got := strings.Join(shown, " "); got != c.shown {
				t.Errorf("shown\n%s\nwant\n%s", got, c.shown)
			}
			end := x.Head.Status.String()
			if x.Head.Output != 0 {
				end += " " + x.Payloads[x.Head.Output].String()
			} else if x.Head.Error != nil {
				end += " " + *x.Head.Error
			}
			if end != c.end {
				t.Errorf("ended %s, want %s", end, c.end)
			}
		})
	}
}

// TestRunMessage: the parent of a map run hears of its result or its failure.
func TestRunMessage(t *testing.T) {
	n := Ending{Start: Start{Parent: &Parent{Job: 4}}, Head: Head{Status: Succeeded}, Output: value.Checked("[]")}
	if m := n.RunMessage(); m.Kind != JobSucceeded || m.Job != 4 || m.Output.String() != "[]" {
		t.Errorf("got %+v", m)
	}
	n.Head = Head{Status: Failed, Error: textPointer("E"), Cause: textPointer("c")}
	if m := n.RunMessage(); m.Kind != JobFailed || fmt.Sprint(*m.Failure.Error, *m.Failure.Cause) != "Ec" {
		t.Errorf("got %+v", m)
	}
}
