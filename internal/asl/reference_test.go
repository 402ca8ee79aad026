package asl_test

import (
	"fmt"
	"testing"

	"github.com/backstep/backstep/internal/asl"
)

const calls = `{"StartAt": "A", "States": {
  "A": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f", "Parameters": {"x.$": "$b.y", "z.$": "States.Format('{}', $a)"}, "Next": "B"},
  "B": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "g", "Payload.$": "$"}, "Next": "C"},
  "C": {"Type": "Parallel", "Branches": [{"StartAt": "D", "States": {
    "D": {"Type": "Task", "QueryLanguage": "JSONata", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": {"FunctionName": "{% $inner %}"}, "End": true}}}], "Next": "E"},
  "E": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "g"}, "Next": "F"},
  "F": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Next": "G"},
  "G": {"Type": "Task", "Resource": "arn:aws:states:::sns:publish", "TimeoutSecondsPath": "$t", "End": true}}}`

func TestReferences(t *testing.T) {
	d, _ := asl.Parse([]byte(calls))
	p, err := asl.Compile(d, asl.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(p.VariableReferences()), "map[A:[a b] D:[inner] G:[t]]"; got != want {
		t.Errorf("variables: %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(p.Functions()), "[arn:aws:lambda:us-east-1:123456789012:function:f g]"; got != want {
		t.Errorf("functions: %s, want %s", got, want)
	}
	var names []string
	for _, r := range p.Resources() {
		names = append(names, r.Service+":"+r.Action)
	}
	if got, want := fmt.Sprint(names), "[lambda: lambda:invoke sns:publish]"; got != want {
		t.Errorf("resources: %s, want %s", got, want)
	}
}
